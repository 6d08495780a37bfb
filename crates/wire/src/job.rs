//! The job as a unit reads it from its socket.
//!
//! ```text
//!   version: u8 = 1 │ flags: u8 │ code length: u32, little-endian │ code: UTF-8
//! ```
//!
//! The unit closes the socket before the first byte of user code. If it could not parse the
//! program it first says so: `S` and Python's message.

/// The version byte of [`head`].
pub const VERSION: u8 = 1;
/// Flag: imports are held to the configured list.
pub const IMPORTS_LISTED: u8 = 1;
/// First byte of what a unit says when it cannot parse the program.
pub const UNPARSABLE: u8 = b'S';
/// First byte of what a unit says when its walls stand and it waits for a job.
pub const READY: u8 = b'R';
/// What a unit says, with a descriptor beside it, where the keeper is to be asked for each process that
/// the run wants to make: the descriptor is what it is asked on.
pub const ASKS: u8 = b'A';
/// What a unit in a sandbox hears first, with a descriptor beside it: its standard input, which could
/// not come otherwise.
pub const STDIN: u8 = b'G';
/// First byte of what a unit or an init says when it could not raise a wall; the reason follows.
pub const FAILED: u8 = b'F';

/// The bytes that precede the code. `None` if the code is longer than the form can say.
#[must_use]
pub fn head(code: &str, imports_listed: bool) -> Option<[u8; 6]> {
    let [a, b, c, d] = u32::try_from(code.len()).ok()?.to_le_bytes();
    let flags = if imports_listed { IMPORTS_LISTED } else { 0 };
    Some([VERSION, flags, a, b, c, d])
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_head_tells_version_flags_and_length() {
        assert_eq!(super::head("print(1)", true), Some([1, 1, 8, 0, 0, 0]));
        assert_eq!(super::head("é", false), Some([1, 0, 2, 0, 0, 0]));
    }
}
