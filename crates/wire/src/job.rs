//! The job as a unit reads it from its socket.
//!
//! ```text
//!   version: u8 = 1 │ flags: u8 │ code length: u32, little-endian │ code: UTF-8
//! ```
//!
//! The unit closes the socket before the first byte of user code. If it could not parse the
//! program it first says so: `S` and Python's message; if it failed itself: `F` and why.

use std::fmt::Display;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

/// The version byte of [`head`].
pub const VERSION: u8 = 1;
/// Flag: imports are held to the configured list.
pub const IMPORTS_LISTED: u8 = 1;
/// First byte of what a unit says when it cannot parse the program.
pub const UNPARSABLE: u8 = b'S';
/// Exit code of a unit that failed before the program began.
pub const EXIT_NO_JOB: i32 = 70;
/// First byte of what a unit says when its walls stand and it waits for a job.
pub const READY: u8 = b'R';
/// What a unit says, with a descriptor beside it, where the keeper is to be asked for each process that
/// the run wants to make: the descriptor is what it is asked on.
pub const ASKS: u8 = b'A';
/// What a unit in a sandbox hears first, with a descriptor beside it: its standard input, which could
/// not come otherwise.
pub const STDIN: u8 = b'G';
/// First byte of what a unit or an init says when it could not raise a wall, or a unit not begin the program; the
/// reason follows.
pub const FAILED: u8 = b'F';

/// What is said of a wall that does not stand.
#[must_use]
pub fn failed(reason: impl Display) -> Vec<u8> {
    format!("{}{reason}", char::from(FAILED)).into_bytes()
}

/// Sends one word with a descriptor beside it.
///
/// # Errors
///
/// The kernel's.
pub fn send_word(socket: impl AsFd, word: u8, beside: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [beside];
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let word = [word];
    let parts = [IoSlice::new(&word)];
    rustix::net::sendmsg(socket, &parts, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Receives what is said, and the descriptor beside it, if one is there: how many bytes, and which.
///
/// # Errors
///
/// The kernel's.
pub fn receive_words(
    socket: impl AsFd,
    room: &mut [u8],
    flags: RecvFlags,
) -> Result<(usize, Option<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(room)];
    let heard = rustix::net::recvmsg(socket, &mut parts, &mut ancillary, flags)?;
    let mut descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let descriptor = descriptors.next().and_then(|mut first| first.next());
    Ok((heard.bytes, descriptor))
}

/// The bytes that precede the code. `None` if the code is longer than the form can say.
#[must_use]
pub fn head(code: &str, imports_listed: bool) -> Option<[u8; 6]> {
    let [a, b, c, d] = u32::try_from(code.len()).ok()?.to_le_bytes();
    let flags = if imports_listed { IMPORTS_LISTED } else { 0 };
    Some([VERSION, flags, a, b, c, d])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_head_tells_version_flags_and_length() {
        assert_eq!(super::head("print(1)", true), Some([1, 1, 8, 0, 0, 0]));
        assert_eq!(super::head("é", false), Some([1, 0, 2, 0, 0, 0]));
    }
}
