//! One job, one confined Python, one outcome.
//!
//! A [`Job`] is a checked program with everything it needs. A [`Pool`] keeps confined units ready,
//! hands the job to one, and answers with an [`Outcome`]: what the program did, well or badly.
//! A [`Fault`] means that we broke, not they.
#![forbid(unsafe_code)]

mod aside;
mod collect;
pub mod environment;
mod fault;
mod isolation;
mod job;
mod keeper;
mod outcome;
mod places;
mod pool;
mod run;
mod unit;

pub use aside::aside;
pub use collect::collect;
pub use fault::Fault;
pub use isolation::Isolation;
pub use job::{CollectLimits, Imports, InputFile, Job};
pub use outcome::{Captured, Ending, FileTrouble, LimitHit, Outcome, SIGKILL, Usage};
pub use pool::{Pool, PoolSettings};
pub use wire::{Kind, Limits, Runtime, Setup, Tier, Wall};
