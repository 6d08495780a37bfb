//! Units ready ahead of demand.
//!
//! Preparing a unit (a fork, namespaces, mounts, walls, their verification) takes a millisecond or
//! two; handing a job to a prepared one takes a tenth of that. So the pool orders units before
//! they are wanted, and replaces each one that is taken.
//!
//! The keeper dying is an event, not an accident: the pool starts another, runs that were going
//! on get a [`Fault`], jobs that wait for a unit wait on.

mod news;
mod state;
mod supervision;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot, watch};
use wire::{Tier, Wall};

use self::state::State;
use self::supervision::CLOSE_MAX;
use crate::places::Places;
use crate::run;
use crate::unit::Unit;
use crate::{Fault, Isolation, Job, Kind, Outcome, Setup};

/// Most units that a job is offered to, where something kills them before they hear of it.
const OFFERS_MAX: usize = 8;
/// How often the shelves are looked through for units that nobody needs.
const TEND_PAUSE: Duration = Duration::from_secs(5);

/// How patient the pool is with units, by what it costs to prepare one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// Longest wait of a job for a unit.
    unit_wait_max: Duration,
    /// Pause before units are ordered again after one failed.
    retry_pause: Duration,
    /// How long a kind has no unit before the pool says that it does not serve; till then one is likely to come.
    lacking_told_after: Duration,
    /// Longest wait of a unit for a job; then a fresh one takes its place. The youngest go first, and a zygote that
    /// was renewed stays until its last unit is gone.
    unit_age_max: Duration,
}

impl Pace {
    const fn of(tier: Tier) -> Self {
        match tier {
            Tier::Native | Tier::Landlock => Self {
                unit_wait_max: Duration::from_secs(15),
                retry_pause: Duration::from_millis(200),
                lacking_told_after: Duration::from_secs(1),
                unit_age_max: Duration::from_mins(1),
            },
            // A unit takes seconds of the processor, and only a few are prepared at once.
            Tier::Gvisor => Self {
                unit_wait_max: Duration::from_mins(1),
                retry_pause: Duration::from_secs(2),
                lacking_told_after: Duration::from_secs(20),
                unit_age_max: Duration::from_mins(10),
            },
        }
    }
}

/// How many units wait for a job, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Waiting units with the standard library only.
    pub core: usize,
    /// Where more: as many of these wait as are left of this number by all units in use, so that a burst finds one
    /// each. Not where a unit is a sandbox, which takes fifty times as much memory.
    pub core_with_running: usize,
    /// Waiting units with numpy.
    pub numpy: usize,
    /// Waiting units with everything.
    pub full: usize,
}

/// Keeps confined units ready and runs jobs on them.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    walls: Vec<Wall>,
    ended: watch::Receiver<bool>,
}

#[derive(Debug)]
struct Shared {
    setup: Setup,
    places: Places,
    settings: PoolSettings,
    state: Mutex<State>,
    /// Told once the state says so, for whoever is about to start a keeper.
    closing: Notify,
}

impl Pool {
    /// Starts with the first tier of `isolation` that this host can raise; `setup` says what a keeper of a tier
    /// is told. That another was tried in vain goes to the log.
    ///
    /// # Errors
    ///
    /// [`Fault::KeeperStart`] where there is none, with what hinders each and the remedy.
    pub async fn start(
        isolation: Isolation,
        setup: impl Fn(Tier) -> Setup,
        settings: PoolSettings,
    ) -> Result<Self, Fault> {
        let mut reasons = Vec::new();
        for tier in isolation.candidates() {
            match Self::start_tier(setup(tier), settings).await {
                Ok(pool) => {
                    if !reasons.is_empty() {
                        let (isolation, hindered) = (tier.name(), reasons.join("; "));
                        tracing::warn!(isolation, hindered, "a weaker isolation is in force");
                    }
                    return Ok(pool);
                }
                Err(Fault::KeeperStart { reason }) => {
                    reasons.push(format!("{}: {reason}", tier.name()));
                }
                Err(other) => return Err(other),
            }
        }
        let reason = isolation.unmet(&reasons);
        Err(Fault::KeeperStart { reason })
    }

    /// Starts the keeper, waits until every wall is verified on a real unit of each kind.
    async fn start_tier(setup: Setup, mut settings: PoolSettings) -> Result<Self, Fault> {
        if setup.tier == Tier::Gvisor {
            settings.core_with_running = 0;
        }
        let shared = Arc::new(Shared {
            places: Places::of(&setup),
            setup,
            settings,
            state: Mutex::new(State::default()),
            closing: Notify::new(),
        });
        let (keeper, walls) = shared.start_keeper().await?;
        let (end, ended) = watch::channel(false);
        tokio::spawn(Arc::clone(&shared).keep(keeper, end));
        tokio::spawn(Arc::clone(&shared).tend());
        let pool = Self {
            shared,
            walls,
            ended,
        };
        for kind in pool.shared.setup.kinds.clone() {
            // The trial: a unit raises and verifies every wall, then goes on the shelf.
            match pool.shared.unit(kind).await {
                Ok(unit) => pool.shared.put_back(unit),
                Err(fault) => {
                    pool.close().await;
                    return Err(match fault {
                        Fault::NoUnit { reason } => Fault::KeeperStart {
                            reason: format!("{reason} (`hognose doctor` looks at this host)"),
                        },
                        other => other,
                    });
                }
            }
        }
        pool.shared.lock().started = true;
        Ok(pool)
    }

    /// Runs one job to its end. Dropping the future kills the run and frees everything it had.
    ///
    /// # Errors
    ///
    /// A [`Fault`] where we broke; whatever the program does is an [`Outcome`].
    pub async fn run(&self, job: Job) -> Result<Outcome, Fault> {
        let asked = Instant::now();
        let kind = job.kind;
        self.shared.lock().shelf(kind).last_asked = Some(Instant::now());
        let mut unit = self.shared.unit(kind).await?;
        let mut offers = 1;
        let outcome = loop {
            run::put_files(&unit, &job.files)?;
            match run::hand_over(&mut unit, &job).await {
                Ok(started) => {
                    break run::run(&mut unit, job, &self.shared.places, asked, started).await;
                }
                // Something killed it while it waited; nothing of the job has run.
                Err(fault) if offers < OFFERS_MAX => {
                    tracing::warn!(%fault, ?kind, "a unit was dead; the job goes to another");
                    drop(unit);
                    unit = self.shared.unit(kind).await?;
                    offers += 1;
                }
                Err(fault) => break Err(fault),
            }
        };
        // Behind the answer: to order the next one, and to close what this one had, takes more calls than to answer.
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            shared.lock().refill(&shared.settings, kind);
            drop(unit);
        });
        outcome
    }

    /// What programs are walled in with.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.shared.setup.tier
    }

    /// The walls that the first keeper has raised, in their order.
    #[must_use]
    pub fn walls(&self) -> &[Wall] {
        &self.walls
    }

    /// Whether programs run. Where there is no keeper, or no unit of some kind can be kept ready, jobs wait.
    #[must_use]
    pub fn serves(&self) -> bool {
        let (lacking, now) = (self.shared.pace().lacking_told_after, Instant::now());
        let state = self.shared.lock();
        let mut shelves = state.shelves.values();
        state.orders.is_some() && !shelves.any(|shelf| shelf.lacks_units(lacking, now))
    }

    /// Ends every unit, the zygotes and the keeper, and waits until all are gone.
    pub async fn close(&self) {
        {
            let mut state = self.shared.lock();
            state.closing = true;
            state.shelves.clear();
            state.routes.clear();
            // The keeper reads the end of its socket, and everything ends with it.
            state.orders = None;
        }
        self.shared.closing.notify_one();
        let mut ended = self.ended.clone();
        let waited = tokio::time::timeout(CLOSE_MAX, ended.wait_for(|ended| *ended)).await;
        if !matches!(waited, Ok(Ok(_))) {
            tracing::error!("the keeper did not end in time");
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    const fn pace(&self) -> Pace {
        Pace::of(self.setup.tier)
    }

    /// Takes a unit off the shelf, or waits for one.
    async fn unit(&self, kind: Kind) -> Result<Unit, Fault> {
        let waiting = {
            let mut state = self.lock();
            if state.closing {
                return Err(Fault::Closing);
            }
            let shelf = state.shelf(kind);
            if let Some(unit) = shelf.take() {
                return Ok(unit);
            }
            let (sender, receiver) = oneshot::channel();
            shelf.waiting.push_back(sender);
            state.refill(&self.settings, kind);
            receiver
        };
        let wait_max = self.pace().unit_wait_max;
        if let Ok(Ok(unit)) = tokio::time::timeout(wait_max, waiting).await {
            return Ok(unit);
        }
        let state = self.lock();
        if state.closing {
            return Err(Fault::Closing);
        }
        let shelf = state.shelves.get(&kind);
        let failure = shelf.and_then(|shelf| Some(shelf.trouble.as_ref()?.reason.clone()));
        let failure = state.keeper_failure.clone().or(failure);
        let reason = failure.unwrap_or_else(|| "none was ready in time".to_owned());
        Err(Fault::NoUnit { reason })
    }

    fn put_back(&self, unit: Unit) {
        let mut state = self.lock();
        let kind = unit.kind;
        state.shelf(kind).give(unit);
        // Another one was ordered when it was taken.
        state.clear(&self.settings, kind, self.pace().unit_age_max);
    }

    /// Lets units go that wait for nobody, or for too long, until the pool closes.
    async fn tend(self: Arc<Self>) {
        loop {
            tokio::time::sleep(TEND_PAUSE).await;
            let mut state = self.lock();
            if state.closing {
                return;
            }
            for kind in &self.setup.kinds {
                state.clear(&self.settings, *kind, self.pace().unit_age_max);
                state.refill(&self.settings, *kind);
            }
        }
    }
}
