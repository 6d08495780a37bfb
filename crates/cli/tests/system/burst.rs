//! Many programs at once, after a silence.

use std::time::Duration;

use crate::harness::processes::Parts;
use crate::harness::server::GONE_MAX;
use crate::harness::{Server, User, machine, wait_for};

/// Programs that may run at once.
const SLOTS: usize = 12;

/// Units that wait for more, however many run.
const WAITING_MIN: usize = 5;

/// Longest time until so many units are ready: the shelves are looked through every 5 s.
const READY_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_burst_finds_a_unit_each_and_what_runs_is_counted() {
    let _machine = machine();
    let slots = SLOTS.to_string();
    let settings = [
        ("concurrent_max", slots.as_str()),
        ("pool_numpy", "0"),
        ("pool_full", "0"),
    ];
    let mut server = Server::start(User::Ourselves, &settings);
    let has_units = |server: &Server, count: usize| {
        wait_for(&format!("{count} units"), READY_MAX, || {
            let inits = Parts::of(server.process())?.inits;
            (inits.len() == count).then_some(())
        });
    };
    has_units(&server, SLOTS);
    std::thread::scope(|scope| {
        for _ in 0..SLOTS {
            scope.spawn(|| {
                // Longer than until the shelves are looked through, while none of them ends.
                let answer = server.run("import time\ntime.sleep(8)\nprint('slept')");
                assert_eq!(answer.status, 200);
            });
        }
        wait_for("every program to run", GONE_MAX, || {
            (usize::try_from(server.active()) == Ok(SLOTS)).then_some(())
        });
        has_units(&server, SLOTS + WAITING_MIN);
    });
    has_units(&server, SLOTS);
    server.remember();
    server.stop();
}
