//! Process 1 of a run: it gives the run its mounts, and then only waits.
//!
//! When it dies the kernel kills every process of the run, however it hid. It has no user's code,
//! no privilege and no descriptor but the lifeline: a pipe whose other end only the keeper holds.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::process::{DumpableBehavior, Signal};
use rustix::thread::{Gid, LinkNameSpaceType, Uid};

use wire::FromInit;

use crate::confine;
use crate::sys;
use crate::walls::{Doing, WallError, capabilities, template};

/// The namespaces that a unit enters, in the order of [`FromInit::Mounted`].
const NAMESPACES: [&CStr; 4] = [
    c"/proc/self/ns/pid",
    c"/proc/self/ns/mnt",
    c"/proc/self/ns/ipc",
    c"/proc/self/ns/uts",
];

fn open(namespace: &CStr) -> Result<OwnedFd, WallError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, namespace, flags, Mode::empty()).doing("open the run's namespaces")
}

/// What an init is given.
#[derive(Debug)]
pub(crate) struct Init<'a> {
    /// The mount namespace to start from.
    pub(crate) template: &'a OwnedFd,
    /// The run's own file system.
    pub(crate) own_box: &'a OwnedFd,
    /// Where to say that the mounts stand.
    pub(crate) keeper: &'a OwnedFd,
    /// Whose end is ours.
    pub(crate) lifeline: &'a OwnedFd,
    /// Whom to become; 0 for nobody else.
    pub(crate) user: u32,
}

impl Init<'_> {
    /// Lives and dies as the run's process 1.
    pub(crate) fn live(&self) -> ! {
        let said = match self.prepare() {
            Ok(namespaces) => {
                let namespaces: Vec<_> = namespaces.iter().map(AsFd::as_fd).collect();
                wire::send(self.keeper, &FromInit::Mounted, &namespaces)
            }
            Err(error) => {
                let failed = FromInit::Failed {
                    reason: error.to_string(),
                };
                drop(wire::send(self.keeper, &failed, &[]));
                sys::exit_now(1)
            }
        };
        if said.is_err() || self.keep_only_the_lifeline().is_err() {
            sys::exit_now(1);
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

    fn prepare(&self) -> Result<Vec<OwnedFd>, WallError> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .doing("die with the keeper")?;
        rustix::thread::move_into_link_name_space(
            self.template.as_fd(),
            Some(LinkNameSpaceType::Mount),
        )
        .doing("enter the template")?;
        sys::unshare(libc::CLONE_NEWNS).doing("make a mount namespace for the run")?;
        template::specialize(self.own_box)?;
        let namespaces = NAMESPACES
            .iter()
            .map(|name| open(name))
            .collect::<Result<_, _>>()?;
        rustix::system::sethostname(confine::HOST_NAME.to_bytes()).doing("set the host name")?;
        rustix::thread::set_name(c"hognose-init").doing("name the init")?;
        if self.user != 0 {
            let (uid, gid) = (Uid::from_raw(self.user), Gid::from_raw(self.user));
            rustix::thread::set_thread_groups(&[]).doing("leave all groups")?;
            rustix::thread::set_thread_res_gid(gid, gid, gid).doing("change the group")?;
            // Capabilities outlive the change of user until they are dropped below.
            rustix::thread::set_keep_capabilities(true).doing("keep capabilities")?;
            rustix::thread::set_thread_res_uid(uid, uid, uid).doing("change the user")?;
            capabilities::regain_setpcap().doing("regain one capability")?;
            // Changing the user cleared it.
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                .doing("die with the keeper")?;
        }
        capabilities::raise_in_init()?;
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
            .doing("hide the init's memory")?;
        Ok(namespaces)
    }

    fn keep_only_the_lifeline(&self) -> std::io::Result<()> {
        // Orphans of the run are reaped by the kernel itself.
        sys::ignore_signal(libc::SIGCHLD);
        sys::place_at(self.lifeline.as_fd(), 0)?;
        sys::close_from(1)
    }
}
