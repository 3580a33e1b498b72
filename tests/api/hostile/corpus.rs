//! Values that nobody means well with: as JSON, as texts of a query, a form or a path, as whole bodies, as headers. What
//! they are put into is the business of `targets`.

use serde_json::json;

/// More levels than a document of MongoDB can have, and fewer than the parser of JSON refuses.
const DEEP: usize = 110;

fn nested(levels: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(levels), "}".repeat(levels))
}

/// As JSON text: not everything that a client can send is a value that can be made here.
pub fn values() -> Vec<String> {
    let mut values: Vec<String> = [
        "null",
        "true",
        "false",
        "0",
        "-1",
        "1e308",
        "1e400",
        "-0.0",
        "18446744073709551615",
        "123456789012345678901234567890",
        "\"\"",
        "\"NaN\"",
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\u202egnol\u200b\u0301""#,
        r#"{"$ne":null}"#,
        r#"{"$gt":""}"#,
        r#"{"$where":"1"}"#,
        r#"{"a.b":{"$set":{"":1}}}"#,
        r#"{"a\u0000b":1}"#,
        r#"{"n":18446744073709551615}"#,
        r#"{"__proto__":{"constructor":{"prototype":1}}}"#,
        "[]",
        "[[]]",
        r#"[{"$ne":null}]"#,
        r#"["\u0000",null,{"$gt":""}]"#,
        r#"{"a":{"b":{}}}"#,
        r#""../../etc/passwd""#,
        r#""'; DROP TABLE roles;--""#,
        r#""{\"$ne\":null}""#,
    ]
    .map(str::to_owned)
    .into();
    values.push(json!("x".repeat(100_000)).to_string());
    values.push(json!("\u{1F468}\u{200D}\u{1F469}".repeat(5_000)).to_string());
    values.push(nested(DEEP));
    values.push(nested(10_000));
    values.push(format!("{}{}", "[".repeat(DEEP), "]".repeat(DEEP)));
    values
}

/// Texts for where there are only texts, as they stand in an address.
pub fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        "null",
        "true",
        "-1",
        "1e308",
        "NaN",
        "%00",
        "%ff",
        "%",
        "%ED%A0%80",
        "%E2%80%AEgnol%CC%81",
        "%250a%0d%0aX-Injected:1",
        "{\"$ne\":null}",
        "[$ne]",
        "..%2F..%2Fetc%2Fpasswd",
        "'; DROP TABLE roles;--",
        "__proto__",
    ]
    .map(|text| if text.contains('%') { text.to_owned() } else { encoded(text) })
    .into();
    texts.push("x".repeat(4_000));
    texts
}

/// Bodies that are no object with another value in a field.
pub fn bodies() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = [
        "",
        "null",
        "[]",
        "\"text\"",
        "1",
        "{",
        "{}{}",
        "\u{feff}{}",
        r#"{"":{"$ne":1}}"#,
        r#"{"$where":"1","__proto__":{"name":"x"}}"#,
        r#"{"name":"a","name":{"$ne":1},"roleId":"a","roleId":{"$gt":""}}"#,
        "{\"name\":\"\u{0}\"}",
        "name=a&name[$ne]=b",
    ]
    .map(|body| body.as_bytes().to_vec())
    .into();
    bodies.push(b"{\"name\":\"\xff\xfe\"}".to_vec());
    bodies.push("[".repeat(100_000).into_bytes());
    bodies.push(nested(20_000).into_bytes());
    bodies.push(nested(DEEP).into_bytes());
    let many: Vec<String> = (0..2_000).map(|number| format!("\"{number}\":{{\"$ne\":1}}")).collect();
    bodies.push(format!("{{{}}}", many.join(",")).into_bytes());
    bodies
}

/// What can stand in a header at all: no line ends, no NUL.
pub fn lines() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = [
        "",
        " ",
        "*",
        "\"1\"",
        "W/\"1\", \"18446744073709551616\", \"-1\", *x",
        "Bearer",
        "Bearer {\"$ne\":null}",
        "Basic cm9vdDpyb290",
        "{\"$ne\":null}",
        "[$ne]=1",
        "'; DROP TABLE roles;--",
        "%00%0d%0aX-Injected: 1",
        "::1, 256.1.1.1, [::], unknown, 127.0.0.1:99999",
        "\u{202e}gnol\u{200b}\u{301}",
        "000000",
        "application/problem+json;q=\"",
    ]
    .map(|line| line.as_bytes().to_vec())
    .into();
    lines.push(b"\xff\xfe\x80".to_vec());
    lines.push(b"a\tb".to_vec());
    lines.push(vec![b'x'; 8_000]);
    lines.push(b",".repeat(4_000));
    lines
}

/// A text as it stands in an address.
pub fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
