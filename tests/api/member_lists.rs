//! `channels.members` and `groups.members`: who is in a room, page by page.

use serde_json::{Value, json};

use crate::rooms::{channel, group, no_channel, no_group};
use crate::support::server::{Actor, TestServer};

/// The usernames of a page, and what stands beside them.
async fn page(actor: &Actor<'_>, query: &str) -> (Vec<String>, Value) {
    let mut answer = actor.get(query).await.ok();
    let names = answer["members"].as_array().unwrap().iter();
    let names = names.map(|member| member["username"].as_str().unwrap().to_owned()).collect();
    let body = answer.as_object_mut().unwrap();
    body.shift_remove("members");
    (names, answer)
}

async fn members_come_page_by_page(server: &TestServer) {
    let bob = server.user("bob").await;
    let mut people: Vec<String> = (0..51).map(|number| format!("p{number:02}")).collect();
    for name in &people {
        server.user(name).await;
    }
    let members: Vec<&str> = people.iter().map(String::as_str).collect();
    channel(&bob, "den", &members).await;
    people.insert(0, "bob".to_owned());
    for (query, window, offset) in [
        ("", 0..50, 0),
        ("&count=10&offset=45", 45..52, 45),
        ("&offset=50", 50..52, 50),
        ("&count=1", 0..1, 0),
        ("&count=200", 0..52, 0),
        ("&count=0", 0..52, 0),
        ("&offset=60", 0..0, 60),
        ("&count=-1&offset=-1", 0..50, 0),
    ] {
        let (names, rest) = page(&bob, &format!("channels.members?roomName=den{query}")).await;
        let count = window.len();
        assert_eq!(names, people[window], "{query}");
        assert_eq!(rest, json!({"count": count, "offset": offset, "total": 52, "success": true}), "{query}");
    }
    for (query, found) in [
        ("&filter=P0", 10),
        ("&filter=the%20bob", 1),
        ("&filter=%20", 52),
        ("&filter=.*", 0),
        ("&filter=p%00", 0),
        ("&filter=%5C%28%5B", 0),
        ("&status[]=offline", 0),
        ("&status[]=online&status[]=away&filter=p", 0),
    ] {
        let (_, rest) = page(&bob, &format!("channels.members?roomName=den{query}")).await;
        assert_eq!(rest["total"], json!(found), "{query}");
    }
    let long = format!("channels.members?roomName=den&filter={}", "x".repeat(400));
    assert_eq!(page(&bob, &long).await.1["total"], json!(0));
    bob.get("channels.members?roomName=den&filter[$ne]=1").await.invalid_query("must be string");
    bob.get("channels.members?roomName=den&count=x").await.invalid_query("must be number");
}

async fn a_member_is_shown_without_what_is_his_own(server: &TestServer) {
    let bob = server.user("bob").await;
    group(&bob, "attic", &[]).await;
    let answer = bob.get("groups.members?roomName=attic").await.ok();
    let member = answer["members"][0].as_object().unwrap();
    assert_eq!(
        (&member["_id"], &member["username"], &member["name"]),
        (&json!(bob.id()), &json!("bob"), &json!("The bob"))
    );
    for secret in ["emails", "roles", "services", "lastLogin", "settings"] {
        assert!(!member.contains_key(secret), "{secret}");
    }
}

async fn members_are_shown_to_whoever_may_look_in(server: &TestServer) {
    let (bob, amy, admin) = (server.user("bob").await, server.user("amy").await, server.admin().await);
    let guest = server.user_with("guest", &["guest"]).await;
    let unauthorized = json!({"success": false, "error": "unauthorized"});
    channel(&bob, "den", &[]).await;
    group(&bob, "attic", &[]).await;
    guest.get("channels.members?roomName=den").await.is(403, unauthorized.clone());
    no_channel(&guest.get("channels.members").await);
    no_group(&amy.get("groups.members?roomName=attic").await);
    no_group(&admin.get("groups.members?roomName=attic").await);
    // In a broadcast the many do not see each other.
    let news = json!({"name": "news", "members": ["amy"], "extraData": {"broadcast": true}});
    bob.post("channels.create", news).await.ok();
    amy.get("channels.members?roomName=news").await.is(403, unauthorized);
    bob.get("channels.members?roomName=news").await.ok();
    admin.get("channels.members?roomName=news").await.ok();
}

async fn members_are_ranked_with_their_roles(server: &TestServer) {
    let (bob, eve) = (server.user("bob").await, server.user("eve").await);
    server.user("amy").await;
    let attic = group(&bob, "attic", &["amy"]).await;
    let route = format!("rooms.membersOrderedByRole?roomId={attic}");
    let answer = bob.get(&route).await.ok();
    let shown =
        |place: usize| (answer["members"][place]["username"].clone(), answer["members"][place]["roles"].clone());
    assert_eq!(shown(0), (json!("bob"), json!(["owner"])));
    assert_eq!(shown(1), (json!("amy"), json!([])));
    assert_eq!(answer["total"], json!(2));
    let rest = json!({"count": 1, "offset": 1, "total": 2, "success": true});
    assert_eq!(page(&bob, &format!("{route}&count=1&offset=1")).await, (vec!["amy".to_owned()], rest));
    no_channel(&eve.get(&route).await);
    bob.get("rooms.membersOrderedByRole")
        .await
        .refused("The parameter \"roomId\" or \"roomName\" is required", "error-room-param-not-provided");
}

on_every_store!(
    members_are_ranked_with_their_roles,
    members_come_page_by_page,
    a_member_is_shown_without_what_is_his_own,
    members_are_shown_to_whoever_may_look_in,
);
