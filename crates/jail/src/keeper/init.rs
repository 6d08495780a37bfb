//! Process 1 of a run: it has the zygote fork the unit into its PID namespace, and then only waits.
//!
//! When it dies the kernel kills every process of the run, however it hid. It has no user's code,
//! no privilege and no descriptor but the lifeline: a pipe whose other end only the keeper holds.

use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{CapabilitySet, LinkNameSpaceType};

use wire::UnitId;

use super::unit::UnitEnds;
use crate::sys;
use crate::walls::cgroup::Leaf;
use crate::walls::{self, Doing, WallError, capabilities, user};

/// What an init is given.
#[derive(Debug)]
pub(super) struct Init<'a> {
    /// The mount namespace to be in.
    pub(super) template: &'a OwnedFd,
    /// The run's own file system.
    pub(super) own_box: &'a OwnedFd,
    /// The unit's ends of what it talks through.
    pub(super) ends: &'a UnitEnds,
    /// Which unit it is.
    pub(super) unit: UnitId,
    /// Where to order the fork.
    pub(super) zygote: &'a OwnedFd,
    /// The run's cgroup, if it has one.
    pub(super) leaf: Option<&'a Leaf>,
    /// Whose end is ours.
    pub(super) lifeline: &'a OwnedFd,
}

impl Init<'_> {
    /// Lives and dies as the run's process 1.
    pub(super) fn live(&self) -> ! {
        if let Err(error) = self.prepare() {
            let _told = rustix::io::write(self.ends.job(), &wire::job::failed(error));
            sys::exit_now(1)
        }
        // The lifeline is descriptor 0 now, and nobody ever writes to it. Read without the standard
        // library's buffer, which every init would make for itself.
        let mut byte = [0];
        while sys::inherited(0).is_ok_and(|lifeline| {
            rustix::io::retry_on_intr(|| rustix::io::read(lifeline, &mut byte))
                .is_ok_and(|count| count > 0)
        }) {}
        sys::exit_now(0)
    }

    fn prepare(&self) -> Result<(), WallError> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .doing("die with the keeper")?;
        rustix::thread::set_name(c"hognose-init").doing("name the init")?;
        // Whoever got hold of it is to find nothing of the host's.
        rustix::thread::move_into_link_name_space(
            self.template.as_fd(),
            Some(LinkNameSpaceType::Mount),
        )
        .doing("enter the template")?;
        let processes = walls::own_pid_namespace()?;
        self.drop_privileges()?;
        // What enters the namespace from here on finds an init that it cannot touch.
        let place = [processes.as_fd(), self.own_box.as_fd()];
        self.ends
            .order(self.zygote, self.unit, &place, self.leaf)
            .map_err(std::io::Error::other)
            .doing("order a fork")?;
        // Nothing may own what is closed next.
        drop(processes);
        self.keep_only_the_lifeline()
            .doing("let go of what is the keeper's")
    }

    fn drop_privileges(&self) -> Result<(), WallError> {
        let user = self.ends.user();
        if user != 0 {
            // What the next step needs.
            user::become_user(user, CapabilitySet::SETPCAP)?;
            // Changing the user cleared it.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                .doing("die with the keeper")?;
        }
        capabilities::raise_in_init()?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .doing("hide the init's memory")
    }

    fn keep_only_the_lifeline(&self) -> std::io::Result<()> {
        // Orphans of the run are reaped by the kernel itself.
        sys::ignore_signal(libc::SIGCHLD);
        sys::place_at(self.lifeline.as_fd(), 0)?;
        sys::close_from(1)
    }
}
