//! Finding a Python and asking it what it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::EnvironmentError;

/// The script that a Python answers with what it is.
const ASK: &str = include_str!("../../../../environment/ask.py");

/// A Python that an environment can be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The base interpreter, links and shims resolved.
    pub executable: PathBuf,
    /// Its version, for instance `(3, 11, 7)`.
    pub version: (u8, u8, u8),
    /// What its extension modules must be built for: `cpython-311-x86_64-linux-gnu`.
    pub abi: String,
}

/// What `ask.py` prints. A Python too old for it prints the version alone.
#[derive(Debug, Deserialize)]
struct Answer {
    version: (u32, u32, u32),
    #[serde(default)]
    implementation: String,
    #[serde(default)]
    executable: PathBuf,
    #[serde(default)]
    machine: String,
    #[serde(default)]
    bits: u32,
    #[serde(default)]
    libc: String,
    #[serde(default)]
    abi: String,
    #[serde(default)]
    free_threaded: bool,
    #[serde(default)]
    missing: Vec<String>,
}

impl Interpreter {
    /// Finds the Python that the settings name, else `python3` on the search path.
    ///
    /// # Errors
    ///
    /// An [`EnvironmentError`] where there is none, or none that will do.
    pub fn find(python: Option<&Path>) -> Result<Self, EnvironmentError> {
        let (interpreter, missing) = Self::ask(python)?;
        if missing.is_empty() {
            return Ok(interpreter);
        }
        Err(EnvironmentError::PythonIncomplete {
            python: interpreter.executable,
            missing: missing.join(", "),
        })
    }

    /// Checks that a finished environment's Python is one that is supported.
    pub(super) fn identify(python: &Path) -> Result<Self, EnvironmentError> {
        Self::ask(Some(python)).map(|(interpreter, _missing)| interpreter)
    }

    /// Asks a Python what it is, and which standard modules it lacks.
    fn ask(python: Option<&Path>) -> Result<(Self, Vec<String>), EnvironmentError> {
        let asked = python.unwrap_or_else(|| Path::new("python3"));
        let output = python_command(asked)
            .args(["-I", "-c", ASK])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound => EnvironmentError::NoPython {
                    asked: python.map_or_else(
                        || "python3 on the search path".to_owned(),
                        |path| format!("Python at {}", path.display()),
                    ),
                },
                _ => EnvironmentError::PythonBroken {
                    python: asked.to_owned(),
                    reason: source.to_string(),
                },
            })?;
        if !output.status.success() {
            return Err(EnvironmentError::PythonBroken {
                python: asked.to_owned(),
                reason: last_line(&output.stderr),
            });
        }
        let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|error| {
            EnvironmentError::PythonBroken {
                python: asked.to_owned(),
                reason: format!("it gave no sensible answer: {error}"),
            }
        })?;
        answer.judge(asked)
    }
}

impl Answer {
    /// Tells whether this Python will do.
    fn judge(self, asked: &Path) -> Result<(Interpreter, Vec<String>), EnvironmentError> {
        let python = if self.executable.as_os_str().is_empty() {
            asked.to_owned()
        } else {
            self.executable.clone()
        };
        let (major, minor, patch) = self.version;
        let unfit = if (major, minor) < (3, 10) {
            Some(format!("Python {major}.{minor}.{patch}"))
        } else if self.implementation != "cpython" {
            Some(format!("{} {major}.{minor}", self.implementation))
        } else if (major, minor) > (3, 14) {
            Some(format!(
                "Python {major}.{minor}, newer than the packages are known to work with"
            ))
        } else if self.free_threaded {
            Some("a free-threaded build".to_owned())
        } else if !self.libc.starts_with("glibc") {
            Some("built for another C library than glibc (musl?)".to_owned())
        } else if self.bits != 64 || !matches!(self.machine.as_str(), "x86_64" | "aarch64") {
            Some(format!("a {}-bit build on {}", self.bits, self.machine))
        } else {
            None
        };
        if let Some(what) = unfit {
            return Err(EnvironmentError::PythonUnsupported { python, what });
        }
        let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
        let version = (small(major), small(minor), small(patch));
        Ok((
            Interpreter {
                executable: python,
                version,
                abi: self.abi,
            },
            self.missing,
        ))
    }
}

/// A command that runs a Python, deaf to what the user's shell says about Python.
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is made before the first request, and no request reaches this"
)]
pub(super) fn python_command(python: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(python);
    for name in [
        "PYTHONHOME",
        "PYTHONPATH",
        "PYTHONSTARTUP",
        "VIRTUAL_ENV",
        "__PYVENV_LAUNCHER__",
    ] {
        command.env_remove(name);
    }
    // Nothing that runs here needs the keys to the service.
    command
        .env_remove("HOGNOSE_ADMIN_KEY")
        .env_remove("PYTHON_EXE_KEY");
    command
}

/// The last line that says something, shortened.
pub(super) fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .map_or_else(
            || "it said nothing".to_owned(),
            |line| line.chars().filter(|c| !c.is_control()).take(300).collect(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        Answer {
            version: (3, 11, 7),
            implementation: "cpython".to_owned(),
            executable: "/usr/bin/python3.11".into(),
            machine: "x86_64".to_owned(),
            bits: 64,
            libc: "glibc 2.36".to_owned(),
            abi: "cpython-311-x86_64-linux-gnu".to_owned(),
            free_threaded: false,
            missing: Vec::new(),
        }
    }

    fn refused(answer: Answer) -> String {
        answer
            .judge(Path::new("python3"))
            .expect_err("it must be refused")
            .to_string()
    }

    #[test]
    fn a_fitting_python_is_taken() {
        let (interpreter, missing) = answer().judge(Path::new("python3")).unwrap();
        assert!(missing.is_empty());
        assert_eq!(interpreter.version, (3, 11, 7));
        assert_eq!(interpreter.executable, Path::new("/usr/bin/python3.11"));
    }

    #[test]
    fn each_unfit_python_is_refused_by_name() {
        let old = Answer {
            version: (3, 9, 2),
            ..answer()
        };
        assert!(refused(old).starts_with("/usr/bin/python3.11 is Python 3.9.2, and hognose needs"));
        let pypy = Answer {
            implementation: "pypy".to_owned(),
            ..answer()
        };
        assert!(refused(pypy).contains("is pypy 3.11,"));
        let new = Answer {
            version: (3, 15, 0),
            ..answer()
        };
        assert!(refused(new).contains("is Python 3.15, newer"));
        let free = Answer {
            free_threaded: true,
            ..answer()
        };
        assert!(refused(free).contains("is a free-threaded build"));
        let musl = Answer {
            libc: String::new(),
            ..answer()
        };
        assert!(refused(musl).contains("musl"));
        let small = Answer {
            bits: 32,
            ..answer()
        };
        assert!(refused(small).contains("a 32-bit build on x86_64"));
    }

    #[test]
    fn a_python_that_is_not_there_is_named() {
        let error = Interpreter::find(Some(Path::new("/nowhere/python3"))).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("there is no Python at /nowhere/python3: install")
        );
    }
}
