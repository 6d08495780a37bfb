//! Why a measurement could not be made.

use std::io;

/// Why a measurement could not be made. What a server answers is data, never this.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The address is none that we can speak to.
    #[error("cannot use {url}: it must be like http://127.0.0.1:5000, without TLS")]
    Url {
        /// What was said.
        url: String,
    },
    /// The name has no address.
    #[error("cannot find the address of {host}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nobody listens there, or the connection broke before anything was measured.
    #[error("cannot reach {url}: is a server running there?")]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The first answer to a case was not what the case must give; measuring it would mean nothing.
    #[error("{url} does not run the case {case}: {trouble}{hint}")]
    Unfit {
        /// Where.
        url: String,
        /// The case.
        case: &'static str,
        /// What came instead.
        trouble: String,
        /// What to do, if we know.
        hint: &'static str,
    },
    /// A step on this machine failed.
    #[error("cannot {doing}")]
    Step {
        /// Which step.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The interpreter that measures the floor said what we do not understand.
    #[error("the floor's interpreter ended: {said}")]
    Floor {
        /// The last it said.
        said: String,
    },
}

impl BenchError {
    /// Names the step that failed.
    pub(crate) fn doing(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Step { doing, source }
    }
}
