//! Who holds what, page by page: `roles.getUsersInRole` with its windows and totals, and `roles.getUsersInPublicRoles`.

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use crate::support::server::{Actor, TestServer};
use crate::support::stores::Raw;

/// A page: the usernames, and the total that came with them.
async fn page(actor: &Actor<'_>, query: &str) -> (Vec<String>, Value) {
    let answer = actor.get(&format!("roles.getUsersInRole?{query}")).await.ok();
    let keys: Vec<_> = answer.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["users", "total", "success"]);
    let names = answer["users"].as_array().unwrap().iter();
    (names.map(|user| user["username"].as_str().unwrap().to_owned()).collect(), answer["total"].clone())
}

/// The names of those people.
fn people(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("p{number:03}")).collect()
}

async fn hire(server: &TestServer, range: std::ops::Range<usize>, roles: &[&str]) {
    for name in people(range) {
        server.user_with(&name, roles).await;
    }
}

/// Stores a setting of the workspace.
async fn plant_number(server: &TestServer, id: &str, number: i32) {
    match &server.raw {
        Raw::Sqlite(store) => {
            store.run_sql(&format!("INSERT INTO settings (id, value) VALUES ('{id}', '{number}')")).await.unwrap();
        }
        Raw::Mongo(database) => {
            let setting = doc! { "_id": id, "value": number };
            database.collection::<Document>("rocketchat_settings").insert_one(setting).await.unwrap();
        }
    }
    server.changed_past_it();
}

async fn the_total_is_of_all_whatever_the_page(server: &TestServer) {
    let admin = server.admin().await;
    let mut hired = 0;
    for total in [25, 26, 50, 51] {
        hire(server, hired..total, &["bot"]).await;
        hired = total;
        for (query, expected) in [
            ("", 0..total.min(50)),
            ("&count=25", 0..25),
            ("&count=25&offset=25", 25..total.min(50)),
            ("&offset=25", 25..total),
            ("&offset=50", 50.min(total)..total),
            ("&offset=51", 0..0),
            ("&count=1&offset=24", 24..25),
            ("&count=100", 0..total),
            ("&count=0", 0..total),
            ("&count=0&offset=1", 1..total),
        ] {
            let listed = page(&admin, &format!("role=bot{query}")).await;
            assert_eq!(listed, (people(expected), json!(total)), "{query} of {total}");
        }
    }
}

async fn odd_windows_are_read_as_the_nearest_that_makes_sense(server: &TestServer) {
    let admin = server.admin().await;
    hire(server, 0..4, &["bot"]).await;
    for (query, expected) in [
        ("&count=-1", 0..4),
        ("&count=-0", 0..4),
        ("&count=&offset=&roomId=", 0..4),
        ("&count=2.9", 0..2),
        ("&count=1e0", 0..1),
        ("&count=1e30", 0..4),
        ("&offset=-3", 0..4),
        ("&offset=1.9", 1..4),
        ("&offset=1e30", 0..0),
        ("&offset=18446744073709551615&count=18446744073709551615", 0..0),
    ] {
        let listed = page(&admin, &format!("role=bot{query}")).await;
        assert_eq!(listed, (people(expected), json!(4)), "{query}");
    }
    for query in ["count=x", "count=Infinity", "count=NaN", "offset=1x", "offset[$gt]=1", "count=1&count=2"] {
        let answer = admin.get(&format!("roles.getUsersInRole?role=bot&{query}")).await;
        answer.invalid_query("must be number");
    }
}

async fn a_page_has_an_upper_limit(server: &TestServer) {
    let admin = server.admin().await;
    hire(server, 0..4, &["bot"]).await;
    for (query, expected) in
        [("", 0..2), ("&count=3", 0..3), ("&count=4", 0..3), ("&count=1000&offset=1", 1..4), ("&count=0", 0..2)]
    {
        let listed = page(&admin, &format!("role=bot{query}")).await;
        assert_eq!(listed, (people(expected), json!(4)), "{query}");
    }
}

async fn senseless_bounds_of_the_workspace_do_not_count(server: &TestServer) {
    let admin = server.admin().await;
    hire(server, 0..3, &["bot"]).await;
    plant_number(server, "API_Default_Count", 0).await;
    plant_number(server, "API_Upper_Count_Limit", -1).await;
    assert_eq!(page(&admin, "role=bot").await, (people(0..3), json!(3)));
    assert_eq!(page(&admin, "role=bot&count=2").await, (people(0..2), json!(3)));
}

async fn members_with_a_role_are_paged_too(server: &TestServer) {
    let admin = server.admin().await;
    hire(server, 0..27, &["user"]).await;
    let mut rooms = Vec::new();
    for (name, members) in [("one", people(0..27)), ("two", people(25..27))] {
        let answer = admin.post("channels.create", json!({"name": name, "members": members})).await;
        let room = answer.ok()["channel"]["_id"].as_str().unwrap().to_owned();
        for member in members {
            let body = json!({"username": member, "roleId": "moderator", "roomId": room});
            admin.post("roles.addUserToRole", body).await.ok();
        }
        rooms.push(room);
    }
    // On his own list a room role makes nobody a moderator of anything.
    admin.post("roles.addUserToRole", json!({"username": "root", "roleId": "moderator"})).await.ok();
    let (one, two) = (&rooms[0], &rooms[1]);
    for (query, expected, total) in [
        (String::new(), 0..27, 27),
        ("&count=25".to_owned(), 0..25, 27),
        ("&count=25&offset=25".to_owned(), 25..27, 27),
        (format!("&roomId={one}&count=26"), 0..26, 27),
        (format!("&roomId={one}&offset=26"), 26..27, 27),
        (format!("&roomId={two}&count=1"), 25..26, 2),
        (format!("&roomId={two}&count=0"), 25..27, 2),
        (format!("&roomId={two}&offset=2"), 0..0, 2),
        ("&roomId=nowhere".to_owned(), 0..0, 0),
        ("&roomId=".to_owned(), 0..27, 27),
    ] {
        let listed = page(&admin, &format!("role=moderator{query}")).await;
        assert_eq!(listed, (people(expected), json!(total)), "{query}");
    }
}

async fn holders_in_a_room_are_shown_to_those_who_may_see_rooms(server: &TestServer) {
    let admin = server.admin().await;
    let role = admin.post("roles.create", json!({"name": "keeper"})).await.ok()["role"]["_id"].clone();
    let role = role.as_str().unwrap();
    let grant = async |permission: &str| {
        let grants = json!({"permissions": [{"_id": permission, "roles": ["admin", role]}]});
        admin.post("permissions.update", grants).await.ok();
    };
    grant("access-permissions").await;
    let carol = server.user_with("carol", &[role]).await;
    for query in ["role=owner&roomId=GENERAL", "role=user&roomId=GENERAL"] {
        let answer = carol.get(&format!("roles.getUsersInRole?{query}")).await;
        answer.refused("Not allowed", "error-not-allowed");
    }
    page(&carol, "role=owner").await;
    page(&carol, "role=owner&roomId=").await;
    grant("view-other-user-channels").await;
    page(&carol, "role=owner&roomId=GENERAL").await;
}

async fn public_roles_are_told_to_everybody(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user_with("bob", &["livechat-agent", "user", "admin"]).await);
    let hidden = admin.post("roles.create", json!({"name": "hidden"})).await.ok()["role"]["_id"].clone();
    let body = json!({"name": "shown", "description": "For all to see"});
    let shown = admin.post("roles.create", body).await.ok()["role"]["_id"].clone();
    let body = json!({"name": "in rooms", "description": "There", "scope": "Subscriptions"});
    let in_rooms = admin.post("roles.create", body).await.ok()["role"]["_id"].clone();
    let (hidden, shown) = (hidden.as_str().unwrap(), shown.as_str().unwrap());
    let amy = server.user_with("amy", &[shown, hidden]).await;
    server.user_with("dan", &[hidden, "user"]).await;
    admin.post("roles.addUserToRole", json!({"username": "dan", "roleId": in_rooms})).await.ok();
    let off = json!({"userId": amy.id(), "activeStatus": false});
    admin.post("users.setActiveStatus", off).await.ok();
    let plain = server.user_with("plain", &[]).await;
    let expected = json!([
        {"_id": amy.id(), "username": "amy", "roles": [shown]},
        {"_id": bob.id(), "username": "bob", "roles": ["livechat-agent", "admin"]},
        {"_id": admin.id(), "username": "root", "roles": ["admin"]},
    ]);
    for query in ["", "?count=1&offset=1"] {
        let answer = plain.get(&format!("roles.getUsersInPublicRoles{query}")).await;
        answer.is(200, json!({"users": expected, "success": true}));
    }
    // A role becomes public with its description, at once.
    let body = json!({"roleId": hidden, "name": "hidden", "description": "No longer"});
    admin.post("roles.update", body).await.ok();
    let answer = plain.get("roles.getUsersInPublicRoles").await.ok();
    assert_eq!(answer["users"][0]["roles"], json!([shown, hidden]));
    assert_eq!(answer["users"][2]["username"], "dan");
    server.anonymous().get("roles.getUsersInPublicRoles").await.unauthenticated();
}

on_every_store!(
    the_total_is_of_all_whatever_the_page,
    odd_windows_are_read_as_the_nearest_that_makes_sense,
    senseless_bounds_of_the_workspace_do_not_count,
    members_with_a_role_are_paged_too,
    holders_in_a_room_are_shown_to_those_who_may_see_rooms,
    public_roles_are_told_to_everybody,
);

on_every_store!(
    bounded, "OVERWRITE_SETTING_API_Default_Count" = "2", "OVERWRITE_SETTING_API_Upper_Count_Limit" = "3",
    "OVERWRITE_SETTING_API_Allow_Infinite_Count" = "false";
    a_page_has_an_upper_limit,
);
