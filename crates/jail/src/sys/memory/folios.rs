//! Small pages whose memory lies together, so that the kernel copies their entries in batches.
//!
//! Much of what an interpreter has written lies where no huge page can begin or is not enough to fill one. Its memory can be that of
//! a huge page all the same, a large folio, of which each page is mapped by itself. Since Linux 6.9 a fork and its end then treat
//! runs of entries as one: fork, exit and wait of a process with 2,048 pages took 241 µs more than of an empty one, and 73 µs more with
//! large folios (Linux 6.18, a virtual machine). On older kernels it is as good as what was there before.

use std::cmp::Reverse;
use std::ops::Range;
use std::{iter, ptr};

use super::{HUGE, HugeRoom, Mapping, PAGE, PAGES, WORTH_HUGE, move_over, note_resident};

/// The shortest run of pages that is moved. Each becomes a mapping of its own, which costs what some 20 pages gain.
const RUN_MIN: usize = 64;
/// How many pages in a run may be missing one after another; they are there afterwards.
const GAP_MAX: usize = 8;

/// Pages side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    from: usize,
    pages: usize,
}

/// Moves what lies in small pages of these mappings into large folios, but for what is in one of the huge pages that begin at
/// the addresses `huge`.
///
/// Where there is no memory for these, forks cost what they did. Ends the process if moving fails half-way.
pub(super) fn put_together(mappings: &[Mapping<'_>], huge: &[usize]) {
    let written = mappings.iter().filter(|mapping| mapping.is_written());
    let mut runs: Vec<_> = written.flat_map(|mapping| runs_of(mapping, huge)).collect();
    runs.sort_by_key(|run| Reverse(run.pages));
    let bytes = worth_moving(&runs) * HUGE;
    if bytes == 0 {
        return;
    }
    let Some(room) = HugeRoom::make(bytes) else {
        return;
    };
    let (mut next, end) = (room.start, room.start + bytes);
    for run in &runs {
        let size = (run.pages * PAGE).min(end - next);
        if size < RUN_MIN * PAGE {
            break;
        }
        // SAFETY: these bytes may be read, and as many written in a mapping that nobody else knows of. Until they are moved nothing
        // that matters is written where they come from: this thread is the only one, and calls nothing that allocates. (The kernel
        // may note there which processor the thread is on, and does so again at the next change.)
        unsafe { ptr::copy_nonoverlapping(run.from as *const u8, next as *mut u8, size) };
        // SAFETY: they hold what was just copied from there, and may be read and written as that may.
        unsafe { move_over(next, size, run.from) };
        next += size;
    }
}

/// How many large folios these runs fill; as good as fill, for the last one.
fn worth_moving(runs: &[Run]) -> usize {
    let pages: usize = runs.iter().map(|run| run.pages).sum();
    pages / PAGES + usize::from(pages % PAGES >= WORTH_HUGE)
}

/// The runs of a mapping that are worth being moved.
fn runs_of(mapping: &Mapping<'_>, huge: &[usize]) -> Vec<Run> {
    let (from, to) = (mapping.from, mapping.to);
    let mut resident = vec![1_u8; (to - from) / PAGE];
    note_resident(from, &mut resident);
    let is_small = |at: usize| huge.binary_search(&(at / HUGE * HUGE)).is_err();
    let pages = iter::zip((from..to).step_by(PAGE), resident)
        .map(|(at, there)| there & 1 == 1 && is_small(at));
    runs(pages)
        .map(|run| Run {
            from: from + run.start * PAGE,
            pages: run.len(),
        })
        .collect()
}

/// Where pages are used one after another, often enough and with small gaps.
fn runs(used: impl IntoIterator<Item = bool>) -> impl Iterator<Item = Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (index, _) in used.into_iter().enumerate().filter(|(_, used)| *used) {
        match found.last_mut() {
            Some(last) if index - last.end <= GAP_MAX => last.end = index + 1,
            _ => found.push(index..index + 1),
        }
    }
    found.into_iter().filter(|run| run.len() >= RUN_MIN)
}

#[cfg(test)]
mod tests {
    use super::super::map;
    use super::*;

    #[test]
    fn a_run_has_small_gaps_and_many_pages() {
        let found = |ranges: &[(usize, usize)]| {
            let is_used = |page| ranges.iter().any(|(from, to)| (*from..*to).contains(&page));
            runs((0..1000).map(is_used))
                .map(|run| (run.start, run.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), []);
        assert_eq!(found(&[(10, 9 + RUN_MIN)]), []);
        assert_eq!(found(&[(10, 10 + RUN_MIN)]), [(10, 10 + RUN_MIN)]);
        assert_eq!(found(&[(0, 40), (40 + GAP_MAX, 80)]), [(0, 80)]);
        let apart = [(0, 64), (65 + GAP_MAX, 500)];
        assert_eq!(found(&apart), apart);
    }

    #[test]
    fn a_folio_is_not_left_half_empty() {
        let run = |pages| Run { from: 0, pages };
        assert_eq!(worth_moving(&[run(WORTH_HUGE - 1)]), 0);
        assert_eq!(worth_moving(&[run(WORTH_HUGE)]), 1);
        assert_eq!(worth_moving(&[run(300), run(300)]), 1);
        assert_eq!(worth_moving(&[run(PAGES), run(WORTH_HUGE)]), 2);
    }

    #[test]
    fn what_is_moved_is_what_was_there() {
        let room = map(3 * HUGE, libc::PROT_READ | libc::PROT_WRITE).unwrap();
        // Where no huge page can begin.
        let from = room.next_multiple_of(HUGE) + 7 * PAGE;
        for page in 0..PAGES {
            // SAFETY: it lies in the mapping above.
            unsafe { ((from + page * PAGE) as *mut usize).write_volatile(page) };
        }
        let mapping = Mapping {
            from,
            to: from + HUGE,
            mode: "rw-p",
            offset: 0,
            name: "",
        };
        put_together(&[mapping], &[]);
        for page in 0..PAGES {
            // SAFETY: as above; it may be read.
            let found = unsafe { ((from + page * PAGE) as *const usize).read_volatile() };
            assert_eq!(found, page);
        }
    }
}
