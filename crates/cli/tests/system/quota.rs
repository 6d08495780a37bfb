//! The daily count, which outlives everything.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::harness::client::Answer;
use crate::harness::server::public;
use crate::harness::{Connection, Server, User, machine, wait_for};

/// Callers, two of them of one count: an IPv6 caller is counted by /64.
const CALLERS: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];

/// Rounds of load and kill.
const ROUNDS: usize = 3;

#[test]
fn quota_survives_kill_dash_nine() {
    let _machine = machine();
    let settings = [
        ("requests_per_minute", "1000000"),
        ("requests_per_day", "1000000"),
        ("concurrent_max", "20"),
        ("pool_core", "5"),
        ("pool_numpy", "0"),
        ("pool_full", "0"),
    ];
    let mut server = Server::start(User::Ourselves, &settings);
    for _ in 0..ROUNDS {
        let told = load_and_kill(&mut server);
        server.leaves_nothing();
        server.start_again();
        for (caller, told) in told {
            let answer = server.ask(&public(caller, "print(1)"));
            let now = requests_today(&answer).expect("it is a public caller's answer");
            assert!(
                now > told,
                "{caller} was told {told} requests, and {now} after the kill"
            );
        }
    }
    server.stop();
}

/// Loads the server until it has answered a while, kills it, and tells the highest count each heard.
fn load_and_kill(server: &mut Server) -> BTreeMap<&'static str, u64> {
    let stop = AtomicBool::new(false);
    let answered = AtomicUsize::new(0);
    let address = server.address;
    std::thread::scope(|scope| {
        let callers = CALLERS.map(|caller| {
            let (stop, answered) = (&stop, &answered);
            let handle = scope.spawn(move || {
                let mut highest = 0;
                let mut connection = Connection::open(address).ok();
                while let Some(open) = &mut connection
                    && !stop.load(Ordering::Relaxed)
                {
                    let Ok(answer) = open.ask(&public(caller, "print(1)")) else {
                        break;
                    };
                    if let Some(told) = requests_today(&answer) {
                        highest = highest.max(told);
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
                highest
            });
            (caller, handle)
        });
        wait_for("answers", Duration::from_secs(20), || {
            (answered.load(Ordering::Relaxed) > 200).then_some(())
        });
        server.kill();
        stop.store(true, Ordering::Relaxed);
        callers
            .into_iter()
            .map(|(caller, handle)| (caller, handle.join().expect("it only asks")))
            .collect()
    })
}

fn requests_today(answer: &Answer) -> Option<u64> {
    answer
        .json()
        .pointer("/user_info/requests_today")
        .and_then(Value::as_u64)
}
