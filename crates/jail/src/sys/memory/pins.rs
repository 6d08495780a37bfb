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
use std::io;
use std::os::fd::OwnedFd;

use rustix::io_uring::{
    IoringRegisterOp, IoringSetupFlags, io_uring_params, io_uring_register, io_uring_setup,
};
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Resource, WaitOptions, getrlimit};

use super::{HUGE, PAGE, private_memory};
use crate::sys::{self, SingleThread};

/// Most pages that are pinned. A unit writes to 140 to 180, by its kind.
pub const PAGES_PINNED_MAX: usize = 1024;
/// How many pages of a huge one must be written to for it to be broken up for all forks. Each fork has then 512 entries to
/// copy that it would otherwise get when it breaks it up by itself, at the price of two or three faults.
const WORTH_BREAKING: usize = 3;

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

    /// Pins the pages at these addresses, as [`pages_written`](super::pages_written) told them in this process or a fork of it. `huge` is where the huge pages begin,
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
}
