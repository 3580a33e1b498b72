//! The bytes under the digests of the record: two entries, as JSON, with a NUL between them. Held to: two that differ in
//! anything have different digests, two that mean the same have the same one, and an entry that is written out and read
//! again, as a store does, keeps its digest and follows its predecessor; one that was changed does not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolekeeper::domain::audit_chain::{Head, Link, Sealer, Walk, scope_of};
use rolekeeper_fuzz::halves;
use serde_json::{Map, Number, Value};

fuzz_target!(|data: &[u8]| {
    let (first, second) = halves(data);
    let Some(first) = entry(first) else { return };
    let sealer = Sealer::default();
    let (scope, seal) = (scope_of(&first).to_owned(), sealer.seal(scope_of(&first), Head::START, &first));
    let read = entry(Value::Object(first.clone()).to_string().as_bytes());
    assert_eq!(read.as_ref().map(|read| sealer.seal(&scope, Head::START, read)), Some(seal.clone()));

    let id = first.get("_id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let link = Link { id, seal: seal.clone(), fields: first.clone(), oddity: None };
    let whole = findings(&sealer, &scope, &link);
    assert!(!whole.contains("changed"), "{whole}");

    let Some(second) = entry(second) else { return };
    let other = sealer.seal(&scope, Head::START, &second);
    assert_eq!(seal.hash == other.hash, same(&Value::Object(first), &Value::Object(second.clone())));
    let forged = findings(&sealer, &scope, &Link { fields: second, ..link });
    assert_eq!(forged.contains("changed"), seal.hash != other.hash, "{forged}");
});

fn entry(text: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(text).ok()
}

fn findings(sealer: &Sealer, scope: &str, link: &Link) -> String {
    let mut walk = Walk::new(sealer, scope, Vec::new());
    let Ok(found) = walk.step(link) else { return String::new() };
    found.iter().map(|finding| format!("{finding}\n")).collect()
}

/// Whether two values mean the same; the order of fields says nothing.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => meaning(a) == meaning(b),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b)))
        }
        _ => one == other,
    }
}

/// A whole number that a double holds exactly is the same as an integer and as a double; every other double is its bits.
fn meaning(number: &Number) -> Result<i128, u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(integer) = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)) {
        return Ok(integer);
    }
    let double = number.as_f64().unwrap_or(f64::NAN);
    if double.fract() == 0.0 && double.abs() <= EXACT { Ok(double as i128) } else { Err(double.to_bits()) }
}
