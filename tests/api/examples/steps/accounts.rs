//! Log-in and accounts.

use serde_json::json;

use super::{BOB, NOBODY, ROOT, Step, get, post};
use crate::support::server::PASSWORD;

/// Somebody who registers on the way.
const EVE: &str = "eve";

/// SHA-256 of her password, as clients send it where they do not send the password.
const DIGEST: &str = "992db5e2595725ef68eb5066e014da8c7f6baca0afa96f1021b56b66782133f2";

/// What people do with accounts while everybody is there.
pub fn steps() -> Vec<Step> {
    [session(), users(), profiles(), directory()].into_iter().flatten().collect()
}

fn session() -> Vec<Step> {
    vec![
        post(NOBODY, "login", json!({"user": "bob", "password": PASSWORD}), 200, "By username and password")
            .keep("token of bob", "/data/authToken"),
        post(NOBODY, "login", json!({"resume": "<token of bob>"}), 200, "By a token from before"),
        post(NOBODY, "login", json!({"user": "bob", "password": "wrong"}), 401, "A wrong password"),
        get(BOB, "me", 200, "Who one is"),
        post(BOB, "logout", json!({}), 200, "The token ends"),
        get(BOB, "logout", 200, "The token ends"),
    ]
}

fn users() -> Vec<Step> {
    let eve = json!({"username": "eve", "name": "Eve", "email": "eve@example.org", "pass": "let me in"});
    let amy = json!({"username": "amy", "name": "Amy", "email": "amy@example.org", "password": "let me in", "roles": ["user"]});
    vec![
        post(NOBODY, "users.register", eve.clone(), 200, "An account for oneself"),
        post(NOBODY, "users.register", eve, 400, "The username is taken"),
        post(ROOT, "users.create", amy.clone(), 200, "An account for somebody else").keep("amy", "/user/_id"),
        post(ROOT, "users.create", amy, 400, "The username is taken"),
        get(BOB, "users.info?username=carol", 200, "Somebody else"),
        get(ROOT, "users.info?username=amy&includeUserRooms=true", 200, "With the rooms, for an administrator"),
        get(BOB, "users.info?username=nobody", 400, "Nobody has that name"),
        post(ROOT, "users.setActiveStatus", json!({"userId": "<amy>", "activeStatus": false}), 200, "Switch off"),
        post(
            ROOT,
            "users.setActiveStatus",
            json!({"userId": "<root>", "activeStatus": false}),
            400,
            "The last administrator stays",
        ),
    ]
}

fn profiles() -> Vec<Step> {
    vec![
        post(
            ROOT,
            "users.update",
            json!({"userId": "<carol>", "data": {"nickname": "Caz", "customFields": {"team": "north"}}}),
            200,
            "Fields that are not sent stay",
        ),
        post(
            ROOT,
            "users.update",
            json!({"userId": "<carol>", "data": {"roles": ["user", "captain"]}}),
            400,
            "One role does not exist",
        ),
        post(
            ROOT,
            "users.update",
            json!({"userId": "<root>", "data": {"roles": ["user"]}}),
            400,
            "The last administrator stays",
        ),
        post(
            BOB,
            "users.updateOwnBasicInfo",
            json!({"data": {"statusText": "At lunch"}}),
            200,
            "A status of one's own",
        ),
        get(BOB, "users.getPreferences", 200, "What one has chosen, and the defaults"),
        post(BOB, "users.setPreferences", json!({"data": {"hideRoles": true}}), 200, "Choose something"),
    ]
}

fn directory() -> Vec<Step> {
    vec![
        get(ROOT, "users.list?count=2&offset=1", 200, "The second and the third"),
        get(ROOT, "users.listByStatus?status=active&roles[]=user&count=2", 200, "Who is active and holds a role"),
        get(BOB, "users.autocomplete?selector={\"term\":\"ca\"}", 200, "Whose usernames begin so"),
        get(BOB, "users.checkUsernameAvailability?username=dora", 200, "A free username"),
    ]
}

/// Accounts that go, when nobody needs them any more.
pub fn farewell() -> Vec<Step> {
    let dora = json!({"username": "dora", "name": "Dora", "email": "dora@example.org", "password": "let me in"});
    vec![
        post(ROOT, "users.create", dora, 200, "An account that will not stay").keep("dora", "/user/_id"),
        post(ROOT, "users.delete", json!({"userId": "<dora>"}), 200, "It is gone"),
        post(ROOT, "users.delete", json!({"userId": "<dora>"}), 400, "Nobody has that id"),
        post(ROOT, "users.delete", json!({"userId": "<root>"}), 400, "The last administrator stays"),
        post(EVE, "users.deleteOwnAccount", json!({"password": "wrong"}), 400, "A wrong password"),
        post(
            EVE,
            "users.deleteOwnAccount",
            json!({"password": DIGEST}),
            200,
            "With the password, if the workspace allows it",
        ),
        post(ROOT, "users.deactivateIdle", json!({"daysIdle": 90}), 200, "Nobody has been away for so long"),
    ]
}
