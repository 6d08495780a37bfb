//! The sandbox as requests see it, so that a test can put something else in its place.

use sandbox::{Fault, Job, Outcome, Pool};

/// What runs jobs.
#[derive(Debug)]
pub(crate) enum Runner {
    /// Confined units.
    Pool(Pool),
    /// A test's: ends as told.
    #[cfg(test)]
    Scripted(crate::scripted::Script),
}

impl Runner {
    pub(crate) async fn run(&self, job: Job) -> Result<Outcome, Fault> {
        match self {
            #[expect(
                clippy::disallowed_methods,
                reason = "this is the one place that runs jobs"
            )]
            Self::Pool(pool) => pool.run(job).await,
            #[cfg(test)]
            Self::Scripted(script) => script.run(job).await,
        }
    }
}
