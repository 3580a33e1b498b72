//! Points in time, to the millisecond, as Rocket.Chat keeps and sends them. Where "now" comes from is not
//! decided here but in `clock`.

use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since 1970-01-01T00:00:00Z. On the wire an ISO 8601 text in UTC with three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Milliseconds in one day.
pub const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    /// The beginning of the count; "everything since then" means everything.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time and `days` days of 24 hours.
    #[must_use]
    pub const fn plus_days(self, days: i64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(DAY_MS)))
    }

    /// This time and `millis` milliseconds, which may be negative.
    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Reads a date as the clients of the Rocket.Chat surface send it: what JavaScript's `Date` accepts of ISO 8601
    /// (date alone, date and time with or without seconds, fraction and zone), RFC 2822 texts such as
    /// `Tue, 11 Jul 2023 04:00:00 GMT`. A text without a zone counts as UTC, a server's usual zone.
    /// `None` for anything else, as `Date` would say "Invalid Date".
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let zoned = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_rfc2822(text)).ok();
        if let Some(date) = zoned {
            return Some(Self(date.timestamp_millis()));
        }
        const ZONED: [&str; 3] = ["%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z", "%Y-%m-%dT%H:%M%#z"];
        let zoned = ZONED.iter().find_map(|format| DateTime::parse_from_str(&text.replace('Z', "+0000"), format).ok());
        if let Some(date) = zoned {
            return Some(Self(date.timestamp_millis()));
        }
        const LOCAL: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
        if let Some(date) = LOCAL.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok()) {
            return Some(Self(date.and_utc().timestamp_millis()));
        }
        let midnight = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?;
        Some(Self(midnight.and_utc().timestamp_millis()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Utc.timestamp_millis_opt(self.0).single() {
            Some(date) => f.write_str(&date.to_rfc3339_opts(SecondsFormat::Millis, true)),
            // Beyond the year 262,000; a number still says what is stored.
            None => write!(f, "{}", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a date"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back_to_the_millisecond(millis in 0_i64..4_102_444_800_000) {
            let time = Timestamp::from_millis(millis);
            prop_assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,40}") {
            let _ = Timestamp::parse(&text);
        }
    }

    #[test]
    fn the_wire_form_has_three_decimals_and_a_z() {
        assert_eq!(Timestamp::from_millis(1_684_816_671_161).to_string(), "2023-05-23T04:37:51.161Z");
        assert_eq!(Timestamp::EPOCH.to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn the_forms_that_clients_send_are_read() {
        let expected = Some(Timestamp::from_millis(1_689_048_000_000));
        for text in [
            "2023-07-11T04:00:00.000Z",
            "2023-07-11T04:00:00Z",
            "2023-07-11T04:00Z",
            "2023-07-11T04:00:00+00:00",
            "2023-07-11T06:00:00+0200",
            "2023-07-11T04:00:00",
            "2023-07-11 04:00:00",
            "Tue, 11 Jul 2023 04:00:00 GMT",
        ] {
            assert_eq!(Timestamp::parse(text), expected, "{text}");
        }
        assert_eq!(Timestamp::parse("1970-01-01"), Some(Timestamp::EPOCH));
        for text in ["", "yesterday", "2023-13-01", "null", "{}", "2023-07-11T25:00:00Z"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }
}
