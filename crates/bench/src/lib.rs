//! How quick a server of this API is, measured from outside, beside what it could be at best.
//!
//! Speaks the public contract and nothing else, so that any server of it can be measured, in the
//! same run and by the same client. Modules in reading order: `plan` says what to measure and does
//! it in order; `case` has the programs; `load` and `client` put them on a server, `answer` judges
//! what comes back; `floor` and `peer` are what to compare with; `statistics`, `report` and
//! `promises` make it into figures.
#![forbid(unsafe_code)]

mod plan;

mod case;

mod answer;
mod client;
mod load;

mod floor;
mod peer;

mod machine;
mod processes;

mod promises;
mod report;
mod statistics;

mod error;

pub use answer::Trouble;
pub use case::Case;
pub use client::Target;
pub use error::BenchError;
pub use floor::{Floor, Forks, HandOver, Python};
pub use load::{Load, Pace, Until};
pub use machine::Machine;
pub use plan::{Burst as BurstPlan, Plan, Show, run};
pub use processes::{Holding, ShareMemory};
pub use report::{Burst, Comparison, Held, Measurement, Promise, Report, Troubles, Who};
pub use statistics::{Bucket, Spread, Summary};
