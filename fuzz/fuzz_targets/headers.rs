//! Headers that say who somebody is and what he expects: tokens of both surfaces, second factors, `If-Match`,
//! `Idempotency-Key`, the addresses that proxies send. Held to: a token is never empty and is part of a header that was
//! sent; no header names the client where no proxy stands in front; and no token shows itself.
#![no_main]

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::organization::Precondition;
use rolekeeper::domain::receipt::ReceiptKey;
use rolekeeper::domain::token::Fingerprint;
use rolekeeper::http::address::client_address;
use rolekeeper::http::call::fuzzing::{bearer, credentials, key_text, precondition, second_factor};

/// The first byte of a line says which header it is.
const NAMES: [&str; 10] = [
    "authorization",
    "x-api-key",
    "x-auth-token",
    "x-user-id",
    "x-2fa-code",
    "x-2fa-method",
    "if-match",
    "idempotency-key",
    "x-forwarded-for",
    "x-real-ip",
];

fuzz_target!(|data: &[u8]| {
    let headers = headers(data);
    let sent = |part: &str| headers.iter().any(|(_, value)| value.to_str().is_ok_and(|text| text.contains(part)));
    if let Some((user, token)) = credentials(&headers) {
        assert!(!user.is_empty() && sent(&user) && !token.expose().is_empty() && sent(token.expose()));
    }
    if let Some(token) = bearer(&headers) {
        assert!(!token.expose().is_empty() && sent(token.expose()));
        assert_eq!(format!("{token:?} {:?}", token.hash()), "TokenText(…) TokenHash(…)");
        assert_eq!(token.hash().expose().len(), 44);
        assert!(token.expose().ends_with(&token.last_part()));
    }
    let _ = second_factor(&headers);
    if !headers.contains_key("if-match") {
        assert_eq!(precondition(&headers), Precondition::None);
    }
    let _ = precondition(&headers);
    for key in headers.get_all("idempotency-key") {
        let _ = ReceiptKey::parse(&UserId::from_stored("u"), key_text(key));
    }
    assert_eq!(client_address(&headers, None, 0), None);
    for proxies in 1..=10 {
        let address = client_address(&headers, None, proxies).map(|address| address.to_string());
        let _ = Fingerprint::of(None, address.as_deref());
    }
});

fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let Some((first, text)) = line.split_first() else { continue };
        let name = HeaderName::from_static(NAMES[usize::from(*first) % NAMES.len()]);
        if let Ok(value) = HeaderValue::from_bytes(text) {
            headers.append(name, value);
        }
    }
    headers
}
