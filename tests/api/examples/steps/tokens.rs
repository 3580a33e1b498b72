//! Tokens: those of programs, those of other sessions.

use serde_json::json;

use super::{BOB, ROOT, Step, get, post};

/// What an operator who lets sessions of others be made has set.
pub const SECRET: &str = "open sesame";

/// Tokens come and go.
pub fn steps() -> Vec<Step> {
    let nightly = json!({"tokenName": "nightly"});
    vec![
        post(BOB, "users.generatePersonalAccessToken", nightly.clone(), 200, "A token for a program"),
        post(BOB, "users.generatePersonalAccessToken", nightly.clone(), 400, "There is one of that name"),
        get(BOB, "users.getPersonalAccessTokens", 200, "Their names; the tokens themselves are shown once"),
        post(BOB, "users.regeneratePersonalAccessToken", nightly.clone(), 200, "Another token under that name"),
        post(BOB, "users.removePersonalAccessToken", nightly.clone(), 200, "The program is out"),
        post(BOB, "users.removePersonalAccessToken", nightly, 400, "There is none of that name"),
        post(
            ROOT,
            "users.createToken",
            json!({"userId": "<bob>", "secret": SECRET}),
            200,
            "A session of somebody else",
        ),
        post(ROOT, "users.createToken", json!({"userId": "<bob>", "secret": "sesame"}), 400, "The secret is another"),
        post(BOB, "users.logoutOtherClients", json!({}), 200, "This session stays"),
        post(BOB, "users.removeOtherTokens", json!({}), 200, "This token stays"),
        post(BOB, "users.logout", json!({"userId": "somebody-else"}), 403, "Somebody else, without the permission"),
        post(ROOT, "users.logout", json!({"userId": "<bob>"}), 200, "Somebody else, by an administrator"),
        post(ROOT, "users.logout", json!({"userId": "nobody"}), 400, "Nobody has that id"),
    ]
}
