//! Units ready ahead of demand.
//!
//! Preparing a unit (a fork, namespaces, mounts, walls, their verification) takes a millisecond or
//! two; handing a job to a prepared one takes a tenth of that. So the pool orders units before
//! they are wanted, and replaces each one that is taken.
//!
//! The keeper dying is an event, not an accident: the pool starts another, runs that were going
//! on get a [`Fault`], jobs that wait for a unit wait on.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tokio::time::MissedTickBehavior;
use wire::{Frame, FromKeeper, Tier, ToKeeper, UnitId, Wall};

use crate::keeper::{Keeper, News, Orders};
use crate::places::Places;
use crate::run;
use crate::unit::{Ended, Ends, ProgramEnd, Unit};
use crate::{Fault, Isolation, Job, Kind, Outcome, Setup};

/// Longest start: every zygote imports what its kind says.
const START_MAX: Duration = Duration::from_mins(2);
/// Longest wait for the keeper to end everything when the pool closes.
const CLOSE_MAX: Duration = Duration::from_secs(10);
/// How often the keeper is asked for a word.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often it is asked in vain before it is taken to hang. It never waits for anything, so it answers
/// in a millisecond; asked often, since time alone says little where this process was stopped, too.
const ASKED_IN_VAIN_MAX: u32 = 5;
/// A unit that never is: asked to end it, a keeper says that it is gone.
const NO_UNIT: UnitId = UnitId(0);
/// Most units that a job is offered to, where something kills them before they hear of it.
const OFFERS_MAX: usize = 8;
/// How long a kind is kept as ready as the settings say after it was asked for; then one unit of it
/// waits, since the memory that each has to itself would be there for nobody. The core kind, which
/// most programs need, stays ready.
const DEMAND_REMEMBERED: Duration = Duration::from_mins(1);
/// Longest wait of a unit for a job; then a fresh one takes its place.
const UNIT_AGE_MAX: Duration = Duration::from_mins(10);
/// How often the shelves are looked through for units that nobody needs.
const TEND_PAUSE: Duration = Duration::from_secs(5);
/// Pause before another keeper is started.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause before another keeper is started: doubled each time, since a start costs a second of
/// the processor.
const KEEPER_PAUSE_MAX: Duration = Duration::from_secs(5);

/// How patient the pool is with units, by what it costs to prepare one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// Longest wait of a job for a unit.
    unit_wait_max: Duration,
    /// Pause before units are ordered again after one failed.
    retry_pause: Duration,
}

impl Pace {
    const fn of(tier: Tier) -> Self {
        match tier {
            Tier::Native | Tier::Landlock => Self {
                unit_wait_max: Duration::from_secs(15),
                retry_pause: RETRY_PAUSE,
            },
            // A unit takes seconds of the processor, and only a few are prepared at once.
            Tier::Gvisor => Self {
                unit_wait_max: Duration::from_mins(1),
                retry_pause: Duration::from_secs(2),
            },
        }
    }
}

/// How many units wait for a job, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolSettings {
    /// Waiting units with the standard library only.
    pub core: usize,
    /// Waiting units with numpy.
    pub numpy: usize,
    /// Waiting units with everything.
    pub full: usize,
}

impl PoolSettings {
    const fn of(&self, kind: Kind) -> usize {
        match kind {
            Kind::Core => self.core,
            Kind::Numpy => self.numpy,
            Kind::Full => self.full,
        }
    }

    /// How many units of a kind are to wait which was asked for last so long ago, if ever.
    fn wanted(&self, kind: Kind, last_asked: Option<Duration>) -> usize {
        let recent = last_asked.is_some_and(|ago| ago < DEMAND_REMEMBERED);
        if recent || kind == Kind::Core {
            self.of(kind).max(1)
        } else {
            1
        }
    }
}

/// What the pool promises, for `/health` and logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The walls in force.
    pub walls: Vec<Wall>,
    /// Whether a keeper is there; while it is not, jobs wait for the next one.
    pub has_keeper: bool,
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
}

/// Everything that changes. The lock is never held across an `await`.
#[derive(Debug, Default)]
struct State {
    orders: Option<Orders>,
    /// Why there is no keeper, where another one was started in vain.
    keeper_failure: Option<String>,
    units_ordered: u64,
    shelves: HashMap<Kind, Shelf>,
    routes: HashMap<UnitId, Route>,
    /// Whether a unit of each kind has been ready. Before that a failure is told at once: the host
    /// cannot do it, and trying again helps nobody.
    started: bool,
    closing: bool,
}

/// Units of one kind, and jobs that wait for one.
#[derive(Debug, Default)]
struct Shelf {
    ready: VecDeque<Unit>,
    waiting: VecDeque<oneshot::Sender<Unit>>,
    /// Ordered, not ready yet.
    warming: usize,
    /// When a job last asked for one.
    last_asked: Option<Instant>,
    /// What the keeper said about the last unit that failed; until one succeeds, the next are
    /// ordered one at a time, after a pause.
    last_failure: Option<String>,
}

/// Where news of one unit go.
#[derive(Debug)]
struct Route {
    kind: Kind,
    warming: bool,
    ended: Option<oneshot::Sender<Ended>>,
    gone: Option<oneshot::Sender<()>>,
    /// The receiving halves, until the unit is ready and takes them.
    receivers: Option<(oneshot::Receiver<Ended>, oneshot::Receiver<()>)>,
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
    async fn start_tier(setup: Setup, settings: PoolSettings) -> Result<Self, Fault> {
        let shared = Arc::new(Shared {
            places: Places::of(&setup),
            setup,
            settings,
            state: Mutex::new(State::default()),
        });
        let (keeper, walls) = tokio::time::timeout(START_MAX, shared.start_keeper())
            .await
            .unwrap_or_else(|_elapsed| Err(took_too_long()))?;
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
        let mut offers = 0;
        let outcome = loop {
            let mut unit = self.shared.unit(kind).await?;
            offers += 1;
            run::put_files(&unit, &job.files)?;
            match run::hand_over(&mut unit, &job).await {
                Ok(started) => {
                    break run::run(unit, job, &self.shared.places, asked, started).await;
                }
                // Something killed it while it waited; nothing of the job has run.
                Err(fault) if offers < OFFERS_MAX => {
                    tracing::warn!(%fault, ?kind, "a unit was dead; the job goes to another");
                }
                Err(fault) => break Err(fault),
            }
        };
        self.shared.lock().refill(&self.shared.settings, kind);
        outcome
    }

    /// What programs are walled in with.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.shared.setup.tier
    }

    /// What this pool promises.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            walls: self.walls.clone(),
            has_keeper: self.shared.lock().orders.is_some(),
        }
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
        let mut ended = self.ended.clone();
        let waited = tokio::time::timeout(CLOSE_MAX, ended.wait_for(|ended| *ended)).await;
        if !matches!(waited, Ok(Ok(_))) {
            tracing::error!("the keeper did not end in time");
        }
    }
}

/// Why nothing more is heard of a keeper.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// It ended, or talks nonsense.
    Gone,
    /// It does not answer.
    Hangs,
}

fn took_too_long() -> Fault {
    Fault::KeeperStart {
        reason: "it took too long".to_owned(),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a keeper and waits until its zygotes are warm.
    async fn start_keeper(&self) -> Result<(Keeper, Vec<Wall>), Fault> {
        let mut keeper = Keeper::start(self.setup.clone())?;
        let said = keeper.news.next().await.map(|frame| frame.message);
        match said {
            Some(FromKeeper::Raised { walls }) => {
                let mut state = self.lock();
                state.orders = Some(keeper.orders.clone());
                state.keeper_failure = None;
                for kind in &self.setup.kinds {
                    state.refill(&self.settings, *kind);
                }
                drop(state);
                Ok((keeper, walls))
            }
            Some(FromKeeper::Refused { reason }) => Err(Fault::KeeperStart { reason }),
            _ => Err(Fault::KeeperStart {
                reason: "it died before it was ready".to_owned(),
            }),
        }
    }

    /// Listens to the keeper, and starts another when it is gone, until the pool closes.
    async fn keep(self: Arc<Self>, keeper: Keeper, end: watch::Sender<bool>) {
        let mut next = Some(keeper);
        while let Some(Keeper {
            orders,
            mut news,
            mut process,
        }) = next.take()
        {
            drop(orders);
            let silence = self.listen(&mut news).await;
            // Whatever ended the talk, this keeper's units are of no more use.
            news.hang_up();
            self.forget_units();
            let patience = match silence {
                Silence::Gone => CLOSE_MAX,
                Silence::Hangs => Duration::ZERO,
            };
            if tokio::time::timeout(patience, process.wait())
                .await
                .is_err()
            {
                tracing::error!("the keeper does not answer or does not end; killing it");
                // The outer one; the kernel kills the inner one for it, and everything with that.
                drop(process.kill().await);
            }
            if self.lock().closing {
                break;
            }
            tracing::error!("the keeper is gone; starting another");
            next = self.start_another().await;
        }
        end.send_replace(true);
    }

    async fn start_another(&self) -> Option<Keeper> {
        let mut pause = RETRY_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(KEEPER_PAUSE_MAX);
            if self.lock().closing {
                return None;
            }
            let started = tokio::time::timeout(START_MAX, self.start_keeper()).await;
            match started.unwrap_or_else(|_elapsed| Err(took_too_long())) {
                Ok((keeper, _)) => return Some(keeper),
                Err(fault) => {
                    tracing::error!(%fault, "no other keeper; trying again in {pause:?}");
                    self.lock().keeper_failure = Some(fault.to_string());
                }
            }
        }
    }

    /// Listens until the keeper says nothing more, not even when it is asked.
    async fn listen(self: &Arc<Self>, news: &mut News) -> Silence {
        let mut ask = tokio::time::interval(ASK_EVERY);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut asked_in_vain = 0;
        loop {
            tokio::select! {
                // What it has said comes first.
                biased;
                frame = news.next() => match frame {
                    Some(frame) => self.hear(frame),
                    None => return Silence::Gone,
                },
                _ = ask.tick() => {
                    if asked_in_vain == ASKED_IN_VAIN_MAX {
                        return Silence::Hangs;
                    }
                    asked_in_vain += 1;
                    if let Some(orders) = &self.lock().orders {
                        orders.send(ToKeeper::End { unit: NO_UNIT });
                    }
                    continue;
                }
            }
            asked_in_vain = 0;
        }
    }

    fn hear(self: &Arc<Self>, frame: Frame<FromKeeper>) {
        match frame.message {
            FromKeeper::Ready { unit, owner } => {
                self.unit_is_ready(unit, owner, Ends::take(frame.descriptors));
            }
            FromKeeper::Ended {
                unit,
                exit,
                tally,
                read_only,
            } => {
                let end = ProgramEnd {
                    exit,
                    tally,
                    read_only,
                };
                self.unit_ended(unit, Ok(end));
            }
            FromKeeper::Failed { unit, reason } => self.unit_failed(unit, reason),
            FromKeeper::Gone { unit } => {
                if let Some(gone) = self.lock().routes.remove(&unit).and_then(|r| r.gone) {
                    let _nobody_waits = gone.send(());
                }
            }
            FromKeeper::Raised { .. } | FromKeeper::Refused { .. } => {}
        }
    }

    fn unit_is_ready(self: &Arc<Self>, id: UnitId, owner: Option<u32>, ends: Option<Ends>) {
        let mut state = self.lock();
        let Some(orders) = state.orders.clone() else {
            return;
        };
        let Some(ends) = ends else {
            orders.send(ToKeeper::End { unit: id });
            drop(state);
            self.unit_failed(id, "no more descriptors can be opened".to_owned());
            return;
        };
        let Some(route) = state.routes.get_mut(&id) else {
            return;
        };
        route.warming = false;
        let kind = route.kind;
        let Some((ended, gone)) = route.receivers.take() else {
            return;
        };
        let Ends {
            job,
            stdin,
            stdout,
            stderr,
            own_box,
        } = ends;
        let unit = Unit {
            id,
            kind,
            job,
            stdin: Some(stdin),
            stdout,
            stderr,
            own_box,
            owner,
            ready_at: Instant::now(),
            ended,
            gone,
            orders,
        };
        let shelf = state.shelf(kind);
        shelf.warming = shelf.warming.saturating_sub(1);
        let recovered = shelf.last_failure.take().is_some();
        shelf.give(unit);
        if recovered {
            tracing::info!(?kind, "units can be prepared again");
            state.refill(&self.settings, kind);
        }
    }

    /// A unit that waited or ran is no more. If it waited, it leaves the shelf.
    fn unit_ended(&self, id: UnitId, ended: Ended) {
        let mut state = self.lock();
        let Some(route) = state.routes.get_mut(&id) else {
            return;
        };
        let kind = route.kind;
        if let Some(sender) = route.ended.take() {
            let _nobody_waits = sender.send(ended);
        }
        let shelf = state.shelf(kind);
        if let Some(place) = shelf.ready.iter().position(|unit| unit.id == id) {
            shelf.ready.remove(place);
            state.refill(&self.settings, kind);
        }
    }

    fn unit_failed(self: &Arc<Self>, id: UnitId, reason: String) {
        let mut state = self.lock();
        let Some(route) = state.routes.get_mut(&id) else {
            return;
        };
        if !std::mem::replace(&mut route.warming, false) {
            drop(state);
            self.unit_ended(id, Err(reason));
            return;
        }
        let kind = route.kind;
        let shelf = state.shelves.entry(kind).or_default();
        let known = shelf.last_failure.as_ref() == Some(&reason);
        if state.started && !known {
            tracing::warn!(%reason, ?kind, "a unit could not be prepared; trying again");
        }
        let shelf = state.shelf(kind);
        shelf.warming = shelf.warming.saturating_sub(1);
        shelf.last_failure = Some(reason);
        if !state.started {
            // Whoever waits reads the reason.
            state.shelf(kind).waiting.clear();
            return;
        }
        let shelf = state.shelf(kind);
        let others_warm = shelf.warming > 0;
        drop(state);
        if others_warm {
            return;
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Pace::of(shared.setup.tier).retry_pause).await;
            shared.lock().refill(&shared.settings, kind);
        });
    }

    /// Takes a unit off the shelf, or waits for one.
    async fn unit(&self, kind: Kind) -> Result<Unit, Fault> {
        let waiting = {
            let mut state = self.lock();
            if state.closing {
                return Err(Fault::Closing);
            }
            let shelf = state.shelf(kind);
            if let Some(unit) = shelf.ready.pop_front() {
                return Ok(unit);
            }
            let (sender, receiver) = oneshot::channel();
            shelf.waiting.push_back(sender);
            state.refill(&self.settings, kind);
            receiver
        };
        let wait_max = Pace::of(self.setup.tier).unit_wait_max;
        if let Ok(Ok(unit)) = tokio::time::timeout(wait_max, waiting).await {
            return Ok(unit);
        }
        let state = self.lock();
        if state.closing {
            return Err(Fault::Closing);
        }
        let shelf = state.shelves.get(&kind);
        let failure = shelf.and_then(|shelf| shelf.last_failure.clone());
        let failure = state.keeper_failure.clone().or(failure);
        let reason = failure.unwrap_or_else(|| "none was ready in time".to_owned());
        Err(Fault::NoUnit { reason })
    }

    fn put_back(&self, unit: Unit) {
        let mut state = self.lock();
        let kind = unit.kind;
        state.shelf(kind).give(unit);
        // Another one was ordered when it was taken.
        state.clear(&self.settings, kind);
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
                state.clear(&self.settings, *kind);
                state.refill(&self.settings, *kind);
            }
        }
    }

    /// The keeper is gone, and all its units.
    fn forget_units(&self) {
        let mut state = self.lock();
        state.orders = None;
        state.routes.clear();
        for shelf in state.shelves.values_mut() {
            shelf.ready.clear();
            shelf.warming = 0;
        }
    }
}

impl State {
    fn shelf(&mut self, kind: Kind) -> &mut Shelf {
        self.shelves.entry(kind).or_default()
    }

    /// Lets go of units that are more than wanted, and of those that have waited too long.
    fn clear(&mut self, settings: &PoolSettings, kind: Kind) {
        let shelf = self.shelf(kind);
        let wanted = settings.wanted(kind, shelf.last_asked.map(|at| at.elapsed()));
        // The oldest are in front.
        while shelf.ready.len() + shelf.warming > wanted
            || shelf
                .ready
                .front()
                .is_some_and(|unit| unit.ready_at.elapsed() > UNIT_AGE_MAX)
        {
            if shelf.ready.pop_front().is_none() {
                return;
            }
        }
    }

    /// Orders units until as many are ready or warming as the settings and the waiting jobs want.
    fn refill(&mut self, settings: &PoolSettings, kind: Kind) {
        let Some(orders) = self.orders.clone() else {
            return;
        };
        let shelf = self.shelves.entry(kind).or_default();
        shelf.waiting.retain(|waiting| !waiting.is_closed());
        let wanted = match shelf.last_failure {
            None => {
                let last_asked = shelf.last_asked.map(|at| at.elapsed());
                settings.wanted(kind, last_asked) + shelf.waiting.len()
            }
            Some(_) => 1,
        };
        while shelf.ready.len() + shelf.warming < wanted {
            shelf.warming += 1;
            self.units_ordered += 1;
            let unit = UnitId(self.units_ordered);
            let (ended_sender, ended) = oneshot::channel();
            let (gone_sender, gone) = oneshot::channel();
            let route = Route {
                kind,
                warming: true,
                ended: Some(ended_sender),
                gone: Some(gone_sender),
                receivers: Some((ended, gone)),
            };
            self.routes.insert(unit, route);
            orders.send(ToKeeper::Warm { unit, kind });
        }
    }
}

impl Shelf {
    /// To the job that waits longest, or onto the shelf.
    fn give(&mut self, mut unit: Unit) {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(unit) {
                Ok(()) => return,
                Err(refused) => unit = refused,
            }
        }
        self.ready.push_back(unit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_units_wait_as_the_settings_say_and_demand_wants() {
        let settings = PoolSettings {
            core: 5,
            numpy: 2,
            full: 0,
        };
        let ago = |seconds| Some(Duration::from_secs(seconds));
        for (kind, last_asked, wanted) in [
            (Kind::Core, None, 5),
            (Kind::Core, ago(1000), 5),
            (Kind::Numpy, None, 1),
            (Kind::Numpy, ago(1), 2),
            (Kind::Numpy, ago(61), 1),
            (Kind::Full, ago(1), 1),
        ] {
            assert_eq!(settings.wanted(kind, last_asked), wanted, "{kind:?}");
        }
    }
}
