//! Many clients at once: whatever the order in which a role is deleted and given away, nobody ends up with a role that
//! is gone, and every answer tells what happened.

use futures_util::future::join_all;
use rolekeeper::domain::ids::RoleId;
use rolekeeper::domain::role::ADMIN;
use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, ROOT, TestServer};

const ROUNDS: usize = 100;
const TAKERS: usize = 7;

async fn a_role_is_deleted_or_held_but_never_both(server: &TestServer) {
    let admin = server.admin().await;
    let mut people = Vec::new();
    for number in 0..TAKERS {
        people.push(server.user_with(&format!("taker{number}"), &[]).await);
    }
    let (mut deleted, mut kept) = (0, 0);
    for round in 0..ROUNDS {
        let body = json!({"name": format!("role{round}")});
        let role = admin.post("roles.create", body).await.ok()["role"]["_id"].as_str().unwrap().to_owned();
        let (delete, takes) = contend(&admin, &role).await;
        if round_ended(server, &admin, &role, &delete, &takes).await { deleted += 1 } else { kept += 1 }
    }
    assert_eq!(deleted + kept, ROUNDS);
    for person in &people {
        let roles = person.get("me").await.ok()["roles"].clone();
        assert_eq!(roles.as_array().unwrap().len(), kept, "{roles}");
    }
}

/// One deletion and seven assignments, all sent before the first is answered.
async fn contend(admin: &Actor<'_>, role: &str) -> (Answer, Vec<Answer>) {
    let start = tokio::sync::Barrier::new(TAKERS + 1);
    let delete = async {
        start.wait().await;
        admin.post("roles.delete", json!({"roleId": role})).await
    };
    let takes = (0..TAKERS).map(|number| {
        let start = &start;
        async move {
            start.wait().await;
            admin.post("roles.addUserToRole", json!({"username": format!("taker{number}"), "roleId": role})).await
        }
    });
    tokio::join!(delete, join_all(takes))
}

/// Checks what was answered against what is; whether the role is gone.
async fn round_ended(server: &TestServer, admin: &Actor<'_>, role: &str, delete: &Answer, takes: &[Answer]) -> bool {
    let mut holders = Vec::new();
    for number in 0..TAKERS {
        let user = server.account(&format!("taker{number}")).await;
        holders.push(user.roles().iter().any(|held| held.as_str() == role));
    }
    let listed =
        admin.get("roles.list").await.ok()["roles"].as_array().unwrap().iter().any(|entry| entry["_id"] == role);
    if delete.status == 200 {
        assert!(!listed, "an acknowledged deletion");
        assert_eq!(holders, [false; TAKERS], "nobody holds a role that is gone");
        for take in takes {
            // Either it came too late or it would have stopped the deletion.
            let body = json!({"success": false, "error": "error-role-not-found", "errorType": "Role not found"});
            take.is(400, body);
        }
        return true;
    }
    assert!(listed, "a refused deletion");
    assert_eq!(delete.json()["errorType"], "error-role-in-use", "{}", delete.text);
    for (take, held) in takes.iter().zip(holders) {
        take.ok();
        assert!(held, "an acknowledged assignment");
    }
    false
}

async fn nothing_names_a_role_that_is_gone(server: &TestServer) {
    let admin = server.admin().await;
    for name in ["bob", "amy"] {
        server.user(name).await;
    }
    let room = admin.post("channels.create", json!({"name": "talk", "members": ["bob", "amy"]})).await.ok();
    let room = &room["channel"]["_id"];
    for round in 0..25 {
        let body = json!({"name": format!("role{round}"), "scope": "Subscriptions"});
        let role = admin.post("roles.create", body).await.ok()["role"]["_id"].as_str().unwrap().to_owned();
        let give = |name: &str, room: &Value| {
            admin.post("roles.addUserToRole", json!({"username": name, "roleId": role, "roomId": room}))
        };
        let grants = json!({"permissions": [{"_id": "view-logs", "roles": ["admin", role]}]});
        let (delete, grant, in_room, on_account) = tokio::join!(
            admin.post("roles.delete", json!({"roleId": role})),
            admin.post("permissions.update", grants),
            give("bob", room),
            give("amy", &Value::Null),
        );
        let usage = server.store.role_usage(&RoleId::from_stored(role.as_str())).await.unwrap();
        let granted = admin.get("permissions.listAll").await.text.contains(&role);
        if delete.status == 200 {
            assert!(usage.is_free() && !granted, "{usage:?} {granted}");
            assert_eq!((in_room.status, on_account.status), (400, 400));
            assert!(grant.status == 200 || grant.json()["errorType"] == "error-invalid-role", "{}", grant.text);
        } else {
            assert_eq!(delete.json()["errorType"], "error-role-in-use", "{}", delete.text);
            assert_eq!((usage.users, usage.rooms, granted), (1, 1, true));
            assert_eq!([in_room.status, on_account.status, grant.status], [200; 3]);
        }
    }
}

async fn of_many_with_the_same_name_one_is_made(server: &TestServer) {
    let admin = server.admin().await;
    for round in 0..10 {
        let names = ["Name", "name", "NAME", " name", "Name", "name", "name"];
        let makes = names.map(|name| admin.post("roles.create", json!({"name": format!("{name}{round}")})));
        let answers = join_all(makes).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.refused("Role name already exists", "error-duplicate-role-names-not-allowed");
        }
    }
    assert_eq!(admin.get("roles.list").await.ok()["roles"].as_array().unwrap().len(), 12 + 10);
    server.assert_sound().await;
}

async fn of_two_administrators_one_stays(server: &TestServer) {
    let take = async |actor: &Actor<'_>, username: &str| {
        actor.post("roles.removeUserFromRole", json!({"username": username, "roleId": "admin"})).await
    };
    let mut last = ROOT.to_owned();
    for round in 0..10 {
        let (one, two) = (format!("one{round}"), format!("two{round}"));
        let first = server.user_with(&one, &[ADMIN]).await;
        let second = server.user_with(&two, &[ADMIN]).await;
        take(&first, &last).await.ok();
        let answers = tokio::join!(take(&first, &two), take(&second, &one));
        let done = [&answers.0, &answers.1].iter().filter(|answer| answer.status == 200).count();
        assert_eq!(done, 1, "{} {}", answers.0.text, answers.1.text);
        let holders = server.store.role_usage(&RoleId::from_stored(ADMIN)).await.unwrap();
        assert_eq!(holders.users, 1);
        last = holders.names[0].clone();
    }
    server.assert_sound().await;
}

on_every_store!(
    a_role_is_deleted_or_held_but_never_both,
    nothing_names_a_role_that_is_gone,
    of_many_with_the_same_name_one_is_made,
    of_two_administrators_one_stays,
);
