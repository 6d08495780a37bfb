//! How many connections each address has.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use crate::count_key::CountKey;

/// All who are connected, by address.
#[derive(Debug)]
pub(super) struct Crowd {
    by_address_max: usize,
    addresses: Mutex<HashMap<CountKey, Connections>>,
}

#[derive(Debug, Default)]
struct Connections {
    count: usize,
    /// Whether the log has been told that there are as many as may be.
    told: bool,
}

/// A connection of an address, counted until this is dropped.
#[derive(Debug)]
pub(super) struct Counted {
    crowd: Arc<Crowd>,
    key: CountKey,
}

impl Crowd {
    pub(super) fn new(by_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            by_address_max,
            addresses: Mutex::default(),
        })
    }

    /// Counts a connection; `None` where its address has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Counted> {
        let key = CountKey::of(address);
        let mut addresses = self.lock();
        let connections = addresses.entry(key).or_default();
        if connections.count < self.by_address_max {
            connections.count += 1;
            let crowd = Arc::clone(self);
            return Some(Counted { crowd, key });
        }
        // Once, for as long as it has any.
        if !std::mem::replace(&mut connections.told, true) {
            let max = self.by_address_max;
            warn!(%address, "more than {max} connections (connections_by_address_max) are closed");
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CountKey, Connections>> {
        // Nothing panics while it is held.
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut addresses = self.crowd.lock();
        if let Entry::Occupied(mut connections) = addresses.entry(self.key) {
            connections.get_mut().count -= 1;
            if connections.get().count == 0 {
                connections.remove();
            }
        }
    }
}
