//! What of the pool changes: units by kind, those that are on their way or run, and the jobs that wait for one.

use std::collections::{HashMap, VecDeque};
use std::iter;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wire::{ToKeeper, UnitId};

use super::PoolSettings;
use crate::Kind;
use crate::keeper::Orders;
use crate::unit::{Ended, Unit};

/// How long a kind is kept as ready as the settings say after it was asked for; then one unit of it
/// waits, since the memory that each has to itself would be there for nobody. The core kind, which
/// most programs need, stays ready.
const DEMAND_REMEMBERED: Duration = Duration::from_mins(1);

/// Everything that changes. The lock is never held across an `await`.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) orders: Option<Orders>,
    /// Why there is no keeper, where another one was started in vain.
    pub(super) keeper_failure: Option<String>,
    units_ordered: u64,
    pub(super) shelves: HashMap<Kind, Shelf>,
    pub(super) routes: HashMap<UnitId, Route>,
    /// Whether a unit of each kind has been ready. Before that a failure is told at once: the host
    /// cannot do it, and trying again helps nobody.
    pub(super) started: bool,
    pub(super) closing: bool,
}

/// Units of one kind, and jobs that wait for one.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) ready: VecDeque<Unit>,
    pub(super) waiting: VecDeque<oneshot::Sender<Unit>>,
    /// Ordered, not ready yet.
    pub(super) warming: usize,
    /// When a job last asked for one.
    pub(super) last_asked: Option<Instant>,
    /// From a unit's failure until one after it has lasted for a pause: so long the next are ordered one at a time.
    pub(super) trouble: Option<Trouble>,
}

/// Units of a kind cannot be kept ready.
#[derive(Debug)]
pub(super) struct Trouble {
    /// When it began.
    since: Instant,
    /// Why the latest unit failed.
    pub(super) reason: String,
    /// When one first became ready after that.
    ready_at: Option<Instant>,
}

/// Where news of one unit go.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) kind: Kind,
    pub(super) warming: bool,
    pub(super) ended: Option<oneshot::Sender<Ended>>,
    pub(super) gone: Option<oneshot::Sender<()>>,
    /// The receiving halves, until the unit is ready and takes them.
    pub(super) receivers: Option<(oneshot::Receiver<Ended>, oneshot::Receiver<()>)>,
}

impl State {
    pub(super) fn shelf(&mut self, kind: Kind) -> &mut Shelf {
        self.shelves.entry(kind).or_default()
    }

    /// How many units have a job, or have had one and are not gone yet.
    fn in_use(&self) -> usize {
        let shelves = self.shelves.values();
        let waiting: usize = shelves.map(|shelf| shelf.ready.len() + shelf.warming).sum();
        self.routes.len().saturating_sub(waiting)
    }

    /// Lets go of units that are more than wanted, and of those that have waited for longer than `age_max`: of half the
    /// shelf at a time, so that it is not empty for it.
    pub(super) fn clear(&mut self, settings: &PoolSettings, kind: Kind, age_max: Duration) {
        let in_use = self.in_use();
        let shelf = self.shelf(kind);
        let last_asked = shelf.last_asked.map(|at| at.elapsed());
        let wanted = settings.wanted(kind, last_asked, in_use);
        // The oldest are in front.
        while shelf.ready.len() + shelf.warming > wanted {
            if shelf.ready.pop_front().is_none() {
                return;
            }
        }
        let half = (shelf.ready.len() / 2).max(1);
        let is_old = |unit: &&Unit| unit.ready_at.elapsed() > age_max;
        let old = shelf.ready.iter().take(half).take_while(is_old).count();
        shelf.ready.drain(..old);
    }

    /// A unit is gone, whoever let it go: another of its kind may have to take its place, and one more of core may wait
    /// for a burst. Where the latest one failed, the next is ordered after a pause only.
    pub(super) fn refill_after(&mut self, settings: &PoolSettings, gone: Kind) {
        let with_running = settings.core_with_running > settings.core;
        for kind in iter::once(gone).chain(with_running.then_some(Kind::Core)) {
            if self.shelf(kind).trouble.is_none() {
                self.refill(settings, kind);
            }
        }
    }

    /// Orders units until as many are ready or warming as the settings and the waiting jobs want.
    pub(super) fn refill(&mut self, settings: &PoolSettings, kind: Kind) {
        let Some(orders) = self.orders.clone() else {
            return;
        };
        let in_use = self.in_use();
        let shelf = self.shelves.entry(kind).or_default();
        shelf.waiting.retain(|waiting| !waiting.is_closed());
        let last_asked = shelf.last_asked.map(|at| at.elapsed());
        let wanted = settings.wanted(kind, last_asked, in_use) + shelf.waiting.len();
        // After a failure one at a time, however many are ready yet.
        let warming_max = shelf.trouble.as_ref().map_or(usize::MAX, |_| 1);
        while shelf.ready.len() + shelf.warming < wanted && shelf.warming < warming_max {
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
    /// The youngest: its memory was written last, and is in the processor's caches yet.
    pub(super) fn take(&mut self) -> Option<Unit> {
        self.ready.pop_back()
    }

    /// To the job that waits longest, or onto the shelf.
    pub(super) fn give(&mut self, mut unit: Unit) {
        while let Some(waiting) = self.waiting.pop_front() {
            match waiting.send(unit) {
                Ok(()) => return,
                Err(refused) => unit = refused,
            }
        }
        self.ready.push_back(unit);
    }

    /// A unit has become ready.
    pub(super) fn one_is_ready(&mut self, now: Instant) {
        if let Some(trouble) = &mut self.trouble {
            trouble.ready_at.get_or_insert(now);
        }
    }

    /// A unit could not be made, or ended while it waited; whether that is the first of a trouble.
    pub(super) fn one_failed(&mut self, reason: String, now: Instant) -> bool {
        let known = self.trouble.take();
        self.trouble = Some(Trouble {
            since: known.as_ref().map_or(now, |known| known.since),
            reason,
            ready_at: None,
        });
        known.is_none()
    }

    /// Whether the trouble is over, since a unit has lasted for so long.
    pub(super) fn has_recovered(&mut self, lasted: Duration, now: Instant) -> bool {
        let ready_at = self.trouble.as_ref().and_then(|trouble| trouble.ready_at);
        let recovered = ready_at.is_some_and(|at| now.duration_since(at) >= lasted);
        if recovered {
            self.trouble = None;
        }
        recovered
    }

    /// Whether units have not been kept ready for so long, and there is none.
    pub(super) fn lacks_units(&self, lacking: Duration, now: Instant) -> bool {
        let lacks = |trouble: &Trouble| {
            trouble.ready_at.is_none() && now.duration_since(trouble.since) >= lacking
        };
        self.ready.is_empty() && self.trouble.as_ref().is_some_and(lacks)
    }
}

impl PoolSettings {
    /// How many units of a kind are to wait which was asked for last so long ago, if ever, while so many of all
    /// kinds are in use.
    fn wanted(&self, kind: Kind, last_asked: Option<Duration>, in_use: usize) -> usize {
        let recent = last_asked.is_some_and(|ago| ago < DEMAND_REMEMBERED);
        let units = match kind {
            Kind::Core => self.core.max(self.core_with_running.saturating_sub(in_use)),
            Kind::Numpy if recent => self.numpy,
            Kind::Full if recent => self.full,
            Kind::Numpy | Kind::Full => 1,
        };
        units.max(1)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use tokio::net::unix::pipe;

    use super::*;

    const SETTINGS: PoolSettings = PoolSettings {
        core: 3,
        core_with_running: 0,
        numpy: 1,
        full: 1,
    };

    /// A unit in name only, which has waited for so long.
    fn unit(id: u64, orders: &Orders, waited: Duration) -> Unit {
        let output = || pipe::Receiver::from_owned_fd(std::io::pipe().unwrap().0.into()).unwrap();
        let (job, own_box) = UnixStream::pair().unwrap();
        Unit {
            id: UnitId(id),
            kind: Kind::Core,
            job,
            stdin: None,
            stdout: output(),
            stderr: output(),
            own_box: OwnedFd::from(own_box),
            owner: None,
            ready_at: Instant::now().checked_sub(waited).unwrap(),
            ended: oneshot::channel().1,
            gone: oneshot::channel().1,
            orders: orders.clone(),
        }
    }

    #[tokio::test]
    async fn the_youngest_unit_goes_first_and_old_ones_leave_half_the_shelf() {
        let (orders, _heard) = Orders::to_a_test();
        let (minute, second) = (Duration::from_mins(1), Duration::from_secs(1));
        let mut state = State::default();
        for (id, waited) in [(1, 2 * minute), (2, 2 * minute), (3, second)] {
            state.shelf(Kind::Core).give(unit(id, &orders, waited));
        }
        let ids = |state: &mut State| -> Vec<u64> {
            let ready = state.shelf(Kind::Core).ready.iter();
            ready.map(|unit| unit.id.0).collect()
        };
        for left in [[2, 3].as_slice(), &[3], &[3]] {
            state.clear(&SETTINGS, Kind::Core, minute);
            assert_eq!(ids(&mut state), left);
        }
        state
            .shelf(Kind::Core)
            .give(unit(4, &orders, Duration::ZERO));
        let taken = [(); 3].map(|()| state.shelf(Kind::Core).take().map(|unit| unit.id.0));
        assert_eq!(taken, [Some(4), Some(3), None]);
        let settings = PoolSettings {
            core: 8,
            ..SETTINGS
        };
        for id in 1..=8 {
            state.shelf(Kind::Core).give(unit(id, &orders, 2 * minute));
        }
        for left in [[5, 6, 7, 8].as_slice(), &[7, 8], &[8], &[]] {
            state.clear(&settings, Kind::Core, minute);
            assert_eq!(ids(&mut state), left);
        }
    }

    #[test]
    fn a_trouble_is_told_when_it_stays_and_over_when_a_unit_has_lasted() {
        let (lasted, told_after) = (Duration::from_millis(200), Duration::from_secs(1));
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut shelf = Shelf::default();
        assert!(!shelf.has_recovered(lasted, start) && !shelf.lacks_units(told_after, at(5000)));

        assert!(shelf.one_failed("first".to_owned(), start));
        shelf.one_is_ready(at(300));
        assert!(!shelf.has_recovered(lasted, at(400)), "it has not lasted");
        assert!(!shelf.one_failed("second".to_owned(), at(450)));
        assert!(!shelf.has_recovered(lasted, at(700)), "none is ready");
        assert!(!shelf.lacks_units(told_after, at(999)));
        assert!(shelf.lacks_units(told_after, at(1000)));

        shelf.one_is_ready(at(1200));
        shelf.one_is_ready(at(1350));
        assert!(!shelf.lacks_units(told_after, at(1300)));
        assert!(shelf.has_recovered(lasted, at(1400)) && shelf.trouble.is_none());
    }

    #[test]
    fn as_many_units_wait_as_the_settings_say_and_demand_wants() {
        let settings = PoolSettings {
            core: 5,
            core_with_running: 20,
            numpy: 2,
            full: 0,
        };
        let ago = |seconds| Some(Duration::from_secs(seconds));
        for (kind, last_asked, in_use, wanted) in [
            (Kind::Core, None, 0, 20),
            (Kind::Core, ago(1000), 0, 20),
            (Kind::Core, ago(0), 3, 17),
            (Kind::Core, ago(0), 18, 5),
            (Kind::Core, ago(0), 30, 5),
            (Kind::Numpy, None, 0, 1),
            (Kind::Numpy, ago(1), 20, 2),
            (Kind::Numpy, ago(61), 0, 1),
            (Kind::Full, ago(1), 0, 1),
        ] {
            let found = settings.wanted(kind, last_asked, in_use);
            assert_eq!(found, wanted, "{kind:?}, {in_use} in use");
        }
    }
}
