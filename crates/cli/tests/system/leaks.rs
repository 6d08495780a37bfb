//! What thousands of requests must not leave behind while the server lives.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::harness::processes::{Parts, Process};
use crate::harness::server::{GONE_MAX, admin};
use crate::harness::traces::Traces;
use crate::harness::{Connection, Server, User, machine, skip, wait_for};

/// Requests of each half: one after the other, and then side by side.
const REQUESTS: usize = 2000;

/// The same where an ordinary user started the server: there is less to leave behind.
const ORDINARY_REQUESTS: usize = 500;

/// Requests at once in the second half.
const AT_ONCE: usize = 10;

/// Requests after which caches and allocators have what they keep.
const WARM_UP: usize = 300;

/// Cgroups are kept and used again: one for each unit that waits, runs or is being buried.
const CGROUPS_MAX: usize = 9 + 2 * AT_ONCE;

/// How much the server's memory may grow: what its threads' allocators keep, but no byte a request.
const GROWTH_MAX: u64 = 12 << 20;

/// How much the memory of a keeper or a zygote may grow.
const SMALL_GROWTH_MAX: u64 = 4 << 20;

/// Descriptors that a keeper has of a cgroup, which it keeps for the next runs: as many where there is one for memory and one for
/// processes.
const CGROUP_DESCRIPTORS_MAX: usize = 8;

#[test]
fn two_thousand_requests_leave_nothing_behind() {
    many_requests(User::Ourselves, REQUESTS);
}

#[test]
fn requests_to_an_ordinary_users_server_leave_nothing_behind() {
    match User::ordinary() {
        Ok(user) => many_requests(user, ORDINARY_REQUESTS),
        Err(why) => skip(
            "requests_to_an_ordinary_users_server_leave_nothing_behind",
            &why,
        ),
    }
}

#[test]
fn requests_to_a_server_in_a_container_leave_nothing_behind() {
    match User::container() {
        Ok(user) => many_requests(user, ORDINARY_REQUESTS),
        Err(why) => skip(
            "requests_to_a_server_in_a_container_leave_nothing_behind",
            &why,
        ),
    }
}

/// The kernel keeps them as long as it has memory, and counts them for nobody when the run's cgroup is gone.
#[test]
fn names_looked_up_in_vain_are_forgotten_with_their_run() {
    const LOOK: &str = "
import os, time
library = os.path.dirname(os.__file__)
end, count = time.monotonic() + 4, 0
while time.monotonic() < end:
    count += 1
    os.path.lexists(f'{library}/{count:0200}')
print(count)
";
    const LEFT_MAX: u64 = 32 << 20;
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[]);
    if !server.log().contains("cgroup v") {
        let name = "names_looked_up_in_vain_are_forgotten_with_their_run";
        skip(name, "no cgroup counts the memory of a run here");
        return server.stop();
    }
    let before = reclaimable_bytes();
    let answer = server.run(LOOK);
    assert_eq!(answer.status, 200, "{}", answer.json());
    let held = reclaimable_bytes().saturating_sub(before);
    wait_for("the kernel to forget them", GONE_MAX, || {
        (reclaimable_bytes() <= before + LEFT_MAX).then_some(())
    });
    println!("{held} bytes were held");
    server.stop();
}

/// What the kernel remembers of files and names, and gives up when it needs the memory.
fn reclaimable_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").expect("there is /proc");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("SReclaimable:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kibibytes
        .and_then(|text| text.parse::<u64>().ok())
        .expect("Linux tells")
        * 1024
}

fn many_requests(user: User, requests: usize) {
    let _machine = machine();
    let server = Server::start(user, &[("concurrent_max", "20"), ("pool_core", "5")]);
    in_a_row(&server, WARM_UP);
    at_once(&server, WARM_UP);
    let before = Standing::settled(&server);
    let traces = Traces::now(user.throw_away());

    in_a_row(&server, requests);
    at_once(&server, requests);

    // Units are replaced and connections closed a little after their answers.
    let mut now = Standing::of(&server);
    let small = |now: &Standing| {
        // One may come or go between the counts.
        let cgroups_more = now.cgroups.saturating_sub(before.cgroups) + 1;
        let descriptors_more = cgroups_more * CGROUP_DESCRIPTORS_MAX;
        now.processes <= before.processes
            && now.cgroups <= CGROUPS_MAX
            && now
                .descriptors
                .iter()
                .zip(&before.descriptors)
                .all(|(now, before)| *now <= before + descriptors_more)
    };
    let start = std::time::Instant::now();
    while !small(&now) {
        assert!(
            start.elapsed() < GONE_MAX,
            "before: {before:?}\nnow: {now:?}"
        );
        now = wait_for("the server", GONE_MAX, || Some(Standing::of(&server)));
    }
    assert_eq!(
        Traces::now(user.throw_away()).since(&traces),
        Vec::<String>::new()
    );
    for (index, (now, before)) in now.resident.iter().zip(&before.resident).enumerate() {
        let bound = if index == 0 {
            GROWTH_MAX
        } else {
            SMALL_GROWTH_MAX
        };
        let growth = now.saturating_sub(*before);
        assert!(
            growth <= bound,
            "process {index} of server, keepers, zygotes grew by {growth} bytes"
        );
    }
    server.stop();
}

/// What a server holds: first itself, then the keepers, then the zygotes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) processes: usize,
    cgroups: usize,
    pub(crate) descriptors: Vec<usize>,
    pub(crate) resident: Vec<u64>,
}

impl Standing {
    pub(crate) fn of(server: &Server) -> Self {
        let own = server.process();
        let Parts {
            outer_keeper,
            inner_keeper,
            mut zygotes,
            ..
        } = server.parts(zygotes_of(server));
        zygotes.sort();
        let holders = [&[own, outer_keeper, inner_keeper], zygotes.as_slice()].concat();
        Self {
            processes: own.descendants().len(),
            cgroups: cgroups(outer_keeper),
            descriptors: holders
                .iter()
                .filter_map(|process| process.descriptors())
                .collect(),
            resident: holders
                .iter()
                .map(|process| process.resident_bytes())
                .collect(),
        }
    }

    /// Looks until nothing changes for a while.
    pub(crate) fn settled(server: &Server) -> Self {
        let mut last = Self::of(server);
        let mut since = std::time::Instant::now();
        wait_for("the server to settle", Duration::from_secs(20), || {
            let now = Self::of(server);
            if (now.processes, now.cgroups, &now.descriptors)
                != (last.processes, last.cgroups, &last.descriptors)
            {
                since = std::time::Instant::now();
            }
            last = now;
            (since.elapsed() > Duration::from_millis(500)).then_some(())
        });
        last
    }
}

/// How many zygotes a server has: one a kind, but none where each unit warms by itself.
fn zygotes_of(server: &Server) -> usize {
    match server.isolation() {
        "gvisor" => 0,
        _ => 3,
    }
}

/// How many cgroups a keeper has.
fn cgroups(keeper: Process) -> usize {
    let name = format!("hognose-{}", keeper.pid);
    Traces::cgroups_named(&name)
}

fn in_a_row(server: &Server, requests: usize) {
    let mut connection = server.connect();
    for _ in 0..requests {
        one(&mut connection);
    }
}

fn at_once(server: &Server, requests: usize) {
    let left = AtomicUsize::new(requests);
    let take = || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut connection = server.connect();
                while take().is_ok() {
                    one(&mut connection);
                }
            });
        }
    });
}

#[track_caller]
fn one(connection: &mut Connection) {
    let answer = connection
        .ask(&admin("print(1)"))
        .expect("the server lives");
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    assert_eq!(answer.text("/execution_details/stdout"), "1\n");
}
