//! Every snippet that the documentation and the README offer, run as it stands, and compared with the
//! output that stands below it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::server::ADMIN_KEY;
use crate::harness::{Server, User, machine, new_command, request, skip};

/// What stands for the admin key in a snippet.
const KEY: &str = "your-secret-api-key-here";

/// What differs from one answer to the next: its kind is compared, not its value.
const VARYING: [&str; 5] = [
    "timestamp_utc",
    "requests_today",
    "requests_remaining_today",
    "execution_duration_sec",
    "usage",
];

/// What the README has for a person to start, and where that is tried.
const STARTS: [(&str, &str); 2] = [
    ("cargo run --release -- serve", "crates/cli/tests/system"),
    ("docker compose up --build", "deploy/check-dockerfile"),
];

/// A block of code, and its language.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Block {
    language: String,
    text: String,
}

#[test]
fn the_documentation_s_snippets_do_what_they_say() {
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[("requests_per_minute", "1000")]);
    let docs = server.ask(&request("GET", "/docs", &[], b""));
    let page = String::from_utf8(docs.body).expect("it is text");
    let blocks = of_html(&page);
    let ran = run_all(&server, &blocks);
    assert!(ran >= 7, "{ran} snippets ran");
    server.stop();
}

#[test]
fn the_readme_s_snippets_do_what_they_say() {
    let _machine = machine();
    let server = Server::start(User::Ourselves, &[("requests_per_minute", "1000")]);
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let readme = fs::read_to_string(readme).expect("it is there");
    let readme = readme.replace("127.0.0.1:5000", &server.address.to_string());
    let blocks = of_markdown(&readme);
    let ran = run_all(&server, &blocks);
    assert!(ran >= 2, "{ran} snippets ran");
    server.stop();
}

/// Runs every snippet in one folder, in order, as a reader would; tells how many.
#[track_caller]
fn run_all(server: &Server, blocks: &[Block]) -> usize {
    let folder = tempfile::tempdir().expect("there is room");
    let bin = folder.path().join("bin");
    fs::create_dir_all(&bin).expect("the folder is ours");
    let program = env!("CARGO_BIN_EXE_hognose");
    std::os::unix::fs::symlink(program, bin.join("hognose")).expect("the folder is ours");
    let mut ran = 0;
    for (index, block) in blocks.iter().enumerate() {
        let (program, arguments): (&str, &[&str]) = match block.language.as_str() {
            "bash" => ("bash", &["-euo", "pipefail", "-c"]),
            "python" => ("python3", &["-c"]),
            "javascript" => ("node", &["--input-type=module", "-e"]),
            "sh" => {
                for line in block.text.lines() {
                    let command = line.split('#').next().unwrap_or_default().trim();
                    let known = STARTS.iter().any(|(start, _)| *start == command);
                    assert!(known, "nothing tries this: {command}");
                }
                continue;
            }
            // What a snippet prints, or a file.
            "text" | "json" | "toml" => continue,
            other => panic!("a block in {other:?}: {}", block.text),
        };
        let Some(said) = run(program, arguments, &block.text, &folder) else {
            skip("snippets", &format!("there is no {program}"));
            continue;
        };
        let expected = blocks.get(index + 1);
        match expected.map(|block| (block.language.as_str(), &block.text)) {
            Some(("text", expected)) => assert_eq!(&said, expected, "of: {}", block.text),
            Some(("json", expected)) => {
                let parse = |text: &str| -> Value {
                    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
                };
                assert_eq!(
                    shape(parse(&said)),
                    shape(parse(expected)),
                    "of: {}",
                    block.text
                );
            }
            _ => {}
        }
        ran += 1;
    }
    assert!(server.health().status == 200);
    ran
}

/// Runs one snippet; tells what it printed, or nothing where its program is not there.
#[track_caller]
fn run(program: &str, arguments: &[&str], text: &str, folder: &TempDir) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let bin = folder.path().join("bin");
    let path = [bin.as_os_str(), std::ffi::OsStr::new(":"), &path].join(std::ffi::OsStr::new(""));
    let started = new_command(program)
        .args(arguments)
        .arg(text.replace(KEY, ADMIN_KEY))
        .current_dir(folder.path())
        .env("PATH", path)
        .env("no_proxy", "127.0.0.1")
        .env("HOGNOSE_ENVIRONMENT", User::Ourselves.environment())
        .env("HOGNOSE_DATA_DIR", folder.path().join("data"))
        .stdin(Stdio::null())
        .output();
    let output = match started {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        started => started.expect("a program that is there starts"),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{text}\n{}: {errors}",
        output.status
    );
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A JSON value in which what varies is only of the right kind.
fn shape(value: Value) -> Value {
    let Value::Object(object) = value else {
        return value;
    };
    let shaped = object.into_iter().map(|(key, value)| {
        let value = match value {
            Value::Object(fields) if key == "usage" => fields.keys().cloned().collect(),
            value if VARYING.contains(&key.as_str()) => match value {
                Value::Number(_) => "a number".into(),
                Value::String(text) => text.len().into(),
                other => other,
            },
            value => shape(value),
        };
        (key, value)
    });
    Value::Object(shaped.collect())
}

/// The blocks of a page.
fn of_html(page: &str) -> Vec<Block> {
    let blocks = page.split("<code class=\"language-").skip(1);
    blocks
        .map(|rest| {
            let (language, rest) = rest.split_once("\">").expect("the attribute ends");
            let (text, _) = rest.split_once("</code>").expect("the element ends");
            let text = text.replace("&lt;", "<").replace("&gt;", ">");
            let text = text.replace("&quot;", "\"").replace("&#39;", "'");
            Block {
                language: language.to_owned(),
                text: text.replace("&amp;", "&"),
            }
        })
        .collect()
}

/// The blocks of a text in Markdown.
fn of_markdown(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let inside = lines.by_ref().take_while(|line| *line != "```");
        let text = inside.map(|line| format!("{line}\n")).collect();
        let language = language.to_owned();
        blocks.push(Block { language, text });
    }
    blocks
}
