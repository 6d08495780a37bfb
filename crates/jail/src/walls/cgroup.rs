//! Memory, processes and the share of the processor of a run as a whole.
//!
//! A leaf a run, below a folder of the keeper's, in the hierarchies that are writable: v2 where
//! there is room (`room.rs`), or v1. Leaves are used again when they are empty: making and removing one costs
//! three times as much as joining it.
//!
//! A process joins by writing `0` itself, in v1 to `tasks`. Writing its number to `cgroup.procs`
//! from outside takes a lock of all threads, for a grace period of the kernel (measured on Linux
//! 6.18: 11.6 ms against 0.02 ms at fifty a second), which is also why no crate does this for us.

mod leaf;
mod room;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wire::Limits;

use self::leaf::Version;
pub use self::leaf::{Leaf, join};
use self::room::Divided;
pub use self::room::Room;

/// What a run is bounded by, where it is offered; memory must be.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Empty leaves that are kept for the next runs. Under load some are given back before the next
/// are taken; making one, and letting the kernel take it apart, costs 0.25 ms.
const SPARE_MAX: usize = 16;

/// The keeper's folders in the cgroup tree.
#[derive(Debug)]
pub struct Cgroups {
    version: Version,
    /// One folder in v2; in v1 one a controller, memory first.
    folders: Vec<(&'static str, PathBuf)>,
    limits: Limits,
    /// Whether the processes of a run are counted, and its forks refused, here.
    counts_processes: bool,
    made: u64,
    free: Vec<Leaf>,
    /// What the folder of version 2 is in.
    divided: Option<Divided>,
}

impl Cgroups {
    /// Finds writable hierarchies and makes the keeper's folder in each; `None` where there is no
    /// hierarchy that can bound memory.
    ///
    /// Folders that a killed keeper left are removed first.
    #[must_use]
    pub fn find(limits: &Limits) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        sweep(&own, &mounts);
        let name = format!("hognose-{}", std::process::id());
        Self::v2(&own, &mounts, &name, limits).or_else(|| Self::v1(&own, &mounts, &name, limits))
    }

    /// What is in force, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let version = match self.version {
            Version::V1 => "v1",
            Version::V2 => "v2",
        };
        let names: Vec<_> = self.folders.iter().map(|(name, _)| *name).collect();
        format!("cgroup {version}: {}", names.join(", "))
    }

    /// Whether a run's processes are counted here, and one too many is refused here.
    #[must_use]
    pub const fn counts_processes(&self) -> bool {
        self.counts_processes
    }

    fn v1(own: &str, mounts: &str, name: &str, limits: &Limits) -> Option<Self> {
        let mut folders = Vec::new();
        for controller in CONTROLLERS {
            let Some(root) = mount_of(mounts, "cgroup", Some(controller)) else {
                continue;
            };
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                let controllers = parts.next()?;
                controllers
                    .split(',')
                    .any(|c| c == controller)
                    .then(|| parts.next())?
            })?;
            let folder = root.join(path.trim_start_matches('/')).join(name);
            if make(&folder).is_ok() {
                folders.push((controller, folder));
            }
        }
        if folders.first().is_none_or(|(name, _)| *name != "memory") {
            folders.iter().for_each(|(_, folder)| remove_tree(folder));
            return None;
        }
        Some(Self {
            version: Version::V1,
            counts_processes: folders.iter().any(|(name, _)| *name == "pids"),
            folders,
            limits: *limits,
            made: 0,
            free: Vec::new(),
            divided: None,
        })
    }

    fn v2(own: &str, mounts: &str, name: &str, limits: &Limits) -> Option<Self> {
        let room = room(own, mounts).filter(Room::bounds_memory)?;
        let divided = room.divide().ok()?;
        let folder = divided.base.join(name);
        let found = Self {
            version: Version::V2,
            folders: vec![("memory, pids, cpu", folder.clone())],
            limits: *limits,
            counts_processes: divided.controllers.contains(&"pids"),
            made: 0,
            free: Vec::new(),
            divided: Some(divided),
        };
        let divided = found.divided.as_ref()?;
        let made = make(&folder).and_then(|()| divided.pass_on(&folder));
        made.inspect_err(|_| found.remove()).ok()?;
        Some(found)
    }

    /// Takes an empty leaf, or makes one, with every limit set.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub fn take(&mut self) -> io::Result<Leaf> {
        if let Some(leaf) = self.free.pop() {
            return Ok(leaf);
        }
        self.made += 1;
        let name = format!("run-{}", self.made);
        let folders: Vec<_> = self
            .folders
            .iter()
            .map(|(c, folder)| (*c, folder.join(&name)))
            .collect();
        Leaf::make(self.version, &folders, self.limits)
    }

    /// Takes back the leaf of a run whose every process is dead. One that takes time to be removed is returned,
    /// for [`Leaf::forget_and_remove`].
    #[must_use]
    pub fn give_back(&mut self, mut leaf: Leaf) -> Option<Leaf> {
        if self.free.len() < SPARE_MAX && leaf.serves_again() {
            self.free.push(leaf);
        } else if leaf.is_remembered() {
            return Some(leaf);
        } else {
            leaf.remove();
        }
        None
    }

    /// Removes every folder, and leaves all else as it was. All processes in them must be dead.
    pub fn remove(&self) {
        for (_, folder) in &self.folders {
            remove_tree(folder);
        }
        if let Some(divided) = &self.divided {
            divided.undo();
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn remove_tree(folder: &Path) {
    if let Ok(entries) = fs::read_dir(folder) {
        for entry in entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        {
            remove_tree(&entry.path());
        }
    }
    drop(fs::remove_dir(folder));
}

/// Where a hierarchy is mounted, if its mount shows the whole tree.
fn mount_of(mounts: &str, file_system: &str, controller: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (mount, file_system_part) = line.split_once(" - ")?;
        let mut tail = file_system_part.split(' ');
        if tail.next()? != file_system {
            return None;
        }
        let options = tail.nth(1)?;
        if controller.is_some_and(|c| !options.split(',').any(|option| option == c)) {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        // Inside a container the tree is shown from the container's own cgroup on.
        (root == "/" || !root.starts_with("/..")).then(|| PathBuf::from(point))
    })
}

/// Whether the process is there, and not just waiting to be reaped.
fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which may hold anything.
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Where cgroups of version 2 can be made, as `/proc/self/cgroup` and `/proc/self/mountinfo` tell.
#[must_use]
pub fn room(own: &str, mounts: &str) -> Option<Room> {
    let root = mount_of(mounts, "cgroup2", None)?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    Room::find(path, &root)
}

fn sweep(own: &str, mounts: &str) {
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        if controllers.is_empty() {
            let root = mount_of(mounts, "cgroup2", None);
            let folders = root.map(|root| Room::candidates(path, &root));
            folders.iter().flatten().for_each(|folder| sweep_in(folder));
        } else {
            let mut controllers = controllers.split(',');
            let root = controllers.find_map(|c| mount_of(mounts, "cgroup", Some(c)));
            if let Some(root) = root {
                sweep_in(&root.join(path.trim_start_matches('/')));
            }
        }
    }
}

fn sweep_in(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|n| n.strip_prefix("hognose-")?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !lives(pid)) {
            remove_tree(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
25 1 0:20 / /proc rw - proc proc rw
30 25 0:28 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
31 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 25 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

    #[test]
    fn hierarchies_are_found_by_their_controllers() {
        let at = |controller| mount_of(MOUNTS, "cgroup", Some(controller));
        assert_eq!(at("memory"), Some(PathBuf::from("/sys/fs/cgroup/memory")));
        assert_eq!(at("cpu"), Some(PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")));
        assert_eq!(at("pids"), None);
        let unified = Some(PathBuf::from("/sys/fs/cgroup/unified"));
        assert_eq!(mount_of(MOUNTS, "cgroup2", None), unified);
    }
}
