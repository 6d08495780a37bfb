//! How runs, and the server's own processes, end before their time.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::cases::{IN_GVISOR, gvisor};
use crate::harness::processes::{Parts, Process};
use crate::harness::server::{GONE_MAX, admin};
use crate::harness::{Connection, Server, User, machine, skip, slowness, wait_for};

/// Longest time until a server that lost a part of it serves again.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// The same where a sandbox has to warm first.
const SANDBOX_MAX: Duration = Duration::from_secs(30);

/// Longest time until process 1 fetches an orphan: some look only every few seconds.
const BURIAL_MAX: Duration = Duration::from_secs(30);

/// A program that only ends by itself after this test would have failed.
const LONG: &str = "import time\ntime.sleep(9)";

#[test]
fn a_client_that_goes_away_frees_its_slot() {
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[("concurrent_max", "1")]);
    let idle = wait_for("an idle server", RECOVERY_MAX, || steady(&server));
    for _ in 0..3 {
        let mut client = server.connect();
        client.send(&admin(LONG)).expect("the server listens");
        wait_for("the program to run", GONE_MAX, || {
            (server.active() == 1).then_some(())
        });
        assert_eq!(server.run("print(1)").status, 503, "there is one slot");
        drop(client);
        let start = Instant::now();
        wait_for("the slot", GONE_MAX, || {
            (server.run("print(1)").status == 200).then_some(())
        });
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{:?}",
            start.elapsed()
        );
    }
    wait_for("the programs' ends", GONE_MAX, || {
        (server.process().descendants().len() <= idle).then_some(())
    });
    server.stop();
}

/// Eight threads write from memory that a ninth keeps locked, so that whoever reads their pipes waits in the kernel.
const LOCKS_ITS_PIPES: &str = r#"
import ctypes, fcntl, mmap, threading
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
many = 30 << 30
# Readable, private, reserving nothing, with all its page tables: to change them takes seconds.
locked = ctypes.c_void_p(libc.mmap(None, ctypes.c_size_t(many), 1, 0xC022, -1, 0))

def lock():
    while True:
        for protection in 0, 1:
            libc.mprotect(locked, ctypes.c_size_t(many), protection)

def write(stream):
    size = ctypes.c_size_t(96 << 10)
    page = ctypes.c_void_p(libc.mmap(None, size, 3, 0x22, -1, 0))
    while True:
        libc.madvise(page, size, 4)
        libc.write(stream, page, size)

for stream in 1, 2:
    fcntl.fcntl(stream, 1031, 1 << 20)
    for _ in range(4):
        threading.Thread(target=write, args=(stream,), daemon=True).start()
lock()
"#;

#[test]
fn a_program_that_locks_its_pipes_is_all_that_waits_and_ends_in_time() {
    const WALL: Duration = Duration::from_secs(4);
    // Neighbours waited 0.4 to 4.3 s where the server waited, and less than 40 ms where it does not.
    const NEIGHBOUR_MAX: Duration = Duration::from_millis(250);
    // Without a clock of its own the program ran for seconds longer.
    const LATE_MAX: Duration = Duration::from_secs(1);
    let _machine = machine();
    let wall = WALL * slowness();
    let wall_ms = wall.as_millis().to_string();
    let server = Server::start(User::Ourselves, &[("admin_wall_ms_max", &wall_ms)]);
    let mut client = server.connect();
    let mut neighbour = server.connect();
    let start = Instant::now();
    client
        .send(&admin(LOCKS_ITS_PIPES))
        .expect("the server listens");
    let mut longest = Duration::ZERO;
    while start.elapsed() < wall {
        let asked = Instant::now();
        let answer = neighbour.ask(&admin("print(1)")).expect("it is served");
        assert_eq!(answer.status, 200, "{}", answer.json());
        longest = longest.max(asked.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    let answer = client.answer(true).expect("it is told");
    let took = start.elapsed();
    assert_eq!(answer.text("/error_details/type"), "TimeoutError");
    assert!(longest < NEIGHBOUR_MAX * slowness(), "{longest:?}");
    assert!(took < wall + LATE_MAX * slowness(), "{took:?}");
    server.stop();
}

#[test]
fn sigterm_lets_running_programs_finish_and_leaves_nothing() {
    let _machine = machine();
    let name = "sigterm_lets_running_programs_finish_and_leaves_nothing";
    as_everybody(name, ending_well);
}

/// Tests as whoever we are, as an ordinary user and in a container; what cannot be is skipped by name.
fn as_everybody(name: &str, test: fn(User)) {
    test(User::Ourselves);
    for user in [User::ordinary(), User::container()] {
        match user {
            Ok(user) => test(user),
            Err(why) => skip(&format!("{name}, for another user"), &why),
        }
    }
}

fn ending_well(user: User) {
    let mut server = Server::start(user, &[]);
    let mut client = server.connect();
    let mut idle = server.connect();
    client
        .send(&admin("import time\ntime.sleep(1.5)\nprint('done')"))
        .expect("the server listens");
    wait_for("the program to run", GONE_MAX, || {
        (server.active() == 1).then_some(())
    });
    server.remember();
    server.process().signal(Signal::TERM);
    wait_for("the server to refuse callers", GONE_MAX, || {
        Connection::open(server.address).is_err().then_some(())
    });
    assert_eq!(idle.rest().expect("it is closed in order"), b"");
    let answer = client.answer(true).expect("a running program may finish");
    assert_eq!(answer.text("/execution_details/stdout"), "done\n");
    let status = server.wait(GONE_MAX);
    assert!(status.success(), "{status}; the log: {}", server.log());
    server.leaves_nothing();
}

#[test]
fn a_server_stops_at_once_while_its_keeper_is_replaced() {
    let _machine = machine();
    // In the pause before the next one starts, while it starts, and when it serves.
    for after in [50, 400, 1500] {
        let mut server = Server::start(User::Ourselves, &[]);
        server.remember();
        let parts = Parts::of(server.process()).expect("it runs");
        parts.inner_keeper.signal(Signal::KILL);
        std::thread::sleep(Duration::from_millis(after));
        server.remember();
        server.process().signal(Signal::TERM);
        let start = Instant::now();
        let status = server.wait(GONE_MAX);
        let took = start.elapsed();
        assert!(status.success(), "{status}; the log: {}", server.log());
        let at_most = Duration::from_secs(3) * slowness();
        assert!(
            took < at_most,
            "{took:?}, {after} ms after the keeper's end"
        );
        server.leaves_nothing();
    }
}

#[test]
fn a_killed_server_leaves_nothing() {
    let _machine = machine();
    as_everybody("a_killed_server_leaves_nothing", killed);
}

#[test]
fn a_killed_server_or_keeper_leaves_no_sandbox() {
    let _machine = machine();
    if let Err(why) = gvisor() {
        skip("a_killed_server_or_keeper_leaves_no_sandbox", &why);
        return;
    }
    killed_with(User::Ourselves, &IN_GVISOR);
    let mut server = Server::start(User::Ourselves, &IN_GVISOR);
    let mut client = server.connect();
    client.send(&admin(LONG)).expect("the server listens");
    wait_for("the program to run", GONE_MAX, || {
        (server.active() == 1).then_some(())
    });
    let before = server.remember();
    // Not by its name: an init that was forked a moment ago has that, too.
    let parts = Parts::of(server.process()).expect("it runs");
    parts.inner_keeper.signal(Signal::KILL);
    wait_for("the end of every sandbox", GONE_MAX, || {
        (!before.iter().any(|it| it.lives())).then_some(())
    });
    assert_eq!(client.answer(true).expect("it is told").status, 500);
    wait_for("another keeper", SANDBOX_MAX, || {
        (server.run("print(1)").status == 200).then_some(())
    });
    server.stop();
}

fn killed(user: User) {
    killed_with(user, &[]);
}

fn killed_with(user: User, settings: &[(&str, &str)]) {
    let mut server = Server::start(user, settings);
    for code in [
        LONG,
        "import os\nfor _ in range(4): os.fork()\nwhile True: pass",
        "import os\nwhile True:\n    try:\n        if os.fork() == 0: os.fork()\n    except OSError: pass",
    ] {
        let mut client = server.connect();
        client.send(&admin(code)).expect("the server listens");
        wait_for("the program to run", GONE_MAX, || {
            (server.active() == 1).then_some(())
        });
        server.kill();
        server.leaves_nothing();
        server.start_again();
        assert_eq!(server.run("print(1)").status, 200);
    }
    server.stop();
}

#[test]
fn what_a_server_and_keeper_killed_together_leave_is_removed_by_the_next_start() {
    let _machine = machine();
    let name = "what_a_server_and_keeper_killed_together_leave_is_removed_by_the_next_start";
    as_everybody(name, killed_together);
}

fn killed_together(user: User) {
    let mut server = Server::start(user, &[]);
    let keeper = server.parts(3).outer_keeper;
    server.remember();
    // It stands still, so that it can remove nothing when its server dies.
    keeper.signal(Signal::STOP);
    server.kill();
    keeper.signal(Signal::KILL);
    // Until whoever inherited it has fetched it: its number is in use as long.
    wait_for("the keeper's burial", BURIAL_MAX, || {
        Process::find(keeper.pid).is_none().then_some(())
    });
    server.start_again();
    assert_eq!(server.run("print(1)").status, 200);
    server.stop();
}

#[test]
fn a_killed_zygote_is_replaced_under_load() {
    let _machine = machine();
    replaced(User::Ourselves, |parts| parts.zygotes.clone());
}

#[test]
fn a_killed_keeper_is_replaced_under_load() {
    let _machine = machine();
    replaced(User::Ourselves, |parts| vec![parts.inner_keeper]);
    replaced(User::Ourselves, |parts| vec![parts.outer_keeper]);
}

#[test]
fn an_ordinary_users_killed_keeper_and_zygotes_are_replaced_under_load() {
    let _machine = machine();
    match User::ordinary() {
        Ok(user) => {
            replaced(user, |parts| parts.zygotes.clone());
            replaced(user, |parts| vec![parts.inner_keeper]);
            replaced(user, |parts| vec![parts.outer_keeper]);
        }
        Err(why) => skip(
            "an_ordinary_users_killed_keeper_and_zygotes_are_replaced_under_load",
            &why,
        ),
    }
}

#[test]
fn a_killed_keeper_zygote_or_watch_is_replaced_in_a_container() {
    let _machine = machine();
    match User::container() {
        Ok(user) => {
            replaced(user, |parts| parts.zygotes.clone());
            replaced(user, |parts| vec![parts.inner_keeper]);
            replaced(user, |parts| vec![parts.outer_keeper]);
            replaced(user, |parts| parts.watch.into_iter().collect());
        }
        Err(why) => skip(
            "a_killed_keeper_zygote_or_watch_is_replaced_in_a_container",
            &why,
        ),
    }
}

#[test]
fn an_ordinary_users_killed_watch_is_replaced_under_load() {
    let _machine = machine();
    let name = "an_ordinary_users_killed_watch_is_replaced_under_load";
    match User::no_root() {
        Ok(user) => {
            let server = Server::start(user, &[]);
            let counted = server.parts(3).watch.is_none();
            server.stop();
            if counted {
                return skip(name, "a cgroup bounds memory here, so nobody watches");
            }
            replaced(user, |parts| parts.watch.into_iter().collect());
        }
        Err(why) => skip(name, &why),
    }
}

#[test]
fn inits_and_programs_that_are_killed_at_any_moment_cost_their_own_runs_only() {
    /// How many of each are killed.
    const KILLS: usize = 8;
    let _machine = machine();
    let mut server = Server::start(
        User::Ourselves,
        &[("concurrent_max", "20"), ("pool_core", "5")],
    );
    server.parts(3);
    let load = Load::default();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| load.run(&server));
        }
        let _end = Stop(&load.stop);
        for number in 0..KILLS {
            for victims in [|parts: Parts| parts.inits, |parts: Parts| parts.units] {
                load.wait_for_successes(5);
                let found = wait_for("a victim", GONE_MAX, || {
                    let found = victims(Parts::of(server.process())?);
                    found.get(number % found.len().max(1)).copied()
                });
                // It may be gone by now: then it was none.
                found.try_signal(Signal::KILL);
            }
        }
        load.wait_for_successes(100);
    });
    let mut heard = load.heard.lock().unwrap_or_else(PoisonError::into_inner);
    // The program was killed, and its caller is told so.
    heard
        .others
        .retain(|other| !(other.starts_with("400: ") && other.contains("signal 9")));
    assert!(heard.others.is_empty(), "{:?}", heard.others);
    assert!(
        heard.faults <= 2 * KILLS,
        "{} requests failed",
        heard.faults
    );
    drop(heard);
    for code in ["print(1)", "import numpy", "import PIL, reportlab, fpdf"] {
        let answer = server.run(code);
        assert_eq!(answer.status, 200, "{}", answer.json());
    }
    server.remember();
    server.stop();
}

#[test]
fn a_unit_that_is_killed_while_it_waits_costs_nobody_an_answer() {
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[]);
    for keeper_sleeps in [false, true] {
        wait_for("an idle server", RECOVERY_MAX, || steady(&server));
        let Parts {
            inner_keeper,
            zygotes,
            ..
        } = server.parts(3);
        if keeper_sleeps {
            // The server must find out by itself.
            inner_keeper.signal(Signal::STOP);
        }
        let is_zygotes = |process: &Process| zygotes.iter().any(|z| z.pid == process.parent);
        let mut units = server.process().descendants();
        units.retain(is_zygotes);
        assert!(!units.is_empty(), "units wait");
        for unit in &units {
            unit.signal(Signal::KILL);
        }
        wait_for("their deaths", GONE_MAX, || {
            (!units.iter().any(|unit| unit.lives())).then_some(())
        });
        let mut client = server.connect();
        client.send(&admin("print(1)")).expect("the server listens");
        std::thread::sleep(Duration::from_millis(50));
        inner_keeper.signal(Signal::CONT);
        let answer = client.answer(true).expect("the server answers");
        assert_eq!(answer.status, 200, "{}", answer.json());
        for code in ["print(1)", "import numpy", "import PIL, reportlab, fpdf"] {
            let answer = server.run(code);
            assert_eq!(answer.status, 200, "{}", answer.json());
        }
    }
    server.stop();
}

#[test]
fn a_unit_that_ends_while_others_wait_is_replaced() {
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[]);
    wait_for("an idle server", RECOVERY_MAX, || steady(&server));
    let Parts { zygotes, .. } = server.parts(3);
    let waiting = || {
        let mut units = server.process().descendants();
        units.retain(|process| zygotes.iter().any(|zygote| zygote.pid == process.parent));
        units
    };
    let before = waiting();
    let one = before.first().expect("units wait");
    one.signal(Signal::KILL);
    wait_for("its end", GONE_MAX, || (!one.lives()).then_some(()));
    // Long before those that are left have waited for too long.
    wait_for("another in its place", RECOVERY_MAX, || {
        (waiting().len() == before.len()).then_some(())
    });
    server.stop();
}

#[test]
fn the_only_unit_of_a_kind_is_replaced_without_a_word_of_recovery() {
    const WATCHED_FOR: Duration = Duration::from_millis(600);
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[]);
    wait_for("an idle server", RECOVERY_MAX, || steady(&server));
    let zygotes = server.parts(3).zygotes;
    let processes = server.process().descendants();
    let of = |zygote: &Process| -> Vec<&Process> {
        let units = processes.iter();
        units.filter(|unit| unit.parent == zygote.pid).collect()
    };
    let mut kinds = 0;
    for zygote in &zygotes {
        if let [only] = of(zygote)[..] {
            kinds += 1;
            only.signal(Signal::KILL);
            let start = Instant::now();
            while start.elapsed() < WATCHED_FOR {
                let health = server.health();
                assert_eq!(health.status, 200, "{}", health.json());
            }
        }
    }
    assert_eq!(kinds, 2, "numpy and full, which nobody asked for");
    server.stop();
}

#[test]
fn units_that_end_as_soon_as_they_wait_are_replaced_with_pauses() {
    const KILLED_FOR: Duration = Duration::from_secs(2);
    // Each fifth of a second one of three kinds, with the process that makes it, and those that waited at first.
    const UNITS_MAX: usize = 100;
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[]);
    let zygotes = server.parts(3).zygotes;
    let mut killed = std::collections::HashSet::new();
    let start = Instant::now();
    while start.elapsed() < KILLED_FOR {
        let mut units = server.process().descendants();
        units.retain(|process| zygotes.iter().any(|zygote| zygote.pid == process.parent));
        for unit in units {
            unit.try_signal(Signal::KILL);
            killed.insert(unit.pid);
        }
    }
    assert!(killed.len() < UNITS_MAX, "{} units", killed.len());
    let log = server.log();
    assert!(log.contains("one ended while it waited"), "{log}");
    for code in ["print(1)", "import numpy", "import PIL, reportlab, fpdf"] {
        assert_eq!(server.run(code).status, 200);
    }
    wait_for("units that are kept", RECOVERY_MAX, || {
        server
            .log()
            .contains("units are kept ready again")
            .then_some(())
    });
    server.stop();
}

/// Kills parts of a server under load, one after the other, and sees it recover from each.
fn replaced(user: User, victims: impl Fn(&Parts) -> Vec<Process>) {
    let mut server = Server::start(user, &[("concurrent_max", "20"), ("pool_core", "5")]);
    let count = victims(&server.parts(3)).len();
    for number in 0..count {
        let parts = server.parts(3);
        server.remember();
        let load = Load::default();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| load.run(&server));
            }
            let _end = Stop(&load.stop);
            load.wait_for_successes(20);
            let victim = victims(&parts).get(number).copied();
            victim
                .expect("there are as many as before")
                .signal(Signal::KILL);
            let start = Instant::now();
            wait_for("the victim's end", GONE_MAX, || {
                (!victim.is_some_and(Process::lives)).then_some(())
            });
            // The first answers may come from units that were ready before.
            load.wait_for_successes(100);
            assert!(start.elapsed() < RECOVERY_MAX, "{:?}", start.elapsed());
        });
        load.check(&server);
        for code in ["print(1)", "import numpy", "import PIL, reportlab, fpdf"] {
            let answer = server.run(code);
            assert_eq!(answer.status, 200, "{}", answer.json());
        }
        let recovered = server.parts(3);
        assert!(
            victims(&recovered) != victims(&parts),
            "nothing was replaced"
        );
    }
    // Nothing of the dead ones is left either.
    server.stop();
}

/// Callers who ask all the time.
#[derive(Debug, Default)]
struct Load {
    stop: AtomicBool,
    heard: Mutex<Heard>,
}

/// Ends the load when the test goes on, and also when it fails.
#[derive(Debug)]
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
struct Heard {
    successes: usize,
    faults: usize,
    others: Vec<String>,
}

impl Load {
    fn run(&self, server: &Server) {
        while !self.stop.load(Ordering::Relaxed) {
            let asked =
                Connection::open(server.address).and_then(|mut open| open.ask(&admin("print(1)")));
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            match asked {
                Ok(answer) if answer.status == 200 => heard.successes += 1,
                // We broke, and said so with an id to quote.
                Ok(answer)
                    if answer.status == 500 && !answer.text("/error_details/id").is_empty() =>
                {
                    heard.faults += 1;
                }
                Ok(answer) => {
                    let body = String::from_utf8_lossy(&answer.body);
                    heard.others.push(format!("{}: {body}", answer.status));
                }
                Err(error) => heard.others.push(error.to_string()),
            }
        }
    }

    /// Waits for so many more answers.
    #[track_caller]
    fn wait_for_successes(&self, more: usize) {
        let successes = || {
            let heard = self.heard.lock();
            heard.unwrap_or_else(PoisonError::into_inner).successes
        };
        let wanted = successes() + more;
        wait_for("successful requests", RECOVERY_MAX, || {
            (successes() >= wanted).then_some(())
        });
    }

    #[track_caller]
    fn check(&self, server: &Server) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(
            heard.others.is_empty(),
            "{:?}\n{}",
            heard.others,
            server.log()
        );
        // Three callers, and each can lose the run that was going on and one that was being handed over.
        assert!(heard.faults <= 6, "{} requests failed", heard.faults);
    }
}

/// How many processes an idle server has, once that is the same for a while.
fn steady(server: &Server) -> Option<usize> {
    let count = || server.process().descendants().len();
    let before = count();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(300) {
        if count() != before {
            return None;
        }
        std::thread::yield_now();
    }
    Some(before)
}
