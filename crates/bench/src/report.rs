//! What was found, as it is told: JSON for machines and results that are kept, lines for people.

use std::fmt::Write as _;
use std::time::Duration;

use api::Timestamp;
use serde::Serialize;

use crate::answer::Trouble;
use crate::case::Case;
use crate::floor::Floor;
use crate::load::{Load, Pace, Tally};
use crate::machine::Machine;
use crate::processes::Holding;
use crate::statistics::{Bucket, Sample, Spread, Summary, draw, histogram, time};

/// Everything that one call of the bench found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The version of this form. A field that changes its meaning changes it.
    pub schema: u32,
    /// What the caller calls this measurement.
    pub label: Option<String>,
    /// When it began.
    pub taken_at_utc: Timestamp,
    /// The version of this generator.
    pub generator: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// The server that was measured.
    pub url: String,
    /// Programs that it runs at once, if it says so.
    pub slots: Option<usize>,
    /// Every load that was put on a server, in order.
    pub measurements: Vec<Measurement>,
    /// Pairs of measurements that alternated, as ratios.
    pub comparisons: Vec<Comparison>,
    /// What the kernel and the interpreter allow.
    pub floor: Option<Floor>,
    /// A burst after silence.
    pub burst: Option<Burst>,
    /// What the server held before and after everything else.
    pub holding: Option<Held>,
    /// The promises that these figures can tell about.
    pub promises: Vec<Promise>,
}

/// A promise and what was found of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Promise {
    /// What is promised, with the unit.
    pub what: String,
    /// The bound.
    pub bound: f64,
    /// Whether the bound is an upper one.
    pub at_most: bool,
    /// What was found.
    pub found: f64,
    /// Whether it holds.
    pub held: bool,
}

impl Promise {
    pub(crate) fn at_most(what: impl Into<String>, bound: f64, found: f64) -> Self {
        Self {
            what: what.into(),
            bound,
            at_most: true,
            found,
            held: found <= bound,
        }
    }

    pub(crate) fn at_least(what: impl Into<String>, bound: f64, found: f64) -> Self {
        Self {
            what: what.into(),
            bound,
            at_most: false,
            found,
            held: found >= bound,
        }
    }

    pub(crate) fn line(&self) -> String {
        format!(
            "{}  {:58} {} {:>7}  found {:>9.2}",
            if self.held { "held  " } else { "BROKEN" },
            self.what,
            if self.at_most { "<=" } else { ">=" },
            self.bound,
            self.found
        )
    }
}

/// Whom a load was put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The server that is measured.
    Server,
    /// The other server, named with `--against`.
    Against,
    /// The way of the original: a fresh interpreter for every run.
    Peer,
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Against => "against",
            Self::Peer => "peer",
        }
    }
}

/// What came of one load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// Whom it was put on.
    pub who: Who,
    /// The program.
    pub case: &'static str,
    /// Connections.
    pub clients: usize,
    /// `closed`, `open` or `burst`.
    pub pace: &'static str,
    /// Requests a second that were sent, in an open loop.
    pub rate_per_second: Option<f64>,
    /// From the start to the last answer.
    pub seconds: f64,
    /// Runs that ended as they should.
    pub runs: usize,
    /// The same by the second.
    pub runs_per_second: f64,
    /// How long they took, from request to answer.
    pub latency: Option<Summary>,
    /// The same as a histogram.
    pub histogram: Vec<Bucket>,
    /// The median of each tenth of them in order of time: a drift shows here.
    pub p50_ms_by_tenth: Vec<f64>,
    /// What else was answered.
    pub troubles: Vec<Troubles>,
    /// How late the generator sent what was due while a client was free. Open loops only.
    pub generator_late: Option<Summary>,
    /// The most that was resident of the server's own process meanwhile. MiB.
    pub server_peak_mib: Option<f64>,
}

/// Requests that came to the same trouble.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Troubles {
    /// Which.
    #[serde(flatten)]
    pub trouble: Trouble,
    /// How long it took to be told.
    pub latency: Option<Summary>,
}

impl Measurement {
    pub(crate) fn of(who: Who, case: Case, load: Load, tally: &Tally) -> Self {
        let seconds = tally.elapsed.as_secs_f64();
        let took = |samples: &[Sample]| -> Vec<Duration> {
            samples.iter().map(|sample| sample.took).collect()
        };
        let (pace, rate_per_second) = match load.pace {
            Pace::Closed => ("closed", None),
            Pace::Open { rate } => ("open", Some(rate)),
            Pace::Burst => ("burst", None),
        };
        let runs = tally.good.len();
        Self {
            who,
            case: case.name(),
            clients: load.clients,
            pace,
            rate_per_second,
            seconds,
            runs,
            runs_per_second: if seconds > 0.0 {
                runs as f64 / seconds
            } else {
                0.0
            },
            latency: Summary::of(took(&tally.good)),
            histogram: histogram(took(&tally.good)),
            p50_ms_by_tenth: by_tenth(&tally.good),
            troubles: tally
                .bad
                .iter()
                .map(|(trouble, samples)| Troubles {
                    trouble: trouble.clone(),
                    latency: Summary::of(took(samples)),
                })
                .collect(),
            generator_late: Summary::of(tally.late.iter().copied()),
            server_peak_mib: None,
        }
    }

    /// The median. Without a run it is as good as endless.
    pub(crate) fn p50_ms(&self) -> f64 {
        self.latency.map_or(f64::INFINITY, |latency| latency.p50_ms)
    }

    /// One line for a person, and one more for each trouble.
    pub(crate) fn line(&self) -> String {
        let plural = if self.clients == 1 { " " } else { "s" };
        let mut line = format!(
            "{:8}{:7}{:4} client{plural}  {:>7}",
            self.who.name(),
            self.case,
            self.clients,
            match self.rate_per_second {
                Some(rate) => format!("{rate:.0}/s"),
                None => self.pace.to_owned(),
            }
        );
        if let Some(latency) = self.latency {
            let rate = match self.runs_per_second {
                rate if rate < 100.0 => format!("{rate:.1}"),
                rate => format!("{rate:.0}"),
            };
            let _written = write!(
                line,
                "  p50 {:>8}  p90 {:>8}  p99 {:>8}  max {:>8}  {rate:>6} runs/s",
                time(latency.p50_ms),
                time(latency.p90_ms),
                time(latency.p99_ms),
                time(latency.max_ms),
            );
        } else {
            line.push_str("  no run ended well");
        }
        if let Some(peak) = self.server_peak_mib {
            let _written = write!(line, "  server peak {peak:.0} MiB");
        }
        for troubles in &self.troubles {
            if let Some(latency) = troubles.latency {
                let _written = write!(
                    line,
                    "\n        {} x {}  p50 {}  p99 {}  max {}",
                    latency.count,
                    troubles.trouble,
                    time(latency.p50_ms),
                    time(latency.p99_ms),
                    time(latency.max_ms),
                );
            }
        }
        if let Some(late) = self.generator_late {
            let _written = write!(
                line,
                "\n        of it the generator's own lateness: p50 {}  p99 {}",
                time(late.p50_ms),
                time(late.p99_ms)
            );
        }
        line
    }

    /// The histogram in text, and the drift if there is enough to tell.
    pub(crate) fn details(&self) -> String {
        let mut text = draw(&self.histogram);
        if self.runs >= DRIFT_RUNS_MIN {
            let tenths: Vec<String> = self
                .p50_ms_by_tenth
                .iter()
                .map(|p50| format!("{p50:.2}"))
                .collect();
            let _written = writeln!(text, "    p50 by tenth, ms: {}", tenths.join(" "));
        }
        text
    }

    /// The median of the last tenth as a multiple of the first one's, where there are enough runs.
    pub(crate) fn drift(&self) -> Option<f64> {
        let (first, last) = (self.p50_ms_by_tenth.first()?, self.p50_ms_by_tenth.last()?);
        (self.runs >= DRIFT_RUNS_MIN && self.p50_ms_by_tenth.len() == 10).then(|| last / first)
    }
}

/// Fewest runs whose drift means something.
const DRIFT_RUNS_MIN: usize = 2000;

/// The medians of ten parts of these samples, in their order.
fn by_tenth(samples: &[Sample]) -> Vec<f64> {
    let part = samples.len().div_ceil(10).max(1);
    samples
        .chunks(part)
        .filter_map(|part| Summary::of(part.iter().map(|sample| sample.took)))
        .map(|summary| summary.p50_ms)
        .collect()
}

/// Two servers under the same load in turns.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The other one.
    pub other: Who,
    /// The program.
    pub case: &'static str,
    /// Connections.
    pub clients: usize,
    /// Median time of the server, as a multiple of the other's, round by round. Below 1: quicker.
    pub latency: Spread,
    /// Runs a second of the server, as a multiple of the other's, round by round. Above 1: more.
    pub throughput: Spread,
    /// Whether it is slower than the tolerance allows, if one was given.
    pub is_slower: Option<bool>,
}

impl Comparison {
    pub(crate) fn line(&self) -> String {
        let spread = |s: Spread| {
            format!(
                "{:.3} (middle half {:.3} to {:.3}, {} rounds)",
                s.median, s.quarter, s.three_quarters, s.count
            )
        };
        let verdict = match self.is_slower {
            Some(true) => "  SLOWER",
            Some(false) => "  ok",
            None => "",
        };
        format!(
            "ratio   {:7}{:4} client{}  to {}: p50 x {}, runs/s x {}{verdict}",
            self.case,
            self.clients,
            if self.clients == 1 { " " } else { "s" },
            self.other.name(),
            spread(self.latency),
            spread(self.throughput),
        )
    }
}

/// A burst after silence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Burst {
    /// How long nothing was asked before.
    pub idle_seconds: f64,
    /// The burst.
    pub measurement: Measurement,
    /// The median of one client before the silence.
    pub before_p50_ms: f64,
    /// How long after the burst one client's median, over a tenth of a second, was back at a
    /// quarter more than before at most; `None` if it was not within three seconds.
    pub recovered_after_ms: Option<f64>,
}

impl Burst {
    pub(crate) fn line(&self) -> String {
        let recovered = match self.recovered_after_ms {
            Some(after) => format!("back to normal {} after", time(after)),
            None => "not back to normal within 3 s".to_owned(),
        };
        format!(
            "{}\n        after {:.0} s of silence; before it p50 {}; {recovered}",
            self.measurement.line(),
            self.idle_seconds,
            time(self.before_p50_ms),
        )
    }
}

/// What a server held before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Before anything was asked.
    pub before: Holding,
    /// After everything.
    pub after: Holding,
}

impl Held {
    pub(crate) fn lines(self) -> String {
        let line = |when, held: Holding| {
            let hidden = match held.hidden {
                0 => String::new(),
                hidden => format!("; {hidden} of them may not be looked into"),
            };
            format!(
                "held {when}  {:.1} MiB (shared pages in parts; process by process {:.1}), {} processes, {} descriptors{hidden}",
                mib(held.pss_kib),
                mib(held.pss_by_process_kib),
                held.processes,
                held.descriptors
            )
        };
        format!(
            "{}\n{}",
            line("before", self.before),
            line("after ", self.after)
        )
    }
}

/// KiB as MiB.
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

impl Floor {
    pub(crate) fn lines(&self) -> String {
        let mut text = String::new();
        for hand in &self.hand_overs {
            let _written = writeln!(
                text,
                "floor   {:7}handed to a waiting fork ({}): to output {}, to its end p50 {}  p99 {}; own work {}",
                hand.case,
                hand.kind,
                time(hand.to_output.p50_ms),
                time(hand.to_end.p50_ms),
                time(hand.to_end.p99_ms),
                time(hand.work.p50_ms),
            );
        }
        for forks in &self.forks {
            let _written = writeln!(
                text,
                "floor   {:7}fork, exit, wait: {:.0} a second on one core, {:.0} on all; without CPython's hooks {:.0} on all  ({:.0} MiB resident)",
                forks.kind,
                forks.one_core_per_second,
                forks.all_cores_per_second,
                forks.all_cores_without_hooks_per_second,
                mib(forks.rss_kib),
            );
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Until;

    fn tally(times: impl IntoIterator<Item = u64>) -> Tally {
        let mut tally = Tally::default();
        for (number, took) in times.into_iter().enumerate() {
            let over = Duration::from_millis(10 * (number as u64 + 1));
            tally.good.push(Sample {
                over,
                took: Duration::from_millis(took),
            });
            tally.elapsed = over;
        }
        tally
    }

    fn measurement(times: impl IntoIterator<Item = u64>) -> Measurement {
        let load = Load {
            clients: 1,
            pace: Pace::Closed,
            until: Until::Sent(1),
            rest: Duration::ZERO,
        };
        Measurement::of(Who::Server, Case::Hello, load, &tally(times))
    }

    #[test]
    fn a_rate_is_runs_by_the_time_they_took_together() {
        let measured = measurement([5; 200]);
        assert_eq!((measured.runs, measured.seconds), (200, 2.0));
        assert_eq!(measured.runs_per_second, 100.0);
        assert!(
            measured.line().contains("p50  5.00 ms"),
            "{}",
            measured.line()
        );
    }

    #[test]
    fn nothing_that_ended_well_has_no_rate_and_an_endless_median() {
        let measured = measurement([]);
        assert_eq!(
            (measured.runs_per_second, measured.p50_ms()),
            (0.0, f64::INFINITY)
        );
        assert!(measured.line().contains("no run ended well"));
    }

    #[test]
    fn a_drift_shows_between_the_first_and_the_last_tenth() {
        let times = (0..5000).map(|number| if number < 4000 { 2 } else { 3 });
        assert_eq!(measurement(times).drift(), Some(1.5));
        assert_eq!(measurement([1; 100]).drift(), None);
    }
}
