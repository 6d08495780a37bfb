//! A connection that gives up on a client who does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::patience::Patience;

/// A stream whose writes fail once they have waited for longer than [`Patience`] allows.
///
/// Without it, a client who asks for a large answer and reads none of it, or a byte now and then, would hold the
/// answer in memory, and its connection, for ever.
#[derive(Debug)]
pub(super) struct Impatient<S = TcpStream> {
    stream: S,
    patience: Patience,
    /// Runs while a write waits; since when.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<S> Impatient<S> {
    pub(super) const fn new(stream: S, stall_max: Duration) -> Self {
        Self {
            stream,
            patience: Patience::new(stall_max),
            waiting: None,
        }
    }

    /// Passes a write's result on, unless writes have waited too long.
    fn patiently(
        &mut self,
        context: &mut Context<'_>,
        write: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = &write {
            let waited = self.waiting.take().map(|(since, _)| since.elapsed());
            let bytes = written.as_ref().map_or(0, |bytes| *bytes);
            self.patience.waited(waited.unwrap_or_default(), bytes);
            return write;
        }
        let left = self.patience.left();
        let (_, end) = self.waiting.get_or_insert_with(|| {
            let now = Instant::now();
            (now, Box::pin(tokio::time::sleep_until(now + left)))
        });
        ready!(end.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Impatient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Impatient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.patiently(context, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.patiently(context, write)
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;

    const STALL_MAX: Duration = Duration::from_secs(30);
    const ANSWER_BYTES: usize = 4 << 20;

    /// How long an answer lasts that is read in pieces of so many bytes, with pauses; `None` where it was given up.
    async fn read_in_pieces(bytes: usize, pause: Duration) -> Option<Duration> {
        let (ours, mut theirs): (_, DuplexStream) = tokio::io::duplex(64 << 10);
        let reader = tokio::spawn(async move {
            let mut piece = vec![0; bytes];
            while theirs.read_exact(&mut piece).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
        });
        let start = Instant::now();
        let mut stream = Impatient::new(ours, STALL_MAX);
        let written = stream.write_all(&vec![b'x'; ANSWER_BYTES]).await;
        let took = start.elapsed();
        reader.abort();
        match written {
            Ok(()) => Some(took),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                // What it read earned no more than it took.
                assert!(took < 2 * STALL_MAX, "{took:?}");
                None
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_who_reads_is_waited_for_as_long_as_it_takes() {
        let slowly = read_in_pieces(40 << 10, Duration::from_secs(1)).await;
        assert!(
            slowly.is_some_and(|took| took > 3 * STALL_MAX),
            "{slowly:?}"
        );
        let in_large_steps = read_in_pieces(1 << 20, Duration::from_secs(25)).await;
        assert!(
            in_large_steps.is_some_and(|took| took > 2 * STALL_MAX),
            "{in_large_steps:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_who_reads_a_byte_now_and_then_is_not() {
        for (bytes, pause_secs) in [(1, 1), (1, 29), (8 << 10, 1), (64 << 10, 20)] {
            let pause = Duration::from_secs(pause_secs);
            assert_eq!(read_in_pieces(bytes, pause).await, None, "{bytes} bytes");
        }
    }
}
