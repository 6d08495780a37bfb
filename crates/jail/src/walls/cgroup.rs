//! Memory, processes and the share of the processor of a run as a whole.
//!
//! A leaf a run, below a folder of the keeper's, in the hierarchies that are writable: v2 where
//! there is room (`room.rs`), or v1. Leaves are used again when they are empty: making and removing one costs
//! three times as much as joining it.
//!
//! A process joins by writing `0` itself, in v1 to `tasks`. Writing its number to `cgroup.procs`
//! from outside takes a lock of all threads, for a grace period of the kernel (measured on Linux
//! 6.18: 11.6 ms against 0.02 ms at fifty a second), which is also why no crate does this for us.

mod room;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wire::{Limits, Tally};

use self::room::Divided;
pub use self::room::Room;

/// What a run is bounded by, where it is offered; memory must be.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Memory that may still be charged to an empty leaf for it to be used again. Bytes.
const LEFTOVER_BYTES_MAX: u64 = 16 << 20;

/// Empty leaves that are kept for the next runs. Under load some are given back before the next
/// are taken; making one, and letting the kernel take it apart, costs 0.25 ms.
const SPARE_MAX: usize = 16;

/// Processes in a leaf of which the program has made none: itself, and the one that holds its memory.
const PROCESSES_MIN: u64 = 2;

/// How near to its limit a leaf's peak is where the kernel had to kill: what it could not charge is at
/// most a huge page and what a processor charges ahead. Bytes.
const KILL_MARGIN_BYTES: u64 = 4 << 20;

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
    /// Whether the processes of a run are counted, and its forks refused, here.
    counts_processes: bool,
    made: u64,
    free: Vec<Leaf>,
    /// What the folder of version 2 is in.
    divided: Option<Divided>,
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
    /// What was charged before there was a program, where that is not nothing.
    charged_before: u64,
    /// The most that was charged at once.
    memory_peak: Option<MemoryPeak>,
    /// The most processes at once, ever: the kernel does not let go of it.
    processes_peak: Option<File>,
    /// How many processes the limit refused, ever.
    processes_refused: Option<File>,
    limits: Limits,
}

/// Where the kernel keeps the most that was charged at once.
#[derive(Debug)]
enum MemoryPeak {
    /// It can be told to begin again: v1, and v2 for this descriptor since Linux 6.12.
    Resettable(File),
    /// It cannot: this much was charged before the run. What a run uses is known if it is more.
    Lasting(File, u64),
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
        let mut leaf = Leaf::open(self.version, folders.to_vec(), self.limits)?;
        leaf.kills_before = leaf.kills();
        Ok(leaf)
    }

    /// Takes back the leaf of a run whose every process is dead.
    pub fn give_back(&mut self, mut leaf: Leaf) {
        leaf.kills_before = leaf.kills();
        leaf.charged_before = 0;
        if leaf.is_worn() || leaf.forget_peaks().is_err() || self.free.len() >= SPARE_MAX {
            leaf.remove();
        } else {
            self.free.push(leaf);
        }
    }
}

impl Cgroups {
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

impl Leaf {
    fn open(
        version: Version,
        folders: Vec<(&'static str, PathBuf)>,
        limits: Limits,
    ) -> io::Result<Self> {
        let (door, kills, usage, peak) = match version {
            Version::V1 => (
                "tasks",
                "memory.oom_control",
                "memory.usage_in_bytes",
                "memory.max_usage_in_bytes",
            ),
            Version::V2 => (
                "cgroup.procs",
                "memory.events",
                "memory.current",
                "memory.peak",
            ),
        };
        let (_, memory) = folders.first().ok_or(io::ErrorKind::NotFound)?;
        let memory_peak = MemoryPeak::open(&memory.join(peak));
        // Older kernels lack the one or the other.
        let of_processes = |name: &str| {
            let mut folders = folders.iter().filter(|(c, _)| c.contains("pids"));
            folders.find_map(|(_, folder)| File::open(folder.join(name)).ok())
        };
        let processes_peak = of_processes("pids.peak");
        let processes_refused = of_processes("pids.events");
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
            charged_before: 0,
            memory_peak,
            processes_peak,
            processes_refused,
            limits,
        })
    }

    /// The files to which a process of one thread writes `0` to join.
    pub fn doors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.doors.iter().map(AsFd::as_fd)
    }

    /// What the kernel has counted of the run so far. `killed`: whether SIGKILL ended the program.
    ///
    /// Two reads, each a microsecond; two more where a limit may have been reached.
    #[must_use]
    pub fn tally(&self, killed: bool) -> Tally {
        let memory_peak_bytes = self.memory_peak.as_ref().and_then(MemoryPeak::of_the_run);
        let near_the_limit = memory_peak_bytes.is_none_or(|peak| {
            peak.saturating_add(KILL_MARGIN_BYTES) > self.limits.memory_bytes_max
        });
        let peak = self.processes_peak.as_ref().and_then(number);
        let all_were_there = peak.is_none_or(|peak| peak >= processes_max(&self.limits).into());
        Tally {
            memory_peak_bytes: memory_peak_bytes
                .map(|peak| peak.saturating_sub(self.charged_before)),
            processes_peak: peak.map(|peak| {
                let without_the_holder = peak.saturating_sub(PROCESSES_MIN - 1);
                u32::try_from(without_the_holder).unwrap_or(u32::MAX)
            }),
            out_of_memory: (killed || near_the_limit) && self.kills() > self.kills_before,
            out_of_processes: all_were_there && self.refusals() > 0,
            ..Tally::default()
        }
    }

    /// The program begins only now: what has been charged so far is not its own.
    pub fn begin(&mut self) {
        self.charged_before = number(&self.usage).unwrap_or(0);
        // If it cannot be, what is told is too much.
        let _begun_again = self.forget_peaks();
    }

    /// Whether the kernel has killed a process in it.
    #[must_use]
    pub fn was_short_of_memory(&self) -> bool {
        self.kills() > self.kills_before
    }

    fn kills(&self) -> u64 {
        count(&read(&self.kills), "oom_kill ")
    }

    fn refusals(&self) -> u64 {
        let text = self.processes_refused.as_ref().map(read);
        count(&text.unwrap_or_default(), "max ")
    }

    /// Whether too much is still charged to it, as when a run left kernel memory behind, or its
    /// processes were more than those of the next run may be, whose peak could not be told then.
    fn is_worn(&self) -> bool {
        let is_stained = match self.processes_peak.as_ref().and_then(number) {
            Some(peak) => peak > PROCESSES_MIN,
            None => self.refusals() > 0,
        };
        is_stained || number(&self.usage).is_none_or(|bytes| bytes > LEFTOVER_BYTES_MAX)
    }

    /// Begins the count of memory again, for the next run.
    fn forget_peaks(&mut self) -> io::Result<()> {
        match &mut self.memory_peak {
            Some(peak) => peak.begin_again(),
            None => Ok(()),
        }
    }

    fn remove(&self) {
        for (_, folder) in &self.folders {
            // A leaf that is not empty yet goes with the whole tree at the end.
            drop(fs::remove_dir(folder));
        }
    }
}

impl MemoryPeak {
    /// Nothing where the kernel does not keep it (v2 before Linux 5.19).
    fn open(path: &Path) -> Option<Self> {
        let both = OpenOptions::new().read(true).write(true).open(path);
        let resettable = both.ok().map(Self::Resettable);
        resettable.or_else(|| Some(Self::Lasting(File::open(path).ok()?, 0)))
    }

    fn of_the_run(&self) -> Option<u64> {
        match self {
            Self::Resettable(file) => number(file),
            Self::Lasting(file, before) => number(file).filter(|peak| peak > before),
        }
    }

    fn begin_again(&mut self) -> io::Result<()> {
        match self {
            // The peak is what is charged now, whatever is written.
            Self::Resettable(file) => file.write_at(b"0", 0).map(drop),
            Self::Lasting(file, before) => {
                *before = number(file).unwrap_or(u64::MAX);
                Ok(())
            }
        }
    }
}

/// Processes and threads that a leaf holds at most.
const fn processes_max(limits: &Limits) -> u32 {
    // The program itself and the process that holds its memory are two more.
    limits.processes_max.saturating_add(2)
}

fn limit(version: Version, folders: &[(&'static str, PathBuf)], limits: &Limits) -> io::Result<()> {
    let bytes = limits.memory_bytes_max.to_string();
    let processes = processes_max(limits).to_string();
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

/// The number that a file of the kernel's holds.
fn number(file: &File) -> Option<u64> {
    read(file).trim().parse().ok()
}

/// The number after `name` in a file of many; 0 if it is not there.
fn count(text: &str, name: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix(name));
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
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

    /// A leaf of files that no kernel keeps, so that every count can be tried.
    fn leaf(folder: &Path, files: &[(&str, &str)]) -> Leaf {
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
        let folders = vec![("memory", folder.to_owned()), ("pids", folder.to_owned())];
        let limits = Limits {
            memory_bytes_max: 512 << 20,
            processes_max: 10,
            workspace_bytes_max: 0,
            workspace_files_max: 0,
            cpu_seconds_max: 0,
        };
        Leaf::open(Version::V1, folders, limits).unwrap()
    }

    const QUIET: [(&str, &str); 6] = [
        ("tasks", ""),
        ("memory.oom_control", "under_oom 0\noom_kill 3\n"),
        ("memory.usage_in_bytes", "4096\n"),
        ("memory.max_usage_in_bytes", "9000\n"),
        ("pids.peak", "2\n"),
        ("pids.events", "max 0\n"),
    ];

    #[test]
    fn a_leaf_tells_what_the_kernel_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut leaf = leaf(folder.path(), &QUIET);
        leaf.kills_before = leaf.kills();
        let quiet = Tally {
            memory_peak_bytes: Some(9000),
            processes_peak: Some(1),
            ..Tally::default()
        };
        assert_eq!((leaf.tally(true), leaf.is_worn()), (quiet, false));

        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("pids.peak", "12\n");
        put("pids.events", "max 7\n");
        put("memory.max_usage_in_bytes", "536870000\n");
        put("memory.oom_control", "oom_kill 4\n");
        let full = Tally {
            memory_peak_bytes: Some(536_870_000),
            processes_peak: Some(11),
            out_of_memory: true,
            out_of_processes: true,
            ..Tally::default()
        };
        assert_eq!((leaf.tally(false), leaf.is_worn()), (full, true));
    }

    #[test]
    fn what_a_kernel_does_not_count_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let lacking = ["memory.max_usage_in_bytes", "pids.peak", "pids.events"];
        let files: Vec<_> = QUIET
            .into_iter()
            .filter(|(name, _)| !lacking.contains(name))
            .collect();
        let mut leaf = leaf(folder.path(), &files);
        leaf.kills_before = leaf.kills();
        assert_eq!(
            (leaf.tally(true), leaf.is_worn()),
            (Tally::default(), false)
        );
    }

    #[test]
    fn a_peak_that_lasts_is_told_of_a_run_only_if_it_grew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.peak");
        fs::write(&path, "500").unwrap();
        let mut peak = MemoryPeak::Lasting(File::open(&path).unwrap(), 0);
        assert_eq!(peak.of_the_run(), Some(500));
        peak.begin_again().unwrap();
        assert_eq!(peak.of_the_run(), None);
        fs::write(&path, "501").unwrap();
        assert_eq!(peak.of_the_run(), Some(501));
    }
}
