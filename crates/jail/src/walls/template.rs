//! The root that every run sees, built once: the Python environment read-only, a few devices,
//! made-up files of `/etc`, and nothing else of the host.
//!
//! ```text
//!   /usr/bin/python3.X, /usr/lib/python3.X   the interpreter and its library      bind, ro
//!   /usr/lib/…, /usr/lib64/…                 shared libraries                      bind, ro
//!   /env/bin/python3, /env/lib/…             the environment and its packages     bind, ro
//!   /usr/lib/hognose                         our guest files                       ro
//!   /etc/{passwd,group,hosts}                made up                               ro
//!   /dev/{null,full,random,urandom}          bind; /dev/zero where a cgroup counts memory;
//!                                            /dev/shm and /tmp lead into /box
//!   /proc                                    of the run's own processes, put there by the unit
//!   /box                                     the run's own tmpfs, likewise: work, tmp, shm
//! ```
//!
//! A sandbox of gVisor's gets the same root as a folder, where `/tmp` and `/dev/shm` are folders too and it
//! puts `/dev` and `/proc` itself; the root that its init and runsc see has nothing else:
//!
//! ```text
//!   /root      the root above                         ro
//!   /runsc     gVisor's program                       bind, ro
//!   /dev/null  for runsc's own processes              bind
//!   /proc      of the sandbox's own processes, put there by its init
//!   /box       the run's own tmpfs, likewise
//!   /run       what runsc notes, likewise
//! ```
//!
//! The template is a mount namespace that the keeper holds by a descriptor; zygotes live in it,
//! and each unit makes itself a copy. Paths tell nothing of where things lie on the host (but the
//! kernel's own list of mounts does, which cannot be kept from a run).

mod content;

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};
use wire::Runtime;

pub use self::content::{BOX, ENV, Form, GUEST, LIBRARIES};
use super::{Doing, WallError};
use crate::sys;

/// Where the root of a sandbox is, in that of its init.
pub const ROOT: &str = "/root";
/// Room for the made-up files of the template. Bytes.
const TEMPLATE_BYTES_MAX: u64 = 32 << 20;
/// The device that runsc gives its processes.
const NULL: &str = "/dev/null";
/// What any mount of ours is that nothing else is asked of.
const CLOSED: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NODEV);

const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const NO_SETUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEVICES: u64 = libc::MOUNT_ATTR_NODEV;
const NO_EXECUTION: u64 = libc::MOUNT_ATTR_NOEXEC;

/// Stops mounts of ours from showing up on the host, and of the host here.
///
/// # Errors
///
/// The kernel's.
pub fn detach_from_host() -> Result<(), WallError> {
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .doing("make mounts private")
}

/// Mounts `/proc` of this PID namespace over the one that is there.
///
/// # Errors
///
/// The kernel's; inside containers whose `/proc` is masked it refuses.
pub fn mount_own_proc() -> Result<(), WallError> {
    let proc = proc(&[])?;
    attach(&proc, Path::new("/proc"))
}

/// Builds the root and makes it this process's; the caller must be in a new mount namespace.
///
/// `guest` are the files to put below [`GUEST`], name and content.
///
/// # Errors
///
/// The kernel's, with the path that failed.
pub fn build(runtime: &Runtime, guest: &[(&str, &[u8])], form: Form) -> Result<(), WallError> {
    let binds = content::binds(runtime, form);
    let mut trees = Vec::new();
    for (source, target) in &binds {
        trees.push((clone_tree(source)?, target));
    }
    let attributes = match form {
        Form::Entered { .. } => CLOSED,
        // What a sandbox is given it binds once more, with no attribute but that it is read-only; more of
        // them could not be taken away.
        Form::Sandboxed => MountAttrFlags::empty(),
    };
    let size = TEMPLATE_BYTES_MAX.to_string();
    let root = tmpfs_with(&[("size", &size), ("mode", "755")], attributes)?;
    enter(&root)?;
    // Proc mounts need one that is already there and whole: keep the old root until ours stands.
    content::folders(runtime).doing("make the folders of the new root")?;
    content::files(runtime, guest).doing("write the files of the new root")?;
    for (tree, target) in &trees {
        place(tree, target).doing(&format!("make {}", target.display()))?;
        attach(tree, target)?;
        let flags = if target.starts_with("/dev") {
            NO_SETUID | NO_EXECUTION
        } else {
            READ_ONLY | NO_SETUID | NO_DEVICES
        };
        sys::set_mount_attributes(tree.as_fd(), flags)
            .doing(&format!("make {} read-only", target.display()))?;
    }
    hide_other_packages(runtime)?;
    content::links(runtime, form).doing("make the links of the new root")?;
    if let Form::Entered { .. } = form {
        attach(
            &proc(&["subset=pid", "hidepid=invisible"])?,
            Path::new("/proc"),
        )?;
    }
    leave_old_root()?;
    match form {
        Form::Entered { .. } => sys::set_mount_attributes(root.as_fd(), READ_ONLY | NO_SETUID)
            .or_else(|_| remount_root_read_only()),
        Form::Sandboxed => sys::set_mount_attributes(root.as_fd(), READ_ONLY),
    }
    .doing("make the new root read-only")
}

/// What is put around the root of a sandbox.
#[derive(Debug)]
pub struct Enclosure {
    runsc: OwnedFd,
    null: OwnedFd,
    proc: OwnedFd,
}

impl Enclosure {
    /// Takes it from the host's root, in which the caller still is.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn take(runsc: &Path) -> Result<Self, WallError> {
        Ok(Self {
            runsc: clone_tree(runsc)?,
            null: clone_tree(Path::new(NULL))?,
            // Whole: the sandbox's own can be mounted only where one like it is.
            proc: proc(&[])?,
        })
    }

    /// Puts it around the root in which the caller is.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn close(self) -> Result<(), WallError> {
        let inner = clone_tree(Path::new("/"))?;
        let outer = tmpfs(&[("size", "1048576"), ("mode", "755")])?;
        enter(&outer)?;
        let (root, runsc) = (Path::new(ROOT), Path::new("/runsc"));
        // In /run runsc notes what it does, on /tmp it makes the roots of its processes.
        for folder in [ROOT, BOX, "/proc", "/dev", "/run", "/tmp"] {
            fs::create_dir_all(folder).doing("make the folders around the root")?;
        }
        for file in [runsc, Path::new(NULL)] {
            fs::write(file, b"").doing("make the files around the root")?;
        }
        attach(&inner, root)?;
        attach(&self.null, Path::new(NULL))?;
        sys::set_mount_attributes(self.null.as_fd(), NO_SETUID | NO_EXECUTION)
            .doing("make a device one that executes nothing")?;
        attach(&self.runsc, runsc)?;
        sys::set_mount_attributes(self.runsc.as_fd(), READ_ONLY | NO_SETUID | NO_DEVICES)
            .doing("make runsc read-only")?;
        attach(&self.proc, Path::new("/proc"))?;
        leave_old_root()?;
        // This one alone, and none below it.
        remount_root_read_only().doing("make the outer root read-only")
    }
}

/// Puts what is a sandbox's own into the root of its init, which is the caller, in a mount namespace that
/// its own user namespace owns.
///
/// # Errors
///
/// The kernel's.
pub fn furnish_sandbox(own_box: &OwnedFd, notes_bytes_max: u64) -> Result<(), WallError> {
    detach_from_host()?;
    attach(&proc(&["hidepid=invisible"])?, Path::new("/proc"))?;
    let notes = tmpfs(&[("size", &notes_bytes_max.to_string()), ("mode", "700")])?;
    attach(&notes, Path::new("/run"))?;
    attach(own_box, Path::new(BOX))
}

/// Makes a file system the root; the old one stays below it until it is left.
fn enter(root: &OwnedFd) -> Result<(), WallError> {
    attach(root, Path::new("/"))?;
    rustix::process::fchdir(root).doing("enter the new root")?;
    rustix::process::pivot_root(".", ".").doing("make it the root")
}

fn leave_old_root() -> Result<(), WallError> {
    rustix::mount::unmount(".", UnmountFlags::DETACH).doing("leave the old root")?;
    rustix::process::chdir("/").doing("enter the new root")
}

/// Puts a run's own `/proc` and box in place of the template's; the caller is in the PID namespace and in a
/// mount namespace of the run.
///
/// # Errors
///
/// The kernel's.
pub fn specialize(own_box: &OwnedFd) -> Result<(), WallError> {
    // Over the template's, which nobody in the run can bring to light: unmounting it first would have
    // the whole machine wait for its readers, for every run.
    attach(
        &proc(&["subset=pid", "hidepid=invisible"])?,
        Path::new("/proc"),
    )?;
    attach(own_box, Path::new(BOX))
}

/// Makes the file system of one run: detached, owned by `user`, bounded in bytes and files.
///
/// # Errors
///
/// The kernel's.
pub fn make_box(user: u32, bytes_max: u64, files_max: u32) -> Result<OwnedFd, WallError> {
    let user = user.to_string();
    // The root folder and the three that the unit makes are not the program's.
    let inodes = (u64::from(files_max) + 4).to_string();
    tmpfs(&[
        ("size", &bytes_max.to_string()),
        ("nr_inodes", &inodes),
        ("mode", "700"),
        ("uid", &user),
        ("gid", &user),
    ])
}

/// Makes the file system of one run read-only, by whatever mount it is reached, for good: nobody in the run
/// has the privilege to undo that.
///
/// # Errors
///
/// The kernel's: `EBUSY` where a process can still write to a file of it that it has open or mapped, or has
/// one open that has no name any more.
pub fn make_read_only(own_box: &OwnedFd) -> rustix::io::Result<()> {
    let flags = FsPickFlags::FSPICK_CLOEXEC | FsPickFlags::FSPICK_EMPTY_PATH;
    let context = rustix::mount::fspick(own_box, "", flags)?;
    rustix::mount::fsconfig_set_flag(&context, "ro")?;
    rustix::mount::fsconfig_reconfigure(&context)
}

fn tmpfs(options: &[(&str, &str)]) -> Result<OwnedFd, WallError> {
    tmpfs_with(options, CLOSED)
}

fn tmpfs_with(options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, WallError> {
    let doing = "make a tmpfs";
    let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).doing(doing)?;
    for (key, value) in options {
        rustix::mount::fsconfig_set_string(&context, *key, *value).doing(doing)?;
    }
    rustix::mount::fsconfig_create(&context).doing(doing)?;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).doing(doing)
}

fn proc(options: &[&str]) -> Result<OwnedFd, WallError> {
    let doing = "mount /proc";
    let context = rustix::mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC).doing(doing)?;
    for option in options {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        rustix::mount::fsconfig_set_string(&context, key, value).doing(doing)?;
    }
    rustix::mount::fsconfig_create(&context).doing(doing)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).doing(doing)
}

fn attach(mount: &OwnedFd, target: &Path) -> Result<(), WallError> {
    rustix::mount::move_mount(
        mount,
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .map_err(|source| WallError {
        doing: format!("mount {}", target.display()),
        source: source.into(),
    })
}

fn clone_tree(source: &Path) -> Result<OwnedFd, WallError> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(CWD, source, flags).doing(&format!("bind {}", source.display()))
}

fn remount_root_read_only() -> io::Result<()> {
    let flags = rustix::mount::MountFlags::RDONLY
        | rustix::mount::MountFlags::NOSUID
        | rustix::mount::MountFlags::BIND;
    Ok(rustix::mount::mount_remount("/", flags, c"")?)
}

fn place(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    if target.exists() {
        return Ok(());
    }
    let stat = rustix::fs::fstat(tree)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        return fs::create_dir_all(target);
    }
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(target, b"")
}

/// An interpreter's own `site-packages` below its standard library is the host's, not ours.
fn hide_other_packages(runtime: &Runtime) -> Result<(), WallError> {
    let other = content::standard_library(runtime).join("site-packages");
    if !other.is_dir() {
        return Ok(());
    }
    let empty = tmpfs(&[("size", "4096"), ("mode", "755")])?;
    sys::set_mount_attributes(empty.as_fd(), READ_ONLY).doing("make an empty folder")?;
    attach(&empty, &other)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::{AtFlags, Mode, OFlags};
    use rustix::io::Errno;

    use super::*;

    /// Says so where this user may make no file system.
    fn skipped(error: &WallError) -> bool {
        let lacks = error.source.kind() == io::ErrorKind::PermissionDenied;
        if lacks {
            drop(writeln!(io::stderr(), "skipped: read-only box: {error}"));
        }
        lacks
    }

    #[test]
    fn a_box_becomes_read_only_when_nobody_can_write_to_it_and_not_before() {
        let own_box = match make_box(0, 1 << 20, 10) {
            Ok(own_box) => own_box,
            Err(error) => return assert!(skipped(&error), "{error}"),
        };
        let open = |flags| rustix::fs::openat(&own_box, "file", flags, Mode::from_raw_mode(0o600));

        let written = open(OFlags::CREATE | OFlags::WRONLY).unwrap();
        assert_eq!(make_read_only(&own_box), Err(Errno::BUSY));
        assert_eq!(rustix::io::write(&written, b"mine"), Ok(4));
        drop(written);

        let nameless = open(OFlags::RDONLY).unwrap();
        rustix::fs::unlinkat(&own_box, "file", AtFlags::empty()).unwrap();
        assert_eq!(make_read_only(&own_box), Err(Errno::BUSY));
        drop(nameless);

        drop(open(OFlags::CREATE | OFlags::WRONLY).unwrap());
        let read = open(OFlags::RDONLY).unwrap();
        assert_eq!(make_read_only(&own_box), Ok(()));
        assert_eq!(open(OFlags::WRONLY).unwrap_err(), Errno::ROFS);
        let mode = Mode::from_raw_mode(0o777);
        assert_eq!(rustix::fs::fchmod(&read, mode), Err(Errno::ROFS));
        let removed = rustix::fs::unlinkat(&own_box, "file", AtFlags::empty());
        assert_eq!(removed, Err(Errno::ROFS));
    }
}
