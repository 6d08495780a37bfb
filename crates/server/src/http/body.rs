//! Request bodies: read whole, within a size, a time, and room shared by all of them.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::patience::Patience;
use super::room::{FREE_BYTES, Room};

/// Room is asked for in steps, as bytes arrive: what is only announced takes none. Bytes.
const STEP_BYTES: usize = 1024 * 1024;

/// A body that was read whole. It takes its room until it is dropped.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Whole {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyTrouble {
    /// It is larger than allowed.
    TooLarge,
    /// It did not arrive in time.
    TooSlow,
    /// All room is taken.
    NoRoom,
    /// The connection broke, or its framing did.
    Broken,
}

/// Most that is taken off a connection of a body that is not wanted. Bytes; who sends more than that misses the answer.
const DROPPED_BYTES_MAX: u64 = 1 << 30;

/// Bounds on one body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes_max: usize,
    /// Of waiting, as [`Patience`] counts it.
    pub(super) time_max: Duration,
}

/// A body that comes.
#[derive(Debug)]
struct Arriving {
    body: Body,
    patience: Patience,
    bytes: u64,
}

impl Arriving {
    fn new(body: Body, time_max: Duration) -> Self {
        Self {
            body,
            patience: Patience::new(time_max),
            bytes: 0,
        }
    }

    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyTrouble> {
        loop {
            let since = Instant::now();
            let frame = tokio::time::timeout(self.patience.left(), self.body.frame());
            let Some(frame) = frame.await.or(Err(BodyTrouble::TooSlow))? else {
                return Ok(None);
            };
            let data = frame.or(Err(BodyTrouble::Broken))?.into_data();
            let bytes = data.as_ref().map_or(0, Bytes::len);
            self.patience.waited(since.elapsed(), bytes);
            // Trailers say nothing to us.
            if let Ok(data) = data {
                self.bytes = self.bytes.saturating_add(data.len() as u64);
                return Ok(Some(data));
            }
        }
    }

    /// Takes what is left off the connection, and drops it, to a bound and for so long at most.
    async fn drop_rest(mut self, time_max: Duration) {
        let dropped = async {
            while self.bytes < DROPPED_BYTES_MAX
                && !self.body.is_end_stream()
                && matches!(self.next().await, Ok(Some(_)))
            {}
        };
        let _dropped = tokio::time::timeout(time_max, dropped).await;
    }
}

/// Whether a body was announced with more bytes than so many.
pub(super) fn is_declared_larger(body: &Body, bytes_max: usize) -> bool {
    usize::try_from(body.size_hint().lower()).map_or(true, |bytes| bytes > bytes_max)
}

/// Reads a body whole.
pub(super) async fn read(body: Body, bounds: Bounds, room: &Room) -> Result<Whole, BodyTrouble> {
    let is_too_large = is_declared_larger(&body, bounds.bytes_max);
    let mut body = Arriving::new(body, bounds.time_max);
    let read = if is_too_large {
        Err(BodyTrouble::TooLarge)
    } else {
        read_to_end(&mut body, bounds.bytes_max, room).await
    };
    if matches!(read, Err(BodyTrouble::TooLarge | BodyTrouble::NoRoom)) {
        body.drop_rest(bounds.time_max).await;
    }
    read
}

async fn read_to_end(
    body: &mut Arriving,
    bytes_max: usize,
    room: &Room,
) -> Result<Whole, BodyTrouble> {
    let mut first = Bytes::new();
    let mut rest: Vec<u8> = Vec::new();
    let mut held: Option<OwnedSemaphorePermit> = None;
    let mut held_bytes = FREE_BYTES;
    while let Some(data) = body.next().await? {
        let size = first.len().max(rest.len()) + data.len();
        if size > bytes_max {
            return Err(BodyTrouble::TooLarge);
        }
        while size > held_bytes {
            let Some(step) = room.take(STEP_BYTES) else {
                return Err(BodyTrouble::NoRoom);
            };
            match &mut held {
                Some(held) => held.merge(step),
                None => held = Some(step),
            }
            held_bytes += STEP_BYTES;
        }
        if first.is_empty() && rest.is_empty() {
            first = data; // Most bodies come in one piece, and are not copied.
            continue;
        }
        if !first.is_empty() {
            rest.extend_from_slice(&first);
            first = Bytes::new();
        }
        rest.extend_from_slice(&data);
    }
    Ok(Whole {
        bytes: if rest.is_empty() { first } else { rest.into() },
        _room: held,
    })
}

/// Takes a body that is not wanted off the connection, and drops it.
///
/// A client that still writes when its connection is closed would never see the answer. However
/// large the body is, it takes no room; whoever takes longer than `time_max` for it misses the answer.
pub(super) async fn drop_rest(body: Body, time_max: Duration) {
    Arriving::new(body, time_max).drop_rest(time_max).await;
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes_max: 3 * STEP_BYTES,
        time_max: Duration::from_mins(1),
    };

    async fn sized(bytes: usize, room: &Room) -> Result<Whole, BodyTrouble> {
        read(Body::from(vec![b'x'; bytes]), BOUNDS, room).await
    }

    #[tokio::test]
    async fn the_limit_is_exact() {
        let room = Room::new(1 << 30);
        let whole = sized(BOUNDS.bytes_max, &room).await.unwrap();
        assert_eq!(whole.bytes.len(), BOUNDS.bytes_max);
        let refused = sized(BOUNDS.bytes_max + 1, &room).await.unwrap_err();
        assert_eq!(refused, BodyTrouble::TooLarge);
    }

    /// A body that comes in pieces of so many bytes, with pauses; after so many pieces only silence.
    struct Pieces {
        bytes: usize,
        left: usize,
        pause: Duration,
        next: Pin<Box<tokio::time::Sleep>>,
    }

    impl Pieces {
        fn body(bytes: usize, pieces: usize, pause: Duration) -> Body {
            Body::new(Self {
                bytes,
                left: pieces,
                pause,
                next: Box::pin(tokio::time::sleep(Duration::ZERO)),
            })
        }
    }

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            std::task::ready!(self.next.as_mut().poll(context));
            if self.left == 0 {
                return Poll::Pending;
            }
            self.left -= 1;
            let next = Instant::now() + self.pause;
            self.next.as_mut().reset(next);
            Poll::Ready(Some(Ok(Frame::data(vec![b'x'; self.bytes].into()))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_without_an_end_is_dropped_to_a_bound() {
        let endless = || Pieces::body(STEP_BYTES, usize::MAX, Duration::from_millis(1));
        let start = Instant::now();
        drop_rest(endless(), BOUNDS.time_max).await;
        let refused = read(endless(), BOUNDS, &Room::new(1 << 30)).await;
        assert_eq!(refused.unwrap_err(), BodyTrouble::TooLarge);
        // By its bytes, and not by its time.
        assert!(start.elapsed() < BOUNDS.time_max, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_came_quickly_has_earned_no_long_silence() {
        let room = Room::new(1 << 30);
        let quick = Pieces::body(STEP_BYTES, 2, Duration::ZERO);
        let start = Instant::now();
        let refused = read(quick, BOUNDS, &room).await.unwrap_err();
        assert_eq!(refused, BodyTrouble::TooSlow);
        let took = start.elapsed();
        assert!(took <= BOUNDS.time_max + Duration::from_secs(1), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_come_slowly_for_as_long_as_it_comes() {
        let room = Room::new(1 << 30);
        let start = Instant::now();
        let slow = Pieces::body(40 << 10, 1000, Duration::from_secs(1));
        let refused = read(slow, BOUNDS, &room).await.unwrap_err();
        // It was read as far as it may go.
        assert_eq!(refused, BodyTrouble::TooLarge);
        assert!(start.elapsed() > BOUNDS.time_max, "{:?}", start.elapsed());
        let start = Instant::now();
        let too_slow = Pieces::body(1, 1000, Duration::from_secs(1));
        let refused = read(too_slow, BOUNDS, &room).await.unwrap_err();
        assert_eq!(refused, BodyTrouble::TooSlow);
        assert!(
            start.elapsed() < 2 * BOUNDS.time_max,
            "{:?}",
            start.elapsed()
        );
    }

    #[tokio::test]
    async fn room_is_shared_and_comes_back() {
        let room = Room::new(2 * STEP_BYTES);
        let held = sized(STEP_BYTES + 1, &room).await.unwrap();
        assert_eq!(
            sized(2 * STEP_BYTES, &room).await.unwrap_err(),
            BodyTrouble::NoRoom
        );
        sized(FREE_BYTES, &room).await.unwrap();
        drop(held);
        sized(2 * STEP_BYTES, &room).await.unwrap();
    }
}
