//! What time it is: the only place that asks the system, so that tests own the time.

use std::time::{Duration, Instant, SystemTime};

use api::Timestamp;

/// Tells the time.
#[derive(Debug, Clone)]
pub(crate) enum Clock {
    /// The system's.
    System {
        /// When this clock was made; [`Clock::elapsed`] counts from it.
        started: Instant,
    },
    /// A test's, moved by hand.
    #[cfg(test)]
    Manual(std::sync::Arc<Hands>),
}

/// The hands of a clock that a test moves.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Hands {
    /// Microseconds; never go back.
    elapsed: std::sync::atomic::AtomicU64,
    /// Microseconds since 1970 at which `elapsed` began; whoever sets the system's time moves it.
    wall_start: std::sync::atomic::AtomicU64,
}

impl Clock {
    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self::System {
            started: Instant::now(),
        }
    }

    /// The moment it is. May jump when the system's time is set.
    pub(crate) fn now(&self) -> Timestamp {
        match self {
            Self::System { .. } => {
                #[expect(clippy::disallowed_methods, reason = "this is the clock")]
                let now = SystemTime::now();
                // Before 1970 it is 1970: such a system has no quota day worth the name.
                Timestamp::since_1970(
                    now.duration_since(SystemTime::UNIX_EPOCH)
                        .unwrap_or_default(),
                )
            }
            #[cfg(test)]
            Self::Manual(hands) => {
                let start = hands.wall_start.load(std::sync::atomic::Ordering::SeqCst);
                Timestamp::since_1970(Duration::from_micros(start) + self.elapsed())
            }
        }
    }

    /// Time since some fixed moment; never goes back.
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::System { started } => started.elapsed(),
            #[cfg(test)]
            Self::Manual(hands) => {
                Duration::from_micros(hands.elapsed.load(std::sync::atomic::Ordering::SeqCst))
            }
        }
    }

    /// A clock that stands still at noon of 2024-03-15 until it is moved.
    #[cfg(test)]
    pub(crate) fn manual() -> Self {
        Self::Manual(std::sync::Arc::new(Hands {
            elapsed: 0.into(),
            wall_start: 1_710_504_000_000_000.into(),
        }))
    }

    /// Lets time pass on a manual clock.
    #[cfg(test)]
    pub(crate) fn advance(&self, by: Duration) {
        let Self::Manual(hands) = self else {
            panic!("the system's clock moves by itself");
        };
        let by = u64::try_from(by.as_micros()).unwrap();
        hands
            .elapsed
            .fetch_add(by, std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets what a manual clock shows, so many seconds on or back, while no time passes.
    #[cfg(test)]
    pub(crate) fn set(&self, seconds: i64) {
        let Self::Manual(hands) = self else {
            panic!("nobody sets the system's clock here");
        };
        let moved = |start: u64| start.checked_add_signed(seconds * 1_000_000);
        hands
            .wall_start
            .fetch_update(
                std::sync::atomic::Ordering::SeqCst,
                std::sync::atomic::Ordering::SeqCst,
                moved,
            )
            .unwrap();
    }
}
