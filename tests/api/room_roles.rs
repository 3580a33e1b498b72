//! The roles of a room: `addOwner` and its like in the order of their checks (contract 10.2), `roles` and `moderators`
//! (10.3).

use serde_json::{Value, json};

use crate::rooms::{archive, channel, group, no_channel, no_group};
use crate::support::server::{Actor, Answer, TestServer};

/// The three roles, by the words of the routes: `Owner`, with the noun, with its article.
const ROLES: [(&str, &str, &str); 3] =
    [("Owner", "owner", "an owner"), ("Moderator", "moderator", "a moderator"), ("Leader", "leader", "a leader")];
const FAMILIES: [&str; 2] = ["channels", "groups"];
const UNKNOWN_USER: &str = "The required \"userId\" or \"username\" param provided does not match any users";
const NO_USER: &str = "The required \"userId\" or \"username\" param was not provided";

async fn room(owner: &Actor<'_>, family: &str, members: &[&str]) -> String {
    match family {
        "channels" => channel(owner, "den", members).await,
        _ => group(owner, "attic", members).await,
    }
}

/// The roles of somebody in a room, as the room tells them.
async fn roles_of(actor: &Actor<'_>, family: &str, room: &str, username: &str) -> Value {
    let answer = actor.get(&format!("{family}.roles?roomId={room}")).await.ok();
    let holders = answer["roles"].as_array().unwrap().iter();
    let mut own = holders.filter(|holder| holder["u"]["username"] == username);
    own.next().map_or_else(|| json!([]), |holder| holder["roles"].clone())
}

fn method(word: &str, role: &str) -> Value {
    json!({"method": format!("{word}Room{role}")})
}

async fn an_owner_gives_and_takes_every_role(server: &TestServer) {
    let bob = server.user("bob").await;
    let amy = server.user("amy").await;
    for family in FAMILIES {
        let room = room(&bob, family, &["amy"]).await;
        let change = async |word: &str, role: &str| {
            bob.post(&format!("{family}.{word}{role}"), json!({"roomId": room, "username": "AMY"})).await
        };
        let done = json!({"success": true});
        for (role, noun, article) in ROLES {
            let refused = change("remove", role).await;
            let (text, code) = (format!("User is not {article}"), format!("error-user-not-{noun}"));
            refused.refused_with(&text, &code, method("remove", role));
            change("add", role).await.is(200, done.clone());
            assert_eq!(roles_of(&amy, family, &room, "amy").await, json!([noun]));
            let (text, code) = (format!("User is already {article}"), format!("error-user-already-{noun}"));
            change("add", role).await.refused_with(&text, &code, method("add", role));
            change("remove", role).await.is(200, done.clone());
            assert_eq!(roles_of(&amy, family, &room, "amy").await, json!([]));
        }
    }
}

async fn the_last_owner_stays(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    let last = |answer: Answer| {
        let text = "This is the last owner. Please set a new owner before removing this one.";
        answer.refused_with(text, "error-remove-last-owner", method("remove", "Owner"));
    };
    for family in FAMILIES {
        let room = room(&bob, family, &["amy"]).await;
        let of = |id: &str| json!({"roomId": room, "userId": id});
        last(bob.post(&format!("{family}.removeOwner"), of(bob.id())).await);
        bob.post(&format!("{family}.addOwner"), of(amy.id())).await.ok();
        amy.post(&format!("{family}.removeOwner"), of(bob.id())).await.ok();
        last(amy.post(&format!("{family}.removeOwner"), of(amy.id())).await);
        // Who was one is none any more.
        let refused = bob.post(&format!("{family}.addOwner"), of(bob.id())).await;
        refused.refused_with("Not allowed", "error-not-allowed", method("add", "Owner"));
    }
}

async fn checks_come_in_their_order(server: &TestServer) {
    let (bob, eve) = (server.user("bob").await, server.user("eve").await);
    server.user("amy").await;
    for family in FAMILIES {
        let room = room(&bob, family, &["amy"]).await;
        let absent = |answer: &Answer| if family == "groups" { no_group(answer) } else { no_channel(answer) };
        for (role, _, _) in ROLES {
            for word in ["add", "remove"] {
                let route = format!("{family}.{word}{role}");
                let post = async |actor: &Actor<'_>, body: Value| actor.post(&route, body).await;
                post(&bob, json!({"roomId": {"$ne": 1}})).await.invalid_params("must be string");
                absent(&post(&eve, json!({"roomId": "nowhere"})).await);
                let named = json!({"roomId": room});
                post(&bob, named).await.refused(NO_USER, "error-user-param-not-provided");
                for user in [json!({"userId": "bob"}), json!({"username": "nobody"}), json!({"user": "x"})] {
                    let mut body = json!({"roomId": room});
                    body.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
                    post(&bob, body).await.refused(UNKNOWN_USER, "error-invalid-user");
                }
                // Whoever may not is told so before anything about the state; of a group he is told nothing.
                let outside = json!({"roomId": room, "user": "eve"});
                let stranger = post(&eve, outside.clone()).await;
                match family {
                    "groups" => no_group(&stranger),
                    _ => stranger.refused_with("Not allowed", "error-not-allowed", method(word, role)),
                }
                let (text, code) = match (word, role) {
                    ("remove", "Owner" | "Moderator") => ("Invalid room", "error-invalid-room"),
                    _ => ("User is not in this room", "error-user-not-in-room"),
                };
                post(&bob, outside).await.refused_with(text, code, method(word, role));
            }
        }
        let nothing = bob.post(&format!("{family}.addOwner"), json!({"username": "amy"})).await;
        if family == "groups" {
            let text = "The parameter \"roomId\" or \"roomName\" is required";
            nothing.refused(text, "error-room-param-not-provided");
        } else {
            no_channel(&nothing);
        }
        archive(server, &room).await;
        let archived = bob.post(&format!("{family}.addOwner"), json!({"roomId": room})).await;
        let text = match family {
            "groups" => "The private group, attic, is archived",
            _ => "The channel, den, is archived",
        };
        archived.refused(text, "error-room-archived");
        for route in ["roles", "moderators"] {
            let archived = bob.get(&format!("{family}.{route}?roomId={room}")).await;
            archived.refused(text, "error-room-archived");
        }
        // Looked at it may be all the same.
        for route in ["info", "members"] {
            bob.get(&format!("{family}.{route}?roomId={room}")).await.ok();
        }
    }
}

async fn who_may_is_asked_in_the_room(server: &TestServer) {
    let (bob, admin) = (server.user("bob").await, server.admin().await);
    let amy = server.user("amy").await;
    server.user("cyd").await;
    let den = channel(&bob, "den", &["amy", "cyd"]).await;
    let other = channel(&bob, "other", &["amy", "cyd"]).await;
    let attic = group(&bob, "attic", &["amy", "cyd"]).await;
    let cyd = |room: &str| json!({"roomId": room, "username": "cyd"});
    bob.post("channels.addOwner", json!({"roomId": den, "username": "amy"})).await.ok();
    // An owner of one room is nobody in another one; a moderator names nobody.
    amy.post("channels.addModerator", cyd(&den)).await.ok();
    let refused = amy.post("channels.addModerator", cyd(&other)).await;
    refused.refused_with("Not allowed", "error-not-allowed", method("add", "Moderator"));
    server.session_of("cyd").await.post("channels.addLeader", cyd(&den)).await.refused_with(
        "Not allowed",
        "error-not-allowed",
        method("add", "Leader"),
    );
    // Administrators may in channels they are not in; a group they do not even see.
    admin.post("channels.addModerator", cyd(&other)).await.ok();
    no_group(&admin.post("groups.addModerator", cyd(&attic)).await);
    // A room role on the account itself is a role everywhere.
    server.user_with("dan", &["owner"]).await.post("channels.addLeader", cyd(&other)).await.ok();
}

async fn roles_with_a_description_are_shown_by_username(server: &TestServer) {
    let (bob, admin, eve) = (server.user("bob").await, server.admin().await, server.user("eve").await);
    server.user("amy").await;
    let guest = server.user_with("guest", &["guest"]).await;
    for (name, description) in [("steward", "Stewards"), ("shade", "")] {
        let body = json!({"name": name, "description": description, "scope": "Subscriptions"});
        let id = admin.post("roles.create", body).await.ok()["role"]["_id"].clone();
        let room = channel(&bob, name, &["amy"]).await;
        admin.post("roles.addUserToRole", json!({"username": "amy", "roleId": id, "roomId": room})).await.ok();
        let shown = eve.get(&format!("channels.roles?roomName={name}")).await.ok();
        let list = shown["roles"].as_array().unwrap();
        let holders: Vec<_> = list.iter().map(|holder| holder["u"]["username"].as_str().unwrap()).collect();
        let expected: &[_] = if description.is_empty() { &["bob"] } else { &["amy", "bob"] };
        assert_eq!(holders, expected);
        let first = list.last().unwrap();
        assert_eq!((&first["rid"], &first["roles"]), (&json!(room), &json!(["owner"])));
        assert_eq!(first["u"], json!({"_id": bob.id(), "username": "bob"}));
        assert_eq!(first.as_object().unwrap().keys().collect::<Vec<_>>(), ["_id", "rid", "u", "roles"]);
    }
    let refused = guest.get("channels.roles?roomName=steward").await;
    refused.refused_with("Invalid room", "error-invalid-room", json!({"method": "getRoomRoles"}));
    no_channel(&eve.get("channels.roles").await);
    group(&bob, "attic", &[]).await;
    no_group(&admin.get("groups.roles?roomName=attic").await);
    let own = bob.get("groups.roles?roomName=attic").await.ok();
    assert_eq!(own["roles"][0]["roles"], json!(["owner"]));
}

async fn names_are_shown_where_the_workspace_shows_them(server: &TestServer) {
    let bob = server.user("bob").await;
    group(&bob, "attic", &[]).await;
    let shown = bob.get("groups.roles?roomName=attic").await.ok();
    assert_eq!(shown["roles"][0]["u"], json!({"_id": bob.id(), "username": "bob", "name": "The bob"}));
}

async fn moderators_are_shown_to_whoever_may_look_in(server: &TestServer) {
    let (bob, amy, eve) = (server.user("bob").await, server.user("amy").await, server.user("eve").await);
    let guest = server.user_with("guest", &["guest"]).await;
    let den = channel(&bob, "den", &["amy"]).await;
    let attic = group(&bob, "attic", &["amy"]).await;
    let none = json!({"moderators": [], "success": true});
    eve.get(&format!("channels.moderators?roomId={den}")).await.is(200, none);
    let moderator = json!({"moderators": [{"_id": amy.id(), "username": "amy", "name": "The amy"}], "success": true});
    for (family, room) in [("channels", &den), ("groups", &attic)] {
        bob.post(&format!("{family}.addModerator"), json!({"roomId": room, "userId": amy.id()})).await.ok();
        amy.get(&format!("{family}.moderators?roomId={room}")).await.is(200, moderator.clone());
    }
    guest.get("channels.moderators?roomName=den").await.is(403, json!({"success": false, "error": "unauthorized"}));
    no_group(&eve.get("groups.moderators?roomName=attic").await);
}

on_every_store!(
    an_owner_gives_and_takes_every_role,
    the_last_owner_stays,
    checks_come_in_their_order,
    who_may_is_asked_in_the_room,
    roles_with_a_description_are_shown_by_username,
    moderators_are_shown_to_whoever_may_look_in,
);
on_every_store!(real_names, "OVERWRITE_SETTING_UI_Use_Real_Name" = "true"; names_are_shown_where_the_workspace_shows_them);
