//! What a process has touched, as `/proc/self/pagemap` tells.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{Mapping, PAGE, PAGES_PINNED_MAX};

/// Size of an entry in `/proc/PID/pagemap`. Bytes.
const ENTRY_BYTES: usize = 8;
/// How many of them are read at once.
const ENTRIES_AT_ONCE: usize = 256;
/// Bits of an entry.
const PRESENT: u64 = 1 << 63;
const OF_A_FILE: u64 = 1 << 61;
const MAPPED_ONCE: u64 = 1 << 56;

/// Where this process has memory that it may write to and nobody else sees.
///
/// # Errors
///
/// The kernel's: there is no `/proc`.
pub fn private_memory() -> io::Result<Vec<Range<usize>>> {
    ranges(|mapping| mapping.mode == "rw-p")
}

/// Where this process has the code of files.
///
/// # Errors
///
/// The kernel's: there is no `/proc`.
pub fn code_of_files() -> io::Result<Vec<Range<usize>>> {
    ranges(|mapping| mapping.is_code())
}

/// Where the mappings of this process lie that are such.
fn ranges(is_such: impl Fn(&Mapping<'_>) -> bool) -> io::Result<Vec<Range<usize>>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mappings = maps.lines().filter_map(Mapping::read);
    Ok(mappings
        .filter(is_such)
        .map(|mapping| mapping.from..mapping.to)
        .collect())
}

/// Tells where pages begin that this process alone has, in order, of this memory, [`PAGES_PINNED_MAX`] at most.
///
/// In a fork those are what it has written to since it began; in a process that has forked, what it has written to since,
/// as long as the fork lives and has the others as well. Allocates nothing: that would be among them.
///
/// # Errors
///
/// The kernel's, if it does not say; the teller's.
pub fn pages_written(
    memory: &[Range<usize>],
    mut tell: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<()> {
    let pagemap = File::open("/proc/self/pagemap")?;
    let mut left = PAGES_PINNED_MAX;
    for range in memory {
        for_each_entry(&pagemap, range, |page, entry| {
            if was_copied(entry) && left > 0 {
                left -= 1;
                tell(page)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Tells of each such range where the first page begins that this process has, if it has one.
///
/// In a fork those are files whose code, or read-only data joined to it, it has touched since it began: of a file's pages a
/// fork is given none, as long as all of them are only the file's.
///
/// # Errors
///
/// As above.
pub fn code_touched(
    code: &[Range<usize>],
    mut tell: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<()> {
    let pagemap = File::open("/proc/self/pagemap")?;
    for range in code {
        let mut first = None;
        for_each_entry(&pagemap, range, |page, entry| {
            if entry & PRESENT != 0 {
                first.get_or_insert(page);
            }
            Ok(())
        })?;
        if let Some(page) = first {
            tell(page)?;
        }
    }
    Ok(())
}

/// Looks at each page of this memory: where it begins, and its entry.
fn for_each_entry(
    pagemap: &File,
    memory: &Range<usize>,
    mut see: impl FnMut(usize, u64) -> io::Result<()>,
) -> io::Result<()> {
    let mut entries = [[0; ENTRY_BYTES]; ENTRIES_AT_ONCE];
    for from in memory.clone().step_by(ENTRIES_AT_ONCE * PAGE) {
        let pages = (from..memory.end).step_by(PAGE);
        let entries = entries
            .get_mut(..pages.len().min(ENTRIES_AT_ONCE))
            .unwrap_or_default();
        let at = u64::try_from(from / PAGE * ENTRY_BYTES).map_err(io::Error::other)?;
        pagemap.read_exact_at(entries.as_flattened_mut(), at)?;
        for (page, entry) in pages.zip(entries) {
            see(page, u64::from_ne_bytes(*entry))?;
        }
    }
    Ok(())
}

const fn was_copied(entry: u64) -> bool {
    entry & (PRESENT | OF_A_FILE | MAPPED_ONCE) == PRESENT | MAPPED_ONCE
}

#[cfg(test)]
mod tests {
    use super::super::map;
    use super::*;

    #[test]
    fn a_page_was_copied_that_is_there_and_mapped_once_and_no_files() {
        assert!(was_copied(PRESENT | MAPPED_ONCE | 0x1234));
        for entry in [0, PRESENT, MAPPED_ONCE, PRESENT | MAPPED_ONCE | OF_A_FILE] {
            assert!(!was_copied(entry), "{entry:x}");
        }
    }

    #[test]
    fn code_that_runs_is_told_and_no_other() {
        // The program itself comes before its libraries.
        let own = code_of_files().unwrap().remove(0);
        let unused = map(PAGE, libc::PROT_READ | libc::PROT_WRITE).unwrap();
        let code = [unused..unused + PAGE, own.clone()];
        let mut told = Vec::new();
        let all_told = code_touched(&code, |page| {
            told.push(page);
            Ok(())
        });
        if let Err(error) = all_told {
            // Without it nothing is pinned or filed away, and nothing fails.
            return eprintln!("skipped: code executed: {error}");
        }
        assert!(
            told.len() == 1 && own.contains(told.first().unwrap()),
            "{told:x?}"
        );
    }

    #[test]
    fn what_was_just_written_is_told() {
        let mut own = vec![0_u8; 1000 * PAGE];
        let first = (own.as_ptr() as usize).next_multiple_of(PAGE);
        let offset = first - own.as_ptr() as usize;
        for page in [0, 1, 700] {
            *own.get_mut(offset + page * PAGE).unwrap() = 1;
        }
        let mut told = Vec::new();
        let memory = first..first + 900 * PAGE;
        let all_told = pages_written(&[memory], |page| {
            told.push((page - first) / PAGE);
            Ok(())
        });
        if let Err(error) = all_told {
            // Without it nothing is pinned, and nothing fails.
            return eprintln!("skipped: pages written: {error}");
        }
        for page in [0, 1, 700] {
            assert!(told.binary_search(&page).is_ok(), "{told:?}");
        }
    }
}
