//! How often in a minute: a bucket of tokens for each caller, refilled one by one.
//!
//! A bucket is one number, the moment at which it will be full again; a token taken moves it one
//! interval on. A full bucket is as good as none, so only callers of the last minute take memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::count_key::CountKey;

/// Most buckets that are remembered. Beyond it, first the full ones are forgotten, then the fullest.
const BUCKETS_MAX: usize = 100_000;

/// Counts tokens in memory.
#[derive(Debug)]
pub(crate) struct Rate {
    /// Tokens in a full bucket.
    burst: u32,
    /// Time until one more.
    interval: Duration,
    buckets_max: usize,
    full_at: Mutex<HashMap<CountKey, Duration>>,
}

impl Rate {
    /// Buckets of so many tokens, refilled within a minute.
    pub(crate) fn per_minute(tokens: u32) -> Self {
        Self::bounded(tokens, BUCKETS_MAX)
    }

    fn bounded(tokens: u32, buckets_max: usize) -> Self {
        Self {
            burst: tokens,
            interval: Duration::from_mins(1) / tokens,
            buckets_max,
            full_at: Mutex::new(HashMap::new()),
        }
    }

    /// Takes a token, or says how long until there is one. `now` never goes back.
    pub(crate) fn take(&self, caller: CountKey, now: Duration) -> Result<(), Duration> {
        // A panic while it was held leaves every bucket whole.
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let full = full_at.get(&caller).copied().unwrap_or(now).max(now);
        let then = full + self.interval;
        let empty_until = then.saturating_sub(self.interval * self.burst);
        if empty_until > now {
            return Err(empty_until.saturating_sub(now));
        }
        if full_at.len() >= self.buckets_max && !full_at.contains_key(&caller) {
            forget_fullest(&mut full_at, now, self.buckets_max);
        }
        full_at.insert(caller, then);
        Ok(())
    }
}

/// Forgets the full buckets, and of the others the fullest until an eighth is free.
fn forget_fullest(full_at: &mut HashMap<CountKey, Duration>, now: Duration, buckets_max: usize) {
    full_at.retain(|_, full| *full > now);
    let keep = buckets_max - buckets_max.div_ceil(8);
    if full_at.len() <= keep {
        return;
    }
    let mut moments: Vec<Duration> = full_at.values().copied().collect();
    let surplus = moments.len() - keep;
    let (_, bound, _) = moments.select_nth_unstable(surplus - 1);
    let bound = *bound;
    let mut left = surplus;
    full_at.retain(|_, full| {
        let goes = *full <= bound && left > 0;
        left -= usize::from(goes);
        !goes
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Duration = Duration::from_secs(1_000_000);

    fn caller(number: u32) -> CountKey {
        CountKey::of(std::net::Ipv4Addr::from_bits(number).into())
    }

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn five_go_at_once_and_the_sixth_waits_twelve_seconds() {
        let rate = Rate::per_minute(5);
        for _ in 0..5 {
            assert_eq!(rate.take(caller(1), NOON), Ok(()));
        }
        assert_eq!(rate.take(caller(1), NOON), Err(seconds(12)));
        assert_eq!(rate.take(caller(1), NOON + seconds(7)), Err(seconds(5)));
        assert_eq!(rate.take(caller(1), NOON + seconds(12)), Ok(()));
        assert_eq!(rate.take(caller(1), NOON + seconds(12)), Err(seconds(12)));
        assert_eq!(rate.take(caller(2), NOON), Ok(()));
    }

    #[test]
    fn a_refusal_costs_no_token() {
        let rate = Rate::per_minute(1);
        assert_eq!(rate.take(caller(1), NOON), Ok(()));
        for _ in 0..100 {
            assert_eq!(rate.take(caller(1), NOON), Err(seconds(60)));
        }
        assert_eq!(rate.take(caller(1), NOON + seconds(60)), Ok(()));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let rate = Rate::per_minute(5);
        assert_eq!(rate.take(caller(1), NOON), Ok(()));
        let later = NOON + seconds(86_400);
        let taken = (0..10).filter(|_| rate.take(caller(1), later).is_ok());
        assert_eq!(taken.count(), 5);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_fullest_first() {
        let rate = Rate::bounded(5, 16);
        for _ in 0..5 {
            assert_eq!(rate.take(caller(0), NOON), Ok(()));
        }
        for number in 1..1000 {
            assert_eq!(rate.take(caller(number), NOON), Ok(()));
            assert!(rate.full_at.lock().unwrap().len() <= 16);
        }
        assert!(rate.take(caller(0), NOON).is_err());
    }

    #[test]
    fn full_buckets_make_room() {
        let rate = Rate::bounded(5, 16);
        for number in 0..16 {
            assert_eq!(rate.take(caller(number), NOON), Ok(()));
        }
        assert_eq!(rate.take(caller(99), NOON + seconds(12)), Ok(()));
        assert_eq!(rate.full_at.lock().unwrap().len(), 1);
    }
}
