//! The keeper's life as the pool sees it: started, listened to, asked for a word, and replaced when it is gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use wire::{FromKeeper, ToKeeper, UnitId, Wall};

use super::Shared;
use crate::Fault;
use crate::keeper::{Keeper, News};

/// Longest start: every zygote imports what its kind says.
const START_MAX: Duration = Duration::from_mins(2);
/// Longest wait for the keeper to end everything when the pool closes.
pub(super) const CLOSE_MAX: Duration = Duration::from_secs(10);
/// How often the keeper is asked for a word.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// How often it is asked in vain before it is taken to hang. It never waits for anything, so it answers
/// in a millisecond; asked often, since time alone says little where this process was stopped, too.
const ASKED_IN_VAIN_MAX: u32 = 5;
/// A unit that never is: asked to end it, a keeper says that it is gone.
const NO_UNIT: UnitId = UnitId(0);
/// Pause before another keeper is started.
const KEEPER_PAUSE_MIN: Duration = Duration::from_millis(200);
/// Longest pause before another keeper is started: doubled each time, since a start costs a second of
/// the processor.
const KEEPER_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Why nothing more is heard of a keeper.
#[derive(Debug, Clone, Copy)]
enum Silence {
    /// It ended, or talks nonsense.
    Gone,
    /// It does not answer.
    Hangs,
}

impl Shared {
    /// Starts a keeper and waits until its zygotes are warm; what does not come so far has ended then.
    pub(super) async fn start_keeper(&self) -> Result<(Keeper, Vec<Wall>), Fault> {
        let mut keeper = Keeper::start(self.setup.clone())?;
        let raised = tokio::select! {
            biased;
            () = self.closing.notified() => Err(Fault::Closing),
            raised = tokio::time::timeout(START_MAX, self.raised(&mut keeper)) => {
                raised.unwrap_or_else(|_elapsed| Err(took_too_long()))
            }
        };
        match raised {
            Ok(walls) => Ok((keeper, walls)),
            Err(fault) => {
                keeper.news.hang_up();
                end(keeper.process, CLOSE_MAX).await;
                Err(fault)
            }
        }
    }

    /// Waits until a keeper has raised its walls, and orders units.
    async fn raised(&self, keeper: &mut Keeper) -> Result<Vec<Wall>, Fault> {
        match keeper.news.next().await.map(|frame| frame.message) {
            Some(FromKeeper::Raised { walls }) => {
                let mut state = self.lock();
                if state.closing {
                    return Err(Fault::Closing);
                }
                state.orders = Some(keeper.orders.clone());
                state.keeper_failure = None;
                for kind in &self.setup.kinds {
                    state.refill(&self.settings, *kind);
                }
                Ok(walls)
            }
            Some(FromKeeper::Refused { reason }) => Err(Fault::KeeperStart { reason }),
            _ => Err(Fault::KeeperStart {
                reason: "it died before it was ready".to_owned(),
            }),
        }
    }

    /// Listens to the keeper, and starts another when it is gone, until the pool closes.
    pub(super) async fn keep(self: Arc<Self>, keeper: Keeper, end_of_all: watch::Sender<bool>) {
        let mut next = Some(keeper);
        while let Some(Keeper {
            orders,
            mut news,
            process,
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
            end(process, patience).await;
            if self.lock().closing {
                break;
            }
            tracing::error!("the keeper is gone; starting another");
            next = self.start_another().await;
        }
        end_of_all.send_replace(true);
    }

    /// Tries until there is one; `None` once the pool closes.
    async fn start_another(&self) -> Option<Keeper> {
        let mut pause = KEEPER_PAUSE_MIN;
        loop {
            tokio::select! {
                biased;
                () = self.closing.notified() => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(KEEPER_PAUSE_MAX);
            match self.start_keeper().await {
                Ok((keeper, _)) => return Some(keeper),
                Err(Fault::Closing) => return None,
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

/// Waits for a keeper to end that was hung up on, and everything with it; kills it where it takes longer.
async fn end(mut process: Child, patience: Duration) {
    let ended = tokio::time::timeout(patience, process.wait()).await;
    if ended.is_err() {
        tracing::error!("the keeper does not answer or does not end; killing it");
        // The outer one; the kernel kills the inner one for it, and everything with that.
        drop(process.kill().await);
    }
}

fn took_too_long() -> Fault {
    Fault::KeeperStart {
        reason: "it took too long".to_owned(),
    }
}
