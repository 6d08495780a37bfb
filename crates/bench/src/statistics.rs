//! What many measurements say together: percentiles, a histogram, the spread of ratios.
//!
//! Every sample is kept (16 bytes each), so percentiles are exact and need no buckets chosen ahead.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

/// One request: when it was over, counted from the start of the measurement, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) over: Duration,
    pub(crate) took: Duration,
}

/// The usual figures of a set of times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Summary {
    /// How many times there are.
    pub count: usize,
    /// Their mean.
    pub mean_ms: f64,
    /// The shortest.
    pub min_ms: f64,
    /// Half of them took at most this.
    pub p50_ms: f64,
    /// Nine of ten took at most this.
    pub p90_ms: f64,
    /// All but one of a hundred took at most this.
    pub p99_ms: f64,
    /// All but one of a thousand took at most this.
    pub p999_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

impl Summary {
    /// The figures of these times, which need no order; `None` if there are none.
    pub(crate) fn of(times: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = times.into_iter().collect();
        sorted.sort_unstable();
        let (first, last) = (sorted.first()?, sorted.last()?);
        let sum: Duration = sorted.iter().sum();
        Some(Self {
            count: sorted.len(),
            mean_ms: ms(sum) / sorted.len() as f64,
            min_ms: ms(*first),
            p50_ms: ms(percentile(&sorted, 500)),
            p90_ms: ms(percentile(&sorted, 900)),
            p99_ms: ms(percentile(&sorted, 990)),
            p999_ms: ms(percentile(&sorted, 999)),
            max_ms: ms(*last),
        })
    }
}

/// The smallest time that at least this many of a thousand do not exceed (nearest rank).
fn percentile(sorted: &[Duration], of_thousand: usize) -> Duration {
    let rank = (sorted.len() * of_thousand).div_ceil(1000).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// Milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How many times fell between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bucket {
    /// The lower bound, included.
    pub from_ms: f64,
    /// The upper bound, excluded.
    pub to_ms: f64,
    /// How many.
    pub count: usize,
}

/// A histogram whose buckets grow by a fifth of an octave each, from the first used to the last.
pub(crate) fn histogram(times: impl IntoIterator<Item = Duration>) -> Vec<Bucket> {
    const STEPS: f64 = 5.0;
    let bound = |index: i32| (f64::from(index) / STEPS).exp2() / 1e3;
    let mut counts = std::collections::BTreeMap::<i32, usize>::new();
    for time in times {
        let micros = (time.as_secs_f64() * 1e6).max(1.0);
        let index = whole((micros.log2() * STEPS).floor());
        *counts.entry(index).or_default() += 1;
    }
    let (Some(first), Some(last)) = (
        counts.first_key_value().map(|(index, _)| *index),
        counts.last_key_value().map(|(index, _)| *index),
    ) else {
        return Vec::new();
    };
    (first..=last)
        .map(|index| Bucket {
            from_ms: bound(index),
            to_ms: bound(index + 1),
            count: counts.get(&index).copied().unwrap_or_default(),
        })
        .collect()
}

/// A logarithm as an index. Times between a microsecond and a century need fewer than 300.
fn whole(value: f64) -> i32 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "clamped to what an i32 can say"
    )]
    let whole = value.clamp(0.0, 1e6) as i32;
    whole
}

/// Draws a histogram in text. The last buckets that hold less than a thousandth are one line.
pub(crate) fn draw(buckets: &[Bucket]) -> String {
    const WIDTH: usize = 48;
    let total: usize = buckets.iter().map(|bucket| bucket.count).sum();
    let most = buckets.iter().map(|bucket| bucket.count).max().unwrap_or(1);
    let mut text = String::new();
    let mut drawn = 0;
    for bucket in buckets {
        if (total - drawn) * 1000 < total {
            break;
        }
        let bar = "#".repeat((bucket.count * WIDTH).div_ceil(most.max(1)));
        let (from, count) = (time(bucket.from_ms), bucket.count);
        let _written = writeln!(text, "    {from:>9} |{bar:<WIDTH$} {count}");
        drawn += bucket.count;
    }
    if drawn < total {
        let slower = total - drawn;
        let _written = writeln!(text, "       slower |{slower} more");
    }
    text
}

/// A time with a unit that fits it.
pub(crate) fn time(ms: f64) -> String {
    match ms {
        ms if ms < 0.1 => format!("{:.1} us", ms * 1e3),
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 1000.0 => format!("{ms:.1} ms"),
        ms => format!("{:.2} s", ms / 1e3),
    }
}

/// The middle of some ratios, and between which of them the middle half lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// A quarter of them are at most this.
    pub quarter: f64,
    /// Three quarters of them are at most this.
    pub three_quarters: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many there are.
    pub count: usize,
}

impl Spread {
    /// Of values that are numbers; `None` if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        // Between two neighbours, as rounds are few.
        let at = |quarters: usize| {
            let (below, rest) = (last * quarters / 4, last * quarters % 4);
            let low = sorted.get(below).copied().unwrap_or_default();
            let high = sorted.get(below + 1).copied().unwrap_or(low);
            low + (high - low) * rest as f64 / 4.0
        };
        Some(Self {
            median: at(2),
            quarter: at(1),
            three_quarters: at(3),
            min: at(0),
            max: at(4),
            count: sorted.len(),
        })
    }

    /// Whether these ratios (new to old, of times) say that the new one is slower than allowed.
    ///
    /// The middle one must exceed the tolerance, and three of four must be above 1: one round that
    /// something else disturbed is no verdict.
    #[must_use]
    pub fn is_slower(&self, tolerance: f64) -> bool {
        self.median > tolerance && self.quarter > 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let summary = Summary::of(millis((1..=1000).rev())).unwrap();
        let figures = [
            summary.min_ms,
            summary.p50_ms,
            summary.p90_ms,
            summary.p99_ms,
            summary.p999_ms,
            summary.max_ms,
        ];
        assert_eq!(figures, [1.0, 500.0, 900.0, 990.0, 999.0, 1000.0]);
        assert_eq!((summary.count, summary.mean_ms), (1000, 500.5));
    }

    #[test]
    fn one_time_is_all_its_percentiles_and_none_has_none() {
        let summary = Summary::of(millis([7])).unwrap();
        assert_eq!(
            (summary.p50_ms, summary.p99_ms, summary.max_ms),
            (7.0, 7.0, 7.0)
        );
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn a_histogram_counts_every_time_once_and_leaves_no_hole() {
        let times = millis([1, 1, 2, 40]);
        let buckets = histogram(times.clone());
        assert_eq!(buckets.iter().map(|b| b.count).sum::<usize>(), times.len());
        for pair in buckets.windows(2) {
            assert_eq!(pair[0].to_ms, pair[1].from_ms);
        }
        assert!(buckets[0].from_ms <= 1.0 && buckets[0].to_ms > 1.0);
        assert_eq!(buckets[0].count, 2);
        assert_eq!(histogram([]), []);
        assert_eq!(draw(&buckets).matches('|').count(), buckets.len());
    }

    #[test]
    fn a_spread_is_the_middle_and_its_quarters() {
        let spread = Spread::of([5.0, 1.0, 3.0, 2.0, 4.0, f64::NAN]).unwrap();
        let figures = [
            spread.min,
            spread.quarter,
            spread.median,
            spread.three_quarters,
            spread.max,
        ];
        assert_eq!(figures, [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(Spread::of([1.0, 2.0]).unwrap().median, 1.5);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn one_disturbed_round_is_no_verdict() {
        let slower = |ratios: [f64; 5]| Spread::of(ratios).unwrap().is_slower(1.05);
        assert!(slower([1.2, 1.1, 1.15, 1.1, 1.3]));
        assert!(!slower([1.0, 0.9, 1.0, 1.02, 3.0]));
        assert!(!slower([0.8, 0.9, 1.2, 1.3, 1.4]));
    }

    #[test]
    fn a_time_is_written_in_a_unit_that_fits() {
        assert_eq!(
            [0.0123, 0.93, 93.04, 1234.0].map(time),
            ["12.3 us", "0.93 ms", "93.0 ms", "1.23 s"]
        );
    }
}
