//! Base64 of attachments: decoded as by the slowest and plainest decoder, and never beyond the bound.
#![no_main]

use api::base64::{NotDecoded, decode, encode};
use libfuzzer_sys::fuzz_target;

const BYTES_MAX: usize = 100;

fuzz_target!(|data: &[u8]| {
    assert_eq!(decode(&encode(data), data.len()), Ok(data.to_vec()));
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match (decode(text, BYTES_MAX), plainly(text)) {
        (Ok(bytes), Some(plain)) => {
            assert_eq!(bytes, plain);
            assert!(bytes.len() <= BYTES_MAX);
        }
        // Its size is known before the rest of it is looked at.
        (Err(NotDecoded::TooLarge { size_bytes }), plain) => {
            assert!(size_bytes > BYTES_MAX);
            assert!(plain.is_none_or(|plain| plain.len() == size_bytes));
        }
        (Err(NotDecoded::NotBase64), None) => {}
        (read, plain) => panic!("{text:?} is {plain:?}, and was read as {read:?}"),
    }
});

/// Groups of four, of the standard alphabet; up to two `=` at the very end; blanks anywhere.
fn plainly(text: &str) -> Option<Vec<u8>> {
    let symbols: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let padding = symbols.iter().rev().take_while(|b| **b == b'=').count();
    if !symbols.len().is_multiple_of(4) || padding > 2 {
        return None;
    }
    let mut bits = Vec::new();
    for symbol in &symbols[..symbols.len() - padding] {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits.extend((0..6).rev().map(|at| value >> at & 1));
    }
    let whole = bits.chunks_exact(8);
    Some(
        whole
            .map(|byte| byte.iter().fold(0, |byte, bit| byte << 1 | bit))
            .collect(),
    )
}
