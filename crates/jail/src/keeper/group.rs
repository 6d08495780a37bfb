//! A run without a PID namespace: a process group that nothing in it can leave.
//!
//! ```text
//!   zygote ── fork ─► leader ─► others       all in one group; the keeper is the reaper of orphans
//! ```
//!
//! The leader is killed by its pidfd. Its zygote, whose child it is, then kills the group, tells, and reaps the
//! leader last, so that the number is nobody else's; what is left of the group comes to the keeper, which
//! is done with the run when it has reaped all of it.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// All that one run has of processes.
#[derive(Debug, Default)]
pub(super) struct Group {
    leader: Option<Leader>,
    /// It is to end as soon as it is there.
    doomed: bool,
    /// The leader is dead and its group killed, or there is none and will be none.
    over: bool,
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

    /// The leader is dead and the zygote has killed the group, or could not fork it.
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
        // If none is our child, none lives: whose parent in it died became one before that. The leader may wait, dead, for
        // its zygote to reap it.
        !is_left
    }

    /// Whether it has to be looked at soon.
    pub(super) const fn is_urgent(&self) -> bool {
        self.over
    }
}

/// Reaps what has died of a group and is ours; says whether something is left that is.
pub(super) fn reap(group: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    loop {
        match rustix::process::waitid(WaitId::Pgid(Some(group)), options) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}
