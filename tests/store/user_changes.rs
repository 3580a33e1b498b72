//! Promises of `UserChangeStore`.

use rolekeeper::clock::Clock as _;
use rolekeeper::domain::audit::Change;
use rolekeeper::domain::ids::RoomId;
use rolekeeper::domain::permission::ACCESS_PERMISSIONS;
use rolekeeper::domain::role::{ADMIN, OWNER, RoleScope, USER};
use rolekeeper::domain::room::{GENERAL, NewRoom, RoomKind};
use rolekeeper::domain::token::TokenText;
use rolekeeper::domain::user::{Activation, EmailAddress, NewUser, PasswordHash, SoleOwnership, User};
use rolekeeper::domain::user_change::{IdleAccounts, Relinquish, RolesChange, SessionsAfter, UserPatch};
use rolekeeper::store::{Conflict, Noun, Page, Result, StoreError, Unique, UsernameMatch};
use serde_json::{Map, Value, json};

use crate::fixtures::{ALL, grant, nobody, role_id};
use crate::support::stores::TestStore;

const NO_USER: StoreError = StoreError::NotFound(Noun::User);

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn roles(user: &User, to: &[&str]) -> UserPatch {
    let to = to.iter().map(|role| role_id(role)).collect();
    UserPatch { roles: Some(RolesChange { from: user.roles().to_vec(), to }), ..UserPatch::default() }
}

fn named(username: &str) -> UserPatch {
    UserPatch { username: Some(username.to_owned()), ..UserPatch::default() }
}

fn addressed(email: &str) -> UserPatch {
    UserPatch { email: Some(email.to_owned()), ..UserPatch::default() }
}

fn switched(activation: Activation) -> UserPatch {
    UserPatch { activation: Some(activation), ..UserPatch::default() }
}

impl TestStore {
    async fn update(&self, user: &User, patch: UserPatch) -> Result<User> {
        self.store.update_user(&user.id, patch, &self.by()).await
    }

    async fn delete(&self, user: &User, relinquish: Relinquish) -> Result<Vec<RoomId>> {
        self.store.delete_user(&user.id, relinquish, &self.by()).await
    }

    pub async fn session(&self, user: &User, text: &str) {
        self.store.add_session_token(&user.id, &TokenText::new(text).hash(), 50, &self.by()).await.unwrap();
    }

    async fn is_open(&self, text: &str) -> bool {
        self.store.find_token_owner(&TokenText::new(text).hash()).await.unwrap().is_some()
    }
}

/// Somebody with something in every kind of field.
async fn ann(test: &TestStore) -> User {
    let mut new = test.new_user("ann", &[&role_id(USER)]);
    new.password = Some(PasswordHash::from_stored("$2b$10$old"));
    new.profile = object(json!({"bio": "b", "nickname": "n", "customFields": {"team": "blue", "deep": {"x": 1}}}));
    test.store.create_user(new, &test.by()).await.unwrap()
}

async fn an_update_changes_what_it_names_and_is_on_record(test: &TestStore) {
    let before = ann(test).await;
    let patch = UserPatch {
        name: Some("Anna".to_owned()),
        verified: Some(false),
        roles: Some(RolesChange {
            from: vec![role_id(USER)],
            to: vec![role_id("guest"), role_id(USER), role_id("guest")],
        }),
        password: Some(PasswordHash::from_stored("$2b$10$new")),
        profile: object(json!({"bio": null, "statusText": "here", "notAField": 1})),
        custom_fields: object(json!({"desk": 12})),
        preferences: object(json!({"hideRoles": true})),
        ..UserPatch::default()
    };
    let by = test.later();
    let mut after = None;
    let recorded = test.recorded(async || {
        after = Some(test.store.update_user(&before.id, patch.clone(), &by).await.unwrap());
    });
    let recorded = recorded.await;
    let after = after.unwrap();
    assert_eq!(test.reload(&before).await, after);
    assert_eq!((after.name.as_deref(), after.username.as_deref()), (Some("Anna"), Some("ann")));
    assert_eq!(after.roles(), [role_id("guest"), role_id(USER)]);
    assert_eq!(after.emails, [EmailAddress { address: "ann@example.org".to_owned(), verified: false }]);
    assert_eq!((after.updated_at, after.created_at), (Some(by.at), before.created_at));
    assert_eq!(
        Value::Object(after.profile.clone()),
        json!({
            "nickname": "n",
            "statusText": "here",
            "customFields": {"team": "blue", "deep": {"x": 1}, "desk": 12},
            "settings": {"preferences": {"hideRoles": true}},
        })
    );
    assert_eq!(test.store.find_password(&before.id).await.unwrap().unwrap().expose(), "$2b$10$new");
    let [Change::UserUpdated { user, before: was, after: is, password: true, relinquished }] = &recorded[..] else {
        panic!("{recorded:?}")
    };
    assert_eq!((user, relinquished.len()), (&before.id, 0));
    assert_eq!((&was["name"], &is["name"]), (&json!("Name of ann"), &json!("Anna")));
    assert_eq!((&was["roles"], &is["roles"]), (&json!(["user"]), &json!(["guest", "user"])));
    assert!(!was.contains_key("username") && !was.contains_key("nickname"), "{was:?}");
    assert!(!format!("{recorded:?}").contains("$2b$"));
    // Preferences are merged as well.
    let more = UserPatch { preferences: object(json!({"useEmojis": false})), ..UserPatch::default() };
    let after = test.update(&before, more).await.unwrap();
    assert_eq!(after.profile["settings"]["preferences"], json!({"hideRoles": true, "useEmojis": false}));
}

async fn an_update_that_changes_nothing_leaves_nothing(test: &TestStore) {
    let ann = ann(test).await;
    let same = UserPatch {
        username: Some("ann".to_owned()),
        email: Some("ann@example.org".to_owned()),
        profile: object(json!({"bio": "b", "statusText": null})),
        custom_fields: object(json!({"team": "blue"})),
        roles: Some(RolesChange { from: vec![role_id(USER)], to: vec![role_id(USER)] }),
        activation: Some(Activation::Activate),
        ..UserPatch::default()
    };
    test.later();
    let recorded = test.recorded(async || {
        assert_eq!(test.update(&ann, same.clone()).await.unwrap(), ann);
    });
    assert_eq!(recorded.await, []);
    assert_eq!(test.reload(&ann).await, ann);
}

async fn tokens_end_as_the_patch_says(test: &TestStore) {
    let ann = ann(test).await;
    let personal = TokenText::new("personal").hash();
    let hash = |text: &str| TokenText::new(text).hash();
    let with = |sessions| UserPatch {
        password: Some(PasswordHash::from_stored("$2b$10$x")),
        sessions,
        ..UserPatch::default()
    };
    test.session(&ann, "one").await;
    test.session(&ann, "two").await;
    test.plant_personal_token(&ann.id, &personal).await;
    test.update(&ann, with(SessionsAfter::Kept)).await.unwrap();
    assert!(test.is_open("one").await && test.is_open("two").await && test.is_open("personal").await);
    test.update(&ann, with(SessionsAfter::OthersEnded(hash("two")))).await.unwrap();
    assert!(!test.is_open("one").await && test.is_open("two").await && test.is_open("personal").await);
    test.update(&ann, with(SessionsAfter::Ended)).await.unwrap();
    assert!(!test.is_open("two").await && !test.is_open("personal").await);
}

async fn a_new_name_is_carried_over_to_rooms(test: &TestStore) {
    let (ann, bob) = (ann(test).await, test.user("bob").await);
    let room = test.room("den", &ann, &[&bob]).await;
    let others = test.room("others", &bob, &[&ann]).await;
    let by = test.later();
    let patch = UserPatch { name: Some("Anna".to_owned()), ..named("anna") };
    let after = test.store.update_user(&ann.id, patch, &by).await.unwrap();
    assert_eq!(after.username.as_deref(), Some("anna"));
    let creator = test.store.find_room(&room.id).await.unwrap().unwrap().creator.unwrap();
    assert_eq!(
        (creator.id, creator.username.as_str(), creator.name.as_deref()),
        (ann.id.clone(), "anna", Some("Anna"))
    );
    let creator = test.store.find_room(&others.id).await.unwrap().unwrap().creator.unwrap();
    assert_eq!(creator.username, "bob");
    assert_eq!(test.store.find_user_by_username("ANNA", UsernameMatch::IgnoreCase).await.unwrap(), Some(after));
    assert_eq!(test.store.find_user_by_username("ann", UsernameMatch::IgnoreCase).await.unwrap(), None);
    // Holders are listed by their names as they are now.
    let user = test.store.find_role(&role_id(USER)).await.unwrap().unwrap();
    test.update(&bob, named("aaron")).await.unwrap();
    let listed = test.store.list_holders(&user, None, ALL).await.unwrap().items;
    assert_eq!(crate::fixtures::names(&listed), ["aaron", "anna"]);
    if let Some(documents) = test.documents("rocketchat_subscription", mongodb::bson::doc! {}).await {
        for subscription in documents {
            let member = subscription.get_document("u").unwrap();
            let of_ann = member.get_str("_id").unwrap() == ann.id.as_str();
            let names = (member.get_str("username").unwrap(), member.get_str("name").unwrap());
            assert_eq!(names, if of_ann { ("anna", "Anna") } else { ("aaron", "Name of bob") });
        }
    }
}

async fn an_update_is_refused_in_its_order(test: &TestStore) {
    let (ann, root) = (ann(test).await, test.admin("root").await);
    test.user("Bob").await;
    let everything = UserPatch {
        email: Some("BOB@example.org".to_owned()),
        roles: Some(RolesChange { from: vec![role_id("guest")], to: vec![role_id("unknown")] }),
        activation: Some(Activation::Deactivate),
        ..named("bOB")
    };
    test.refuses(NO_USER, test.store.update_user(&nobody(), everything.clone(), &test.by())).await;
    test.refuses(Conflict::RolesChanged, test.update(&root, everything.clone())).await;
    let mut patch = everything;
    patch.roles.as_mut().unwrap().from = vec![role_id(ADMIN)];
    test.refuses(StoreError::AlreadyExists(Unique::Username), test.update(&root, patch.clone())).await;
    patch.username = Some("ROOT".to_owned());
    test.refuses(StoreError::AlreadyExists(Unique::EmailAddress), test.update(&root, patch.clone())).await;
    patch.email = None;
    test.refuses(Conflict::UnknownRole(role_id("unknown")), test.update(&root, patch.clone())).await;
    patch.roles.as_mut().unwrap().to = vec![role_id(USER)];
    let holders = vec!["root".to_owned()];
    test.refuses(Conflict::LastAdministrator { holders }, test.update(&root, patch.clone())).await;
    // One's own name in another spelling is free.
    assert_eq!(test.update(&root, named("ROOT")).await.unwrap().username.as_deref(), Some("ROOT"));
    assert_eq!(test.reload(&ann).await, ann);
}

async fn nobody_is_locked_out_by_an_update(test: &TestStore) {
    let (root, second) = (test.admin("root").await, test.admin("second").await);
    let keeper = test.role("Keeper", RoleScope::Users).await;
    let keeper = keeper.id.as_str();
    let root = test.update(&root, roles(&root, &[ADMIN, keeper])).await.unwrap();
    test.store.update_permissions(vec![grant(ACCESS_PERMISSIONS, &[&role_id(keeper)])], &test.later()).await.unwrap();
    test.refuses(Conflict::PermissionsLockout, test.update(&root, roles(&root, &[ADMIN]))).await;
    test.refuses(Conflict::PermissionsLockout, test.update(&root, switched(Activation::Deactivate))).await;
    test.update(&root, roles(&root, &[keeper])).await.unwrap();
    let root = test.reload(&root).await;
    test.update(&second, roles(&second, &[ADMIN, keeper])).await.unwrap();
    test.update(&root, roles(&root, &[])).await.unwrap();
    assert!(test.reload(&root).await.roles().is_empty());
}

async fn an_update_that_switches_off_does_what_switching_off_does(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob) = (ann(test).await, test.user("bob").await);
    let shared = test.room("shared", &ann, &[&bob]).await;
    test.session(&ann, "one").await;
    let ownership = SoleOwnership { alone: vec![], shared: vec!["shared".to_owned()] };
    let mut patch = switched(Activation::Deactivate);
    patch.name = Some("Gone".to_owned());
    test.refuses(Conflict::SoleOwner(ownership), test.update(&ann, patch.clone())).await;
    patch.activation = Some(Activation::DeactivateAndRelinquish);
    let recorded = test.recorded(async || {
        let after = test.update(&ann, patch.clone()).await.unwrap();
        assert_eq!((after.active, after.name.as_deref()), (false, Some("Gone")));
    });
    let recorded = recorded.await;
    let [Change::UserUpdated { relinquished, .. }] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!(relinquished.as_slice(), std::slice::from_ref(&shared.id));
    assert!(test.room_roles(&shared, &bob).await.contains(&role_id(OWNER)));
    assert!(!test.is_open("one").await);
    assert!(test.update(&ann, switched(Activation::Activate)).await.unwrap().active);
}

async fn of_two_who_want_one_name_or_address_one_gets_it(test: &TestStore) {
    let pair = [test.user("ann").await, test.user("bob").await];
    for round in 0..5 {
        for patches in [
            [named(&format!("cyd{round}")), named(&format!("CYD{round}"))],
            [addressed(&format!("c{round}@b.org")), addressed(&format!("C{round}@b.org"))],
        ] {
            let calls = pair.iter().zip(patches).map(|(user, patch)| {
                let (store, id, by) = (test.store.clone(), user.id.clone(), test.by());
                tokio::spawn(async move { store.update_user(&id, patch, &by).await })
            });
            let mut done = 0;
            for call in calls.collect::<Vec<_>>() {
                match call.await.unwrap() {
                    Ok(_) => done += 1,
                    Err(StoreError::AlreadyExists(_)) => {}
                    Err(refusal) => panic!("{refusal:?}"),
                }
            }
            assert_eq!(done, 1);
        }
    }
}

async fn a_deleted_account_is_gone_with_what_is_its_own(test: &TestStore) {
    test.admin("root").await;
    let mut new = NewUser { join_default_rooms: true, ..test.new_user("ann", &[&role_id(USER)]) };
    new.password = Some(PasswordHash::from_stored("$2b$10$x"));
    let (ann, bob) = (test.store.create_user(new, &test.by()).await.unwrap(), test.user("bob").await);
    let room = test.room("den", &bob, &[&ann]).await;
    let deputy = test.role("deputy", RoleScope::Subscriptions).await;
    test.assign(&deputy.id, &ann, Some(&room)).await;
    test.session(&ann, "one").await;
    let direct = NewRoom { kind: RoomKind::Direct, ..test.new_room("ann-bob", &bob, &[&ann]) };
    let direct = test.store.create_room(direct, &test.by()).await.unwrap();
    let party = [test.user("cyd").await, test.user("dan").await];
    let party = test.new_room("party", &bob, &[&ann, &party[0], &party[1]]);
    let party = test.store.create_room(NewRoom { kind: RoomKind::Direct, ..party }, &test.by()).await.unwrap();
    let general = RoomId::from_stored(GENERAL);
    let in_general = test.store.find_room(&general).await.unwrap().unwrap().members;
    let by = test.later();
    let recorded = test.recorded(async || {
        assert_eq!(test.store.delete_user(&ann.id, Relinquish::Refuse, &by).await.unwrap(), []);
    });
    let expected = Change::UserDeleted {
        user: ann.id.clone(),
        username: Some("ann".to_owned()),
        roles: vec![role_id(USER)],
        relinquished: vec![],
        deleted_rooms: vec![],
    };
    assert_eq!(recorded.await, [expected]);
    assert_eq!(test.store.find_user(&ann.id).await.unwrap(), None);
    assert_eq!(test.store.find_password(&ann.id).await.unwrap(), None);
    assert!(!test.is_open("one").await);
    assert_eq!(test.store.list_memberships(&ann.id).await.unwrap(), []);
    assert!(test.store.role_usage(&deputy.id).await.unwrap().is_free());
    let members =
        async |id: &RoomId| test.store.find_room(id).await.unwrap().map(|room| (room.members, room.updated_at));
    assert_eq!(members(&room.id).await, Some((1, by.at)));
    assert_eq!(members(&general).await, Some((in_general - 1, by.at)));
    assert_eq!(members(&party.id).await, Some((3, by.at)));
    assert_eq!(members(&direct.id).await, None);
    assert_eq!(test.store.find_room_roles(&direct.id, &bob.id).await.unwrap(), None);
    // Name and address are free again.
    test.user("ann").await;
}

async fn rooms_of_a_deleted_owner_go_to_others_or_with_him(test: &TestStore) {
    test.admin("root").await;
    let (ann, bob, idle) = (test.user("ann").await, test.user("bob").await, test.user("idle").await);
    let alone = test.room("zoo", &ann, &[]).await;
    let deserted = test.room("attic", &ann, &[&idle]).await;
    let shared = test.room("shared", &ann, &[&idle, &bob]).await;
    let late = test.user("late").await;
    test.store.set_user_active(&idle.id, Activation::Deactivate, &test.later()).await.unwrap();
    let ownership =
        SoleOwnership { alone: vec!["attic".to_owned(), "zoo".to_owned()], shared: vec!["shared".to_owned()] };
    test.refuses(Conflict::SoleOwner(ownership), test.delete(&ann, Relinquish::Refuse)).await;
    let by = test.later();
    let recorded = test.recorded(async || {
        let deleted = test.store.delete_user(&ann.id, Relinquish::Confirmed, &by).await.unwrap();
        assert_eq!(deleted, [deserted.id.clone(), alone.id.clone()]);
    });
    let recorded = recorded.await;
    let [Change::UserDeleted { relinquished, deleted_rooms, .. }] = &recorded[..] else { panic!("{recorded:?}") };
    assert_eq!((relinquished, deleted_rooms), (&vec![shared.id.clone()], &vec![deserted.id.clone(), alone.id.clone()]));
    assert_eq!(test.room_roles(&shared, &bob).await, [role_id(OWNER)]);
    for room in [&alone, &deserted] {
        assert_eq!(test.store.find_room(&room.id).await.unwrap(), None);
    }
    assert_eq!(test.store.list_memberships(&idle.id).await.unwrap().len(), 1);
    assert_eq!(test.store.list_memberships(&late.id).await.unwrap(), []);
}

async fn a_default_room_stays_when_its_owner_goes(test: &TestStore) {
    test.admin("root").await;
    let joining = NewUser { join_default_rooms: true, ..test.new_user("ann", &[&role_id(USER)]) };
    let ann = test.store.create_user(joining, &test.by()).await.unwrap();
    let general = test.store.find_room(&RoomId::from_stored(GENERAL)).await.unwrap().unwrap();
    test.assign(&role_id(OWNER), &ann, Some(&general)).await;
    assert_eq!(test.delete(&ann, Relinquish::Confirmed).await.unwrap(), []);
    assert_eq!(test.store.find_room(&general.id).await.unwrap().unwrap().members, 0);
}

async fn a_deletion_is_refused_in_its_order(test: &TestStore) {
    let root = test.admin("root").await;
    test.room("den", &root, &[]).await;
    for relinquish in [Relinquish::Refuse, Relinquish::Confirmed] {
        test.refuses(NO_USER, test.store.delete_user(&nobody(), relinquish, &test.by())).await;
        let holders = vec!["root".to_owned()];
        test.refuses(Conflict::LastAdministrator { holders }, test.delete(&root, relinquish)).await;
    }
    test.admin("second").await;
    let keeper = test.role("Keeper", RoleScope::Users).await;
    test.assign(&keeper.id, &root, None).await;
    test.store.update_permissions(vec![grant(ACCESS_PERMISSIONS, &[&keeper.id])], &test.later()).await.unwrap();
    test.refuses(Conflict::PermissionsLockout, test.delete(&root, Relinquish::Confirmed)).await;
    test.user_with("other", &[&keeper.id]).await;
    let ownership = SoleOwnership { alone: vec!["den".to_owned()], shared: vec![] };
    test.refuses(Conflict::SoleOwner(ownership), test.delete(&root, Relinquish::Refuse)).await;
    test.delete(&root, Relinquish::Confirmed).await.unwrap();
    // Nobody does without somebody who cannot act.
    let away = NewUser { active: false, ..test.new_user("away", &[&role_id(ADMIN)]) };
    let away = test.store.create_user(away, &test.by()).await.unwrap();
    test.delete(&away, Relinquish::Refuse).await.unwrap();
}

async fn idle_accounts_are_deactivated_in_bounded_steps(test: &TestStore) {
    test.admin("root").await;
    let caller = test.user("caller").await;
    let mut idle = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        let user = test.user(name).await;
        test.later();
        test.session(&user, name).await;
        idle.push(user);
    }
    test.session(&caller, "caller").await;
    let never = test.user("never").await;
    let guest = test.user_with("guest", &[&role_id("guest")]).await;
    test.session(&guest, "guest").await;
    let since = test.clock.now();
    test.later();
    let fresh = test.user("fresh").await;
    test.session(&fresh, "fresh").await;
    let wanted = IdleAccounts { role: role_id(USER), since, except: caller.id.clone() };
    let room = test.room("den", &idle[0], &[&fresh]).await;
    let step = async |limit: u64| test.store.deactivate_idle_users(&wanted, limit, &test.by()).await.unwrap();
    test.later();
    let recorded = test.recorded(async || assert_eq!(step(2).await, 2));
    let users = vec![idle[0].id.clone(), idle[1].id.clone()];
    let expected = Change::IdleUsersDeactivated { users, relinquished: vec![room.id.clone()] };
    assert_eq!(recorded.await, [expected]);
    assert_eq!(test.room_roles(&room, &fresh).await, [role_id(OWNER)]);
    let off = test.reload(&idle[0]).await;
    assert_eq!((off.active, off.updated_at, off.roles()), (false, Some(test.clock.now()), idle[0].roles()));
    assert!(!test.is_open("a").await && test.is_open("c").await);
    assert_eq!(step(2).await, 2);
    assert_eq!(step(2).await, 1);
    let recorded = test.recorded(async || assert_eq!(step(2).await, 0));
    assert_eq!(recorded.await, []);
    for user in [&caller, &never, &guest, &fresh] {
        assert!(test.reload(user).await.active, "{:?}", user.username);
    }
}

async fn whoever_cannot_be_spared_stays_though_idle(test: &TestStore) {
    let (root, second) = (test.admin("root").await, test.admin("second").await);
    let keeper = test.role("Keeper", RoleScope::Users).await;
    let third = test.user_with("third", &[&role_id(ADMIN), &keeper.id]).await;
    for user in [&root, &second, &third] {
        test.session(user, user.username.as_deref().unwrap()).await;
    }
    test.store.update_permissions(vec![grant(ACCESS_PERMISSIONS, &[&keeper.id])], &test.by()).await.unwrap();
    let idle = IdleAccounts { role: role_id(ADMIN), since: test.clock.now(), except: nobody() };
    let mut count = 0;
    loop {
        match test.store.deactivate_idle_users(&idle, 1, &test.later()).await.unwrap() {
            0 => break,
            more => count += more,
        }
    }
    assert_eq!(count, 2);
    assert!(test.reload(&third).await.active);
    let page = Page { offset: 0, count: None };
    let admin = test.store.find_role(&role_id(ADMIN)).await.unwrap().unwrap();
    let holders = test.store.list_holders(&admin, None, page).await.unwrap().items;
    assert_eq!(holders.iter().filter(|holder| holder.can_act()).count(), 1);
}

on_every_backend![
    an_update_changes_what_it_names_and_is_on_record,
    an_update_that_changes_nothing_leaves_nothing,
    tokens_end_as_the_patch_says,
    a_new_name_is_carried_over_to_rooms,
    an_update_is_refused_in_its_order,
    nobody_is_locked_out_by_an_update,
    an_update_that_switches_off_does_what_switching_off_does,
    of_two_who_want_one_name_or_address_one_gets_it,
    a_deleted_account_is_gone_with_what_is_its_own,
    rooms_of_a_deleted_owner_go_to_others_or_with_him,
    a_default_room_stays_when_its_owner_goes,
    a_deletion_is_refused_in_its_order,
    idle_accounts_are_deactivated_in_bounded_steps,
    whoever_cannot_be_spared_stays_though_idle,
];
