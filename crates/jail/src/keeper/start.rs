//! What the keeper does once: namespaces of its own, and the template root.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::LinkNameSpaceType;
use wire::Setup;

use super::Guest;
use crate::confine;
use crate::gvisor;
use crate::sys::{self, SingleThread};
use crate::walls::template::{Enclosure, Form};
use crate::walls::{Doing, WallError, template, write_to};

/// Whether this process may make namespaces without a user namespace of its own.
pub(super) fn is_privileged() -> bool {
    rustix::process::geteuid().is_root()
        && rustix::thread::capabilities(None).is_ok_and(|sets| {
            sets.effective
                .contains(rustix::thread::CapabilitySet::SYS_ADMIN)
        })
}

/// Leaves the host's namespaces, in the outer keeper. The next fork is process 1 of a new one.
pub(super) fn make_namespaces(privileged: bool) -> Result<(), WallError> {
    if !privileged {
        let (uid, gid) = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        sys::unshare(libc::CLONE_NEWUSER)
            .doing("make a user namespace (an ordinary user needs them: see `hognose doctor`)")?;
        write_to(c"/proc/self/setgroups", "deny").doing("deny setgroups")?;
        write_to(c"/proc/self/uid_map", &format!("0 {uid} 1")).doing("map the keeper's user")?;
        write_to(c"/proc/self/gid_map", &format!("0 {gid} 1")).doing("map the keeper's group")?;
    }
    sys::unshare(
        libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS,
    )
    .doing("make namespaces (a container's default profile forbids them: see `hognose doctor`)")
}

/// Makes the mounts the inner keeper's own, names the host, and counts the threads once more.
pub(super) fn settle() -> Result<SingleThread, WallError> {
    template::detach_from_host()?;
    template::mount_own_proc()?;
    // As every run sees it: their namespaces are copies.
    rustix::system::sethostname(confine::HOST_NAME.to_bytes()).doing("set the host name")?;
    SingleThread::assert().doing("check that the keeper has one thread")
}

/// Builds the template root in a mount namespace of its own, held by the descriptor; this process
/// stays where it is.
pub(super) fn build_template(
    setup: &Setup,
    guest: Guest<'_>,
    form: Form,
) -> Result<OwnedFd, WallError> {
    let here = mount_namespace()?;
    sys::unshare(libc::CLONE_NEWNS).doing("make the template's mount namespace")?;
    let mut files: Vec<(&str, &[u8])> = vec![("libconfine.so", guest.library)];
    files.extend(
        guest
            .sources
            .iter()
            .map(|(name, text)| (*name, text.as_bytes())),
    );
    let build = || {
        let enclosure = match form {
            Form::Entered { .. } => None,
            Form::Sandboxed => {
                let runsc = gvisor::find(setup.runsc.as_deref())?;
                Some(Enclosure::take(&runsc)?)
            }
        };
        template::build(&setup.runtime, &files, form)?;
        enclosure.map_or(Ok(()), Enclosure::close)?;
        // The template's `/proc` shows its processes, so the same path serves there.
        mount_namespace()
    };
    let template = build();
    rustix::thread::move_into_link_name_space(here.as_fd(), Some(LinkNameSpaceType::Mount))
        .doing("return from the template")?;
    template
}

/// The one in which this process is.
pub(super) fn mount_namespace() -> Result<OwnedFd, WallError> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, "/proc/self/ns/mnt", flags, Mode::empty())
        .doing("open our mount namespace")
}
