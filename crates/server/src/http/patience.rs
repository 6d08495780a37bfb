//! How long a client is waited for that is slow.

use std::time::Duration;

/// How slowly a body may come, and an answer go, for as long as it takes. Bytes a second: two full attachments take
/// their time over a thin line.
const BYTES_PER_SECOND_MIN: u64 = 32 * 1024;

/// How much longer is waited. Each byte that moves earns back its time at [`BYTES_PER_SECOND_MIN`], but never more than
/// there was at first: who was quick has not earned a long silence.
#[derive(Debug)]
pub(super) struct Patience {
    max: Duration,
    left: Duration,
}

impl Patience {
    pub(super) const fn new(max: Duration) -> Self {
        Self { max, left: max }
    }

    pub(super) const fn left(&self) -> Duration {
        self.left
    }

    /// So long was waited, and so many bytes moved then.
    pub(super) fn waited(&mut self, waited: Duration, bytes: usize) {
        let micros = (bytes as u64).saturating_mul(1_000_000) / BYTES_PER_SECOND_MIN;
        let left = self.left.saturating_sub(waited);
        self.left = left
            .saturating_add(Duration::from_micros(micros))
            .min(self.max);
    }
}
