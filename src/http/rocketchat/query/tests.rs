use proptest::prelude::*;
use serde_json::json;

use super::*;

fn repeated(part: &str, count: usize) -> String {
    vec![part; count].join("&")
}

#[test]
fn queries_are_read_as_qs_reads_them() {
    // The right side is what qs 6.17 makes of the left one with an array limit of 500.
    let cases = [
        ("", json!({})),
        ("a=1", json!({"a":"1"})),
        ("a", json!({"a":""})),
        ("a=", json!({"a":""})),
        ("=1&&", json!({})),
        ("a=b=c", json!({"a":"b=c"})),
        ("a=1&a=2", json!({"a":["1","2"]})),
        ("a=&a=", json!({"a":["",""]})),
        ("a[]=1", json!({"a":["1"]})),
        ("a[]=1&a[]=2", json!({"a":["1","2"]})),
        ("a%5B%5D=1&a%5b%5d=2", json!({"a":["1","2"]})),
        ("a[1]=y&a[0]=x", json!({"a":["x","y"]})),
        ("a[7]=x", json!({"a":["x"]})),
        ("a[07]=x", json!({"a":{"07":"x"}})),
        ("a=1&a[]=2", json!({"a":["1","2"]})),
        ("a[]=1&a=2", json!({"a":["1","2"]})),
        ("b[c]=3", json!({"b":{"c":"3"}})),
        ("b[c][d]=3&b[c][e]=4", json!({"b":{"c":{"d":"3","e":"4"}}})),
        ("b[][c]=1", json!({"b":[{"c":"1"}]})),
        ("b[0][c]=1&b[0][d]=2", json!({"b":[{"c":"1","d":"2"}]})),
        ("b[0]=x&b[c]=y", json!({"b":{"0":"x","c":"y"}})),
        ("b[c]=1&b=2", json!({"b":[{"c":"1"},"2"]})),
        ("b=2&b[c]=1", json!({"b":["2",{"c":"1"}]})),
        ("b[c]=1&b=", json!({"b":{"c":"1"}})),
        ("a[b][c][d][e][f][g][h]=1", json!({"a":{"b":{"c":{"d":{"e":{"f":{"[g][h]":"1"}}}}}}})),
        ("a[b=1", json!({"a":{"[b":"1"}})),
        ("[a]=1&[]=2", json!({"a":"1","0":"2"})),
        ("a[b=c]=1", json!({"a":{"b=c":"1"}})),
        ("a.b=1", json!({"a.b":"1"})),
        ("q=a+b%20c%C3%A9", json!({"q":"a b cé"})),
        ("q=100%25&r=100%&s=%41%", json!({"q":"100%","r":"100%","s":"%41%"})),
        ("__proto__=1&a[__proto__]=2&a[constructor][x]=3&toString=4&b=5", json!({"b":"5"})),
        ("role=x&role[$ne]=y", json!({"role":["x",{"$ne":"y"}]})),
    ];
    for (query, value) in cases {
        assert_eq!(parse_query(query).map(Value::Object), Ok(value), "{query}");
    }
}

#[test]
fn the_array_limit_is_exact_however_the_array_is_written() {
    for part in ["a=1", "a[]=1"] {
        let full = parse_query(&repeated(part, MAX_VALUES)).expect("500 values are allowed");
        assert_eq!(full["a"].as_array().map(Vec::len), Some(MAX_VALUES));
        assert_eq!(parse_query(&repeated(part, MAX_VALUES + 1)), Err(QueryProblem::TooManyValues));
    }
    assert!(parse_query("a[499]=1").is_ok());
    assert_eq!(parse_query("a[500]=1"), Err(QueryProblem::TooManyValues));
    let mixed = format!("{}&{}", repeated("a=1", 250), repeated("a[]=1", 251));
    assert_eq!(parse_query(&mixed), Err(QueryProblem::TooManyValues));
}

#[test]
fn the_number_of_pairs_is_limited() {
    let pairs = |count: usize| (0..count).map(|key| format!("k{key}=1")).collect::<Vec<_>>().join("&");
    assert_eq!(parse_query(&pairs(MAX_PAIRS)).map(|map| map.len()), Ok(MAX_PAIRS));
    assert_eq!(parse_query(&pairs(MAX_PAIRS + 1)), Err(QueryProblem::TooManyValues));
}

#[test]
fn escapes_that_are_no_text_are_refused() {
    assert_eq!(parse_query("a=%ff"), Err(QueryProblem::Malformed));
    assert_eq!(parse_query("%c3=a"), Err(QueryProblem::Malformed));
}

proptest! {
    #[test]
    fn no_query_panics(query: String, brackets in r"([ab0-3&=%]|\[|\]|\[\]){0,40}") {
        for text in [query, brackets] {
            let _ = parse_query(&text);
        }
    }

    #[test]
    fn plain_pairs_come_back(value in r"[a-zA-Z0-9._~-]{0,20}") {
        prop_assert_eq!(parse_query(&format!("key={value}")).map(Value::Object), Ok(json!({"key": value})));
    }
}
