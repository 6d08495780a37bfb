//! A server of a test's own, from its start to the proof that nothing of it is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, Connection, execute, request};
use super::processes::{Parts, Process};
use super::traces::Traces;
use super::{User, wait_for};

/// The key of every test's admin.
pub(crate) const ADMIN_KEY: &str = "the key of the system tests";

/// Longest start: the zygotes import everything, on a busy machine, in a debug build.
const START_MAX: Duration = Duration::from_secs(30);

/// Longest end, without programs that run.
const STOP_MAX: Duration = Duration::from_secs(15);

/// Longest time until what was killed is gone.
pub(crate) const GONE_MAX: Duration = Duration::from_secs(5);

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    user: User,
    settings: Vec<(String, String)>,
    child: Child,
    log: Arc<Mutex<String>>,
    before: Traces,
    /// Every process that was ever seen to be its own.
    seen: BTreeSet<Process>,
    folder: TempDir,
    ended: bool,
}

impl Server {
    /// Starts a server with these settings, on a free port, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(user: User, settings: &[(&str, &str)]) -> Self {
        let folder = user.folder();
        let settings = settings.iter();
        let settings: Vec<_> = settings
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let before = Traces::now(user.throw_away());
        let (child, log, address) = start(user, &settings, &folder);
        Self {
            address,
            user,
            settings,
            child,
            log,
            before,
            seen: BTreeSet::new(),
            folder,
            ended: false,
        }
    }

    /// Starts it again, with the same data folder.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        assert!(self.ended, "it still runs");
        let (child, log, address) = start(self.user, &self.settings, &self.folder);
        self.child = child;
        self.log = log;
        self.address = address;
        self.ended = false;
    }

    pub(crate) fn process(&self) -> Process {
        let pid = i32::try_from(self.child.id()).expect("it is a process's number");
        Process::find(pid).expect("the server runs")
    }

    /// The processes behind it, once all are there.
    #[track_caller]
    pub(crate) fn parts(&self, zygotes: usize) -> Parts {
        let complete = |parts: &Parts| parts.zygotes.len() == zygotes;
        wait_for("keepers and zygotes", START_MAX, || {
            Parts::of(self.process()).filter(complete)
        })
    }

    /// Remembers the processes that are there now, to see later that they are gone.
    pub(crate) fn remember(&mut self) -> Vec<Process> {
        let now = self.process().descendants();
        self.seen.insert(self.process());
        self.seen.extend(&now);
        now
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server listens")
    }

    /// Sends one request and reads its answer.
    #[track_caller]
    pub(crate) fn ask(&self, request: &[u8]) -> Answer {
        let answer = self.connect().ask(request);
        answer.unwrap_or_else(|error| panic!("no answer: {error}; the log: {}", self.log()))
    }

    /// Runs a program as the admin.
    #[track_caller]
    pub(crate) fn run(&self, code: &str) -> Answer {
        self.ask(&admin(code))
    }

    /// Programs that run now, as `/health` tells.
    #[track_caller]
    pub(crate) fn active(&self) -> u64 {
        let health = self.ask(&request("GET", "/health", &[], b"")).json();
        let active = health.get("active_processes").and_then(Value::as_u64);
        active.expect("health tells it")
    }

    /// Everything it logged.
    pub(crate) fn log(&self) -> String {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone()
    }

    /// Its folder for temporary files.
    fn temporary(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// Tells it to end, waits until it has, and looks for what it left.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.remember();
        self.process().signal(Signal::TERM);
        let status = self.wait(STOP_MAX);
        assert!(status.success(), "{status}; the log: {}", self.log());
        self.leaves_nothing();
    }

    /// Kills it without a warning.
    #[track_caller]
    pub(crate) fn kill(&mut self) {
        self.remember();
        self.process().signal(Signal::KILL);
        let status = self.wait(GONE_MAX);
        assert!(!status.success(), "{status}");
    }

    #[track_caller]
    pub(crate) fn wait(&mut self, at_most: Duration) -> ExitStatus {
        let status = wait_for("the server's end", at_most, || {
            self.child.try_wait().expect("it is our child")
        });
        self.ended = true;
        status
    }

    /// Sees that neither process, mount, cgroup nor file of it is left.
    #[track_caller]
    pub(crate) fn leaves_nothing(&self) {
        assert!(self.ended, "it still runs");
        let mut left = Vec::new();
        let start = std::time::Instant::now();
        loop {
            left.clear();
            let seen = self.seen.iter().filter(|process| process.lives());
            left.extend(seen.map(|process| format!("{process:?} {:?}", process.arguments())));
            if let Some(user) = self.user.throw_away() {
                let theirs = |process: &Process| process.lives() && process.user() == Some(user);
                let theirs = Process::all().into_iter().filter(theirs);
                left.extend(theirs.map(|process| format!("{process:?}")));
            }
            left.extend(Traces::now(self.user.throw_away()).since(&self.before));
            let files = fs::read_dir(self.temporary()).expect("the test made it");
            left.extend(files.map(|file| format!("{file:?}")));
            if left.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < GONE_MAX,
                "left behind:\n{}",
                left.join("\n")
            );
            std::thread::sleep(super::LOOK_EVERY);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        // A test failed: nothing of it may disturb the next one.
        super::tell(&format!(
            "the log of the failed test's server:\n{}",
            self.log()
        ));
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A request to run a program as the admin.
pub(crate) fn admin(code: &str) -> Vec<u8> {
    execute(&[], &json!({"code": code, "api_key": ADMIN_KEY}))
}

/// A request to run a program as whoever has this address.
pub(crate) fn public(address: &str, code: &str) -> Vec<u8> {
    execute(&[("X-Forwarded-For", address)], &json!({"code": code}))
}

#[track_caller]
fn start(
    user: User,
    settings: &[(String, String)],
    folder: &TempDir,
) -> (Child, Arc<Mutex<String>>, SocketAddr) {
    let another = settings.iter().any(|(key, _)| key == "environment");
    let temporary = folder.path().join("tmp");
    fs::create_dir_all(&temporary).expect("the folder is ours");
    let all = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(&temporary, all).expect("it is ours");
    let mut command = user.hognose();
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--trusted-proxies", "127.0.0.0/8", "--data-dir"])
        .arg(folder.path().join("data"))
        .env("HOGNOSE_ADMIN_KEY", ADMIN_KEY)
        .env("TMPDIR", &temporary);
    if !another {
        command.arg("--environment").arg(user.environment());
    }
    for (key, value) in settings {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo has built it");
    let log = Arc::new(Mutex::new(String::new()));
    let stderr = child.stderr.take().expect("it is piped");
    let copy = Arc::clone(&log);
    std::thread::spawn(move || listen(stderr, &copy));
    let address = wait_for("the server to listen", START_MAX, || {
        let text = log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ended = child.try_wait().expect("it is our child");
        assert!(ended.is_none(), "it did not start: {text}");
        let (_, rest) = text.split_once("listening on http://")?;
        rest.split_once('"')?.0.parse().ok()
    });
    (child, log, address)
}

/// Keeps what the server logs, until its end.
fn listen(stderr: ChildStderr, log: &Mutex<String>) {
    for line in BufReader::new(stderr).lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_str(&line);
        log.push('\n');
    }
}
