//! Locks: what the kernel keeps of them is in no count of memory, a cgroup's neither.
//!
//! A run could have half a gigabyte of record locks in eight seconds, and of `flock` as many as it can map
//! files. So the kernel's own list is looked at ten times a second, and a run with very many is ended. The
//! filter sees to it that each record lock has an owner there: no locks of open file descriptions, and no
//! descriptors shared by processes, whose locks stay when their owner has gone. A `flock` whose owner has
//! gone is not in the list.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;

/// Most locks of a run; a database of sqlite3 has some ten.
pub(super) const LOCKS_MAX: usize = 512;
/// Fewest for which a run has to make room where there are more than are read: it is one of those that
/// fill the list, and not one whose few stand beside them.
pub(super) const LOCKS_MANY: usize = 64;
/// Most that is read of the kernel's list. Bytes; a line has about sixty.
const LIST_BYTES_MAX: u64 = 1 << 20;

/// How many locks each process has, of those that can be seen from here, and whether there are
/// more than are read.
pub(super) fn by_process() -> (BTreeMap<i32, usize>, bool) {
    let mut list = Vec::new();
    if let Ok(file) = File::open("/proc/locks") {
        // What was read before a failure counts.
        drop(file.take(LIST_BYTES_MAX).read_to_end(&mut list));
    }
    let is_cut = u64::try_from(list.len()).is_ok_and(|bytes| bytes >= LIST_BYTES_MAX);
    (count(&String::from_utf8_lossy(&list)), is_cut)
}

/// `1: POSIX  ADVISORY  WRITE 708 fd:00:1234 0 EOF`, and `-> ` after the number for one that waits.
fn count(list: &str) -> BTreeMap<i32, usize> {
    let mut counts = BTreeMap::new();
    for line in list.lines() {
        let mut words = line.split_whitespace().skip(1).filter(|word| *word != "->");
        if !matches!(words.next(), Some("POSIX" | "FLOCK")) {
            continue;
        }
        if let Some(Ok(pid)) = words.nth(2).map(str::parse) {
            *counts.entry(pid).or_default() += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    #[test]
    fn locks_are_counted_by_their_owner() {
        let list = "1: POSIX  ADVISORY  WRITE 708 fd:00:1234 0 EOF\n\
                    1: -> POSIX  ADVISORY  WRITE 709 fd:00:1234 0 EOF\n\
                    2: FLOCK  ADVISORY  WRITE 708 00:19:1 0 EOF\n\
                    3: OFDLCK ADVISORY  READ -1 fd:00:12 0 EOF\n\
                    4: POSIX  ADVISORY  READ 708 fd:00:12 5 9\n\
                    5: POS";
        assert_eq!(super::count(list), [(708, 3), (709, 1)].into());
    }
}
