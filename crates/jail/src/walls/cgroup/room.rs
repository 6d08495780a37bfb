//! Where cgroups of version 2 can be made, and who has to make way for them.
//!
//! Below a cgroup with processes in it the kernel bounds nothing, but below the root of all. So whoever is in
//! the one that is to be divided moves into a leaf of it, and back at the end. Only what is ours is divided:
//! what systemd delegated, and a container's own tree. Others, like that of a session that somebody is
//! logged in by, are left alone; there root makes cgroups at the top, as container engines do.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

use super::{CONTROLLERS, make};

/// The leaf of those who make way.
const LEAF: &str = "hognose-server";
/// The file by which a cgroup says what those below it are bounded by.
const CONTROL: &str = "cgroup.subtree_control";
/// How systemd marks what it delegated; the second is for whoever may read it.
const DELEGATED: [&str; 2] = ["user.delegate", "trusted.delegate"];
/// Most times that processes are looked for which have to move: they may fork meanwhile.
const LOOKS_MAX: usize = 16;

/// A cgroup below which this process may make others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Its folder.
    pub base: PathBuf,
    /// Whether those who are in it have to leave it first.
    makes_way: bool,
}

impl Room {
    /// Finds it for a process in the cgroup `own`, in the hierarchy that is mounted at `root`.
    #[must_use]
    pub fn find(own: &str, root: &Path) -> Option<Self> {
        Self::find_where(is_delegated, own, root)
    }

    fn find_where(is_delegated: impl Fn(&Path) -> bool, own: &str, root: &Path) -> Option<Self> {
        let base = base(own, root);
        let (base, makes_way) = if is_root_of_all(&base) {
            (base, false)
        } else if base == root || is_delegated(&base) {
            (base, true)
        } else if is_root_of_all(root) {
            (root.to_owned(), false)
        } else {
            return None;
        };
        may_write(&base).then_some(Self { base, makes_way })
    }

    /// Wherever it may have been found before. Folders.
    pub(super) fn candidates(own: &str, root: &Path) -> [PathBuf; 2] {
        [base(own, root), root.to_owned()]
    }

    /// Whether it can bound memory.
    #[must_use]
    pub fn bounds_memory(&self) -> bool {
        self.offers("memory")
    }

    /// Whether it has this controller to give.
    pub(super) fn offers(&self, controller: &str) -> bool {
        words_of(&self.base.join("cgroup.controllers")).contains(&controller.to_owned())
    }

    /// Has it bound what is made below it.
    pub(super) fn divide(self) -> io::Result<Divided> {
        let before = words_of(&self.base.join(CONTROL));
        let wanted = CONTROLLERS.into_iter().filter(|name| self.offers(name));
        let controllers: Vec<_> = wanted.collect();
        let added = controllers.iter().copied();
        let added = added.filter(|name| !before.iter().any(|known| known == name));
        let divided = Divided {
            added: added.collect(),
            controllers,
            leaf: self.makes_way.then(|| self.base.join(LEAF)),
            base: self.base,
        };
        let passed_on = divided
            .make_way()
            .and_then(|()| divided.pass_on(&divided.base));
        passed_on.inspect_err(|_| divided.undo())?;
        Ok(divided)
    }
}

/// A [`Room`] with cgroups in it.
#[derive(Debug)]
pub(super) struct Divided {
    pub(super) base: PathBuf,
    /// What those below are bounded by.
    pub(super) controllers: Vec<&'static str>,
    /// Those of them that did not reach below it before.
    added: Vec<&'static str>,
    /// Where its processes are now, if they had to move.
    leaf: Option<PathBuf>,
}

impl Divided {
    fn make_way(&self) -> io::Result<()> {
        let Some(leaf) = &self.leaf else {
            return Ok(());
        };
        make(leaf)?;
        move_all(&self.base, leaf)
    }

    /// Passes the controllers on to those below `folder`.
    pub(super) fn pass_on(&self, folder: &Path) -> io::Result<()> {
        fs::write(folder.join(CONTROL), changes('+', &self.controllers))
    }

    /// Leaves it as it was. No other cgroup may be left in it.
    ///
    /// At the root of all, where others may have come to rely on a controller, that stays.
    pub(super) fn undo(&self) {
        let Some(leaf) = &self.leaf else {
            return;
        };
        // If any of it fails, somebody else divides it too.
        drop(fs::write(
            self.base.join(CONTROL),
            changes('-', &self.added),
        ));
        drop(move_all(leaf, &self.base));
        drop(fs::remove_dir(leaf));
    }
}

/// The cgroup of which `own` is, or is the leaf.
fn base(own: &str, root: &Path) -> PathBuf {
    let mut base = root.join(own.trim_start_matches('/'));
    // A keeper before this one may have moved us.
    if base.ends_with(LEAF) {
        base.pop();
    }
    base
}

/// The root of the whole hierarchy, not that of a namespace, is the one without a type.
fn is_root_of_all(folder: &Path) -> bool {
    folder.join("cgroup.procs").exists() && !folder.join("cgroup.type").exists()
}

fn is_delegated(folder: &Path) -> bool {
    DELEGATED.iter().any(|name| {
        let mut value = [0; 2];
        let count = rustix::fs::getxattr(folder, *name, &mut value);
        count.is_ok_and(|count| value.get(..count) == Some(b"1"))
    })
}

fn may_write(folder: &Path) -> bool {
    rustix::fs::accessat(CWD, folder, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

fn words_of(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// As the kernel wants it: `+memory +pids`.
fn changes(sign: char, controllers: &[&str]) -> String {
    let changes = controllers.iter().map(|name| format!("{sign}{name}"));
    changes.collect::<Vec<_>>().join(" ")
}

fn move_all(from: &Path, to: &Path) -> io::Result<()> {
    for _ in 0..LOOKS_MAX {
        let processes = words_of(&from.join("cgroup.procs"));
        if processes.is_empty() {
            return Ok(());
        }
        for process in processes {
            match fs::write(to.join("cgroup.procs"), process) {
                // It has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                moved => moved?,
            }
        }
    }
    Err(ErrorKind::ResourceBusy.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hierarchy of plain folders: `kinds` are those that are not the root of all.
    fn hierarchy(kinds: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["", "service", "service/hognose-server", "session"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("cgroup.procs"), "").unwrap();
        }
        for folder in kinds {
            fs::write(root.path().join(folder).join("cgroup.type"), "domain\n").unwrap();
        }
        root
    }

    const ALL: [&str; 4] = ["", "service", "service/hognose-server", "session"];

    #[test]
    fn a_session_is_left_alone() {
        let host = hierarchy(&ALL[1..]);
        let top = Room {
            base: host.path().to_owned(),
            makes_way: false,
        };
        assert_eq!(Room::find("/session", host.path()), Some(top.clone()));
        assert_eq!(Room::find("/", host.path()), Some(top));
        // Without the host's root in sight there is none.
        let container = hierarchy(&ALL);
        assert_eq!(Room::find("/session", container.path()), None);
    }

    #[test]
    fn a_container_s_own_tree_is_divided() {
        let container = hierarchy(&ALL);
        let whole = Room {
            base: container.path().to_owned(),
            makes_way: true,
        };
        assert_eq!(Room::find("/", container.path()), Some(whole));
    }

    #[test]
    fn what_is_delegated_is_divided_also_from_its_leaf() {
        let host = hierarchy(&ALL[1..]);
        let own = Room {
            base: host.path().join("service"),
            makes_way: true,
        };
        for from in ["/service", "/service/hognose-server"] {
            let found = Room::find_where(|folder| folder == own.base, from, host.path());
            assert_eq!(found, Some(own.clone()));
        }
    }

    #[test]
    fn only_what_was_added_is_taken_away() {
        assert_eq!(changes('+', &["memory", "pids"]), "+memory +pids");
        assert_eq!(changes('-', &[]), "");
    }
}
