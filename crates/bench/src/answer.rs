//! What an answer says about a run: done as the case demands, or which trouble.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::client::Response;

/// Longest answer that is read word by word during a measurement. Bytes; beyond it the status and
/// the length must do, as parsing would take the processor from the server.
const READ_BYTES_MAX: usize = 64 << 10;

/// Why a request did not come to what it should.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Trouble {
    /// The answer's status; `None` if no answer came.
    pub status: Option<u16>,
    /// The answer's error type, or what happened to the connection.
    pub kind: String,
}

impl Trouble {
    /// Whether the server said no: too many programs, too many requests.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, Some(429 | 503))
    }

    fn answered(status: u16, kind: impl Into<String>) -> Self {
        Self {
            status: Some(status),
            kind: kind.into(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "{status} {}", self.kind),
            None => f.write_str(&self.kind),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        let kind = match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => "no answer in time".to_owned(),
            ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            ErrorKind::UnexpectedEof => "connection closed within an answer".to_owned(),
            ErrorKind::InvalidData => error.to_string(),
            kind => kind.to_string(),
        };
        Self { status: None, kind }
    }
}

/// The parts of an answer that are looked at, whoever wrote it.
#[derive(Debug, Deserialize)]
struct Answer {
    #[serde(default)]
    execution_details: Option<Details>,
    #[serde(default)]
    error_details: Option<ErrorDetails>,
    #[serde(default)]
    server_status: Option<ServerStatus>,
}

#[derive(Debug, Deserialize)]
struct Details {
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    output_files: BTreeMap<String, File>,
}

#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    content_base64: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ErrorDetails {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    message: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ServerStatus {
    #[serde(default)]
    max_concurrent_processes: Option<usize>,
}

/// What was learned from an answer that was read in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit {
    /// How many programs the server runs at once, if it says so.
    pub(crate) slots: Option<usize>,
    /// The length of the answer. Bytes.
    pub(crate) bytes: usize,
}

/// Reads an answer in full: output and every byte of every file must be right.
pub(crate) fn examine(case: Case, response: &Response<'_>) -> Result<Fit, Trouble> {
    let status = response.status;
    let wrong = |what: &str| Err(Trouble::answered(status, what));
    let Ok(answer) = serde_json::from_slice::<Answer>(response.body) else {
        return wrong("no JSON of this API");
    };
    if let Some(error) = answer.error_details {
        let message = error.message.unwrap_or_default();
        return wrong(&format!("{}: {message}", error.kind));
    }
    let Some(details) = answer.execution_details.filter(|_| status == 200) else {
        return wrong("an answer without a run");
    };
    if details.stdout != case.stdout() {
        let start: String = details.stdout.chars().take(200).collect();
        return wrong(&format!("wrong output: {start:?}"));
    }
    for (name, start) in case.returned() {
        let file = details.output_files.get(name);
        let text = file.and_then(|file| file.content_base64.as_deref());
        let bytes = text.and_then(|text| api::base64::decode(text, 1 << 30).ok());
        if !bytes.is_some_and(|bytes| bytes.starts_with(&start)) {
            return wrong(&format!("the file {name} is missing or wrong"));
        }
    }
    Ok(Fit {
        slots: answer
            .server_status
            .and_then(|status| status.max_concurrent_processes),
        bytes: response.body.len(),
    })
}

/// Judges an answer during a measurement, when the time it took is already known.
pub(crate) fn judge(case: Case, fit: Fit, response: &Response<'_>) -> Result<(), Trouble> {
    let status = response.status;
    if status == 200 && response.body.len() > READ_BYTES_MAX {
        // Times and counts in it may be longer or shorter by some digits.
        let is_whole = response.body.len().abs_diff(fit.bytes) < 1000;
        return is_whole
            .then_some(())
            .ok_or_else(|| Trouble::answered(status, "an answer of another length"));
    }
    let Ok(answer) = serde_json::from_slice::<Answer>(response.body) else {
        return Err(Trouble::answered(status, "no JSON of this API"));
    };
    if let Some(error) = answer.error_details {
        return Err(Trouble::answered(status, error.kind));
    }
    let stdout = answer.execution_details.map(|details| details.stdout);
    if status == 200 && stdout.as_deref() == Some(case.stdout()) {
        Ok(())
    } else {
        Err(Trouble::answered(status, "wrong output"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response<'_> {
        Response {
            status,
            body: body.as_bytes(),
        }
    }

    const GOOD: &str = r#"{"status":"success","execution_details":{"stdout":"1\n","output_files":{}},
        "server_status":{"max_concurrent_processes":5}}"#;

    #[test]
    fn a_good_answer_tells_the_slots() {
        let fit = examine(Case::Hello, &response(200, GOOD)).unwrap();
        assert_eq!((fit.slots, fit.bytes), (Some(5), GOOD.len()));
        assert_eq!(judge(Case::Hello, fit, &response(200, GOOD)), Ok(()));
    }

    #[test]
    fn trouble_is_told_by_status_and_type() {
        let fit = Fit {
            slots: None,
            bytes: 0,
        };
        let trouble = |status, body| {
            let trouble = judge(Case::Hello, fit, &response(status, body)).unwrap_err();
            (trouble.to_string(), trouble.is_refusal())
        };
        let busy = r#"{"status":"error","error_details":{"type":"ServerBusy","message":"later"}}"#;
        assert_eq!(trouble(503, busy), ("503 ServerBusy".to_owned(), true));
        let html = "<html>";
        assert_eq!(
            trouble(502, html),
            ("502 no JSON of this API".to_owned(), false)
        );
        let other = GOOD.replace("1\\n", "2\\n");
        assert_eq!(trouble(200, &other).0, "200 wrong output");
    }

    #[test]
    fn a_file_that_is_not_right_is_found() {
        let answer = |text: &str| {
            format!(
                r#"{{"execution_details":{{"stdout":"made\n",
                "output_files":{{"hello.pdf":{{"content_base64":"{text}"}}}}}}}}"#
            )
        };
        examine(Case::Fpdf, &response(200, &answer("JVBERi0xLjM="))).unwrap();
        let trouble = examine(Case::Fpdf, &response(200, &answer("AAAA"))).unwrap_err();
        assert_eq!(
            trouble.to_string(),
            "200 the file hello.pdf is missing or wrong"
        );
    }
}
