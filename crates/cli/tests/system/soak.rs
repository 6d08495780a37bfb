//! Good and hostile programs side by side for a long time: every good answer right, and no drift.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::case::Case;
use crate::cases::{IN_GVISOR, Wrong, gvisor, lacking, run};
use crate::harness::server::GONE_MAX;
use crate::harness::{Server, User, machine, skip, tell, wait_for};
use crate::leaks::Standing;

/// Programs at once; with the one that is timed, as many as a server takes by default.
const AT_ONCE: usize = 4;

/// How long it lasts where `HOGNOSE_SOAK_SECONDS` does not say. Seconds.
const SECONDS: u64 = 60;

/// Pause between two programs that are timed.
const PAUSE: Duration = Duration::from_millis(20);

/// How many times slower the last tenth of the timed programs may be than the first.
const DRIFT_MAX: f64 = 1.5;

/// How much the server's memory may grow: what its allocator keeps of the largest answers.
const GROWTH_MAX: u64 = 64 << 20;

/// How many descriptors more the server may have: connections that are being closed.
const DESCRIPTORS_MORE: usize = 8;

#[test]
#[ignore = "a minute at full load, or what HOGNOSE_SOAK_SECONDS says"]
fn good_and_hostile_programs_side_by_side() {
    soak(User::Ourselves, &[]);
}

#[test]
#[ignore = "a minute at full load, or what HOGNOSE_SOAK_SECONDS says"]
fn good_and_hostile_programs_side_by_side_for_an_ordinary_user() {
    match User::ordinary() {
        Ok(user) => soak(user, &[]),
        Err(why) => skip(
            "good_and_hostile_programs_side_by_side_for_an_ordinary_user",
            &why,
        ),
    }
}

#[test]
#[ignore = "a minute at full load, or what HOGNOSE_SOAK_SECONDS says"]
fn good_and_hostile_programs_side_by_side_in_a_container() {
    match User::container() {
        Ok(user) => soak(user, &[]),
        Err(why) => skip(
            "good_and_hostile_programs_side_by_side_in_a_container",
            &why,
        ),
    }
}

#[test]
#[ignore = "a minute at full load, or what HOGNOSE_SOAK_SECONDS says"]
fn good_and_hostile_programs_side_by_side_in_gvisor() {
    match gvisor() {
        Ok(()) => soak(User::Ourselves, &IN_GVISOR),
        Err(why) => skip("good_and_hostile_programs_side_by_side_in_gvisor", &why),
    }
}

/// What came of it.
#[derive(Debug, Default)]
struct Sum {
    held: usize,
    late: usize,
    wrong: Vec<String>,
}

fn soak(user: User, settings: &[(&str, &str)]) {
    let _machine = machine();
    let seconds = std::env::var_os("HOGNOSE_SOAK_SECONDS").map(|text| {
        let text = text.to_str().and_then(|text| text.parse().ok());
        text.expect("HOGNOSE_SOAK_SECONDS is a number")
    });
    let seconds = seconds.unwrap_or(SECONDS);
    let server = Server::start(user, settings);
    let mut cases = Case::all("good");
    cases.extend(Case::all("hostile"));
    let lacking = lacking(&server, &cases);
    cases.retain(|case| case.limits.is_empty() && !lacking.contains(&case.name));
    // Units of every kind wait while they are asked for.
    for code in ["import numpy", "import PIL, reportlab, fpdf"] {
        assert_eq!(server.run(code).status, 200);
    }
    let before = Standing::settled(&server);

    let end = Instant::now() + Duration::from_secs(seconds);
    let next = AtomicUsize::new(0);
    let sum = Mutex::new(Sum::default());
    let times = std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while Instant::now() < end {
                    // Neighbours in the list are of a kind; a step that is no part of its length mixes them.
                    let step = 61 * next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(step % cases.len()) else {
                        return;
                    };
                    let ran = run(&server, case);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    match ran {
                        Ok(()) => sum.held += 1,
                        Err(Wrong::Late(_)) => sum.late += 1,
                        Err(Wrong::Else(lines)) => {
                            sum.wrong
                                .push(format!("{}: {}", case.name, lines.join("; ")));
                        }
                    }
                }
            });
        }
        let mut times = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            let answer = server.run("print(1)");
            times.push(start.elapsed());
            assert_eq!(answer.text("/execution_details/stdout"), "1\n");
            std::thread::sleep(PAUSE);
        }
        times
    });

    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    let tenth = times.len() / 10;
    let first = median(times.iter().take(tenth).copied().collect());
    let last = median(times.iter().rev().take(tenth).copied().collect());
    tell(&format!(
        "soak{} ({}), {seconds} s: {} held, {} late, {} wrong; print(1) {} times, p50 {:.2} ms in the first tenth, {:.2} ms in the last",
        user.words(),
        server.isolation(),
        sum.held,
        sum.late,
        sum.wrong.len(),
        times.len(),
        first * 1000.0,
        last * 1000.0,
    ));
    assert!(sum.wrong.is_empty(), "{:#?}", sum.wrong);
    assert!(last <= first * DRIFT_MAX, "{first} s, then {last} s");
    wait_for("the programs' ends", GONE_MAX, || {
        (Standing::of(&server).processes <= before.processes).then_some(())
    });
    let now = Standing::settled(&server);
    // The first is the server itself.
    let resident = |standing: &Standing| standing.resident.first().copied().unwrap_or_default();
    let growth = resident(&now).saturating_sub(resident(&before));
    assert!(growth <= GROWTH_MAX, "the server grew by {growth} bytes");
    let descriptors = |standing: &Standing| standing.descriptors.first().copied();
    assert!(
        descriptors(&now) <= descriptors(&before).map(|count| count + DESCRIPTORS_MORE),
        "{before:?}\n{now:?}"
    );
    server.stop();
}

/// Seconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    let middle = times.get(times.len() / 2);
    middle.expect("some were timed").as_secs_f64()
}
