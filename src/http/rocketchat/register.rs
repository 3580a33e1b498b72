//! `users.register`: somebody makes his own account (contract 9.7).

use serde::Deserialize;
use serde_json::json;

use super::shape::{Field, Shape};
use super::views;
use crate::http::answer::{Answer, success};
use crate::http::call::{Input, Visit};
use crate::service::ServiceError;
use crate::service::error::RegistrationRefusal;
use crate::service::rates::Rate;
use crate::service::registration::Registration;

/// Body of `users.register`. The secret has had two names.
#[derive(Deserialize)]
pub struct Register {
    username: String,
    email: String,
    pass: String,
    name: Option<String>,
    secret: Option<String>,
    #[serde(rename = "secretURL")]
    secret_url: Option<String>,
    reason: Option<String>,
}

impl Input for Register {
    const SHAPE: Shape = Shape::closed(&[
        Field::required_text("username"),
        Field::text("name"),
        Field::required_text("email"),
        Field::required_text("pass"),
        Field::text("secret"),
        Field::text("secretURL"),
        Field::text("reason"),
    ]);
    const RATE: Rate = Rate::Registration;
}

/// `POST users.register` (contract 9.7).
pub async fn register(visit: Visit<Register>) -> Answer {
    if visit.caller.is_some() {
        return Err(ServiceError::from(RegistrationRefusal::LoggedIn).into());
    }
    let Register { username, email, pass, name, secret, secret_url, reason } = &visit.input;
    let registration = Registration {
        username: username.clone(),
        email: email.clone(),
        password: pass.clone(),
        name: name.clone().unwrap_or_default(),
        secret: secret.clone().or_else(|| secret_url.clone()),
        reason: reason.clone(),
    };
    let user = visit.services().register(registration, &visit.origin).await?;
    Ok(success(json!({"user": views::created_account(&user)})))
}
