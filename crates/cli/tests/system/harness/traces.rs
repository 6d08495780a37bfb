//! What a server could leave on the machine, before and after.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::processes::Process;

/// The first of the users that units of root's server become; nobody else's on any machine.
const UNIT_USERS: std::ops::Range<u32> = 1_879_100_000..1_879_200_000;

/// Folders that anyone may write to.
const SHARED_FOLDERS: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// What of all programs there is on the machine now.
#[derive(Debug)]
pub(crate) struct Traces {
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<PathBuf>,
    files: BTreeSet<PathBuf>,
}

impl Traces {
    /// Looks; files are those that are ours by name or by owner.
    pub(crate) fn now(user: Option<u32>) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
        let mut cgroups = BTreeSet::new();
        cgroups_below(Path::new("/sys/fs/cgroup"), &mut cgroups);
        let files = SHARED_FOLDERS
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        let ours = |entry: &fs::DirEntry| {
            let named = entry.file_name().to_string_lossy().contains("hognose");
            let owner = entry.metadata().map(|metadata| metadata.uid());
            named || owner.is_ok_and(|uid| UNIT_USERS.contains(&uid) || Some(uid) == user)
        };
        Self {
            mounts: mounts.lines().map(str::to_owned).collect(),
            cgroups,
            files: files
                .filter_map(Result::ok)
                .filter(ours)
                .map(|entry| entry.path())
                .collect(),
        }
    }

    /// How many cgroups there are below the folders of this name, those of one name counted once.
    pub(crate) fn cgroups_named(name: &str) -> usize {
        let mut folders = BTreeSet::new();
        cgroups_below(Path::new("/sys/fs/cgroup"), &mut folders);
        let ours = folders.iter().filter(|folder| folder.ends_with(name));
        let below = ours.flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        let names = below
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir());
        names
            .map(|entry| entry.file_name())
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// What is there now and was not before, a line each.
    ///
    /// A cgroup whose keeper lives is another server's.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let mounts = self.mounts.difference(&before.mounts);
        let cgroups = self.cgroups.difference(&before.cgroups);
        let files = self.files.difference(&before.files);
        let keeper_lives = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            let number = name.and_then(|name| name.strip_prefix("hognose-")?.parse().ok());
            number.and_then(Process::find).is_some_and(Process::lives)
        };
        let cgroups = cgroups.filter(|path| !keeper_lives(path));
        mounts
            .map(|mount| format!("mount {mount}"))
            .chain(cgroups.map(|path| format!("cgroup {}", path.display())))
            .chain(files.map(|path| format!("file {}", path.display())))
            .collect()
    }
}

/// Gathers every keeper's folder, without looking inside it.
fn cgroups_below(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        let ours = entry.file_name().to_string_lossy().starts_with("hognose-");
        if ours {
            found.insert(entry.path());
        } else {
            cgroups_below(&entry.path(), found);
        }
    }
}
