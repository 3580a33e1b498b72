//! Many clients at once on the surface of organizations: a role is deleted or held but never both, and of many changes
//! for one revision one is made.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;

use crate::organizations::{Person, refused};
use crate::support::server::TestServer;

const ROUNDS: usize = 40;
const TAKERS: usize = 5;

async fn a_role_is_deleted_or_held_but_never_both(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let mut people = Vec::new();
    for number in 0..TAKERS {
        let person = Person::new(server, &format!("taker{number}")).await;
        ann.adds(&place, &person).await;
        people.push(person);
    }
    for round in 0..ROUNDS {
        let role = ann.role(&place, &format!("role {round}"), &["invite_users"]).await;
        let path = format!("{place}/roles/{role}");
        let start = tokio::sync::Barrier::new(TAKERS + 1);
        let deletion = async {
            start.wait().await;
            ann.delete(&path).await
        };
        let takes = people.iter().map(|person| {
            let (start, ann, path) = (&start, &ann, format!("{path}/members"));
            async move {
                start.wait().await;
                ann.post(&path, json!({"user_id": person.id})).await
            }
        });
        let (deleted, taken) = tokio::join!(deletion, join_all(takes));
        if deleted.status == 204 {
            for take in &taken {
                refused(take, 404, "ROLE_NOT_FOUND");
            }
            refused(&ann.get(&path).await, 404, "ROLE_NOT_FOUND");
            for person in &people {
                let effective = format!("{place}/users/{}/effective-permissions", person.id);
                let held = person.get(&effective).await.ok()["role_ids"].clone();
                assert!(!held.as_array().unwrap().contains(&json!(role)), "{held}");
            }
        } else {
            let details = refused(&deleted, 409, "ROLE_HAS_MEMBERS");
            assert!(details["member_count"].as_u64().unwrap() >= 1);
            assert!(taken.iter().all(|take| take.status == 201));
            assert_eq!(ann.get(&path).await.ok()["member_count"], TAKERS);
        }
    }
}

async fn of_many_changes_for_one_revision_one_is_made(server: &TestServer) {
    let ann = Person::new(server, "ann").await;
    let place = ann.organization("Acme").await;
    let path = format!("{place}/roles/{}", ann.role(&place, "Role", &["invite_users"]).await);
    for round in 1..=15_u64 {
        let tag = format!("\"{round}\"");
        let edits = (0..6).map(|number| {
            let (ann, path, tag) = (&ann, &path, tag.clone());
            async move {
                let body = json!({"description": format!("{round}/{number}")});
                ann.send(Method::PATCH, path, Some(&body), &[("If-Match", &tag)]).await
            }
        });
        let answers = join_all(edits).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        for late in answers.iter().filter(|answer| answer.status != 200) {
            let details = refused(late, 412, "PRECONDITION_FAILED");
            assert_eq!(details, json!({"current": format!("\"{}\"", round + 1)}));
        }
    }
}

on_every_store!(a_role_is_deleted_or_held_but_never_both, of_many_changes_for_one_revision_one_is_made);
