//! The HTTP edge: slow, large, deep, malformed and impolite.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::client::{Answer, execute};
use crate::harness::server::{ADMIN_KEY, GONE_MAX, admin, public};
use crate::harness::{Connection, Server, User, machine, request};

/// What a body may have. Bytes; the default.
const BODY_BYTES_MAX: usize = 25 << 20;

/// A server that needs no libraries.
fn server(settings: &[(&str, &str)]) -> Server {
    let small = [("pool_numpy", "0"), ("pool_full", "0"), ("pool_core", "2")];
    Server::start(User::Ourselves, &[&small, settings].concat())
}

/// Sees that an answer is the JSON error it must be, and that any web page may read it.
#[track_caller]
fn is_error(answer: &Answer, status: u16, kind: &str) {
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.text("/status"), "error", "{body}");
    assert_eq!(answer.text("/error_details/type"), kind, "{body}");
    assert_ne!(answer.text("/error_details/message"), "", "{body}");
    assert!(answer.text("/timestamp_utc").contains("T"), "{body}");
}

#[test]
fn every_refusal_of_the_edge_is_json_that_any_page_may_read() {
    let _machine = machine();
    let server = server(&[]);
    let json = ("Content-Type", "application/json");
    let post = |headers: &[(&str, &str)], body: &str| {
        request("POST", "/execute", headers, body.as_bytes())
    };
    for (asked, status, kind) in [
        (request("GET", "/nowhere", &[], b""), 404, "InvalidRequest"),
        (
            request("POST", "/execute/", &[json], b"{}"),
            404,
            "InvalidRequest",
        ),
        (request("GET", "/execute", &[], b""), 405, "InvalidRequest"),
        (request("DELETE", "/", &[], b""), 405, "InvalidRequest"),
        (
            request("POST", "/health", &[json], b"{}"),
            405,
            "InvalidRequest",
        ),
        (request("BREW", "/execute", &[], b""), 405, "InvalidRequest"),
        (post(&[], "{}"), 415, "ValidationError"),
        (
            post(&[("Content-Type", "text/plain")], "{}"),
            415,
            "ValidationError",
        ),
        (post(&[json], ""), 400, "ValidationError"),
        (post(&[json], "{"), 400, "ValidationError"),
        (post(&[json], "[]"), 400, "InvalidRequest"),
        (post(&[json], "null"), 400, "InvalidRequest"),
        (post(&[json], "\"code\""), 400, "ValidationError"),
        (post(&[json], "{}"), 400, "InvalidRequest"),
        (post(&[json], r#"{"code": 1}"#), 400, "ValidationError"),
        (
            post(&[json], r#"{"code": "\ud800"}"#),
            400,
            "ValidationError",
        ),
        (
            post(&[json], "{\"code\": \"print(1)\"} x"),
            400,
            "ValidationError",
        ),
    ] {
        let answer = server.ask(&asked);
        is_error(&answer, status, kind);
        if status == 405 {
            assert!(
                answer
                    .header("allow")
                    .is_some_and(|methods| methods.contains("OPTIONS"))
            );
        }
    }
    let broken = [b"{\"code\": \"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    is_error(
        &server.ask(&request("POST", "/execute", &[json], &broken)),
        400,
        "ValidationError",
    );
    server.stop();
}

#[test]
fn any_page_may_ask_before_it_sends() {
    let _machine = machine();
    let server = server(&[]);
    let headers = [
        ("Origin", "https://example.com"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
    ];
    let answer = server.ask(&request("OPTIONS", "/execute", &headers, b""));
    assert!(matches!(answer.status, 200 | 204), "{}", answer.status);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let says = |name: &str, word: &str| {
        let value = answer.header(name).unwrap_or_default().to_ascii_lowercase();
        assert!(value.contains(word), "{name}: {value}");
    };
    says("access-control-allow-methods", "post");
    says("access-control-allow-headers", "content-type");
    server.stop();
}

#[test]
fn the_page_and_health_answer_get_and_head() {
    let _machine = machine();
    let server = server(&[]);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/health", "application/json"),
    ] {
        // One connection: a body that answers a HEAD would be taken for the next answer.
        let mut connection = server.connect();
        let head = connection.ask(&request("HEAD", path, &[], b"")).unwrap();
        let get = connection.ask(&request("GET", path, &[], b"")).unwrap();
        assert_eq!((head.status, get.status), (200, 200), "{path}");
        assert_eq!(get.header("content-type"), Some(kind));
        assert_eq!(head.header("content-length"), get.header("content-length"));
        assert!(!get.body.is_empty());
    }
    let health = server.ask(&request("GET", "/health", &[], b""));
    assert_eq!(health.text("/status"), "ok");
    assert_eq!(health.text("/version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(health.text("/isolation"), "native");
    server.stop();
}

#[test]
fn a_head_that_comes_slowly_is_not_waited_for() {
    let _machine = machine();
    let server = server(&[("header_ms_max", "400")]);
    for start in [
        "",
        "POST /exec",
        "POST /execute HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    ] {
        let mut slow = server.connect();
        slow.send(start.as_bytes()).unwrap();
        let began = Instant::now();
        // It is told, or just hung up on; never served.
        let rest = slow.rest().unwrap_or_default();
        assert!(began.elapsed() < GONE_MAX, "{:?}", began.elapsed());
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
    }
    assert_eq!(server.run("print(1)").status, 200);
    server.stop();
}

#[test]
fn a_body_that_comes_slowly_is_not_waited_for() {
    let _machine = machine();
    let server = server(&[("body_ms_max", "400"), ("concurrent_max", "1")]);
    let mut slow = server.connect();
    let whole = admin("print(1)");
    let (start, _) = whole.split_at(whole.len() - 5);
    slow.send(start).unwrap();
    // It takes no slot meanwhile.
    assert_eq!(server.run("print(1)").status, 200);
    let began = Instant::now();
    let answer = slow.answer(true).unwrap();
    assert!(began.elapsed() < GONE_MAX, "{:?}", began.elapsed());
    is_error(&answer, 408, "ValidationError");
    assert_eq!(slow.rest().unwrap(), b"", "the connection is closed");
    server.stop();
}

#[test]
fn hundreds_of_slow_clients_stand_in_nobodys_way() {
    let _machine = machine();
    let server = server(&[("header_ms_max", "60000")]);
    let slow: Vec<Connection> = (0..300)
        .map(|_| {
            let mut slow = server.connect();
            slow.send(b"POST /execute HTTP/1.1\r\nX: ").unwrap();
            slow
        })
        .collect();
    let began = Instant::now();
    assert_eq!(server.run("print(1)").status, 200);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    drop(slow);
    server.stop();
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_of_two_full_attachments_is_not() {
    let _machine = machine();
    let server = server(&[]);
    let too_large = json!({"code": "print(1)", "stdin_data": "x".repeat(BODY_BYTES_MAX)});
    is_error(
        &server.ask(&execute(&[], &too_large)),
        413,
        "ValidationError",
    );

    // Not even sent, where the client asks first.
    let length = (BODY_BYTES_MAX + 1).to_string();
    let headers = [
        ("Content-Type", "application/json"),
        ("Expect", "100-continue"),
        ("Content-Length", &length),
    ];
    let answer = server.ask(&request("POST", "/execute", &headers, b""));
    is_error(&answer, 413, "ValidationError");

    // In pieces, without a length.
    let mut pieces = server.connect();
    let head = "POST /execute HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    pieces.send(head.as_bytes()).unwrap();
    let piece = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
    for _ in 0..=BODY_BYTES_MAX / 0x10_0000 {
        pieces.send(&piece).unwrap();
    }
    pieces.send(b"0\r\n\r\n").unwrap();
    is_error(&pieces.answer(true).unwrap(), 413, "ValidationError");

    let full = api::base64::encode(&vec![b'x'; 8 << 20]);
    let body = json!({
        "code": "import os\nprint(os.stat('a').st_size, os.stat('b').st_size)",
        "api_key": ADMIN_KEY,
        "attachments": [
            {"filename": "a", "content_base_64": full},
            {"filename": "b", "content_base_64": full},
        ],
    });
    let answer = server.ask(&execute(&[], &body));
    assert_eq!(
        answer.text("/execution_details/stdout"),
        "8388608 8388608\n"
    );
    server.stop();
}

#[test]
fn json_of_any_depth_or_shape_is_refused_at_once() {
    let _machine = machine();
    let server = server(&[]);
    let million = 1_000_000;
    let wide: Vec<String> = (0..200_000)
        .map(|number| format!("\"k{number}\":0"))
        .collect();
    for (body, kind) in [
        ("[".repeat(million), "ValidationError"),
        ("{\"a\":".repeat(million), "ValidationError"),
        ("[{\"a\":".repeat(million), "ValidationError"),
        (
            format!("{{\"code\":{}", "[".repeat(million)),
            "ValidationError",
        ),
        // Unknown fields are ignored, however deep.
        (
            format!("{{\"x\":{}1{}}}", "[".repeat(million), "]".repeat(million)),
            "InvalidRequest",
        ),
        (
            format!("{{\"attachments\":{}", "[".repeat(million)),
            "ValidationError",
        ),
        (
            format!("{{\"code\":1e{}}}", "9".repeat(million)),
            "ValidationError",
        ),
        (
            format!("{{\"code\":\"{}", "\\".repeat(million)),
            "ValidationError",
        ),
        (format!("{{{}}}", wide.join(",")), "InvalidRequest"),
        ("\u{0}".repeat(million), "ValidationError"),
    ] {
        let began = Instant::now();
        let json = ("Content-Type", "application/json");
        let answer = server.ask(&request("POST", "/execute", &[json], body.as_bytes()));
        let start: String = body.chars().take(20).collect();
        assert_eq!(answer.text("/error_details/type"), kind, "{start}");
        is_error(&answer, 400, kind);
        assert!(
            began.elapsed() < Duration::from_secs(3),
            "{start} took {:?}",
            began.elapsed()
        );
    }
    assert_eq!(server.run("print(1)").status, 200);
    server.stop();
}

#[test]
fn programs_that_are_hard_to_parse_are_answered() {
    let _machine = machine();
    let server = server(&[]);
    for (number, code) in [
        "(".repeat(2000),
        "[".repeat(2000),
        "-".repeat(1999) + "1",
        "not ".repeat(499) + "1",
        "f'".repeat(1000),
        "f\"{".repeat(600),
        "x=".repeat(999) + "1",
        "a.".repeat(999) + "a",
        "lambda:".repeat(285) + "1",
        "if 1:\n ".repeat(200),
        "\\\n".repeat(1000),
        "\u{0}".to_owned(),
        "\u{feff}print(1)".to_owned(),
        "é".repeat(2000),
    ]
    .iter()
    .enumerate()
    {
        let answer = server.ask(&public(&format!("198.51.100.{number}"), code));
        let body = String::from_utf8_lossy(&answer.body);
        assert!(matches!(answer.status, 200 | 400), "{code:.20}: {body}");
    }
    server.stop();
}

#[test]
fn a_client_that_asks_before_sending_is_told_to_go_on() {
    let _machine = machine();
    let server = server(&[]);
    let body = json!({"code": "print(1)", "api_key": ADMIN_KEY});
    let whole = execute(&[("Expect", "100-continue")], &body);
    let (head, body) = whole.split_at(whole.len() - body.to_string().len());
    let mut connection = server.connect();
    connection.send(head).unwrap();
    assert_eq!(connection.answer(true).unwrap().status, 100);
    connection.send(body).unwrap();
    let answer = connection.answer(true).unwrap();
    assert_eq!(answer.text("/execution_details/stdout"), "1\n");
    server.stop();
}

#[test]
fn a_connection_is_used_again_and_answers_come_in_order() {
    let _machine = machine();
    let server = server(&[]);
    let mut connection = server.connect();
    for number in 0..20 {
        // Refusals in between do not end it.
        let answer = connection
            .ask(&request("GET", "/nowhere", &[], b""))
            .unwrap();
        assert_eq!(answer.status, 404);
        let answer = connection.ask(&admin(&format!("print({number})"))).unwrap();
        assert_eq!(
            answer.text("/execution_details/stdout"),
            format!("{number}\n")
        );
    }
    let pipelined: Vec<u8> = (0..5)
        .flat_map(|number| {
            admin(&format!(
                "import time\ntime.sleep({})\nprint({number})",
                0.02
            ))
        })
        .collect();
    connection.send(&pipelined).unwrap();
    for number in 0..5 {
        let answer = connection.answer(true).unwrap();
        assert_eq!(
            answer.text("/execution_details/stdout"),
            format!("{number}\n")
        );
    }
    server.stop();
}

#[test]
fn garbage_is_never_our_fault() {
    let _machine = machine();
    let server = server(&[("header_ms_max", "300"), ("body_ms_max", "300")]);
    let good = admin("print(1)");
    let long = [
        b"GET /".as_slice(),
        &vec![b'a'; 100_000],
        b" HTTP/1.1\r\n\r\n",
    ]
    .concat();
    let mut garbage: Vec<Vec<u8>> = [
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\n: empty\r\n\r\n",
        "GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        "GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET //../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST /execute HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /execute HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /execute HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "POST /execute HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
         Transfer-Encoding: chunked\r\n\r\n{}",
        "POST /execute HTTP/1.1\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\nzzzz\r\n",
        "POST /execute HTTP/1.1\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        "POST /execute HTTP/1.1\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: gzip\r\n\r\n{}",
        "POST /execute HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}",
        "POST /execute HTTP/1.0\r\nContent-Type: application/json\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    garbage.push(long);
    garbage.push(b"X: y\r\n".repeat(20_000));
    garbage.extend((0..40).map(noise));
    let count = garbage.len();
    for bytes in garbage {
        for asked in [bytes.clone(), [good.clone(), bytes.clone()].concat()] {
            let mut connection = server.connect();
            // The server may hang up before all is sent, and what it said may be lost by that.
            let sent = connection.send(&asked);
            while let Ok(answer) = connection.answer(true) {
                assert!(answer.status < 500, "{sent:?} {}", shown(&bytes));
                if matches!(answer.status, 400 | 414 | 431) {
                    // What hyper refuses before we see it is told in our words, too.
                    assert_eq!(answer.text("/status"), "error", "{}", shown(&bytes));
                }
            }
        }
    }
    assert_eq!(
        server.run("print(1)").status,
        200,
        "after {count} pieces of garbage"
    );
    assert!(
        !server.log().contains("\"level\":\"ERROR\""),
        "{}",
        server.log()
    );
    server.stop();
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    format!("{:?}", text.chars().take(100).collect::<String>())
}

/// Bytes that no client would send, the same in every run.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut noise = Vec::new();
    for _ in 0..64 {
        noise.extend(bytes());
    }
    noise.extend(b"\r\n\r\n");
    noise
}
