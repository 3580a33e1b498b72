//! `login`, `logout` and `me` (contract 2).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::shape::Shape;
use super::views::own_account;
use crate::domain::token::TokenText;
use crate::http::answer::{Answer, json as answer, success};
use crate::http::call::{Call, Input, Visit};
use crate::http::error::ApiError;
use crate::http::requirement::AnyUser;
use crate::service::auth::{AccountName, Credentials};
use crate::service::passwords::PasswordDigest;
use crate::service::rates::Rate;
use crate::service::second_factor::{Code, Shown};

/// The body of `login`. It has too many forms for one shape; `credentials` sorts them out.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Login(Map<String, Value>);

impl Input for Login {
    const SHAPE: Shape = Shape::open(&[]);
    const RATE: Rate = Rate::LogIn;

    fn accept(value: Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Ok(Self(Map::new())),
        }
    }
}

/// `POST login` (contract 2.3 to 2.5).
pub async fn login(visit: Visit<Login>) -> Answer {
    let credentials = credentials(&visit.input.0, &visit.second_factor);
    let session = visit.services().login(credentials, &visit.origin).await?;
    let me = own_account(&session.user, visit.site());
    let data = json!({"userId": session.user.id, "authToken": session.token.expose(), "me": me});
    Ok(success(json!({"status": "success", "data": data})))
}

/// `POST logout`, `GET logout` (contract 2.6): the documented body, which has no `success`.
pub async fn logout(call: Call<AnyUser>) -> Result<HttpResponse, ApiError> {
    call.services().logout(&call.caller).await?;
    let body = json!({"status": "success", "data": {"message": "You've been logged out!"}});
    Ok(answer(StatusCode::OK, &body))
}

/// `GET me` (contract 2.7).
pub async fn show_me(call: Call<AnyUser>) -> Answer {
    Ok(success(own_account(&call.caller.user, call.site())))
}

/// Reads a body by the rules of contract 2.3. Only texts become names, passwords and tokens; an operator object
/// in their place is simply not a way to log in. A code in the body wins over one in the headers.
pub(super) fn credentials(body: &Map<String, Value>, headers: &Shown) -> Credentials {
    if let Some(Value::Object(totp)) = body.get("totp") {
        let Some(Value::Object(login)) = totp.get("login") else { return Credentials::Unsupported };
        return password_or_token(login, shown(totp, headers));
    }
    password_or_token(body, shown(body, headers))
}

fn shown(fields: &Map<String, Value>, headers: &Shown) -> Shown {
    let code = match fields.get("code") {
        Some(Value::String(code)) => Code::new(code),
        // A number has lost the zeros it began with.
        Some(Value::Number(code)) => code.as_u64().and_then(|code| Code::new(&format!("{code:06}"))),
        _ => None,
    };
    Shown { code: code.or_else(|| headers.code.clone()), method: headers.method }
}

fn password_or_token(body: &Map<String, Value>, second_factor: Shown) -> Credentials {
    if let Some(Value::String(token)) = body.get("resume") {
        return Credentials::Token(TokenText::new(token));
    }
    let (Some(account), Some(digest)) = (account(body), body.get("password").and_then(password)) else {
        return Credentials::Unsupported;
    };
    Credentials::Password { account, digest, second_factor }
}

fn account(body: &Map<String, Value>) -> Option<AccountName> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    match body.get("user") {
        Some(Value::String(user)) if user.contains('@') => Some(AccountName::Email(user.clone())),
        Some(Value::String(user)) if !user.is_empty() => Some(AccountName::Username(user.clone())),
        Some(Value::Object(user)) => {
            let username = text(user.get("username")).map(AccountName::Username);
            username.or_else(|| text(user.get("email")).map(AccountName::Email))
        }
        _ => {
            let username = text(body.get("username")).map(AccountName::Username);
            username.or_else(|| text(body.get("email")).map(AccountName::Email))
        }
    }
}

fn password(value: &Value) -> Option<PasswordDigest> {
    match value {
        Value::String(clear) if !clear.is_empty() => Some(PasswordDigest::of(clear)),
        Value::Object(hashed) => {
            let algorithm = hashed.get("algorithm").and_then(Value::as_str);
            let digest = hashed.get("digest").and_then(Value::as_str)?;
            (algorithm == Some("sha-256")).then(|| PasswordDigest::from_client(digest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Credentials {
        let Value::Object(fields) = body else { panic!("an object") };
        credentials(&fields, &Shown::default())
    }

    fn name(body: Value) -> Option<AccountName> {
        match read(body) {
            Credentials::Password { account, .. } => Some(account),
            _ => None,
        }
    }

    #[test]
    fn every_form_of_a_name_is_understood() {
        let (bob, at) = (AccountName::Username("bob".into()), AccountName::Email("b@x".into()));
        for (body, expected) in [
            (json!({"user": "bob", "password": "p"}), &bob),
            (json!({"username": "bob", "password": "p"}), &bob),
            (json!({"user": {"username": "bob"}, "password": "p"}), &bob),
            (json!({"user": "b@x", "password": "p"}), &at),
            (json!({"email": "b@x", "password": "p"}), &at),
            (json!({"user": {"email": "b@x"}, "password": {"digest": "d", "algorithm": "sha-256"}}), &at),
            (json!({"user": "bob", "password": "p", "code": "123456"}), &bob),
            (json!({"totp": {"code": "123456", "login": {"user": {"username": "bob"}, "password": "p"}}}), &bob),
        ] {
            assert_eq!(name(body.clone()).as_ref(), Some(expected), "{body}");
        }
    }

    #[test]
    fn what_is_no_text_is_no_way_in() {
        for body in [
            json!({}),
            json!({"user": "bob"}),
            json!({"user": "bob", "password": null}),
            json!({"user": "bob", "password": {"$ne": 1}}),
            json!({"user": {"$gt": ""}, "password": "p"}),
            json!({"username": ["bob"], "password": "p"}),
            json!({"user": "bob", "password": {"digest": "d", "algorithm": "md5"}}),
            json!({"resume": {"$ne": null}}),
            json!({"totp": {"code": "123456"}, "user": "bob", "password": "p"}),
            json!({"totp": {"code": "123456", "login": {"user": {"$ne": 1}, "password": "p"}}}),
            json!({"ldap": true, "username": "bob", "ldapPass": "p"}),
        ] {
            assert!(matches!(read(body.clone()), Credentials::Unsupported), "{body}");
        }
    }

    #[test]
    fn a_code_is_read_wherever_it_may_stand_and_the_body_wins() {
        let headers = Shown { code: Code::new("999999"), method: None };
        let code = |body: Value| {
            let Value::Object(fields) = body else { panic!("an object") };
            match credentials(&fields, &headers) {
                Credentials::Password { second_factor, .. } => second_factor.code,
                _ => None,
            }
        };
        let login = json!({"user": "bob", "password": "p"});
        for (body, expected) in [
            (json!({"user": "bob", "password": "p", "code": "123456"}), "123456"),
            (json!({"user": "bob", "password": "p", "code": 1234}), "001234"),
            (json!({"totp": {"code": "123456", "login": login}}), "123456"),
            (json!({"totp": {"login": login}}), "999999"),
            (json!({"user": "bob", "password": "p", "code": ""}), "999999"),
            (json!({"user": "bob", "password": "p", "code": {"$ne": 1}}), "999999"),
        ] {
            assert_eq!(code(body.clone()), Code::new(expected), "{body}");
        }
    }

    #[test]
    fn a_token_logs_in() {
        assert!(matches!(read(json!({"resume": "t"})), Credentials::Token(token) if token.expose() == "t"));
    }
}
