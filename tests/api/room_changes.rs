//! What becomes of a room: `delete`, `archive`, `unarchive`, `rename` and `setType` of `channels.*` and `groups.*` (contract
//! 10.4).

use rolekeeper::domain::role::{MODERATOR, OWNER};
use serde_json::{Value, json};

use crate::room_membership::{FAMILIES, archive, give};
use crate::support::server::{Actor, Answer, TestServer};

fn done(answer: &Answer) {
    answer.is(200, json!({"success": true}));
}

fn text(text: &str) -> Value {
    json!({"success": false, "error": text})
}

fn not_authorized(answer: &Answer, method: &str) {
    answer.refused_with("Not authorized", "error-not-authorized", json!({"method": method}));
}

fn editing_not_allowed(answer: &Answer) {
    let details = json!({"method": "saveRoomSettings", "action": "Editing_room"});
    answer.refused_with("Editing room is not allowed", "error-action-not-allowed", details);
}

async fn a_deleted_room_is_gone(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    for family in FAMILIES {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy"]).await;
        give(server, MODERATOR, &amy, &room).await;
        let delete = async || bob.post(&family.route("delete"), json!({"roomName": name})).await;
        done(&delete().await);
        family.is_not_found(&delete().await);
        for who in [&bob, &amy] {
            let info = who.get(&format!("users.info?userId={}&includeUserRooms=true", who.id())).await.ok();
            let rooms = info["user"]["rooms"].as_array().unwrap();
            assert!(rooms.iter().all(|membership| membership["rid"] != json!(room)), "{info}");
        }
        family.create(&bob, &name, &[]).await;
    }
}

async fn a_room_of_any_kind_is_left_and_deleted(server: &TestServer) {
    let (bob, amy, eve) = (server.user("bob").await, server.user("amy").await, server.user("eve").await);
    for family in FAMILIES {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy"]).await;
        done(&amy.post("rooms.leave", json!({"roomId": room})).await);
        let last = "You are the last owner. Please set new owner before leaving the room.";
        let answer = bob.post("rooms.leave", json!({"roomName": name})).await;
        answer.refused_with(last, "error-you-are-last-owner", json!({"method": "leaveRoom"}));
        for operation in ["rooms.leave", "rooms.delete"] {
            let answer = eve.post(operation, json!({"roomId": room})).await;
            match (family.one, operation) {
                ("group", _) => FAMILIES[0].is_not_found(&answer),
                (_, "rooms.delete") => {
                    answer.refused_with("Not allowed", "error-not-allowed", json!({"method": "eraseRoom"}));
                }
                _ => {
                    let details = json!({"method": "leaveRoom"});
                    answer.refused_with("You are not in this room", "error-user-not-in-room", details);
                }
            }
        }
        archive(server, &room).await;
        let archived = format!("The {}, {name}, is archived", family.noun);
        bob.post("rooms.leave", json!({"roomId": room})).await.refused(&archived, "error-room-archived");
        done(&bob.post("rooms.delete", json!({"roomId": room})).await);
        FAMILIES[0].is_not_found(&bob.post("rooms.delete", json!({"roomId": room})).await);
    }
    let unnamed = "The parameter \"roomId\" or \"roomName\" is required";
    for operation in ["rooms.leave", "rooms.delete"] {
        bob.post(operation, json!({})).await.refused(unnamed, "error-room-param-not-provided");
    }
}

async fn deleting_checks_in_its_order(server: &TestServer) {
    let (bob, amy, admin) = (server.user("bob").await, server.user("amy").await, server.admin().await);
    for family in FAMILIES {
        let room = family.create(&bob, &format!("den-{}", family.one), &["amy"]).await;
        let delete = async |who: &Actor<'_>| who.post(&family.route("delete"), json!({"roomId": room})).await;
        family.is_not_found(&bob.post(&family.route("delete"), json!({"roomId": "nowhere"})).await);
        let not_allowed = json!({"method": "eraseRoom"});
        delete(&amy).await.refused_with("Not allowed", "error-not-allowed", not_allowed.clone());
        // An owner elsewhere is none here.
        family.create(&amy, &format!("attic-{}", family.one), &[]).await;
        delete(&amy).await.refused_with("Not allowed", "error-not-allowed", not_allowed);
        archive(server, &room).await;
        done(&delete(&bob).await);
    }
    let kept = json!({"method": "eraseRoom"});
    let answer = admin.post("channels.delete", json!({"roomName": "general"})).await;
    answer.refused_with("A default room cannot be deleted", "error-not-allowed", kept);
    admin.get("channels.info?roomName=general").await.ok();
    let cave = FAMILIES[1].create(&bob, "cave", &[]).await;
    FAMILIES[1].is_not_found(&admin.post("groups.delete", json!({"roomId": cave})).await);
}

async fn a_room_is_archived_and_used_again(server: &TestServer) {
    let (bob, amy, admin) = (server.user("bob").await, server.user("amy").await, server.admin().await);
    for family in FAMILIES {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy", "root"]).await;
        let send =
            async |who: &Actor<'_>, operation: &str| who.post(&family.route(operation), json!({"roomId": room})).await;
        for operation in ["archive", "unarchive"] {
            family.is_not_found(&bob.post(&family.route(operation), json!({"roomId": "nowhere"})).await);
        }
        if family.one == "channel" {
            send(&amy, "unarchive").await.is(400, text(&format!("The channel, {name}, is not archived")));
        } else {
            not_authorized(&send(&amy, "unarchive").await, "unarchiveRoom");
            done(&send(&admin, "unarchive").await);
        }
        not_authorized(&send(&amy, "archive").await, "archiveRoom");
        done(&send(&bob, "archive").await);
        let archived = format!("The {}, {name}, is archived", family.noun);
        send(&amy, "archive").await.refused(&archived, "error-room-archived");
        let info = bob.get(&family.route(&format!("info?roomId={room}"))).await.ok();
        assert_eq!(info[family.one]["archived"], json!(true));
        // Owners archive; putting a room to use again is for administrators.
        not_authorized(&send(&bob, "unarchive").await, "unarchiveRoom");
        done(&send(&admin, "unarchive").await);
        let info = bob.get(&family.route(&format!("info?roomId={room}"))).await.ok();
        assert_ne!(info[family.one]["archived"], json!(true));
        done(&send(&bob, "archive").await);
    }
}

async fn a_room_gets_another_name(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    for family in FAMILIES {
        let (before, after) = (format!("den-{}", family.one), format!("lair-{}", family.one));
        let room = family.create(&bob, &before, &["amy"]).await;
        let rename = async |name: &str| {
            family.room(&bob.post(&family.route("rename"), json!({"roomId": room, "name": name})).await)
        };
        for name in [after.as_str(), &after.to_uppercase(), &before, &after] {
            let shown = rename(name).await;
            assert_eq!((&shown["_id"], &shown["name"], &shown["fname"]), (&json!(room), &json!(name), &json!(name)));
        }
        let info = amy.get("users.info?username=amy&includeUserRooms=true").await.ok();
        let names: Vec<_> = info["user"]["rooms"].as_array().unwrap().iter().map(|room| &room["name"]).collect();
        assert!(names.contains(&&json!(after)), "{names:?}");
        family.is_not_found(&bob.get(&family.route(&format!("info?roomName={before}"))).await);
    }
}

async fn renaming_checks_in_its_order(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    for family in FAMILIES {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy"]).await;
        let rename = async |who: &Actor<'_>, to: Value| {
            who.post(&family.route("rename"), json!({"roomId": room, "name": to})).await
        };
        for missing in [json!(""), json!(" \t"), json!(null)] {
            let body = json!({"roomId": "nowhere", "name": missing});
            amy.post(&family.route("rename"), body).await.is(400, text("The bodyParam \"name\" is required"));
        }
        amy.post(&family.route("rename"), json!({})).await.is(400, text("The bodyParam \"name\" is required"));
        family.is_not_found(&bob.post(&family.route("rename"), json!({"roomId": "nowhere", "name": "x"})).await);
        if family.one == "channel" {
            let same = "The channel name is the same as what it would be renamed to.";
            rename(&amy, json!(name)).await.is(400, text(same));
        } else {
            editing_not_allowed(&rename(&amy, json!(name)).await);
            assert_eq!(family.room(&rename(&bob, json!(name)).await)["name"], json!(name));
        }
        for to in ["lair", "general", "<b>"] {
            editing_not_allowed(&rename(&amy, json!(to)).await);
        }
        rename(&bob, json!({"$ne": 1})).await.invalid_params("must be string");
        for (invalid, shown) in [("<b>", "&lt;b&gt;"), ("a b", "a b")] {
            let refused = format!("{shown} is not a valid room name.");
            rename(&bob, json!(invalid)).await.refused(&refused, "error-invalid-room-name");
        }
        for taken in ["general", "GENERAL"] {
            let refused = format!("A channel with name '{taken}' exists");
            rename(&bob, json!(taken)).await.refused(&refused, "error-duplicate-channel-name");
        }
        archive(server, &room).await;
        let archived = format!("The {}, {name}, is archived", family.noun);
        rename(&amy, json!("lair")).await.refused(&archived, "error-room-archived");
    }
}

async fn a_room_becomes_private_and_public_again(server: &TestServer) {
    let (bob, amy, eve) = (server.user("bob").await, server.user("amy").await, server.user("eve").await);
    let [channels, groups] = FAMILIES;
    let room = channels.create(&bob, "den", &["amy"]).await;
    let body = |wanted: &str| json!({"roomId": room, "type": wanted});
    let shown = channels.room(&bob.post("channels.setType", body("p")).await);
    assert_eq!((&shown["_id"], &shown["t"]), (&json!(room), &json!("p")));
    channels.is_not_found(&bob.post("channels.setType", body("p")).await);
    groups.is_not_found(&eve.get("groups.info?roomName=den").await);
    amy.get("groups.info?roomName=den").await.ok();
    let same = "The private group type is the same as what it would be changed to.";
    bob.post("groups.setType", body("p")).await.is(400, text(same));
    let shown = groups.room(&bob.post("groups.setType", body("c")).await);
    assert_eq!((&shown["_id"], &shown["t"]), (&json!(room), &json!("c")));
    eve.get("channels.info?roomName=den").await.ok();
}

async fn changing_the_type_checks_in_its_order(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    // Owns rooms, and may make none.
    let warden = server.user_with("warden", &["guest"]).await;
    let details = json!({"method": "saveRoomSettings", "action": "Change_Room_Type"});
    for (family, own, other, change) in [
        (FAMILIES[0], "c", "p", "Changing a public channel to a private room is not allowed"),
        (FAMILIES[1], "p", "c", "Changing a private group to a public channel is not allowed"),
    ] {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy", "warden"]).await;
        give(server, OWNER, &warden, &room).await;
        let set = async |who: &Actor<'_>, wanted: Value| {
            who.post(&family.route("setType"), json!({"roomId": room, "type": wanted})).await
        };
        for missing in [json!(""), json!(" "), json!(null)] {
            let body = json!({"roomId": "nowhere", "type": missing});
            amy.post(&family.route("setType"), body).await.is(400, text("The bodyParam \"type\" is required"));
        }
        family.is_not_found(&bob.post(&family.route("setType"), json!({"roomId": "nowhere", "type": other})).await);
        let same = format!("The {} type is the same as what it would be changed to.", family.noun);
        set(&amy, json!(own)).await.is(400, text(&same));
        for wanted in [other, "d", "x"] {
            editing_not_allowed(&set(&amy, json!(wanted)).await);
        }
        set(&warden, json!(other)).await.refused_with(change, "error-action-not-allowed", details.clone());
        for wanted in ["d", "l", "x", "C"] {
            let details = json!({"function": "RocketChat.saveRoomType"});
            let answer = set(&warden, json!(wanted)).await;
            answer.refused_with("error-invalid-room-type", "error-invalid-room-type", details);
        }
        archive(server, &room).await;
        let archived = format!("The {}, {name}, is archived", family.noun);
        set(&amy, json!(other)).await.refused(&archived, "error-room-archived");
    }
}

async fn every_change_is_on_record_under_its_caller(server: &TestServer) {
    let bob = server.user("bob").await;
    server.user("amy").await;
    let room = FAMILIES[0].create(&bob, "den", &[]).await;
    let before = server.store.list_audit_entries(1_000).await.unwrap().len();
    for (operation, body) in [
        ("invite", json!({"roomId": room, "username": "amy"})),
        ("kick", json!({"roomId": room, "username": "amy"})),
        ("rename", json!({"roomId": room, "name": "lair"})),
        ("setType", json!({"roomId": room, "type": "p"})),
    ] {
        bob.post(&format!("channels.{operation}"), body).await.ok();
    }
    done(&bob.post("groups.archive", json!({"roomId": room})).await);
    done(&bob.post("groups.delete", json!({"roomId": room})).await);
    let entries = server.store.list_audit_entries(1_000).await.unwrap();
    let entries = &entries[..entries.len() - before];
    let actions: Vec<_> = entries.iter().rev().map(|entry| json!(entry.change)["action"].clone()).collect();
    let expected =
        ["members_added", "member_removed", "room_renamed", "room_kind_changed", "room_archived", "room_deleted"];
    assert_eq!(actions, expected.map(|action| json!(action)));
    for entry in entries {
        assert_eq!(json!(entry.context.actor)["id"], json!(bob.id()));
        assert!(entry.context.request_id.is_some());
    }
}

on_every_store!(
    a_deleted_room_is_gone,
    a_room_of_any_kind_is_left_and_deleted,
    deleting_checks_in_its_order,
    a_room_is_archived_and_used_again,
    a_room_gets_another_name,
    renaming_checks_in_its_order,
    a_room_becomes_private_and_public_again,
    changing_the_type_checks_in_its_order,
    every_change_is_on_record_under_its_caller,
);
