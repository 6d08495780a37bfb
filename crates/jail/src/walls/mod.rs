//! One file a kernel feature.

pub mod capabilities;
pub mod cgroup;
pub mod landlock;
pub mod limits;
pub mod seccomp;
pub mod template;
pub mod user;

use std::io;

/// A wall that could not be raised, or was found missing after it was.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}")]
pub struct WallError {
    /// What was tried, as a verb: `mount /proc`.
    pub doing: String,
    /// The kernel's answer.
    pub source: io::Error,
}

/// Says what was being done when the kernel refused.
pub trait Doing<T> {
    /// Turns the kernel's answer into a [`WallError`].
    ///
    /// # Errors
    ///
    /// The one it was called on, with what was tried.
    fn doing(self, what: &str) -> Result<T, WallError>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, what: &str) -> Result<T, WallError> {
        self.map_err(|error| WallError {
            doing: what.to_owned(),
            source: error.into(),
        })
    }
}

/// Fails unless a wall reads back as it was raised.
///
/// # Errors
///
/// If it does not stand.
pub fn verify(stands: bool, what: &str) -> Result<(), WallError> {
    if stands {
        Ok(())
    } else {
        Err(WallError {
            doing: format!("verify {what}"),
            source: io::Error::other("it does not stand"),
        })
    }
}
