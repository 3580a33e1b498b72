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

    /// The wire form of a time from 1970 to 9999, which is every time but a few; each line of the log and each account
    /// shown has one, and the general way costs ten times as much.
    fn four_digit_year(self) -> Option<[u8; 24]> {
        let millis = u64::try_from(self.0).ok().filter(|millis| *millis < YEAR_10000_MS)?;
        let (days, millis) = (millis / DAY_MS.unsigned_abs(), millis % DAY_MS.unsigned_abs());
        let (year, month, day) = date_of(days);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put_digits(&mut text[0..4], year);
        put_digits(&mut text[5..7], month);
        put_digits(&mut text[8..10], day);
        put_digits(&mut text[11..13], millis / 3_600_000);
        put_digits(&mut text[14..16], millis / 60_000 % 60);
        put_digits(&mut text[17..19], millis / 1_000 % 60);
        put_digits(&mut text[20..23], millis % 1_000);
        Some(text)
    }
}

/// The beginning of the year 10000.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

/// Year, month and day of a day counted from 1970-01-01. Years are counted from March, so that the leap day is the last
/// day of one.
const fn date_of(days: u64) -> (u64, u64, u64) {
    /// Days from 0000-03-01 to 1970-01-01.
    const BEFORE_1970: u64 = 719_468;
    /// Days of 400 years, after which everything repeats, and of 100 and of 4 of them.
    const ERA: u64 = 146_097;
    const CENTURY: u64 = 36_524;
    const LEAP_CYCLE: u64 = 1_461;

    let days = days + BEFORE_1970;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / (LEAP_CYCLE - 1) + day / CENTURY - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months from March on have 153 days together, and so have the next five.
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let of_next_year = month >= 10;
    let month = if of_next_year { month - 9 } else { month + 3 };
    (era * 400 + year + of_next_year as u64, month, day_of_month)
}

/// Writes a number with leading zeros over the whole of `place`.
fn put_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.four_digit_year() {
            return f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?);
        }
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
        fn the_short_way_writes_what_the_general_one_does(millis in any::<i64>(), divisor in 1_i64..1_000_000) {
            let millis = millis / divisor;
            if let Some(date) = Utc.timestamp_millis_opt(millis).single() {
                let text = Timestamp::from_millis(millis).to_string();
                prop_assert_eq!(text, date.to_rfc3339_opts(SecondsFormat::Millis, true));
            }
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
    fn every_day_of_eight_thousand_years_has_its_date() {
        for day in 0..=YEAR_10000_MS / DAY_MS.unsigned_abs() {
            let millis = i64::try_from(day).unwrap() * DAY_MS;
            for millis in [millis - 1, millis] {
                let expected = Utc.timestamp_millis_opt(millis).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true);
                assert_eq!(Timestamp::from_millis(millis).to_string(), expected);
            }
        }
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
