//! Pages that every fork writes to, which the fork itself copies: those of units in a zygote, of inits in the keeper.
//!
//! A page that a fork writes to is copied for it, and a fault for each is most of what that costs: 4 µs of a processor, and 1.5 µs
//! where the fork has copied it before (Linux 6.18, a virtual machine). The kernel copies at once what is pinned, since a device might
//! write there for the process that forks (`copy_present_page`, since Linux 5.9). Nothing else that
//! pins is open to everybody, so the pages are registered as buffers of an `io_uring` that is never enabled, and on which nothing
//! is ever submitted. A unit closes its copy with all other descriptors.
//!
//! A large folio is copied as a whole if one page of it is pinned, so that each page becomes a small one first: while a fork has it as
//! well, to write to it makes the kernel give this process a new one.
//!
//! Where there is no `io_uring`, as in most containers, or not as much memory may be locked, nothing is pinned, and forks cost what
//! they did.

use std::ffi::c_void;
use std::fs::File;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::{fs, io};

use rustix::io_uring::{
    IoringRegisterOp, IoringSetupFlags, io_uring_params, io_uring_register, io_uring_setup,
};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Resource, WaitOptions, getrlimit};

use super::{HUGE, Mapping, PAGE};
use crate::sys::{self, SingleThread};

/// Most pages that are pinned. A unit writes to 140 to 180, by its kind.
pub const PAGES_PINNED_MAX: usize = 1024;
/// How many pages of a huge one must be written to for it to be broken up for all forks. Each fork has then 512 entries to
/// copy that it would otherwise get when it breaks it up by itself, at the price of two or three faults.
const WORTH_BREAKING: usize = 3;

/// Size of an entry in `/proc/PID/pagemap`. Bytes.
const ENTRY_BYTES: usize = 8;
/// How many of them are read at once.
const ENTRIES_AT_ONCE: usize = 256;
/// Bits of an entry.
const PRESENT: u64 = 1 << 63;
const OF_A_FILE: u64 = 1 << 61;
const MAPPED_ONCE: u64 = 1 << 56;

/// What keeps pages pinned for as long as it is open.
#[derive(Debug)]
pub struct Pins(OwnedFd);

impl Pins {
    /// `None` where this process may have no `io_uring`.
    #[must_use]
    pub fn open() -> Option<Self> {
        let mut parameters = io_uring_params::default();
        parameters.flags = IoringSetupFlags::R_DISABLED;
        // SAFETY: its rings are never mapped and it is never enabled, so that it does nothing by itself.
        unsafe { io_uring_setup(1, &mut parameters) }.ok().map(Self)
    }

    /// Pins the pages at these addresses, as [`pages_written`] told them in this process or a fork of it. `huge` is where the huge pages begin,
    /// in order. What was not pinned will be copied when it is written to.
    ///
    /// # Errors
    ///
    /// The kernel's: no more processes, or less memory may be locked.
    pub fn pin(&self, proof: SingleThread, pages: &[usize], huge: &[usize]) -> io::Result<()> {
        let own = private_memory()?;
        let is_ours = |page: &usize| {
            page.is_multiple_of(PAGE) && own.iter().any(|range| range.contains(page))
        };
        let pages: Vec<_> = worth_pinning(pages, huge).filter(is_ours).collect();
        // Before anything is broken up for it.
        let bytes = u64::try_from(pages.len() * PAGE).unwrap_or(u64::MAX);
        if getrlimit(Resource::Memlock)
            .current
            .is_some_and(|may| may < bytes)
        {
            return Err(io::Error::other("less memory may be locked"));
        }
        {
            let _shared = SharedMemory::with_a_fork(proof)?;
            for page in &pages {
                let byte = *page as *mut u8;
                // SAFETY: it lies in a mapping that may be read and is this process's alone.
                let value = unsafe { byte.read_volatile() };
                // SAFETY: it may be written, too, keeps its value, and no other thread is there.
                unsafe { byte.write_volatile(value) };
            }
        }
        self.register(&pages)
    }

    fn register(&self, pages: &[usize]) -> io::Result<()> {
        let buffer = |page: &usize| libc::iovec {
            iov_base: *page as *mut c_void,
            iov_len: PAGE,
        };
        let buffers: Vec<_> = pages.iter().map(buffer).collect();
        let count = u32::try_from(buffers.len()).unwrap_or(0);
        let operation = IoringRegisterOp::RegisterBuffers;
        // SAFETY: so many buffers, which the kernel only pins: nothing is ever submitted that reads or writes one.
        unsafe { io_uring_register(&self.0, operation, buffers.as_ptr().cast(), count) }?;
        Ok(())
    }
}

/// A fork that does nothing but have the same memory, until this is dropped.
struct SharedMemory {
    fork: Option<Pid>,
    /// The fork ends with it.
    alive: Option<OwnedFd>,
}

impl SharedMemory {
    fn with_a_fork(proof: SingleThread) -> io::Result<Self> {
        let (end, alive) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        match sys::fork(proof)? {
            Some(pid) => Ok(Self {
                fork: Pid::from_raw(pid),
                alive: Some(alive),
            }),
            None => {
                drop(alive);
                let _ended = rustix::io::read(&end, &mut [0; 1]);
                sys::exit_now(0)
            }
        }
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        drop(self.alive.take());
        let _reaped = rustix::process::waitpid(self.fork, WaitOptions::empty());
    }
}

/// Where this process has memory that it may write to and nobody else sees.
///
/// # Errors
///
/// The kernel's: there is no `/proc`.
pub fn private_memory() -> io::Result<Vec<Range<usize>>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mappings = maps.lines().filter_map(Mapping::read);
    Ok(mappings
        .filter(|mapping| mapping.mode == "rw-p")
        .map(|mapping| mapping.from..mapping.to)
        .collect())
}

/// Where this process has the code of files.
///
/// # Errors
///
/// The kernel's: there is no `/proc`.
pub fn code_of_files() -> io::Result<Vec<Range<usize>>> {
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mappings = maps.lines().filter_map(Mapping::read);
    Ok(mappings
        .filter(Mapping::is_code)
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
        look_at(&pagemap, range, |page, entry| {
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
/// In a fork those are files of which it has executed something since it began: of a file's pages a fork is given none, as
/// long as all of them are only the file's.
///
/// # Errors
///
/// As above.
pub fn code_executed(
    code: &[Range<usize>],
    mut tell: impl FnMut(usize) -> io::Result<()>,
) -> io::Result<()> {
    let pagemap = File::open("/proc/self/pagemap")?;
    for range in code {
        let mut first = None;
        look_at(&pagemap, range, |page, entry| {
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
fn look_at(
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

/// Those that are not in a huge page, or in one that is written to often enough.
fn worth_pinning(pages: &[usize], huge: &[usize]) -> impl Iterator<Item = usize> {
    let of = |page: &usize| page / HUGE * HUGE;
    pages
        .chunk_by(move |one, next| of(one) == of(next))
        .filter(move |pages| {
            let is_huge = |page| huge.binary_search(&of(page)).is_ok();
            pages.len() >= WORTH_BREAKING || !pages.first().is_some_and(is_huge)
        })
        .flatten()
        .copied()
        .take(PAGES_PINNED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_was_copied_that_is_there_and_mapped_once_and_no_files() {
        assert!(was_copied(PRESENT | MAPPED_ONCE | 0x1234));
        for entry in [0, PRESENT, MAPPED_ONCE, PRESENT | MAPPED_ONCE | OF_A_FILE] {
            assert!(!was_copied(entry), "{entry:x}");
        }
    }

    #[test]
    fn a_huge_page_is_broken_up_for_several_pages_only() {
        let in_huge =
            |huge: usize, pages: usize| (0..pages).map(move |page| huge * HUGE + page * PAGE);
        let few = WORTH_BREAKING - 1;
        let written: Vec<_> = in_huge(1, few)
            .chain(in_huge(2, WORTH_BREAKING))
            .chain(in_huge(3, 1))
            .collect();
        let pinned: Vec<_> = worth_pinning(&written, &[HUGE, 2 * HUGE]).collect();
        let expected: Vec<_> = in_huge(2, WORTH_BREAKING).chain(in_huge(3, 1)).collect();
        assert_eq!(pinned, expected);
    }

    #[test]
    fn code_that_runs_is_told_and_no_other() {
        // The program itself comes before its libraries.
        let own = code_of_files().unwrap().remove(0);
        let unused = super::super::map(PAGE, libc::PROT_READ | libc::PROT_WRITE).unwrap();
        let code = [unused..unused + PAGE, own.clone()];
        let mut told = Vec::new();
        let all_told = code_executed(&code, |page| {
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
