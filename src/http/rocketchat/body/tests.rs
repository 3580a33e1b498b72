use proptest::prelude::*;
use serde_json::json;

use super::*;

const JSON: Option<&str> = Some("application/json");
const FORM: Option<&str> = Some("application/x-www-form-urlencoded");
const PLAIN: Option<&str> = Some("text/plain");
const MULTIPART: Option<&str> = Some("multipart/form-data; boundary=x");

fn read(content_type: Option<&str>, text: &str) -> Result<Value, BodyProblem> {
    parse_body(content_type, text.as_bytes())
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn every_row_of_the_content_type_table() {
    let cases = [
        (JSON, r#"{"roleId":"a"}"#, json!({"roleId":"a"})),
        (Some("Application/JSON; charset=utf-8"), r#"{"roleId":"a"}"#, json!({"roleId":"a"})),
        (JSON, r#"[1,{"a":null}]"#, json!([1, {"a":null}])),
        (JSON, "null", json!({})),
        (JSON, "5", json!({})),
        (JSON, "true", json!({})),
        (JSON, r#""""#, json!({})),
        (JSON, r#""text""#, json!({"0":"t"})),
        (JSON, "", json!({})),
        (JSON, " \r\n", json!({})),
        (JSON, "\u{feff}{}", json!({})),
        (JSON, r#"{"a":1,"a":2}"#, json!({"a":2})),
        (JSON, r#"{"a":{"$ne":1}}"#, json!({"a":{"$ne":1}})),
        (FORM, "user=anna&password=p%40ss+word", json!({"user":"anna","password":"p@ss word"})),
        (FORM, "a=1&a=2", json!({"a":"2"})),
        (FORM, "a[$ne]=1&b%5B%5D=2", json!({"a[$ne]":"1","b[]":"2"})),
        (FORM, "a=b=c&&d&=e", json!({"a":"b=c","d":"","":"e"})),
        (FORM, "a=100%&b=%zz", json!({"a":"100%","b":"%zz"})),
        (FORM, "", json!({})),
        (FORM, "\n {\"roleId\":\"a=b&c\"}", json!({"roleId":"a=b&c"})),
        (FORM, "[1]", json!({"[1]":""})),
        (MULTIPART, "--x\r\n{", json!({})),
        (PLAIN, "", json!({})),
        (PLAIN, r#" {"roleId":"a"}"#, json!({"roleId":"a"})),
        (PLAIN, "roleId=a", json!({"0":"r"})),
        (PLAIN, "[1]", json!({"0":"["})),
        (None, r#"{"roleId":"a"}"#, json!({"roleId":"a"})),
        (None, "", json!({})),
        (None, "x", json!({"0":"x"})),
        (Some(""), "{}", json!({})),
    ];
    for (content_type, text, value) in cases {
        assert_eq!(read(content_type, text), Ok(value), "{content_type:?} {text:?}");
    }
}

#[test]
fn the_documented_sample_of_roles_delete_is_read_though_it_says_text_plain() {
    let sample = "{\n    \"roleId\": \"6579adcf2dd9f9d9514f6\"\n}";
    assert_eq!(read(PLAIN, sample), Ok(json!({"roleId":"6579adcf2dd9f9d9514f6"})));
}

#[test]
fn malformed_json_is_told_with_its_place() {
    let malformed = |line, column| Err(BodyProblem::Malformed { line, column });
    assert_eq!(read(JSON, "{\n  \"roleId\" \"a\"\n}"), malformed(2, 12));
    assert_eq!(read(JSON, "{"), malformed(1, 1));
    for (content_type, text) in [
        (JSON, "roleId=a"),
        (JSON, "{'roleId':'a'}"),
        (JSON, "{} {}"),
        (JSON, "{\"a\":1,}"),
        (JSON, "{\"a\":NaN}"),
        (JSON, r#"{"a":"\ud800"}"#),
        (JSON, r#"{"a":"\udc00\ud800"}"#),
        (PLAIN, "{roleId"),
        (FORM, "{roleId"),
        (None, "{roleId"),
    ] {
        assert!(matches!(read(content_type, text), Err(BodyProblem::Malformed { .. })), "{text}");
    }
    let text = BodyProblem::Malformed { line: 2, column: 12 }.to_string();
    assert_eq!(text, "The request body is not valid JSON (line 2, column 12)");
}

#[test]
fn bytes_that_are_no_text_are_refused_under_every_text_type() {
    for content_type in [JSON, FORM, PLAIN, None] {
        assert_eq!(parse_body(content_type, b"{\"a\":\"\xff\"}"), Err(BodyProblem::NotUtf8));
    }
    assert_eq!(read(FORM, "a=%ff"), Err(BodyProblem::NotUtf8));
    assert_eq!(read(FORM, "%c3=a"), Err(BodyProblem::NotUtf8));
    assert_eq!(parse_body(MULTIPART, b"\xff"), Ok(json!({})));
}

#[test]
fn the_size_limit_is_exact_and_holds_for_every_type() {
    for content_type in [JSON, FORM, PLAIN, MULTIPART, None] {
        assert_eq!(parse_body(content_type, &vec![b' '; MAX_BODY_BYTES]), Err(BodyProblem::TooLarge));
        assert_eq!(parse_body(content_type, &vec![b' '; MAX_BODY_BYTES - 1]), Ok(json!({})));
    }
}

#[test]
fn the_depth_limit_is_exact_and_has_its_name_at_every_depth() {
    assert!(read(JSON, &nested(MAX_DEPTH)).is_ok());
    for levels in [MAX_DEPTH + 1, 100, 127, 128, 129, 5000, 400_000] {
        assert_eq!(read(JSON, &nested(levels)), Err(BodyProblem::TooDeep), "{levels}");
    }
    let objects = format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100));
    assert_eq!(read(FORM, &objects), Err(BodyProblem::TooDeep));
}

#[test]
fn brackets_in_texts_and_side_by_side_are_not_depth() {
    let in_text = json!({ "a": "[{".repeat(200), "b\"\\[": "\\\"[" });
    assert_eq!(read(JSON, &in_text.to_string()), Ok(in_text));
    let after_quote = json!({ "a": format!("\"{}", "[".repeat(200)) });
    assert_eq!(read(JSON, &after_quote.to_string()), Ok(after_quote));
    let after_backslash = format!(r#"["\\",{}]"#, nested(MAX_DEPTH));
    assert_eq!(read(JSON, &after_backslash), Err(BodyProblem::TooDeep));
    let wide = json!(vec![json!([]); 200]);
    assert_eq!(read(JSON, &wide.to_string()), Ok(wide));
}

#[test]
fn a_problem_never_repeats_what_was_sent() {
    for text in ["{\"password\":\"geheim\"", "{\"geheim\" geheim", "{geheim"] {
        let problem = read(JSON, text).expect_err("malformed");
        assert!(!format!("{problem} {problem:?}").contains("geheim"));
    }
}

fn any_content_type() -> impl Strategy<Value = Option<String>> {
    let known = [JSON, FORM, PLAIN, MULTIPART, Some(""), None];
    prop_oneof![
        proptest::sample::select(known.to_vec()).prop_map(|known| known.map(str::to_owned)),
        any::<Option<String>>()
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|quarters| Value::from(f64::from(quarters) / 4.0)),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(content_type in any_content_type(), bytes: Vec<u8>) {
        if let Ok(value) = parse_body(content_type.as_deref(), &bytes) {
            prop_assert!(value.is_object() || value.is_array());
        }
    }

    #[test]
    fn no_json_like_text_panics(content_type in any_content_type(), text in r#"[\[\]{}",:\\u0-9dD8aetrfn. %&=+-]{0,60}"#) {
        if let Ok(value) = read(content_type.as_deref(), &text) {
            prop_assert!(value.is_object() || value.is_array());
        }
    }

    #[test]
    fn an_object_means_the_same_under_every_type(entries in proptest::collection::vec((any::<String>(), any_json()), 0..5)) {
        let object = Value::Object(entries.into_iter().collect());
        for content_type in [JSON, FORM, PLAIN, None, Some("application/octet-stream")] {
            prop_assert_eq!(read(content_type, &object.to_string()), Ok(object.clone()));
            prop_assert_eq!(read(content_type, &format!(" {object:#}\n")), Ok(object.clone()));
        }
    }

    #[test]
    fn a_form_holds_texts_only(text in r"[^{\s\x{feff}][a-z\[\]$.&=%0-9]{0,60}") {
        let value = read(FORM, &text);
        let texts = |value: &Value| value.as_object().is_some_and(|map| map.values().all(Value::is_string));
        prop_assert!(value.as_ref().is_ok_and(texts) || value == Err(BodyProblem::NotUtf8));
    }
}
