//! Bodies of `/api/v1`, of any type of content, and what each route makes of them. Held to: a body is an array or an
//! object within its depth; written out as JSON and read again it is the same; what a shape accepts it accepts again and
//! leaves as it is; and what a shape accepts always becomes the type of its handler.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rolekeeper::http::call::Parameters;
use rolekeeper::http::rocketchat::body::{MAX_BODY_BYTES, MAX_DEPTH, parse_body};
use rolekeeper::http::rocketchat::shape::{Source, fit};
use rolekeeper::http::routes::operations;
use rolekeeper_fuzz::{assert_no_defect, depth, typed};
use serde_json::Value;

static ROUTES: LazyLock<Vec<(&str, Parameters)>> = LazyLock::new(|| {
    operations().into_iter().filter_map(|operation| Some((operation.path, operation.parameters?))).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((content_type, body)) = typed(data) else { return };
    let Ok(value) = parse_body(content_type.as_deref(), body) else { return };
    assert!(value.is_array() || value.is_object());
    assert!(depth(&value) <= MAX_DEPTH);
    let written = value.to_string();
    if written.len() < MAX_BODY_BYTES {
        assert_eq!(parse_body(Some("application/json"), written.as_bytes()).as_ref(), Ok(&value));
    }
    for (path, parameters) in ROUTES.iter().filter(|(_, parameters)| parameters.source == Source::Body) {
        assert_no_defect((parameters.accepts)(value.clone()), path);
        let Ok(fitted) = fit(&parameters.shape, value.clone(), Source::Body) else { continue };
        let again = fit(&parameters.shape, Value::Object(fitted.clone()), Source::Body);
        assert_eq!(again.as_ref(), Ok(&fitted), "{path}");
    }
});
