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
    /// A test's: microseconds since 1970, moved by hand.
    #[cfg(test)]
    Manual(std::sync::Arc<std::sync::atomic::AtomicU64>),
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
            Self::Manual(_) => Timestamp::since_1970(self.elapsed()),
        }
    }

    /// Time since some fixed moment; never goes back.
    pub(crate) fn elapsed(&self) -> Duration {
        match self {
            Self::System { started } => started.elapsed(),
            #[cfg(test)]
            Self::Manual(micros) => {
                Duration::from_micros(micros.load(std::sync::atomic::Ordering::SeqCst))
            }
        }
    }

    /// A clock that stands still at noon of 2024-03-15 until it is moved.
    #[cfg(test)]
    pub(crate) fn manual() -> Self {
        Self::Manual(std::sync::Arc::new(1_710_504_000_000_000.into()))
    }

    /// Moves a manual clock.
    #[cfg(test)]
    pub(crate) fn advance(&self, by: Duration) {
        let Self::Manual(micros) = self else {
            panic!("the system's clock moves by itself");
        };
        let by = u64::try_from(by.as_micros()).unwrap();
        micros.fetch_add(by, std::sync::atomic::Ordering::SeqCst);
    }
}
