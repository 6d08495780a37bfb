//! The Python that programs run on: found, made, checked and described.
//!
//! Below the data folder lies one environment: a venv of the host's `python3` with the packages of
//! `environment/requirements.lock`, each byte pinned. [`Environment::open_or_make`] makes it on the
//! first start, and only opens it on every later one, without starting a Python:
//!
//! ```text
//! data folder/
//!  ├─ environment/                  complete, or it would not have this name
//!  │   ├─ hognose.json                  the record: lock, interpreter, where everything lies
//!  │   └─ lib/python3.N/site-packages   what a run sees
//!  ├─ environment.lock              held by the start that makes one; others wait
//!  └─ environment.making-PID/       half made; renamed when complete, removed by the next start
//! ```
//!
//! A half-made environment is never used, whatever killed its maker: only the last step gives it its
//! name. It is made again when the lock or the interpreter's version changes; when the interpreter
//! was merely updated in place, it is inspected again and kept.
//!
//! pip comes with us (one wheel, embedded), so that the host needs `python3` and nothing else.

mod error;
mod inspect;
mod interpreter;
mod make;
mod record;

use std::path::{Path, PathBuf};

use wire::Runtime;

pub use error::EnvironmentError;
pub use interpreter::Interpreter;

use record::{Opened, Record};

/// The packages, pinned to their bytes.
pub(crate) const LOCK: &str = include_str!("../../../environment/requirements.lock");

/// What a complete environment must be able to import.
const IMPORTS: [&str; 6] = [
    "numpy",
    "numpy.linalg",
    "PIL.Image",
    "PIL.ImageFont",
    "reportlab.pdfgen.canvas",
    "fpdf",
];

/// A Python environment that is complete and known to work.
#[derive(Debug, Clone)]
pub struct Environment {
    folder: PathBuf,
    version: (u8, u8, u8),
    runtime: Runtime,
    warnings: Vec<String>,
}

impl Environment {
    /// Opens the environment below the data folder, making it first where there is none that fits.
    ///
    /// `python` names the interpreter to make it of, where `python3` on the search path is not the
    /// one; `existing` names a finished environment (a venv or any prefix with `bin/python`), which
    /// is used as it is. `progress` is called with one line for each step that takes time.
    ///
    /// Blocks: about ten seconds the first time, a millisecond afterwards.
    ///
    /// # Errors
    ///
    /// An [`EnvironmentError`] says in one sentence what is missing and what to do.
    pub fn open_or_make(
        data_dir: &Path,
        python: Option<&Path>,
        existing: Option<&Path>,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, EnvironmentError> {
        if let Some(existing) = existing {
            return Self::open_existing(data_dir, existing, progress);
        }
        let data_dir = make::data_folder(data_dir)?;
        let folder = data_dir.join(FOLDER);
        if let Opened::Ready(record) = record::open(&folder, python)? {
            return Ok(Self::of(folder, &record));
        }
        let lock = make::take_lock(&data_dir, progress)?;
        // Another start may have made it while this one waited.
        let opened = record::open(&folder, python)?;
        let record = match opened {
            Opened::Ready(record) => record,
            Opened::Updated(old) => {
                progress("the Python interpreter was updated, looking at it again");
                match record::renew(&folder, &old) {
                    Ok(record) => record,
                    Err(_unfit) => make::make(&data_dir, &folder, python, progress)?,
                }
            }
            Opened::Absent | Opened::Stale(_) => make::make(&data_dir, &folder, python, progress)?,
        };
        drop(lock);
        Ok(Self::of(folder, &record))
    }

    /// Opens an environment that somebody else made, and remembers what was found.
    fn open_existing(
        data_dir: &Path,
        existing: &Path,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Self, EnvironmentError> {
        let remembered = data_dir.join(REMEMBERED);
        let folder = inspect::prefix_of(existing)?;
        if let Some(record) = Record::read(&remembered)
            && record.is_of(&folder)
            && record.is_fresh(&folder)
        {
            return Ok(Self::of(folder, &record));
        }
        progress("looking at the Python environment that the settings name");
        let inspection = inspect::inspect(&folder, &IMPORTS)?;
        let record = Record::of(&folder, &inspection, None);
        // It only saves time: a data folder that can't be written is for others to complain about.
        drop(make::data_folder(data_dir));
        drop(record.write(&remembered));
        Ok(Self::of(folder, &record))
    }

    fn of(folder: PathBuf, record: &Record) -> Self {
        Self {
            version: record.version,
            runtime: record.runtime(&folder),
            warnings: record.warnings(&folder),
            folder,
        }
    }

    /// Where everything lies on the host.
    #[must_use]
    pub fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    /// The folder that holds it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Python's version, for instance `(3, 11, 7)`.
    #[must_use]
    pub const fn version(&self) -> (u8, u8, u8) {
        self.version
    }

    /// Sentences about what an environment made elsewhere lacks; none for one of our own.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

/// The environment's folder below the data folder.
const FOLDER: &str = "environment";

/// What was found out about an environment that somebody else made.
const REMEMBERED: &str = "existing-environment.json";

/// How things stand, for `hognose doctor`.
#[derive(Debug)]
pub enum Status {
    /// The next start opens it at once.
    Ready(Environment),
    /// The next start makes it; this is the interpreter it would take.
    NotMade {
        /// The interpreter it would be made of.
        interpreter: Interpreter,
        /// Why the one that is there can't be used, if one is there.
        because: Option<String>,
    },
}

/// Says how things stand without changing anything.
///
/// Where the environment is not made yet, a small package is fetched into a temporary folder to see
/// that making it would work.
///
/// # Errors
///
/// What [`Environment::open_or_make`] would fail with, as far as that can be known beforehand.
pub fn status(
    data_dir: &Path,
    python: Option<&Path>,
    existing: Option<&Path>,
) -> Result<Status, EnvironmentError> {
    if let Some(existing) = existing {
        let folder = inspect::prefix_of(existing)?;
        let inspection = inspect::inspect(&folder, &IMPORTS)?;
        let record = Record::of(&folder, &inspection, None);
        return Ok(Status::Ready(Environment::of(folder, &record)));
    }
    let folder = data_dir
        .canonicalize()
        .unwrap_or_else(|_| data_dir.to_owned())
        .join(FOLDER);
    let because = match record::open(&folder, python)? {
        Opened::Ready(record) => return Ok(Status::Ready(Environment::of(folder, &record))),
        Opened::Updated(old) => {
            let inspection = inspect::inspect(&folder, &IMPORTS)?;
            if let Some(record) = old.renewed(&folder, &inspection) {
                return Ok(Status::Ready(Environment::of(folder, &record)));
            }
            Some("its interpreter changed".to_owned())
        }
        Opened::Stale(because) => Some(because),
        Opened::Absent => None,
    };
    let interpreter = Interpreter::find(python)?;
    make::rehearse(data_dir, &interpreter)?;
    Ok(Status::NotMade {
        interpreter,
        because,
    })
}
