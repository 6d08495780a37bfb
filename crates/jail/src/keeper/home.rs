//! Where runs live on a host that gives them no root of their own: a folder of the server's.
//!
//! ```text
//!   hognose-runs-PID-…/
//!    ├─ lock        held by the keeper for as long as it lives; without that, it is a leftover
//!    ├─ env/        the environment, as links: bin/python3, pyvenv.cfg, lib/…
//!    ├─ guest/      our guest files
//!    └─ boxes/…/    the files of one unit: work, tmp
//! ```

mod remove;

use std::collections::hash_map::RandomState;
use std::fs::{self, DirBuilder, File};
use std::hash::BuildHasher;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::CWD;
use wire::{Ground, Runtime, UnitId};

use self::remove::{open_folder, remove};
use super::Guest;
use crate::walls::{Doing, WallError};

/// What the folders' names begin with.
const PREFIX: &str = "hognose-runs-";
/// The file in each that its keeper holds locked.
const LOCK: &str = "lock";
/// How old a folder without a lock must be to be a leftover.
const UNLOCKED_MAX: Duration = Duration::from_mins(1);
/// Most folders that are made for one.
const CLAIMS_MAX: u32 = 16;
/// Where it is made if the server's folder is not there yet, or read-only.
const ELSEWHERE: &str = "/tmp";
/// Most calls in which a box is removed on the way; one that needs more is removed by a process of its own.
pub(super) const CALLS_ON_THE_WAY_MAX: usize = 64;

/// The folder, ours for as long as this is kept.
#[derive(Debug)]
pub(super) struct Home {
    path: PathBuf,
    /// Boxes have names that no run can guess: it can see what is in a folder that it can name, its size
    /// and its time.
    names: RandomState,
    _lock: File,
}

impl Home {
    /// Makes it below `scratch`, and removes what keepers that are gone have left there.
    pub(super) fn make(
        scratch: &Path,
        runtime: &Runtime,
        guest: Guest<'_>,
    ) -> Result<Self, WallError> {
        let doing = |what: &str, path: &Path| format!("{what} {}", path.display());
        let elsewhere = Path::new(ELSEWHERE);
        for place in [scratch, elsewhere] {
            remove_leftovers(place);
        }
        let (path, lock) = match claim(scratch, lock) {
            Ok(claimed) => claimed,
            Err(error) => {
                let there = format!("make a folder in {} ({error}) or in", scratch.display());
                claim(elsewhere, lock).doing(&doing(&there, elsewhere))?
            }
        };
        let home = Self {
            path,
            names: RandomState::new(),
            _lock: lock,
        };
        let furnished = home.furnish(runtime, guest);
        match furnished.doing(&doing("furnish", &home.path)) {
            Ok(()) => Ok(home),
            Err(error) => {
                home.remove();
                Err(error)
            }
        }
    }

    fn furnish(&self, runtime: &Runtime, guest: Guest<'_>) -> io::Result<()> {
        let (major, minor) = runtime.version;
        let packages = format!("lib/python{major}.{minor}");
        for name in ["boxes", "guest", "env", "env/bin", "env/lib"] {
            folder(&self.path.join(name))?;
        }
        let env = self.path.join("env");
        folder(&env.join(&packages))?;
        let home = runtime
            .executable
            .parent()
            .unwrap_or_else(|| Path::new("/"));
        let venv = format!(
            "home = {}\ninclude-system-site-packages = false\nversion = {major}.{minor}\n",
            home.display()
        );
        fs::write(env.join("pyvenv.cfg"), venv)?;
        for name in ["python3", "python"] {
            symlink(&runtime.executable, env.join("bin").join(name))?;
        }
        symlink(
            &runtime.site_packages,
            env.join(packages).join("site-packages"),
        )?;
        for file in &runtime.library_files {
            if let Some(name) = file.file_name() {
                symlink(file, env.join("lib").join(name))?;
            }
        }
        let sources = guest.sources.iter();
        let sources = sources.map(|(name, text)| (*name, text.as_bytes()));
        for (name, content) in sources.chain([(LIBRARY, guest.library)]) {
            fs::write(self.guest().join(name), content)?;
        }
        Ok(())
    }

    /// The folder of our guest files.
    pub(super) fn guest(&self) -> PathBuf {
        self.path.join("guest")
    }

    /// The folder of the environment.
    pub(super) fn environment(&self) -> PathBuf {
        self.path.join("env")
    }

    /// What units may use of the host, and of this.
    pub(super) fn ground(&self, runtime: &Runtime) -> Ground {
        let mut readable = vec![
            self.environment(),
            self.guest(),
            runtime.standard_library.clone(),
            runtime.site_packages.clone(),
        ];
        readable.extend(runtime.library_folders.iter().cloned());
        readable.extend(runtime.library_files.iter().cloned());
        readable.extend(runtime.time_zones.iter().cloned());
        Ground::Landlock {
            readable,
            executable: vec![runtime.executable.clone(), runtime.loader.clone()],
        }
    }

    /// The folder of a unit's files.
    pub(super) fn box_of(&self, unit: UnitId) -> PathBuf {
        self.path.join("boxes").join(self.name_of(unit))
    }

    fn name_of(&self, unit: UnitId) -> String {
        format!("{:016x}", self.names.hash_one(unit.0))
    }

    /// Makes it.
    pub(super) fn make_box(&self, unit: UnitId) -> Result<OwnedFd, WallError> {
        let path = self.box_of(unit);
        folder(&path).doing("make the unit's box")?;
        open_folder(CWD, &path).doing("open the unit's box")
    }

    /// Removes a unit's files when all its processes are dead, in so many calls at most; `false` if
    /// some are left.
    pub(super) fn remove_box(&self, unit: UnitId, calls_max: usize) -> bool {
        remove(&self.path.join("boxes"), &self.name_of(unit), calls_max).unwrap_or(false)
    }

    /// Removes it, with everything in it.
    pub(super) fn remove(self) {
        let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name()) else {
            return;
        };
        // What cannot be removed now is a leftover for the next.
        let _left = remove(parent, &name.to_string_lossy(), usize::MAX);
    }
}

/// The name of the shared library of the crate `confine` among the guest files.
pub(super) const LIBRARY: &str = "libconfine.so";

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a folder that nobody has, and locks it. Somebody who starts at the same moment may take it for a leftover
/// before it is locked, and remove it: then it is another one. What else hinders it hinders the next as well.
fn claim(place: &Path, lock: impl Fn(&Path) -> io::Result<File>) -> io::Result<(PathBuf, File)> {
    let mut claims = 0..CLAIMS_MAX;
    loop {
        let number = RandomState::new().hash_one(std::process::id());
        let path = place.join(format!("{PREFIX}{}-{number:016x}", std::process::id()));
        folder(&path)?;
        match lock(&path.join(LOCK)) {
            Ok(lock) => return Ok((path, lock)),
            Err(error) if was_taken(&error) && claims.next().is_some() => {}
            Err(error) => {
                // Whatever is in it is a lock that nobody holds.
                let _left = fs::remove_dir_all(&path);
                return Err(error);
            }
        }
    }
}

/// Whether somebody else has a folder that was just made: holds its lock, or has removed it.
fn was_taken(error: &io::Error) -> bool {
    [io::ErrorKind::WouldBlock, io::ErrorKind::NotFound].contains(&error.kind())
}

/// Makes a file and locks it, where it is still there then.
fn lock(path: &Path) -> io::Result<File> {
    let lock = File::create(path)?;
    lock.try_lock()?;
    if lock.metadata()?.ino() == fs::metadata(path)?.ino() {
        Ok(lock)
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn remove_leftovers(scratch: &Path) {
    for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let own = rustix::process::geteuid().as_raw();
        let Ok(folder) = entry.metadata() else {
            continue;
        };
        if folder.uid() != own {
            continue;
        }
        // Held until it is removed. What cannot be asked about may be somebody's.
        let lock = File::open(entry.path().join(LOCK));
        let is_left = match &lock {
            Ok(lock) => lock.try_lock().is_ok(),
            // It may be about to be locked.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let age = folder.modified().ok().and_then(|made| made.elapsed().ok());
                age.is_some_and(|age| age > UNLOCKED_MAX)
            }
            Err(_) => false,
        };
        if is_left {
            let _left = remove(scratch, name, usize::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_whose_keeper_is_gone_is_a_leftover() {
        let scratch = tempfile::tempdir().unwrap();
        let (kept, left) = (
            scratch.path().join(format!("{PREFIX}1")),
            scratch.path().join(format!("{PREFIX}2")),
        );
        let begun = scratch.path().join(format!("{PREFIX}3"));
        let old = scratch.path().join(format!("{PREFIX}4"));
        for path in [&kept, &left, &begun, &old] {
            folder(path).unwrap();
        }
        let lock = File::create(kept.join(LOCK)).unwrap();
        lock.try_lock().unwrap();
        File::create(left.join(LOCK)).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + UNLOCKED_MAX;
        File::open(&old).unwrap().set_modified(long_ago).unwrap();
        remove_leftovers(scratch.path());
        assert!(kept.exists() && !left.exists());
        assert!(begun.exists() && !old.exists());
    }

    #[test]
    fn a_folder_that_nobody_can_ask_about_is_left_alone() {
        let scratch = tempfile::tempdir().unwrap();
        let asked = scratch.path().join(format!("{PREFIX}1"));
        folder(&asked).unwrap();
        // Cannot be opened, as where no descriptor is left.
        symlink(LOCK, asked.join(LOCK)).unwrap();
        let long_ago = std::time::SystemTime::UNIX_EPOCH + UNLOCKED_MAX;
        File::open(&asked).unwrap().set_modified(long_ago).unwrap();
        remove_leftovers(scratch.path());
        assert!(asked.exists());
    }

    #[test]
    fn where_nothing_can_be_written_no_folder_is_left() {
        let scratch = tempfile::tempdir().unwrap();
        let tried = std::cell::Cell::new(0);
        let claimed = claim(scratch.path(), |_path| {
            tried.set(tried.get() + 1);
            Err(io::ErrorKind::StorageFull.into())
        });
        assert_eq!(claimed.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(tried.get(), 1);
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }

    #[test]
    fn keepers_that_start_at_once_leave_each_others_folders() {
        const STARTS: usize = 200;
        let scratch = tempfile::tempdir().unwrap();
        let start = || {
            for _ in 0..STARTS {
                remove_leftovers(scratch.path());
                let (path, lock) = claim(scratch.path(), lock).unwrap();
                remove_leftovers(scratch.path());
                assert!(path.join(LOCK).exists(), "{}", path.display());
                drop(lock);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(start);
            }
        });
        remove_leftovers(scratch.path());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
}
