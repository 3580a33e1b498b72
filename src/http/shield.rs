//! What every answer tells a browser: not to guess its type, to run nothing and load nothing for it, to show it in no frame,
//! to tell no other site where it came from, and to keep nothing that does not say how long it is good for. There is no
//! header that opens anything to pages of other origins, here or elsewhere. [`super::context`] puts these on the answers;
//! what the page under `/docs` may do it says itself ([`super::docs`]).

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

/// On every answer.
const ALWAYS: [(HeaderName, HeaderValue); 3] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    // Browsers that do not know `frame-ancestors` know this one.
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
];

/// On every answer that does not say it in another way.
const UNLESS_SAID: [(HeaderName, HeaderValue); 2] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Puts them on an answer. Neither names nor values are made anew, and actix uses the memory of its tables again.
pub fn shield(headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        headers.insert(name, value);
    }
    for (name, value) in UNLESS_SAID {
        if !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_itself_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("ALLOWALL"));
        shield(&mut headers);
        let said = |name: HeaderName| headers.get_all(name).map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!(said(CACHE_CONTROL), ["no-cache"]);
        assert_eq!(said(X_FRAME_OPTIONS), ["DENY"], "nobody may be framed");
        assert_eq!(said(CONTENT_SECURITY_POLICY), ["default-src 'none'; frame-ancestors 'none'"]);
    }
}
