//! Who a run is: one user in a user namespace of its own, who owns nothing elsewhere.

use rustix::process::DumpableBehavior;
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use super::{Doing, WallError, read_into, verify, write_to};

/// The user and group that a program sees itself as: nobody.
pub const NOBODY: u32 = 65534;

/// Becomes `user` of the keeper's user namespace (0 if that is who we are already, as when an
/// ordinary user started the keeper) and then the only user of a new user namespace.
///
/// The namespaces that were entered and made before belong to the keeper's user namespace, so even all the
/// capabilities of the new one, which are dropped next, would reach none of them. Processes are
/// counted in it apart from everyone else's, so `RLIMIT_NPROC` is a limit of the run.
///
/// # Errors
///
/// The kernel's.
pub fn raise(user: u32) -> Result<(), WallError> {
    if user != 0 {
        // Some hosts let only CAP_SYS_ADMIN make user namespaces.
        become_user(user, CapabilitySet::SYS_ADMIN)?;
    }
    crate::sys::unshare(libc::CLONE_NEWUSER).doing("make a user namespace for the run")?;
    // The files below /proc/self belong to root while a process is not dumpable, which changing
    // the user made it.
    rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
        .doing("make the unit's /proc files its own")?;
    write_to(c"/proc/self/setgroups", "deny").doing("deny setgroups")?;
    let map = format!("{NOBODY} {user} 1");
    write_to(c"/proc/self/uid_map", &map).doing("map the user")?;
    write_to(c"/proc/self/gid_map", &map).doing("map the group")
}

/// Changes user and group, leaves all groups, and keeps one capability of those that it has, effective.
///
/// # Errors
///
/// The kernel's.
pub fn become_user(user: u32, kept: CapabilitySet) -> Result<(), WallError> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(user));
    rustix::thread::set_keep_capabilities(true).doing("keep capabilities")?;
    rustix::thread::set_thread_groups(&[]).doing("leave all groups")?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing("change the group")?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing("change the user")?;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).doing("keep one capability")
}

/// Looks at who we are.
///
/// # Errors
///
/// If it is anyone but nobody, in a user namespace of its own.
pub fn stands(user: u32) -> Result<(), WallError> {
    // The number alone proves nothing: unmapped users are shown by it, too.
    let mut room = [0; 256];
    let map = read_into(c"/proc/self/uid_map", &mut room).doing("read the user's map")?;
    let numbers = map.split_whitespace().map(|number| number.parse().ok());
    verify(
        numbers.eq([NOBODY, user, 1].map(Some)),
        "the user namespace",
    )?;
    let nobody = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let ids = (rustix::process::getuid(), rustix::process::getgid());
    let effective = (rustix::process::geteuid(), rustix::process::getegid());
    verify(ids == nobody && effective == nobody, "the user")
}
