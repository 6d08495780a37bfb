//! The client: one connection, one request at a time, as few system calls as can be.
//!
//! A request was written out before the measurement began. Sending it is one `write`, and a small
//! answer is one `read`, so that the processor time of the generator (it shares the machine with the
//! server) stays at some ten microseconds.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use crate::BenchError;

/// Longest wait for a server to go on with its answer. A program may run for ten.
const STALL_MAX: Duration = Duration::from_mins(1);
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Most headers of an answer.
const HEADERS_MAX: usize = 64;
/// Longest answer. Bytes; the contract's longest is 45 MB of Base64.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// What is read at once at first. Bytes.
const READ_BYTES: usize = 64 << 10;

/// A server that speaks the API.
#[derive(Debug, Clone)]
pub struct Target {
    url: String,
    host: String,
    path: String,
    address: SocketAddr,
}

impl Target {
    /// Reads a URL like `http://127.0.0.1:5000`; without a path, `/execute` is meant.
    ///
    /// # Errors
    ///
    /// If it is not such a URL, or its host has no address.
    pub fn parse(url: &str) -> Result<Self, BenchError> {
        let bad = || BenchError::Url {
            url: url.to_owned(),
        };
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_other) => return Err(bad()),
            None => url,
        };
        let (host, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, "/"),
        };
        let path = if path == "/" { "/execute" } else { path };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.contains('@') || !is_plain(host) || !is_plain(path) {
            return Err(bad());
        }
        let after_address = host.rsplit(']').next().unwrap_or(host);
        let place = if after_address.contains(':') {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let resolve = |source| BenchError::Resolve {
            host: host.to_owned(),
            source,
        };
        let address = place.to_socket_addrs().map_err(resolve)?.next();
        Ok(Self {
            url: format!("http://{host}{path}"),
            host: host.to_owned(),
            path: path.to_owned(),
            address: address.ok_or_else(bad)?,
        })
    }

    /// Where requests go.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it is on this machine, as far as its address tells.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.address.ip().is_loopback()
    }

    /// A whole request with this body, as it goes over the wire.
    pub(crate) fn request(&self, body: &[u8]) -> Vec<u8> {
        let mut request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: hognose-bench\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.path,
            self.host,
            body.len()
        )
        .into_bytes();
        request.extend(body);
        request
    }
}

/// One connection to a server, made when it is needed and made again when the server closed it.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    target: &'a Target,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer, up to the next request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl<'a> Client<'a> {
    pub(crate) const fn new(target: &'a Target) -> Self {
        Self {
            target,
            stream: None,
            buffer: Vec::new(),
        }
    }

    /// Connects, unless it is connected.
    pub(crate) fn connect(&mut self) -> io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.target.address, CONNECT_MAX)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(STALL_MAX))?;
            stream.set_write_timeout(Some(STALL_MAX))?;
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// A server may close a connection that was idle for too long, and a client learns of it when it
    /// writes: then the request goes out once more over a new one, and its time counts from the
    /// first attempt.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Response<'_>> {
        let reused = self.stream.is_some();
        let frame = match self.attempt(request) {
            Err(error) if reused && is_hang_up(&error) => self.attempt(request)?,
            other => other?,
        };
        let body = match &frame.body {
            Body::Plain { from, to } => self.buffer.get(*from..*to).unwrap_or_default(),
            Body::Chunks(bytes) => {
                self.buffer.clear();
                self.buffer.extend(bytes);
                &self.buffer
            }
        };
        Ok(Response {
            status: frame.status,
            body,
        })
    }

    fn attempt(&mut self, request: &[u8]) -> io::Result<Frame> {
        self.connect()?;
        let Some(mut stream) = self.stream.take() else {
            return Err(ErrorKind::NotConnected.into());
        };
        stream.write_all(request)?;
        let frame = read(&mut stream, &mut self.buffer)?;
        // After any error above, and after an answer that ends the connection, it stays dropped.
        if frame.keeps {
            self.stream = Some(stream);
        }
        Ok(frame)
    }
}

/// Whether the server closed the connection before it answered anything.
fn is_hang_up(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected
    )
}

/// A whole answer in the buffer.
#[derive(Debug, PartialEq, Eq)]
struct Frame {
    status: u16,
    keeps: bool,
    body: Body,
}

#[derive(Debug, PartialEq, Eq)]
enum Body {
    /// It stands in the buffer as it is.
    Plain { from: usize, to: usize },
    /// It came in pieces, put together here.
    Chunks(Vec<u8>),
}

/// Reads one answer.
fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Frame> {
    let mut filled = 0;
    loop {
        if buffer.len() == filled {
            buffer.resize((filled * 2).max(READ_BYTES), 0);
        }
        let count = match stream.read(buffer.get_mut(filled..).unwrap_or_default()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other?,
        };
        filled += count;
        let wanted = match parse(buffer.get(..filled).unwrap_or_default(), count == 0)? {
            Progress::Complete(frame) => return Ok(frame),
            Progress::Partial { wanted } => wanted,
        };
        if count == 0 {
            let kind = if filled == 0 {
                ErrorKind::ConnectionReset
            } else {
                ErrorKind::UnexpectedEof
            };
            return Err(kind.into());
        }
        if wanted > buffer.len() {
            // The size is known: one allocation, and then as few reads as the kernel makes of it.
            buffer.resize(wanted, 0);
        }
    }
}

enum Progress {
    Complete(Frame),
    /// More must come: at least up to this many bytes in all, as far as is known.
    Partial {
        wanted: usize,
    },
}

/// Reads an answer from bytes; `ended` says that no more will come.
fn parse(bytes: &[u8], ended: bool) -> io::Result<Progress> {
    let invalid = |what: &str| io::Error::new(ErrorKind::InvalidData, what.to_owned());
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let from = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(Progress::Partial { wanted: 0 }),
        Err(error) => return Err(invalid(&format!("no HTTP answer: {error}"))),
    };
    let status = head.code.unwrap_or_default();
    if (100..200).contains(&status) {
        // An interim answer; the real one follows.
        let progress = parse(bytes.get(from..).unwrap_or_default(), ended)?;
        return Ok(match progress {
            Progress::Complete(mut frame) => {
                if let Body::Plain { from: start, to } = &mut frame.body {
                    (*start, *to) = (*start + from, *to + from);
                }
                Progress::Complete(frame)
            }
            Progress::Partial { wanted } => Progress::Partial {
                wanted: wanted + from,
            },
        });
    }
    let mut keeps = head.version == Some(1);
    let mut length = None;
    let mut in_chunks = false;
    for header in head.headers.iter() {
        let value = str::from_utf8(header.value).unwrap_or_default().trim();
        if header.name.eq_ignore_ascii_case("content-length") {
            let number: usize = value
                .parse()
                .map_err(|_no_number| invalid("a bad length"))?;
            length = Some(number);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            in_chunks = value.eq_ignore_ascii_case("chunked");
        } else if header.name.eq_ignore_ascii_case("connection") {
            keeps = if keeps {
                !value.eq_ignore_ascii_case("close")
            } else {
                value.eq_ignore_ascii_case("keep-alive")
            };
        }
    }
    if in_chunks {
        let rest = bytes.get(from..).unwrap_or_default();
        return Ok(match put_together(rest)? {
            Some(body) => Progress::Complete(Frame {
                status,
                keeps,
                body: Body::Chunks(body),
            }),
            None => Progress::Partial { wanted: 0 },
        });
    }
    let complete = |to, keeps| {
        Progress::Complete(Frame {
            status,
            keeps,
            body: Body::Plain { from, to },
        })
    };
    match length {
        Some(length) if length > ANSWER_BYTES_MAX => Err(invalid("an answer without measure")),
        Some(length) if bytes.len() >= from + length => Ok(complete(from + length, keeps)),
        Some(length) => Ok(Progress::Partial {
            wanted: from + length,
        }),
        None if matches!(status, 204 | 304) => Ok(complete(from, keeps)),
        // It ends where the connection ends.
        None if ended => Ok(complete(bytes.len(), false)),
        None if bytes.len() > ANSWER_BYTES_MAX => Err(invalid("an answer without measure")),
        None => Ok(Progress::Partial { wanted: 0 }),
    }
}

/// Puts the pieces of a chunked body together; `None` while some are missing.
fn put_together(mut bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let invalid = || io::Error::new(ErrorKind::InvalidData, "a chunk is malformed");
    let mut body = Vec::new();
    loop {
        let (line, size) = match httparse::parse_chunk_size(bytes) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_malformed) => return Err(invalid()),
        };
        let size = usize::try_from(size).map_err(|_too_large| invalid())?;
        if size == 0 {
            // Trailers are none of ours; they end with an empty line.
            let rest = bytes.get(line..).unwrap_or_default();
            let ends = rest.starts_with(b"\r\n") || rest.windows(4).any(|end| end == b"\r\n\r\n");
            return Ok(ends.then_some(body));
        }
        if size > ANSWER_BYTES_MAX {
            return Err(invalid());
        }
        let Some(piece) = bytes.get(line..line + size + 2) else {
            return Ok(None);
        };
        let (piece, end) = piece.split_at(size);
        if end != b"\r\n" {
            return Err(invalid());
        }
        body.extend(piece);
        bytes = bytes.get(line + size + 2..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// The status, the body and whether the connection stays.
    fn whole(text: impl AsRef<[u8]>, ended: bool) -> Option<(u16, String, bool)> {
        let text = text.as_ref();
        match parse(text, ended).unwrap() {
            Progress::Partial { .. } => None,
            Progress::Complete(frame) => {
                let body = match frame.body {
                    Body::Plain { from, to } => text[from..to].to_vec(),
                    Body::Chunks(bytes) => bytes,
                };
                Some((frame.status, String::from_utf8(body).unwrap(), frame.keeps))
            }
        }
    }

    #[test]
    fn an_answer_ends_where_its_length_says_and_not_before() {
        let text = "HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello";
        assert_eq!(whole(text, false), Some((200, "hello".to_owned(), true)));
        for cut in 0..text.len() {
            assert_eq!(whole(&text.as_bytes()[..cut], false), None, "{cut}");
        }
        let Progress::Partial { wanted } =
            parse(&text.as_bytes()[..text.len() - 2], false).unwrap()
        else {
            panic!("complete");
        };
        assert_eq!(wanted, text.len());
    }

    #[test]
    fn chunks_are_put_together_whatever_trails() {
        let head = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n";
        for tail in ["0\r\n\r\n", "0\r\nX: y\r\n\r\n"] {
            let text = format!("{head}4\r\nWiki\r\nA;x=1\r\npedia in \n\r\n{tail}");
            let body = "Wikipedia in \n".to_owned();
            assert_eq!(whole(&text, false), Some((503, body, true)));
            for cut in 0..text.len() {
                assert_eq!(whole(&text.as_bytes()[..cut], false), None, "{cut}");
            }
        }
        assert!(parse(format!("{head}4\r\nWikiXX").as_bytes(), false).is_err());
    }

    #[test]
    fn without_a_length_the_end_of_the_connection_is_the_end() {
        let text = "HTTP/1.0 400 Bad\r\n\r\nno";
        assert_eq!(whole(text, false), None);
        assert_eq!(whole(text, true), Some((400, "no".to_owned(), false)));
    }

    #[test]
    fn whether_a_connection_stays_is_the_servers_word() {
        let keeps = |version: &str, connection: &str| {
            let text = format!("HTTP/{version} 200 OK\r\n{connection}Content-Length: 0\r\n\r\n");
            whole(&text, false).unwrap().2
        };
        assert!(keeps("1.1", "") && !keeps("1.1", "Connection: close\r\n"));
        assert!(!keeps("1.0", "") && keeps("1.0", "Connection: Keep-Alive\r\n"));
    }

    #[test]
    fn an_interim_answer_is_not_the_answer() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(whole(text, false), Some((200, "ok".to_owned(), true)));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        ] {
            assert!(parse(text.as_bytes(), false).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_names_host_port_and_path() {
        let target = Target::parse("http://127.0.0.1:5000").unwrap();
        assert_eq!(target.url(), "http://127.0.0.1:5000/execute");
        assert!(target.is_local());
        assert_eq!(Target::parse("127.0.0.1").unwrap().address.port(), 80);
        let other = Target::parse("http://[::1]:80/api/v1/run").unwrap();
        assert_eq!(other.url(), "http://[::1]:80/api/v1/run");
        for bad in ["https://x", "http://", "http://a@b", "http://h\r\nX: y/"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_connection_that_the_server_closed_is_made_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target::parse(&listener.local_addr().unwrap().to_string()).unwrap();
        let request = target.request(b"{}");
        let length = request.len();
        let server = thread::spawn(move || {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                stream.read_exact(&mut vec![0; length]).unwrap();
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .unwrap();
                // Closed without a word, as after a silence that was too long.
            }
        });
        let mut client = Client::new(&target);
        for _ in 0..2 {
            let response = client.exchange(&request).unwrap();
            assert_eq!((response.status, response.body), (200, &b"ok"[..]));
        }
        server.join().unwrap();
    }
}
