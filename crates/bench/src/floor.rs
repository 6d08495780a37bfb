//! The floor: the same interpreter without HTTP, walls or a pool, measured in the same run.
//!
//! Two floors. **Hand-over**: the program is handed to a bare fork that waits, until the fork was
//! seen to end; no service built on waiting forks can be quicker. **Forks**: fork, exit, wait back to
//! back, as Python does it; and without what CPython runs around a fork: no service that forks for
//! every run can do more of those. `floor.py` does all, in the environment's interpreter, with the
//! modules that hognose's own zygotes import.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::BenchError;
use crate::case::Case;
use crate::statistics::Summary;

/// The program that measures.
const PROGRAM: &str = include_str!("floor.py");

/// How many times a program is handed over.
const HAND_OVERS: u32 = 300;
/// How many times one that takes a second is.
const HAND_OVERS_LONG: u32 = 3;
/// How long forks are counted, for each kind and number of processes. Seconds.
const FORKS_SECONDS: f64 = 1.5;

/// The interpreter that the floor and the peer run, and what hognose puts into its own.
#[derive(Debug, Clone)]
pub struct Python {
    /// The environment's `bin/python3`.
    pub program: PathBuf,
    /// hognose's guest, by file name: its lists say what each kind of zygote imports.
    pub guest: &'static [(&'static str, &'static str)],
}

/// Everything that was found about the floor.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Floor {
    /// The interpreter's version.
    pub python: Option<String>,
    /// Handing programs over.
    pub hand_overs: Vec<HandOver>,
    /// Forking back to back.
    pub forks: Vec<Forks>,
}

/// A program handed to a waiting fork.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HandOver {
    /// The program.
    pub case: &'static str,
    /// What the fork had imported.
    pub kind: &'static str,
    /// Until the last byte of output was there. The fork still gives its memory back.
    pub to_output: Summary,
    /// Until the fork was seen to end: the figure to compare with.
    pub to_end: Summary,
    /// The program's own part of it: from its first instruction to its last byte of output.
    pub work: Summary,
}

/// Fork, exit, wait, back to back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forks {
    /// What the interpreter had imported.
    pub kind: &'static str,
    /// Its resident memory. KiB.
    pub rss_kib: u64,
    /// Forks a second with one process on one core.
    pub one_core_per_second: f64,
    /// Forks a second with one process on each core.
    pub all_cores_per_second: f64,
    /// The same without what CPython runs around a fork (hooks of modules, which write to pages of theirs).
    pub all_cores_without_hooks_per_second: f64,
}

impl Floor {
    /// How quickly this case can be at all.
    #[must_use]
    pub fn of(&self, case: Case) -> Option<&HandOver> {
        self.hand_overs.iter().find(|hand| hand.case == case.name())
    }

    /// Forks a second on all cores of an interpreter of this kind.
    #[must_use]
    pub fn forks_of(&self, kind: &str) -> Option<f64> {
        let found = self.forks.iter().find(|forks| forks.kind == kind)?;
        Some(found.all_cores_per_second)
    }
}

/// Whether the floor of a case says anything: one of files is in the files.
const fn has_floor(case: Case) -> bool {
    !matches!(case, Case::Files | Case::Nap)
}

/// Measures the floor of these cases, and the forks of every kind.
pub(crate) fn measure(
    python: &Python,
    cases: &[Case],
    cores: usize,
    progress: &mut dyn FnMut(&str),
) -> Result<Floor, BenchError> {
    let folder = guest_folder(python)?;
    let mut floor = Floor::default();
    for kind in ["bare", "core", "numpy", "full"] {
        progress(&format!("floor: an interpreter of kind {kind}"));
        let mut interpreters = (0..cores)
            .map(|_| Interpreter::start(&python.program, folder.path()))
            .collect::<Result<Vec<_>, _>>()?;
        for interpreter in &mut interpreters {
            interpreter.order(&json!({"do": "load", "kind": kind}))?;
        }
        let mut rss_kib = 0;
        for interpreter in &mut interpreters {
            let loaded: Loaded = interpreter.answer()?;
            rss_kib = loaded.rss_kib;
            floor.python = Some(loaded.python);
        }
        for case in cases.iter().filter(|case| case.kind() == kind) {
            if has_floor(*case)
                && let Some(first) = interpreters.first_mut()
            {
                progress(&format!("floor: handing over {case}"));
                floor.hand_overs.push(hand_over(first, *case)?);
            }
        }
        progress(&format!("floor: fork, exit, wait ({kind})"));
        let one = interpreters.get_mut(..1).unwrap_or_default();
        let one_core_per_second = forks(one, Hooks::Run)?;
        let all_cores_per_second = forks(&mut interpreters, Hooks::Run)?;
        let all_cores_without_hooks_per_second = forks(&mut interpreters, Hooks::Left)?;
        floor.forks.push(Forks {
            kind,
            rss_kib,
            one_core_per_second,
            all_cores_per_second,
            all_cores_without_hooks_per_second,
        });
    }
    Ok(floor)
}

#[derive(Debug, Deserialize)]
struct Loaded {
    rss_kib: u64,
    python: String,
}

#[derive(Debug, Deserialize)]
struct Counted {
    count: u32,
    nanoseconds: u64,
}

#[derive(Debug, Deserialize)]
struct Handed {
    output: Vec<u64>,
    ended: Vec<u64>,
    work: Vec<u64>,
    stdout: String,
}

/// What CPython runs around a fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hooks {
    Run,
    Left,
}

/// Forks a second of these interpreters together, each on a core of its own.
fn forks(interpreters: &mut [Interpreter], hooks: Hooks) -> Result<f64, BenchError> {
    for (cpu, interpreter) in interpreters.iter_mut().enumerate() {
        interpreter.order(&json!({
            "do": "forks", "cpu": cpu, "seconds": FORKS_SECONDS, "hooks": hooks == Hooks::Run,
        }))?;
    }
    let mut all = 0.0;
    for interpreter in interpreters {
        let counted: Counted = interpreter.answer()?;
        let seconds = Duration::from_nanos(counted.nanoseconds).as_secs_f64();
        all += f64::from(counted.count) / seconds;
    }
    Ok(all)
}

fn hand_over(interpreter: &mut Interpreter, case: Case) -> Result<HandOver, BenchError> {
    let work = TempDir::with_prefix("hognose-floor-")
        .map_err(BenchError::doing("make a folder for the floor"))?;
    for (name, bytes) in case.attachments() {
        fs::write(work.path().join(name), bytes)
            .map_err(BenchError::doing("write a file for the floor"))?;
    }
    let runs = if case == Case::Cpu {
        HAND_OVERS_LONG
    } else {
        HAND_OVERS
    };
    interpreter.order(&json!({
        "do": "hand", "code": case.code(), "folder": work.path(), "runs": runs,
    }))?;
    let handed: Handed = interpreter.answer()?;
    if handed.stdout != case.stdout() {
        return Err(BenchError::Floor {
            said: handed.stdout,
        });
    }
    let summary = |times: Vec<u64>| {
        let times = times.into_iter().map(Duration::from_nanos);
        Summary::of(times).ok_or_else(|| BenchError::Floor {
            said: "no times".to_owned(),
        })
    };
    Ok(HandOver {
        case: case.name(),
        kind: case.kind(),
        to_output: summary(handed.output)?,
        to_end: summary(handed.ended)?,
        work: summary(handed.work)?,
    })
}

/// A folder with the guest's Python and the program that measures.
fn guest_folder(python: &Python) -> Result<TempDir, BenchError> {
    let doing = || BenchError::doing("write the floor's program");
    let folder = TempDir::with_prefix("hognose-floor-").map_err(doing())?;
    for (name, text) in python.guest {
        fs::write(folder.path().join(name), text).map_err(doing())?;
    }
    fs::write(folder.path().join("floor.py"), PROGRAM).map_err(doing())?;
    Ok(folder)
}

/// A running `floor.py`. Dropping it ends the process.
struct Interpreter {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Interpreter {
    fn start(python: &Path, guest: &Path) -> Result<Self, BenchError> {
        let mut process = python_command(python)
            .args(["-I", "-B"])
            .arg(guest.join("floor.py"))
            .arg(guest)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::doing("start the floor's interpreter"))?;
        let (Some(orders), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(BenchError::Floor {
                said: "no pipes".to_owned(),
            });
        };
        Ok(Self {
            process,
            orders,
            answers: BufReader::new(answers),
        })
    }

    fn order(&mut self, order: &Value) -> Result<(), BenchError> {
        writeln!(self.orders, "{order}").map_err(BenchError::doing("order the floor"))
    }

    fn answer<T: for<'a> Deserialize<'a>>(&mut self) -> Result<T, BenchError> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(BenchError::doing("hear the floor"))?;
        serde_json::from_str(&line).map_err(|_not_understood| BenchError::Floor {
            said: if line.is_empty() {
                "it ended".to_owned()
            } else {
                line
            },
        })
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // Our own child, not waited for yet: nobody else can have its number.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// A command that runs the environment's Python, with one thread for matrix products as in hognose.
#[expect(
    clippy::disallowed_methods,
    reason = "the bench measures what a bare interpreter costs; no server is in this process"
)]
pub(crate) fn python_command(python: &Path) -> Command {
    let mut command = Command::new(python);
    for name in ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"] {
        command.env(name, "1");
    }
    // Nothing that runs here needs the keys to the service.
    command
        .env_remove("HOGNOSE_ADMIN_KEY")
        .env_remove("PYTHON_EXE_KEY");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The guest as it is in this tree: the floor leans on its lists.
    const GUEST: &[(&str, &str)] = &[
        ("zygote.py", include_str!("../../../guest/zygote.py")),
        ("libraries.py", include_str!("../../../guest/libraries.py")),
        ("blocks.py", include_str!("../../../guest/blocks.py")),
        ("unit.py", include_str!("../../../guest/unit.py")),
        ("guard.py", include_str!("../../../guest/guard.py")),
    ];

    #[test]
    fn the_floor_knows_the_guests_kinds_and_runs_a_program() {
        let program = PathBuf::from("python3");
        let python = Python {
            program,
            guest: GUEST,
        };
        let folder = guest_folder(&python).unwrap();
        let mut interpreter = Interpreter::start(&python.program, folder.path()).unwrap();
        for kind in ["core", "numpy", "full"] {
            // Packages that this Python lacks are passed over; the kinds must be there.
            interpreter
                .order(&json!({"do": "load", "kind": kind}))
                .unwrap();
            let loaded: Loaded = interpreter.answer().unwrap();
            assert!(loaded.rss_kib > 1000 && loaded.python.starts_with('3'));
        }
        for hooks in [true, false] {
            let order = json!({"do": "forks", "cpu": 0, "seconds": 0.05, "hooks": hooks});
            interpreter.order(&order).unwrap();
            let counted: Counted = interpreter.answer().unwrap();
            assert!(counted.count > 0, "{hooks}");
        }
        let hand = json!({"do": "hand", "code": "print(6 * 7)", "folder": "/", "runs": 3});
        interpreter.order(&hand).unwrap();
        let handed: Handed = interpreter.answer().unwrap();
        assert_eq!(handed.stdout, "42\n");
        assert_eq!((handed.output.len(), handed.ended.len()), (3, 3));
        assert!(handed.work.iter().zip(&handed.ended).all(|(w, e)| w < e));
    }
}
