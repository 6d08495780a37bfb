//! Removing what a run may have made: no link is followed, and no depth is too deep.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Opens a folder that is no link.
pub(super) fn open_folder(
    parent: impl AsFd,
    name: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Removes a folder that nobody changes any more, and whatever a run has put into it: no link is
/// followed, and folders within folders are emptied into the outermost, so that no depth is too deep.
///
/// `false` if it would have taken more calls.
pub(super) fn remove(parent: &Path, name: &str, mut calls_left: usize) -> rustix::io::Result<bool> {
    let parent = open_folder(CWD, parent)?;
    let top = match open_folder(&parent, name) {
        Err(Errno::NOENT) => return Ok(true),
        top => top?,
    };
    let mut moved: u64 = 0;
    loop {
        let mut is_empty = true;
        for entry in rustix::fs::Dir::read_from(&top)? {
            let entry = entry?;
            let entry = entry.file_name();
            if is_itself(entry) {
                continue;
            }
            is_empty = false;
            if calls_left == 0 {
                return Ok(false);
            }
            calls_left -= 1;
            match rustix::fs::unlinkat(&top, entry, AtFlags::empty()) {
                Err(Errno::ISDIR | Errno::PERM) => {
                    empty_into(&top, entry, &mut moved, &mut calls_left)?;
                }
                removed => removed?,
            }
        }
        if is_empty {
            rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?;
            return Ok(true);
        }
    }
}

/// Moves what is in a folder of `top` up into `top`, as far as the calls go, and removes it if it is
/// empty then.
fn empty_into(
    top: &OwnedFd,
    name: &CStr,
    moved: &mut u64,
    calls_left: &mut usize,
) -> rustix::io::Result<()> {
    make_ours(top.as_fd(), name)?;
    let folder = open_folder(top, name)?;
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let entry = entry.file_name();
        if is_itself(entry) {
            continue;
        }
        if *calls_left == 0 {
            return Ok(());
        }
        *calls_left -= 1;
        if rustix::fs::unlinkat(&folder, entry, AtFlags::empty()).is_ok() {
            continue;
        }
        make_ours(folder.as_fd(), entry)?;
        loop {
            // A run may have made a folder of any name.
            let free = format!("moved-{moved}");
            *moved += 1;
            match rustix::fs::renameat_with(&folder, entry, top, &free, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                other => break other?,
            }
        }
    }
    rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR)
}

/// Folders may have been made without any right.
fn make_ours(parent: BorrowedFd<'_>, name: &CStr) -> rustix::io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    // By the descriptor: a name could be a link, and the call that takes none is as new as Linux 6.6.
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    rustix::fs::chmod(path, Mode::from_raw_mode(0o700))
}

fn is_itself(name: &CStr) -> bool {
    [c".", c".."].contains(&name)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn whatever_a_run_leaves_is_removed_and_nothing_beside_it() {
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path().join("box");
        fs::create_dir_all(&top).unwrap();
        let beside = scratch.path().join("beside");
        fs::write(&beside, "kept").unwrap();
        // Deeper than any path may be long, and than this process may have descriptors.
        let mut deepest = open_folder(CWD, &top).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&deepest, "moved-1", Mode::from_raw_mode(0o755)).unwrap();
            deepest = open_folder(&deepest, "moved-1").unwrap();
        }
        symlink(scratch.path(), top.join("link")).unwrap();
        fs::write(top.join("file"), "x").unwrap();
        fs::create_dir_all(top.join("shut")).unwrap();
        fs::write(top.join("shut/inside"), "x").unwrap();
        fs::set_permissions(top.join("shut"), fs::Permissions::from_mode(0o0)).unwrap();

        assert_eq!(remove(scratch.path(), "box", 100), Ok(false));
        assert_eq!(remove(scratch.path(), "box", usize::MAX), Ok(true));
        assert!(!top.exists());
        assert_eq!(fs::read_to_string(beside).unwrap(), "kept");
        assert_eq!(remove(scratch.path(), "box", 1), Ok(true));
    }
}
