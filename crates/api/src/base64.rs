//! Base64, as attachments come in and files go out.

/// Why a text could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDecoded {
    /// It is not Base64 of the standard alphabet with its padding.
    #[error("is not valid Base64")]
    NotBase64,
    /// Its bytes would be too many. Nothing was decoded.
    #[error("is too large: {size_bytes} bytes")]
    TooLarge {
        /// How many bytes it would be.
        size_bytes: usize,
    },
}

/// Decodes a text, unless its bytes are more than `bytes_max`.
///
/// White space may stand anywhere, as tools break lines. The size is known before anything is
/// allocated. Bits beyond the last byte are ignored, as Python ignores them.
///
/// # Errors
///
/// [`NotDecoded`] says which of the two it is.
pub fn decode(text: &str, bytes_max: usize) -> Result<Vec<u8>, NotDecoded> {
    let bytes = text.as_bytes();
    // The usual text has no white space, and is decoded while it is looked at for the only time.
    if base64_simd::STANDARD.estimated_decoded_length(bytes.len()) <= bytes_max
        && let Ok(decoded) = base64_simd::STANDARD.decode_to_vec(bytes)
    {
        return Ok(decoded);
    }
    let blanks = bytes.iter().filter(|b| b.is_ascii_whitespace()).count();
    let significant = bytes.len() - blanks;
    if !significant.is_multiple_of(4) {
        return Err(NotDecoded::NotBase64);
    }
    let padding = bytes
        .iter()
        .rev()
        .filter(|b| !b.is_ascii_whitespace())
        .take(2)
        .take_while(|b| **b == b'=')
        .count();
    let size_bytes = (significant / 4 * 3).saturating_sub(padding);
    if size_bytes > bytes_max {
        return Err(NotDecoded::TooLarge { size_bytes });
    }
    base64_simd::forgiving_decode_to_vec(bytes).map_err(|_error| NotDecoded::NotBase64)
}

/// Encodes bytes, with padding and without line breaks.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Encodes a block into `room`, which must hold four bytes for every three begun.
pub(crate) fn encode_into<'a>(block: &[u8], room: &'a mut [u8]) -> &'a str {
    base64_simd::STANDARD.encode_as_str(block, base64_simd::Out::from_slice(room))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for size in 0..70_usize {
            let bytes: Vec<u8> = (0..size)
                .map(|n| u8::try_from(n * 7 % 256).unwrap())
                .collect();
            assert_eq!(decode(&encode(&bytes), 100), Ok(bytes));
        }
    }

    #[test]
    fn line_breaks_and_blanks_are_fine() {
        assert_eq!(decode("aGVs\r\nbG8=\n", 100), Ok(b"hello".to_vec()));
        assert_eq!(decode(" a G V s b G 8 = ", 100), Ok(b"hello".to_vec()));
        let long = encode(&[7; 500]);
        let broken: String = long
            .as_bytes()
            .chunks(76)
            .map(|line| format!("{}\n", str::from_utf8(line).unwrap()))
            .collect();
        assert_eq!(decode(&broken, 500), Ok(vec![7; 500]));
    }

    #[test]
    fn bits_beyond_the_last_byte_are_ignored() {
        assert_eq!(decode("QR==", 100), Ok(b"A".to_vec()));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "abc", "a", "ab=c", "====", "=", "ab-_", "!!!!", "é===", "QQ==QQ==", "Q===",
        ] {
            assert_eq!(decode(text, 100), Err(NotDecoded::NotBase64), "{text}");
        }
    }

    #[test]
    fn the_limit_is_exact() {
        let text = encode(&[1; 10]);
        decode(&text, 10).unwrap();
        assert_eq!(
            decode(&text, 9),
            Err(NotDecoded::TooLarge { size_bytes: 10 })
        );
    }
}
