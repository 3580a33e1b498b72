//! Who is in a room: `invite`, `kick`, `join` and `leave` of `channels.*` and `groups.*` (contract 10.4).

use rolekeeper::domain::ids::{PermissionId, RoleId, RoomId};
use rolekeeper::domain::permission::Grant;
use rolekeeper::domain::role::{ADMIN, Assignment, MODERATOR, OWNER};
use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, TestServer};

const NO_CHANNEL: &str = "The required \"roomId\" or \"roomName\" param provided does not match any channel";
const NO_GROUP: &str = "The required \"roomId\" or \"roomName\" param provided does not match any group";
const NOT_FOUND: &str = "error-room-not-found";
const LAST_OWNER: &str = "You are the last owner. Please set new owner before leaving the room.";

/// `channels` or `groups`, and what one of them is called in an answer.
#[derive(Clone, Copy)]
pub struct Family {
    pub many: &'static str,
    pub one: &'static str,
    pub noun: &'static str,
}

pub const FAMILIES: [Family; 2] = [
    Family { many: "channels", one: "channel", noun: "channel" },
    Family { many: "groups", one: "group", noun: "private group" },
];

impl Family {
    /// Makes a room and gives back its id.
    pub async fn create(self, owner: &Actor<'_>, name: &str, members: &[&str]) -> RoomId {
        let created = owner.post(&self.route("create"), json!({"name": name, "members": members})).await.ok();
        RoomId::from_stored(created[self.one]["_id"].as_str().unwrap())
    }

    pub fn route(self, operation: &str) -> String {
        format!("{}.{operation}", self.many)
    }

    /// The room of an answer.
    pub fn room(self, answer: &Answer) -> Value {
        let body = answer.ok();
        assert_eq!((body.as_object().unwrap().len(), &body["success"]), (2, &json!(true)), "{body}");
        body[self.one].clone()
    }

    pub fn is_not_found(self, answer: &Answer) {
        answer.refused(if self.one == "group" { NO_GROUP } else { NO_CHANNEL }, NOT_FOUND);
    }
}

/// Gives a role in a room past the server.
pub async fn give(server: &TestServer, role: &str, user: &Actor<'_>, room: &RoomId) {
    let assignment = Assignment { role: RoleId::from_stored(role), user: user.user_id(), room: Some(room.clone()) };
    server.store.assign_role(&assignment, &server.by()).await.unwrap();
}

/// The roles of somebody in a room; `None` when he is no member.
async fn roles(server: &TestServer, user: &Actor<'_>, room: &RoomId) -> Option<Vec<RoleId>> {
    server.store.find_room_roles(room, &user.user_id()).await.unwrap()
}

/// Makes these the only roles that have a permission.
async fn grant(server: &TestServer, permission: &str, roles: &[&str]) {
    let roles = roles.iter().map(|role| RoleId::from_stored(*role)).collect();
    let grants = vec![Grant { permission: PermissionId::from_stored(permission), roles }];
    server.store.update_permissions(grants, &server.by()).await.unwrap();
}

pub async fn archive(server: &TestServer, room: &RoomId) {
    let archival = rolekeeper::domain::room_change::Archival::Archived;
    server.store.set_room_archived(room, archival, &server.by()).await.unwrap();
}

fn not_allowed(answer: &Answer, method: &str) {
    answer.refused_with("Not allowed", "error-not-allowed", json!({"method": method}));
}

async fn whoever_is_invited_is_a_member(server: &TestServer) {
    let bob = server.user("bob").await;
    for name in ["amy", "cyd", "dan", "eve"] {
        server.user(name).await;
    }
    let id_of = async |name: &str| server.account(name).await.id.as_str().to_owned();
    for family in FAMILIES {
        let room = family.create(&bob, &format!("den-{}", family.one), &[]).await;
        let (amy, dan) = (id_of("amy").await, id_of("dan").await);
        let mut members = 1;
        for (named, more) in [
            (json!({"userId": amy}), 1),
            (json!({"username": "CYD"}), 1),
            // Ids, because one of the fields is one of ids: nobody's id is `amy`.
            (json!({"userIds": [dan, "nobody", dan], "username": "amy"}), 1),
            (json!({"usernames": ["Eve", "nobody"], "user": "bob"}), 1),
            (json!({"usernames": ["amy", "bob", "cyd"]}), 0),
        ] {
            members += more;
            let mut body = named.clone();
            body["roomId"] = json!(room);
            let answer = bob.post(&family.route("invite"), body).await;
            let shown = family.room(&answer);
            assert_eq!((&shown["_id"], &shown["usersCount"]), (&json!(room), &json!(members)), "{named}");
        }
        for name in ["amy", "cyd", "dan", "eve"] {
            assert_eq!(roles(server, &server.session_of(name).await, &room).await, Some(vec![]), "{name}");
        }
        assert_eq!(roles(server, &bob, &room).await, Some(vec![RoleId::from_stored(OWNER)]));
    }
}

async fn inviting_checks_in_its_order(server: &TestServer) {
    let (bob, amy, eve, admin) =
        (server.user("bob").await, server.user("amy").await, server.user("eve").await, server.admin().await);
    for family in FAMILIES {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy"]).await;
        let invite = async |who: &Actor<'_>, body: Value| who.post(&family.route("invite"), body).await;
        family.is_not_found(&invite(&bob, json!({"roomId": "nowhere"})).await);
        let nobody = json!({
            "success": false,
            "error": "invalid-user-invite-list",
            "errorType": "Cannot invite if no users are provided",
        });
        for named in [json!({}), json!({"userId": ""}), json!({"usernames": []}), json!({"userIds": ["nobody", ""]})] {
            let mut body = named;
            body["roomName"] = json!(name);
            // Told before whether he may.
            invite(&amy, body).await.is(400, nobody.clone());
        }
        let cyd = json!({"roomName": name, "username": "eve"});
        not_allowed(&invite(&amy, cyd.clone()).await, "addUsersToRoom");
        invite(&bob, json!({"roomName": name, "usernames": "eve"})).await.invalid_params("must be array");
        invite(&bob, json!({"roomName": {"$ne": 1}})).await.invalid_params("must be string");
        // Whoever has a role in the room that may, may; in another room he has it for nothing.
        let elsewhere = family.create(&amy, &format!("attic-{}", family.one), &["bob"]).await;
        give(server, MODERATOR, &amy, &room).await;
        family.room(&invite(&amy, cyd.clone()).await);
        not_allowed(&invite(&bob, json!({"roomId": elsewhere, "username": "eve"})).await, "addUsersToRoom");
        archive(server, &room).await;
        let text = format!("The {}, {name}, is archived", family.noun);
        invite(&bob, cyd).await.refused(&text, "error-room-archived");
    }
    let [channels, groups] = FAMILIES;
    let hall = channels.create(&bob, "hall", &[]).await;
    channels.room(&admin.post("channels.invite", json!({"roomId": hall, "username": "root"})).await);
    assert!(roles(server, &admin, &hall).await.is_some());
    // A group is not there for a stranger, unless he may invite to any.
    let cave = groups.create(&bob, "cave", &[]).await;
    let into_cave = json!({"roomId": cave, "username": "eve"});
    for stranger in [&eve, &admin] {
        groups.is_not_found(&stranger.post("groups.invite", into_cave.clone()).await);
    }
    grant(server, "add-user-to-any-p-room", &[ADMIN]).await;
    groups.room(&admin.post("groups.invite", into_cave).await);
    assert!(roles(server, &eve, &cave).await.is_some());
}

async fn whoever_is_kicked_is_gone_with_his_roles(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    for family in FAMILIES {
        let room = family.create(&bob, &format!("den-{}", family.one), &["amy"]).await;
        for named in [json!({"userId": amy.id()}), json!({"username": "AMY"}), json!({"user": "amy"})] {
            give(server, MODERATOR, &amy, &room).await;
            let mut body = named;
            body["roomId"] = json!(room);
            let shown = family.room(&bob.post(&family.route("kick"), body).await);
            assert_eq!((&shown["_id"], &shown["usersCount"]), (&json!(room), &json!(1)));
            assert_eq!(roles(server, &amy, &room).await, None);
            let again = json!({"roomId": room, "username": "amy"});
            family.room(&bob.post(&family.route("invite"), again).await);
            assert_eq!(roles(server, &amy, &room).await, Some(vec![]));
        }
    }
}

async fn kicking_checks_in_its_order(server: &TestServer) {
    let (bob, amy, eve) = (server.user("bob").await, server.user("amy").await, server.user("eve").await);
    for family in FAMILIES {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy"]).await;
        let kick = async |who: &Actor<'_>, user: &str| {
            who.post(&family.route("kick"), json!({"roomId": room, "username": user})).await
        };
        family.is_not_found(&bob.post(&family.route("kick"), json!({"roomId": "nowhere", "username": "amy"})).await);
        let unnamed = "The required \"userId\" or \"username\" param was not provided";
        kick(&amy, " ").await.refused(unnamed, "error-user-param-not-provided");
        let unknown = "The required \"userId\" or \"username\" param provided does not match any users";
        kick(&amy, "nobody").await.refused(unknown, "error-invalid-user");
        not_allowed(&kick(&amy, "eve").await, "removeUserFromRoom");
        let not_there = json!({"method": "removeUserFromRoom"});
        let answer = kick(&bob, "eve").await;
        answer.refused_with("User is not in this room", "error-user-not-in-room", not_there.clone());
        let answer = kick(&bob, "bob").await;
        answer.refused_with(LAST_OWNER, "error-you-are-last-owner", not_there);
        give(server, MODERATOR, &amy, &room).await;
        give(server, OWNER, &amy, &room).await;
        family.room(&kick(&amy, "bob").await);
        archive(server, &room).await;
        let text = format!("The {}, {name}, is archived", family.noun);
        kick(&amy, "amy").await.refused(&text, "error-room-archived");
        assert_eq!(roles(server, &eve, &room).await, None);
    }
}

async fn whoever_joins_a_channel_is_a_member(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    let [channels, groups] = FAMILIES;
    let den = channels.create(&bob, "den", &[]).await;
    for _ in 0..2 {
        let shown = channels.room(&amy.post("channels.join", json!({"roomName": "den"})).await);
        assert_eq!((&shown["_id"], &shown["usersCount"]), (&json!(den), &json!(2)), "twice is once");
    }
    assert_eq!(roles(server, &amy, &den).await, Some(vec![]));
    let attic = groups.create(&bob, "attic", &[]).await;
    channels.is_not_found(&amy.post("channels.join", json!({"roomId": attic})).await);
    assert_eq!(amy.post("groups.join", json!({"roomId": attic})).await.status, 404);
}

async fn joining_checks_in_its_order(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    let (guest, bot) = (server.user_with("guest", &["guest"]).await, server.user_with("bot", &["bot"]).await);
    let [channels, _] = FAMILIES;
    let den = channels.create(&bob, "den", &[]).await;
    server.raw.plant_join_code(&den, "sesame").await;
    let join =
        async |who: &Actor<'_>, code: Value| who.post("channels.join", json!({"roomId": den, "joinCode": code})).await;
    channels.is_not_found(&guest.post("channels.join", json!({})).await);
    not_allowed(&join(&guest, json!("sesame")).await, "joinRoom");
    let details = json!({"method": "joinRoom"});
    for none in [json!(""), json!(null)] {
        join(&amy, none).await.refused_with("Code required", "error-code-required", details.clone());
    }
    for wrong in [json!("Sesame"), json!(true)] {
        join(&amy, wrong).await.refused_with("Invalid code", "error-code-invalid", details.clone());
    }
    join(&amy, json!({"$ne": 1})).await.invalid_params("must be string");
    assert_eq!(roles(server, &amy, &den).await, None);
    channels.room(&join(&amy, json!("sesame")).await);
    channels.room(&bot.post("channels.join", json!({"roomId": den})).await);
    for member in [&amy, &bot] {
        assert_eq!(roles(server, member, &den).await, Some(vec![]));
    }
    archive(server, &den).await;
    join(&guest, json!("sesame")).await.refused("The channel, den, is archived", "error-room-archived");
}

async fn whoever_leaves_is_gone_with_his_roles(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    for family in FAMILIES {
        let room = family.create(&bob, &format!("den-{}", family.one), &["amy"]).await;
        give(server, MODERATOR, &amy, &room).await;
        let shown = family.room(&amy.post(&family.route("leave"), json!({"roomId": room})).await);
        assert_eq!((&shown["_id"], &shown["usersCount"]), (&json!(room), &json!(1)));
        assert_eq!(roles(server, &amy, &room).await, None);
    }
}

async fn leaving_checks_in_its_order(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    let lodger = server.user_with("lodger", &["guest"]).await;
    for family in FAMILIES {
        let name = format!("den-{}", family.one);
        let room = family.create(&bob, &name, &["amy", "lodger"]).await;
        let leave = async |who: &Actor<'_>| who.post(&family.route("leave"), json!({"roomId": room})).await;
        family.is_not_found(&bob.post(&family.route("leave"), json!({"roomId": "nowhere"})).await);
        not_allowed(&leave(&lodger).await, "leaveRoom");
        let details = json!({"method": "leaveRoom"});
        leave(&bob).await.refused_with(LAST_OWNER, "error-you-are-last-owner", details.clone());
        family.room(&leave(&amy).await);
        if family.one == "channel" {
            leave(&amy).await.refused_with("You are not in this room", "error-user-not-in-room", details.clone());
        } else {
            family.is_not_found(&leave(&amy).await);
        }
        // Alone he is the last owner still.
        let kick = json!({"roomId": room, "username": "lodger"});
        family.room(&bob.post(&family.route("kick"), kick).await);
        leave(&bob).await.refused_with(LAST_OWNER, "error-you-are-last-owner", details);
        archive(server, &room).await;
        let text = format!("The {}, {name}, is archived", family.noun);
        leave(&bob).await.refused(&text, "error-room-archived");
    }
}

on_every_store!(
    whoever_is_invited_is_a_member,
    inviting_checks_in_its_order,
    whoever_is_kicked_is_gone_with_his_roles,
    kicking_checks_in_its_order,
    whoever_joins_a_channel_is_a_member,
    joining_checks_in_its_order,
    whoever_leaves_is_gone_with_his_roles,
    leaving_checks_in_its_order,
);
