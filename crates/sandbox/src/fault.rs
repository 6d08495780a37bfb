//! We broke, not they.

use std::io;

/// Why a job could not be run, or a pool not be started.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The keeper could not be started, or refused the host. The pool does not exist.
    #[error("keeper did not start: {reason}")]
    KeeperStart {
        /// One sentence that says what is missing and what to do.
        reason: String,
    },
    /// The keeper went away. Its units are lost; the pool starts another keeper.
    #[error("keeper went away while {doing}")]
    KeeperGone {
        /// What was going on.
        doing: &'static str,
    },
    /// No unit became ready in time, or a unit could not be prepared. The next one may.
    #[error("no unit: {reason}")]
    NoUnit {
        /// What the keeper said.
        reason: String,
    },
    /// The unit was lost while it ran: its zygote or its init died. The next job is not affected.
    #[error("the run was lost: {reason}")]
    UnitLost {
        /// What the keeper said.
        reason: String,
    },
    /// The unit could not be given its job. It is destroyed.
    #[error("cannot {doing}")]
    Unit {
        /// What failed.
        doing: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The pool is closing and takes no more jobs.
    #[error("the pool is closing")]
    Closing,
}
