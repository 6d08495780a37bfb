//! The import scan against CPython itself: of every program that CPython takes, the scan finds what
//! CPython finds, or refuses the program.
//!
//! `HOGNOSE_FUZZ_PYTHON` names another interpreter than `python3`; the scan reads as its version does.
//! `HOGNOSE_FUZZ_REFUSED` names a file to append programs to that CPython takes and the scan does not:
//! no hole, but somebody's program that does not run.
#![no_main]

mod python;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex};

use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target, fuzzer_mutate};
use server::imports_of;

fuzz_target!(|program: &[u8]| -> Corpus {
    let Ok(program) = str::from_utf8(program) else {
        return Corpus::Reject;
    };
    let mut oracle = ORACLE.lock().expect("one thread");
    let scanned = imports_of(program, oracle.version);
    if scanned.is_err() && REFUSED.is_none() {
        return Corpus::Reject;
    }
    // Only what parses is built upon: of a program that does not, little can be learnt.
    let Some(imported) = oracle.ask(program) else {
        return Corpus::Reject;
    };
    match scanned {
        Ok(found) => {
            let found: BTreeSet<String> = found.into_iter().collect();
            let missed: Vec<&String> = imported.difference(&found).collect();
            assert!(missed.is_empty(), "missed {missed:?} in:\n{program}");
            Corpus::Keep
        }
        Err(message) => {
            if let Some(path) = &*REFUSED {
                let file = File::options().append(true).create(true).open(path);
                let told = file.and_then(|mut file| writeln!(file, "{message}\t{program:?}"));
                told.expect("the file can be written");
            }
            Corpus::Reject
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, size_max: usize, seed: u32| {
    let mut dice = python::Dice::new(seed);
    let program = data
        .get(..size)
        .and_then(|bytes| str::from_utf8(bytes).ok());
    match program {
        Some(program) if dice.of(4) > 0 => {
            let program = python::mutate(program, &mut dice);
            let mut length = program.len().min(size_max);
            while !program.is_char_boundary(length) {
                length -= 1;
            }
            data[..length].copy_from_slice(&program.as_bytes()[..length]);
            length
        }
        _ => fuzzer_mutate(data, size, size_max),
    }
});

static REFUSED: LazyLock<Option<std::ffi::OsString>> =
    LazyLock::new(|| std::env::var_os("HOGNOSE_FUZZ_REFUSED"));

static ORACLE: LazyLock<Mutex<Oracle>> =
    LazyLock::new(|| Mutex::new(Oracle::start().expect("python3 runs")));

/// A long-lived Python that is asked what it sees; see `oracle.py`.
struct Oracle {
    version: (u8, u8),
    questions: ChildStdin,
    answers: ChildStdout,
    process: Child,
}

impl Oracle {
    fn start() -> io::Result<Self> {
        let python = std::env::var_os("HOGNOSE_FUZZ_PYTHON").unwrap_or("python3".into());
        let mut process = Command::new(python)
            .args(["-I", "-c", include_str!("../oracle.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let piped = "both are piped";
        let mut oracle = Self {
            version: (0, 0),
            questions: process.stdin.take().expect(piped),
            answers: process.stdout.take().expect(piped),
            process,
        };
        let version = oracle.answer()?.expect("it says its version first");
        let (major, minor) = version.split_once('.').expect("it has two parts");
        let number = |text: &str| text.parse().expect("it is a number");
        oracle.version = (number(major), number(minor));
        Ok(oracle)
    }

    /// The top-level names that it sees imported; `None` if the program does not parse.
    fn ask(&mut self, program: &str) -> Option<BTreeSet<String>> {
        match self.converse(program) {
            Ok(names) => Some(names?.lines().map(str::to_owned).collect()),
            Err(error) => {
                // A program that CPython dies of imports nothing.
                eprintln!("the oracle is gone ({error}), having read:\n{program}");
                let _dead = self.process.wait();
                *self = Self::start().expect("it ran before");
                None
            }
        }
    }

    fn converse(&mut self, program: &str) -> io::Result<Option<String>> {
        let length = u32::try_from(program.len()).expect("programs are short");
        self.questions.write_all(&length.to_le_bytes())?;
        self.questions.write_all(program.as_bytes())?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Option<String>> {
        let mut length = [0; 4];
        self.answers.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length == u32::MAX {
            return Ok(None);
        }
        let mut text = Vec::new();
        (&mut self.answers)
            .take(length.into())
            .read_to_end(&mut text)?;
        Ok(Some(String::from_utf8(text).expect("names are UTF-8")))
    }
}
