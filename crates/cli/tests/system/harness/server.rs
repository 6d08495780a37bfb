//! A server of a test's own, from its start to the proof that nothing of it is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, Connection, execute, request};
use super::processes::{Parts, Process};
use super::traces::Traces;
use super::{User, new_command, wait_for};

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
    /// What a shell does first, in a mount namespace of the server's own; nothing where empty.
    first: String,
    child: Child,
    log: Arc<Mutex<String>>,
    before: Traces,
    /// Every process that was ever seen to be its own.
    seen: BTreeSet<Process>,
    folder: TempDir,
    ended: bool,
    isolation: OnceLock<String>,
}

impl Server {
    /// Starts a server with these settings, on a free port, and waits until it listens.
    #[track_caller]
    pub(crate) fn start(user: User, settings: &[(&str, &str)]) -> Self {
        Self::start_after("", user, settings)
    }

    /// The same after a shell, in a mount namespace of the server's own, did something as root with
    /// the data folder `$DATA`. It is all undone when the server and its keepers are gone.
    #[track_caller]
    pub(crate) fn start_after(first: &str, user: User, settings: &[(&str, &str)]) -> Self {
        let folder = user.folder();
        let settings = settings.iter();
        let settings: Vec<_> = settings
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        let before = Traces::now(user.throw_away());
        let (child, log, address) = start(user, &settings, first, &folder);
        Self {
            address,
            user,
            settings,
            first: first.to_owned(),
            child,
            log,
            before,
            seen: BTreeSet::new(),
            folder,
            ended: false,
            isolation: OnceLock::new(),
        }
    }

    /// Starts it again, with the same data folder.
    #[track_caller]
    pub(crate) fn start_again(&mut self) {
        assert!(self.ended, "it still runs");
        let (child, log, address) = start(self.user, &self.settings, &self.first, &self.folder);
        self.child = child;
        self.log = log;
        self.address = address;
        self.ended = false;
    }

    /// Starts it again, which it must refuse; tells with which words.
    #[track_caller]
    pub(crate) fn is_refused(&self) -> String {
        assert!(self.ended, "it still runs");
        refusal(command(self.user, &self.settings, "", &self.folder))
    }

    /// Starts a server that must refuse, after a shell as with [`Server::start_after`]; tells with
    /// which words.
    #[track_caller]
    pub(crate) fn refused_after(first: &str, user: User) -> String {
        let folder = user.folder();
        refusal(command(user, &[], first, &folder))
    }

    /// Its data folder, as it sees it.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The same folder as everybody sees it, if something is mounted there.
    pub(crate) fn data_inside(&self) -> PathBuf {
        let data = self.data();
        let root = format!("/proc/{}/root", self.child.id());
        PathBuf::from(root).join(data.strip_prefix("/").expect("it is absolute"))
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

    pub(crate) fn health(&self) -> Answer {
        self.ask(&request("GET", "/health", &[], b""))
    }

    /// What it walls programs in with, as `/health` tells.
    pub(crate) fn isolation(&self) -> &str {
        let ask = || self.health().text("/isolation");
        self.isolation.get_or_init(ask)
    }

    /// Programs that run now, as `/health` tells.
    #[track_caller]
    pub(crate) fn active(&self) -> u64 {
        let health = self.health().json();
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
            let data = fs::read_dir(self.data()).into_iter().flatten().flatten();
            let runs = data.filter(|file| {
                file.file_name()
                    .to_string_lossy()
                    .starts_with("hognose-runs-")
            });
            left.extend(runs.map(|folder| format!("{folder:?}")));
            if left.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < GONE_MAX * super::slowness(),
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

fn command(user: User, settings: &[(String, String)], first: &str, folder: &TempDir) -> Command {
    let temporary = folder.path().join("tmp");
    let data = folder.path().join("data");
    fs::create_dir_all(&temporary).expect("the folder is ours");
    let all = fs::Permissions::from_mode(0o1777);
    fs::set_permissions(&temporary, all).expect("it is ours");
    let mut command = user.hognose();
    if !first.is_empty() {
        assert_eq!(user, User::Ourselves, "an ordinary user mounts nothing");
        fs::create_dir_all(&data).expect("the folder is ours");
        let program = command.get_program().to_owned();
        command = in_own_mounts(&format!("{first} && exec \"$0\" \"$@\""));
        command.arg(program).env("DATA", &data);
    }
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(["--trusted-proxies", "127.0.0.0/8", "--data-dir"])
        .arg(data)
        .env("HOGNOSE_ADMIN_KEY", ADMIN_KEY)
        .env("TMPDIR", &temporary);
    if !settings.iter().any(|(key, _)| key == "environment") {
        command.arg("--environment").arg(user.environment());
    }
    if user.has_namespaces() && !settings.iter().any(|(key, _)| key.starts_with("isolation")) {
        // Else a fault of the native tier's would be taken for the host's, and another tier be tried.
        command.args(["--set", "isolation=native"]);
    }
    for (key, value) in settings {
        command.arg("--set").arg(format!("{key}={value}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A shell in a mount namespace of its own, of which nothing is left when it and its children end.
pub(crate) fn in_own_mounts(script: &str) -> Command {
    let mut command = new_command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
    command
}

/// Runs a server that must not start, and tells its words.
#[track_caller]
fn refusal(mut command: Command) -> String {
    let started = command.stderr(Stdio::piped()).spawn();
    let mut child = started.expect("cargo has built it");
    let stderr = child.stderr.take().expect("it is piped");
    let said = Arc::new(Mutex::new(String::new()));
    let copy = Arc::clone(&said);
    let listener = std::thread::spawn(move || listen(stderr, &copy));
    let start = std::time::Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            break status;
        }
        if start.elapsed() > START_MAX {
            drop(child.kill());
            drop(child.wait());
            panic!("it did not refuse: {said:?}");
        }
        std::thread::sleep(super::LOOK_EVERY);
    };
    drop(listener.join());
    let said = said.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

#[track_caller]
fn start(
    user: User,
    settings: &[(String, String)],
    first: &str,
    folder: &TempDir,
) -> (Child, Arc<Mutex<String>>, SocketAddr) {
    let mut command = command(user, settings, first, folder);
    let mut child = command
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
