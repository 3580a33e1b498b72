//! Queries of `/api/v1`, and what each route makes of them. Held to: no list and no nesting beyond its bound; a flat query
//! that is written out and read again is the same; what a shape accepts it accepts again and leaves as it is; and what a
//! shape accepts always becomes the type of its handler.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rolekeeper::http::call::Parameters;
use rolekeeper::http::rocketchat::query::parse_query;
use rolekeeper::http::rocketchat::shape::{Source, fit};
use rolekeeper::http::routes::operations;
use rolekeeper_fuzz::{assert_no_defect, depth, longest_list};
use serde_json::{Map, Value};

/// Values of a list, and pairs of a query, at most.
const MAX_VALUES: usize = 500;
const MAX_PAIRS: usize = 1000;
/// A name, five brackets and the rest of a longer key, each at most once more in a list with what else claims its place.
const MAX_DEPTH: usize = 14;

static ROUTES: LazyLock<Vec<(&str, Parameters)>> = LazyLock::new(|| {
    operations().into_iter().filter_map(|operation| Some((operation.path, operation.parameters?))).collect()
});

fuzz_target!(|data: &[u8]| {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let Ok(fields) = parse_query(query) else { return };
    let value = Value::Object(fields.clone());
    assert!(fields.len() <= MAX_PAIRS);
    assert!(longest_list(&value) <= MAX_VALUES);
    assert!(depth(&value) <= MAX_DEPTH, "{value}");
    if let Some(written) = written(&fields) {
        assert_eq!(parse_query(&written).as_ref(), Ok(&fields), "{written}");
    }
    for (path, parameters) in ROUTES.iter().filter(|(_, parameters)| parameters.source == Source::Query) {
        assert_no_defect((parameters.accepts)(value.clone()), path);
        let Ok(fitted) = fit(&parameters.shape, value.clone(), Source::Query) else { continue };
        let again = fit(&parameters.shape, Value::Object(fitted.clone()), Source::Query);
        assert_eq!(again.as_ref(), Ok(&fitted), "{path}");
    }
});

/// A query of texts, as a browser writes it. Brackets in a key cannot be written so that they mean nothing.
fn written(fields: &Map<String, Value>) -> Option<String> {
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pair = |(key, value): (&String, &Value)| {
        let plain = !key.is_empty() && !key.contains(['[', ']']);
        plain.then(|| Some(format!("{}={}", escaped(key), escaped(value.as_str()?))))?
    };
    fields.iter().map(pair).collect::<Option<Vec<_>>>().map(|pairs| pairs.join("&"))
}
