//! Numbers as JavaScript reads and writes them. Held to: every finite number, written and read, is the same; a text that
//! is a number is written in the one way that is read as that number again; whole numbers become integers.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolekeeper::http::rocketchat::fuzzing::{number_from_double, number_from_text, number_to_text};

fuzz_target!(|data: &[u8]| {
    if let Some(bytes) = data.first_chunk::<8>() {
        check(f64::from_bits(u64::from_le_bytes(*bytes)));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(value) = number_from_text(text) {
        assert!(value.is_finite());
        check(value);
    }
});

fn check(value: f64) {
    let number = number_from_double(value);
    assert_eq!(number.is_some(), value.is_finite());
    let Some(number) = number else { return };
    assert_eq!(number.as_f64(), Some(value));
    let text = number_to_text(value);
    assert_eq!(number_from_text(&text), Some(value), "{text}");
    assert_eq!(number_from_text(&text).map(number_to_text), Some(text));
}
