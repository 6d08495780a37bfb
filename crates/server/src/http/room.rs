//! Memory that requests share: the bodies that come, and the answers that go.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that every body and every answer may take without asking for room. Typical ones have a few hundred.
pub(super) const FREE_BYTES: usize = 64 * 1024;

/// Unit in which room is counted. Bytes.
const UNIT_BYTES: usize = 1024;

/// Room for all bodies, or for all answers.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Room {
    pub(super) fn new(bytes: usize) -> Self {
        let units = (bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Semaphore::new(units)))
    }

    /// Takes so many bytes of it, until what is returned is dropped; `None` where others have them.
    pub(super) fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok()
    }

    /// Has a text take its room until it is sent or dropped; `None` where there is no room for it.
    pub(super) fn hold(&self, text: Vec<u8>) -> Option<Bytes> {
        if text.len() <= FREE_BYTES {
            return Some(text.into());
        }
        let room = self.take(text.len())?;
        Some(Bytes::from_owner(Held { text, _room: room }))
    }
}

/// What takes room for as long as it lives.
struct Held {
    text: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_hold_their_room_to_their_last_byte() {
        let room = Room::new(3 * FREE_BYTES);
        let of = |bytes| room.hold(vec![b'x'; bytes]);
        assert!(of(3 * FREE_BYTES + 1).is_none());
        let held = of(2 * FREE_BYTES).unwrap();
        assert!(of(FREE_BYTES + UNIT_BYTES + 1).is_none());
        assert_eq!(of(FREE_BYTES).unwrap().len(), FREE_BYTES);
        let rest = held.slice(2 * FREE_BYTES - 1..);
        drop(held);
        assert!(of(3 * FREE_BYTES).is_none());
        drop(rest);
        of(3 * FREE_BYTES).unwrap();
    }
}
