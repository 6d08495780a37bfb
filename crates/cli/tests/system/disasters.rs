//! What the host does to a server: full disks, broken files, nothing left of what it needs.
//!
//! Each ends well: the server says in its log what is wrong and what to do, goes on with what it can
//! still do, burns no processor meanwhile, and serves everybody again when the trouble is over.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::client::Answer;
use crate::harness::processes::{Parts, Process};
use crate::harness::server::{GONE_MAX, admin, in_own_mounts, public};
use crate::harness::{Server, User, machine, new_command, skip, wait_for};

/// A public caller.
const CALLER: &str = "192.0.2.1";

/// Longest time from the end of a trouble until everybody is served.
const RECOVERY_MAX: Duration = Duration::from_secs(20);

/// What a server may use of the processor while it can do nothing. Parts of a hundred.
const BUSY_MAX: u32 = 40;

/// No libraries, a few units, and as many requests as a test wants.
const SMALL: [(&str, &str); 5] = [
    ("pool_core", "2"),
    ("pool_numpy", "0"),
    ("pool_full", "0"),
    ("requests_per_minute", "1000000"),
    ("requests_per_day", "1000000"),
];

#[test]
fn a_full_disk_stops_counting_but_not_the_admin_and_forgets_nothing() {
    let _machine = machine();
    let name = "a_full_disk_stops_counting_but_not_the_admin_and_forgets_nothing";
    let Some(mount) = mountable(name, "mount -t tmpfs -o size=1m none \"$DATA\"") else {
        return;
    };
    let server = Server::start_after(mount, User::Ourselves, &SMALL);
    assert_eq!(today(&ask(&server)), 1);

    let ballast = server.data_inside().join("ballast");
    fill(&ballast);
    is_not_counted(&server, "database or disk is full");

    fs::remove_file(&ballast).expect("we wrote it");
    let health = server.health();
    assert_eq!(
        (health.status, health.text("/status").as_str()),
        (200, "ok")
    );
    assert_eq!(today(&ask(&server)), 2, "what failed cost nothing");
    assert!(server.log().contains("counts can be kept again"));
    server.stop();
}

#[test]
fn a_disk_that_becomes_read_only_stops_counting_but_not_the_admin() {
    let _machine = machine();
    let name = "a_disk_that_becomes_read_only_stops_counting_but_not_the_admin";
    let image = "truncate -s 8M \"$DATA.disk\" && mkfs.ext4 -q \"$DATA.disk\" \
                 && mount -o loop \"$DATA.disk\" \"$DATA\"";
    let Some(mount) = mountable(name, image) else {
        return;
    };
    let mut server = Server::start_after(mount, User::Ourselves, &SMALL);
    assert_eq!(today(&ask(&server)), 1);
    // As the kernel does it when the disk is broken.
    let mut remount = new_command("nsenter");
    remount
        .arg(format!("--mount=/proc/{}/ns/mnt", server.process().pid))
        .args(["mount", "-o", "remount,abort"])
        .arg(server.data());
    let remounted = remount.stderr(Stdio::null()).status();
    if remounted.is_ok_and(|status| status.success()) {
        is_not_counted(&server, "I/O error");
    } else {
        skip(name, "the kernel does not let us break a disk");
    }
    server.kill();
    server.leaves_nothing();
}

#[test]
fn a_read_only_data_folder_is_a_sentence() {
    let _machine = machine();
    let name = "a_read_only_data_folder_is_a_sentence";
    let Some(mount) = mountable(name, "mount -t tmpfs -o ro none \"$DATA\"") else {
        return;
    };
    let said = Server::refused_after(mount, User::Ourselves);
    assert!(said.contains("counts.sqlite3"), "{said}");
    assert!(said.contains("must be able to write there"), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
}

#[test]
fn a_damaged_database_is_refused_with_a_remedy_and_left_as_it_is() {
    let _machine = machine();
    let mut server = Server::start(User::Ourselves, &SMALL);
    assert!(server.log().contains("no counts yet"), "{}", server.log());
    for expected in 1..=2 {
        assert_eq!(today(&ask(&server)), expected);
    }
    server.process().signal(Signal::TERM);
    server.remember();
    server.wait(GONE_MAX);
    server.leaves_nothing();

    let database = server.data().join("counts.sqlite3");
    let whole = fs::read(&database).expect("the server made it");
    let half = whole.get(..whole.len() / 2).expect("it is not empty");
    for damaged in [&b"garbage".repeat(1000), half] {
        fs::write(&database, damaged).expect("the folder is ours");
        let said = server.is_refused();
        assert!(said.contains("counts.sqlite3 is damaged"), "{said}");
        assert!(said.contains("move it away to start with empty"), "{said}");
        let left = fs::read(&database).expect("it is left alone");
        assert!(left == *damaged, "it was changed");
    }

    // What the sentence says, and the way back.
    let aside = server.data().join("counts.sqlite3.damaged");
    fs::rename(&database, &aside).expect("the folder is ours");
    server.start_again();
    assert_eq!(today(&ask(&server)), 1);
    assert!(server.log().contains("no counts yet"), "{}", server.log());
    server.kill();
    for end in ["", "-wal"] {
        // The log of the new one belongs to nothing else.
        drop(fs::remove_file(
            server.data().join(format!("counts.sqlite3{end}")),
        ));
    }
    fs::write(&database, &whole).expect("the folder is ours");
    server.start_again();
    assert_eq!(today(&ask(&server)), 3);
    server.stop();
}

#[test]
fn a_server_without_descriptors_waits_for_them() {
    let _machine = machine();
    let server = Server::start(User::Ourselves, &SMALL);
    let mut known = server.connect();
    let read_input = admin("import sys\nprint(len(sys.stdin.read()))");
    assert_eq!(known.ask(&read_input).expect("it answers").status, 200);
    let units = settled(&server).units.len();

    let limited = server.process().limit(User::Ourselves, "--nofile", 3);
    let usage = Usage::of(&server);
    let mut stranger = server.connect();
    stranger.send(&admin("print(1)")).expect("it is connected");
    // Units that are ready need no more.
    for _ in 0..units {
        let answer = known.ask(&read_input).expect("it answers");
        assert_eq!(answer.text("/execution_details/stdout"), "0\n");
    }
    known.send(&admin("print(2)")).expect("it is connected");
    usage.is_small(&server, Duration::from_millis(1500));
    let log = server.log();
    assert!(log.contains("no more descriptors can be opened"), "{log}");
    assert_eq!(log.matches("cannot accept connections").count(), 1, "{log}");

    drop(limited);
    let answer = known.answer(true).expect("it waited");
    assert_eq!(answer.text("/execution_details/stdout"), "2\n");
    let answer = stranger.answer(true).expect("it waited");
    assert_eq!(answer.text("/execution_details/stdout"), "1\n");
    recovers(&server);
    server.stop();
}

#[test]
fn a_keeper_without_descriptors_waits_for_them() {
    let _machine = machine();
    let server = Server::start(User::Ourselves, &SMALL);
    // Each makes it fail somewhere else on the way to a unit.
    for more in [0, 4, 9, 13] {
        let parts = settled(&server);
        let keeper = parts.inner_keeper;
        let Some(open) = keeper.descriptors() else {
            skip(
                "a_keeper_without_descriptors_waits_for_them",
                "we may not count a keeper's",
            );
            break;
        };
        let to = u64::try_from(open).expect("it is a number") + more;
        let limited = keeper.limit(User::Ourselves, "--nofile", to);
        for _ in &parts.units {
            assert_eq!(server.run("print(1)").status, 200, "units were ready");
        }
        let mut waiting = server.connect();
        waiting.send(&admin("print(2)")).expect("it is connected");
        std::thread::sleep(Duration::from_millis(300));
        drop(limited);
        let answer = waiting.answer(true).expect("it waited");
        assert_eq!(answer.text("/execution_details/stdout"), "2\n");
        recovers(&server);
        assert!(keeper.lives(), "{}", server.log());
        // It did lack them.
        let log = server.log();
        assert!(log.contains("Too many open files"), "{log}");
    }
    server.stop();
}

#[test]
fn a_keeper_without_room_for_processes_waits_for_it() {
    let _machine = machine();
    let name = "a_keeper_without_room_for_processes_waits_for_it";
    let user = match User::no_root() {
        Ok(user) => user,
        // Root's processes are not bounded so.
        Err(why) => return skip(name, &why),
    };
    let server = Server::start(user, &SMALL);
    let parts = settled(&server);
    let zygote = *parts.zygotes.first().expect("there is one");
    let limited = [
        parts.inner_keeper.limit(user, "--nproc", 1),
        zygote.limit(user, "--nproc", 1),
    ];
    let usage = Usage::of(&server);
    for _ in &parts.units {
        assert_eq!(server.run("print(1)").status, 200, "units were ready");
    }
    let mut waiting = server.connect();
    waiting.send(&admin("print(2)")).expect("it is connected");
    wait_for("the reason", GONE_MAX, || {
        let log = server.log();
        log.contains("Resource temporarily unavailable")
            .then_some(())
    });
    wait_for("a health that says so", GONE_MAX, || {
        (server.health().status == 503).then_some(())
    });
    // A zygote that dies now cannot be replaced either.
    zygote.signal(Signal::KILL);
    wait_for("the reason", GONE_MAX, || {
        server
            .log()
            .contains("no zygote (Core) can be started")
            .then_some(())
    });
    usage.is_small(&server, Duration::from_secs(1));

    drop(limited);
    let answer = waiting.answer(true).expect("it waited");
    assert_eq!(answer.text("/execution_details/stdout"), "2\n");
    recovers(&server);
    assert!(server.log().contains("units are kept ready again"));
    server.stop();
}

#[test]
fn without_memory_programs_end_first_and_the_server_goes_on() {
    let _machine = machine();
    let name = "without_memory_programs_end_first_and_the_server_goes_on";
    let bounded = match BoundedMemory::make() {
        Ok(bounded) => bounded,
        Err(why) => return skip(name, &why),
    };
    let first = format!("echo 0 > {}", bounded.door().display());
    let server = Server::start_after(&first, User::Ourselves, &SMALL);
    let parts = settled(&server);
    let stay: Vec<Process> = [server.process(), parts.outer_keeper, parts.inner_keeper]
        .into_iter()
        .chain(parts.zygotes)
        .collect();

    // Files are nobody's, so that the kernel looks for somebody to end who is large otherwise: the zygote, if
    // it had the choice.
    bounded.leave(32 << 20);
    let answer = server.run(
        "import os\nblock = b'x' * (1 << 20)\nwith open('f', 'wb') as f:\n    for _ in range(60): f.write(block)\n",
    );
    assert_eq!(answer.status, 400, "{}", answer.json());
    assert_eq!(answer.text("/error_details/type"), "RuntimeError");
    assert_eq!(answer.text("/execution_result/limit_hit"), "memory");
    assert_eq!(bounded.killed(), 0, "runs have cgroups of their own");

    bounded.leave(1 << 30);
    recovers(&server);
    for process in stay {
        assert!(process.lives(), "{process:?}; the log: {}", server.log());
    }
    server.stop();
}

#[test]
fn a_zygote_or_keeper_that_hangs_is_replaced_and_jobs_wait_for_the_next() {
    /// Less than what either is given.
    const HANGS: Duration = Duration::from_secs(7);
    let _machine = machine();
    // Side by side, since both take their time.
    let mut servers = [(); 2].map(|()| Server::start(User::Ourselves, &SMALL));
    let parts = servers.each_ref().map(settled);
    let [zygotes, keepers] = &parts;
    let hanging = [
        *zygotes.zygotes.first().expect("there is one"),
        keepers.inner_keeper,
    ];
    let start = Instant::now();
    let mut stopped = Vec::new();
    for ((server, parts), hanging) in servers.iter_mut().zip(&parts).zip(hanging) {
        server.remember();
        stopped.push(Stopped::now(hanging));
        // Those that wait are of no use to anybody, and a unit's end is told by either.
        for process in parts.inits.iter().chain(&parts.units) {
            process.try_signal(Signal::KILL);
        }
        wait_for("the units' deaths", GONE_MAX, || {
            (!parts.units.iter().any(|unit| unit.lives())).then_some(())
        });
    }
    std::thread::scope(|scope| {
        for (server, hanging) in servers.iter().zip(hanging) {
            scope.spawn(move || {
                let answer = server.run("print(1)");
                assert_eq!(answer.status, 200, "{}", answer.json());
                assert!(start.elapsed() > HANGS, "{:?}", start.elapsed());
                assert!(!hanging.lives(), "it was killed");
                recovers(server);
            });
        }
    });
    let [zygotes, keepers] = servers;
    assert!(
        keepers.log().contains("does not answer"),
        "{}",
        keepers.log()
    );
    zygotes.stop();
    keepers.stop();
}

#[test]
fn a_deleted_environment_is_missed_by_the_next_zygote_only_until_it_is_back() {
    let _machine = machine();
    let copy = Copy::of(User::Ourselves.environment());
    let folder = copy.folder.to_str().expect("cargo's folder is text");
    let settings = [("pool_full", "0"), ("environment", folder)];
    let mut server = Server::start(User::Ourselves, &settings);
    let parts = server.parts(2);
    copy.delete();
    for _ in 0..10 {
        assert_eq!(server.run("print(1)").status, 200);
        let answer = server.run("import numpy\nprint(numpy.ones(3).sum())");
        assert_eq!(answer.status, 200, "{}", answer.json());
    }

    // Whichever of them is the larger one imports what is not there.
    let with_numpy = parts.zygotes.iter().max_by_key(|z| z.resident_bytes());
    with_numpy.expect("there are two").signal(Signal::KILL);
    let usage = Usage::of(&server);
    // Before that a job may still get a unit that dies with it.
    wait_for("a zygote that cannot be started", RECOVERY_MAX, || {
        server
            .log()
            .contains("no zygote (Numpy) can be started")
            .then_some(())
    });
    let start = Instant::now();
    let answer = server.run("import numpy");
    assert_eq!(answer.status, 500, "{}", answer.json());
    let id = answer.text("/error_details/id");
    let log = server.log();
    assert!(!id.is_empty() && log.contains(&id), "{id}: {log}");
    for sentence in ["no zygote (Numpy) can be started", "site-packages"] {
        assert!(log.contains(sentence), "{sentence}: {log}");
    }
    usage.is_small(&server, start.elapsed());
    assert_eq!(server.run("print(1)").status, 200, "the others go on");

    copy.make();
    wait_for("numpy", RECOVERY_MAX, || {
        (server.run("import numpy").status == 200).then_some(())
    });

    // The same where all of it must be started again.
    copy.delete();
    server.remember();
    parts.inner_keeper.signal(Signal::KILL);
    wait_for("another keeper's refusal", RECOVERY_MAX, || {
        server.log().contains("no other keeper").then_some(())
    });
    assert_eq!(server.health().status, 503);
    assert_eq!(server.health().text("/status"), "recovering");
    copy.make();
    wait_for("another keeper", RECOVERY_MAX, || {
        (server.health().status == 200).then_some(())
    });
    assert_eq!(server.run("import numpy").status, 200);
    server.stop();
}

/// Where nothing but its rights protects an environment, its owner's server does not write to it either.
#[test]
fn a_server_in_a_container_leaves_its_environment_as_it_is() {
    let _machine = machine();
    let user = match User::container() {
        Ok(user) => user,
        Err(why) => {
            return skip(
                "a_server_in_a_container_leaves_its_environment_as_it_is",
                &why,
            );
        }
    };
    let copy = Copy::of(user.environment());
    let compiled = copy.compiled("PIL");
    fs::remove_dir_all(&compiled).expect("it was compiled when it was made");
    let folder = copy.folder.to_str().expect("cargo's folder is text");
    let server = Server::start(user, &[("environment", folder)]);
    let answer = server.run("import PIL.Image, sys\nprint(sys.dont_write_bytecode)");
    assert_eq!(answer.text("/execution_details/stdout"), "False\n");
    server.stop();
    assert!(!compiled.exists(), "it was compiled again");
}

/// A cgroup that bounds the memory of everything in it, gone with the test.
#[derive(Debug)]
struct BoundedMemory(PathBuf);

impl BoundedMemory {
    /// As a host with so little memory, or the container around a server.
    fn make() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root makes cgroups".to_owned());
        }
        let own = fs::read_to_string("/proc/self/cgroup").expect("/proc is mounted");
        let own = own.lines().find_map(|line| line.split_once(":memory:"));
        let (_, own) = own.ok_or("memory is not counted by cgroup v1 here")?;
        let name = format!("bounded-{}", std::process::id());
        let below = Path::new("/sys/fs/cgroup/memory").join(own.trim_start_matches('/'));
        let folder = below.join(name);
        fs::create_dir_all(&folder).map_err(|error| format!("no cgroup can be made: {error}"))?;
        Ok(Self(folder))
    }

    /// Where a process enters.
    fn door(&self) -> PathBuf {
        self.0.join("tasks")
    }

    fn number(&self, file: &str, key: &str) -> u64 {
        let text = fs::read_to_string(self.0.join(file)).expect("the kernel tells it");
        let text = text.lines().find_map(|line| line.strip_prefix(key));
        let number = text.and_then(|number| number.trim().parse().ok());
        number.expect("it is a number")
    }

    /// Leaves so much more than what is in use. Bytes.
    fn leave(&self, bytes: u64) {
        let max = self.number("memory.usage_in_bytes", "") + bytes;
        let written = fs::write(self.0.join("memory.limit_in_bytes"), max.to_string());
        written.expect("the cgroup is ours");
    }

    /// How many processes the kernel has ended here, those of runs not counted.
    fn killed(&self) -> u64 {
        self.number("memory.oom_control", "oom_kill ")
    }
}

impl Drop for BoundedMemory {
    fn drop(&mut self) {
        drop(fs::remove_dir(&self.0));
    }
}

/// A process that does nothing, and goes on when the test is over, should nobody have killed it.
#[derive(Debug)]
struct Stopped(Process);

impl Stopped {
    fn now(process: Process) -> Self {
        process.signal(Signal::STOP);
        Self(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        self.0.try_signal(Signal::CONT);
    }
}

/// A copy of an environment that shares its files, gone with the test.
#[derive(Debug)]
struct Copy {
    of: PathBuf,
    folder: PathBuf,
}

impl Copy {
    fn of(environment: PathBuf) -> Self {
        let name = format!("copy-{}", std::process::id());
        let copy = Self {
            folder: environment.with_file_name(name),
            of: environment,
        };
        copy.make();
        copy
    }

    #[track_caller]
    fn make(&self) {
        let mut copy = new_command("cp");
        copy.arg("-al").arg(&self.of).arg(&self.folder);
        assert!(copy.status().is_ok_and(|status| status.success()));
    }

    /// The folder of what is compiled of a package.
    #[track_caller]
    fn compiled(&self, package: &str) -> PathBuf {
        let libraries = fs::read_dir(self.folder.join("lib")).expect("an environment has them");
        let mut versions = libraries.flatten().map(|entry| entry.path());
        let python = versions.find(|path| path.join("site-packages").is_dir());
        let python = python.expect("an environment has packages");
        python
            .join("site-packages")
            .join(package)
            .join("__pycache__")
    }

    #[track_caller]
    fn delete(&self) {
        fs::remove_dir_all(&self.folder).expect("it is ours");
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What a server and all its processes have used of the processor.
#[derive(Debug)]
struct Usage {
    since: Instant,
    before: Vec<(Process, Duration)>,
}

impl Usage {
    fn of(server: &Server) -> Self {
        Self {
            since: Instant::now(),
            before: times(server),
        }
    }

    /// Sees that after at least so long the server has used little of the processor.
    #[track_caller]
    fn is_small(&self, server: &Server, at_least: Duration) {
        std::thread::sleep(at_least.saturating_sub(self.since.elapsed()));
        let of = |process: &Process| {
            let known = self.before.iter().find(|(known, _)| known == process);
            known.map_or(Duration::ZERO, |(_, before)| *before)
        };
        let times = times(server);
        let used: Duration = times
            .iter()
            .map(|(process, time)| time.saturating_sub(of(process)))
            .sum();
        let elapsed = self.since.elapsed();
        crate::harness::tell(&format!("used {used:?} in {elapsed:?}"));
        assert!(used < elapsed * BUSY_MAX / 100, "{used:?} in {elapsed:?}");
    }
}

/// The processor time of those that stay: units come and go.
fn times(server: &Server) -> Vec<(Process, Duration)> {
    let mut all = server.process().descendants();
    all.push(server.process());
    all.into_iter()
        .map(|process| (process, process.processor_time()))
        .collect()
}

/// A script that mounts something, if this host lets us.
fn mountable<'s>(name: &str, script: &'s str) -> Option<&'s str> {
    if !rustix::process::geteuid().is_root() {
        skip(name, "only root can mount");
        return None;
    }
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let data = folder.path().join("data");
    fs::create_dir_all(&data).expect("it is ours");
    let tried = in_own_mounts(script).env("DATA", &data).output();
    match tried {
        Ok(output) if output.status.success() => Some(script),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            skip(name, &format!("cannot mount: {}", said.trim()));
            None
        }
        Err(error) => {
            skip(
                name,
                &format!("unshare (of util-linux) does not start: {error}"),
            );
            None
        }
    }
}

/// Writes until nothing more fits.
fn fill(file: &Path) {
    let mut file = fs::File::create(file).expect("there is room for a name");
    while file.write_all(&[0; 4096]).is_ok() {}
}

/// Sees that public callers hear of a failure of ours, that log and health say why, and that the
/// admin is served.
#[track_caller]
fn is_not_counted(server: &Server, why: &str) {
    // What is buffered somewhere may take a little more.
    let answer = wait_for("a count that fails", RECOVERY_MAX, || {
        Some(ask(server)).filter(|answer| answer.status != 200)
    });
    assert_eq!(answer.status, 500, "{}", answer.json());
    let id = answer.text("/error_details/id");
    ask(server);
    let log = server.log();
    assert!(!id.is_empty() && log.contains(&id), "{id}: {log}");
    assert!(log.contains(why), "{log}");
    assert_eq!(log.matches("counts cannot be kept").count(), 1, "{log}");
    let health = server.health();
    assert_eq!(health.status, 503);
    assert_eq!(health.text("/status"), "counts_not_kept");
    let answer = server.run("print(1)");
    assert_eq!(answer.status, 200, "{}", answer.json());
}

/// A public caller's request.
#[track_caller]
fn ask(server: &Server) -> Answer {
    server.ask(&public(CALLER, "print(1)"))
}

#[track_caller]
fn today(answer: &Answer) -> u64 {
    assert_eq!(answer.status, 200, "{}", answer.json());
    let answer = answer.json();
    let today = answer.pointer("/user_info/requests_today");
    today.and_then(Value::as_u64).expect("the answer tells it")
}

/// The parts of a small server, once units wait and nothing changes any more.
#[track_caller]
fn settled(server: &Server) -> Parts {
    let mut last = server.parts(1);
    let mut since = Instant::now();
    wait_for("units", RECOVERY_MAX, || {
        let now = server.parts(1);
        let same = now.units == last.units && now.inits == last.inits;
        if !same || now.units.is_empty() || now.units.len() != now.inits.len() {
            since = Instant::now();
        }
        last = now;
        (since.elapsed() > Duration::from_millis(200)).then(|| last.clone())
    })
}

#[track_caller]
fn recovers(server: &Server) {
    for _ in 0..5 {
        let answer = server.run("print(1)");
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
    assert_eq!(server.health().status, 200);
    settled(server);
}
