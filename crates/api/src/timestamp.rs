//! A moment, as answers write it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

/// Seconds of one day.
const DAY_SECONDS: u64 = 86_400;

/// A moment in UTC, since 1970. Written as `2024-03-15T10:30:00.123456+00:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(Duration);

impl Timestamp {
    /// The moment that lies this long after 1970 began.
    #[must_use]
    pub const fn since_1970(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The UTC day: days since 1970 began.
    #[must_use]
    pub const fn day(self) -> u64 {
        self.0.as_secs() / DAY_SECONDS
    }

    /// How long until the next UTC day begins.
    #[must_use]
    pub const fn until_next_day(self) -> Duration {
        Duration::from_secs(DAY_SECONDS - self.0.as_secs() % DAY_SECONDS)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.0.as_secs() % DAY_SECONDS;
        let (year, month, day) = civil(self.day());
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}+00:00",
            second / 3600,
            second / 60 % 60,
            second % 60,
            self.0.subsec_micros()
        )
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Timestamp {
    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`, for 1970 on).
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01: a year that ends with February
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(seconds: u64, micros: u64) -> String {
        Timestamp::since_1970(Duration::from_secs(seconds) + Duration::from_micros(micros))
            .to_string()
    }

    #[test]
    fn a_moment_is_written_with_microseconds_and_offset() {
        assert_eq!(written(0, 0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(
            written(1_710_498_600, 123_456),
            "2024-03-15T10:30:00.123456+00:00"
        );
    }

    #[test]
    fn leap_days_and_turns_of_the_year_are_right() {
        assert_eq!(written(951_782_400, 0), "2000-02-29T00:00:00.000000+00:00");
        assert_eq!(
            written(1_709_251_199, 0),
            "2024-02-29T23:59:59.000000+00:00"
        );
        assert_eq!(
            written(1_735_689_599, 999_999),
            "2024-12-31T23:59:59.999999+00:00"
        );
        assert_eq!(
            written(4_107_542_400, 0),
            "2100-03-01T00:00:00.000000+00:00"
        );
    }

    #[test]
    fn the_day_turns_at_midnight_utc() {
        let last = Timestamp::since_1970(Duration::from_secs(86_399));
        assert_eq!((last.day(), last.until_next_day().as_secs()), (0, 1));
        assert_eq!(Timestamp::since_1970(Duration::from_hours(24)).day(), 1);
    }
}
