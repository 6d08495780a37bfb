//! The wire, over real connections to a server whose runs are scripted.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::connections;
use super::routes::Site;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{self, Flags};
use crate::runner::Runner;
use crate::scripted::Script;
use crate::store::Store;

struct Server {
    address: SocketAddr,
    script: Script,
    site: Arc<Site>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

struct Answered {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answered {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

impl Server {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    async fn start_with(settings: &[(&str, &str)]) -> Self {
        let always = [("HOME", "/h"), ("HOGNOSE_ADMIN_KEY", "k")];
        let environment = always.iter().chain(settings);
        let environment = environment.map(|(k, v)| (OsString::from(k), OsString::from(v)));
        let config = config::load(None, &Flags::new(), environment).unwrap();
        let script = Script::default();
        let runner = Runner::Scripted(script.clone());
        let store = Store::in_memory().unwrap();
        let app = App::new(&config, (3, 11), store, runner, Clock::system());
        let site = Arc::new(Site::new(app, &config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = connections::serve(
            listener,
            Arc::clone(&site),
            Duration::from_secs(5),
            async move { drop(stopped.await) },
        );
        Self {
            address,
            script,
            site,
            stop: Some(stop),
            task: tokio::spawn(serving),
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, request: impl AsRef<[u8]>) -> Answered {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        read_answer(&mut stream).await
    }

    async fn ask(&self, method: &str, path: &str) -> Answered {
        self.send(format!("{method} {path} HTTP/1.1\r\nHost: h\r\n\r\n"))
            .await
    }
}

fn post(body: &str) -> String {
    format!(
        "POST /execute HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

const ADMIN_HOLDS: &str = r#"{"code": "hold", "api_key": "k"}"#;

async fn read_answer(stream: &mut TcpStream) -> Answered {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "no answer");
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut answered = Answered {
        status: head.get(9..12).unwrap().parse().unwrap(),
        head,
        body: bytes[head_end..].to_vec(),
    };
    let size: usize = answered
        .header("content-length")
        .map_or(0, |size| size.parse().unwrap());
    let body = &mut answered.body;
    while body.len() < size && stream.read_buf(body).await.unwrap() > 0 {}
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_answered_with_json_that_any_page_may_read() {
    let server = Server::start().await;
    let answered = server.send(post(r#"{"code": "hello"}"#)).await;
    assert_eq!(answered.status, 200);
    assert_eq!(answered.header("content-type"), Some("application/json"));
    assert_eq!(answered.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answered.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answered.json()["execution_details"]["stdout"], "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_requests() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream
            .write_all(post(r#"{"code": "a", "api_key": "k"}"#).as_bytes())
            .await
            .unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_address_does_not_have_all_connections() {
    let settings = [
        ("HOGNOSE_TRUSTED_PROXIES", "127.0.0.3"),
        ("HOGNOSE_CONNECTIONS_BY_ADDRESS_MAX", "2"),
    ];
    let server = Server::start_with(&settings).await;
    let connect = async |from: [u8; 4]| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        socket.connect(server.address).await.unwrap()
    };
    let served = async |stream: &mut TcpStream| {
        let request = post(r#"{"code": "a", "api_key": "k"}"#);
        stream.write_all(request.as_bytes()).await.unwrap();
        read_answer(stream).await.status
    };
    let (one, other, proxy) = ([127, 0, 0, 1], [127, 0, 0, 2], [127, 0, 0, 3]);
    let mut taken = [connect(one).await, connect(one).await];
    for stream in &mut taken {
        assert_eq!(served(stream).await, 200);
    }
    let mut third = connect(one).await;
    let refused = read_answer(&mut third).await;
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["error_details"]["type"], "ServerBusy");
    assert_eq!(third.read(&mut [0]).await.unwrap(), 0, "it is closed");
    assert_eq!(served(&mut connect(other).await).await, 200);
    let mut proxied = Vec::new();
    for _ in 0..5 {
        proxied.push(connect(proxy).await);
        assert_eq!(served(proxied.last_mut().unwrap()).await, 200);
    }

    drop(taken);
    let again = async {
        let mut begin = [0; 12];
        while begin != *b"HTTP/1.1 200" {
            let mut stream = connect(one).await;
            // Closed meanwhile, as it may be.
            let _refused = stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await;
            let _refused = stream.read_exact(&mut begin).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), again)
        .await
        .expect("there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_address_is_taken_from_all_lines_from_the_right() {
    let server = Server::start().await;
    let request = post(r#"{"code": "a"}"#).replacen(
        "Host: h",
        "Host: h\r\nX-Forwarded-For: 203.0.113.1\r\nX-Forwarded-For: 198.51.100.7, 127.0.0.1",
        1,
    );
    let answered = server.send(request).await;
    assert_eq!(answered.json()["user_info"]["ip_address"], "198.51.100.7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_by_rate_says_when_to_come_back() {
    let server = Server::start().await;
    for _ in 0..5 {
        assert_eq!(server.send(post(r#"{"code": "a"}"#)).await.status, 200);
    }
    let answered = server.send(post(r#"{"code": "a"}"#)).await;
    assert_eq!(
        (answered.status, answered.header("retry-after")),
        (429, Some("12"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_every_kind_are_json() {
    let server = Server::start().await;
    let plain = post("{}").replace("application/json", "text/plain");
    for (answered, status, kind) in [
        (server.ask("GET", "/nothing").await, 404, "InvalidRequest"),
        (server.ask("GET", "/execute").await, 405, "InvalidRequest"),
        (server.ask("DELETE", "/").await, 405, "InvalidRequest"),
        (server.send(plain).await, 415, "ValidationError"),
        (server.send(post("{")).await, 400, "ValidationError"),
        (server.send(post("{}")).await, 400, "InvalidRequest"),
        (
            server.send(post(r#"{"code": "panic"}"#)).await,
            500,
            "InternalServerError",
        ),
        (
            server.send(post(r#"{"code": "fault"}"#)).await,
            500,
            "InternalServerError",
        ),
    ] {
        assert_eq!(answered.status, status, "{}", answered.head);
        assert_eq!(answered.json()["error_details"]["type"], kind);
        assert_eq!(answered.json()["status"], "error");
        assert_eq!(answered.header("content-type"), Some("application/json"));
        assert_eq!(answered.header("access-control-allow-origin"), Some("*"));
    }
    assert_eq!(server.site.app.slots.active(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_tells_its_methods() {
    let server = Server::start().await;
    let refused = server.ask("GET", "/execute").await;
    assert_eq!(refused.header("allow"), Some("POST, OPTIONS"));
    assert_eq!(refused.head.to_lowercase().matches("\r\nallow:").count(), 1);
    let preflight = server.ask("OPTIONS", "/execute").await;
    assert_eq!((preflight.status, preflight.body.len()), (200, 0));
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("POST, OPTIONS")
    );
    let headers = preflight.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("Content-Type"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_tells_this_server_s_settings() {
    let settings = [
        ("HOGNOSE_CODE_CHARACTERS_MAX", "77"),
        ("HOGNOSE_ADMIN_CODE_CHARACTERS_MAX", "99"),
        ("HOGNOSE_ATTACHMENTS_MAX", "3"),
    ];
    let server = Server::start_with(&settings).await;
    let described = server.ask("GET", "/openapi.json").await;
    assert_eq!(described.status, 200);
    assert_eq!(described.header("content-type"), Some("application/json"));
    let described = described.json();
    let request = &described["components"]["schemas"]["ExecuteRequest"]["properties"];
    assert_eq!(request["code"]["maxLength"], 99);
    let words = request["code"]["description"].as_str().unwrap();
    assert!(words.ends_with("At most 77 Unicode characters; with the admin key 99."));
    assert_eq!(request["attachments"]["maxItems"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_get_a_page_and_machines_the_health() {
    let server = Server::start().await;
    let page = server.ask("GET", "/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "),
        "{policy}"
    );
    let mut stream = server.connect().await;
    stream
        .write_all(b"HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut head = String::new();
    stream.read_to_string(&mut head).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"));
    let docs = server.ask("GET", "/docs").await;
    assert_eq!(docs.status, 200);
    let policy = docs.header("content-security-policy").unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'sha256-"),
        "{policy}"
    );
    let health = server.ask("GET", "/health").await.json();
    assert_eq!(
        (&health["status"], &health["isolation"]),
        (&"ok".into(), &"scripted".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_page_come_packed_and_once() {
    let server = Server::start().await;
    for path in ["/", "/page/page.css", "/page/page.js"] {
        let plain = server.ask("GET", path).await;
        assert_eq!(plain.status, 200, "{path}");
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(plain.header("cache-control"), Some("no-cache"));
        let get = format!("GET {path} HTTP/1.1\r\nHost: h\r\nAccept-Encoding: br, gzip\r\n");
        let packed = server.send(format!("{get}\r\n")).await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(packed.header("vary"), Some("Accept-Encoding"));
        assert!(packed.body.len() < plain.body.len() / 2, "{path}");
        let tag = packed.header("etag").unwrap();
        let again = server
            .send(format!("{get}If-None-Match: {tag}\r\n\r\n"))
            .await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_learns_limits_and_what_is_left_without_using_any() {
    let server = Server::start_with(&[("HOGNOSE_ATTACHMENTS_MAX", "3")]).await;
    server.send(post(r#"{"code": "a"}"#)).await;
    for _ in 0..9 {
        let facts = server.ask("GET", "/page/facts.json").await;
        assert_eq!(facts.header("cache-control"), Some("no-store"));
        let facts = facts.json();
        assert_eq!(facts["limits"]["attachments"], 3);
        assert_eq!(facts["user_info"]["requests_remaining_today"], 29);
        assert_eq!(facts["server_status"]["load"], "normal");
        assert_eq!(facts["isolation"], "scripted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused_however_it_comes() {
    let server = Server::start_with(&[("HOGNOSE_BODY_BYTES_MAX", "2000000")]).await;
    let large = post(&format!(
        r#"{{"code": "a", "x": "{}"}}"#,
        "y".repeat(2_000_000)
    ));
    assert_eq!(server.send(&large).await.status, 413);

    let chunk = "y".repeat(0x10000);
    let mut chunked = String::from(
        "POST /execute HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
    );
    for _ in 0..40 {
        for part in ["10000\r\n", &chunk, "\r\n"] {
            chunked.push_str(part);
        }
    }
    assert_eq!(server.send(chunked + "0\r\n\r\n").await.status, 413);

    let asking = "POST /execute HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                  Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n";
    let answered = server.send(asking).await;
    assert_eq!(
        (answered.status, answered.header("connection")),
        (413, Some("close"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_within_the_limit_is_read() {
    let server = Server::start().await;
    let content = api::base64::encode(&vec![7; 8 << 20]);
    let body = serde_json::json!({"code": "a", "attachments": [
        {"filename": "a", "content_base_64": content},
        {"filename": "b", "content_base_64": content},
    ]});
    let answered = server.send(post(&body.to_string())).await;
    assert_eq!(answered.status, 200);
    let size = &answered.json()["request_context"]["processed_attachments"][1]["size_bytes"];
    assert_eq!(size, 8_388_608);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() {
    let server = Server::start().await;
    let whole = post(r#"{"code": "a"}"#).replacen("Host: h", "Host: h\r\nExpect: 100-continue", 1);
    let (head, body) = whole.split_once("\r\n\r\n").unwrap();
    let mut stream = server.connect().await;
    stream
        .write_all(format!("{head}\r\n\r\n").as_bytes())
        .await
        .unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 100);
    stream.write_all(body.as_bytes()).await.unwrap();
    assert_eq!(read_answer(&mut stream).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_up_ends_its_run() {
    let server = Server::start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(post(ADMIN_HOLDS).as_bytes())
        .await
        .unwrap();
    server.script.holding.notified().await;
    assert_eq!(server.site.app.slots.active(), 1);
    drop(stream);
    let killed = server.script.killed.notified();
    tokio::time::timeout(Duration::from_secs(5), killed)
        .await
        .expect("the run goes on");
    while server.site.app.slots.active() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_does_not_come_closes_the_connection() {
    let server = Server::start_with(&[("HOGNOSE_HEADER_MS_MAX", "50")]).await;
    for begun in ["", "POST /exe"] {
        let mut stream = server.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let read = stream.read_to_end(&mut rest);
        let closed = tokio::time::timeout(Duration::from_secs(5), read).await;
        assert!(closed.is_ok(), "still open after {begun:?}");
    }
    let mut kept = server.connect().await;
    kept.write_all(post(r#"{"code": "a"}"#).as_bytes())
        .await
        .unwrap();
    assert_eq!(read_answer(&mut kept).await.status, 200);
    let closed = tokio::time::timeout(Duration::from_secs(5), kept.read_u8()).await;
    closed.expect("an idle connection stays open").unwrap_err();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_told_so() {
    let server = Server::start_with(&[("HOGNOSE_BODY_MS_MAX", "50")]).await;
    let begun = post(r#"{"code": "a"}"#);
    let answered = server.send(begun.trim_end_matches('}')).await;
    assert_eq!(
        (answered.status, answered.header("connection")),
        (408, Some("close"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_may_take_longer_as_long_as_it_comes() {
    let server = Server::start_with(&[("HOGNOSE_BODY_MS_MAX", "200")]).await;
    let padding = "x".repeat(200_000);
    let whole = post(&format!(r#"{{"padding": "{padding}", "code": "a"}}"#));
    let mut stream = server.connect().await;
    // Each piece is worth more than half a second.
    for piece in whole.as_bytes().chunks(20_000) {
        stream.write_all(piece).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_declared_too_large_is_told_so_at_once() {
    let server = Server::start_with(&[("HOGNOSE_BODY_MS_MAX", "50")]).await;
    let head = "POST /execute HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let declared = format!("{head}Content-Length: 50000000000\r\n\r\n{{");
    let answered = server.send(&declared).await;
    assert_eq!(
        (answered.status, answered.header("connection")),
        (413, Some("close"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_given_up() {
    let server = Server::start_with(&[("HOGNOSE_WRITE_STALL_MS_MAX", "50")]).await;
    let mut stream = server.connect().await;
    let flood = post(r##"{"code": "flood 50000000", "api_key": "k"}"##);
    stream.write_all(flood.as_bytes()).await.unwrap();
    let freed = async {
        while Arc::strong_count(&server.site) > 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Held here and by the accepting task; a connection holds it once more.
    let held = async {
        while Arc::strong_count(&server.site) < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), held)
        .await
        .expect("it is accepted");
    tokio::time::timeout(Duration::from_secs(10), freed)
        .await
        .expect("still held");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_have_room_together() {
    const ANSWER_BYTES: usize = 30_000_000;
    let server = Server::start_with(&[("HOGNOSE_ANSWERS_BYTES_MAX", "50000000")]).await;
    let flood = post(&format!(
        r##"{{"code": "flood {ANSWER_BYTES}", "api_key": "k"}}"##
    ));
    let mut unread = server.connect().await;
    unread.write_all(flood.as_bytes()).await.unwrap();
    // Its head is there, and what the kernel takes; the rest waits.
    unread.readable().await.unwrap();
    let refused = server.send(&flood).await;
    assert_eq!(refused.status, 503, "{}", refused.head);
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["error_details"]["type"], "ServerBusy");
    let small = server.send(post(r#"{"code": "1", "api_key": "k"}"#)).await;
    assert_eq!(small.status, 200);
    let read = read_answer(&mut unread).await;
    assert!(read.body.len() > ANSWER_BYTES);
    // Given back when the last piece is sent, which may be a moment after it is here.
    let served = async { while server.send(&flood).await.status != 200 {} };
    tokio::time::timeout(Duration::from_secs(10), served)
        .await
        .expect("the room comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopping_server_lets_runs_finish_and_takes_no_more() {
    let mut server = Server::start().await;
    let idle = server.connect().await;
    let mut running = server.connect().await;
    running
        .write_all(post(ADMIN_HOLDS).as_bytes())
        .await
        .unwrap();
    server.script.holding.notified().await;
    server.stop.take().unwrap().send(()).unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(server.site.app.slots.take().is_none());
    server.script.release.notify_waiters();
    assert_eq!(read_answer(&mut running).await.status, 200);
    tokio::time::timeout(Duration::from_secs(4), &mut server.task)
        .await
        .unwrap()
        .unwrap();
    drop(idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_lengths_are_no_request() {
    let server = Server::start().await;
    let both = "POST /execute HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\
                GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut stream = server.connect().await;
    stream.write_all(both.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert!(
        !answers.contains("\"ok\""),
        "the smuggled request was answered: {answers}"
    );
}

/// Not a promise but a measurement: `cargo test --release -p server --lib latency -- --ignored
/// --nocapture`. The client is in it, too. Median 50 us on two cores, client included.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn latency_of_everything_but_the_run() {
    let server = Server::start_with(&[
        ("HOGNOSE_REQUESTS_PER_MINUTE", "1000000"),
        ("HOGNOSE_REQUESTS_PER_DAY", "1000000"),
    ])
    .await;
    let mut stream = server.connect().await;
    let request = post(r#"{"code": "import math\nprint(math.pi)"}"#);
    let mut micros = Vec::new();
    for _ in 0..20_000 {
        let started = std::time::Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(read_answer(&mut stream).await.status, 200);
        micros.push(started.elapsed().as_micros());
    }
    micros.sort_unstable();
    println!("median {} us, 99% {} us", micros[10_000], micros[19_800]);
}
