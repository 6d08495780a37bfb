//! What to measure, and the measuring of it, in order.

use std::thread;
use std::time::{Duration, SystemTime};

use api::Timestamp;

use crate::BenchError;
use crate::answer::examine;
use crate::case::Case;
use crate::client::{Client, Target};
use crate::floor::{self, Python};
use crate::load::{Load, Pace, SELDOM_PER_SECOND, Shot, Tally, Until, drive};
use crate::machine::Machine;
use crate::peer::Peer;
use crate::processes::{Holding, ShareMemory, forget_peak};
use crate::promises;
use crate::report::{self, Comparison, Held, Measurement, Report, Who, mib};
use crate::statistics::{Spread, Summary};

/// What to measure.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The server.
    pub target: Target,
    /// Another one, measured in turns with it.
    pub against: Option<Target>,
    /// The admin key that goes with every request; without it a server counts and refuses.
    pub key: Option<String>,
    /// The programs.
    pub cases: Vec<Case>,
    /// The load of each.
    pub load: Load,
    /// How long the same load is put on the server before, uncounted.
    pub warm_up: Duration,
    /// How many times two servers take turns.
    pub rounds: u32,
    /// How many times slower than the other the server may be; more makes the verdict.
    pub tolerance: Option<f64>,
    /// What the floor and the peer run.
    pub python: Option<Python>,
    /// Whether to measure the floor.
    pub floor: bool,
    /// Whether to measure the way of the original too.
    pub peer: bool,
    /// A burst after silence.
    pub burst: Option<Burst>,
    /// Far more clients than slots.
    pub refusals: Option<usize>,
    /// Every case and everything else, as the promises need it.
    pub whole: bool,
    /// The server's process, to see what it holds.
    pub server_pid: Option<u32>,
    /// What tells which of its processes have one memory.
    pub share_memory: ShareMemory,
    /// A name for this measurement.
    pub label: Option<String>,
}

/// A burst after silence.
#[derive(Debug, Clone, Copy)]
pub struct Burst {
    /// Requests, all at once.
    pub clients: usize,
    /// The silence before.
    pub idle: Duration,
}

/// Tells whoever waits for the figures.
pub trait Show {
    /// Something was found.
    fn fact(&mut self, text: &str);
    /// Where things stand, until the next word.
    fn progress(&mut self, text: &str);
}

/// Measures.
///
/// # Errors
///
/// If a server is not there or does not run a case, or this machine cannot do its part. What a
/// server answers during a measurement is never an error.
pub fn run(plan: &Plan, show: &mut dyn Show) -> Result<Report, BenchError> {
    let mut bench = Bench::new(plan, show);
    // Who is not there, or has no key, is told before anything is waited for.
    let first = plan.cases.first().copied().unwrap_or(Case::Hello);
    let fit = bench.aim(&plan.target, first)?.fit;
    bench.report.slots = fit.slots;
    let holding = || {
        plan.server_pid
            .and_then(|pid| Holding::of(pid, plan.share_memory))
    };
    let before = holding();
    if plan.floor {
        bench.floor()?;
    }
    if plan.whole {
        bench.whole()?;
    } else {
        bench.parts()?;
    }
    if let (Some(before), Some(after)) = (before, holding()) {
        let held = Held { before, after };
        bench.show.fact(&held.lines());
        bench.report.holding = Some(held);
    }
    let mut report = bench.report;
    if plan.against.is_none() {
        report.promises = promises::compare(&report);
    }
    for promise in &report.promises {
        show.fact(&promise.line());
    }
    Ok(report)
}

/// The largest number of clients of a load that is to be refused nowhere.
const CLIENTS_MANY: usize = 8;
/// How long the peer and the server take turns in a whole measurement, in rounds.
const PEER_ROUNDS: u32 = 3;
/// How long after a burst the way back to normal is watched.
const RECOVERY: Duration = Duration::from_secs(3);
/// The windows of it whose medians are looked at.
const RECOVERY_WINDOW: Duration = Duration::from_millis(100);
/// How much longer than before counts as normal again.
const RECOVERED: f64 = 1.25;

struct Bench<'a> {
    plan: &'a Plan,
    show: &'a mut dyn Show,
    report: Report,
}

impl<'a> Bench<'a> {
    fn new(plan: &'a Plan, show: &'a mut dyn Show) -> Self {
        let machine = Machine::look();
        show.fact(&format!(
            "machine {}, {} cores, {} MiB, Linux {}, load before {:.2}",
            machine.cpu, machine.cores, machine.memory_mib, machine.kernel, machine.load_before
        ));
        let report = Report {
            schema: 1,
            label: plan.label.clone(),
            taken_at_utc: now(),
            generator: env!("CARGO_PKG_VERSION"),
            machine,
            url: plan.target.url().to_owned(),
            slots: None,
            measurements: Vec::new(),
            comparisons: Vec::new(),
            floor: None,
            burst: None,
            holding: None,
            promises: Vec::new(),
        };
        Self { plan, show, report }
    }

    /// The parts that were asked for.
    fn parts(&mut self) -> Result<(), BenchError> {
        let plan = self.plan;
        let peer = self.peer()?;
        for case in &plan.cases {
            if let Some(against) = &plan.against {
                self.compare(Who::Against, against, *case, plan.load, plan.rounds)?;
            }
            if let Some(peer) = &peer {
                self.compare(Who::Peer, peer.target(), *case, plan.load, plan.rounds)?;
            }
            if plan.against.is_none() && peer.is_none() {
                let measured = self.measure(*case, plan.load)?;
                if plan.cases.len() == 1 && plan.refusals.is_none() && plan.burst.is_none() {
                    self.show.fact(&measured.details());
                }
            }
        }
        if let Some(clients) = plan.refusals {
            let case = plan.cases.first().copied().unwrap_or(Case::Hello);
            self.refusals(case, clients)?;
        }
        if let Some(burst) = plan.burst {
            self.burst(burst)?;
        }
        Ok(())
    }

    /// Everything that the promises need.
    fn whole(&mut self) -> Result<(), BenchError> {
        let one = Load {
            clients: 1,
            pace: Pace::Closed,
            ..self.plan.load
        };
        for case in Case::ALL {
            self.measure(case, one)?;
        }
        let rate = SELDOM_PER_SECOND;
        let seldom = Load {
            pace: Pace::Open { rate },
            ..one
        };
        self.measure(Case::Hello, seldom)?;
        let many = Load {
            clients: self.report.slots.unwrap_or(CLIENTS_MANY).min(CLIENTS_MANY),
            ..one
        };
        for case in [Case::Hello, Case::Full] {
            self.measure(case, many)?;
        }
        if let Some(peer) = self.peer()? {
            for case in [Case::Hello, Case::Numpy, Case::Pillow] {
                for load in [one, many] {
                    self.compare(Who::Peer, peer.target(), case, load, PEER_ROUNDS)?;
                }
            }
        }
        self.refusals(Case::Hello, self.plan.refusals.unwrap_or(100))?;
        if let Some(burst) = self.plan.burst {
            self.burst(burst)?;
        }
        Ok(())
    }

    fn floor(&mut self) -> Result<(), BenchError> {
        let Some(python) = &self.plan.python else {
            return Ok(());
        };
        let cases: &[Case] = if self.plan.whole {
            &Case::ALL
        } else {
            &self.plan.cases
        };
        let cores = self.report.machine.cores;
        let floor = floor::measure(python, cases, cores, &mut |text| self.show.progress(text))?;
        self.show.fact(&floor.lines());
        self.report.machine.python.clone_from(&floor.python);
        self.report.floor = Some(floor);
        Ok(())
    }

    fn peer(&self) -> Result<Option<Peer>, BenchError> {
        let python = self.plan.python.as_ref().filter(|_| self.plan.peer);
        python
            .map(|python| Peer::start(&python.program))
            .transpose()
    }

    /// Runs a case once on a server and reads every byte of the answer: what is measured must work.
    fn aim<'t>(&self, target: &'t Target, case: Case) -> Result<Shot<'t>, BenchError> {
        let request = target.request(&case.body(self.plan.key.as_deref()));
        let mut client = Client::new(target);
        let unreachable = |source| BenchError::Unreachable {
            url: target.url().to_owned(),
            source,
        };
        let response = client.exchange(&request).map_err(unreachable)?;
        let fit = examine(case, &response).map_err(|trouble| BenchError::Unfit {
            url: target.url().to_owned(),
            case: case.name(),
            hint: self.hint(trouble.status),
            trouble: trouble.to_string(),
        })?;
        Ok(Shot {
            target,
            case,
            request,
            fit,
        })
    }

    /// What to do about a trouble, if we know.
    const fn hint(&self, status: Option<u16>) -> &'static str {
        match (status, &self.plan.key) {
            (Some(429), None) => "; set HOGNOSE_ADMIN_KEY to the server's key",
            (Some(429), Some(_)) => "; is HOGNOSE_ADMIN_KEY the server's key?",
            _ => "",
        }
    }

    /// Puts a load on the server and tells what came of it.
    fn measure(&mut self, case: Case, load: Load) -> Result<Measurement, BenchError> {
        let shot = self.aim(&self.plan.target, case)?;
        self.warm_up(&shot, load);
        let pid = self.plan.server_pid;
        let knows_peak = pid.is_some_and(forget_peak);
        let tally = self.drive(&shot, load, "");
        let mut measured = Measurement::of(Who::Server, case, load, &tally);
        let pid = pid.filter(|_| knows_peak);
        let holding = pid.and_then(|pid| Holding::of(pid, self.plan.share_memory));
        measured.server_peak_mib = holding.map(|holding| mib(holding.server_peak_kib));
        self.keep(measured.clone());
        Ok(measured)
    }

    /// Two servers in turns: A B, B A, A B... so that neither always comes second.
    fn compare(
        &mut self,
        who: Who,
        other: &Target,
        case: Case,
        load: Load,
        rounds: u32,
    ) -> Result<(), BenchError> {
        let shots = [self.aim(&self.plan.target, case)?, self.aim(other, case)?];
        let rounds = rounds.max(1);
        let short = Load {
            until: match load.until {
                Until::Elapsed(whole) => Until::Elapsed(whole / rounds),
                Until::Sent(count) => Until::Sent(count.div_ceil(u64::from(rounds))),
            },
            ..load
        };
        for shot in &shots {
            self.warm_up(shot, short);
        }
        let mut all: [Tally; 2] = Default::default();
        let (mut latencies, mut throughputs) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            let mut figures = [(f64::NAN, f64::NAN); 2];
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for side in order {
                let (Some(shot), Some(all), Some(figures)) =
                    (shots.get(side), all.get_mut(side), figures.get_mut(side))
                else {
                    continue;
                };
                let tally = self.drive(shot, short, &format!("round {} of {rounds}, ", round + 1));
                let p50 = Summary::of(tally.good.iter().map(|sample| sample.took));
                let p50 = p50.map_or(f64::INFINITY, |summary| summary.p50_ms);
                let rate = tally.good.len() as f64 / tally.elapsed.as_secs_f64();
                *figures = (p50, rate);
                all.append(tally);
            }
            let [ours, theirs] = figures;
            latencies.push(ours.0 / theirs.0);
            throughputs.push(ours.1 / theirs.1);
        }
        for (who, tally) in [Who::Server, who].into_iter().zip(&all) {
            self.keep(Measurement::of(who, case, load, tally));
        }
        let spreads = Spread::of(latencies).zip(Spread::of(throughputs));
        if let Some((latency, throughput)) = spreads {
            let slower = |tolerance| latency.is_slower(tolerance);
            let comparison = Comparison {
                other: who,
                case: case.name(),
                clients: load.clients,
                latency,
                throughput,
                is_slower: self.plan.tolerance.map(slower),
            };
            self.show.fact(&comparison.line());
            self.report.comparisons.push(comparison);
        }
        Ok(())
    }

    /// As many clients as slots, then far more: what do those feel who get in?
    fn refusals(&mut self, case: Case, clients: usize) -> Result<(), BenchError> {
        let mut load = Load {
            pace: Pace::Closed,
            clients: self.report.slots.unwrap_or(5),
            ..self.plan.load
        };
        self.measure(case, load)?;
        load.clients = clients;
        // Refused clients of the real world wait for a second or more; a hundred of them that ask
        // again every 50 ms are two thousand refusals a second.
        load.rest = load.rest.max(Duration::from_millis(50));
        self.measure(case, load)?;
        Ok(())
    }

    /// Silence, then everything at once, then one client until things are as before.
    fn burst(&mut self, burst: Burst) -> Result<(), BenchError> {
        let shot = self.aim(&self.plan.target, Case::Hello)?;
        let one = Load {
            clients: 1,
            pace: Pace::Closed,
            until: Until::Elapsed(RECOVERY),
            rest: self.plan.load.rest,
        };
        let before = self.drive(&shot, one, "before the silence, ");
        let before = Measurement::of(Who::Server, Case::Hello, one, &before);
        let mut left = burst.idle;
        while !left.is_zero() {
            let seconds = left.as_secs();
            self.show
                .progress(&format!("silence, {seconds} s to go before the burst"));
            let step = left.min(Duration::from_secs(1));
            thread::sleep(step);
            left -= step;
        }
        let all = Load {
            clients: burst.clients,
            pace: Pace::Burst,
            ..one
        };
        let tally = self.drive(&shot, all, "burst, ");
        let after = self.drive(&shot, one, "after the burst, ");
        let bound = before.p50_ms() * RECOVERED;
        let found = report::Burst {
            idle_seconds: burst.idle.as_secs_f64(),
            measurement: Measurement::of(Who::Server, Case::Hello, all, &tally),
            before_p50_ms: before.p50_ms(),
            recovered_after_ms: recovered_after(&after, bound),
        };
        self.show.fact(&found.line());
        self.report.burst = Some(found);
        Ok(())
    }

    fn warm_up(&mut self, shot: &Shot<'_>, load: Load) {
        let load = Load {
            until: Until::Elapsed(self.plan.warm_up),
            ..load
        };
        if !self.plan.warm_up.is_zero() {
            drop(self.drive(shot, load, "warming up, "));
        }
    }

    fn drive(&mut self, shot: &Shot<'_>, load: Load, when: &str) -> Tally {
        let (case, url) = (shot.case, shot.target.url());
        let clients = load.clients;
        self.show.progress(&format!("{when}{case} on {url}"));
        drive(shot, load, &mut |answers, elapsed| {
            let seconds = elapsed.as_secs_f64();
            self.show.progress(&format!(
                "{when}{case} on {url}, clients {clients}: {answers} answers in {seconds:.1} s"
            ));
        })
    }

    fn keep(&mut self, measured: Measurement) {
        self.show.fact(&measured.line());
        let limited = measured.troubles.iter().find_map(|t| {
            let hint = self.hint(t.trouble.status);
            (!hint.is_empty()).then_some(hint)
        });
        if let Some(hint) = limited {
            let hint = hint.trim_start_matches("; ");
            self.show
                .fact(&format!("        requests are limited: {hint}"));
        }
        self.report.measurements.push(measured);
    }
}

/// When the first window ended whose median is below the bound.
fn recovered_after(tally: &Tally, bound_ms: f64) -> Option<f64> {
    let windows = RECOVERY.as_millis() / RECOVERY_WINDOW.as_millis();
    (1..=u32::try_from(windows).unwrap_or(u32::MAX)).find_map(|number| {
        let (from, to) = (RECOVERY_WINDOW * (number - 1), RECOVERY_WINDOW * number);
        let inside = tally
            .good
            .iter()
            .filter(|sample| sample.over >= from && sample.over < to);
        let median = Summary::of(inside.map(|sample| sample.took))?.p50_ms;
        (median <= bound_ms).then_some(to.as_secs_f64() * 1e3)
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "a result says when it was taken; nothing depends on it"
)]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Timestamp::since_1970(since.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::Sample;

    #[test]
    fn a_server_is_back_to_normal_when_a_tenth_of_a_second_is() {
        let mut tally = Tally::default();
        for number in 0..60_u64 {
            let took = if number < 26 { 9 } else { 1 };
            tally.good.push(Sample {
                over: Duration::from_millis(number * 10),
                took: Duration::from_millis(took),
            });
        }
        // Of the ten between 200 and 300 ms six are slow still.
        assert_eq!(recovered_after(&tally, 1.25), Some(400.0));
        assert_eq!(recovered_after(&tally, 9.0), Some(100.0));
        assert_eq!(recovered_after(&tally, 0.5), None);
    }
}
