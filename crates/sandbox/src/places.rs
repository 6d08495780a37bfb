//! Where things lie on the host, as no answer tells it.
//!
//! Where a run has a root of its own it sees nothing but that. On the tier `landlock` it lives among the host's
//! files, and tracebacks of libraries show where those are. What is said of such places is put as it reads
//! everywhere else. (A program can still learn them, and say them in other words or files.)

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use memchr::memmem;
use wire::{Setup, Tier};

/// The places of the host's that all runs of a pool could tell.
#[derive(Debug)]
pub(crate) struct Places {
    /// What stands for what, nothing where there is nothing to hide.
    known: Option<Vec<Place>>,
}

/// One place, and how it is told.
#[derive(Debug)]
struct Place {
    from: PathBuf,
    told: String,
}

impl Places {
    /// Those of a pool's.
    pub(crate) fn of(setup: &Setup) -> Self {
        Self {
            known: (setup.tier == Tier::Landlock).then(|| of_the_runtime(setup)),
        }
    }

    /// Puts them, and those of the run with this box, as they read elsewhere.
    pub(crate) fn hide(&self, own_box: &OwnedFd, text: &mut Vec<u8>) {
        // Whatever it is, it has a slash.
        let Some(known) = self.known.as_ref().filter(|_| text.contains(&b'/')) else {
            return;
        };
        for place in of_the_run(own_box).iter().chain(known) {
            place.hide(text);
        }
    }
}

/// Inner places first.
fn of_the_runtime(setup: &Setup) -> Vec<Place> {
    let runtime = &setup.runtime;
    let (major, minor) = runtime.version;
    let python = format!("python{major}.{minor}");
    let library = &runtime.standard_library;
    let mut places = vec![
        (
            runtime.site_packages.clone(),
            format!("/env/lib/{python}/site-packages"),
        ),
        (library.clone(), format!("/usr/lib/{python}")),
        (runtime.executable.clone(), format!("/usr/bin/{python}")),
    ];
    for file in &runtime.library_files {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        places.push((file.clone(), format!("/env/lib/{name}")));
    }
    // What the interpreter calls its prefix: the folder of `lib/python3.11`.
    let prefix = library.parent().and_then(Path::parent);
    places.extend(prefix.map(|prefix| (prefix.to_owned(), "/usr".to_owned())));
    let named = |from: &Path| from.components().count() > 1;
    let places = places.into_iter().map(|(from, told)| Place { from, told });
    places.filter(|place| named(&place.from)).collect()
}

/// The box, and what lies beside all boxes.
fn of_the_run(own_box: &OwnedFd) -> Vec<Place> {
    let link = format!("/proc/self/fd/{}", own_box.as_raw_fd());
    let Ok(own_box) = std::fs::read_link(link) else {
        return Vec::new();
    };
    let place = |from: PathBuf, told: &str| Place {
        from,
        told: told.to_owned(),
    };
    let home = own_box.parent().and_then(Path::parent).map(Path::to_owned);
    let mut places = vec![place(own_box, "/box")];
    if let Some(home) = home {
        places.push(place(home.join("env"), "/env"));
        places.push(place(home.join("guest"), "/usr/lib/hognose"));
        places.push(place(home, "/run"));
    }
    places
}

impl Place {
    /// Wherever it stands as a whole, or as the beginning of a path.
    fn hide(&self, text: &mut Vec<u8>) {
        let from = self.from.as_os_str().as_bytes();
        let finder = memmem::Finder::new(from);
        let mut told = Vec::new();
        let mut rest = text.as_slice();
        while let Some((before, after)) = finder
            .find(rest)
            .and_then(|at| Some((rest.get(..at)?, rest.get(at + from.len()..)?)))
        {
            told.extend_from_slice(before);
            let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.".contains(byte);
            match after.first().is_some_and(goes_on) {
                true => told.extend_from_slice(from),
                false => told.extend_from_slice(self.told.as_bytes()),
            }
            rest = after;
        }
        if rest.len() < text.len() {
            told.extend_from_slice(rest);
            *text = told;
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::{Kind, Limits, Runtime};

    use super::*;

    fn setup(tier: Tier) -> Setup {
        Setup {
            tier,
            runsc: None,
            scratch: PathBuf::from("/srv/data"),
            runtime: Runtime {
                version: (3, 11),
                executable: PathBuf::from("/opt/py/bin/python3.11"),
                standard_library: PathBuf::from("/opt/py/lib/python3.11"),
                site_packages: PathBuf::from("/srv/data/environment/lib/python3.11/site-packages"),
                library_folders: Vec::new(),
                library_files: vec![PathBuf::from("/opt/py/lib/libpython3.11.so.1.0")],
                loader: PathBuf::from("/lib64/ld-linux-x86-64.so.2"),
                time_zones: None,
            },
            limits: Limits {
                memory_bytes_max: 0,
                processes_max: 0,
                workspace_bytes_max: 0,
                workspace_files_max: 0,
                cpu_seconds_max: 0,
            },
            imports_allowed: Vec::new(),
            kinds: vec![Kind::Core],
        }
    }

    fn told(tier: Tier, text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let own_box = folder.path().join("hognose-runs-7/boxes/a1");
        std::fs::create_dir_all(&own_box).unwrap();
        let home = folder.path().canonicalize().unwrap();
        let own_box = OwnedFd::from(std::fs::File::open(&own_box).unwrap());
        let mut text = text.replace("HOME", &home.to_string_lossy()).into_bytes();
        Places::of(&setup(tier)).hide(&own_box, &mut text);
        String::from_utf8(text)
            .unwrap()
            .replace(&*home.to_string_lossy(), "HOME")
    }

    #[test]
    fn paths_of_the_host_read_as_natively() {
        for (said, expected) in [
            (
                "File \"/opt/py/lib/python3.11/json/decoder.py\", line 3",
                "File \"/usr/lib/python3.11/json/decoder.py\", line 3",
            ),
            (
                "/srv/data/environment/lib/python3.11/site-packages/numpy",
                "/env/lib/python3.11/site-packages/numpy",
            ),
            (
                "HOME/hognose-runs-7/env/lib/python3.11/site-packages/numpy",
                "/env/lib/python3.11/site-packages/numpy",
            ),
            ("HOME/hognose-runs-7/boxes/a1/work", "/box/work"),
            (
                "HOME/hognose-runs-7/guest/unit.py",
                "/usr/lib/hognose/unit.py",
            ),
            ("/opt/py/bin/python3.11\n", "/usr/bin/python3.11\n"),
            (
                "/opt/py/lib/libpython3.11.so.1.0",
                "/env/lib/libpython3.11.so.1.0",
            ),
            ("('/opt/py', '/opt/py/share')", "('/usr', '/usr/share')"),
            // Others.
            (
                "/opt/python/lib and /opt/py-2",
                "/opt/python/lib and /opt/py-2",
            ),
            ("nothing", "nothing"),
        ] {
            assert_eq!(told(Tier::Landlock, said), expected);
            assert_eq!(told(Tier::Native, said), said);
        }
    }
}
