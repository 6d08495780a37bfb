//! Memory, processes and the share of the processor of a run as a whole.
//!
//! A leaf a run, below a folder of the keeper's, in the hierarchies that are writable: v2 by
//! delegation, or v1. Leaves are used again when they are empty: making and removing one costs
//! three times as much as joining it.
//!
//! A process joins by writing `0` itself, in v1 to `tasks`. Writing its number to `cgroup.procs`
//! from outside takes a lock of all threads, for a grace period of the kernel (measured on Linux
//! 6.18: 11.6 ms against 0.02 ms at fifty a second), which is also why no crate does this for us.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wire::Limits;

/// Memory that may still be charged to an empty leaf for it to be used again. Bytes.
const LEFTOVER_BYTES_MAX: u64 = 16 << 20;

/// Empty leaves that are kept for the next runs. Under load some are given back before the next
/// are taken; making one, and letting the kernel take it apart, costs 0.25 ms.
const SPARE_MAX: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// The keeper's folders in the cgroup tree.
#[derive(Debug)]
pub struct Cgroups {
    version: Version,
    /// One folder in v2; in v1 one a controller, memory first.
    folders: Vec<(&'static str, PathBuf)>,
    limits: Limits,
    made: u64,
    free: Vec<Leaf>,
}

/// One run's cgroup. Its files stay open: a leaf serves many runs, one after the other.
#[derive(Debug)]
pub struct Leaf {
    folders: Vec<(&'static str, PathBuf)>,
    /// The files to which a process of one thread writes `0` to join.
    doors: Vec<File>,
    /// Where the kernel counts the processes that it killed for their memory.
    kills: File,
    /// What is charged now.
    usage: File,
    kills_before: u64,
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

    fn v1(own: &str, mounts: &str, name: &str, limits: &Limits) -> Option<Self> {
        let mut folders = Vec::new();
        for controller in ["memory", "pids", "cpu"] {
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
            folders,
            limits: *limits,
            made: 0,
            free: Vec::new(),
        })
    }

    fn v2(own: &str, mounts: &str, name: &str, limits: &Limits) -> Option<Self> {
        let root = mount_of(mounts, "cgroup2", None)?;
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let base = root.join(path.trim_start_matches('/'));
        let offered = fs::read_to_string(base.join("cgroup.controllers")).ok()?;
        if !offered.split_whitespace().any(|c| c == "memory") {
            return None;
        }
        // Controllers can only be passed on by a cgroup without processes of its own: whoever is
        // here (the server, its keeper) moves to a leaf beside the runs.
        let server = base.join("hognose-server");
        if make(&server).is_err() {
            return None;
        }
        let inside = fs::read_to_string(base.join("cgroup.procs")).ok()?;
        for pid in inside.lines() {
            fs::write(server.join("cgroup.procs"), pid).ok()?;
        }
        let wanted: Vec<_> = ["memory", "pids", "cpu"]
            .into_iter()
            .filter(|c| offered.split_whitespace().any(|o| o == *c))
            .collect();
        let control = wanted
            .iter()
            .map(|c| format!("+{c}"))
            .collect::<Vec<_>>()
            .join(" ");
        fs::write(base.join("cgroup.subtree_control"), &control).ok()?;
        let folder = base.join(name);
        make(&folder).ok()?;
        let found = Self {
            version: Version::V2,
            folders: vec![("memory, pids, cpu", folder.clone())],
            limits: *limits,
            made: 0,
            free: Vec::new(),
        };
        fs::write(folder.join("cgroup.subtree_control"), control).ok()?;
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
        self.make_leaf(&folders).inspect_err(|_| {
            for (_, folder) in &folders {
                drop(fs::remove_dir(folder));
            }
        })
    }

    fn make_leaf(&self, folders: &[(&'static str, PathBuf)]) -> io::Result<Leaf> {
        for (_, folder) in folders {
            make(folder)?;
        }
        limit(self.version, folders, &self.limits)?;
        let mut leaf = Leaf::open(self.version, folders.to_vec())?;
        leaf.kills_before = leaf.kills();
        Ok(leaf)
    }

    /// Takes back the leaf of a run whose every process is dead.
    pub fn give_back(&mut self, mut leaf: Leaf) {
        leaf.kills_before = leaf.kills();
        if leaf.is_worn() || self.free.len() >= SPARE_MAX {
            leaf.remove();
        } else {
            self.free.push(leaf);
        }
    }
}

impl Cgroups {
    /// Removes every folder. All processes in them must be dead.
    pub fn remove(&self) {
        for (_, folder) in &self.folders {
            remove_tree(folder);
        }
    }
}

impl Leaf {
    fn open(version: Version, folders: Vec<(&'static str, PathBuf)>) -> io::Result<Self> {
        let (door, kills, usage) = match version {
            Version::V1 => ("tasks", "memory.oom_control", "memory.usage_in_bytes"),
            Version::V2 => ("cgroup.procs", "memory.events", "memory.current"),
        };
        let (_, memory) = folders.first().ok_or(io::ErrorKind::NotFound)?;
        let (kills, usage) = (
            File::open(memory.join(kills))?,
            File::open(memory.join(usage))?,
        );
        let doors = folders
            .iter()
            .map(|(_, folder)| OpenOptions::new().write(true).open(folder.join(door)))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            folders,
            doors,
            kills,
            usage,
            kills_before: 0,
        })
    }

    /// The files to which a process of one thread writes `0` to join.
    pub fn doors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.doors.iter().map(AsFd::as_fd)
    }

    /// Whether the kernel killed a process of this run for its memory.
    #[must_use]
    pub fn out_of_memory(&self) -> bool {
        self.kills() > self.kills_before
    }

    fn kills(&self) -> u64 {
        let text = read(&self.kills);
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count
            .and_then(|count| count.trim().parse().ok())
            .unwrap_or(0)
    }

    /// Whether too much is still charged to it, as when a run left kernel memory behind.
    fn is_worn(&self) -> bool {
        let usage = read(&self.usage).trim().parse();
        usage.map_or(true, |bytes: u64| bytes > LEFTOVER_BYTES_MAX)
    }

    fn remove(&self) {
        for (_, folder) in &self.folders {
            // A leaf that is not empty yet goes with the whole tree at the end.
            drop(fs::remove_dir(folder));
        }
    }
}

fn limit(version: Version, folders: &[(&'static str, PathBuf)], limits: &Limits) -> io::Result<()> {
    let bytes = limits.memory_bytes_max.to_string();
    // The program itself and the process that holds its memory are two more.
    let processes = (limits.processes_max + 2).to_string();
    for (controller, folder) in folders {
        match (version, *controller) {
            (Version::V2, _) => {
                fs::write(folder.join("memory.max"), &bytes)?;
                optional(fs::write(folder.join("memory.swap.max"), "0"))?;
                fs::write(folder.join("memory.oom.group"), "1")?;
                optional(fs::write(folder.join("pids.max"), &processes))?;
            }
            (Version::V1, "memory") => {
                fs::write(folder.join("memory.limit_in_bytes"), &bytes)?;
                optional(fs::write(
                    folder.join("memory.memsw.limit_in_bytes"),
                    &bytes,
                ))?;
            }
            (Version::V1, "pids") => fs::write(folder.join("pids.max"), &processes)?,
            (Version::V1, _) => {}
        }
    }
    Ok(())
}

/// What a file of the kernel's says now; nothing if it cannot be read.
fn read(file: &File) -> String {
    let mut bytes = [0; 512];
    let count = file.read_at(&mut bytes, 0).unwrap_or(0);
    String::from_utf8_lossy(bytes.get(..count).unwrap_or_default()).into_owned()
}

/// A file that this kernel does not have is no error: the limit it bears does not exist either.
fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
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

fn sweep(own: &str, mounts: &str) {
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let root = if controllers.is_empty() {
            mount_of(mounts, "cgroup2", None)
        } else {
            controllers
                .split(',')
                .find_map(|c| mount_of(mounts, "cgroup", Some(c)))
        };
        let Some(base) = root.map(|root| root.join(path.trim_start_matches('/'))) else {
            continue;
        };
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
}

/// Joins the leaf whose doors these are.
///
/// # Errors
///
/// The kernel's.
pub fn join(doors: Vec<OwnedFd>) -> io::Result<()> {
    for door in doors {
        io::Write::write_all(&mut File::from(door), b"0")?;
    }
    Ok(())
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
