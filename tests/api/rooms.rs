//! How a room is named and found: `channels.*` and `groups.*` alike, by the example of `info` (contract 10.1).

use mongodb::bson::{Document, doc};
use serde_json::json;

use crate::support::server::{Actor, Answer, TestServer};
use crate::support::stores::Raw;

const NO_CHANNEL: &str = "The required \"roomId\" or \"roomName\" param provided does not match any channel";
const NO_GROUP: &str = "The required \"roomId\" or \"roomName\" param provided does not match any group";

pub fn no_channel(answer: &Answer) {
    answer.refused(NO_CHANNEL, "error-room-not-found");
}

pub fn no_group(answer: &Answer) {
    answer.refused(NO_GROUP, "error-room-not-found");
}

/// Makes a channel and gives back its id.
pub async fn channel(owner: &Actor<'_>, name: &str, members: &[&str]) -> String {
    let created = owner.post("channels.create", json!({"name": name, "members": members})).await.ok();
    created["channel"]["_id"].as_str().unwrap().to_owned()
}

/// Makes a group and gives back its id.
pub async fn group(owner: &Actor<'_>, name: &str, members: &[&str]) -> String {
    let created = owner.post("groups.create", json!({"name": name, "members": members})).await.ok();
    created["group"]["_id"].as_str().unwrap().to_owned()
}

/// Archives a room past the server.
pub async fn archive(server: &TestServer, room: &str) {
    match &server.raw {
        Raw::Sqlite(store) => {
            store.run_sql(&format!("UPDATE rooms SET archived = 1 WHERE id = '{room}'")).await.unwrap();
        }
        Raw::Mongo(database) => {
            let rooms = database.collection::<Document>("rocketchat_room");
            rooms.update_one(doc! { "_id": room }, doc! { "$set": { "archived": true } }).await.unwrap();
        }
    }
}

async fn a_channel_is_found_by_its_id_or_its_name(server: &TestServer) {
    let bob = server.user("bob").await;
    let den = channel(&bob, "den", &[]).await;
    for query in ["roomName=den", "roomName=DEN", &format!("roomId={den}"), &format!("roomId={den}&roomName=x")] {
        let found = bob.get(&format!("channels.info?{query}")).await.ok();
        assert_eq!((&found["channel"]["_id"], &found["channel"]["name"]), (&json!(den), &json!("den")), "{query}");
    }
    let attic = group(&bob, "attic", &[]).await;
    for query in ["", "?roomId=", "?roomName=", "?roomId=nowhere", "?roomName=nowhere", "?roomName=de", "?roomId=den"] {
        no_channel(&bob.get(&format!("channels.info{query}")).await);
    }
    for query in [format!("roomId={attic}"), "roomName=attic".to_owned(), format!("roomName={den}")] {
        no_channel(&bob.get(&format!("channels.info?{query}")).await);
    }
    for query in ["roomId[$ne]=1", "roomName[$ne]=1"] {
        bob.get(&format!("channels.info?{query}")).await.invalid_query("must be string");
    }
    no_channel(&bob.get(&format!("channels.info?roomId={}", "x".repeat(300))).await);
    no_channel(&bob.get("channels.info?roomName=a%00b").await);
}

async fn a_group_is_found_by_its_members_alone(server: &TestServer) {
    let (bob, amy, admin) = (server.user("bob").await, server.user("amy").await, server.admin().await);
    let mute = server.user_with("mute", &[]).await;
    let attic = group(&bob, "attic", &["amy", "mute"]).await;
    let (by_id, by_name) = (format!("groups.info?roomId={attic}"), "groups.info?roomName=attic");
    for member in [&bob, &amy] {
        for route in [by_id.as_str(), by_name] {
            assert_eq!(member.get(route).await.ok()["group"]["_id"], json!(attic));
        }
    }
    // Neither an administrator nor a member who may not see groups can tell it from one that is not there.
    for stranger in [&admin, &mute, &server.user("eve").await] {
        let missing = stranger.get("groups.info?roomId=nowhere").await;
        no_group(&missing);
        for route in [by_id.as_str(), by_name] {
            let answer = stranger.get(route).await;
            assert_eq!((answer.status, &answer.text), (missing.status, &missing.text));
        }
        no_channel(&stranger.get(&format!("channels.info?roomId={attic}")).await);
    }
    for query in ["", "?roomId=", "?roomName=%20", "?roomId=&roomName="] {
        let answer = bob.get(&format!("groups.info{query}")).await;
        answer.refused("The parameter \"roomId\" or \"roomName\" is required", "error-room-param-not-provided");
    }
    no_group(&bob.get("groups.info?roomName=general").await);
    no_group(&bob.get("groups.info?roomId=GENERAL").await);
}

async fn a_channel_is_shown_to_whoever_may_see_channels(server: &TestServer) {
    let bob = server.user("bob").await;
    let (guest, lodger) = (server.user_with("guest", &["guest"]).await, server.user_with("lodger", &["guest"]).await);
    channel(&bob, "den", &["lodger"]).await;
    let denied = json!({"success": false, "error": "unauthorized"});
    guest.get("channels.info?roomName=den").await.is(403, denied.clone());
    // Whoever may see the rooms that he has joined sees this one because he has.
    lodger.get("channels.info?roomName=den").await.ok();
    lodger.get("channels.info?roomName=general").await.is(403, denied);
}

async fn any_room_is_shown_to_whoever_may_look_into_it(server: &TestServer) {
    let (bob, eve) = (server.user("bob").await, server.user("eve").await);
    let guest = server.user_with("guest", &["guest"]).await;
    let (den, attic) = (channel(&bob, "den", &[]).await, group(&bob, "attic", &[]).await);
    assert_eq!(bob.get(&format!("rooms.info?roomId={attic}")).await.ok()["room"]["t"], json!("p"));
    assert_eq!(eve.get("rooms.info?roomName=den").await.ok()["room"]["_id"], json!(den));
    let missing = eve.get("rooms.info?roomName=nowhere").await;
    no_channel(&missing);
    for query in [format!("roomId={attic}"), "roomName=attic".to_owned()] {
        let answer = eve.get(&format!("rooms.info?{query}")).await;
        assert_eq!((answer.status, &answer.text), (missing.status, &missing.text));
    }
    let denied = json!({"success": false, "error": "not-allowed", "errorType": "Not Allowed"});
    guest.get("rooms.info?roomName=den").await.is(400, denied);
    let unnamed = bob.get("rooms.info").await;
    unnamed.refused("The parameter \"roomId\" or \"roomName\" is required", "error-room-param-not-provided");
}

async fn whoever_makes_a_group_owns_it(server: &TestServer) {
    let (bob, guest) = (server.user("bob").await, server.user_with("guest", &["guest"]).await);
    server.user("amy").await;
    let body = json!({
        "name": "attic",
        "members": ["amy", "nobody", "amy"],
        "extraData": {"topic": "dust", "broadcast": true, "default": true, "u": {"_id": "x"}, "description": 7},
    });
    let created = bob.post("groups.create", body).await.ok();
    let group = &created["group"];
    assert_eq!((&group["t"], &group["name"], &group["usersCount"]), (&json!("p"), &json!("attic"), &json!(2)));
    assert_eq!((&group["topic"], &group["broadcast"], &group["ro"]), (&json!("dust"), &json!(true), &json!(true)));
    assert_eq!((&group["default"], &group["u"]["username"]), (&json!(false), &json!("bob")));
    assert_eq!(group.get("description"), None);
    let shown = bob.get("groups.info?roomName=attic").await.ok();
    assert_eq!(&shown["group"], group);
    // The name first, then the permission, then the rest.
    let required = |text: &str| json!({"success": false, "error": text});
    for body in [json!({}), json!([]), json!({"name": ""}), json!({"name": 7})] {
        guest.post("groups.create", body).await.is(400, required("Body param \"name\" is required"));
    }
    let members = json!({"name": "x", "members": "amy"});
    let refused = required("Body param \"members\" must be an array if provided");
    bob.post("groups.create", members).await.is(400, refused);
    guest.post("groups.create", json!({"name": "x"})).await.is(403, required("unauthorized"));
    for family in ["groups", "channels"] {
        let of_a_team = json!({"name": "x", "extraData": {"teamId": "team"}});
        bob.post(&format!("{family}.create"), of_a_team).await.is(403, required("unauthorized"));
    }
    let taken = bob.post("groups.create", json!({"name": "Attic"})).await;
    taken.refused("A channel with name 'Attic' exists", "error-duplicate-channel-name");
}

on_every_store!(
    any_room_is_shown_to_whoever_may_look_into_it,
    whoever_makes_a_group_owns_it,
    a_channel_is_found_by_its_id_or_its_name,
    a_group_is_found_by_its_members_alone,
    a_channel_is_shown_to_whoever_may_see_channels,
);
