//! Numbers in words, as people are told them.

use std::time::Duration;

/// A number of bytes, in the largest unit that it fills.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let whole = |(shift, _): &(u32, &str)| bytes > 0 && bytes.is_multiple_of(1 << shift);
    match units.into_iter().find(|unit| whole(unit)) {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{bytes} bytes"),
    }
}

/// A time in seconds.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_largest_whole_unit() {
        let sizes = [0, 1, 1000, 1024, 8 << 20, (8 << 20) + 1, 3 << 30].map(size);
        let told = [
            "0 bytes",
            "1 bytes",
            "1000 bytes",
            "1 KiB",
            "8 MiB",
            "8388609 bytes",
            "3 GiB",
        ];
        assert_eq!(sizes, told);
    }
}
