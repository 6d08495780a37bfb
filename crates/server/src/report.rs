//! The way back: from what came of a request to the words we answer.

mod ending;

use std::time::Duration;

use api::{
    Answer, ErrorAnswer, ErrorCode, ErrorDetails, ExecutionDetails, ExecutionResult, LimitHit,
    OutputFile, OutputFiles, RequestContext, ServerStatus, Spent, SuccessAnswer, Timestamp, Usage,
    UserInfo,
};
use sandbox::{Captured, Ending, FileTrouble, Limits, Outcome};

use self::ending::{
    cut, exceeded, exception_line, forbidden_at_run_time, killed_by, with_plain_newlines,
};
use crate::refusal::Refusal;

/// Longest wait told to a caller who finds every slot taken. Seconds.
const BUSY_RETRY_SECONDS: u64 = 1;

/// What every answer to a readable request tells of it.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Who asked.
    pub user: UserInfo,
    /// How busy the server was.
    pub server: ServerStatus,
    /// What was asked.
    pub context: RequestContext,
}

/// What shaped a run, as far as its answer tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The longest it could take.
    pub wall_max: Duration,
    /// The most it could take.
    pub limits: Limits,
    /// Whether imports were restricted.
    pub imports_listed: bool,
    /// Whether the answer tells what was used, and which limit was hit.
    pub show_usage: bool,
}

/// The answer to a program that ran.
pub(crate) fn outcome(now: Timestamp, asked: Asked, terms: Terms, outcome: Outcome) -> Answer {
    let spent = terms.show_usage.then(|| Spent {
        usage: usage(&outcome),
        limit_hit: outcome.limit_hit.map(limit_hit),
    });
    let execution_duration_sec = (outcome.wall.as_secs_f64() * 10_000.0).round() / 10_000.0;
    let (exit_code, message) = match &outcome.ending {
        Ending::Exited(0) => {
            let stdout = Text::of(outcome.stdout);
            let stderr = Text::of(outcome.stderr);
            return Answer::Success(Box::new(SuccessAnswer {
                timestamp_utc: now,
                user_info: asked.user,
                server_status: asked.server,
                request_context: asked.context,
                execution_details: ExecutionDetails {
                    success: true,
                    stdout: stdout.text,
                    stderr: stderr.text,
                    stdout_truncated: stdout.truncated,
                    stderr_truncated: stderr.truncated,
                    exit_code: 0,
                    execution_duration_sec,
                    output_files: output_files(outcome.files),
                    spent,
                },
            }));
        }
        Ending::TimedOut => {
            let limit = terms.wall_max.as_secs_f64();
            let message = format!("Execution exceeded the time limit of {limit} seconds.");
            let details = ErrorDetails::new(ErrorCode::TimeoutError, message);
            return unfinished(now, asked, details, spent);
        }
        Ending::Unparsable { message } => {
            let message = non_empty(cut(message), "invalid syntax");
            return unfinished(
                now,
                asked,
                ErrorDetails::new(ErrorCode::SyntaxError, message),
                None,
            );
        }
        Ending::Exited(code) => {
            if terms.imports_listed
                && let Some(names) = forbidden_at_run_time(*code, &outcome.stderr)
            {
                return unfinished(now, asked, forbidden(names), spent);
            }
            // Python ends with 1 for an exception, and with nothing else.
            let words = (*code == 1)
                .then(|| exception_line(&outcome.stderr))
                .flatten();
            (*code, words.unwrap_or_else(|| format!("exit code {code}")))
        }
        Ending::Signalled(signal) => {
            let exceeded = exceeded(*signal, outcome.limit_hit, terms.limits);
            (-signal, exceeded.unwrap_or_else(|| killed_by(*signal)))
        }
        Ending::OutOfMemory => {
            let mebibytes = terms.limits.memory_bytes_max / (1024 * 1024);
            (-9, format!("memory limit of {mebibytes} MiB exceeded"))
        }
    };
    let stdout = Text::of(outcome.stdout);
    let stderr = Text::of(outcome.stderr);
    let details = ErrorDetails::new(ErrorCode::RuntimeError, message);
    let result = ExecutionResult::Ended {
        stdout: stdout.text,
        stderr: stderr.text,
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        exit_code,
        execution_duration_sec,
        spent,
    };
    error(now, asked, details, Some(result), None)
}

/// The answer to a request that was refused.
pub(crate) fn refusal(now: Timestamp, asked: Asked, refusal: Refusal) -> Answer {
    let message = refusal.to_string();
    match refusal {
        Refusal::RateLimited { wait, .. } | Refusal::QuotaUsedUp { wait, .. } => {
            let details = ErrorDetails::new(ErrorCode::RateLimitExceeded, message);
            error(now, asked, details, None, Some(whole_seconds(wait)))
        }
        Refusal::Busy { .. } => {
            let details = ErrorDetails::new(ErrorCode::ServerBusy, message);
            error(now, asked, details, None, Some(BUSY_RETRY_SECONDS))
        }
        Refusal::TooManyAttachments { .. } | Refusal::Attachment { .. } => {
            let details = ErrorDetails::new(ErrorCode::ValidationError, message);
            error(now, asked, details, None, None)
        }
        Refusal::CodeTooLong { .. } => unfinished(
            now,
            asked,
            ErrorDetails::new(ErrorCode::ValidationError, message),
            None,
        ),
        Refusal::Unparsable { .. } => unfinished(
            now,
            asked,
            ErrorDetails::new(ErrorCode::SyntaxError, message),
            None,
        ),
        Refusal::ForbiddenImports { names } => unfinished(now, asked, forbidden(names), None),
    }
}

/// The answer where we broke. The caller quotes the id, the log has the cause.
pub(crate) fn failure(now: Timestamp, asked: Option<Asked>, id: String) -> Answer {
    let mut details = ErrorDetails::new(
        ErrorCode::InternalServerError,
        format!("Something went wrong on our side. Please report it with the id {id}."),
    );
    details.id = Some(id);
    match asked {
        Some(asked) => error(now, asked, details, None, None),
        None => Answer::Error(Box::new(ErrorAnswer::bare(now, details))),
    }
}

/// An error about a program that did not run.
fn unfinished(now: Timestamp, asked: Asked, details: ErrorDetails, spent: Option<Spent>) -> Answer {
    let mut answer = error(now, asked, details, Some(ExecutionResult::Nothing {}), None);
    if let Answer::Error(answer) = &mut answer {
        answer.execution_details = spent;
    }
    answer
}

fn error(
    now: Timestamp,
    asked: Asked,
    error_details: ErrorDetails,
    execution_result: Option<ExecutionResult>,
    retry_after_seconds: Option<u64>,
) -> Answer {
    Answer::Error(Box::new(ErrorAnswer {
        timestamp_utc: now,
        error_details,
        user_info: Some(asked.user),
        server_status: Some(asked.server),
        request_context: Some(asked.context),
        execution_result,
        execution_details: None,
        retry_after_seconds,
    }))
}

fn usage(outcome: &Outcome) -> Usage {
    Usage {
        cpu_ms: outcome.usage.cpu.map(milliseconds),
        wall_ms: milliseconds(outcome.wall),
        queue_ms: milliseconds(outcome.usage.queue),
        memory_peak_bytes: outcome.usage.memory_peak_bytes,
        processes_peak: outcome.usage.processes_peak,
        output_bytes: outcome.usage.output_bytes,
    }
}

const fn limit_hit(limit: sandbox::LimitHit) -> LimitHit {
    match limit {
        sandbox::LimitHit::Wall => LimitHit::Wall,
        sandbox::LimitHit::Cpu => LimitHit::Cpu,
        sandbox::LimitHit::Memory => LimitHit::Memory,
        sandbox::LimitHit::Processes => LimitHit::Processes,
        sandbox::LimitHit::Output => LimitHit::Output,
        sandbox::LimitHit::Disk => LimitHit::Disk,
    }
}

fn forbidden(names: Vec<String>) -> ErrorDetails {
    let message = format!("Disallowed imports: {}.", names.join(", "));
    let mut details = ErrorDetails::new(ErrorCode::ForbiddenImportError, message);
    details.disallowed = Some(names);
    details
}

fn output_files(files: Vec<(String, Result<Vec<u8>, FileTrouble>)>) -> OutputFiles {
    let entry = |file: Result<Vec<u8>, FileTrouble>| match file {
        Ok(content) => OutputFile::Content {
            size_bytes: content.len(),
            content,
        },
        Err(trouble) => OutputFile::Trouble {
            error: trouble.to_string(),
            size_bytes: trouble.size_bytes(),
        },
    };
    OutputFiles(
        files
            .into_iter()
            .map(|(name, file)| (name, entry(file)))
            .collect(),
    )
}

/// A captured stream, as answers have it.
struct Text {
    text: String,
    truncated: bool,
}

impl Text {
    fn of(captured: Captured) -> Self {
        let text = String::from_utf8(captured.bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        let mut text = with_plain_newlines(text);
        if captured.dropped > 0 {
            let note = format!("\n[output truncated: {} more bytes]\n", captured.dropped);
            text.push_str(&note);
        }
        Self {
            text,
            truncated: captured.dropped > 0,
        }
    }
}

fn non_empty(text: String, otherwise: &str) -> String {
    if text.is_empty() {
        otherwise.to_owned()
    } else {
        text
    }
}

/// Whole seconds, rounded up: whoever waits them is not too early. At least 1.
fn whole_seconds(wait: Duration) -> u64 {
    let rest = u64::from(wait.subsec_nanos() > 0);
    (wait.as_secs() + rest).max(1)
}

fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::ending::{GROUP_TRACEBACK, TRACEBACK};
    use super::*;
    use api::Load;
    use serde_json::{Value, json};

    fn asked() -> Asked {
        Asked {
            user: UserInfo::ADMIN,
            server: ServerStatus {
                load: Load::Normal,
                active_processes_at_request: 0,
                max_concurrent_processes: 5,
                isolation: None,
            },
            context: RequestContext {
                code_length: 1,
                attachment_count: 0,
                stdin_provided: false,
                processed_attachments: Some(Vec::new()),
            },
        }
    }

    fn terms() -> Terms {
        Terms {
            wall_max: Duration::from_secs(10),
            limits: Limits {
                memory_bytes_max: 512 << 20,
                processes_max: 10,
                workspace_bytes_max: 64 << 20,
                workspace_files_max: 4096,
                cpu_seconds_max: 11,
            },
            imports_listed: true,
            show_usage: false,
        }
    }

    fn ended(ending: Ending, stdout: &[u8], stderr: &[u8]) -> Outcome {
        let captured = |bytes: &[u8]| Captured {
            bytes: bytes.to_vec(),
            dropped: 0,
        };
        Outcome {
            ending,
            stdout: captured(stdout),
            stderr: captured(stderr),
            wall: Duration::from_nanos(45_649_999),
            files: Vec::new(),
            usage: sandbox::Usage::default(),
            limit_hit: None,
        }
    }

    fn told(came_of_it: Outcome) -> (u16, Value) {
        let now = Timestamp::since_1970(Duration::ZERO);
        let answer = outcome(now, asked(), terms(), came_of_it);
        (
            answer.status(),
            serde_json::from_slice(&answer.to_json()).unwrap(),
        )
    }

    fn message(ending: Ending, stderr: &str) -> String {
        let (status, body) = told(ended(ending, b"", stderr.as_bytes()));
        assert_eq!(status, 400);
        body["error_details"]["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn a_success_has_exactly_the_fields_of_the_contract() {
        let mut came_of_it = ended(Ending::Exited(0), b"out\r\nput\r", b"\xff");
        came_of_it.files = vec![
            ("b".to_owned(), Ok(b"hi".to_vec())),
            ("a".to_owned(), Err(FileTrouble::Missing)),
            (
                "c".to_owned(),
                Err(FileTrouble::TooLarge {
                    size_bytes: 9,
                    bytes_max: 8,
                }),
            ),
        ];
        assert_eq!(
            told(came_of_it),
            (
                200,
                json!({
                    "status": "success",
                    "timestamp_utc": "1970-01-01T00:00:00.000000+00:00",
                    "user_info": {"role": "admin", "rate_limits_applied": false},
                    "server_status": {
                        "load": "normal",
                        "active_processes_at_request": 0,
                        "max_concurrent_processes": 5,
                    },
                    "request_context": {
                        "code_length": 1,
                        "attachment_count": 0,
                        "stdin_provided": false,
                        "processed_attachments": [],
                    },
                    "execution_details": {
                        "success": true,
                        "stdout": "out\nput\n",
                        "stderr": "\u{fffd}",
                        "exit_code": 0,
                        "execution_duration_sec": 0.0456,
                        "output_files": {
                            "b": {"content_base64": "aGk=", "size_bytes": 2},
                            "a": {"error": "file not found"},
                            "c": {
                                "error": "file is too large: 9 bytes, at most 8 are returned",
                                "size_bytes": 9,
                            },
                        },
                    },
                })
            )
        );
    }

    #[test]
    fn a_failure_tells_output_and_exit_code() {
        let (status, body) = told(ended(Ending::Exited(3), b"before\n", b"oops\n"));
        assert_eq!(status, 400);
        assert_eq!(
            body["error_details"],
            json!({"type": "RuntimeError", "message": "exit code 3"})
        );
        assert_eq!(
            body["execution_result"],
            json!({
                "stdout": "before\n",
                "stderr": "oops\n",
                "exit_code": 3,
                "execution_duration_sec": 0.0456,
            })
        );
    }

    #[test]
    fn a_message_says_what_happened() {
        let traceback = "warning\nTraceback (most recent call last):\n  File \"your_script.py\", \
             line 1, in <module>\n    1/0\nZeroDivisionError: division by zero\n";
        let raised = message(Ending::Exited(1), traceback);
        assert_eq!(raised, "ZeroDivisionError: division by zero");
        let chained =
            format!("{traceback}\nDuring handling...\n\n{TRACEBACK}\n  File\nKeyError: 1\n2\n");
        assert_eq!(message(Ending::Exited(1), &chained), "KeyError: 1");
        let quoting = format!("{TRACEBACK}\n  File\nValueError: {TRACEBACK}\nFake: x\n");
        assert_eq!(
            message(Ending::Exited(1), &quoting),
            format!("ValueError: {TRACEBACK}")
        );
        let group = format!(
            "{GROUP_TRACEBACK}\n  |   File\n  |     raise\n  | ExceptionGroup: g (1 sub-exception)\n  \
             +-+---------------- 1 ----------------\n    | ValueError: 1\n    +---\n"
        );
        assert_eq!(
            message(Ending::Exited(1), &group),
            "ExceptionGroup: g (1 sub-exception)"
        );
        let late = format!("{TRACEBACK}\n  File\nOSError: \n\n  cannot open\n");
        assert_eq!(message(Ending::Exited(1), &late), "OSError: cannot open");
        let uncompiled = "  File \"your_script.py\", line 1\n    return 1\n    ^^^^^^^^\nSyntaxError: \
                          'return' outside function\n";
        assert_eq!(
            message(Ending::Exited(1), uncompiled),
            "SyntaxError: 'return' outside function"
        );
        assert_eq!(message(Ending::Exited(3), traceback), "exit code 3");
        assert_eq!(message(Ending::Exited(1), "bye\n"), "exit code 1");
        assert_eq!(
            message(Ending::Signalled(9), ""),
            "killed by signal 9 (SIGKILL)"
        );
        assert_eq!(message(Ending::Signalled(40), ""), "killed by signal 40");
        assert_eq!(
            message(Ending::OutOfMemory, ""),
            "memory limit of 512 MiB exceeded"
        );
        assert_eq!(
            message(Ending::TimedOut, ""),
            "Execution exceeded the time limit of 10 seconds."
        );
    }

    #[test]
    fn a_kill_for_processor_time_says_so() {
        let killed = counted(Ending::Signalled(9), Some(sandbox::LimitHit::Cpu));
        let body = shown(killed);
        assert_eq!(
            body["error_details"]["message"],
            "processor time limit of 11 s exceeded"
        );
        assert_eq!(body["execution_result"]["exit_code"], -9);
        assert_eq!(body["execution_result"]["limit_hit"], "cpu");
    }

    #[test]
    fn a_kill_for_files_or_processes_says_so() {
        let message = |signal, hit| {
            let killed = counted(Ending::Signalled(signal), Some(hit));
            shown(killed)["error_details"]["message"].clone()
        };
        assert_eq!(
            message(9, sandbox::LimitHit::Disk),
            "limit of 64 MiB in 4096 files exceeded"
        );
        assert_eq!(
            message(9, sandbox::LimitHit::Processes),
            "limit of 10 child processes and threads exceeded"
        );
        // That ended it before anybody could.
        assert_eq!(
            message(11, sandbox::LimitHit::Disk),
            "killed by signal 11 (SIGSEGV)"
        );
    }

    #[test]
    fn death_by_a_signal_is_minus_its_number() {
        let (_, body) = told(ended(Ending::Signalled(11), b"", b""));
        assert_eq!(body["execution_result"]["exit_code"], -11);
    }

    #[test]
    fn a_program_that_did_not_end_by_itself_has_an_empty_result() {
        let unparsable = Ending::Unparsable {
            message: "invalid syntax".to_owned(),
        };
        for (ending, name) in [
            (Ending::TimedOut, "TimeoutError"),
            (unparsable, "SyntaxError"),
        ] {
            let (status, body) = told(ended(ending, b"partial", b""));
            assert_eq!((status, &body["execution_result"]), (400, &json!({})));
            assert_eq!(body["error_details"]["type"], name);
        }
    }

    /// What an answer to this outcome tells where usage is shown.
    fn shown(came_of_it: Outcome) -> Value {
        let now = Timestamp::since_1970(Duration::ZERO);
        let terms = Terms {
            show_usage: true,
            ..terms()
        };
        serde_json::from_slice(&outcome(now, asked(), terms, came_of_it).to_json()).unwrap()
    }

    /// A run of which everything was counted.
    fn counted(ending: Ending, limit_hit: Option<sandbox::LimitHit>) -> Outcome {
        Outcome {
            usage: sandbox::Usage {
                cpu: Some(Duration::from_micros(1500)),
                queue: Duration::from_micros(12),
                memory_peak_bytes: Some(4096),
                processes_peak: Some(1),
                output_bytes: 7,
            },
            limit_hit,
            ..ended(ending, b"", b"")
        }
    }

    #[test]
    fn every_answer_of_a_program_that_ran_tells_what_it_used() {
        let usage = json!({
            "cpu_ms": 1.5,
            "wall_ms": 45.65,
            "queue_ms": 0.012,
            "memory_peak_bytes": 4096,
            "processes_peak": 1,
            "output_bytes": 7,
        });
        let body = shown(counted(Ending::Exited(0), None));
        assert_eq!(body["execution_details"]["usage"], usage);
        assert_eq!(body["execution_details"].get("limit_hit"), None);
        let body = shown(counted(Ending::Exited(3), None));
        assert_eq!(body["execution_result"]["usage"], usage);
        assert_eq!(body["execution_result"].get("limit_hit"), None);

        let body = shown(counted(Ending::TimedOut, Some(sandbox::LimitHit::Wall)));
        assert_eq!(
            body["execution_details"],
            json!({"usage": usage, "limit_hit": "wall"})
        );
        // Clients of the original compare it.
        assert_eq!(body["execution_result"], json!({}));
        let mut forbidden = counted(Ending::Exited(1), None);
        forbidden.stderr.bytes = b"ForbiddenImportError: os\n".to_vec();
        let body = shown(forbidden);
        assert_eq!(body["error_details"]["type"], "ForbiddenImportError");
        assert_eq!(body["execution_details"], json!({"usage": usage}));
        assert_eq!(body["execution_result"], json!({}));
        let message = String::new();
        let body = shown(counted(Ending::Unparsable { message }, None));
        assert_eq!(body["execution_result"], json!({}));
    }

    #[test]
    fn what_is_not_known_is_null() {
        let body = shown(ended(Ending::TimedOut, b"", b""));
        let usage = json!({
            "cpu_ms": null,
            "wall_ms": 45.65,
            "queue_ms": 0.0,
            "memory_peak_bytes": null,
            "processes_peak": null,
            "output_bytes": 0,
        });
        assert_eq!(body["execution_details"], json!({"usage": usage}));
    }

    #[test]
    fn every_limit_has_its_name_and_none_is_told_where_usage_is_not_shown() {
        use sandbox::LimitHit as Hit;
        for (limit, name) in [
            (Hit::Wall, "wall"),
            (Hit::Cpu, "cpu"),
            (Hit::Memory, "memory"),
            (Hit::Processes, "processes"),
            (Hit::Output, "output"),
            (Hit::Disk, "disk"),
        ] {
            let body = shown(counted(Ending::Exited(0), Some(limit)));
            assert_eq!(body["execution_details"]["limit_hit"], name);
            let (_, body) = told(counted(Ending::Signalled(9), Some(limit)));
            assert_eq!(body["execution_result"].get("limit_hit"), None);
        }
    }

    #[test]
    fn the_guard_inside_the_run_is_heard() {
        let stderr = b"Traceback...\nForbiddenImportError: os, socket, os\n";
        let (status, body) = told(ended(Ending::Exited(1), b"", stderr));
        assert_eq!(status, 400);
        assert_eq!(
            body["error_details"],
            json!({
                "type": "ForbiddenImportError",
                "message": "Disallowed imports: os, socket.",
                "disallowed": ["os", "socket"],
            })
        );
        assert_eq!(body["execution_result"], json!({}));
        let (_, body) = told(ended(Ending::Exited(2), b"", stderr));
        assert_eq!(body["error_details"]["type"], "RuntimeError");
    }

    #[test]
    fn a_cut_stream_is_marked() {
        let mut came_of_it = ended(Ending::Exited(0), b"abc", b"");
        came_of_it.stdout.dropped = 7;
        let (_, body) = told(came_of_it);
        let details = &body["execution_details"];
        assert_eq!(details["stdout"], "abc\n[output truncated: 7 more bytes]\n");
        assert_eq!(details["stdout_truncated"], true);
        assert_eq!(details.get("stderr_truncated"), None);
    }

    #[test]
    fn waits_are_told_in_whole_seconds_rounded_up() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_secs(12)), 12);
        assert_eq!(whole_seconds(Duration::from_millis(11_001)), 12);
    }
}
