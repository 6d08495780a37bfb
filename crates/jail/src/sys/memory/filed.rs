//! Data of libraries that was written once, as they were loaded, and that units only read: filed away.
//!
//! As private memory it costs each fork an entry a page, and each mapping two more records of whose it is (`anon_vma_fork`),
//! though a program uses few of the libraries that are there: fork, exit and wait of a process with the data of 44 small ones
//! took 100 µs less once that was a file's (Linux 6.18, a virtual machine). So it is copied to a file in memory, which is
//! mapped in its place: a fork copies nothing of it, and who reads or writes there meets a fault. What the program that is
//! played on trial uses stays as it was.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::slice;

use rustix::fs::{MemfdFlags, SealFlags};

use super::{Mapping, files_used_by_all, map_over};
use crate::sys::SingleThread;

/// The name of the file, as `/proc/PID/maps` shows it.
const NAME: &str = "data of libraries";

/// Puts copies in a file in the place of the data of libraries that a fork did not use.
///
/// `used` is what [`pages_written`](super::pages_written) and [`code_touched`](super::code_touched) told in the fork. From the
/// first refusal on the rest stays what it is. Ends the process if a move fails half-way.
///
/// # Errors
///
/// The kernel's: no `/proc`, no files in memory, no memory, or that it may not be.
pub fn file_away(_proof: SingleThread, used: &[usize]) -> io::Result<()> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mappings: Vec<_> = maps.lines().filter_map(Mapping::read).collect();
    let used = |mapping: &&Mapping<'_>| {
        let memory = mapping.from..mapping.to;
        used.iter().any(|page| memory.contains(page))
    };
    let mut names = files_used_by_all(&mappings);
    names.extend(mappings.iter().filter(used).map(|mapping| mapping.name));
    let unused = mappings
        .iter()
        .filter(|mapping| mapping.is_data() && !names.contains(&mapping.name));
    // SAFETY: no other thread is there, and what is called meanwhile belongs to the files that all use.
    unsafe { move_to_a_file(unused) }
}

/// Puts copies in a file, that nobody can write to any more, in the place of these mappings.
///
/// # Safety
///
/// They may be read and written, and nobody does meanwhile.
unsafe fn move_to_a_file<'a>(
    mappings: impl Iterator<Item = &'a Mapping<'a>> + Clone,
) -> io::Result<()> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(rustix::fs::memfd_create(NAME, flags)?);
    for mapping in mappings.clone() {
        // SAFETY: memory of this process that may be read, and that nothing writes to.
        let content = unsafe { slice::from_raw_parts(mapping.from as *const u8, mapping.bytes()) };
        file.write_all(content)?;
    }
    // What a unit writes there is its own; it is to have no way to the file itself either.
    let none = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&file, none)?;
    let mut offset = 0;
    for mapping in mappings {
        // SAFETY: the file holds what is there, which may be read and written.
        unsafe { map_over(file.as_fd(), offset, mapping.bytes(), mapping.from) }?;
        offset += mapping.bytes();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{PAGE, map};
    use super::*;

    #[test]
    fn what_is_filed_away_is_what_was_there_and_can_be_written_to() {
        let mode = libc::PROT_READ | libc::PROT_WRITE;
        let mappings = [3, 1].map(|pages| {
            let from = map(pages * PAGE, mode).unwrap();
            Mapping {
                from,
                to: from + pages * PAGE,
                mode: "rw-p",
                offset: 0,
                name: "/a library",
            }
        });
        let pages = || mappings.iter().flat_map(|m| (m.from..m.to).step_by(PAGE));
        // SAFETY: the first bytes of pages of the mappings above.
        let write = |page: usize, value| unsafe { (page as *mut usize).write_volatile(value) };
        // SAFETY: as above.
        let read = |page: usize| unsafe { (page as *const usize).read_volatile() };
        for page in pages() {
            write(page, page + 1);
        }
        // SAFETY: nobody else knows of them.
        unsafe { move_to_a_file(mappings.iter()) }.unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let of_the_file = maps.lines().filter(|line| line.contains(NAME));
        let ranges: Vec<_> = of_the_file.filter_map(Mapping::read).collect();
        for mapping in &mappings {
            assert!(
                ranges
                    .iter()
                    .any(|r| r.from <= mapping.from && mapping.to <= r.to)
            );
        }
        for page in pages() {
            assert_eq!(read(page), page + 1);
            write(page, page + 2);
            assert_eq!(read(page), page + 2);
        }
    }

    #[test]
    fn what_may_not_be_moved_stays() {
        let mode = libc::PROT_READ | libc::PROT_WRITE;
        let from = map(PAGE, mode).unwrap();
        // SAFETY: the first bytes of the mapping above.
        unsafe { (from as *mut usize).write_volatile(7) };
        // SAFETY: it forbids changes of the mapping above, of which nobody else knows.
        if unsafe { libc::syscall(libc::SYS_mseal, from, PAGE, 0) } != 0 {
            return eprintln!("skipped: mseal: {}", io::Error::last_os_error());
        }
        let mapping = Mapping {
            from,
            to: from + PAGE,
            mode: "rw-p",
            offset: 0,
            name: "/a library",
        };
        // SAFETY: nobody else knows of it.
        let moved = unsafe { move_to_a_file([mapping].iter()) };
        assert_eq!(moved.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        // SAFETY: as above; it may be read.
        assert_eq!(unsafe { (from as *const usize).read_volatile() }, 7);
    }
}
