//! A run without a PID namespace: a process group that nothing in it can leave.
//!
//! ```text
//!   zygote ── fork ─► leader ─► others       all in one group; the keeper is the reaper of orphans
//! ```
//!
//! The leader is killed by its pidfd. Its zygote, whose child it is, then kills the group before it reaps
//! the leader, so that the number is nobody else's; what is left of the group comes to the keeper, which
//! is done with the run when it has reaped all of it.
//!
//! The kernel counts the processes of the whole user, so it cannot bound those of a run. The keeper is
//! asked for each instead: up to the limit it only counts, and at the limit it looks at what there is.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

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

/// All that one run has of processes.
#[derive(Debug, Default)]
pub(super) struct Group {
    leader: Option<Leader>,
    /// It is to end as soon as it is there.
    doomed: bool,
    /// The leader is reaped, or there is none and will be none.
    over: bool,
    asks: Option<Asks>,
    /// It was refused a process.
    refused: bool,
}

#[derive(Debug)]
struct Leader {
    number: Pid,
    pidfd: Option<OwnedFd>,
}

impl Group {
    /// The zygote has forked the leader.
    pub(super) fn led_by(&mut self, number: i32, pidfd: Option<OwnedFd>) {
        if let Some(number) = Pid::from_raw(number) {
            self.leader = Some(Leader { number, pidfd });
        }
        if self.doomed {
            self.kill();
        }
    }

    /// Kills the leader, and through its zygote the others.
    pub(super) fn kill(&mut self) {
        self.doomed = true;
        if let Some(Leader {
            pidfd: Some(pidfd), ..
        }) = &self.leader
        {
            let _ended = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
        }
    }

    /// The zygote has ended the group and reaped the leader, or could not fork it.
    pub(super) fn is_over(&mut self) {
        self.over = true;
    }

    /// The zygote is gone: the leader is our child now, if it is there, and we do what it would do.
    pub(super) fn inherit(&mut self) {
        if let Some(Leader { number, .. }) = self.leader {
            let _ended = rustix::process::kill_process_group(number, Signal::KILL);
        }
        self.over = true;
    }

    /// Whether nothing is left of it. Reaps what has died.
    pub(super) fn is_gone(&self) -> bool {
        let Some(Leader { number, .. }) = self.leader else {
            return self.over;
        };
        if !self.over {
            return false;
        }
        let is_left = reap(number);
        if is_left {
            // Ours and not reaped, so that the number still means this group.
            let _ended = rustix::process::kill_process_group(number, Signal::KILL);
        }
        // If none is our child, none is there: whose parent in it died became one before that.
        !is_left
    }

    /// Whether it has to be looked at soon.
    pub(super) fn is_urgent(&self) -> bool {
        self.over || self.asks.as_ref().is_some_and(|asks| !asks.held.is_empty())
    }

    /// The run asks for each process from now on; it may have so many, its leader among them.
    pub(super) fn asks_on(&mut self, socket: OwnedFd, tasks_max: u32) -> &OwnedFd {
        let asks = Asks {
            socket,
            tasks_max,
            tasks: 1,
            counted_at: None,
            count_cost: Duration::ZERO,
            unborn: BTreeMap::new(),
            held: Vec::new(),
            refused: false,
        };
        &self.asks.insert(asks).socket
    }

    /// Takes a question. Gives the socket away when nobody is left to ask.
    pub(super) fn hear_question(&mut self) -> Option<OwnedFd> {
        let asks = self.asks.as_mut()?;
        // Where nobody is left some kernels wait for a question for ever.
        let mut polled = [PollFd::new(&asks.socket, PollFlags::IN)];
        let now = rustix::time::Timespec::default();
        rustix::event::poll(&mut polled, Some(&now)).ok()?;
        let [polled] = polled;
        let seen = polled.revents();
        if seen.contains(PollFlags::IN) {
            asks.hear();
            self.answer(&mut Snapshot::default());
            None
        } else if seen.contains(PollFlags::HUP) {
            self.hear_no_more()
        } else {
            None
        }
    }

    /// Answers those that wait, if it is time.
    pub(super) fn answer(&mut self, snapshot: &mut Snapshot) {
        if let (Some(asks), Some(leader)) = (&mut self.asks, &self.leader) {
            self.refused |= asks.answer(leader.number, snapshot);
        }
    }

    /// Stops listening; the kernel refuses whatever is asked from now on.
    pub(super) fn hear_no_more(&mut self) -> Option<OwnedFd> {
        self.asks.take().map(|asks| asks.socket)
    }

    /// Whether it was refused a process.
    pub(super) const fn was_refused(&self) -> bool {
        self.refused
    }
}

/// Where a run asks for each process that it wants to make.
#[derive(Debug)]
struct Asks {
    socket: OwnedFd,
    tasks_max: u32,
    /// So many there may be: those of the last count, and those that were allowed since.
    tasks: u32,
    counted_at: Option<Instant>,
    /// What it took.
    count_cost: Duration,
    /// Who was allowed one that may not be there yet, and when: by thread, each of which asks for one at
    /// a time.
    unborn: BTreeMap<u32, Instant>,
    /// Questions that wait for a count.
    held: Vec<Question>,
    /// Whether the last count left no room for one.
    refused: bool,
}

impl Asks {
    fn hear(&mut self) {
        if let Ok(Some(question)) = sys::next_question(self.socket.as_fd()) {
            // What it was allowed before is there, or will not be.
            self.unborn.remove(&question.thread);
            if self.held.is_empty() && self.tasks < self.tasks_max {
                self.allow(question);
            } else {
                self.held.push(question);
            }
        }
    }

    fn allow(&mut self, question: Question) {
        self.tasks += 1;
        self.unborn.insert(question.thread, Instant::now());
        sys::answer_question(self.socket.as_fd(), question, true);
    }

    /// Answers those that wait, if it is time; `true` if one was refused.
    fn answer(&mut self, group: Pid, snapshot: &mut Snapshot) -> bool {
        let pause = if self.refused {
            REFUSED_PAUSE
        } else {
            COUNT_PAUSE
        };
        let pause = pause.max(self.count_cost.saturating_mul(COST_SHARE));
        let counted = self.counted_at;
        if self.held.is_empty() || counted.is_some_and(|at| at.elapsed() < pause) {
            return false;
        }
        self.counted_at = Some(Instant::now());
        self.unborn.retain(|_, since| since.elapsed() < BIRTH_MAX);
        reap(group);
        self.tasks = snapshot.tasks_of(group.as_raw_nonzero().get());
        self.count_cost = snapshot.cost;
        if self.tasks < self.tasks_max && !self.unborn.is_empty() {
            // It is not known yet whether there is room.
            return false;
        }
        self.refused = false;
        for question in std::mem::take(&mut self.held) {
            if self.tasks < self.tasks_max {
                self.allow(question);
            } else {
                self.refused = true;
                sys::answer_question(self.socket.as_fd(), question, false);
            }
        }
        self.refused
    }
}

/// Reaps what has died of a group and is ours; says whether something is left that is.
fn reap(group: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match rustix::process::waitid(WaitId::Pgid(Some(group)), options) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
