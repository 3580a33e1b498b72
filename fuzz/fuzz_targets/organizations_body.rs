//! Bodies and queries of `/v1`, as each route takes them. Held to: a refusal is always one of what was sent, so that what
//! the declared fields accept always becomes the type of the handler.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rolekeeper::http::routes::organization_operations;
use rolekeeper_fuzz::{assert_no_defect, typed};

type Accepts = fn(Option<&str>, &[u8]) -> rolekeeper::service::Result<()>;

static ROUTES: LazyLock<Vec<(&str, Accepts)>> = LazyLock::new(|| {
    organization_operations().into_iter().map(|operation| (operation.path, operation.accepts)).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((content_type, body)) = typed(data) else { return };
    for (path, accepts) in ROUTES.iter() {
        assert_no_defect(accepts(content_type.as_deref(), body), path);
    }
});
