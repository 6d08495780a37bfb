//! What a caller hears.

use std::borrow::Cow;
use std::io;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{ErrorCode, Timestamp, base64};

/// About as many bytes as everything in an answer takes that is not output or a file.
const SMALL_FIELDS_BYTES: usize = 1024;

/// An answer: what is said, and the status that goes with it.
#[derive(Debug, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Answer {
    /// The program ended with exit code 0.
    Success(Box<SuccessAnswer>),
    /// Anything else.
    Error(Box<ErrorAnswer>),
}

impl Answer {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Success(_) => 200,
            Self::Error(error) => error.error_details.code.status(),
        }
    }

    /// Whole seconds after which asking again makes sense, where that is known.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::Success(_) => None,
            Self::Error(error) => error.retry_after_seconds,
        }
    }

    /// The answer as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(self.content_bytes() + SMALL_FIELDS_BYTES);
        let mut serializer = serde_json::Serializer::with_formatter(&mut json, BytesAsBase64);
        // The only map has text keys, and writing to memory cannot fail: nothing is left to go wrong.
        match self.serialize(&mut serializer) {
            Ok(()) => json,
            Err(_never) => Vec::new(),
        }
    }

    /// Bytes of output and files that it carries: what making JSON of it costs.
    #[must_use]
    pub fn content_bytes(&self) -> usize {
        match self {
            Self::Success(success) => {
                let details = &success.execution_details;
                let files = details
                    .output_files
                    .0
                    .iter()
                    .map(|(name, file)| match file {
                        OutputFile::Content { content, .. } => {
                            name.len() + content.len().div_ceil(3) * 4
                        }
                        OutputFile::Trouble { error, .. } => name.len() + error.len(),
                    });
                details.stdout.len() + details.stderr.len() + files.sum::<usize>()
            }
            Self::Error(error) => match &error.execution_result {
                Some(ExecutionResult::Ended { stdout, stderr, .. }) => stdout.len() + stderr.len(),
                Some(ExecutionResult::Nothing { .. }) | None => 0,
            },
        }
    }
}

/// Bytes that are encoded at a time; a multiple of three, so that padding comes at the end only.
const BLOCK_BYTES: usize = 12 << 10;

/// The program ran to its end and exited with 0.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = says_success)]
pub struct SuccessAnswer {
    /// When this answer was made.
    pub timestamp_utc: Timestamp,
    /// Who asked.
    pub user_info: UserInfo,
    /// How busy the server was.
    pub server_status: ServerStatus,
    /// What was asked.
    pub request_context: RequestContext,
    /// What came of it.
    pub execution_details: ExecutionDetails,
}

/// Everything that is not a success.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = says_error)]
pub struct ErrorAnswer {
    /// When this answer was made.
    pub timestamp_utc: Timestamp,
    /// What went wrong.
    pub error_details: ErrorDetails,
    /// Who asked, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_info: Option<UserInfo>,
    /// How busy the server was, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_status: Option<ServerStatus>,
    /// What was asked, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_context: Option<RequestContext>,
    /// What the program did before it failed; empty where it did not run to its own end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_result: Option<ExecutionResult>,
    /// What was used by a program that ran, and not to its own end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution_details: Option<Spent>,
    /// Whole seconds, for the header `Retry-After`.
    #[serde(skip)]
    pub retry_after_seconds: Option<u64>,
}

impl ErrorAnswer {
    /// An error of which nothing is known but itself.
    #[must_use]
    pub const fn bare(timestamp_utc: Timestamp, error_details: ErrorDetails) -> Self {
        Self {
            timestamp_utc,
            error_details,
            user_info: None,
            server_status: None,
            request_context: None,
            execution_result: None,
            execution_details: None,
            retry_after_seconds: None,
        }
    }
}

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorDetails {
    /// Its name.
    #[serde(rename = "type")]
    pub code: ErrorCode,
    /// A sentence for people.
    pub message: String,
    /// The modules that may not be imported, each once, by top-level name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed: Option<Vec<String>>,
    /// What to quote when reporting a failure of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl ErrorDetails {
    /// An error with nothing but its message.
    #[must_use]
    pub const fn new(code: ErrorCode, message: String) -> Self {
        Self {
            code,
            message,
            disallowed: None,
            id: None,
        }
    }
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum UserInfo {
    /// Anyone, by address.
    Public {
        /// The address that counts.
        ip_address: String,
        /// Requests a day.
        daily_quota_limit: u32,
        /// Requests counted today, this one included if it counts.
        requests_today: u32,
        /// What is left of them.
        requests_remaining_today: u32,
    },
    /// Whoever has the admin key.
    Admin {
        /// `admin`.
        #[schemars(extend("const" = "admin"))]
        role: &'static str,
        /// `false`.
        #[schemars(extend("const" = false))]
        rate_limits_applied: bool,
    },
}

impl UserInfo {
    /// The admin.
    pub const ADMIN: Self = Self::Admin {
        role: "admin",
        rate_limits_applied: false,
    };
}

/// How busy the server was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ServerStatus {
    /// In a word.
    pub load: Load,
    /// Programs that ran, without this request's own.
    pub active_processes_at_request: usize,
    /// Programs that may run at once.
    pub max_concurrent_processes: usize,
    /// What programs are walled in with: `native` or `landlock`. Missing where the settings want no
    /// fields but the original's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<&'static str>,
}

/// How busy the server was, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// There was room for a program.
    Normal,
    /// There was none.
    High,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RequestContext {
    /// Length of `code` in Unicode code points.
    pub code_length: usize,
    /// Attachments that came.
    pub attachment_count: usize,
    /// Whether `stdin_data` was there and not empty.
    pub stdin_provided: bool,
    /// The attachments that were accepted; absent before they were looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processed_attachments: Option<Vec<ProcessedAttachment>>,
}

/// An attachment that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProcessedAttachment {
    /// Its name in the workspace.
    pub filename: String,
    /// Its size, decoded.
    pub size_bytes: usize,
}

/// What came of a program that exited with 0.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ExecutionDetails {
    /// `true`.
    #[schemars(extend("const" = true))]
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// `true` if standard output was cut; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(extend("const" = true))]
    pub stdout_truncated: bool,
    /// `true` if standard error was cut; absent otherwise.
    #[serde(skip_serializing_if = "is_false")]
    #[schemars(extend("const" = true))]
    pub stderr_truncated: bool,
    /// `0`.
    #[schemars(extend("const" = 0))]
    pub exit_code: i32,
    /// Wall-clock time in seconds, four decimals.
    #[schemars(range(min = 0))]
    pub execution_duration_sec: f64,
    /// The files asked for.
    pub output_files: OutputFiles,
    /// What it used, if the operator shows it.
    #[serde(flatten)]
    pub spent: Option<Spent>,
}

/// What came of a program that failed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ExecutionResult {
    /// It did not run, or not to its own end. Empty for clients of the original, who compare it.
    #[schemars(extend("maxProperties" = 0))]
    Nothing {},
    /// It failed by itself.
    Ended {
        /// Standard output.
        stdout: String,
        /// Standard error.
        stderr: String,
        /// `true` if standard output was cut; absent otherwise.
        #[serde(skip_serializing_if = "is_false")]
        #[schemars(extend("const" = true))]
        stdout_truncated: bool,
        /// `true` if standard error was cut; absent otherwise.
        #[serde(skip_serializing_if = "is_false")]
        #[schemars(extend("const" = true))]
        stderr_truncated: bool,
        /// Its exit code, or minus the signal that killed it.
        exit_code: i32,
        /// Wall-clock time in seconds, four decimals.
        #[schemars(range(min = 0))]
        execution_duration_sec: f64,
        /// What it used, if the operator shows it.
        #[serde(flatten)]
        spent: Option<Spent>,
    },
}

/// What was used by a program, and what kept it from more.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Spent {
    /// What it used.
    pub usage: Usage,
    /// The limit that ended it, or took something from it; absent where none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_hit: Option<LimitHit>,
}

/// What a program used. `null` where the host does not count it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Usage {
    /// Processor time, milliseconds.
    pub cpu_ms: Option<f64>,
    /// Wall-clock time, milliseconds.
    pub wall_ms: f64,
    /// How long it waited for a place to run, milliseconds.
    pub queue_ms: f64,
    /// Most memory at once, bytes.
    pub memory_peak_bytes: Option<u64>,
    /// Most processes and threads at once.
    pub processes_peak: Option<u32>,
    /// Bytes written to standard output and standard error.
    pub output_bytes: u64,
}

/// A limit that a program met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LimitHit {
    /// Wall-clock time.
    Wall,
    /// Processor time of one process.
    Cpu,
    /// Memory.
    Memory,
    /// Processes and threads.
    Processes,
    /// Output.
    Output,
    /// Bytes or number of files.
    Disk,
}

/// The files that were asked for, each name once, in the order asked.
#[derive(Debug, Default)]
pub struct OutputFiles(pub Vec<(String, OutputFile)>);

impl Serialize for OutputFiles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, file) in &self.0 {
            map.serialize_entry(name, file)?;
        }
        map.end()
    }
}

impl JsonSchema for OutputFiles {
    fn schema_name() -> Cow<'static, str> {
        "OutputFiles".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "The files that were asked for, by the name that was asked for.",
            "additionalProperties": generator.subschema_for::<OutputFile>(),
        })
    }
}

/// A file that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum OutputFile {
    /// It came back.
    Content {
        /// Its bytes.
        #[serde(rename = "content_base64", serialize_with = "as_bytes")]
        #[schemars(with = "String", extend("contentEncoding" = "base64"))]
        content: Vec<u8>,
        /// Its size.
        size_bytes: usize,
    },
    /// It did not.
    Trouble {
        /// Why.
        error: String,
        /// Its size, where that was the trouble.
        #[serde(skip_serializing_if = "Option::is_none")]
        size_bytes: Option<u64>,
    },
}

#[expect(clippy::ptr_arg, reason = "serde hands over what the field is")]
fn as_bytes<S: Serializer>(content: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(content)
}

/// JSON in which bytes are a Base64 text. Written straight into the answer: a text of 11 MB on the way
/// there would be made, looked through for what must be escaped, and copied.
struct BytesAsBase64;

impl serde_json::ser::Formatter for BytesAsBase64 {
    fn write_byte_array<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        value: &[u8],
    ) -> io::Result<()> {
        writer.write_all(b"\"")?;
        let mut room = [0; BLOCK_BYTES / 3 * 4];
        for block in value.chunks(BLOCK_BYTES) {
            writer.write_all(base64::encode_into(block, &mut room).as_bytes())?;
        }
        writer.write_all(b"\"")
    }
}

fn says_success(schema: &mut Schema) {
    say_status(schema, "success");
}

fn says_error(schema: &mut Schema) {
    say_status(schema, "error");
}

/// Adds the field that [`Answer`] adds by its tag.
fn say_status(schema: &mut Schema, status: &str) {
    let object = schema.ensure_object();
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("status".to_owned(), json!({"const": status}));
    }
    if let Some(required) = object.get_mut("required").and_then(Value::as_array_mut) {
        required.insert(0, json!("status"));
    }
}

const fn is_false(value: &bool) -> bool {
    !*value
}
