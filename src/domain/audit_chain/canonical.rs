//! The bytes under a digest: one way to write an entry and its place, so that two that differ in anything never give the
//! same bytes. Every text and every list is preceded by its length, every value by its kind, and the fields of an object
//! stand in the order of their names. A change of this file is a new version of the encoding.

use serde_json::{Map, Number, Value};

use super::{ENCODING, Seal};

/// Whole numbers up to this size are the same number as an integer and as a double (2^53): the stores differ in which of
/// them they give back.
const EXACT: f64 = 9_007_199_254_740_992.0;

pub(super) fn bytes(seal: &Seal, fields: &Map<String, Value>) -> Vec<u8> {
    let mut out = Vec::with_capacity(768);
    put_text(&mut out, ENCODING);
    out.push(u8::from(seal.keyed));
    put_text(&mut out, &seal.scope);
    out.extend(seal.seq.to_be_bytes());
    out.extend(seal.prev.as_bytes());
    put_object(&mut out, fields);
    out
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u64).to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_length(out, text.len());
    out.extend(text.as_bytes());
}

fn put_object(out: &mut Vec<u8>, fields: &Map<String, Value>) {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| name.as_str());
    out.push(b'o');
    put_length(out, sorted.len());
    for (name, value) in sorted {
        put_text(out, name);
        put_value(out, value);
    }
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.push(b'n'),
        Value::Bool(false) => out.push(b'f'),
        Value::Bool(true) => out.push(b't'),
        Value::Number(number) => put_number(out, number),
        Value::String(text) => {
            out.push(b's');
            put_text(out, text);
        }
        Value::Array(list) => {
            out.push(b'a');
            put_length(out, list.len());
            list.iter().for_each(|item| put_value(out, item));
        }
        Value::Object(fields) => put_object(out, fields),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small enough to be exact")]
fn put_number(out: &mut Vec<u8>, number: &Number) {
    let double = number.as_f64().unwrap_or(f64::NAN);
    let whole = (double.fract() == 0.0 && double.abs() <= EXACT).then_some(double as i64);
    if let Some(integer) = number.as_i64().or(whole) {
        out.push(b'i');
        out.extend(integer.to_be_bytes());
    } else if let Some(integer) = number.as_u64() {
        out.push(b'u');
        out.extend(integer.to_be_bytes());
    } else {
        out.push(b'd');
        out.extend(double.to_bits().to_be_bytes());
    }
}
