//! Promises of `ReceiptStore`, and that a change and its receipt are one.

use std::sync::Arc;

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::AuditContext;
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::organization::{CountedRole, RoleChange};
use rolekeeper::domain::receipt::{Fingerprint, Found, KEPT_MS, KeptAnswer, Pending, RUNNING_MS, ReceiptKey, Ticket};
use rolekeeper::domain::role::{Role, RoleScope};
use rolekeeper::store::{Order, OrganizationConflict, StoreError};
use tokio::task::JoinSet;

use crate::fixtures::{definition, nobody};
use crate::support::stores::TestStore;

fn ticket(key: &str, run: &str) -> Ticket {
    Ticket { key: ReceiptKey::parse(&nobody(), key).unwrap(), run: run.to_owned() }
}

fn request(text: &str) -> Fingerprint {
    Fingerprint::of(&[text.as_bytes()])
}

fn answer(body: &str) -> KeptAnswer {
    KeptAnswer {
        status: 409,
        etag: Some("\"7\"".to_owned()),
        content_type: Some("application/json".to_owned()),
        body: body.to_owned(),
    }
}

impl TestStore {
    async fn take(&self, ticket: &Ticket, request: &Fingerprint) -> Found {
        self.store.take_receipt(ticket, request, self.clock.now()).await.unwrap()
    }

    /// A change whose receipt holds the name of the role.
    fn with_receipt(&self, ticket: &Ticket) -> Order {
        let receipt = Pending::new(ticket.clone(), |made: &CountedRole| Some(answer(&made.role.name)));
        Order::plain(AuditContext { receipt: Some(receipt), ..self.by() })
    }
}

async fn an_answer_is_found_by_the_same_request_for_a_day(test: &TestStore) {
    let (one, two) = (ticket("k", "1"), ticket("k", "2"));
    let (same, other) = (request("a"), request("b"));
    assert_eq!(test.take(&one, &same).await, Found::Vacant);
    assert_eq!(test.take(&two, &same).await, Found::Running);
    assert_eq!(test.take(&two, &other).await, Found::OtherRequest);
    let elsewhere = Ticket { key: ReceiptKey { user: UserId::from_stored("u"), ..one.key.clone() }, ..two.clone() };
    assert_eq!(test.take(&elsewhere, &other).await, Found::Vacant, "somebody else's keys are his own");
    test.store.keep_answer(&one, &answer("ä")).await.unwrap();
    for moment in [0, RUNNING_MS, KEPT_MS - RUNNING_MS - 1] {
        test.clock.advance(moment);
        assert_eq!(test.take(&two, &same).await, Found::Answered(answer("ä")));
        assert_eq!(test.take(&two, &other).await, Found::OtherRequest);
    }
    test.clock.advance(1);
    assert_eq!(test.take(&two, &other).await, Found::Vacant);
}

async fn a_place_is_given_up_or_taken_over(test: &TestStore) {
    let (one, two, same) = (ticket("k", "1"), ticket("k", "2"), request("a"));
    assert_eq!(test.take(&one, &same).await, Found::Vacant);
    test.store.drop_receipt(&two).await.unwrap();
    assert_eq!(test.take(&two, &same).await, Found::Running, "only its holder gives a place up");
    test.store.drop_receipt(&one).await.unwrap();
    assert_eq!(test.take(&two, &same).await, Found::Vacant);
    test.clock.advance(RUNNING_MS);
    let three = ticket("k", "3");
    assert_eq!(test.take(&three, &same).await, Found::Vacant, "whoever ran so long has died");
    test.store.keep_answer(&two, &answer("late")).await.unwrap();
    test.store.drop_receipt(&two).await.unwrap();
    assert_eq!(test.take(&one, &same).await, Found::Running, "and has no say any more");
    test.store.keep_answer(&three, &answer("done")).await.unwrap();
    test.store.keep_answer(&three, &answer("twice")).await.unwrap();
    test.store.drop_receipt(&three).await.unwrap();
    assert_eq!(test.take(&one, &same).await, Found::Answered(answer("done")), "an answer stays as it was given");
}

async fn a_change_and_its_receipt_are_one(test: &TestStore) {
    let ann = test.user("ann").await;
    let place = test.organization("Acme", &ann).await;
    let (one, two, same) = (ticket("k", "1"), ticket("k", "2"), request("a"));
    assert_eq!(test.take(&one, &same).await, Found::Vacant);
    let (new, order) = (test.new_custom_role("One"), test.with_receipt(&one));
    let made = test.store.create_organization_role(&place, new, &order).await.unwrap().role;
    assert_eq!(test.take(&two, &same).await, Found::Answered(answer("One")));
    // The same run once more, and a run that never had the place: nothing happens.
    let change = RoleChange { name: Some("Two".to_owned()), ..RoleChange::default() };
    for without in [&one, &two, &ticket("other", "1")] {
        let order = test.with_receipt(without);
        let refused = test.store.update_organization_role(&place, &made.id, &change, &order);
        test.refuses(OrganizationConflict::OutOfTurn, refused).await;
        assert_eq!(test.store.find_organization_role(&place, &made.id).await.unwrap().unwrap().role, made);
    }
    // A refusal leaves the place as it was.
    let three = ticket("l", "1");
    assert_eq!(test.take(&three, &same).await, Found::Vacant);
    let order = test.with_receipt(&three);
    let again = test.store.create_organization_role(&place, test.new_custom_role("one"), &order).await;
    assert!(again.is_err());
    assert_eq!(test.take(&two_of(&three), &same).await, Found::Running);
}

fn two_of(ticket: &Ticket) -> Ticket {
    Ticket { run: "2".to_owned(), ..ticket.clone() }
}

/// What goes along with whoever asks for a change, made of the role that comes of it.
fn pending(ticket: &Ticket) -> Pending {
    Pending::new(ticket.clone(), |made: &Role| Some(answer(&made.name)))
}

impl TestStore {
    fn by_with(&self, receipt: Pending) -> AuditContext {
        AuditContext { receipt: Some(receipt), ..self.by() }
    }
}

async fn what_goes_along_is_written_with_what_is_put_on_record(test: &TestStore) {
    let (one, two, same) = (ticket("k", "1"), ticket("k", "2"), request("a"));
    assert_eq!(test.take(&one, &same).await, Found::Vacant);
    let by = test.by_with(pending(&one));
    let made = test.store.create_role(test.new_role("One", RoleScope::Users), &by).await.unwrap();
    assert_eq!(test.take(&two, &same).await, Found::Answered(answer("One")));
    assert!(by.receipt.as_ref().unwrap().is_written());
    let entry = test.store.list_audit_entries(1).await.unwrap().remove(0);
    assert_eq!((&entry.context.at, &entry.context.receipt), (&by.at, &None), "the record does not tell of it");
    // The same run once more, and a run that never had the place: nothing happens.
    for without in [&one, &two, &ticket("other", "1")] {
        let by = test.by_with(pending(without));
        let refused = test.store.update_role(&made.id, definition("Two", RoleScope::Users), &by);
        test.refuses(OrganizationConflict::OutOfTurn, refused).await;
        let (by, id) = (test.by_with(Pending::of(without.clone(), answer("gone"))), made.id.clone());
        test.refuses(OrganizationConflict::OutOfTurn, test.store.delete_role(&id, &by)).await;
    }
}

async fn what_goes_along_waits_for_a_change(test: &TestStore) {
    let (one, same) = (ticket("k", "1"), request("a"));
    assert_eq!(test.take(&one, &same).await, Found::Vacant);
    // A refusal, and a success that leaves nothing on record.
    let by = test.by_with(pending(&one));
    assert!(test.store.create_role(test.new_role("admin", RoleScope::Users), &by).await.is_err());
    let whole = test.by_with(Pending::of(one.clone(), answer("whole")));
    assert!(!test.store.remove_all_tokens(&nobody(), &whole).await.unwrap());
    assert_eq!(test.take(&two_of(&one), &same).await, Found::Running);
    // What no answer can be made of is not done.
    let by = test.by_with(pending(&one).made_by(|number: &u64| number.to_string()));
    let failed = test.store.create_role(test.new_role("Other", RoleScope::Users), &by).await;
    assert!(matches!(failed, Err(StoreError::Backend(_))), "{failed:?}");
    assert_eq!(test.take(&two_of(&one), &same).await, Found::Running);
    let by = test.by_with(pending(&one));
    test.store.create_role(test.new_role("Other", RoleScope::Users), &by).await.unwrap();
    assert_eq!(test.take(&two_of(&one), &same).await, Found::Answered(answer("Other")));
}

async fn of_many_one_finds_the_place_vacant(test: &TestStore) {
    for round in 0..20 {
        let key = format!("k{round}");
        let mut takes = JoinSet::new();
        for run in 0..8 {
            let (store, ticket, now) = (Arc::clone(&test.store), ticket(&key, &run.to_string()), test.clock.now());
            takes.spawn(async move { store.take_receipt(&ticket, &request("a"), now).await.unwrap() });
        }
        let found = takes.join_all().await;
        assert_eq!(found.iter().filter(|found| **found == Found::Vacant).count(), 1);
        assert_eq!(found.iter().filter(|found| **found == Found::Running).count(), 7);
    }
    test.clock.advance(KEPT_MS);
    let mut takes = JoinSet::new();
    for run in 0..8 {
        let (store, ticket, now) = (Arc::clone(&test.store), ticket("k0", &format!("new{run}")), test.clock.now());
        takes.spawn(async move { store.take_receipt(&ticket, &request("b"), now).await.unwrap() });
    }
    let found = takes.join_all().await;
    assert_eq!(found.iter().filter(|found| **found == Found::Vacant).count(), 1, "also of a place that is over");
}

on_every_backend![
    an_answer_is_found_by_the_same_request_for_a_day,
    a_place_is_given_up_or_taken_over,
    a_change_and_its_receipt_are_one,
    what_goes_along_is_written_with_what_is_put_on_record,
    what_goes_along_waits_for_a_change,
    of_many_one_finds_the_place_vacant,
];
