//! `channels.create`: the rooms that room roles live in.

use insta::assert_json_snapshot;
use serde_json::{Value, json};

use crate::support::server::{Answer, TestServer, without_made_ids};

fn text(text: &str) -> Value {
    json!({"success": false, "error": text})
}

async fn whoever_makes_a_channel_owns_it(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    server.user("amy").await;
    let body = json!({"name": "talk", "members": ["amy", "nobody", "amy", 7], "customFields": {"x": 1}});
    let created = bob.post("channels.create", body).await.ok();
    assert_json_snapshot!("channels_create", without_made_ids(created.clone()));
    assert_eq!(created["channel"]["u"]["_id"], bob.id());
    let rooms = |answer: Answer| answer.ok()["user"]["rooms"][0].clone();
    for (name, roles) in [("bob", json!(["owner"])), ("amy", json!([]))] {
        let room = rooms(admin.get(&format!("users.info?username={name}&includeUserRooms=true")).await);
        assert_eq!((&room["rid"], &room["roles"]), (&created["channel"]["_id"], &roles));
    }
}

async fn whoever_stays_outside_owns_nothing(server: &TestServer) {
    let bob = server.user("bob").await;
    let created =
        bob.post("channels.create", json!({"name": "talk", "excludeSelf": true, "readOnly": true})).await.ok();
    assert_eq!((&created["channel"]["usersCount"], &created["channel"]["ro"]), (&json!(0), &json!(true)));
    let info = bob.get("users.info?username=bob&includeUserRooms=true").await.ok();
    assert_eq!(info["user"]["rooms"], json!([]));
}

async fn creating_checks_in_its_order(server: &TestServer) {
    let (bob, guest) = (server.user("bob").await, server.user_with("guest", &["guest"]).await);
    for body in [json!({}), json!([]), json!({"name": {"$ne": 1}, "members": "x"})] {
        guest.post("channels.create", body).await.is(403, text("unauthorized"));
    }
    for body in
        [json!({}), json!([]), json!({"name": ""}), json!({"name": {"$ne": 1}}), json!({"name": null, "members": "x"})]
    {
        bob.post("channels.create", body).await.is(400, text("Param \"name\" is required"));
    }
    for members in [json!("amy"), json!({"$ne": 1}), json!(7)] {
        let answer = bob.post("channels.create", json!({"name": "a b", "members": members})).await;
        answer.is(400, text("Param \"members\" must be an array if provided"));
    }
    let answer = bob.post("channels.create", json!({"name": "<general>"})).await;
    answer.refused("&lt;general&gt; is not a valid room name.", "error-invalid-room-name");
    let names = "Names of custom fields must not be empty, begin with $, or contain a dot or a zero byte";
    let answer = bob.post("channels.create", json!({"name": "general", "customFields": {"$where": 1}})).await;
    answer.refused(names, "error-invalid-custom-fields");
    for name in ["general", "General"] {
        let answer = bob.post("channels.create", json!({"name": name})).await;
        answer.refused(&format!("A channel with name '{name}' exists"), "error-duplicate-channel-name");
    }
}

on_every_store!(whoever_makes_a_channel_owns_it, whoever_stays_outside_owns_nothing, creating_checks_in_its_order);
