//! Making an environment: all or nothing.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use super::error::NEEDED_MB;
use super::inspect::inspect;
use super::interpreter::{last_line, python_command};
use super::record::Record;
use super::{EnvironmentError, FOLDER, IMPORTS, Interpreter, LOCK};

/// pip, so that the host need not have one. It runs out of this file and is never installed.
const PIP: &[u8] = include_bytes!("../../../../environment/pip-26.3-py3-none-any.whl");
/// The script that runs pip with those of the user's settings that do no harm here.
const INSTALL: &str = include_str!("../../../../environment/install.py");
/// Where programs see the environment; the jail puts it there.
const SEEN_AT: &str = "/env";
/// The package that a rehearsal fetches: the smallest one.
const SMALLEST: &str = "defusedxml";
/// Most of pip's error output that is kept. Bytes.
const ERRORS_MAX: usize = 256 * 1024;

/// Makes the data folder if need be, and says where it really is.
pub(super) fn data_folder(data_dir: &Path) -> Result<PathBuf, EnvironmentError> {
    let at = |source| EnvironmentError::at(data_dir, "make the data folder", source);
    // Only we have business in it: the addresses of callers are counted there.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(at)?;
    data_dir.canonicalize().map_err(at)
}

/// Takes the lock that the maker of an environment holds, waiting for another maker.
///
/// The lock goes with the process, however it ends.
pub(super) fn take_lock(
    data_dir: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<File, EnvironmentError> {
    let at = |source| EnvironmentError::at(data_dir, "lock the data folder", source);
    let path = data_dir.join("environment.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(at)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            progress("waiting for another start that is making the Python environment");
            file.lock().map_err(at)?;
        }
        Err(TryLockError::Error(source)) => return Err(at(source)),
    }
    Ok(file)
}

/// Makes the environment beside its place and, when it is complete, puts it there.
///
/// The caller holds the lock.
pub(super) fn make(
    data_dir: &Path,
    folder: &Path,
    python: Option<&Path>,
    progress: &mut dyn FnMut(&str),
) -> Result<Record, EnvironmentError> {
    remove_garbage(data_dir);
    let interpreter = Interpreter::find(python)?;
    check_space(data_dir)?;
    let (major, minor, patch) = interpreter.version;
    progress(&format!(
        "making the Python environment in {} (once; it needs the network)",
        folder.display()
    ));
    progress(&format!(
        "found Python {major}.{minor}.{patch} at {}",
        interpreter.executable.display()
    ));

    let half_made = HalfMade::new(data_dir)?;
    make_venv(&interpreter, data_dir, &half_made.0)?;
    let packages = half_made.0.join("bin/python3");
    let work = half_made.0.join("work");
    let at = |doing| move |source| EnvironmentError::at(data_dir, doing, source);
    let install = [
        "install",
        "--no-compile",
        "--no-warn-script-location",
        "--root-user-action=ignore",
    ];
    let pip = Pip {
        python: &packages,
        work: &work,
        place: data_dir,
    };
    pip.run(LOCK, &install, progress)?;
    fs::remove_dir_all(&work).map_err(at("remove what pip left"))?;
    remove_scripts(&half_made.0.join("bin")).map_err(at("remove the packages' scripts"))?;
    compile_packages(&packages, &half_made.0)?;
    open_modes(&half_made.0).map_err(at("set the environment's modes"))?;

    progress("trying the packages");
    let inspection = inspect(&half_made.0, &IMPORTS)?;
    if let Some((module, reason)) = inspection.missing.first_key_value() {
        return Err(EnvironmentError::Unusable {
            detail: format!("{module}: {reason}"),
        });
    }
    let record = Record::of(&half_made.0, &inspection, Some(LOCK));
    record
        .write_into(&half_made.0)
        .map_err(at("write the environment's record"))?;
    half_made
        .finish(data_dir, folder)
        .map_err(at("put the environment into its place"))?;
    progress("the Python environment is complete");
    Ok(record)
}

/// A folder for an environment that is not complete. Dropping it removes it.
struct HalfMade(PathBuf);

impl HalfMade {
    fn new(data_dir: &Path) -> Result<Self, EnvironmentError> {
        let folder = data_dir.join(format!("{FOLDER}.making-{}", std::process::id()));
        DirBuilder::new()
            .mode(0o755)
            .create(&folder)
            .map_err(|source| EnvironmentError::at(data_dir, "make a folder", source))?;
        Ok(Self(folder))
    }

    /// Gives the complete environment its name, moving an older one out of the way.
    fn finish(self, data_dir: &Path, folder: &Path) -> io::Result<()> {
        // After a power cut the name must not be there without the bytes.
        rustix::fs::syncfs(File::open(&self.0)?)?;
        let old = data_dir.join(format!("{FOLDER}.old-{}", std::process::id()));
        if folder.symlink_metadata().is_ok() {
            fs::rename(folder, &old)?;
        }
        fs::rename(&self.0, folder)?;
        File::open(data_dir)?.sync_all()?;
        remove_garbage(data_dir);
        Ok(())
    }
}

impl Drop for HalfMade {
    fn drop(&mut self) {
        // After `finish` it is not there any more; what else remains, the next start removes.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Removes what killed makers have left. The caller holds the lock, so none of it is in use.
fn remove_garbage(data_dir: &Path) {
    let prefixes = [format!("{FOLDER}.making-"), format!("{FOLDER}.old-")];
    for entry in data_dir.read_dir().into_iter().flatten().flatten() {
        let name = entry.file_name();
        if prefixes
            .iter()
            .any(|prefix| name.to_string_lossy().starts_with(prefix))
        {
            // What can't be removed now may be removed next time; it does no harm.
            drop(fs::remove_dir_all(entry.path()));
        }
    }
}

/// Checks that the disk has room.
fn check_space(folder: &Path) -> Result<(), EnvironmentError> {
    // A file system that can't tell is given a chance.
    let free =
        rustix::fs::statvfs(folder).map_or(u64::MAX, |s| s.f_bavail.saturating_mul(s.f_frsize));
    if free / 1_000_000 < NEEDED_MB {
        return Err(EnvironmentError::DiskFull {
            folder: folder.to_owned(),
        });
    }
    Ok(())
}

/// Makes an empty venv. It takes no pip: ours comes along, and Debian splits its own off.
fn make_venv(
    interpreter: &Interpreter,
    data_dir: &Path,
    folder: &Path,
) -> Result<(), EnvironmentError> {
    let output = python_command(&interpreter.executable)
        .args(["-I", "-m", "venv", "--without-pip", "--symlinks"])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| EnvironmentError::Step {
            doing: "start Python",
            source,
        })?;
    if output.status.success() {
        return Ok(());
    }
    let reason = last_line(&output.stderr);
    Err(if reason.contains("No space left on device") {
        EnvironmentError::DiskFull {
            folder: data_dir.to_owned(),
        }
    } else {
        EnvironmentError::PythonBroken {
            python: interpreter.executable.clone(),
            reason,
        }
    })
}

/// Compiles the packages, so that no run has to.
///
/// Compiled code names its source: by the path that programs see, not by the one of the host.
fn compile_packages(python: &Path, folder: &Path) -> Result<(), EnvironmentError> {
    let compile = |at_once: &[&str]| {
        let compiled = python_command(python)
            .args(["-I", "-m", "compileall", "-q"])
            .args(at_once)
            .arg("-s")
            .arg(folder)
            .args(["-p", SEEN_AT])
            .arg(folder.join("lib"))
            .stdin(Stdio::null())
            .output();
        compiled.map_err(|source| EnvironmentError::Step {
            doing: "compile the packages",
            source,
        })
    };
    // On every processor, for which the host must have semaphores; else one after the other, without those that
    // are compiled. Where some file of a package is no Python, as a template may be, the rest is compiled all
    // the same, so the second exit code says nothing of use.
    if !compile(&["-j", "0"])?.status.success() {
        compile(&[])?;
    }
    Ok(())
}

/// Our pip, and where it works.
struct Pip<'a> {
    /// The Python to run it with: it installs for that one.
    python: &'a Path,
    /// A folder of its own for all it writes beside what it installs.
    work: &'a Path,
    /// The folder to name where the disk is full.
    place: &'a Path,
}

impl Pip<'_> {
    /// Runs pip with the lock, telling what it does line by line.
    fn run(
        &self,
        lock: &str,
        command: &[&str],
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), EnvironmentError> {
        let at = |source| EnvironmentError::at(self.place, "prepare pip", source);
        let temporary = self.work.join("tmp");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&temporary)
            .map_err(at)?;
        let wheel = self.work.join("pip-26.3-py3-none-any.whl");
        fs::write(&wheel, PIP).map_err(at)?;
        let requirements = self.work.join("requirements.lock");
        fs::write(&requirements, lock).map_err(at)?;

        let mut child = python_command(self.python)
            .args(["-I", "-c", INSTALL])
            .arg(&wheel)
            .args(command)
            .args([
                "--no-input",
                "--no-color",
                "--progress-bar=off",
                "--disable-pip-version-check",
            ])
            .args([
                "--require-hashes",
                "--only-binary=:all:",
                "--no-deps",
                "--requirement",
            ])
            .arg(&requirements)
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| EnvironmentError::Step {
                doing: "start pip",
                source,
            })?;
        let errors = child
            .stderr
            .take()
            .map(|pipe| thread::spawn(move || read_some(pipe)));
        if let Some(pipe) = child.stdout.take() {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if let Some(step) = step_of(&String::from_utf8_lossy(&line)) {
                    progress(&step);
                }
            }
        }
        let status = child.wait().map_err(|source| EnvironmentError::Step {
            doing: "wait for pip",
            source,
        })?;
        let errors = errors
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        if status.success() {
            Ok(())
        } else {
            Err(EnvironmentError::of_pip(self.place, &errors))
        }
    }
}

/// Reads to the end, keeping the first part.
fn read_some(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = pipe.read(&mut buffer) {
        let room = ERRORS_MAX.saturating_sub(kept.len());
        kept.extend(buffer.iter().take(count.min(room)));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// What a line of pip's output means to somebody who waits, if anything.
fn step_of(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("Collecting ") {
        let requirement = rest.split_whitespace().next()?;
        return Some(format!("fetching {}", requirement.replacen("==", " ", 1)));
    }
    line.starts_with("Installing collected packages")
        .then(|| "installing the packages".to_owned())
}

/// Removes the programs that packages bring: nothing starts them, and they name the folder we leave.
fn remove_scripts(bin: &Path) -> io::Result<()> {
    for entry in bin.read_dir()? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("python") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Lets everybody read: a run has an id of its own, and the user's mask may be 077.
fn open_modes(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
        for entry in folder.read_dir()? {
            let entry = entry?;
            let metadata = entry.path().symlink_metadata()?;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if !metadata.is_symlink() {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                let mode = if executable { 0o755 } else { 0o644 };
                fs::set_permissions(entry.path(), Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}

/// Tries in a temporary folder what making an environment takes, and leaves nothing behind.
pub(super) fn rehearse(data_dir: &Path, interpreter: &Interpreter) -> Result<(), EnvironmentError> {
    let nearest = data_dir
        .ancestors()
        .find(|folder| folder.exists())
        .unwrap_or_else(|| Path::new("."));
    rustix::fs::access(
        nearest,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    )
    .map_err(|errno| EnvironmentError::at(data_dir, "write to the data folder", errno.into()))?;
    check_space(nearest)?;
    let work = std::env::temp_dir().join(format!("hognose-rehearsal-{}", std::process::id()));
    DirBuilder::new()
        .mode(0o700)
        .create(&work)
        .map_err(|source| EnvironmentError::Step {
            doing: "make a temporary folder",
            source,
        })?;
    let fetched = work.to_string_lossy().into_owned();
    let pip = Pip {
        python: &interpreter.executable,
        work: &work,
        place: &work,
    };
    let command = ["download", "--dest", &fetched];
    let result = pip.run(&requirement(SMALLEST), &command, &mut |_line| {});
    drop(fs::remove_dir_all(&work));
    result
}

/// The lock's lines about one package.
fn requirement(package: &str) -> String {
    let start = format!("{package}==");
    let mut lines = LOCK.lines().skip_while(|line| !line.starts_with(&start));
    let head = lines.next().unwrap_or_default();
    let rest = lines.take_while(|line| line.starts_with(' '));
    std::iter::once(head)
        .chain(rest)
        .fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_and_has_hashes() {
        let mut packages = 0;
        let mut lines = LOCK
            .lines()
            .filter(|line| !line.starts_with('#'))
            .peekable();
        while let Some(line) = lines.next() {
            assert!(line.contains("==") && line.ends_with(" \\"), "{line}");
            let mut hashes = 0;
            while lines
                .next_if(|line| line.starts_with("    --hash=sha256:"))
                .is_some()
            {
                hashes += 1;
            }
            assert!(hashes > 0, "{line} has no hash");
            packages += 1;
        }
        assert!(packages >= 7, "only {packages} packages");
    }

    #[test]
    fn a_rehearsal_knows_the_hashes_of_what_it_fetches() {
        let lines = requirement(SMALLEST);
        assert!(
            lines.starts_with("defusedxml==") && lines.contains("--hash=sha256:"),
            "{lines}"
        );
        assert_eq!(lines.matches("==").count(), 1);
    }

    #[test]
    fn pip_is_told_in_words_that_help() {
        assert_eq!(
            step_of("Collecting numpy==2.4.6 (from -r x)").as_deref(),
            Some("fetching numpy 2.4.6")
        );
        assert_eq!(step_of("  Using cached numpy.whl (16 MB)"), None);
    }

    #[test]
    fn everybody_may_read_and_only_programs_run() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        DirBuilder::new().mode(0o700).create(at("inner")).unwrap();
        for (name, mode) in [("inner/data", 0o600), ("inner/program", 0o700)] {
            fs::write(at(name), "").unwrap();
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        }
        open_modes(folder.path()).unwrap();
        let mode = |name: &str| fs::metadata(at(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            [mode("inner"), mode("inner/data"), mode("inner/program")],
            [0o755, 0o644, 0o755]
        );
    }

    #[test]
    fn what_a_killed_maker_left_is_removed_and_nothing_else() {
        let data = tempfile::tempdir().unwrap();
        for name in [
            "environment.making-1",
            "environment.old-2",
            "environment",
            "other",
        ] {
            DirBuilder::new().create(data.path().join(name)).unwrap();
        }
        remove_garbage(data.path());
        let mut left: Vec<_> = data
            .path()
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        left.sort();
        assert_eq!(left, ["environment", "other"]);
    }
}
