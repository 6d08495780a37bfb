//! One run's cgroup: what joins it, and what the kernel counts in it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wire::{Limits, Tally};

use super::make;

/// Memory that may still be charged to an empty leaf for it to be used again. Bytes.
const LEFTOVER_BYTES_MAX: u64 = 16 << 20;

/// Processes in a leaf of which the program has made none: itself, and the one that holds its memory.
const PROCESSES_MIN: u32 = 2;

/// How near to its limit a leaf's peak is where the kernel had to kill: what it could not charge is at
/// most a huge page and what a processor charges ahead. Bytes.
const KILL_MARGIN_BYTES: u64 = 4 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// One run's cgroup. Its files stay open: a leaf serves many runs, one after the other.
#[derive(Debug)]
pub struct Leaf {
    version: Version,
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

impl Leaf {
    /// Makes an empty one of these folders, one in v2 and one a controller in v1, with every limit set.
    pub(super) fn make(
        version: Version,
        folders: &[(&'static str, PathBuf)],
        limits: Limits,
    ) -> io::Result<Self> {
        let made = folders
            .iter()
            .try_for_each(|(_, folder)| make(folder))
            .and_then(|()| limit(version, folders, &limits))
            .and_then(|()| Self::open(version, folders.to_vec(), limits));
        made.inspect_err(|_| remove(folders))
    }

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
            version,
            kills_before: killed(&kills),
            folders,
            doors,
            kills,
            usage,
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
                let without_the_holder = peak.saturating_sub(u64::from(PROCESSES_MIN - 1));
                u32::try_from(without_the_holder).unwrap_or(u32::MAX)
            }),
            out_of_memory: (killed || near_the_limit) && self.was_short_of_memory(),
            out_of_processes: all_were_there && self.refusals() > 0,
            ..Tally::default()
        }
    }

    /// The program begins only now: what has been charged so far is not its own.
    pub fn begin(&mut self) {
        self.charged_before = number(&self.usage).unwrap_or(0);
        // If it cannot be, what is told is too much.
        let _begun_again = self.forget_peak();
    }

    /// Whether the kernel has killed a process in it.
    #[must_use]
    pub fn was_short_of_memory(&self) -> bool {
        killed(&self.kills) > self.kills_before
    }

    fn refusals(&self) -> u64 {
        let text = self.processes_refused.as_ref().map(read);
        count(&text.unwrap_or_default(), "max ")
    }

    /// Whether too much is still charged to it, as when a run left kernel memory behind, or its
    /// processes were more than those of the next run may be, whose peak could not be told then.
    fn is_worn(&self) -> bool {
        let is_stained = match self.processes_peak.as_ref().and_then(number) {
            Some(peak) => peak > PROCESSES_MIN.into(),
            None => self.refusals() > 0,
        };
        is_stained || number(&self.usage).is_none_or(|bytes| bytes > LEFTOVER_BYTES_MAX)
    }

    /// Begins the count of memory again, for the next run.
    fn forget_peak(&mut self) -> io::Result<()> {
        match &mut self.memory_peak {
            Some(peak) => peak.forget(),
            None => Ok(()),
        }
    }

    /// Makes it ready for the next run, after one whose every process is dead; whether it can serve one.
    pub(super) fn serves_again(&mut self) -> bool {
        self.kills_before = killed(&self.kills);
        self.charged_before = 0;
        !self.is_worn() && self.forget_peak().is_ok()
    }

    /// Whether the kernel remembers so much for a run whose every process is dead (names of files, mostly) that it
    /// has to be told to forget: once the leaf is gone, nobody is charged for it.
    pub(super) fn is_remembered(&self) -> bool {
        let Some((_, memory)) = self.folders.first() else {
            return false;
        };
        let bytes = match self.version {
            Version::V1 => number_in(&memory.join("memory.kmem.usage_in_bytes")),
            Version::V2 => {
                let counts = fs::read_to_string(memory.join("memory.stat"));
                counts.ok().map(|text| count(&text, "slab_reclaimable "))
            }
        };
        bytes.is_some_and(|bytes| bytes > LEFTOVER_BYTES_MAX)
    }

    /// Has the kernel forget what it can of an empty leaf, and removes it. Takes a second for 450 MiB of names.
    pub fn forget_and_remove(&self) {
        if let Some((_, memory)) = self.folders.first() {
            // Whatever is left stays as it would have without this.
            let _forgotten = match self.version {
                Version::V1 => fs::write(memory.join("memory.force_empty"), "0"),
                Version::V2 => fs::write(memory.join("memory.reclaim"), read(&self.usage).trim()),
            };
        }
        self.remove();
    }

    /// Removes it. One that is not empty yet goes with the whole tree at the end.
    pub fn remove(&self) {
        remove(&self.folders);
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

    fn forget(&mut self) -> io::Result<()> {
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
    limits.processes_max.saturating_add(PROCESSES_MIN)
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

/// A file that this kernel does not have is no error: the limit it bears does not exist either.
fn optional(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn remove(folders: &[(&'static str, PathBuf)]) {
    for (_, folder) in folders {
        drop(fs::remove_dir(folder));
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

/// How many processes the kernel has killed for their memory, as its file tells.
fn killed(kills: &File) -> u64 {
    count(&read(kills), "oom_kill ")
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

fn number_in(path: &Path) -> Option<u64> {
    number(&File::open(path).ok()?)
}

/// The number after `name` in a file of many; 0 if it is not there.
fn count(text: &str, name: &str) -> u64 {
    let count = text.lines().find_map(|line| line.strip_prefix(name));
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let leaf = leaf(folder.path(), &QUIET);
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
    fn a_leaf_that_serves_again_begins_to_count_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut leaf = leaf(folder.path(), &QUIET);
        leaf.begin();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        put("memory.oom_control", "oom_kill 4\n");
        assert!(leaf.was_short_of_memory());
        assert!(leaf.serves_again());
        assert!(!leaf.was_short_of_memory() && !leaf.tally(true).out_of_memory);
        assert_eq!(leaf.charged_before, 0);

        put("pids.peak", "12\n");
        assert!(
            !leaf.serves_again(),
            "the next run's peak could not be told"
        );
    }

    #[test]
    fn what_is_remembered_of_a_run_is_forgotten_before_its_leaf_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let leaf = leaf(folder.path(), &QUIET);
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert!(!leaf.is_remembered(), "it is not counted");
        put(
            "memory.kmem.usage_in_bytes",
            &LEFTOVER_BYTES_MAX.to_string(),
        );
        assert!(!leaf.is_remembered());
        put(
            "memory.kmem.usage_in_bytes",
            &(LEFTOVER_BYTES_MAX + 1).to_string(),
        );
        assert!(leaf.is_remembered());
        leaf.forget_and_remove();
        let asked = |name| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(asked("memory.force_empty"), "0");

        put("memory.reclaim", "");
        let counted = format!(
            "slab_unreclaimable 5\nslab_reclaimable {}\n",
            LEFTOVER_BYTES_MAX + 1
        );
        put("memory.stat", &counted);
        let leaf = Leaf {
            version: Version::V2,
            ..leaf
        };
        assert!(leaf.is_remembered());
        leaf.forget_and_remove();
        assert_eq!(asked("memory.reclaim"), "4096", "all that is charged");
    }

    #[test]
    fn what_a_kernel_does_not_count_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let lacking = ["memory.max_usage_in_bytes", "pids.peak", "pids.events"];
        let files: Vec<_> = QUIET
            .into_iter()
            .filter(|(name, _)| !lacking.contains(name))
            .collect();
        let leaf = leaf(folder.path(), &files);
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
        peak.forget().unwrap();
        assert_eq!(peak.of_the_run(), None);
        fs::write(&path, "501").unwrap();
        assert_eq!(peak.of_the_run(), Some(501));
    }
}
