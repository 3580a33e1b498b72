//! `users.list`, `users.autocomplete` and `users.checkUsernameAvailability`.

use serde_json::{Value, json};

use crate::support::server::{Actor, TestServer};

async fn names(actor: &Actor<'_>, query: &str) -> Vec<String> {
    let users = actor.get(&format!("users.list{query}")).await.ok()["users"].clone();
    users.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

async fn accounts_are_listed_page_by_page(server: &TestServer) {
    let admin = server.admin().await;
    for name in ["cyd", "amy", "bob"] {
        server.user(name).await;
    }
    let page = admin.get("users.list?count=2&offset=1").await.ok();
    assert_eq!((&page["count"], &page["offset"], &page["total"]), (&json!(2), &json!(1), &json!(4)));
    assert_eq!(names(&admin, "?count=2&offset=1").await, ["bob", "cyd"]);
    assert_eq!(names(&admin, "").await, ["amy", "bob", "cyd", "root"]);
    assert_eq!(names(&admin, "?count=0").await.len(), 4);
    assert_eq!(names(&admin, "?sort={\"username\":-1}").await, ["root", "cyd", "bob", "amy"]);
    assert_eq!(names(&admin, "?sort={\"$where\":1,\"status\":1}").await, ["amy", "bob", "cyd", "root"]);
    assert_eq!(names(&admin, "?query={\"$where\":\"1\"}&fields={\"services\":1}").await.len(), 4);
    for sort in ["x", "[1]", "{\"username\":{\"$gt\":1}}"] {
        let answer = admin.get(&format!("users.list?sort={sort}")).await;
        assert_eq!(
            (answer.status, &answer.json()["errorType"]),
            (400, &json!("error-invalid-sort")),
            "{}",
            answer.text
        );
    }
    admin.get("users.list?x=1").await.invalid_query("must NOT have additional properties");
    admin.get("users.list?count=x").await.invalid_query("must be number");
}

async fn a_list_shows_as_much_as_one_may_see(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let one = async |actor: &Actor<'_>, name: &str| {
        let users = actor.get("users.list").await.ok()["users"].clone();
        users.as_array().unwrap().iter().find(|user| user["username"] == name).unwrap().clone()
    };
    let seen = one(&bob, "root").await;
    assert_eq!(seen["nameInsensitive"], "the root");
    for hidden in ["roles", "emails", "createdAt", "lastLogin", "services", "settings"] {
        assert_eq!(seen.get(hidden), None, "{hidden}");
    }
    assert_eq!(one(&admin, "bob").await["roles"], json!(["user"]));
    assert_eq!(one(&bob, "bob").await["roles"], json!(["user"]));
    for actor in [&admin, &bob] {
        assert!(!actor.get("users.list").await.text.contains("services"));
    }
}

async fn who_may_list_whom(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let nobody = server.user_with("nobody", &[]).await;
    nobody.get("users.list?x=1").await.forbidden();
    let refused = json!({"success": false, "error": "unauthorized"});
    bob.get("users.list?email=root@example.org").await.is(403, refused.clone());
    assert_eq!(names(&admin, "?email=BOB@example.org").await, ["bob"]);
    assert_eq!(names(&admin, "?email=bob").await, [""; 0]);
    let found = admin.get("users.list?email=bob@example.org").await.ok();
    assert_eq!((&found["total"], &found["count"]), (&json!(1), &json!(1)));
    server.plant_setting("API_Apply_permission_view-outside-room_on_users-list", "true").await;
    bob.get("users.list").await.ok();
    let inside = json!({"permissions": [{"_id": "view-outside-room", "roles": ["admin"]}]});
    admin.post("permissions.update", inside).await.ok();
    bob.get("users.list").await.is(403, refused);
    admin.get("users.list").await.ok();
}

async fn accounts_are_listed_by_what_they_are(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let amy = server.user_with("amy", &["guest"]).await;
    server.plant_kind(amy.id(), "bot").await;
    admin.post("users.setActiveStatus", json!({"userId": amy.id(), "activeStatus": false})).await.ok();
    let listed = async |actor: &Actor<'_>, query: &str| {
        let page = actor.get(&format!("users.listByStatus{query}")).await.ok();
        assert_eq!(page["total"], page["count"]);
        let users = page["users"].as_array().unwrap().clone();
        users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&bob, "").await, ["amy", "bob", "root"]);
    assert_eq!(listed(&bob, "?status=active").await, ["bob", "root"]);
    assert_eq!(listed(&bob, "?status=deactivated&inactiveReason=deactivated").await, ["amy"]);
    assert_eq!(listed(&bob, "?type=bot").await, ["amy"]);
    assert_eq!(listed(&bob, "?searchTerm=THE%20B").await, ["bob"]);
    assert_eq!(listed(&bob, "?searchTerm=example").await, [""; 0]);
    assert_eq!(listed(&admin, "?searchTerm=example&status=active").await, ["bob", "root"]);
    assert_eq!(listed(&admin, "?roles[]=guest&roles[]=admin").await, ["amy", "root"]);
    assert_eq!(listed(&admin, "?hasLoggedIn=false").await, [""; 0]);
    let refused = json!({"success": false, "error": "unauthorized"});
    for hidden in ["?roles[]=admin", "?hasLoggedIn=true"] {
        bob.get(&format!("users.listByStatus{hidden}")).await.is(403, refused.clone());
    }
    bob.get("users.listByStatus?status=x").await.invalid_query("must be equal to one of the allowed values");
    bob.get("users.listByStatus?roles[$ne]=x").await.invalid_query("must be array");
    // Where somebody stands does not tell when he was there.
    assert_eq!(listed(&bob, "?sort={\"lastLogin\":-1}").await, ["amy", "bob", "root"]);
    assert_eq!(names(&bob, "?sort={\"lastLogin\":-1}").await, ["amy", "bob", "root"]);
    server.user_with("nobody", &[]).await.get("users.listByStatus").await.forbidden();
}

async fn people_are_suggested(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    for name in ["anna", "annie", "amy", "a.b"] {
        server.user(name).await;
    }
    let suggested = async |actor: &Actor<'_>, selector: Value| {
        let request = actor.request(reqwest::Method::GET, "/api/v1/users.autocomplete");
        let items = actor.send(request.query(&[("selector", selector.to_string())])).await.ok()["items"].clone();
        let names = items.as_array().unwrap().iter().map(|item| item["username"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(suggested(&bob, json!({"term": "AN"})).await, ["anna", "annie"]);
    let selector = json!({"term": "an", "exceptions": ["anna"], "conditions": {"$where": "1"}});
    assert_eq!(suggested(&bob, selector).await, ["annie"]);
    assert_eq!(suggested(&bob, json!({"term": "a."})).await, ["a.b"]);
    assert_eq!(suggested(&bob, json!({})).await.len(), 6);
    for selector in ["x", "[]", "{\"term\":{\"$ne\":1}}"] {
        let request = bob.request(reqwest::Method::GET, "/api/v1/users.autocomplete");
        let answer = bob.send(request.query(&[("selector", selector)])).await;
        assert_eq!((answer.status, &answer.json()["errorType"]), (400, &json!("error-invalid-query")));
    }
    bob.get("users.autocomplete").await.invalid_query("must have required property 'selector'");
    bob.post("channels.create", json!({"name": "den", "members": ["annie"]})).await.ok();
    let inside = json!({"permissions": [{"_id": "view-outside-room", "roles": ["admin"]}]});
    admin.post("permissions.update", inside).await.ok();
    assert_eq!(suggested(&bob, json!({"term": "an"})).await, ["annie"]);
    assert_eq!(suggested(&admin, json!({"term": "an"})).await, ["anna", "annie"]);
}

async fn a_username_is_free_or_not(server: &TestServer) {
    let bob = server.user("bob").await;
    for (name, free) in [
        ("zoe", true),
        ("bob", true),
        ("BOB", true),
        ("root", false),
        ("Root", false),
        ("admin", false),
        ("a%20b", false),
    ] {
        let answer = bob.get(&format!("users.checkUsernameAvailability?username={name}")).await;
        answer.is(200, json!({"result": free, "success": true}));
    }
    bob.get("users.checkUsernameAvailability").await.invalid_query("must have required property 'username'");
    let answer = bob.get("users.checkUsernameAvailability?username=").await;
    let details = json!({"method": "insertOrUpdateUser", "field": "Username"});
    answer.refused_with("The field Username is required", "error-the-field-is-required", details);
}

on_every_store!(
    accounts_are_listed_page_by_page,
    a_list_shows_as_much_as_one_may_see,
    who_may_list_whom,
    accounts_are_listed_by_what_they_are,
    people_are_suggested,
    a_username_is_free_or_not,
);
