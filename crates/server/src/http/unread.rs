//! Answers to what is no HTTP request.
//!
//! Where hyper cannot read a head it answers by itself, with a bare status. This stream, between
//! hyper and the connection, says the same in our words: JSON, as every other answer, and readable
//! by any page. Nothing else passes through it changed.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a bare answer of hyper's has, and none of ours: those have a body, or tell pages that they
/// may read them.
const BARE: &[u8] = b"content-length: 0\r\n";
const OURS: &[u8] = b"access-control-allow-origin";

/// The statuses that hyper gives by itself, as a head begins.
const STATUSES: [(&[u8], Unread); 3] = [
    (b"HTTP/1.1 400 ", Unread::Malformed),
    (b"HTTP/1.1 414 ", Unread::TooLong),
    (b"HTTP/1.1 431 ", Unread::TooLong),
];

/// Why a head was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is no head of HTTP/1.1.
    Malformed,
    /// It is longer than is read.
    TooLong,
    /// Whoever sent it has as many connections as one address may.
    TooMany,
}

/// A stream that replaces bare answers by what `answer` makes.
#[derive(Debug)]
pub(super) struct Worded<S, A> {
    stream: S,
    answer: A,
    /// The answer that is being written in place of one, and how much of it is.
    replacement: Option<(Vec<u8>, usize)>,
}

impl<S, A> Worded<S, A> {
    /// `answer` makes a whole answer, head and body.
    pub(super) const fn new(stream: S, answer: A) -> Self {
        Self {
            stream,
            answer,
            replacement: None,
        }
    }
}

fn bare(bytes: &[u8]) -> Option<Unread> {
    let (_, unread) = STATUSES.iter().find(|(head, _)| bytes.starts_with(head))?;
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    (has(BARE) && !has(OURS)).then_some(*unread)
}

impl<S, A> Worded<S, A>
where
    S: AsyncWrite + Unpin,
    A: Fn(Unread) -> Vec<u8> + Unpin,
{
    /// Writes the replacement for `bytes` if they are a bare answer; `None` if they are not.
    fn poll_replace(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.replacement.is_none() {
            self.replacement = Some(((self.answer)(bare(bytes)?), 0));
        }
        Some(self.poll_rest(context, bytes.len()))
    }

    /// To hyper, all of its `count` bytes are written when all of ours are.
    fn poll_rest(&mut self, context: &mut Context<'_>, count: usize) -> Poll<io::Result<usize>> {
        while let Some((answer, written)) = &mut self.replacement {
            let rest = answer.get(*written..).unwrap_or_default();
            if rest.is_empty() {
                self.replacement = None;
                break;
            }
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                more => *written += more,
            }
        }
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncRead + Unpin, A: Unpin> AsyncRead for Worded<S, A> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S, A> AsyncWrite for Worded<S, A>
where
    S: AsyncWrite + Unpin,
    A: Fn(Unread) -> Vec<u8> + Unpin,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.poll_replace(context, bytes) {
            Some(replaced) => replaced,
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.first().map_or(&[][..], |slice| slice);
        match self.poll_replace(context, first) {
            Some(replaced) => replaced,
            None => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn through(written: &[u8]) -> Vec<u8> {
        let (stream, mut other) = tokio::io::duplex(5); // So that one write takes several.
        let mut worded = Worded::new(stream, |unread| format!("<{unread:?}>").into_bytes());
        let writing = async {
            worded.write_all(written).await.unwrap();
            drop(worded);
        };
        let mut read = Vec::new();
        let (_, count) = tokio::join!(writing, other.read_to_end(&mut read));
        count.unwrap();
        read
    }

    #[tokio::test]
    async fn a_bare_answer_is_replaced_and_nothing_else() {
        let bare = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(through(bare).await, b"<Malformed>");
        let bare = b"HTTP/1.1 431 Too Large\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(through(bare).await, b"<TooLong>");
        for other in [
            &b"HTTP/1.1 400 Bad Request\r\ncontent-length: 2\r\n\r\n{}"[..],
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\naccess-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n",
            b"",
        ] {
            assert_eq!(through(other).await, other);
        }
    }
}
