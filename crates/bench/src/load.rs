//! The load: requests by several clients, at their own pace or at a given rate.
//!
//! One thread a client, each with a connection of its own and a request that was written out
//! before. A **closed** loop sends the next request when the last one is answered: it finds what the
//! server can do. An **open** loop sends at moments that were fixed beforehand, as the world does;
//! the time of a request counts from its moment even if no client was free to send it, so that a
//! server that stalls is not asked less while it stalls (no coordinated omission).

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::answer::{Fit, Trouble, judge};
use crate::case::Case;
use crate::client::{Client, Target};
use crate::statistics::Sample;

/// Requests a second of a client after each of which a server comes to rest: what it does every tenth of a second, or has the
/// kernel wait for, is due again at the next.
pub(crate) const SELDOM_PER_SECOND: f64 = 5.0;

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// A case as one server is asked for it.
#[derive(Debug)]
pub(crate) struct Shot<'a> {
    pub(crate) target: &'a Target,
    pub(crate) case: Case,
    pub(crate) request: Vec<u8>,
    pub(crate) fit: Fit,
}

/// How requests follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// The next one when the last one is answered.
    Closed,
    /// This many a second, whatever becomes of them.
    Open {
        /// Requests a second.
        rate: f64,
    },
    /// All at once, one a client.
    Burst,
}

/// When it is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// After this time; requests that were sent are waited for.
    Elapsed(Duration),
    /// After this many requests.
    Sent(u64),
}

/// A load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Connections, each with at most one request under way.
    pub clients: usize,
    /// How requests follow each other.
    pub pace: Pace,
    /// When it is enough.
    pub until: Until,
    /// How long a client of a closed loop rests after a refusal. Real ones do; clients that ask again
    /// at once would measure how fast the server says no.
    pub rest: Duration,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Runs that ended as they should, in order of their end.
    pub(crate) good: Vec<Sample>,
    /// All others, by their trouble.
    pub(crate) bad: BTreeMap<Trouble, Vec<Sample>>,
    /// From the start to the last answer.
    pub(crate) elapsed: Duration,
    /// In an open loop: how late requests went out though a client was free. The generator's own
    /// error, which the times include.
    pub(crate) late: Vec<Duration>,
}

impl Tally {
    fn add(&mut self, sample: Sample, result: Result<(), Trouble>) {
        match result {
            Ok(()) => self.good.push(sample),
            Err(trouble) => self.bad.entry(trouble).or_default().push(sample),
        }
        self.elapsed = self.elapsed.max(sample.over);
    }

    /// Adds what came of the same load at another time, after this one.
    pub(crate) fn append(&mut self, mut other: Self) {
        let before = self.elapsed;
        let bad = other.bad.values_mut().flatten();
        for sample in other.good.iter_mut().chain(bad) {
            sample.over += before;
        }
        other.elapsed += before;
        self.merge(other);
    }

    fn merge(&mut self, other: Self) {
        self.good.extend(other.good);
        for (trouble, samples) in other.bad {
            self.bad.entry(trouble).or_default().extend(samples);
        }
        self.late.extend(other.late);
        self.elapsed = self.elapsed.max(other.elapsed);
    }
}

/// The moments of an open loop.
///
/// Each is computed from its number, never from the one before: no error adds up.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    rate: f64,
}

impl Schedule {
    /// When the request with this number is due, counted from the start.
    fn due(self, number: u64) -> Duration {
        Duration::try_from_secs_f64(number as f64 / self.rate).unwrap_or(Duration::MAX)
    }
}

/// What all clients of a load share.
struct Common<'a> {
    shot: &'a Shot<'a>,
    load: Load,
    /// The number of the next request.
    next: AtomicU64,
    answered: AtomicU64,
    stopped: AtomicBool,
}

/// Puts a load on a server. `progress` is told from time to time how many answers came.
pub(crate) fn drive(shot: &Shot<'_>, load: Load, progress: &mut dyn FnMut(u64, Duration)) -> Tally {
    let common = Common {
        shot,
        load,
        next: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
    };
    let ready = Barrier::new(load.clients + 1);
    let begin = OnceLock::new();
    thread::scope(|scope| {
        let (done, all_done) = mpsc::channel::<()>();
        let clients: Vec<_> = (0..load.clients)
            .map(|_| {
                let (common, ready, begin, done) = (&common, &ready, &begin, done.clone());
                scope.spawn(move || {
                    let _done = done; // Dropped when this client is done, whatever happens.
                    let mut client = Client::new(common.shot.target);
                    if load.pace != Pace::Burst {
                        // A connection that fails is counted with the first request.
                        let _counted_later = client.connect();
                    }
                    finely_timed();
                    ready.wait();
                    let start = *begin.wait();
                    common.run(&mut client, start)
                })
            })
            .collect();
        drop(done);
        ready.wait();
        // A little ahead, so that every client of a burst is awake and waiting by then.
        let ahead = Duration::from_millis(if load.clients > 1 { 5 } else { 0 });
        let begin = *begin.get_or_init(|| Instant::now() + ahead);
        while all_done.recv_timeout(PROGRESS_EVERY) == Err(mpsc::RecvTimeoutError::Timeout) {
            progress(common.answered.load(Ordering::Relaxed), begin.elapsed());
        }
        let mut all = Tally::default();
        for client in clients {
            all.merge(client.join().unwrap_or_default());
        }
        all.good.sort_unstable_by_key(|sample| sample.over);
        all
    })
}

impl Common<'_> {
    fn run(&self, client: &mut Client<'_>, start: Instant) -> Tally {
        let mut tally = Tally::default();
        sleep_until(start);
        match self.load.pace {
            Pace::Closed => {
                while self.take(start).is_some() {
                    let (sample, result) = self.send(client, start, Instant::now());
                    let refused = result.as_ref().is_err_and(|t| t.status != Some(200));
                    tally.add(sample, result);
                    if refused {
                        thread::sleep(self.load.rest);
                    }
                }
            }
            Pace::Open { rate } => {
                let schedule = Schedule { rate };
                while let Some(number) = self.take(start) {
                    let due = schedule.due(number);
                    if let Until::Elapsed(whole) = self.load.until
                        && due >= whole
                    {
                        break;
                    }
                    let moment = start + due;
                    if moment > Instant::now() {
                        sleep_until(moment);
                        tally.late.push(moment.elapsed());
                    }
                    let (sample, result) = self.send(client, start, moment);
                    tally.add(sample, result);
                }
            }
            Pace::Burst => {
                // A connection is a part of what a burst costs.
                let (sample, result) = self.send(client, start, start);
                tally.add(sample, result);
            }
        }
        tally
    }

    /// The number of the next request, if there is to be one.
    fn take(&self, start: Instant) -> Option<u64> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let more = match self.load.until {
            Until::Elapsed(whole) => start.elapsed() < whole,
            Until::Sent(count) => number < count,
        };
        more.then_some(number)
    }

    /// One request, whose time counts from `from`.
    fn send(
        &self,
        client: &mut Client<'_>,
        start: Instant,
        from: Instant,
    ) -> (Sample, Result<(), Trouble>) {
        let answer = client.exchange(&self.shot.request);
        let now = Instant::now();
        let sample = Sample {
            over: now.duration_since(start),
            took: now.duration_since(from),
        };
        self.answered.fetch_add(1, Ordering::Relaxed);
        let result = match answer {
            Ok(response) => judge(self.shot.case, self.shot.fit, &response),
            Err(error) => {
                if error.kind() == std::io::ErrorKind::ConnectionRefused {
                    // Nobody is there any more: every further attempt would only count up.
                    self.stopped.store(true, Ordering::Relaxed);
                }
                Err(error.into())
            }
        };
        (sample, result)
    }
}

/// Asks the kernel to wake this thread when it says, not up to 50 microseconds later.
fn finely_timed() {
    // Where it can't be had, an open loop is late by as much, and tells so.
    let _told = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

fn sleep_until(moment: Instant) {
    let left = moment.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::sleep(left);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_moments_of_an_open_loop_do_not_drift() {
        let schedule = Schedule { rate: 3.0 };
        assert_eq!(schedule.due(0), Duration::ZERO);
        for second in [1, 10, 1_000_000] {
            assert_eq!(schedule.due(3 * second), Duration::from_secs(second));
        }
        let gap = schedule.due(1_000_001) - schedule.due(1_000_000);
        assert!(gap.abs_diff(Duration::from_secs(1) / 3) < Duration::from_micros(1));
        assert_eq!(Schedule { rate: 1e-300 }.due(u64::MAX), Duration::MAX);
    }

    /// Serves connections one after the other; `pause` says how long each request waits.
    fn server(pause: impl Fn(u64) -> Duration + Send + 'static, answer: &'static str) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let length = target.request(b"{}").len();
        thread::spawn(move || {
            let mut number = 0;
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                while stream.read_exact(&mut vec![0; length]).is_ok() {
                    thread::sleep(pause(number));
                    number += 1;
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            }
        });
        target
    }

    const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n\
                        {\"execution_details\":{\"stdout\":\"1\\n\"}}\n";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 41\r\n\r\n\
                        {\"error_details\": {\"type\":\"ServerBusy\"}} ";

    fn shot(target: &Target) -> Shot<'_> {
        Shot {
            target,
            case: Case::Hello,
            request: target.request(b"{}"),
            fit: Fit {
                slots: None,
                bytes: 0,
            },
        }
    }

    fn load(pace: Pace, until: Until) -> Load {
        Load {
            clients: 1,
            pace,
            until,
            rest: Duration::ZERO,
        }
    }

    #[test]
    fn a_stall_is_felt_by_every_request_that_was_due_meanwhile() {
        let target = server(
            |number| Duration::from_millis(if number == 0 { 400 } else { 0 }),
            GOOD,
        );
        let load = load(Pace::Open { rate: 100.0 }, Until::Sent(60));
        let tally = drive(&shot(&target), load, &mut |_, _| {});
        assert_eq!((tally.good.len(), tally.bad.len()), (60, 0));
        // A closed loop would have felt it once. Here 40 were due, the last of them just before its end.
        let slow = |bound| {
            let bound = Duration::from_millis(bound);
            tally.good.iter().filter(|s| s.took > bound).count()
        };
        assert!(slow(100) >= 28, "{}", slow(100));
        assert!(slow(300) >= 9, "{}", slow(300));
    }

    #[test]
    fn a_closed_loop_sends_as_many_as_it_is_told_and_counts_refusals_apart() {
        let target = server(|_| Duration::ZERO, BUSY);
        let load = load(Pace::Closed, Until::Sent(7));
        let tally = drive(&shot(&target), load, &mut |_, _| {});
        assert_eq!(tally.good, []);
        let (trouble, samples) = tally.bad.first_key_value().unwrap();
        assert!(trouble.is_refusal());
        assert_eq!((trouble.kind.as_str(), samples.len()), ("ServerBusy", 7));
    }

    #[test]
    fn a_server_that_is_gone_ends_the_load() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        drop(listener);
        let load = load(Pace::Closed, Until::Elapsed(Duration::from_hours(1)));
        let tally = drive(&shot(&target), load, &mut |_, _| {});
        assert_eq!(
            tally.bad.first_key_value().unwrap().0.to_string(),
            "connection refused"
        );
    }
}
