//! Frames over sequenced-packet sockets, with descriptors beside them.

use std::cell::RefCell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest frame. Bytes. The longest real one is a [`crate::Setup`] with its import list.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;
/// Most descriptors beside a frame.
pub const DESCRIPTORS_MAX: usize = 12;

thread_local! {
    /// Room for one frame, so that none has to be cleared for each.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; FRAME_BYTES_MAX]);
}

/// Why a frame could not be sent or received. The connection is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The kernel refused.
    #[error("the socket failed")]
    Socket(#[from] io::Error),
    /// The bytes are no frame of this type.
    #[error("the frame cannot be read")]
    Malformed(#[from] postcard::Error),
    /// Frame or descriptors were longer than the bounds, and were cut.
    #[error("the frame is too long")]
    TooLong,
}

impl WireError {
    /// Whether the other side is gone. That is no trouble of the connection's: it has ended.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        matches!(self, Self::Socket(e) if matches!(e.kind(), BrokenPipe | ConnectionReset))
    }
}

/// One received frame.
#[derive(Debug)]
pub struct Frame<T> {
    /// What was said.
    pub message: T,
    /// The descriptors that came with it, in the sender's order; fewer than were sent where this
    /// process may open no more.
    pub descriptors: Vec<OwnedFd>,
}

/// Makes a connected pair of sockets, both closed on exec.
///
/// # Errors
///
/// The kernel's, for want of descriptors or memory.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one frame, waiting for room if the socket is blocking.
///
/// # Errors
///
/// [`WireError`]; `WouldBlock` on a full non-blocking socket.
pub fn send<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), WireError> {
    send_with(socket.as_fd(), message, descriptors, SendFlags::NOSIGNAL)
}

/// Sends one frame, or fails with `WouldBlock` if there is no room for it now.
///
/// # Errors
///
/// As [`send`].
pub fn send_now<T: Serialize>(
    socket: impl AsFd,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), WireError> {
    send_with(
        socket.as_fd(),
        message,
        descriptors,
        SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
    )
}

fn send_with<T: Serialize>(
    socket: BorrowedFd<'_>,
    message: &T,
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), WireError> {
    let bytes = postcard::to_stdvec(message)?;
    if bytes.len() > FRAME_BYTES_MAX || descriptors.len() > DESCRIPTORS_MAX {
        return Err(WireError::TooLong);
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(WireError::TooLong);
    }
    loop {
        match rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut ancillary, flags) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(io::Error::from(e).into()),
        }
    }
}

/// Receives one frame, waiting for it; `None` when the other side is gone.
///
/// # Errors
///
/// [`WireError`].
pub fn receive<T: DeserializeOwned>(socket: impl AsFd) -> Result<Option<Frame<T>>, WireError> {
    receive_with(socket.as_fd(), RecvFlags::CMSG_CLOEXEC)
}

/// Receives one frame that is already there; `WouldBlock` if there is none.
///
/// # Errors
///
/// As [`receive`].
pub fn receive_now<T: DeserializeOwned>(socket: impl AsFd) -> Result<Option<Frame<T>>, WireError> {
    receive_with(
        socket.as_fd(),
        RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT,
    )
}

fn receive_with<T: DeserializeOwned>(
    socket: BorrowedFd<'_>,
    flags: RecvFlags,
) -> Result<Option<Frame<T>>, WireError> {
    BUFFER.with_borrow_mut(|bytes| receive_at(bytes, socket, flags))
}

/// Receives one frame as [`receive`] does, in room of the caller's of [`FRAME_BYTES_MAX`]: where the thread's would
/// be in memory that is not to be written to.
///
/// # Errors
///
/// As [`receive`].
pub fn receive_into<T: DeserializeOwned>(
    room: &mut [u8],
    socket: impl AsFd,
) -> Result<Option<Frame<T>>, WireError> {
    receive_at(room, socket.as_fd(), RecvFlags::CMSG_CLOEXEC)
}

fn receive_at<T: DeserializeOwned>(
    bytes: &mut [u8],
    socket: BorrowedFd<'_>,
    flags: RecvFlags,
) -> Result<Option<Frame<T>>, WireError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut parts = [IoSliceMut::new(bytes)];
        match rustix::net::recvmsg(socket, &mut parts, &mut ancillary, flags) {
            Ok(received) => break received,
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(e) => return Err(io::Error::from(e).into()),
        }
    };
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            descriptors.extend(fds);
        }
    }
    // Descriptors may be missing where this process may open no more (`CTRUNC`): whoever wants them
    // sees that, and the connection goes on.
    if received.flags.contains(ReturnFlags::TRUNC) {
        return Err(WireError::TooLong);
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    let frame = bytes.get(..received.bytes).ok_or(WireError::TooLong)?;
    Ok(Some(Frame {
        message: postcard::from_bytes(frame)?,
        descriptors,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, ToKeeper, UnitId};

    #[test]
    fn a_frame_arrives_with_its_descriptors() {
        let (a, b) = pair().unwrap();
        let sent = ToKeeper::Warm {
            unit: UnitId(7),
            kind: Kind::Numpy,
        };
        send(&a, &sent, &[a.as_fd(), b.as_fd()]).unwrap();
        let got: Frame<ToKeeper> = receive(&b).unwrap().unwrap();
        assert_eq!(got.message, sent);
        assert_eq!(got.descriptors.len(), 2);
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error() {
        let (a, b) = pair().unwrap();
        rustix::io::write(&a, &[0xff; 100]).unwrap();
        assert!(matches!(
            receive::<ToKeeper>(&b),
            Err(WireError::Malformed(_))
        ));
    }

    #[test]
    fn a_frame_over_the_bound_is_an_error() {
        let (a, b) = pair().unwrap();
        rustix::io::write(&a, &vec![0; FRAME_BYTES_MAX + 1]).unwrap();
        assert!(matches!(receive::<ToKeeper>(&b), Err(WireError::TooLong)));
    }

    #[test]
    fn a_closed_socket_is_the_end() {
        let (a, b) = pair().unwrap();
        drop(a);
        assert!(receive::<ToKeeper>(&b).unwrap().is_none());
        let unit = UnitId(1);
        let unheard = send(&b, &ToKeeper::End { unit }, &[]).unwrap_err();
        assert!(unheard.is_gone());
    }
}
