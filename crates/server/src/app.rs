//! The composition root: every part of the server, put together once.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use sandbox::{Fault, Kind, Limits, Pool, Runtime};
use tracing::info;

use crate::admission::{Caller, Identity, Quota, Rate, Slots};
use crate::clock::Clock;
use crate::config::Config;
use crate::count_key::CountKey;
use crate::facts::Facts;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::runner::Runner;
use crate::store::{Store, StoreError};

/// Why the server could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The sandbox could not.
    #[error("cannot start the sandbox")]
    Sandbox(#[from] Fault),
    /// The store could not.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
}

/// How a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It serves everybody.
    Fine,
    /// Programs wait for the next keeper, or for units that could not be prepared.
    Recovering,
    /// Counts cannot be kept: only the admin is served.
    Uncounted,
}

/// A server without its connections: everything a request needs.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) identity: Identity,
    pub(crate) quota: Quota,
    pub(crate) slots: Slots,
    pub(crate) policy: Policy,
    pub(crate) runner: Runner,
    pub(crate) clock: Clock,
    /// Those of a run; told in an answer, enforced by the jail.
    pub(crate) limits: Limits,
    pub(crate) usage_in_answers: bool,
    pub(crate) facts: Facts,
    /// The Python that programs run on.
    pub(crate) python: (u8, u8),
    rate: Rate,
    requests_per_minute: u32,
    failures: AtomicU64,
    ids: RandomState,
}

impl App {
    /// Puts the parts together around a runner that is ready.
    pub(crate) fn new(
        config: &Config,
        python: (u8, u8),
        store: Store,
        runner: Runner,
        clock: Clock,
    ) -> Self {
        Self {
            identity: Identity {
                trusted_proxies: config.trusted_proxies.clone(),
                admin_key: config.admin_key.clone(),
            },
            quota: Quota {
                store,
                per_day: config.requests_per_day,
                clock: clock.clone(),
            },
            slots: Slots::new(config.concurrent_max),
            policy: Policy::new(config, python, kinds(config)),
            runner,
            clock,
            limits: config.limits,
            usage_in_answers: config.usage_in_answers,
            facts: Facts::new(config, python),
            python,
            rate: Rate::per_minute(config.requests_per_minute),
            requests_per_minute: config.requests_per_minute,
            failures: AtomicU64::new(0),
            ids: RandomState::new(),
        }
    }

    /// Starts a sandbox and puts everything together.
    pub(crate) async fn start(
        config: &Config,
        runtime: Runtime,
        store: Store,
    ) -> Result<Self, StartError> {
        let python = runtime.version;
        let kinds = kinds(config);
        let setup = |tier| config.setup(tier, &runtime, &kinds);
        let pool = Pool::start(config.isolation, setup, config.pool).await?;
        let walls = pool.walls().iter();
        let walls: Vec<_> = walls
            .map(|wall| format!("{}: {}", wall.name, wall.detail))
            .collect();
        info!(
            isolation = pool.tier().name(),
            walls = walls.join("; "),
            "the walls were raised and verified on a unit of each kind"
        );
        Ok(Self::new(
            config,
            python,
            store,
            Runner::Pool(pool),
            Clock::system(),
        ))
    }

    /// Takes one of a public caller's tokens.
    pub(crate) fn take_token(&self, caller: Caller) -> Result<(), Refusal> {
        let Caller::Public(address) = caller else {
            return Ok(());
        };
        let taken = self.rate.take(CountKey::of(address), self.clock.elapsed());
        taken.map_err(|wait| Refusal::RateLimited {
            per_minute: self.requests_per_minute,
            wait,
        })
    }

    /// What isolates programs, in a word.
    pub(crate) fn isolation(&self) -> &'static str {
        self.runner.isolation()
    }

    /// How it is.
    pub(crate) fn health(&self) -> Health {
        if !self.runner.serves() {
            Health::Recovering
        } else if self.quota.store.works() {
            Health::Fine
        } else {
            Health::Uncounted
        }
    }

    /// Ends the sandbox, once nothing runs any more.
    pub(crate) async fn close(&self) {
        self.runner.close().await;
    }

    /// An id for a failure of ours, which its caller can quote and nobody can guess.
    pub(crate) fn failure_id(&self) -> String {
        let number = self.failures.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}", self.ids.hash_one(number))
    }
}

/// The kinds of units that are kept.
fn kinds(config: &Config) -> Vec<Kind> {
    let kept = [
        (Kind::Core, true),
        (Kind::Numpy, config.pool.numpy > 0),
        (Kind::Full, config.pool.full > 0),
    ];
    kept.into_iter()
        .filter(|(_, kept)| *kept)
        .map(|(kind, _)| kind)
        .collect()
}
