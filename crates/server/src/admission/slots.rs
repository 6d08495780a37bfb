//! How many at once: a slot for each program, for the whole server.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The slots of the server.
#[derive(Debug)]
pub(crate) struct Slots {
    taken: Arc<AtomicUsize>,
    closed: AtomicBool,
    max: usize,
}

/// A slot that is held. Dropping it frees the slot; without that, the server would lose one for good.
#[derive(Debug)]
pub(crate) struct Ticket {
    taken: Arc<AtomicUsize>,
    /// Programs that ran when this slot was taken, without this one.
    pub active_before: usize,
}

impl Slots {
    /// So many slots, all free.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            taken: Arc::new(AtomicUsize::new(0)),
            closed: AtomicBool::new(false),
            max,
        }
    }

    /// Takes a slot, unless all are taken or the server is closing.
    pub(crate) fn take(&self) -> Option<Ticket> {
        if self.closed.load(Ordering::Acquire) {
            return None;
        }
        let next = |taken| (taken < self.max).then_some(taken + 1);
        let before = self
            .taken
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        Some(Ticket {
            taken: Arc::clone(&self.taken),
            active_before: before.ok()?,
        })
    }

    /// Gives out no more slots. Those that are held stay held.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// How many are taken.
    pub(crate) fn active(&self) -> usize {
        self.taken.load(Ordering::Acquire)
    }

    /// How many there are.
    pub(crate) const fn max(&self) -> usize {
        self.max
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_its_ticket_is_dropped() {
        let slots = Slots::new(2);
        let first = slots.take().unwrap();
        let second = slots.take().unwrap();
        assert_eq!((first.active_before, second.active_before), (0, 1));
        assert!(slots.take().is_none());
        assert_eq!(slots.active(), 2);
        drop(first);
        assert_eq!(slots.take().unwrap().active_before, 1);
    }

    #[test]
    fn a_closed_server_gives_out_no_slots() {
        let slots = Slots::new(2);
        let held = slots.take().unwrap();
        slots.close();
        assert!(slots.take().is_none());
        assert_eq!(slots.active(), 1);
        drop(held);
    }
}
