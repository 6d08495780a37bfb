//! What the keeper says of units, and what the pool does then.

use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use wire::{Frame, FromKeeper, ToKeeper, UnitId};

use super::Shared;
use super::state::State;
use crate::Kind;
use crate::unit::{Ended, Ends, ProgramEnd, Unit};

impl Shared {
    pub(super) fn hear(self: &Arc<Self>, frame: Frame<FromKeeper>) {
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
                let mut state = self.lock();
                let Some(route) = state.routes.remove(&unit) else {
                    return;
                };
                if let Some(gone) = route.gone {
                    let _nobody_waits = gone.send(());
                }
                state.refill_after(&self.settings, route.kind);
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
        shelf.one_is_ready(Instant::now());
        shelf.give(unit);
    }

    /// A unit that waited or ran is no more.
    fn unit_ended(self: &Arc<Self>, id: UnitId, ended: Ended) {
        let mut state = self.lock();
        let Some(route) = state.routes.get_mut(&id) else {
            return;
        };
        let kind = route.kind;
        if let Some(sender) = route.ended.take() {
            let _nobody_waits = sender.send(ended);
        }
        let shelf = state.shelf(kind);
        let place = shelf.ready.iter().position(|unit| unit.id == id);
        if place.and_then(|place| shelf.ready.remove(place)).is_some() {
            self.failed(state, kind, "one ended while it waited".to_owned());
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
        let shelf = state.shelf(kind);
        shelf.warming = shelf.warming.saturating_sub(1);
        self.failed(state, kind, reason);
    }

    /// What ended one unit of a kind may end all: the next are ordered with pauses, until one lasts.
    fn failed(self: &Arc<Self>, mut state: MutexGuard<'_, State>, kind: Kind, reason: String) {
        let started = state.started;
        let shelf = state.shelf(kind);
        let known = shelf.trouble.as_ref().map(|trouble| &trouble.reason);
        if started && known != Some(&reason) {
            tracing::warn!(%reason, ?kind, "a unit could not be kept ready; trying again");
        }
        let is_first = shelf.one_failed(reason, Instant::now());
        if !started {
            // Whoever waits reads the reason.
            shelf.waiting.clear();
        }
        if is_first {
            tokio::spawn(Arc::clone(self).recover(kind));
        }
    }

    /// Orders units one after the other until one lasts.
    async fn recover(self: Arc<Self>, kind: Kind) {
        let pause = self.pace().retry_pause;
        loop {
            tokio::time::sleep(pause).await;
            let mut state = self.lock();
            if state.closing {
                return;
            }
            let recovered = state.shelf(kind).has_recovered(pause, Instant::now());
            state.refill(&self.settings, kind);
            if recovered {
                tracing::info!(?kind, "units are kept ready again");
                return;
            }
        }
    }
}
