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

    /// What isolates programs, in a word.
    pub(crate) fn isolation(&self) -> &'static str {
        match self {
            Self::Pool(pool) => pool.tier().name(),
            #[cfg(test)]
            Self::Scripted(_) => "scripted",
        }
    }

    /// Whether programs run now.
    pub(crate) fn serves(&self) -> bool {
        match self {
            Self::Pool(pool) => pool.serves(),
            #[cfg(test)]
            Self::Scripted(_) => true,
        }
    }

    /// Ends it, once nothing runs any more.
    pub(crate) async fn close(&self) {
        match self {
            Self::Pool(pool) => pool.close().await,
            #[cfg(test)]
            Self::Scripted(_) => {}
        }
    }
}
