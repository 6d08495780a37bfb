//! The peer: the way of the original, as lean as it can be.
//!
//! A fresh interpreter for every run, `python -I your_script.py` in a temporary folder, behind an
//! HTTP server that does nothing else: one thread a connection, in this process, without walls,
//! limits, checks or counting. Whatever follows that way is slower than this, so a ratio to it
//! flatters nobody.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::BenchError;
use crate::client::Target;
use crate::floor::python_command;

/// Longest head of a request. Bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Longest body of a request. Bytes; the contract's longest is 22.4 MiB.
const BODY_BYTES_MAX: usize = 32 << 20;

/// A running peer. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Peer {
    target: Target,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Peer {
    /// Starts a peer on a free port of the loopback interface.
    pub(crate) fn start(python: &Path) -> Result<Self, BenchError> {
        let doing = || BenchError::doing("listen for the peer");
        let listener = TcpListener::bind("127.0.0.1:0").map_err(doing())?;
        let address = listener.local_addr().map_err(doing())?;
        let stopped = Arc::new(AtomicBool::new(false));
        let accepting = {
            let (python, stopped) = (python.to_owned(), Arc::clone(&stopped));
            thread::spawn(move || accept(&listener, &python, &stopped))
        };
        Ok(Self {
            target: Target::parse(&address.to_string())?,
            stopped,
            accepting: Some(accepting),
        })
    }

    /// Where it listens.
    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes it, so that it sees.
        let address = self.target.address();
        if TcpStream::connect(address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            let _ended = accepting.join();
        }
    }
}

/// Gives every connection a thread, which ends with its connection.
fn accept(listener: &TcpListener, python: &Path, stopped: &AtomicBool) {
    for stream in listener.incoming() {
        if stopped.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let python: PathBuf = python.to_owned();
        thread::spawn(move || {
            // A connection that breaks is the client's to notice.
            let _broken = serve(stream, &python);
        });
    }
}

fn serve(stream: TcpStream, python: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(64 << 10, stream);
    while let Some(body) = next_body(&mut reader)? {
        let (status, answer) = match serde_json::from_slice(&body) {
            Ok(request) => match run(&request, python) {
                Ok(answer) => answer,
                Err(error) => (500, trouble("InternalServerError", &error.to_string())),
            },
            Err(error) => (400, trouble("ValidationError", &error.to_string())),
        };
        let answer = answer.to_string();
        let length = answer.len();
        let head = format!(
            "HTTP/1.1 {status} Done\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        writer.write_all(&[head.into_bytes(), answer.into_bytes()].concat())?;
    }
    Ok(())
}

/// The body of the next request; `None` when the client is gone.
fn next_body(reader: &mut impl io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut head = Vec::new();
    let mut most = reader.take(HEAD_BYTES_MAX as u64);
    while !head.ends_with(b"\r\n\r\n") {
        if most.read_until(b'\n', &mut head)? == 0 {
            return if head.is_empty() {
                Ok(None)
            } else {
                Err(invalid("half a head"))
            };
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    request
        .parse(&head)
        .map_err(|_malformed| invalid("no HTTP request"))?;
    let mut named = request.headers.iter();
    let length = named.find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse().ok());
    let length: usize = length
        .filter(|length| *length <= BODY_BYTES_MAX)
        .ok_or_else(|| invalid("no length, or too much"))?;
    let mut body = vec![0; length];
    most.into_inner().read_exact(&mut body)?;
    Ok(Some(body))
}

#[derive(Debug, Deserialize)]
struct Request {
    code: String,
    #[serde(default)]
    attachments: Vec<Attachment>,
    #[serde(default)]
    return_files: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Attachment {
    filename: String,
    content_base_64: String,
}

/// Runs one program. Every name comes from the bench itself, so none is checked.
fn run(request: &Request, python: &Path) -> io::Result<(u16, Value)> {
    let folder = TempDir::with_prefix("hognose-peer-")?;
    for attachment in &request.attachments {
        let bytes = api::base64::decode(&attachment.content_base_64, BODY_BYTES_MAX);
        let bytes = bytes.map_err(io::Error::other)?;
        fs::write(folder.path().join(&attachment.filename), bytes)?;
    }
    fs::write(folder.path().join("your_script.py"), &request.code)?;
    let output = python_command(python)
        .args(["-I", "your_script.py"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = stderr.lines().last().unwrap_or_default();
        return Ok((400, trouble("RuntimeError", last)));
    }
    let mut files = Map::new();
    for name in &request.return_files {
        let file = match fs::read(folder.path().join(name)) {
            Ok(bytes) => {
                json!({"content_base64": api::base64::encode(&bytes), "size_bytes": bytes.len()})
            }
            Err(error) => json!({ "error": error.to_string() }),
        };
        files.insert(name.clone(), file);
    }
    let details = json!({
        "success": true, "stdout": String::from_utf8_lossy(&output.stdout), "stderr": stderr,
        "exit_code": 0, "output_files": files,
    });
    Ok((
        200,
        json!({"status": "success", "execution_details": details}),
    ))
}

fn trouble(kind: &str, message: &str) -> Value {
    json!({"status": "error", "error_details": {"type": kind, "message": message}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::examine;
    use crate::case::Case;
    use crate::client::Client;

    #[test]
    fn the_peer_speaks_the_api() {
        let peer = Peer::start(Path::new("python3")).unwrap();
        let target = peer.target().clone();
        let mut client = Client::new(&target);
        for case in [Case::Hello, Case::Files] {
            let request = target.request(&case.body(None));
            let response = client.exchange(&request).unwrap();
            examine(case, &response).unwrap();
        }
        let broken = target.request(br#"{"code": "1 / 0"}"#);
        let response = client.exchange(&broken).unwrap();
        let said = examine(Case::Hello, &response).unwrap_err().to_string();
        assert_eq!(
            said,
            "400 RuntimeError: ZeroDivisionError: division by zero"
        );
    }
}
