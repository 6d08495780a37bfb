//! No capability, in five sets; no new privileges.

use std::io;

use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use super::{Doing, WallError, verify};

/// Most capabilities that a kernel of today or tomorrow numbers.
const NUMBERS: u32 = 64;

/// What a zygote needs to let its forks enter an init's namespace, make their own and become another user.
const ZYGOTE: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP);

/// Everything that a bounding set may hold, on this kernel and later ones.
const ALL: CapabilitySet = CapabilitySet::from_bits_retain(u64::MAX);

/// The same where units stay the user 0 of the keeper's user namespace: the kernel wants one more capability for
/// mapping that user once more.
const ZYGOTE_OF_OWN_USER: CapabilitySet = ZYGOTE.union(CapabilitySet::SETFCAP);

/// What a keeper leaves in its bounding set: what any zygote may need.
const KEEPER_BOUNDING: CapabilitySet = ZYGOTE_OF_OWN_USER;

/// Takes from the keeper's bounding set what no zygote may need, so that not every init has to: a call for each
/// capability, and a copy of its credentials. What the keeper itself may do is in other sets.
///
/// # Errors
///
/// The kernel's, or that the set does not read back.
pub fn bound_keeper() -> Result<(), WallError> {
    drop_bounding(ALL.difference(KEEPER_BOUNDING)).doing("drop the keeper's bounding set")?;
    let others = numbered().filter(|one| !KEEPER_BOUNDING.contains(*one));
    // What this kernel has no number for is refused.
    let mut held = others.map(rustix::thread::capability_is_in_bounding_set);
    verify(!held.any(|held| held == Ok(true)), "the bounding set")
}

/// Leaves a process that is about to become a zygote only what its forks need.
///
/// With `own_user` units stay the user 0 of the keeper's user namespace.
///
/// # Errors
///
/// The kernel's.
pub fn keep_for_zygote(own_user: bool) -> Result<(), WallError> {
    let kept = if own_user { ZYGOTE_OF_OWN_USER } else { ZYGOTE };
    drop_bounding(ALL.difference(kept)).doing("drop capabilities from the bounding set")?;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets).doing("drop the zygote's capabilities")?;
    rustix::thread::set_no_new_privs(true).doing("set no_new_privs")
}

/// Drops every capability from every set and locks the bits that could bring one back.
///
/// # Errors
///
/// The kernel's.
pub fn raise() -> Result<(), WallError> {
    raise_from(ALL)
}

/// The same for an init, whose bounding set is that of its keeper.
///
/// # Errors
///
/// The kernel's.
pub fn raise_in_init() -> Result<(), WallError> {
    raise_from(KEEPER_BOUNDING)
}

fn raise_from(bounding: CapabilitySet) -> Result<(), WallError> {
    let bits = CapabilitiesSecureBits::NO_ROOT
        | CapabilitiesSecureBits::NO_ROOT_LOCKED
        | CapabilitiesSecureBits::NO_SETUID_FIXUP
        | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
        | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
        | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED;
    rustix::thread::set_capabilities_secure_bits(bits).doing("lock the secure bits")?;
    rustix::thread::clear_ambient_capability_set().doing("clear the ambient capabilities")?;
    drop_bounding(bounding).doing("drop the bounding set")?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).doing("drop all capabilities")?;
    rustix::thread::set_no_new_privs(true).doing("set no_new_privs")
}

/// As [`raise`], for who may have none to begin with: without the capability for it the bits and the
/// bounding set cannot be changed, and without new privileges neither gives back what is dropped here.
///
/// # Errors
///
/// The kernel's.
pub fn raise_as_anybody() -> Result<(), WallError> {
    let own = rustix::thread::capabilities(None).doing("read our capabilities")?;
    if own.effective.contains(CapabilitySet::SETPCAP) {
        return raise();
    }
    rustix::thread::set_no_new_privs(true).doing("set no_new_privs")?;
    rustix::thread::clear_ambient_capability_set().doing("clear the ambient capabilities")?;
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).doing("drop all capabilities")
}

fn drop_bounding(dropped: CapabilitySet) -> io::Result<()> {
    for capability in numbered().filter(|one| dropped.contains(*one)) {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The first number that this kernel does not know.
            Err(rustix::io::Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn numbered() -> impl Iterator<Item = CapabilitySet> {
    (0..NUMBERS).map(|number| CapabilitySet::from_bits_retain(1 << number))
}
