//! What the keeper says of units, and what the pool does then.

use std::sync::Arc;
use std::time::Instant;

use wire::{Frame, FromKeeper, ToKeeper, UnitId};

use super::Shared;
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
            tokio::time::sleep(shared.pace().retry_pause).await;
            shared.lock().refill(&shared.settings, kind);
        });
    }
}
