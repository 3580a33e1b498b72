use proptest::prelude::*;
use serde_json::json;

use super::*;

const DELETE_ROLE: Shape = Shape::closed(&[Field::required_text("roleId")]);
const ADD_USER: Shape =
    Shape::closed(&[Field::required_text("username"), Field::text("roleId"), Field::text("roomId").nullable()]);
const CREATE_ROLE: Shape = Shape::closed(&[
    Field::required_text("name"),
    Field::text("description").nullable(),
    Field::text("scope").nullable().one_of(&["Users", "Subscriptions"]),
    Field::boolean("mandatory2fa").nullable(),
]);
const GRANT: Shape = Shape::closed(&[Field::required_text("_id"), Field::unique_texts("roles").required()]);
const UPDATE_PERMISSIONS: Shape = Shape::closed(&[Field::list("permissions", &GRANT).required()]);
const USERS_IN_ROLE: Shape = Shape::closed(&[
    Field::required_text("role"),
    Field::text("roomId").nullable(),
    Field::number("count"),
    Field::number("offset"),
]);
const INNER: Shape = Shape::open(&[Field::text("name"), Field::boolean("on")]);
/// One field of every kind.
const EVERYTHING: Shape = Shape::open(&[
    Field::text("text"),
    Field::text("nullText").nullable(),
    Field::number("number"),
    Field::number("nullNumber").nullable(),
    Field::boolean("boolean"),
    Field::boolean("nullBoolean").nullable(),
    Field::texts("texts"),
    Field::unique_texts("nullTexts").nullable(),
    Field::any("any"),
    Field::any("nullAny").nullable(),
    Field::list("list", &INNER),
    Field::object("object", &INNER),
    Field::object("nullObject", &INNER).nullable(),
]);

fn body(shape: &Shape, value: Value) -> Result<Value, String> {
    fit(shape, value, Source::Body).map(Value::Object)
}

fn query(shape: &Shape, value: Value) -> Result<Value, String> {
    fit(shape, value, Source::Query).map(Value::Object)
}

#[test]
fn every_refusal_of_the_contract_has_its_text() {
    let missing = |name: &str| format!("must have required property '{name}'");
    let cases = [
        (DELETE_ROLE, json!({}), missing("roleId")),
        (DELETE_ROLE, json!({"roleId":"a","x":1}), "must NOT have additional properties".into()),
        (DELETE_ROLE, json!({"x":1}), missing("roleId")),
        (DELETE_ROLE, json!({"roleId":["a"]}), "must be string".into()),
        (DELETE_ROLE, json!({"roleId":{}}), "must be string".into()),
        (DELETE_ROLE, json!({"roleId":{"$ne":""}}), "must be string".into()),
        (DELETE_ROLE, json!([]), "must be object".into()),
        (DELETE_ROLE, json!([{"roleId":"a"}]), "must be object".into()),
        (ADD_USER, json!({}), missing("username")),
        (ADD_USER, json!({"username":"a","roleName":"b"}), "must NOT have additional properties".into()),
        (UPDATE_PERMISSIONS, json!({}), missing("permissions")),
        (UPDATE_PERMISSIONS, json!({"permissions":""}), "must be array".into()),
        (UPDATE_PERMISSIONS, json!({"permissions":"x"}), "must be array".into()),
        (UPDATE_PERMISSIONS, json!({"permissions":null}), "must be array".into()),
        (UPDATE_PERMISSIONS, json!({"permissions":{}}), "must be array".into()),
        (UPDATE_PERMISSIONS, json!({"permissions":[{"_id":"a","roles":"x"}]}), "must be array".into()),
        (UPDATE_PERMISSIONS, json!({"permissions":["x"]}), "must be object".into()),
        (UPDATE_PERMISSIONS, json!({"permissions":[{}]}), missing("_id")),
        (UPDATE_PERMISSIONS, json!({"permissions":[{"_id":"a"}]}), missing("roles")),
        (
            UPDATE_PERMISSIONS,
            json!({"permissions":[{"_id":"a","roles":["x","x"]}]}),
            "must NOT have duplicate items (items ## 1 and 0 are identical)".into(),
        ),
        (CREATE_ROLE, json!({"name":"a","scope":"Bad"}), "must be equal to one of the allowed values".into()),
        (CREATE_ROLE, json!({"name":"a","scope":null}), "must be equal to one of the allowed values".into()),
        (CREATE_ROLE, json!({"name":"a","mandatory2fa":"yes"}), "must be boolean".into()),
    ];
    for (shape, value, text) in cases {
        assert_eq!(body(&shape, value.clone()), Err(text), "{value}");
    }
    assert_eq!(query(&USERS_IN_ROLE, json!({})), Err(missing("role")));
    assert_eq!(query(&USERS_IN_ROLE, json!({"role":"a","count":"x"})), Err("must be number".into()));
    assert_eq!(query(&USERS_IN_ROLE, json!({"role":"a","count":""})), Err("must be number".into()));
    let unknown = query(&USERS_IN_ROLE, json!({"role":"a","fields":"{}"}));
    assert_eq!(unknown, Err("must NOT have additional properties".into()));
}

#[test]
fn what_the_contract_coerces_is_coerced() {
    let cases = [
        (DELETE_ROLE, json!({"roleId":1}), json!({"roleId":"1"})),
        (DELETE_ROLE, json!({"roleId":1.0}), json!({"roleId":"1"})),
        (DELETE_ROLE, json!({"roleId":1e21}), json!({"roleId":"1e+21"})),
        (DELETE_ROLE, json!({"roleId":true}), json!({"roleId":"true"})),
        (DELETE_ROLE, json!({"roleId":null}), json!({"roleId":""})),
        (ADD_USER, json!({"username":"a","roleId":null}), json!({"username":"a","roleId":""})),
        (ADD_USER, json!({"username":"a","roomId":null}), json!({"username":"a","roomId":null})),
        (UPDATE_PERMISSIONS, json!({"permissions":[]}), json!({"permissions":[]})),
        (
            UPDATE_PERMISSIONS,
            json!({"permissions":[{"_id":1,"roles":["x",2,null]}]}),
            json!({"permissions":[{"_id":"1","roles":["x","2",""]}]}),
        ),
        (CREATE_ROLE, json!({"name":5,"mandatory2fa":"true"}), json!({"name":"5","mandatory2fa":true})),
    ];
    for (shape, value, fitted) in cases {
        assert_eq!(body(&shape, value.clone()), Ok(fitted), "{value}");
    }
    let paged = query(&USERS_IN_ROLE, json!({"role":["admin"],"count":"25","offset":"0"}));
    assert_eq!(paged, Ok(json!({"role":"admin","count":25,"offset":0})));
}

/// Each line as ajv 8.20 answers it (2020 dialect): the field, the value sent, what becomes of it in a body and in a query.
#[test]
fn values_are_coerced_as_ajv_coerces_them() {
    let text = || Err("must be string");
    let number = || Err("must be number");
    let boolean = || Err("must be boolean");
    let array = || Err("must be array");
    let object = || Err("must be object");
    let twice = || Err("must NOT have duplicate items (items ## 1 and 0 are identical)");
    let cases = [
        ("text", json!(["a"]), text(), Ok(json!("a"))),
        ("text", json!([5]), text(), Ok(json!("5"))),
        ("text", json!([null]), text(), Ok(json!(""))),
        ("text", json!(["a", "b"]), text(), text()),
        ("text", json!([]), text(), text()),
        ("nullText", json!(["a"]), text(), text()),
        ("nullText", json!([5]), text(), Ok(json!("5"))),
        ("nullText", json!([null]), text(), Ok(json!(""))),
        ("nullText", json!(""), Ok(json!("")), Ok(json!(""))),
        ("nullText", json!(false), Ok(json!("false")), Ok(json!("false"))),
        ("number", json!(" 7 "), Ok(json!(7)), Ok(json!(7))),
        ("number", json!("0x1f"), Ok(json!(31)), Ok(json!(31))),
        ("number", json!("1.50"), Ok(json!(1.5)), Ok(json!(1.5))),
        ("number", json!("  "), Ok(json!(0)), Ok(json!(0))),
        ("number", json!(""), number(), number()),
        ("number", json!("5px"), number(), number()),
        ("number", json!(true), Ok(json!(1)), Ok(json!(1))),
        ("number", json!(null), Ok(json!(0)), Ok(json!(0))),
        ("number", json!(["5"]), number(), Ok(json!(5))),
        ("nullNumber", json!(""), Ok(Value::Null), Ok(Value::Null)),
        ("nullNumber", json!(false), Ok(json!(0)), Ok(json!(0))),
        ("nullNumber", json!([5]), number(), number()),
        ("nullNumber", json!([0]), number(), Ok(Value::Null)),
        ("boolean", json!("false"), Ok(json!(false)), Ok(json!(false))),
        ("boolean", json!(1.0), Ok(json!(true)), Ok(json!(true))),
        ("boolean", json!(null), Ok(json!(false)), Ok(json!(false))),
        ("boolean", json!("1"), boolean(), boolean()),
        ("boolean", json!("TRUE"), boolean(), boolean()),
        ("boolean", json!(2), boolean(), boolean()),
        ("nullBoolean", json!(""), Ok(Value::Null), Ok(Value::Null)),
        ("nullBoolean", json!(0), Ok(json!(false)), Ok(json!(false))),
        ("texts", json!("a"), array(), Ok(json!(["a"]))),
        ("texts", json!(5), array(), Ok(json!(["5"]))),
        ("texts", json!(null), array(), Ok(json!([""]))),
        ("texts", json!([["a"]]), text(), Ok(json!(["a"]))),
        ("texts", json!({}), array(), array()),
        ("texts", json!([{}]), text(), text()),
        ("nullTexts", json!(""), Ok(Value::Null), Ok(json!([""]))),
        ("nullTexts", json!(["1", 1]), twice(), twice()),
        ("any", json!({"a":[1.0]}), Ok(json!({"a":[1.0]})), Ok(json!({"a":[1.0]}))),
        ("any", json!([{}]), object(), object()),
        ("any", json!(null), object(), object()),
        ("nullAny", json!(0), Ok(Value::Null), Ok(Value::Null)),
        ("nullAny", json!([""]), object(), Ok(Value::Null)),
        ("nullAny", json!([{}]), object(), object()),
        ("list", json!([{"name":1,"x":2}]), Ok(json!([{"name":"1"}])), Ok(json!([{"name":"1"}]))),
        ("list", json!([[]]), object(), object()),
        ("object", json!({"on":"true","x":2}), Ok(json!({"on":true})), Ok(json!({"on":true}))),
        ("object", json!("x"), object(), object()),
        ("nullObject", json!(null), Ok(Value::Null), Ok(Value::Null)),
    ];
    for (name, value, in_body, in_query) in cases {
        let wrap = |outcome: Result<Value, &str>| outcome.map(|value| json!({ name: value })).map_err(str::to_owned);
        assert_eq!(body(&EVERYTHING, json!({ name: value })), wrap(in_body), "{name}: {value} in a body");
        assert_eq!(query(&EVERYTHING, json!({ name: value })), wrap(in_query), "{name}: {value} in a query");
    }
}

#[test]
fn the_pair_of_duplicates_is_the_last_one() {
    let cases = [
        (json!(["a", "b", "a", "b"]), 3, 1),
        (json!(["a", "a", "a"]), 2, 1),
        (json!(["a", "b", "c", "d", "a"]), 4, 0),
        (json!(["c", "a", "a", "b", "b", "c"]), 4, 3),
    ];
    for (roles, later, earlier) in cases {
        let text = format!("must NOT have duplicate items (items ## {later} and {earlier} are identical)");
        assert_eq!(body(&GRANT, json!({"_id":"a","roles":roles})), Err(text));
    }
}

#[test]
fn fields_are_checked_as_declared_and_after_unknown_keys() {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("b"), Field::number("a").required()]);
    assert_eq!(body(&SHAPE, json!({})), Err("must have required property 'b'".into()));
    assert_eq!(body(&SHAPE, json!({"a":"x","b":[]})), Err("must be string".into()));
    assert_eq!(body(&SHAPE, json!({"a":"x","b":[],"c":1})), Err("must NOT have additional properties".into()));
}

#[test]
fn texts_for_infinity_are_no_numbers() {
    // JavaScript reads them as infinite; no JSON value and no count is.
    for text in ["Infinity", "-Infinity", "1e400"] {
        assert_eq!(body(&EVERYTHING, json!({ "number": text })), Err("must be number".into()));
    }
}

#[test]
fn alternatives_are_tried_in_turn_and_all_have_their_say() {
    const BY_ID: Shape = Shape::closed(&[Field::required_text("userId"), Field::boolean("confirmRelinquish")]);
    const BY_NAME: Shape = Shape::closed(&[Field::required_text("username"), Field::boolean("confirmRelinquish")]);
    const BY_USER: Shape = Shape::closed(&[Field::required_text("user"), Field::boolean("confirmRelinquish")]);
    let read = |value| fit_any_of(&[BY_ID, BY_NAME, BY_USER], value, Source::Body).map(Value::Object);
    assert_eq!(read(json!({"userId":5})), Ok(json!({"userId":"5"})));
    assert_eq!(read(json!({"user":"a","confirmRelinquish":"true"})), Ok(json!({"user":"a","confirmRelinquish":true})));
    assert_eq!(
        read(json!({})),
        Err("must have required property 'userId'\n must have required property 'username'\n \
             must have required property 'user'\n must match a schema in anyOf"
            .into())
    );
    assert_eq!(
        read(json!({"username":["a"]})),
        Err("must have required property 'userId'\n must be string\n \
             must have required property 'user'\n must match a schema in anyOf"
            .into())
    );
}

fn sent() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        r"[0-9a-z.+ -]{0,4}|true|false|0x1|1e999".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(vec!["name", "on", "x"]), inner), 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())),
        ]
    })
}

/// What a handler would read the result into.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[expect(dead_code, reason = "only that it can be read matters")]
struct Everything {
    #[serde(default)]
    text: String,
    null_text: Option<String>,
    #[serde(default)]
    number: f64,
    null_number: Option<f64>,
    #[serde(default)]
    boolean: bool,
    null_boolean: Option<bool>,
    #[serde(default)]
    texts: Vec<String>,
    null_texts: Option<Vec<String>>,
    #[serde(default)]
    any: Map<String, Value>,
    null_any: Option<Map<String, Value>>,
    #[serde(default)]
    list: Vec<Inner>,
    object: Option<Inner>,
    null_object: Option<Inner>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only that it can be read matters")]
struct Inner {
    #[serde(default)]
    name: String,
    #[serde(default)]
    on: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_fits_can_always_be_read_into_a_struct(
        values in proptest::collection::vec((0..EVERYTHING.fields.len() + 1, sent()), 0..3),
        from_query: bool,
    ) {
        let name = |place: usize| EVERYTHING.fields.get(place).map_or("unknown", |field| field.name).to_owned();
        let value = Value::Object(values.into_iter().map(|(place, value)| (name(place), value)).collect());
        let source = if from_query { Source::Query } else { Source::Body };
        if let Ok(map) = fit(&EVERYTHING, value, source) {
            let read = serde_json::from_value::<Everything>(Value::Object(map.clone()));
            prop_assert!(read.is_ok(), "{map:?}: {:?}", read.err());
        }
    }

    #[test]
    fn fitting_twice_changes_nothing(value in sent(), place in 0..EVERYTHING.fields.len()) {
        let value = json!({ EVERYTHING.fields[place].name: value });
        if let Ok(once) = body(&EVERYTHING, value) {
            prop_assert_eq!(body(&EVERYTHING, once.clone()), Ok(once));
        }
    }
}

#[test]
fn a_text_that_must_be_filled_is() {
    const SHAPE: Shape = Shape::closed(&[Field::required_text("userId").filled()]);
    for empty in [json!(""), json!(null)] {
        let refusal = fit(&SHAPE, json!({"userId": empty}), Source::Body).unwrap_err();
        assert_eq!(refusal, "must NOT have fewer than 1 characters");
    }
    assert!(fit(&SHAPE, json!({"userId": 0}), Source::Body).is_ok());
}
