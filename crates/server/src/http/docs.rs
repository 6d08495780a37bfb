//! The documentation: `docs.md`, with what this server's settings and the types say filled in.
//!
//! Each fact has one place: fields are told by the types of `api` by way of the description, errors by
//! [`ErrorCode`], limits by the settings. Made once, when the server starts.

use std::fmt::Write as _;

use api::ErrorCode;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use pulldown_cmark::{Options, Parser, html};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::Config;
use crate::figures::{seconds, size};

const TEXT: &str = include_str!("docs.md");
const STYLE: &str = include_str!("docs.css");

/// The documentation as it is served.
#[derive(Debug)]
pub(super) struct Docs {
    page: Bytes,
    policy: HeaderValue,
}

/// What the documentation tells that is no setting.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    /// What [`api::openapi()`] says of this server.
    pub description: &'a Value,
    /// The Python that programs run on.
    pub python: (u8, u8),
    /// What isolates programs, in a word.
    pub isolation: &'a str,
}

impl Docs {
    pub(super) fn new(config: &Config, about: About<'_>) -> Self {
        let text = fill(TEXT, |name| value(name, config, about));
        let options = Options::ENABLE_TABLES | Options::ENABLE_HEADING_ATTRIBUTES;
        let mut body = String::with_capacity(text.len() * 2);
        html::push_html(&mut body, Parser::new_ext(&text, options));
        // What scrolls must be reached by the keyboard.
        let body = body.replace("<pre>", "<pre tabindex=\"0\">");
        let page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>hognose: documentation</title>\n<style>{STYLE}</style>\n</head>\n\
             <body>\n<main>\n{body}</main>\n</body>\n</html>\n"
        );
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            api::base64::encode(&Sha256::digest(STYLE)),
        );
        Self {
            page: page.into(),
            policy: HeaderValue::try_from(policy).expect("Base64 and ASCII make a header value"),
        }
    }

    pub(super) fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.page.clone()));
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, html);
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }
}

/// Puts values for `{{name}}`; what has none stays, as a test would see.
fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len() * 2);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        filled.push_str(before);
        match after.split_once("}}") {
            Some((name, behind)) if let Some(value) = value(name) => {
                filled.push_str(&value);
                rest = behind;
            }
            _ => {
                filled.push_str("{{");
                rest = after;
            }
        }
    }
    filled.push_str(rest);
    filled
}

fn value(name: &str, config: &Config, about: About<'_>) -> Option<String> {
    if let Some(schema) = name.strip_prefix("fields ") {
        return fields(about.description, schema);
    }
    let (major, minor) = about.python;
    Some(match name {
        "url" => config.url(),
        "version" => env!("CARGO_PKG_VERSION").to_owned(),
        "python" => format!("{major}.{minor}"),
        "isolation" => about.isolation.to_owned(),
        "walls" => walls(about.isolation).to_owned(),
        "body_bytes" => size(config.http.body_bytes_max as u64),
        "requests_per_day" => config.requests_per_day.to_string(),
        "requests_left" => config.requests_per_day.saturating_sub(1).to_string(),
        "concurrent_max" => config.concurrent_max.to_string(),
        "isolation_example" if config.usage_in_answers => {
            format!(",\n    \"isolation\": \"{}\"", about.isolation)
        }
        "isolation_example" => String::new(),
        "usage_example" => usage_example(config).to_owned(),
        "errors" => errors(),
        "limits" => limits(config, about.isolation),
        "imports" => imports(config),
        _ => return None,
    })
}

const fn usage_example(config: &Config) -> &'static str {
    if config.usage_in_answers {
        ",
    \"usage\": {
      \"cpu_ms\": 0.7,
      \"wall_ms\": 0.9,
      \"queue_ms\": 0.1,
      \"memory_peak_bytes\": 1671168,
      \"processes_peak\": 1,
      \"output_bytes\": 3
    }"
    } else {
        ""
    }
}

/// A table of the fields of a schema of the description.
fn fields(description: &Value, name: &str) -> Option<String> {
    let schema = description.pointer(&format!("/components/schemas/{name}"))?;
    let variants = schema.get("anyOf").and_then(Value::as_array);
    let shapes: Vec<&Value> = variants.map_or_else(|| vec![schema], |all| all.iter().collect());
    let mut text = String::new();
    for shape in shapes {
        if variants.is_some() {
            let _fits = write!(text, "{}\n\n", said(shape));
        }
        let Some(properties) = shape.get("properties").and_then(Value::as_object) else {
            continue;
        };
        let required = shape.get("required").and_then(Value::as_array);
        text.push_str("| field | type | meaning |\n| --- | --- | --- |\n");
        for (field, property) in properties {
            let needed = required.is_some_and(|all| all.iter().any(|one| one == field.as_str()));
            let sometimes = if needed { "" } else { ", may be absent" };
            let (kind, said) = (kind(property), said(property));
            let _fits = writeln!(text, "| `{field}` | {kind}{sometimes} | {said} |");
        }
        text.push('\n');
    }
    Some(text)
}

/// The type of a value, in words.
fn kind(schema: &Value) -> String {
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return match name.rsplit('/').next().unwrap_or_default() {
            "ErrorType" | "Load" | "LimitHit" => "string".to_owned(),
            _ => "object".to_owned(),
        };
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        return any.first().map(kind).unwrap_or_default();
    }
    match schema.get("type") {
        Some(Value::String(one)) if one == "array" => {
            let items = schema.get("items").map(kind).unwrap_or_default();
            format!("array of {items}s")
        }
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(any)) => {
            let any: Vec<&str> = any.iter().filter_map(Value::as_str).collect();
            if let (Some(items), ["array", ..]) = (schema.get("items"), any.as_slice()) {
                format!("array of {}s or null", kind(items))
            } else {
                any.join(" or ")
            }
        }
        _ => "string".to_owned(),
    }
}

/// What a schema says of itself, fit for a table's cell.
fn said(schema: &Value) -> String {
    let said = schema.get("description").and_then(Value::as_str);
    said.unwrap_or_default().replace('\n', " ")
}

fn errors() -> String {
    let mut table =
        String::from("| status | type | when | what to do |\n| --- | --- | --- | --- |\n");
    for code in ErrorCode::ALL {
        let (status, name) = (code.status(), code.name());
        let (meaning, remedy) = (code.meaning(), code.remedy());
        let _fits = writeln!(table, "| {status} | `{name}` | {meaning} | {remedy} |");
    }
    table
}

/// What a tier is, in a sentence.
fn walls(isolation: &str) -> &'static str {
    match isolation {
        "landlock" => {
            "Landlock, a list of system calls that are allowed, and limits, without namespaces. A \
             program can learn names of files and numbers of processes, and open or end none of \
             them. A hole in the kernel could be a hole in the walls, as with containers."
        }
        "gvisor" => {
            "a kernel of its own for programs, with the walls of the others inside. A hole would have \
             to go through both kernels."
        }
        _ => {
            "namespaces, files of its own, Landlock, a list of system calls that are allowed, no \
             privileges, and limits. A hole in the kernel could be a hole in the walls, as with \
             containers."
        }
    }
}

fn limits(config: &Config, isolation: &str) -> String {
    let both = |public: String, admin: String| {
        if public == admin {
            public
        } else {
            format!("{public}; with the admin key {admin}")
        }
    };
    let characters = |count: usize| format!("{count} Unicode characters");
    let (public, admin) = (&config.public, &config.admin);
    let rows = [
        (
            "requests",
            format!(
                "{} a minute, {} a day",
                config.requests_per_minute, config.requests_per_day
            ),
            "429 `RateLimitExceeded`",
        ),
        (
            "programs at once, of all callers",
            config.concurrent_max.to_string(),
            "503 `ServerBusy`",
        ),
        (
            "code",
            both(
                characters(public.code_characters_max),
                characters(admin.code_characters_max),
            ),
            "400 `ValidationError`",
        ),
        (
            "attachments",
            format!(
                "{} of {}",
                config.attachments_max,
                size(config.attachment_bytes_max as u64)
            ),
            "400 `ValidationError`",
        ),
        (
            "request body",
            size(config.http.body_bytes_max as u64),
            "413 `ValidationError`",
        ),
        (
            "wall clock",
            both(seconds(public.wall_max), seconds(admin.wall_max)),
            "400 `TimeoutError`",
        ),
        (
            "processor time of one process",
            format!("{} s", config.limits.cpu_seconds_max),
            "400 `RuntimeError`",
        ),
        (
            "memory of the whole program",
            size(config.limits.memory_bytes_max),
            "400 `RuntimeError`, or Python's `MemoryError`",
        ),
        (
            "child processes and threads",
            config.limits.processes_max.to_string(),
            "the next one is refused, as `BlockingIOError` or `RuntimeError` of Python's",
        ),
        (
            "files of the program",
            format!(
                "{}, {} files and folders",
                size(config.limits.workspace_bytes_max),
                config.limits.workspace_files_max
            ),
            if isolation == "landlock" {
                "400 `RuntimeError`"
            } else {
                "writing fails with `OSError`"
            },
        ),
        (
            "standard output and error",
            format!("{} each", size(config.output_bytes_max as u64)),
            "cut; `stdout_truncated` or `stderr_truncated` says so",
        ),
        (
            "returned files",
            format!(
                "{} each, {} together, {} names",
                size(config.collect.file_bytes_max),
                size(config.collect.total_bytes_max),
                config.collect.names_max
            ),
            "`error` beside the file's name",
        ),
    ];
    let mut table = String::from("| of | at most | past it |\n| --- | --- | --- |\n");
    for (what, most, past) in rows {
        let _fits = writeln!(table, "| {what} | {most} | {past} |");
    }
    table
}

fn imports(config: &Config) -> String {
    let mut names: Vec<&str> = config.imports_allowed.iter().map(String::as_str).collect();
    names.sort_unstable_by_key(|name| name.to_lowercase());
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ffi::OsString;

    use super::*;
    use crate::config::{self, Flags};

    fn docs(settings: &[(&str, &str)]) -> String {
        let environment = [&("HOME", "/h")].into_iter().chain(settings);
        let environment = environment.map(|(k, v)| (OsString::from(k), OsString::from(v)));
        let config = config::load(None, &Flags::new(), environment).unwrap();
        let about = About {
            description: &api::openapi(&config.told()),
            python: (3, 11),
            isolation: "native",
        };
        String::from_utf8(Docs::new(&config, about).page.to_vec()).unwrap()
    }

    #[test]
    fn every_value_is_filled_in() {
        let page = docs(&[]);
        let unfilled: Vec<&str> = page.split("{{").skip(1).collect();
        assert!(unfilled.is_empty(), "{unfilled:?}");
    }

    #[test]
    fn every_field_and_every_error_is_told() {
        let page = docs(&[]);
        let description = include_str!("../../../../docs/openapi.json");
        let description: Value = serde_json::from_str(description).unwrap();
        let mut names: BTreeSet<String> = BTreeSet::new();
        fields_of(&description["components"]["schemas"], &mut names);
        assert!(names.contains("return_files") && names.contains("limit_hit"));
        names.extend(ErrorCode::ALL.map(|code| code.name().to_owned()));
        let untold: Vec<&String> = names
            .iter()
            .filter(|name| !page.contains(&format!("<code>{name}</code>")))
            .collect();
        // Of GET /health, which an example shows whole.
        let health = ["active_processes", "version"];
        assert_eq!(untold, health);
    }

    fn fields_of(schema: &Value, names: &mut BTreeSet<String>) {
        let Some(object) = schema.as_object() else {
            let items = schema.as_array().into_iter().flatten();
            items.for_each(|item| fields_of(item, names));
            return;
        };
        for (key, value) in object {
            if let ("properties", Some(properties)) = (key.as_str(), value.as_object()) {
                names.extend(properties.keys().cloned());
            }
            fields_of(value, names);
        }
    }

    #[test]
    fn settings_are_told_as_they_are() {
        let page = docs(&[
            ("HOGNOSE_WALL_MS_MAX", "2500"),
            ("HOGNOSE_MEMORY_BYTES_MAX", "134217728"),
            ("HOGNOSE_IMPORTS_ALLOWED", "math,zlib"),
            ("HOGNOSE_LISTEN", "[::]:80"),
        ]);
        for told in [
            "2.5 s; with the admin key 10 s",
            "<td>128 MiB</td>",
            "<code>math</code>, <code>zlib</code></p>",
            "http://[::1]:80/execute",
        ] {
            assert!(page.contains(told), "{told}");
        }
    }

    #[test]
    fn nothing_is_loaded_and_nothing_is_inline() {
        let page = docs(&[]);
        for forbidden in [
            "<script",
            "<img",
            "<link",
            " style=",
            " src=",
            "javascript:",
            "@import",
            "url(",
        ] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        for link in page.split("href=\"").skip(1) {
            let target = link.split('"').next().unwrap();
            let inside = target.strip_prefix('#').map(|id| format!("id=\"{id}\""));
            assert!(
                inside.map_or_else(
                    || ["./", "openapi.json"].contains(&target),
                    |id| page.contains(&id)
                ),
                "{target}"
            );
        }
    }
}
