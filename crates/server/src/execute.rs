//! One request, from the caller's words to the words we answer. This list is the product.
//!
//! | stop | says no with | costs the caller |
//! | --- | --- | --- |
//! | read ([`answer`]) | `InvalidRequest`, `ValidationError` | nothing: nobody can be told apart yet |
//! | token | `RateLimitExceeded` | nothing |
//! | attachments | `ValidationError` | a token |
//! | quota | `RateLimitExceeded` | a token |
//! | program | `ValidationError`, `SyntaxError`, `ForbiddenImportError` | a token, one of the day |
//! | slot | `ServerBusy` | a token |
//! | run | never; a fault is ours | a token, one of the day; our fault: a token |
//! | answer (`http/routes.rs`) | `ServerBusy`, where there is no room to keep it until it is read | a token, one of the day: it ran |
//!
//! What is given back (busy, fault) is given back after the answer's numbers were taken: an answer
//! shows the request itself as counted, as the original's did.

use api::{
    Answer, ErrorAnswer, ErrorCode, ErrorDetails, ExecuteRequest, Load, RequestContext,
    ServerStatus, Unreadable,
};
use sandbox::{Imports, Job, Outcome};
use tracing::{debug, error};

use crate::admission::{Caller, Counted, Origin, Ticket};
use crate::app::App;
use crate::refusal::{Failure, Refusal, Stop};
use crate::report::{self, Asked, Terms};
use crate::telemetry;

/// Answers the body of one request; `origin` says who sent it, as far as that can be told without reading it.
pub(crate) async fn answer(app: &App, origin: Origin<'_>, body: impl AsRef<[u8]>) -> Answer {
    let prepared = prepare(app, origin, body.as_ref());
    // All of it was read, and it may be large: it must not wait for the program's end.
    drop(body);
    match prepared {
        Ok((asked, prepared)) => run(app, asked, prepared).await,
        Err(refused) => refused,
    }
}

/// A job that may run now, and what its answer must know of how.
struct Prepared {
    job: Job,
    terms: Terms,
    ticket: Ticket,
    counted: Counted,
}

/// Everything before the run: reads a body and takes the stops, in order, or answers at once.
fn prepare(app: &App, origin: Origin<'_>, body: &[u8]) -> Result<(Asked, Prepared), Answer> {
    let request = heavy(body.len(), || ExecuteRequest::parse(body))
        .map_err(|unreadable| unread(app, &unreadable))?;
    let caller = app.identity.caller(origin, request.api_key.as_deref());
    let mut asked = asked(app, caller, &request).map_err(|failure| failed(app, None, &failure))?;
    match stops(app, caller, request, &mut asked) {
        Ok(prepared) => Ok((asked, prepared)),
        Err(Stop::Refused(refusal)) => Err(report::refusal(app.clock.now(), asked, refusal)),
        Err(Stop::Failed(failure)) => Err(failed(app, Some(asked), &failure)),
    }
}

/// The stops, in order. `asked` learns on the way what even a refusal tells.
fn stops(
    app: &App,
    caller: Caller,
    request: ExecuteRequest<'_>,
    asked: &mut Asked,
) -> Result<Prepared, Stop> {
    app.take_token(caller)?;

    let bytes = request
        .attachments
        .iter()
        .flat_map(|file| &file.content_base_64);
    let bytes = bytes.map(|text| text.len()).sum();
    let files = heavy(bytes, || app.policy.unpack(&request))?;
    asked.context.processed_attachments = Some(files.processed.clone());

    let counted = app.quota.spend(caller)?;
    asked.user = counted.user.clone();

    let scanned = request.code.len() * SCAN_COST;
    let job = heavy(scanned, || app.policy.check(caller, request, files))?;

    let Some(ticket) = app.slots.take() else {
        asked.server = server_status(app, app.slots.max());
        app.quota.give_back(&counted)?;
        return Err(Refusal::Busy {
            max: app.slots.max(),
        }
        .into());
    };
    asked.server = server_status(app, ticket.active_before);

    let terms = Terms {
        wall_max: job.wall_max,
        limits: app.limits,
        imports_listed: job.imports == Imports::Listed,
        show_usage: app.usage_in_answers,
    };
    Ok(Prepared {
        job,
        terms,
        ticket,
        counted,
    })
}

/// Runs the job, and answers with what came of it.
async fn run(app: &App, asked: Asked, prepared: Prepared) -> Answer {
    let Prepared {
        job,
        terms,
        ticket,
        counted,
    } = prepared;
    // Should the caller go away, this future is dropped here: the run is killed, the slot is freed,
    // and the request stays counted, or hanging up would make runs free.
    let ran = app.runner.run(job).await;
    drop(ticket);
    let outcome = match ran {
        Ok(outcome) => outcome,
        Err(fault) => {
            if let Err(store) = app.quota.give_back(&counted) {
                let cause = telemetry::chain(&store);
                error!(cause, "a request that failed on our side stays counted");
            }
            return failed(app, Some(asked), &fault.into());
        }
    };
    let wall_ms = u64::try_from(outcome.wall.as_millis()).unwrap_or(u64::MAX);
    debug!(
        job.ending = ending_name(&outcome),
        wall_ms, "run ended in {wall_ms} ms"
    );
    let files = outcome.files.iter().flat_map(|(_, file)| file);
    let size = outcome.stdout.bytes.len()
        + outcome.stderr.bytes.len()
        + files.map(Vec::len).sum::<usize>();
    heavy(size, || {
        report::outcome(app.clock.now(), asked, terms, outcome)
    })
}

/// What is known of a readable request before anything is decided.
fn asked(app: &App, caller: Caller, request: &ExecuteRequest<'_>) -> Result<Asked, Failure> {
    Ok(Asked {
        user: app.quota.user_info(caller)?,
        server: server_status(app, app.slots.active()),
        context: RequestContext {
            code_length: request.code.chars().count(),
            attachment_count: request.attachment_count,
            stdin_provided: !request.stdin_data.is_empty(),
            processed_attachments: None,
        },
    })
}

pub(crate) fn server_status(app: &App, active: usize) -> ServerStatus {
    let max = app.slots.max();
    ServerStatus {
        load: if active < max {
            Load::Normal
        } else {
            Load::High
        },
        active_processes_at_request: active,
        max_concurrent_processes: max,
        isolation: app.usage_in_answers.then(|| app.isolation()),
    }
}

/// The answer to a body that is no request.
fn unread(app: &App, unreadable: &Unreadable) -> Answer {
    let code = match unreadable {
        Unreadable::CodeMissing => ErrorCode::InvalidRequest,
        Unreadable::NotJson { .. }
        | Unreadable::NotAnObject { .. }
        | Unreadable::WrongType { .. }
        | Unreadable::TooManyNames => ErrorCode::ValidationError,
    };
    let details = ErrorDetails::new(code, unreadable.to_string());
    let mut answer = ErrorAnswer::bare(app.clock.now(), details);
    answer.server_status = Some(server_status(app, app.slots.active()));
    Answer::Error(Box::new(answer))
}

fn failed(app: &App, asked: Option<Asked>, failure: &Failure) -> Answer {
    let id = app.failure_id();
    error!(
        failure.id = %id,
        cause = telemetry::chain(failure),
        "a request failed on our side, id {id}"
    );
    report::failure(app.clock.now(), asked, id)
}

const fn ending_name(outcome: &Outcome) -> &'static str {
    use sandbox::Ending;
    match outcome.ending {
        Ending::Exited(_) => "exited",
        Ending::Signalled(_) => "signalled",
        Ending::TimedOut => "timed_out",
        Ending::OutOfMemory => "out_of_memory",
        Ending::Unparsable { .. } => "unparsable",
    }
}

/// Work on so many bytes that other connections should not wait for it. Bytes; takes about a
/// millisecond.
const HEAVY_BYTES: usize = 1024 * 1024;

/// How many bytes of other work a byte of program takes to check. Hostile ones take the parser longer.
const SCAN_COST: usize = 64;

/// Does work whose time grows with `bytes`, handing this thread's other tasks on first if it is long.
pub(crate) fn heavy<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    if bytes >= HEAVY_BYTES {
        sandbox::aside(work)
    } else {
        work()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::clock::Clock;
    use crate::config::{self, Flags};
    use crate::runner::Runner;
    use crate::scripted::Script;
    use crate::store::Store;

    /// A server whose time, settings and runs are a test's.
    struct Server {
        app: App,
        clock: Clock,
        script: Script,
    }

    impl Server {
        fn new() -> Self {
            let environment = [("HOME", "/h"), ("HOGNOSE_ADMIN_KEY", "the key")];
            let environment = environment.map(|(k, v)| (OsString::from(k), OsString::from(v)));
            let config = config::load(None, &Flags::new(), environment).unwrap();
            let (clock, script) = (Clock::manual(), Script::default());
            let store = Store::in_memory().unwrap();
            let runner = Runner::Scripted(script.clone());
            let app = App::new(&config, (3, 11), store, runner, clock.clone());
            Self { app, clock, script }
        }

        async fn ask_from(&self, address: &str, body: &Value) -> (u16, Value) {
            let origin = Origin {
                peer: address.parse().unwrap(),
                forwarded_for: &[],
            };
            let body = body.to_string();
            let answer = answer(&self.app, origin, body.as_bytes()).await;
            (
                answer.status(),
                serde_json::from_slice(&answer.to_json()).unwrap(),
            )
        }

        async fn ask(&self, body: Value) -> (u16, Value) {
            self.ask_from("192.0.2.1", &body).await
        }

        /// Status, error type and requests counted today.
        async fn verdict(&self, body: Value) -> (u16, String, u64) {
            let (status, answer) = self.ask(body).await;
            let kind = answer["error_details"]["type"]
                .as_str()
                .unwrap_or("none")
                .to_owned();
            (
                status,
                kind,
                answer["user_info"]["requests_today"].as_u64().unwrap_or(99),
            )
        }
    }

    fn verdict(status: u16, kind: &str, today: u64) -> (u16, String, u64) {
        (status, kind.to_owned(), today)
    }

    #[tokio::test]
    async fn a_program_runs_and_the_answer_tells_all_of_it() {
        let server = Server::new();
        let (status, answer) = server.ask(json!({"code": "é", "stdin_data": "x"})).await;
        assert_eq!(status, 200);
        assert_eq!(answer["timestamp_utc"], "2024-03-15T12:00:00.000000+00:00");
        assert_eq!(
            answer["user_info"],
            json!({
                "ip_address": "192.0.2.1",
                "daily_quota_limit": 30,
                "requests_today": 1,
                "requests_remaining_today": 29,
            })
        );
        assert_eq!(
            answer["request_context"],
            json!({
                "code_length": 1,
                "attachment_count": 0,
                "stdin_provided": true,
                "processed_attachments": [],
            })
        );
        assert_eq!(answer["execution_details"]["stdout"], "é");
    }

    #[tokio::test]
    async fn five_a_minute_then_one_every_twelve_seconds() {
        let server = Server::new();
        for today in 1..=5 {
            assert_eq!(
                server.verdict(json!({"code": "1"})).await,
                verdict(200, "none", today)
            );
        }
        server.clock.advance(Duration::from_millis(500));
        let (status, answer) = server.ask(json!({"code": "1"})).await;
        assert_eq!(
            (status, &answer["user_info"]["requests_today"]),
            (429, &json!(5))
        );
        assert_eq!(answer["request_context"]["code_length"], 1);
        assert_eq!(
            server.ask_from("192.0.2.2", &json!({"code": "1"})).await.0,
            200
        );
        server.clock.advance(Duration::from_millis(11_500));
        assert_eq!(server.verdict(json!({"code": "1"})).await.0, 200);
        assert_eq!(server.verdict(json!({"code": "1"})).await.0, 429);
    }

    #[tokio::test]
    async fn thirty_a_day_and_the_day_is_utc() {
        let server = Server::new();
        for today in 1..=30 {
            assert_eq!(
                server.verdict(json!({"code": "1"})).await,
                verdict(200, "none", today)
            );
            server.clock.advance(Duration::from_secs(12));
        }
        let (status, answer) = server.ask(json!({"code": "1"})).await;
        assert_eq!(status, 429);
        assert_eq!(
            answer["error_details"]["message"],
            "Daily quota of 30 exceeded."
        );
        assert_eq!(answer["user_info"]["requests_today"], 30);
        assert_eq!(answer["user_info"]["requests_remaining_today"], 0);
        server.clock.advance(Duration::from_hours(12));
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 1)
        );
    }

    #[tokio::test]
    async fn a_clock_that_jumps_costs_nobody_a_count() {
        const DAY: i64 = 86_400;
        let server = Server::new();
        let again = |server: &Server| server.clock.advance(Duration::from_secs(12));
        for today in 1..=3 {
            assert_eq!(
                server.verdict(json!({"code": "1"})).await,
                verdict(200, "none", today)
            );
            again(&server);
        }
        // A year ahead is another day, and a new quota; back again, today's count still stands.
        server.clock.set(365 * DAY);
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 1)
        );
        again(&server);
        server.clock.set(-365 * DAY);
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 4)
        );
        again(&server);
        // Yesterday had none; today has them all when the clock is right again.
        server.clock.set(-DAY);
        let (status, answer) = server.ask(json!({"code": "1"})).await;
        assert_eq!(status, 200);
        assert_eq!(answer["timestamp_utc"], "2024-03-14T12:01:00.000000+00:00");
        assert_eq!(answer["user_info"]["requests_today"], 1);
        again(&server);
        server.clock.set(DAY);
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 5)
        );
    }

    #[tokio::test]
    async fn tokens_come_by_time_that_passes_not_by_the_clock_on_the_wall() {
        let server = Server::new();
        for _ in 0..5 {
            assert_eq!(server.verdict(json!({"code": "1"})).await.0, 200);
        }
        for jump in [3600, -7200, 3600] {
            server.clock.set(jump);
            assert_eq!(server.verdict(json!({"code": "1"})).await.0, 429);
        }
        server.clock.advance(Duration::from_secs(12));
        assert_eq!(server.verdict(json!({"code": "1"})).await.0, 200);
    }

    #[tokio::test]
    async fn what_cannot_be_read_costs_nothing() {
        let server = Server::new();
        for _ in 0..20 {
            for body in [json!({}), json!(null), json!({"code": 5}), json!("x")] {
                assert_eq!(server.ask(body).await.0, 400);
            }
        }
        for today in 1..=5 {
            assert_eq!(
                server.verdict(json!({"code": "1"})).await,
                verdict(200, "none", today)
            );
        }
    }

    #[tokio::test]
    async fn a_bad_attachment_costs_a_token_and_a_bad_program_one_of_the_day() {
        let server = Server::new();
        let bad_file = json!({"code": "1", "attachments": [{"filename": "../x"}]});
        let too_long = json!({"code": "#".repeat(2001)});
        let steps = [
            (bad_file, "ValidationError", 0),
            (too_long, "ValidationError", 1),
            (json!({"code": "("}), "SyntaxError", 2),
            (json!({"code": "import os"}), "ForbiddenImportError", 3),
        ];
        for (body, kind, today) in steps {
            assert_eq!(server.verdict(body).await, verdict(400, kind, today));
        }
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 4)
        );
        assert_eq!(server.verdict(json!({"code": "1"})).await.0, 429);
        assert_eq!(
            server
                .script
                .begun
                .load(std::sync::atomic::Ordering::SeqCst),
            1
        );
    }

    #[tokio::test]
    async fn attachments_come_before_length() {
        let server = Server::new();
        let (_, answer) = server
            .ask(json!({"code": "#".repeat(2001), "attachments": [{}, {}, {}]}))
            .await;
        assert_eq!(
            answer["error_details"]["message"],
            "Too many attachments: 3, at most 2 are accepted."
        );
        assert_eq!(answer.get("execution_result"), None);
    }

    #[tokio::test]
    async fn an_admin_is_free_of_rate_quota_and_import_list_and_a_wrong_key_is_the_public() {
        let server = Server::new();
        for _ in 0..40 {
            let (status, answer) = server
                .ask(json!({"code": "import os", "api_key": "the key"}))
                .await;
            assert_eq!(status, 200);
            let admin = json!({"role": "admin", "rate_limits_applied": false});
            assert_eq!(answer["user_info"], admin);
        }
        let wrong = json!({"code": "import os", "api_key": "the keys"});
        assert_eq!(
            server.verdict(wrong).await,
            verdict(400, "ForbiddenImportError", 1)
        );
    }

    #[tokio::test]
    async fn the_sixth_at_once_is_busy_and_its_day_is_given_back() {
        let server = Server::new();
        let hold = json!({"code": "hold", "api_key": "the key"});
        let mut held: Vec<_> = (0..5).map(|_| Box::pin(server.ask(hold.clone()))).collect();
        for run in &mut held {
            let waiting = tokio::time::timeout(Duration::from_millis(1), run).await;
            waiting.unwrap_err();
        }
        let (status, answer) = server.ask(json!({"code": "1"})).await;
        assert_eq!(
            (status, &answer["user_info"]["requests_today"]),
            (503, &json!(1))
        );
        assert_eq!(
            answer["server_status"],
            json!({
                "load": "high",
                "active_processes_at_request": 5,
                "max_concurrent_processes": 5,
                "isolation": "scripted",
            })
        );
        assert_eq!(server.ask(json!({})).await.0, 400);
        server.script.release.notify_waiters();
        let mut active: Vec<u64> = Vec::new();
        for run in held {
            let (status, answer) = run.await;
            assert_eq!(status, 200);
            active.extend(answer["server_status"]["active_processes_at_request"].as_u64());
        }
        assert_eq!(active, [0, 1, 2, 3, 4]);
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 1)
        );
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_frees_the_slot_and_stays_counted() {
        let server = Server::new();
        let mut run = Box::pin(server.ask(json!({"code": "hold"})));
        let waiting = tokio::time::timeout(Duration::from_millis(1), &mut run).await;
        waiting.unwrap_err();
        assert_eq!(server.app.slots.active(), 1);
        drop(run);
        assert_eq!(server.app.slots.active(), 0);
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 2)
        );
    }

    #[tokio::test]
    async fn our_fault_is_told_by_an_id_and_not_counted() {
        let server = Server::new();
        let (status, answer) = server.ask(json!({"code": "fault"})).await;
        assert_eq!(status, 500);
        let id = answer["error_details"]["id"].as_str().unwrap();
        assert_eq!(id.len(), 16);
        let message = answer["error_details"]["message"].as_str().unwrap();
        assert!(message.contains(id) && !message.contains("keeper"));
        assert_eq!(
            server.verdict(json!({"code": "1"})).await,
            verdict(200, "none", 1)
        );
    }
}
