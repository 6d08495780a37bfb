//! Why there is no environment, each with its remedy.

use std::io;
use std::path::PathBuf;

/// Why programs have no Python to run on. Every message ends with what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// No interpreter was found, or the named one does not exist.
    #[error(
        "there is no {asked}: install Python {OLDEST} or newer (on Debian and Ubuntu: apt-get install python3), \
         or name one with the setting `python`"
    )]
    NoPython {
        /// What was looked for.
        asked: String,
    },
    /// The interpreter does not run.
    #[error(
        "{} does not run ({reason}): repair it, or name another Python with the setting `python`",
        python.display()
    )]
    PythonBroken {
        /// The interpreter.
        python: PathBuf,
        /// What it said.
        reason: String,
    },
    /// The interpreter runs but is not one that hognose supports.
    #[error(
        "{} is {what}, and hognose needs CPython {OLDEST} to {NEWEST} on Linux with glibc: install one, \
         and name it with the setting `python`",
        python.display()
    )]
    PythonUnsupported {
        /// The interpreter.
        python: PathBuf,
        /// What it is, for instance `PyPy`.
        what: String,
    },
    /// Parts of the standard library are not there.
    #[error(
        "{} lacks the standard modules {missing}: install the whole of Python (on Debian and Ubuntu: \
         apt-get install python3 python3-venv), or name another one with the setting `python`",
        python.display()
    )]
    PythonIncomplete {
        /// The interpreter.
        python: PathBuf,
        /// The modules, with commas between.
        missing: String,
    },
    /// The data folder can't be used.
    #[error(
        "cannot write to the data folder {}: make it writable, or name another one with \
         HOGNOSE_DATA_DIR or --data-dir",
        folder.display()
    )]
    FolderNotWritable {
        /// The folder.
        folder: PathBuf,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
    /// The disk is full.
    #[error(
        "the disk that holds {} is full: free {NEEDED_MB} MB, or name another data folder with \
         HOGNOSE_DATA_DIR or --data-dir",
        folder.display()
    )]
    DiskFull {
        /// The folder that was written to.
        folder: PathBuf,
    },
    /// The package index does not answer.
    #[error(
        "cannot reach the package index ({detail}): connect to the network, or say how to reach it \
         (https_proxy, PIP_INDEX_URL, pip.conf), or name a finished environment with the setting `environment`"
    )]
    NoNetwork {
        /// pip's words.
        detail: String,
    },
    /// The index's certificate is not trusted.
    #[error(
        "the package index has a certificate that is not trusted ({detail}): install your certificates \
         (on Debian and Ubuntu: apt-get install ca-certificates) or name them with PIP_CERT"
    )]
    Certificate {
        /// pip's words.
        detail: String,
    },
    /// A download has other bytes than the lock says.
    #[error(
        "a package has other bytes than the lock says ({detail}): ask the index you use to serve the \
         original files, and do not trust it until it does"
    )]
    HashMismatch {
        /// pip's words.
        detail: String,
    },
    /// The index has no file that fits.
    #[error(
        "the package index has no file that fits this Python and machine ({detail}): use CPython {OLDEST} to \
         {NEWEST} on x86_64 or aarch64, or an index that mirrors all files"
    )]
    NoFile {
        /// pip's words.
        detail: String,
    },
    /// Installing failed in another way.
    #[error("cannot install the packages: {detail}")]
    Install {
        /// pip's words.
        detail: String,
    },
    /// The packages are there but do not work.
    #[error(
        "the packages were installed but do not work ({detail}): name another Python with the setting `python`"
    )]
    Unusable {
        /// What Python said.
        detail: String,
    },
    /// The environment that the settings name is none.
    #[error(
        "{} is not a Python environment ({reason}): name the folder of a venv with the setting `environment`, \
         or leave it out to have one made",
        folder.display()
    )]
    NotAnEnvironment {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A step failed.
    #[error("cannot {doing}")]
    Step {
        /// What failed.
        doing: &'static str,
        /// The kernel's answer.
        #[source]
        source: io::Error,
    },
}

/// The oldest Python that is supported.
pub(super) const OLDEST: &str = "3.10";
/// The newest Python that the lock has wheels for.
pub(super) const NEWEST: &str = "3.14";
/// What making an environment takes, with room for its downloads. Megabytes.
pub(super) const NEEDED_MB: u64 = 400;

impl EnvironmentError {
    /// A step that failed below `folder`, told apart by what the kernel answered.
    pub(super) fn at(folder: impl Into<PathBuf>, doing: &'static str, source: io::Error) -> Self {
        let folder = folder.into();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { folder },
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory => Self::FolderNotWritable { folder, source },
            _ => Self::Step { doing, source },
        }
    }

    /// What a failed pip meant.
    pub(super) fn of_pip(folder: impl Into<PathBuf>, errors: &str) -> Self {
        let detail = pip_detail(errors);
        let has = |words: &[&str]| words.iter().any(|word| errors.contains(word));
        if has(&["No space left on device", "Disk quota exceeded"]) {
            Self::DiskFull {
                folder: folder.into(),
            }
        } else if has(&[
            "DO NOT MATCH THE HASHES",
            "HashMismatch",
            "hashes are required",
        ]) {
            Self::HashMismatch { detail }
        } else if has(&[
            "CERTIFICATE_VERIFY_FAILED",
            "certificate verify failed",
            "SSLError",
        ]) {
            Self::Certificate {
                detail: kernel_detail(errors).unwrap_or(detail),
            }
        } else if has(&[
            "NewConnectionError",
            "NameResolutionError",
            "ConnectTimeout",
            "ReadTimeout",
            "ProxyError",
            "ConnectionResetError",
            "Connection refused",
            "Max retries exceeded",
            "ConnectionError",
            "Failed to resolve",
            "Failed to connect",
            "Unable to connect",
            "Read timed out",
        ]) {
            Self::NoNetwork {
                detail: kernel_detail(errors).unwrap_or(detail),
            }
        } else if has(&["No matching distribution found"]) {
            Self::NoFile { detail }
        } else {
            Self::Install { detail }
        }
    }
}

/// The line of pip's errors that says most: its first error, else the last line.
fn pip_detail(errors: &str) -> String {
    let plain = |line: &str| -> String {
        let line = line.trim().trim_start_matches("ERROR: ");
        line.chars().filter(|c| !c.is_control()).take(300).collect()
    };
    errors
        .lines()
        .find(|line| line.starts_with("ERROR: "))
        .or_else(|| errors.lines().rev().find(|line| !line.trim().is_empty()))
        .map_or_else(|| "pip said nothing".to_owned(), plain)
}

/// The kernel's or the resolver's words inside pip's: `[Errno 111] Connection refused`.
fn kernel_detail(errors: &str) -> Option<String> {
    let (_, after) = errors
        .rsplit_once("[Errno ")
        .or_else(|| errors.rsplit_once("[SSL: "))?;
    let (_, words) = after.split_once("] ")?;
    let words: String = words
        .chars()
        .take_while(|c| !matches!(c, '\'' | '"' | ')' | '\n'))
        .collect();
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pip_says_becomes_the_right_remedy() {
        let unreachable = "WARNING: Retrying (Retry(total=0)) after connection broken by \
            'NewConnectionError(\"...: [Errno -3] Temporary failure in name resolution\")'\n\
            ERROR: Could not find a version that satisfies the requirement numpy==2.4.6\n\
            ERROR: No matching distribution found for numpy==2.4.6\n";
        let error = EnvironmentError::of_pip("/data", unreachable).to_string();
        let expected =
            "cannot reach the package index (Temporary failure in name resolution): connect";
        assert!(error.starts_with(expected), "{error}");
        let absent = "ERROR: Could not find a version that satisfies the requirement numpy==2.4.6\n\
            ERROR: No matching distribution found for numpy==2.4.6\n";
        assert!(matches!(
            EnvironmentError::of_pip("/data", absent),
            EnvironmentError::NoFile { .. }
        ));
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n";
        assert!(matches!(
            EnvironmentError::of_pip("/data", full),
            EnvironmentError::DiskFull { .. }
        ));
        assert_eq!(
            EnvironmentError::of_pip("/data", "odd\n").to_string(),
            "cannot install the packages: odd"
        );
    }

    #[test]
    fn a_full_disk_and_a_read_only_folder_say_different_things() {
        let full = EnvironmentError::at("/data", "make it", io::ErrorKind::StorageFull.into());
        assert!(
            full.to_string()
                .starts_with("the disk that holds /data is full")
        );
        let denied =
            EnvironmentError::at("/data", "make it", io::ErrorKind::PermissionDenied.into());
        assert!(
            denied
                .to_string()
                .starts_with("cannot write to the data folder /data")
        );
    }
}
