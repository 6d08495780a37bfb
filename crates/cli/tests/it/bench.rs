//! `hognose bench`, on servers that answer as told.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::{errors, hognose};

/// A server whose every run prints 1 after this time; where it listens.
fn server(pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    let body = r#"{"status":"success","execution_details":{"stdout":"1\n"}}"#;
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || {
                // A request of this case fits into one read.
                while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                    thread::sleep(pause);
                    // A client that is gone is the test's to notice.
                    drop(stream.write_all(answer.as_bytes()));
                }
            });
        }
    });
    format!("http://{address}")
}

#[test]
fn a_slower_server_is_an_exit_code_and_a_quicker_one_is_none() {
    let (quick, slow) = (server(Duration::ZERO), server(Duration::from_millis(5)));
    let compared = |new: &str, old: &str| {
        let words = [
            "bench",
            new,
            "--against",
            old,
            "--runs",
            "60",
            "--rounds",
            "4",
            "--warm-up",
            "0",
            "--tolerance",
            "1.5",
        ];
        hognose().args(words).output().unwrap()
    };
    let output = compared(&slow, &quick);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("SLOWER"), "{told}");
    let output = compared(&quick, &slow);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

#[test]
fn the_json_holds_the_machine_and_every_measurement_and_nothing_else_is_said() {
    let url = server(Duration::ZERO);
    let words = [
        "bench",
        &url,
        "--runs",
        "50",
        "--warm-up",
        "0",
        "--json",
        "-",
    ];
    let output = hognose().args(words).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["measurements"][0]["runs"], 50);
    assert_eq!(report["measurements"][0]["case"], "hello");
    assert!(report["machine"]["cores"].as_u64().unwrap() >= 1);
}

#[test]
fn what_cannot_be_measured_is_told_in_one_sentence() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let output = hognose().args(["bench", &closed]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        errors(&output),
        format!(
            "hognose: cannot reach {closed}/execute: is a server running there?: \
             Connection refused (os error 111)\n"
        )
    );
    // It prints 1, whatever it is asked.
    let url = server(Duration::ZERO);
    let output = hognose()
        .args(["bench", &url, "--case", "numpy"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        errors(&output),
        format!("hognose: {url}/execute does not run the case numpy: 200 wrong output: \"1\\n\"\n")
    );
}
