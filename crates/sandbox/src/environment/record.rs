//! What is remembered of an environment, so that opening it starts no Python.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use wire::Runtime;

use super::inspect::{Inspection, inspect};
use super::{EnvironmentError, IMPORTS, Interpreter, LOCK};

/// Grows when an environment of an older hognose must not be used.
const FORMAT: u32 = 2;
/// The record's name in an environment of our own.
const NAME: &str = "hognose.json";

/// What an environment is, and what it was like when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// The lock it was made of; none if somebody else made it.
    lock: Option<String>,
    /// Where it lay. Ours may be moved, another one may not.
    folder: PathBuf,
    pub(super) version: (u8, u8, u8),
    abi: String,
    /// As found, with `site_packages` relative to the environment's folder.
    runtime: Runtime,
    /// Files of the interpreter, as they were.
    watched: BTreeMap<PathBuf, Identity>,
    /// The folder of packages, as it was.
    packages: Option<Identity>,
    /// What could not be imported, and why.
    missing: BTreeMap<String, String>,
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    size: u64,
    inode: u64,
    modified_s: i64,
    modified_ns: i64,
}

impl Identity {
    fn of(path: &Path) -> Option<Self> {
        let from = |metadata: Metadata| Self {
            size: metadata.size(),
            inode: metadata.ino(),
            modified_s: metadata.mtime(),
            modified_ns: metadata.mtime_nsec(),
        };
        fs::metadata(path).ok().map(from)
    }
}

/// What lies in the environment's folder.
#[derive(Debug)]
pub(super) enum Opened {
    /// A complete environment, unchanged.
    Ready(Record),
    /// A complete environment whose interpreter or packages were touched: look again.
    Updated(Record),
    /// Something that must be made again, and why.
    Stale(String),
    /// Nothing.
    Absent,
}

/// Opens the environment in this folder, if it is one for this lock and this interpreter.
pub(super) fn open(folder: &Path, python: Option<&Path>) -> Result<Opened, EnvironmentError> {
    let Some(record) = Record::read(&folder.join(NAME)) else {
        let there = folder.symlink_metadata().is_ok();
        return Ok(if there {
            Opened::Stale("it is incomplete".to_owned())
        } else {
            Opened::Absent
        });
    };
    if record.lock.as_deref() != Some(LOCK) {
        return Ok(Opened::Stale(
            "the packages to install have changed".to_owned(),
        ));
    }
    if let Some(python) = python
        && !record.is_made_of(python)?
    {
        return Ok(Opened::Stale("it was made of another Python".to_owned()));
    }
    if !record.runtime.executable.exists() {
        return Ok(Opened::Stale(
            "the Python it was made of is gone".to_owned(),
        ));
    }
    Ok(if record.is_fresh(folder) {
        Opened::Ready(record)
    } else {
        Opened::Updated(record)
    })
}

/// Looks again at an environment whose interpreter was updated in place.
pub(super) fn renew(folder: &Path, old: &Record) -> Result<Record, EnvironmentError> {
    let inspection = inspect(folder, &IMPORTS)?;
    let record = old
        .renewed(folder, &inspection)
        .ok_or_else(|| EnvironmentError::Unusable {
            detail: "the interpreter is not the one they were made for".to_owned(),
        })?;
    // It only saves time the next time.
    drop(record.write(&folder.join(NAME)));
    Ok(record)
}

impl Record {
    /// Remembers what was found; `lock` for an environment of our own.
    pub(super) fn of(folder: &Path, inspection: &Inspection, lock: Option<&str>) -> Self {
        let mut runtime = inspection.runtime();
        if let Ok(relative) = inspection.site_packages.strip_prefix(folder) {
            runtime.site_packages = relative.to_owned();
        }
        let watch = |path: PathBuf| Identity::of(&path).map(|identity| (path, identity));
        Self {
            format: FORMAT,
            lock: lock.map(str::to_owned),
            folder: folder.to_owned(),
            version: inspection.version,
            abi: inspection.abi.clone(),
            runtime,
            watched: inspection.watched().into_iter().filter_map(watch).collect(),
            packages: Identity::of(&inspection.site_packages),
            missing: inspection.missing.clone(),
        }
    }

    /// This record with what was found now, if the packages still fit the interpreter.
    pub(super) fn renewed(&self, folder: &Path, inspection: &Inspection) -> Option<Self> {
        let record = Self::of(folder, inspection, self.lock.as_deref());
        (record.abi == self.abi && record.missing.is_empty()).then_some(record)
    }

    /// Reads a record; nothing if there is none that this hognose understands.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let record: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (record.format == FORMAT).then_some(record)
    }

    /// Writes the record, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension(format!("json.{}", std::process::id()));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    }

    /// Writes the record into the environment of our own that it describes.
    pub(super) fn write_into(&self, folder: &Path) -> io::Result<()> {
        self.write(&folder.join(NAME))
    }

    /// Tells whether this is about the environment in that folder.
    pub(super) fn is_of(&self, folder: &Path) -> bool {
        self.folder == folder
    }

    /// Tells whether nothing was touched since this was written.
    pub(super) fn is_fresh(&self, folder: &Path) -> bool {
        self.packages.is_some()
            && self.packages == Identity::of(&folder.join(&self.runtime.site_packages))
            && self
                .watched
                .iter()
                .all(|(path, then)| Identity::of(path) == Some(*then))
            && self
                .runtime
                .library_folders
                .iter()
                .all(|path| path.is_dir())
            && self.runtime.library_files.iter().all(|path| path.exists())
            && self.runtime.loader.exists()
    }

    /// Tells whether the environment was made of this Python.
    fn is_made_of(&self, python: &Path) -> Result<bool, EnvironmentError> {
        let ours = self.runtime.executable.as_path();
        if python.canonicalize().is_ok_and(|real| real == ours) {
            return Ok(true);
        }
        // A shim or a venv's link: only it knows what it stands for.
        Ok(Interpreter::find(Some(python))?.executable == ours)
    }

    /// Where everything lies, for the environment in this folder.
    pub(super) fn runtime(&self, folder: &Path) -> Runtime {
        let mut runtime = self.runtime.clone();
        // Joining an absolute path gives that path.
        runtime.site_packages = folder.join(&runtime.site_packages);
        runtime.time_zones = runtime.time_zones.filter(|path| path.is_dir());
        runtime
    }

    /// What an environment made elsewhere lacks, in a sentence.
    pub(super) fn warnings(&self, folder: &Path) -> Vec<String> {
        let Some((_, reason)) = self.missing.first_key_value() else {
            return Vec::new();
        };
        let names: Vec<&str> = self.missing.keys().map(String::as_str).collect();
        vec![format!(
            "programs cannot import {} ({reason}): install what is missing into {}",
            names.join(", "),
            folder.display()
        )]
    }
}
