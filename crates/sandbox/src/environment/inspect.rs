//! Looking at an environment: where its parts lie, and what it can import.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use wire::Runtime;

use super::EnvironmentError;
use super::interpreter::{Interpreter, last_line, python_command};

/// The script that an environment's Python answers with where everything lies.
const LOCATE: &str = include_str!("../../../../environment/locate.py");

/// What `locate.py` prints.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Inspection {
    pub(super) version: (u8, u8, u8),
    pub(super) abi: String,
    pub(super) executable: PathBuf,
    prefix: PathBuf,
    pub(super) standard_library: PathBuf,
    pub(super) site_packages: PathBuf,
    pure_packages: PathBuf,
    libraries: Vec<PathBuf>,
    loader: PathBuf,
    time_zones: Option<PathBuf>,
    /// What could not be imported, and Python's words for why.
    pub(super) missing: BTreeMap<String, String>,
}

/// The folder of an environment that the settings name, links resolved.
pub(super) fn prefix_of(existing: &Path) -> Result<PathBuf, EnvironmentError> {
    let not = |reason: &str| EnvironmentError::NotAnEnvironment {
        folder: existing.to_owned(),
        reason: reason.to_owned(),
    };
    let folder = existing
        .canonicalize()
        .map_err(|error| not(&error.to_string()))?;
    if python_of(&folder).exists() {
        Ok(folder)
    } else {
        Err(not("it has no bin/python3"))
    }
}

/// The environment's own interpreter.
fn python_of(folder: &Path) -> PathBuf {
    folder.join("bin/python3")
}

/// Starts the environment's Python and lets it tell where everything lies.
pub(super) fn inspect(folder: &Path, imports: &[&str]) -> Result<Inspection, EnvironmentError> {
    let python = python_of(folder);
    Interpreter::identify(&python)?;
    let output = python_command(&python)
        .args(["-I", "-B", "-c", LOCATE])
        .args(imports)
        .env("OPENBLAS_NUM_THREADS", "1")
        .stdin(Stdio::null())
        .output()
        .map_err(|source| EnvironmentError::Step {
            doing: "start the environment's Python",
            source,
        })?;
    let broken = |reason: String| EnvironmentError::PythonBroken {
        python: python.clone(),
        reason,
    };
    if !output.status.success() {
        return Err(broken(last_line(&output.stderr)));
    }
    let inspection: Inspection = serde_json::from_slice(&output.stdout)
        .map_err(|error| broken(format!("it gave no sensible answer: {error}")))?;
    let reason = if inspection.loader.as_os_str().is_empty() {
        "its interpreter is not a program that a dynamic loader starts"
    } else if inspection.pure_packages != inspection.site_packages {
        "it keeps its packages in two folders"
    } else if !inspection.site_packages.is_dir() {
        "it has no folder of packages"
    } else {
        return Ok(inspection);
    };
    Err(EnvironmentError::NotAnEnvironment {
        folder: folder.to_owned(),
        reason: reason.to_owned(),
    })
}

impl Inspection {
    /// Where everything lies, as the keeper wants to know it.
    pub(super) fn runtime(&self) -> Runtime {
        let (library_folders, library_files) = self.sort_libraries();
        Runtime {
            version: (self.version.0, self.version.1),
            executable: self.executable.clone(),
            standard_library: self.standard_library.clone(),
            site_packages: self.site_packages.clone(),
            library_folders,
            library_files,
            loader: self.loader.clone(),
            time_zones: self.time_zones.clone(),
        }
    }

    /// Sorts what was loaded into system folders, bound whole, and single files from elsewhere.
    fn sort_libraries(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let mut folders = BTreeSet::new();
        let mut files = BTreeSet::new();
        let ours = [&self.standard_library, &self.site_packages];
        for library in &self.libraries {
            if ours.iter().any(|folder| library.starts_with(folder)) {
                continue;
            }
            match system_folder(library) {
                Some(folder) => drop(folders.insert(folder)),
                None => files.extend(names_of(library)),
            }
        }
        (folders.into_iter().collect(), files.into_iter().collect())
    }

    /// Every file whose change means that all this must be looked at again.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        let mut watched = vec![self.executable.clone(), self.standard_library.join("os.py")];
        let below_prefix = |path: &&PathBuf| path.starts_with(&self.prefix);
        let (_, files) = self.sort_libraries();
        watched.extend(files.iter().filter(below_prefix).cloned());
        watched
    }
}

/// The system's folder of libraries that holds this one, if one does.
///
/// `/usr/lib64`, `/usr/lib/x86_64-linux-gnu` and their likes are bound whole, because the loader finds
/// libraries there by names that are links. `/usr/lib` itself only where libraries lie directly in it
/// (Arch): elsewhere it holds much that programs have no business with.
fn system_folder(library: &Path) -> Option<PathBuf> {
    let mut parts = library.components();
    (parts.next() == Some(Component::RootDir)).then_some(())?;
    let mut folder = PathBuf::from("/");
    let mut next = parts.next()?;
    if next.as_os_str() == "usr" {
        folder.push("usr");
        next = parts.next()?;
    }
    match next.as_os_str().to_str()? {
        "lib64" => Some(folder.join("lib64")),
        "lib" => {
            folder.push("lib");
            let below = parts.next()?;
            if parts.next().is_none() {
                return Some(folder);
            }
            let multiarch = below.as_os_str().to_str()?.contains("-linux-gnu");
            multiarch.then(|| folder.join(below))
        }
        _ => None,
    }
}

/// The names a library has in its folder: the loader looks for `libz.so.1`, a link to the file itself.
fn names_of(library: &Path) -> Vec<PathBuf> {
    let mut names = vec![library.to_owned()];
    let entries = library.parent().and_then(|folder| folder.read_dir().ok());
    for path in entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        let versioned = path
            .file_name()
            .is_some_and(|n| n.to_string_lossy().contains(".so."));
        if versioned && path.is_symlink() && path.canonicalize().is_ok_and(|real| real == library) {
            names.push(path);
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn sample() -> Inspection {
        Inspection {
            version: (3, 11, 7),
            abi: "cpython-311-x86_64-linux-gnu".to_owned(),
            executable: "/opt/python/bin/python3.11".into(),
            prefix: "/opt/python".into(),
            standard_library: "/opt/python/lib/python3.11".into(),
            site_packages: "/data/environment/lib/python3.11/site-packages".into(),
            pure_packages: "/data/environment/lib/python3.11/site-packages".into(),
            libraries: Vec::new(),
            loader: "/lib64/ld-linux-x86-64.so.2".into(),
            time_zones: None,
            missing: BTreeMap::new(),
        }
    }

    #[test]
    fn system_libraries_come_by_the_folder_and_others_by_the_file() {
        let inspection = Inspection {
            libraries: [
                "/opt/python/lib/libpython3.11.so.1.0",
                "/opt/python/lib/python3.11/lib-dynload/math.so",
                "/data/environment/lib/python3.11/site-packages/numpy.libs/libblas.so",
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                "/usr/lib/x86_64-linux-gnu/blas/libblas.so.3",
                "/usr/lib64/libz.so.1.2.11",
                "/usr/local/lib/libodd.so",
            ]
            .map(PathBuf::from)
            .to_vec(),
            ..sample()
        };
        let runtime = inspection.runtime();
        let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64"].map(PathBuf::from);
        assert_eq!(runtime.library_folders, folders);
        let files = [
            "/opt/python/lib/libpython3.11.so.1.0",
            "/usr/local/lib/libodd.so",
        ];
        assert_eq!(runtime.library_files, files.map(PathBuf::from));
        assert_eq!(
            inspection.watched(),
            [
                "/opt/python/bin/python3.11",
                "/opt/python/lib/python3.11/os.py",
                "/opt/python/lib/libpython3.11.so.1.0"
            ]
            .map(PathBuf::from)
        );
    }

    #[test]
    fn usr_lib_is_bound_whole_only_where_libraries_lie_directly_in_it() {
        assert_eq!(
            system_folder(Path::new("/usr/lib/libc.so.6")),
            Some("/usr/lib".into())
        );
        assert_eq!(system_folder(Path::new("/usr/lib/odd/libodd.so")), None);
        assert_eq!(
            system_folder(Path::new("/lib/libc.so.6")),
            Some("/lib".into())
        );
        assert_eq!(
            system_folder(Path::new("/lib/aarch64-linux-gnu/libc.so.6")),
            Some("/lib/aarch64-linux-gnu".into())
        );
        assert_eq!(system_folder(Path::new("libc.so.6")), None);
    }

    #[test]
    fn a_library_comes_with_the_name_the_loader_looks_for() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().canonicalize().unwrap().join(name);
        std::fs::write(at("libz.so.1.3.1"), "").unwrap();
        symlink("libz.so.1.3.1", at("libz.so.1")).unwrap();
        symlink("libz.so.1", at("libz.so")).unwrap();
        symlink("libother.so.1", at("libmissing.so.1")).unwrap();
        assert_eq!(
            names_of(&at("libz.so.1.3.1")),
            [at("libz.so.1.3.1"), at("libz.so.1")]
        );
    }

    #[test]
    fn a_folder_without_a_python_is_no_environment() {
        let folder = tempfile::tempdir().unwrap();
        let error = prefix_of(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("is not a Python environment (it has no bin/python3)"),
            "{error}"
        );
    }
}
