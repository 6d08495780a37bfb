//! Where a run asks the keeper for each process and thread that it wants to make, if no cgroup counts it.
//!
//! ```text
//!   run ── fork, clone ─► kernel ── question ─► keeper ── goes on │ refused │ later ─► kernel ─► run
//! ```
//!
//! Two things need it. Whoever looks at a run's memory looks at one process after the other, and what lives for
//! less than that takes has handed its memory on before it is seen: so a run makes no process while its
//! processes are looked at. And where the kernel counts those of the whole user, the keeper bounds a
//! run's: up to the limit it only counts, and at the limit it looks at what there is.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::Pid;

use super::group::reap;
use super::processes::Snapshot;
use crate::sys::{self, Question};

/// Least time between two counts of a run's processes. Whoever asks at the limit waits for it.
const COUNT_PAUSE: Duration = Duration::from_millis(5);
/// The same after one was refused: who keeps on asking at the limit would have the keeper count all the time.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);
/// On a host with very many processes, how many times as long as a count took the next one waits.
const COST_SHARE: u32 = 10;
/// How long a process that was allowed may not be there yet, on a busy machine. Where nobody asks again
/// meanwhile, the last place is given after this.
const BIRTH_MAX: Duration = Duration::from_millis(50);
/// Most questions that are answered between two looks at a run, or counts: who asks on and on, to no end, would have
/// the keeper do nothing else.
const ANSWERS_MAX: u32 = 1000;

/// Where one run asks, and what it was told.
#[derive(Debug)]
pub(super) struct Asks {
    /// Nothing once nobody is left to ask.
    socket: Option<OwnedFd>,
    /// Where the kernel does not bound the run's processes.
    bound: Option<Bound>,
    /// Questions that wait, by the thread that asks: one that a signal interrupts asks again.
    held: BTreeMap<u32, Question>,
    /// Its processes are being looked at.
    is_looked_at: bool,
    /// Since the last look, or count.
    answers: u32,
    has_made_processes: bool,
    was_refused: bool,
}

/// How many processes and threads a run may have, and has.
#[derive(Debug)]
struct Bound {
    tasks_max: u32,
    /// So many there may be: those of the last count, and those that were allowed since.
    tasks: u32,
    counted_at: Option<Instant>,
    /// What it took.
    count_cost: Duration,
    /// Who was allowed one that may not be there yet, and when: by thread, each of which asks for one at
    /// a time.
    unborn: BTreeMap<u32, Instant>,
    /// Whether the last count left no room for one.
    refused: bool,
}

impl Asks {
    /// Of a run whose processes the kernel bounds, or that may have so many, its first among them.
    pub(super) fn new(socket: OwnedFd, tasks_max: Option<u32>) -> Self {
        let bound = tasks_max.map(|tasks_max| Bound {
            tasks_max,
            tasks: 1,
            counted_at: None,
            count_cost: Duration::ZERO,
            unborn: BTreeMap::new(),
            refused: false,
        });
        Self {
            socket: Some(socket),
            bound,
            held: BTreeMap::new(),
            is_looked_at: false,
            answers: 0,
            has_made_processes: false,
            was_refused: false,
        }
    }

    fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// Takes a question, and answers it if that is possible at once. Gives the socket away when nobody is left
    /// to ask.
    pub(super) fn hear(&mut self) -> Option<OwnedFd> {
        // Where nobody is left some kernels wait for a question for ever.
        let mut polled = [PollFd::new(self.socket.as_ref()?, PollFlags::IN)];
        let now = rustix::time::Timespec::default();
        rustix::event::poll(&mut polled, Some(&now)).ok()?;
        let [polled] = polled;
        let seen = polled.revents();
        if seen.contains(PollFlags::IN) {
            let question = sys::next_question(self.socket()?);
            if let Ok(Some(question)) = question {
                self.take(question);
            }
            None
        } else if seen.contains(PollFlags::HUP) {
            self.hear_no_more()
        } else {
            None
        }
    }

    fn take(&mut self, question: Question) {
        let mut has_room = self.answers < ANSWERS_MAX;
        if let Some(bound) = &mut self.bound {
            // What it was allowed before is there, or will not be.
            bound.unborn.remove(&question.thread);
            has_room &= bound.has_room();
        }
        if has_room && self.held.is_empty() && !self.is_looked_at {
            self.allow(question);
        } else {
            self.held.insert(question.thread, question);
        }
    }

    fn allow(&mut self, question: Question) {
        if let Some(bound) = &mut self.bound {
            bound.tasks += 1;
            bound.unborn.insert(question.thread, Instant::now());
        }
        self.answers += 1;
        self.has_made_processes |= question.for_process;
        self.answer(question, true);
    }

    fn answer(&self, question: Question, goes_on: bool) {
        if let Some(socket) = self.socket() {
            sys::answer_question(socket, question, goes_on);
        }
    }

    /// What was made until now was ours.
    pub(super) const fn begin(&mut self) {
        self.has_made_processes = false;
    }

    /// The run makes nothing from now on: it is looked at.
    pub(super) const fn hold(&mut self) {
        self.is_looked_at = true;
    }

    /// It was looked at, and goes on.
    pub(super) fn release(&mut self) {
        self.is_looked_at = false;
        self.answers = 0;
        while self.bound.as_ref().is_none_or(Bound::has_room)
            && let Some((_, question)) = self.held.pop_first()
        {
            self.allow(question);
        }
    }

    /// Whether somebody waits for a count.
    pub(super) fn is_urgent(&self) -> bool {
        self.bound.is_some() && !self.is_looked_at && !self.held.is_empty()
    }

    /// Counts for those that wait, who are of this group, if it is time.
    pub(super) fn count(&mut self, group: Pid, snapshot: &mut Snapshot) {
        let is_urgent = self.is_urgent();
        let Some(bound) = self.bound.as_mut().filter(|_| is_urgent) else {
            return;
        };
        if !bound.count(group, snapshot) {
            return;
        }
        self.release();
        let refused = std::mem::take(&mut self.held);
        self.was_refused |= !refused.is_empty();
        if let Some(bound) = &mut self.bound {
            bound.refused = !refused.is_empty();
        }
        for question in refused.into_values() {
            self.answer(question, false);
        }
    }

    /// Stops listening; the kernel refuses whatever is asked from now on.
    pub(super) const fn hear_no_more(&mut self) -> Option<OwnedFd> {
        self.socket.take()
    }

    /// Whether it has asked for no process, but for threads.
    pub(super) const fn is_alone(&self) -> bool {
        !self.has_made_processes
    }

    /// Whether it was refused one.
    pub(super) const fn was_refused(&self) -> bool {
        self.was_refused
    }
}

impl Bound {
    const fn has_room(&self) -> bool {
        self.tasks < self.tasks_max
    }

    /// Counts what there is, if it is time; whether it is known now if there is room.
    fn count(&mut self, group: Pid, snapshot: &mut Snapshot) -> bool {
        let pause = if self.refused {
            REFUSED_PAUSE
        } else {
            COUNT_PAUSE
        };
        let pause = pause.max(self.count_cost.saturating_mul(COST_SHARE));
        if self.counted_at.is_some_and(|at| at.elapsed() < pause) {
            return false;
        }
        self.counted_at = Some(Instant::now());
        self.unborn.retain(|_, since| since.elapsed() < BIRTH_MAX);
        reap(group);
        let counted = snapshot.tasks_of(group.as_raw_nonzero().get());
        self.count_cost = snapshot.cost;
        let unborn = u32::try_from(self.unborn.len()).unwrap_or(u32::MAX);
        self.tasks = counted.saturating_add(unborn);
        counted >= self.tasks_max || unborn == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A count that was too early to decide left room for one, and the end of a look gave it away.
    #[test]
    fn who_is_not_born_yet_has_a_place() {
        let nobody = Pid::from_raw(i32::MAX).unwrap();
        let mut bound = Bound {
            tasks_max: 1,
            tasks: 1,
            counted_at: None,
            count_cost: Duration::ZERO,
            unborn: [(1, Instant::now())].into(),
            refused: false,
        };
        assert!(!bound.count(nobody, &mut Snapshot::default()));
        assert!(!bound.has_room());
        bound.unborn.clear();
        bound.counted_at = None;
        assert!(bound.count(nobody, &mut Snapshot::default()));
        assert!(bound.has_room());
    }
}
