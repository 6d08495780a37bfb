//! What hognose promises about its speed, compared with what was found.
//!
//! Where a time would depend on the machine, the promise is a ratio within one run. Those that a run
//! did not measure are left out.

use crate::case::Case;
use crate::floor::Floor;
use crate::load::SELDOM_PER_SECOND;
use crate::report::{Measurement, Promise, Report, Who, mib};

/// All promises that the figures of this report can tell about.
pub(crate) fn compare(report: &Report) -> Vec<Promise> {
    let mut promises = Vec::new();
    latency(report, &mut promises);
    throughput(report, &mut promises);
    against_the_peer(report, &mut promises);
    crowd(report, &mut promises);
    memory(report, &mut promises);
    promises
}

/// The server's measurements of a case in a closed loop, by the number of clients.
fn closed(
    report: &Report,
    case: Case,
    clients: impl Fn(usize) -> bool,
) -> impl Iterator<Item = &Measurement> {
    report.measurements.iter().filter(move |measured| {
        measured.who == Who::Server
            && measured.case == case.name()
            && measured.pace == "closed"
            && clients(measured.clients)
            && measured.runs > 0
    })
}

fn single(report: &Report, case: Case) -> Option<&Measurement> {
    closed(report, case, |clients| clients == 1).next()
}

/// One client that comes so seldom that nothing is left of the request before.
fn seldom(report: &Report, case: Case) -> Option<&Measurement> {
    report.measurements.iter().find(|measured| {
        measured.who == Who::Server
            && measured.case == case.name()
            && measured.clients == 1
            && measured.runs > 0
            && measured
                .rate_per_second
                .is_some_and(|rate| rate <= SELDOM_PER_SECOND)
    })
}

fn latency(report: &Report, promises: &mut Vec<Promise>) {
    let Some(hello) = single(report, Case::Hello) else {
        return;
    };
    let Some(times) = hello.latency else { return };
    promises.push(Promise::at_most(
        "hello, one client: p50, ms",
        1.0,
        times.p50_ms,
    ));
    promises.push(Promise::at_most(
        "hello, one client: p99, ms",
        3.0,
        times.p99_ms,
    ));
    if let Some(seldom) = seldom(report, Case::Hello) {
        promises.push(Promise::at_most(
            "hello, seldom: p50 as a multiple of that without a pause",
            2.0,
            seldom.p50_ms() / times.p50_ms,
        ));
    }
    let floor_of = |case| {
        report
            .floor
            .as_ref()
            .and_then(|floor: &Floor| floor.of(case))
    };
    let Some(floor) = floor_of(Case::Hello) else {
        return;
    };
    promises.push(Promise::at_most(
        "hello, one client: p50 as a multiple of the floor",
        2.0,
        times.p50_ms / floor.to_end.p50_ms,
    ));
    for case in [Case::Numpy, Case::Full, Case::Pillow, Case::Fpdf] {
        if let (Some(measured), Some(own)) = (single(report, case), floor_of(case)) {
            let own_work = own.work.p50_ms - floor.work.p50_ms;
            promises.push(Promise::at_most(
                format!("{case}: p50 beyond hello and its own work, ms"),
                0.5,
                measured.p50_ms() - times.p50_ms - own_work,
            ));
        }
    }
}

fn throughput(report: &Report, promises: &mut Vec<Promise>) {
    let most = |case| {
        closed(report, case, |clients| clients > 1)
            .map(|measured| measured.runs_per_second)
            .max_by(f64::total_cmp)
    };
    for (case, kind, bound) in [(Case::Hello, "core", 1200.0), (Case::Full, "full", 400.0)] {
        let Some(found) = most(case) else { continue };
        promises.push(Promise::at_least(
            format!("{case}, many clients: runs a second"),
            bound,
            found,
        ));
        let forks = report.floor.as_ref().and_then(|floor| floor.forks_of(kind));
        if let Some(forks) = forks {
            promises.push(Promise::at_least(
                format!("{case}, many clients: part of fork, exit, wait"),
                0.6,
                found / forks,
            ));
        }
    }
}

fn against_the_peer(report: &Report, promises: &mut Vec<Promise>) {
    let peers = report.comparisons.iter().filter(|c| c.other == Who::Peer);
    for comparison in peers {
        let bounds = [(Case::Hello, 20.0, 12.0), (Case::Numpy, 60.0, 40.0)];
        for (case, shorter, more) in bounds {
            if comparison.case != case.name() {
                continue;
            }
            promises.push(if comparison.clients == 1 {
                Promise::at_least(
                    format!("{case}: times shorter than a fresh interpreter's"),
                    shorter,
                    1.0 / comparison.latency.median,
                )
            } else {
                Promise::at_least(
                    format!("{case}: times more runs than fresh interpreters"),
                    more,
                    comparison.throughput.median,
                )
            });
        }
    }
}

fn crowd(report: &Report, promises: &mut Vec<Promise>) {
    let Some(slots) = report.slots else { return };
    for crowded in &report.measurements {
        let Some(case) = crowd_case(crowded, slots) else {
            continue;
        };
        let refusals = crowded.troubles.iter().filter(|t| t.trouble.is_refusal());
        let slowest = refusals.filter_map(|t| Some(t.latency?.p99_ms));
        if let Some(p99) = slowest.max_by(f64::total_cmp) {
            promises.push(Promise::at_most(
                format!("{case}, {} clients: refusals p99, ms", crowded.clients),
                5.0,
                p99,
            ));
        }
        let alone = closed(report, case, |clients| clients == slots).last();
        if let Some(alone) = alone {
            promises.push(Promise::at_most(
                format!(
                    "{case}, {} clients: admitted, times slower",
                    crowded.clients
                ),
                2.0,
                crowded.p50_ms() / alone.p50_ms(),
            ));
        }
    }
    if let Some(burst) = &report.burst {
        let refused = !burst.measurement.troubles.is_empty();
        if let Some(times) = burst.measurement.latency.filter(|_| !refused) {
            promises.push(Promise::at_most("burst: p99, ms", 60.0, times.p99_ms));
        }
        promises.push(Promise::at_most(
            "burst: back to normal after, ms",
            1000.0,
            burst.recovered_after_ms.unwrap_or(f64::INFINITY),
        ));
    }
}

/// The case of a measurement with far more clients than slots.
fn crowd_case(measured: &Measurement, slots: usize) -> Option<Case> {
    let is_crowd = measured.who == Who::Server
        && measured.pace == "closed"
        && measured.clients >= slots.saturating_mul(4)
        && measured.runs > 0;
    measured.case.parse().ok().filter(|_| is_crowd)
}

fn memory(report: &Report, promises: &mut Vec<Promise>) {
    if let Some(files) = single(report, Case::Files) {
        promises.push(Promise::at_most("files: p50, ms", 80.0, files.p50_ms()));
        if let Some(peak) = files.server_peak_mib {
            promises.push(Promise::at_most(
                "files: peak of the server, MiB",
                150.0,
                peak,
            ));
        }
    }
    for measured in &report.measurements {
        if let Some(drift) = measured.drift().filter(|_| measured.runs >= 50_000) {
            promises.push(Promise::at_most(
                format!("{}: p50 of the last tenth to the first", measured.case),
                1.1,
                drift,
            ));
        }
    }
    if let Some(held) = report.holding {
        let idle = mib(held.before.pss_kib);
        promises.push(Promise::at_most(
            "idle server, all processes, MiB",
            150.0,
            idle,
        ));
    }
}
