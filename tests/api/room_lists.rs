//! Lists of rooms and of one's own subscriptions: `channels.list`, `groups.list` and their like, `rooms.get`,
//! `subscriptions.get`, `subscriptions.getOne`.

use insta::assert_json_snapshot;
use rolekeeper::clock::Clock as _;
use serde_json::{Value, json};

use crate::rooms::{archive, channel, group};
use crate::support::server::{Actor, TestServer, without_made_ids};

/// The names of the rooms of a page, and what stands beside them.
async fn page(actor: &Actor<'_>, route: &str) -> (Vec<String>, Value) {
    let mut answer = actor.get(route).await.ok();
    let many = if route.starts_with("groups") { "groups" } else { "channels" };
    let rooms = answer.as_object_mut().unwrap().shift_remove(many).unwrap();
    let names = rooms.as_array().unwrap().iter().map(|room| room["name"].as_str().unwrap().to_owned());
    (names.collect(), answer)
}

async fn names(actor: &Actor<'_>, route: &str) -> Vec<String> {
    page(actor, route).await.0
}

async fn channels_are_listed_page_by_page(server: &TestServer) {
    let bob = server.user("bob").await;
    for number in 0..50 {
        server.clock.advance(1_000);
        channel(&bob, &format!("c{number:02}"), &[]).await;
    }
    group(&bob, "attic", &[]).await;
    let mut all: Vec<String> = (0..50).map(|number| format!("c{number:02}")).collect();
    all.push("general".to_owned());
    let eve = server.user("eve").await;
    for (query, window, offset) in [
        ("", 0..50, 0),
        ("?offset=50", 50..51, 50),
        ("?count=25&offset=25", 25..50, 25),
        ("?count=0", 0..51, 0),
        ("?count=100", 0..51, 0),
        ("?offset=51", 0..0, 51),
        ("?query={\"name\":\"x\"}&fields={\"name\":0}", 0..50, 0),
        ("?sort={\"msgs\":-1}", 0..50, 0),
        ("?sort={\"name\":1}&count=3", 0..3, 0),
    ] {
        let (names, rest) = page(&eve, &format!("channels.list{query}")).await;
        assert_eq!(rest, json!({"count": window.len(), "offset": offset, "total": 51, "success": true}), "{query}");
        assert_eq!(names, all[window], "{query}");
    }
    assert_eq!(names(&eve, "channels.list?sort={\"name\":-1}&count=2").await, ["general", "c49"]);
    assert_eq!(names(&eve, "channels.list?sort={\"ts\":-1}&count=2").await, ["c49", "c48"]);
    assert_eq!(names(&eve, "channels.list?sort={\"ts\":1}&count=2").await, ["general", "c00"]);
    for sort in ["name", "[1]", "7", "{"] {
        let answer = eve.get(&format!("channels.list?sort={sort}")).await;
        let details = json!({"helperMethod": "parseJsonQuery"});
        answer.refused_with("Invalid sort parameter provided", "error-invalid-sort", details);
    }
    eve.get("channels.list?sort[$ne]=1").await.invalid_query("must be string");
}

async fn everybody_lists_what_he_may_see(server: &TestServer) {
    let (bob, admin, eve) = (server.user("bob").await, server.admin().await, server.user("eve").await);
    let (guest, nobody) = (server.user_with("guest", &["guest"]).await, server.user_with("nobody", &[]).await);
    channel(&bob, "den", &["guest", "nobody"]).await;
    let attic = group(&bob, "attic", &["guest"]).await;
    assert_eq!(names(&bob, "channels.list").await, ["den", "general"]);
    // Who sees only what he joined is listed that.
    assert_eq!(
        page(&guest, "channels.list").await,
        (vec!["den".to_owned()], json!({"count": 1, "offset": 0, "total": 1, "success": true}),)
    );
    nobody.get("channels.list").await.forbidden();
    for (actor, own) in [(&bob, &["den"][..]), (&guest, &["den"]), (&admin, &[]), (&eve, &[])] {
        assert_eq!(names(actor, "channels.list.joined").await, own);
    }
    for (actor, own) in [(&bob, &["attic"][..]), (&guest, &["attic"]), (&admin, &[]), (&eve, &[])] {
        assert_eq!(names(actor, "groups.list").await, own);
    }
    assert_eq!(
        page(&admin, "groups.listAll").await,
        (vec!["attic".to_owned()], json!({"count": 1, "offset": 0, "total": 1, "success": true}),)
    );
    bob.get("groups.listAll").await.forbidden();
    archive(server, &attic).await;
    assert_eq!(bob.get("groups.list").await.ok()["groups"][0]["archived"], json!(true));
    assert_eq!(bob.get("groups.info?roomName=attic").await.ok()["group"]["archived"], json!(true));
}

async fn ones_own_rooms_are_all_or_those_that_changed(server: &TestServer) {
    let (bob, eve) = (server.user("bob").await, server.user("eve").await);
    let den = channel(&bob, "den", &[]).await;
    let between = server.clock.now().to_string();
    server.clock.advance(1_000);
    let attic = group(&bob, "attic", &[]).await;
    let mine = bob.get("rooms.get").await.ok();
    let mut ids: Vec<_> = mine["update"].as_array().unwrap().iter().map(|room| room["_id"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    let mut expected = vec![json!(den), json!(attic)];
    expected.sort_by_key(Value::to_string);
    assert_eq!((ids, &mine["remove"]), (expected, &json!([])));
    let changed = bob.get(&format!("rooms.get?updatedSince={between}")).await.ok();
    assert_eq!(changed["update"].as_array().unwrap().len(), 1);
    assert_eq!(changed["update"][0], bob.get("groups.info?roomName=attic").await.ok()["group"]);
    let empty = json!({"update": [], "remove": [], "success": true});
    eve.get(&format!("rooms.get?updatedSince={between}")).await.is(200, empty.clone());
    eve.get("rooms.get?updatedSince=").await.is(200, empty);
    let text = "The \"updatedSince\" query parameter must be a valid date.";
    bob.get("rooms.get?updatedSince=soon").await.refused(text, "error-updatedSince-param-invalid");
    bob.get("subscriptions.get?updatedSince=soon").await.refused(text, "error-roomId-param-invalid");
}

async fn ones_own_subscriptions_are_all_or_those_that_changed(server: &TestServer) {
    let (bob, eve) = (server.user("bob").await, server.user("eve").await);
    let attic = group(&bob, "attic", &[]).await;
    let mine = bob.get("subscriptions.get").await.ok();
    assert_eq!(mine["update"][0]["rid"], json!(attic));
    let mut shown = without_made_ids(mine.clone());
    shown["update"][0]["rid"] = "[id]".into();
    assert_json_snapshot!("subscriptions_get", shown);
    let one = bob.get(&format!("subscriptions.getOne?roomId={attic}")).await.ok();
    assert_eq!(one["subscription"], mine["update"][0]);
    let since = server.clock.now().to_string();
    let empty = json!({"update": [], "remove": [], "success": true});
    bob.get(&format!("subscriptions.get?updatedSince={since}")).await.is(200, empty.clone());
    eve.get("subscriptions.get").await.is(200, empty);
    // Whether there is such a room is nothing that this tells.
    let none = json!({"subscription": null, "success": true});
    for room in [attic.as_str(), "nowhere", ""] {
        eve.get(&format!("subscriptions.getOne?roomId={room}")).await.is(200, none.clone());
    }
    eve.get("subscriptions.getOne").await.invalid_query("must have required property 'roomId'");
}

on_every_store!(
    channels_are_listed_page_by_page,
    everybody_lists_what_he_may_see,
    ones_own_rooms_are_all_or_those_that_changed,
    ones_own_subscriptions_are_all_or_those_that_changed,
);
