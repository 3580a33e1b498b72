//! Numbers as JavaScript reads and writes them. Clients were written against a server in that language, so `5` sent for a
//! text must become `"5"` and `"0x10"` sent for a number must become 16. Only [`super::shape`] needs this.

use serde_json::Number;

/// Up to here every integer has its own double.
const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;

/// A JSON number as the double that JavaScript makes of it.
pub(super) fn as_double(number: &Number) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

/// The number a typed field is filled from: whole values become integers, so that `1.0` fits an integer field.
/// `None` for infinities, which JSON cannot hold.
pub(super) fn from_double(value: f64) -> Option<Number> {
    if value.fract() == 0.0 && value.abs() <= MAX_SAFE_INTEGER {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the range, see above")]
        return Some(Number::from(value as i64));
    }
    Number::from_f64(value)
}

/// The text JavaScript shows for a number: `1`, `0.5`, `1e+21`, `1e-7`.
pub(super) fn to_text(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    // Rust finds the same shortest digits; only their layout differs.
    let scientific = format!("{:e}", value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent.parse::<i32>().unwrap_or_default() + 1;
    let sign = if value < 0.0 { "-" } else { "" };
    format!("{sign}{}", lay_out(&digits, point))
}

/// Writes `0.digits * 10^point`; plain notation from 1e-6 up to, not including, 1e21.
fn lay_out(digits: &str, point: i32) -> String {
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or_default());
    match point {
        _ if count <= point && point <= 21 => format!("{digits}{}", zeros(point - count)),
        1..=21 => {
            let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
            format!("{whole}.{fraction}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(-point)),
        _ => {
            let (first, rest) = digits.split_at(1);
            let dot = if rest.is_empty() { "" } else { "." };
            format!("{first}{dot}{rest}e{:+}", point - 1)
        }
    }
}

/// The number JavaScript reads from a text; `None` where it says `NaN`, for the empty text, and for what overflows.
pub(super) fn from_text(text: &str) -> Option<f64> {
    if text.is_empty() {
        return None;
    }
    let trimmed = text.trim_matches(is_space);
    if trimmed.is_empty() {
        return Some(0.0);
    }
    let value = match trimmed.get(..2) {
        Some("0x" | "0X") => in_radix(&trimmed[2..], 16)?,
        Some("0o" | "0O") => in_radix(&trimmed[2..], 8)?,
        Some("0b" | "0B") => in_radix(&trimmed[2..], 2)?,
        _ => decimal(trimmed)?,
    };
    value.is_finite().then_some(value)
}

/// What JavaScript trims: Unicode spaces and line ends, and the byte order mark, but not NEL.
fn is_space(character: char) -> bool {
    character == '\u{feff}' || (character.is_whitespace() && character != '\u{85}')
}

fn in_radix(digits: &str, radix: u32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0.0, |value, digit| Some(value * f64::from(radix) + f64::from(digit.to_digit(radix)?)))
}

fn decimal(text: &str) -> Option<f64> {
    // Rust's own reader also takes `inf` and `nan`.
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_javascript_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (123.456, "123.456"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.25e22, "1.25e+22"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ];
        for (value, text) in cases {
            assert_eq!(to_text(value), text);
        }
    }

    #[test]
    fn texts_are_read_as_javascript_reads_them() {
        let cases = [
            ("5", Some(5.0)),
            (" 5\n", Some(5.0)),
            ("\u{a0}\u{feff}5", Some(5.0)),
            ("   ", Some(0.0)),
            ("-1.5e3", Some(-1500.0)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("0x1F", Some(31.0)),
            ("0b101", Some(5.0)),
            ("0o17", Some(15.0)),
            ("", None),
            ("0x", None),
            ("-0x1", None),
            ("1_000", None),
            ("1e", None),
            (".", None),
            ("5px", None),
            ("inf", None),
            ("NaN", None),
            ("Infinity", None),
            ("1e400", None),
            ("\u{85}5", None),
            ("é", None),
        ];
        for (text, value) in cases {
            assert_eq!(from_text(text), value, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_become_integers() {
        assert_eq!(from_double(1.0), Some(Number::from(1)));
        assert_eq!(from_double(-0.0), Some(Number::from(0)));
        assert_eq!(from_double(0.5), Number::from_f64(0.5));
        assert_eq!(from_double(1e300), Number::from_f64(1e300));
        assert_eq!(from_double(f64::INFINITY), None);
    }
}
