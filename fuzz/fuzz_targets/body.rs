//! The body of a request: never a panic; what is read is what any JSON reader reads, and what is
//! answered about it is JSON again.
#![no_main]

use std::time::Duration;

use api::{Answer, ErrorAnswer, ErrorCode, ErrorDetails, ExecuteRequest, Timestamp, Unreadable};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let read = ExecuteRequest::parse(body);
    let plain = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Three limits of that reader are not ours: nesting, the size of numbers, and half surrogates in
    // what is skipped.
    let other = match serde_json::from_slice::<Value>(plain) {
        Err(error) if error.to_string().contains("recursion limit") => None,
        Err(error) if error.to_string().contains("out of range") => None,
        Err(error) if error.to_string().contains("hex escape") => None,
        other => Some(other.ok()),
    };
    match (&read, other) {
        (_, None) => {}
        (Err(Unreadable::NotJson { reason }), Some(Some(_))) => panic!("it is JSON: {reason}"),
        (Err(_), _) => {}
        (Ok(request), Some(other)) => {
            let other = other.expect("what was read is JSON");
            assert_eq!(other["code"], *request.code);
            assert_eq!(
                other["stdin_data"].as_str().unwrap_or(""),
                request.stdin_data
            );
            assert_eq!(other["api_key"].as_str(), request.api_key.as_deref());
            let attachments = other["attachments"].as_array();
            assert_eq!(attachments.map_or(0, Vec::len), request.attachment_count);
            for (given, read) in attachments.into_iter().flatten().zip(&request.attachments) {
                assert_eq!(given["filename"].as_str(), read.filename.as_deref());
                let content = read.content_base_64.as_deref();
                assert_eq!(given["content_base_64"].as_str(), content);
            }
            for name in &request.return_files {
                let given = other["return_files"].as_array();
                let given = given.expect("names come from an array");
                assert!(given.iter().any(|given| given == &**name));
            }
        }
    }
    let said = match read {
        Ok(request) => format!("{}{}", request.code, request.stdin_data),
        Err(error) => error.to_string(),
    };
    let details = ErrorDetails::new(ErrorCode::SyntaxError, said.clone());
    let now = Timestamp::since_1970(Duration::ZERO);
    let answer = Answer::Error(Box::new(ErrorAnswer::bare(now, details)));
    let answer: Value = serde_json::from_slice(&answer.to_json()).expect("answers are JSON");
    assert_eq!(answer["error_details"]["message"], said);
});
