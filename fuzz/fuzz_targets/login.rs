//! Ways to log in: the body of `login` with its names, passwords, digests and codes, and, behind a NUL, the secret of an
//! authenticator app and a code for it. Held to: an object or a list is never a name, a password or a token; the code of a
//! step is six digits and stands for that step; an empty secret is none.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolekeeper::domain::time::Timestamp;
use rolekeeper::domain::totp::{BackupCodeHash, STEP_MS, TotpSecret, is_totp_code};
use rolekeeper::http::rocketchat::body::parse_body;
use rolekeeper::http::rocketchat::fuzzing::login_credentials;
use rolekeeper::service::auth::{AccountName, Credentials};
use rolekeeper::service::second_factor::{Code, Method, Shown};
use rolekeeper_fuzz::halves;
use serde_json::{Map, Value};

fuzz_target!(|data: &[u8]| {
    let (body, secret) = halves(data);
    let secret = String::from_utf8_lossy(secret);
    if let Ok(Value::Object(fields)) = parse_body(None, body) {
        let headers = Shown { code: Code::new(&secret), method: Method::parse(&secret) };
        check(&fields, &login_credentials(&fields, &headers));
    }
    codes(&secret, body);
});

fn check(fields: &Map<String, Value>, credentials: &Credentials) {
    let texts = texts(fields);
    match credentials {
        Credentials::Password { account: AccountName::Username(name) | AccountName::Email(name), .. } => {
            assert!(!name.is_empty() && texts.contains(&name.as_str()));
        }
        Credentials::Token(token) => assert!(texts.contains(&token.expose())),
        Credentials::Unsupported => {}
    }
}

/// Every text that stands where a name or a token may: no deeper than `totp.login.user.username`.
fn texts(fields: &Map<String, Value>) -> Vec<&str> {
    let mut found = Vec::new();
    for value in fields.values() {
        match value {
            Value::String(text) => found.push(text.as_str()),
            Value::Object(inner) => found.extend(texts(inner)),
            _ => {}
        }
    }
    found
}

fn codes(secret: &str, code: &[u8]) {
    let code = String::from_utf8_lossy(code);
    assert_eq!(BackupCodeHash::of(&code).expose().len(), 64);
    assert!(!is_totp_code(&code) || code.len() == 6);
    let Some(secret) = TotpSecret::from_base32(secret) else { return };
    assert_eq!(format!("{secret:?}"), "TotpSecret(…)");
    let step = i64::from(code.len() as u32) * 1_000_003;
    let now = Timestamp::from_millis(step * STEP_MS);
    let right = secret.code(step);
    assert!(is_totp_code(&right));
    assert_eq!(secret.matching_step(&right, now, 0), Some(step));
    assert!(secret.matching_step(&right, now, 2).is_some_and(|found| (step..=step + 2).contains(&found)));
    let _ = secret.matching_step(&code, now, 1);
}
