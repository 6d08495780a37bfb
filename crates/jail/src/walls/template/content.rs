//! What is in the root: what is bound from the host, what is written, what leads where.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use wire::Runtime;

/// For whom a root is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For processes of the host's kernel.
    Entered {
        /// Whether a cgroup counts all memory of a run.
        counts_all: bool,
    },
    /// For a kernel that is given it as a folder.
    Sandboxed,
}

/// Where the run's own file system is mounted.
pub const BOX: &str = "/box";
/// Where our guest files lie.
pub const GUEST: &str = "/usr/lib/hognose";
/// Where the environment lies.
pub const ENV: &str = "/env";
/// Where single shared libraries lie that are in no library folder, such as a libpython beside its
/// interpreter. The loader looks here first: the host's folders may hold others of the same name.
pub const LIBRARIES: &str = "/env/lib";

/// The devices a program may expect.
const DEVICES: [&str; 4] = ["null", "full", "random", "urandom"];
/// A device that is memory for whoever maps it, which only a cgroup counts.
const MEMORY_DEVICE: &str = "zero";

/// What is bound where: host path, path in the new root.
pub(super) fn binds(runtime: &Runtime, form: Form) -> Vec<(PathBuf, PathBuf)> {
    let mut binds = vec![
        (runtime.executable.clone(), interpreter(runtime)),
        (runtime.standard_library.clone(), standard_library(runtime)),
        (runtime.site_packages.clone(), site_packages(runtime)),
    ];
    for folder in &runtime.library_folders {
        binds.push((folder.clone(), folder.clone()));
    }
    for file in &runtime.library_files {
        if let Some(name) = file.file_name() {
            binds.push((file.clone(), Path::new(LIBRARIES).join(name)));
        }
    }
    if let Some(zones) = &runtime.time_zones {
        binds.push((zones.clone(), zones.clone()));
    }
    let devices = match form {
        Form::Entered { counts_all: true } => [&DEVICES[..], &[MEMORY_DEVICE]].concat(),
        Form::Entered { counts_all: false } => DEVICES.to_vec(),
        Form::Sandboxed => Vec::new(),
    };
    for device in devices {
        let path = Path::new("/dev").join(device);
        binds.push((path.clone(), path));
    }
    // Outer folders first, so that an inner one is not hidden.
    binds.sort_by_key(|(_, target)| target.components().count());
    binds
}

/// Makes the folders that everything else is put into.
pub(super) fn folders(runtime: &Runtime) -> io::Result<()> {
    for folder in [
        "/usr/bin", "/usr/lib", "/env/bin", "/etc", "/dev", "/proc", BOX, GUEST,
    ] {
        fs::create_dir_all(folder)?;
    }
    fs::create_dir_all(site_packages(runtime))
}

/// Writes the files that are made up, and our guest.
pub(super) fn files(runtime: &Runtime, guest: &[(&str, &[u8])]) -> io::Result<()> {
    let passwd =
        "root:x:0:0:root:/:/nonexistent\nnobody:x:65534:65534:nobody:/box/work:/nonexistent\n";
    let (major, minor) = runtime.version;
    let venv = format!(
        "home = /usr/bin\ninclude-system-site-packages = false\nversion = {major}.{minor}\n"
    );
    let fixed: [(&str, &[u8]); 4] = [
        ("/etc/passwd", passwd.as_bytes()),
        ("/etc/group", b"root:x:0:\nnogroup:x:65534:\n"),
        ("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n"),
        ("/env/pyvenv.cfg", venv.as_bytes()),
    ];
    for (path, content) in fixed {
        write(Path::new(path), content)?;
    }
    for (name, content) in guest {
        write(&Path::new(GUEST).join(name), content)?;
    }
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::write(path, content)?;
    // Whatever the umask was.
    fs::set_permissions(path, Permissions::from_mode(0o644))
}

/// Makes the links: to the interpreter, to the run's own folders and streams, and those that systems have.
pub(super) fn links(runtime: &Runtime, form: Form) -> io::Result<()> {
    let interpreter = interpreter(runtime);
    let name = name(runtime);
    for link in ["/env/bin/python3", "/env/bin/python", "/usr/bin/python3"] {
        symlink(&interpreter, link)?;
    }
    symlink(&interpreter, Path::new("/env/bin").join(name))?;
    match form {
        Form::Entered { .. } => {
            for (link, target) in [
                ("/tmp", "box/tmp"),
                ("/dev/shm", "../box/shm"),
                ("/dev/fd", "../proc/self/fd"),
                ("/dev/stdin", "../proc/self/fd/0"),
                ("/dev/stdout", "../proc/self/fd/1"),
                ("/dev/stderr", "../proc/self/fd/2"),
            ] {
                symlink(target, link)?;
            }
        }
        // To be mounted upon: through a link it would be something else.
        Form::Sandboxed => {
            for folder in ["/tmp", "/dev/shm", "/sys"] {
                fs::create_dir_all(folder)?;
            }
        }
    }
    // `/lib` and `/lib64` are links on most systems; where libraries are bound at such a path
    // itself, it exists already.
    for (link, target) in [
        ("/lib", "usr/lib"),
        ("/lib64", "usr/lib64"),
        ("/bin", "usr/bin"),
    ] {
        if !Path::new(link).exists() {
            fs::create_dir_all(Path::new("/").join(target))?;
            symlink(target, link)?;
        }
    }
    default_libraries(runtime)?;
    loader(&runtime.loader)
}

/// A child with an environment of its own, without `LD_LIBRARY_PATH`, finds the interpreter's
/// library where every loader looks last.
fn default_libraries(runtime: &Runtime) -> io::Result<()> {
    let folder = Path::new("/usr/lib");
    if runtime.library_folders.iter().any(|bound| bound == folder) {
        return Ok(());
    }
    for name in runtime
        .library_files
        .iter()
        .filter_map(|file| file.file_name())
    {
        let link = folder.join(name);
        if !link.exists() {
            symlink(Path::new(LIBRARIES).join(name), link)?;
        }
    }
    Ok(())
}

/// The path at which the kernel looks for the dynamic loader must lead to it.
fn loader(path: &Path) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let Some(file) = path.file_name() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let found = find(Path::new("/usr"), file).ok_or_else(|| {
        io::Error::other(format!(
            "the dynamic loader {} is in no library folder",
            path.display()
        ))
    })?;
    // Never through a link that is ours: `/lib64/x` is made as `/usr/lib64/x`.
    let folder = path.parent().map(fs::canonicalize).transpose()?;
    symlink(found, folder.unwrap_or_default().join(file))
}

fn find(folder: &Path, file: &OsStr) -> Option<PathBuf> {
    let direct = folder.join(file);
    if direct.exists() {
        return Some(direct);
    }
    if folder
        .components()
        .filter(|c| matches!(c, Component::Normal(_)))
        .count()
        >= 3
    {
        return None;
    }
    fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .find_map(|entry| find(&entry.path(), file))
}

fn name(runtime: &Runtime) -> String {
    let (major, minor) = runtime.version;
    format!("python{major}.{minor}")
}

fn interpreter(runtime: &Runtime) -> PathBuf {
    Path::new("/usr/bin").join(name(runtime))
}

/// Where the interpreter's library lies.
pub(super) fn standard_library(runtime: &Runtime) -> PathBuf {
    Path::new("/usr/lib").join(name(runtime))
}

fn site_packages(runtime: &Runtime) -> PathBuf {
    Path::new(LIBRARIES)
        .join(name(runtime))
        .join("site-packages")
}
