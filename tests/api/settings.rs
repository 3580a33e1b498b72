//! `settings*` and `pw.getPolicy`: who may see and change what the workspace says, which values are taken, and that a
//! change holds at once, here and on every other server of the workspace.

use rolekeeper::domain::audit::Change;
use rolekeeper::domain::role::ADMIN;
use rolekeeper::domain::setting::{RATE_LIMIT_CALLS, SETTINGS, Setting, Visibility};
use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, Start, TestServer};
use crate::support::stores::Backend;

const INVALID: &str = "error-invalid-setting-value";
const NOT_ALLOWED: &str = "error-action-not-allowed";

fn ids(visible: impl Fn(&Setting) -> bool) -> Vec<&'static str> {
    let mut ids: Vec<_> = SETTINGS.iter().filter(|setting| visible(setting)).map(|setting| setting.id).collect();
    ids.sort_unstable();
    ids
}

fn listed(body: &Value) -> Vec<&str> {
    body["settings"].as_array().unwrap().iter().map(|setting| setting["_id"].as_str().unwrap()).collect()
}

async fn set(actor: &Actor<'_>, id: &str, value: Value) -> Answer {
    actor.post(&format!("settings/{id}"), json!({"value": value})).await
}

async fn value(actor: &Actor<'_>, id: &str) -> Value {
    let answer = actor.get(&format!("settings/{id}")).await;
    let value = answer.ok()["value"].clone();
    answer.is(200, json!({"_id": id, "value": value, "success": true}));
    value
}

#[track_caller]
fn is_unknown(answer: &Answer) {
    answer.is(400, json!({"success": false}));
}

async fn everybody_sees_the_public_ones(server: &TestServer) {
    let nobody = server.anonymous();
    let public = ids(|setting| setting.visibility == Visibility::Public);
    let body = nobody.get("settings.public").await.ok();
    assert_eq!(listed(&body), public);
    let count = public.len();
    assert_eq!((&body["count"], &body["offset"], &body["total"]), (&json!(count), &json!(0), &json!(count)));
    let form = json!({"_id": "Accounts_RegistrationForm", "value": "Public", "enterprise": false});
    assert!(body["settings"].as_array().unwrap().contains(&form));
    // Whoever he is, he sees no more of them here.
    assert_eq!(server.admin().await.get("settings.public").await.ok(), body);
}

async fn some_are_asked_for_by_their_ids(server: &TestServer) {
    let nobody = server.anonymous();
    for (query, expected) in [
        ("Accounts_LoginExpiration", vec!["Accounts_LoginExpiration"]),
        (
            "Nothing,%20UTF8_User_Names_Validation%20,Accounts_LoginExpiration,",
            vec!["Accounts_LoginExpiration", "UTF8_User_Names_Validation"],
        ),
        // Neither what is private nor what is hidden can be asked for.
        ("API_Default_Count,Accounts_SystemBlockedUsernameList,Accounts_RegistrationForm_SecretURL", vec![]),
        ("Nothing", vec![]),
        (",", vec![]),
    ] {
        let body = nobody.get(&format!("settings.public?_id={query}")).await.ok();
        assert_eq!((listed(&body), &body["total"]), (expected.clone(), &json!(expected.len())), "{query}");
    }
    let all = nobody.get("settings.public").await.ok();
    assert_eq!(nobody.get("settings.public?_id=").await.ok(), all);
    nobody.get("settings.public?_id[$ne]=x").await.invalid_query("must be string");
    nobody.get("settings.public?x=1").await.invalid_query("must NOT have additional properties");
    nobody.get("settings.public?count=x").await.invalid_query("must be number");
}

async fn they_come_in_pages(server: &TestServer) {
    let nobody = server.anonymous();
    let public = ids(|setting| setting.visibility == Visibility::Public);
    for (offset, count) in [(0, 2), (1, 3), (public.len() - 1, 5), (public.len() + 7, 5)] {
        let body = nobody.get(&format!("settings.public?offset={offset}&count={count}&sort=x")).await.ok();
        let expected: Vec<_> = public.iter().copied().skip(offset).take(count).collect();
        assert_eq!(listed(&body), expected);
        assert_eq!((&body["count"], &body["total"]), (&json!(expected.len()), &json!(public.len())));
        assert_eq!(body["offset"], json!(offset));
    }
    let all = nobody.get("settings.public?count=0").await.ok();
    assert_eq!(listed(&all), public);
}

async fn whoever_may_sees_all_but_hidden_ones_and_secrets(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    set(&admin, "Accounts_RegistrationForm_SecretURL", json!("open sesame")).await.ok();
    let shown = ids(|setting| setting.visibility != Visibility::Hidden);
    let body = admin.get("settings").await.ok();
    assert_eq!((listed(&body), &body["total"]), (shown.clone(), &json!(shown.len())));
    assert!(!body.to_string().contains("sesame"));
    let secret = json!({"_id": "Accounts_RegistrationForm_SecretURL", "value": null, "enterprise": false});
    assert!(body["settings"].as_array().unwrap().contains(&secret));
    assert_eq!(value(&admin, "Accounts_RegistrationForm_SecretURL").await, Value::Null);
    // With their defaults when somebody asks for them.
    set(&admin, "API_Default_Count", json!(25)).await.ok();
    let body = admin.get("settings?includeDefaults=true&count=100&offset=0").await.ok();
    let count = json!({"_id": "API_Default_Count", "value": 25, "enterprise": false, "packageValue": 50});
    assert!(body["settings"].as_array().unwrap().contains(&count), "{body}");
    // Others see what everybody sees.
    assert_eq!(bob.get("settings").await.ok(), server.anonymous().get("settings.public").await.ok());
    server.anonymous().get("settings").await.unauthenticated();
}

async fn one_is_seen_by_whoever_may(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    assert_eq!(value(&admin, "Accounts_LoginExpiration").await, json!(90));
    for id in ["Nothing", "Accounts_SystemBlockedUsernameList", "accounts_loginexpiration", "a%2Fb%25%00", "%ff"] {
        is_unknown(&admin.get(&format!("settings/{id}")).await);
        is_unknown(&set(&admin, id, json!("x")).await);
        bob.get(&format!("settings/{id}")).await.forbidden();
        set(&bob, id, json!("x")).await.forbidden();
        server.anonymous().get(&format!("settings/{id}")).await.unauthenticated();
    }
    // What is escaped is the same.
    assert_eq!(admin.get("settings/API%5FDefault%5fCount").await.ok()["_id"], "API_Default_Count");
    for path in ["settings/", "settings/API_Default_Count/", "settings/a/b"] {
        assert_eq!(admin.get(path).await.status, 404, "{path}");
    }
    // The path says which one it is, not what is sent beside it.
    assert_eq!(
        admin.get("settings/API_Default_Count?id=Accounts_LoginExpiration").await.ok()["_id"],
        "API_Default_Count"
    );
    let body = json!({"id": "Accounts_LoginExpiration", "value": 7});
    admin.post("settings/API_Default_Count", body).await.is(200, json!({"success": true}));
    assert_eq!(value(&admin, "API_Default_Count").await, json!(7));
    assert_eq!(value(&admin, "Accounts_LoginExpiration").await, json!(90));
}

async fn a_change_is_kept_and_on_record(server: &TestServer) {
    let admin = server.admin().await;
    for (id, before, after) in [
        ("API_Allow_Infinite_Count", None, json!(false)),
        ("Accounts_LoginExpiration", None, json!(30)),
        ("Accounts_LoginExpiration", Some(json!(30)), json!(31)),
        ("Accounts_RegistrationForm", None, json!("Disabled")),
        ("UTF8_User_Names_Validation", None, json!("[a-zé]+")),
        ("Accounts_BlockedUsernameList", None, json!("root, boss")),
    ] {
        set(&admin, id, after.clone()).await.is(200, json!({"success": true}));
        assert_eq!(value(&admin, id).await, after);
        let entry = server.store.list_audit_entries(1).await.unwrap().remove(0);
        assert_eq!(entry.change, Change::SettingChanged { setting: id.to_owned(), before, after: Some(after) });
        assert_eq!(entry.context.address.as_deref(), Some("127.0.0.1"));
    }
    let entries = server.store.list_audit_entries(100).await.unwrap().len();
    set(&admin, "Accounts_RegistrationForm", json!("Disabled")).await.ok();
    assert_eq!(server.store.list_audit_entries(100).await.unwrap().len(), entries, "nothing changed");
}

async fn a_value_that_does_not_fit_is_told_what_would(server: &TestServer) {
    let admin = server.admin().await;
    let details = json!({"method": "saveSettings"});
    let before = admin.get("settings").await.ok();
    for (id, wrong, problem) in [
        ("Accounts_LoginExpiration", json!(0), "must be a whole number from 1 to 36500"),
        ("Accounts_LoginExpiration", json!(36_501), "must be a whole number from 1 to 36500"),
        ("Accounts_LoginExpiration", json!(1.5), "must be a whole number from 1 to 36500"),
        ("Accounts_LoginExpiration", json!(1e300), "must be a whole number from 1 to 36500"),
        ("Accounts_LoginExpiration", json!("30"), "must be a whole number from 1 to 36500"),
        ("Accounts_LoginExpiration", json!({"$gt": 0}), "must be a whole number from 1 to 36500"),
        ("API_Enable_Rate_Limiter_Limit_Calls_Default", json!(0), "must be a whole number from 1 to 1000000"),
        ("API_Allow_Infinite_Count", json!("true"), "must be true or false"),
        ("API_Allow_Infinite_Count", Value::Null, "must be true or false"),
        ("Accounts_RegistrationForm", json!("Open"), "must be one of: Public, Disabled, Secret URL"),
        ("Accounts_RegistrationForm", json!(["Public"]), "must be one of: Public, Disabled, Secret URL"),
        ("UTF8_User_Names_Validation", json!("[a-"), "must be a regular expression"),
        ("UTF8_User_Names_Validation", json!(7), "must be a text"),
        ("Accounts_BlockedUsernameList", json!({"$set": {}}), "must be a text"),
        ("Accounts_BlockedUsernameList", json!("x".repeat(5_000)), "must not be longer than 4096 bytes"),
        ("Accounts_RegistrationForm_SecretURL", Value::Null, "must be a text"),
    ] {
        let answer = set(&admin, id, wrong).await;
        answer.refused_with(&format!("Value for setting {id} {problem}"), INVALID, details.clone());
    }
    for body in [json!({}), json!({"values": 1})] {
        admin.post("settings/API_Default_Count", body).await.invalid_params("must have required property 'value'");
    }
    admin.post("settings/API_Default_Count", json!([])).await.invalid_params("must be object");
    assert_eq!(admin.get("settings").await.ok(), before);
}

async fn what_the_operator_fixed_stays(server: &TestServer) {
    let admin = server.admin().await;
    server.plant_setting("Accounts_LoginExpiration", "5").await;
    assert_eq!(value(&admin, "Accounts_LoginExpiration").await, json!(30));
    let details = json!({"method": "saveSettings", "action": "Fixed_setting"});
    for id in ["Accounts_LoginExpiration", "Accounts_RegistrationForm_SecretURL"] {
        for wanted in [json!(30), json!("x"), Value::Null] {
            let answer = set(&admin, id, wanted).await;
            let reason = format!("Setting {id} is fixed by the configuration of the server");
            answer.refused_with(&reason, NOT_ALLOWED, details.clone());
        }
    }
    assert!(!admin.get("settings").await.text.contains("sesame"));
    set(&admin, "API_Default_Count", json!(7)).await.ok();
}

on_every_store!(
    fixed,
    "OVERWRITE_SETTING_Accounts_LoginExpiration" = "30",
    "OVERWRITE_SETTING_Accounts_RegistrationForm_SecretURL" = "open sesame";
    what_the_operator_fixed_stays,
);

async fn the_roles_of_new_accounts_exist_and_go_with_their_role(server: &TestServer) {
    let admin = server.admin().await;
    let id = "Accounts_Registration_Users_Default_Roles";
    let role = admin.post("roles.create", json!({"name": "deputy"})).await.ok()["role"]["_id"].clone();
    let role = role.as_str().unwrap();
    let reason = format!("Value for setting {id} must name roles that exist, by their ids");
    for wrong in ["nobody", "user,nobody", "deputy"] {
        set(&admin, id, json!(wrong)).await.refused_with(&reason, INVALID, json!({"method": "saveSettings"}));
    }
    set(&admin, id, json!(format!("user, {role}"))).await.ok();
    let eve = json!({"username": "eve", "name": "Eve", "email": "eve@example.org", "pass": "let me in"});
    let user = server.anonymous().post("users.register", eve).await.ok()["user"].clone();
    assert_eq!(user["roles"], json!(["user", role]));
    let taken = json!({"username": "eve", "roleId": role});
    admin.post("roles.removeUserFromRole", taken).await.ok();
    admin.post("roles.delete", json!({"roleId": role})).await.ok();
    assert_eq!(value(&admin, id).await, json!("user"));
    // What another writer left behind is passed over.
    set(&admin, id, json!("")).await.ok();
    let ann = json!({"username": "ann", "name": "Ann", "email": "ann@example.org", "pass": "let me in"});
    assert_eq!(server.anonymous().post("users.register", ann).await.ok()["user"]["roles"], json!([]));
}

async fn nobody_makes_administrators_of_everybody_without_the_right_to(server: &TestServer) {
    let admin = server.admin().await;
    let role = admin.post("roles.create", json!({"name": "keeper"})).await.ok()["role"]["_id"].clone();
    let role = role.as_str().unwrap();
    let grant = json!({"permissionId": "edit-privileged-setting", "role": role});
    admin.post("permissions.addRole", grant).await.ok();
    let keeper = server.user_with("keeper", &[role]).await;
    let id = "Accounts_Registration_Users_Default_Roles";
    let details = json!({"method": "saveSettings", "action": "Assign_admin"});
    let answer = set(&keeper, id, json!("user, admin")).await;
    answer.refused_with("Assigning admin is not allowed", NOT_ALLOWED, details);
    set(&keeper, id, json!("user,bot")).await.ok();
    // Changing is not seeing.
    keeper.get(&format!("settings/{id}")).await.forbidden();
    set(&admin, id, json!(format!("user,{ADMIN}"))).await.ok();
}

async fn the_permission_of_one_setting_is_not_enough_here(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    for permission in ["manage-selected-settings", "change-setting-API_Default_Count"] {
        admin.post("permissions.addRole", json!({"permissionId": permission, "role": "user"})).await.ok();
    }
    set(&bob, "API_Default_Count", json!(7)).await.forbidden();
}

async fn pages_are_as_long_as_the_setting_says_at_once(server: &TestServer) {
    let admin = server.admin().await;
    set(&admin, "API_Default_Count", json!(3)).await.ok();
    assert_eq!(admin.get("settings").await.ok()["count"], 3);
    set(&admin, "API_Upper_Count_Limit", json!(2)).await.ok();
    assert_eq!(admin.get("settings?count=50").await.ok()["count"], 2);
    set(&admin, "API_Allow_Infinite_Count", json!(false)).await.ok();
    assert_eq!(admin.get("settings?count=0").await.ok()["count"], 2);
}

async fn the_policy_of_passwords_is_told_and_kept(server: &TestServer) {
    let (admin, nobody) = (server.admin().await, server.anonymous());
    let policy = json!({"enabled": false, "policy": [], "success": true});
    nobody.get("pw.getPolicy").await.is(200, policy);
    set(&admin, "Accounts_Password_Policy_Enabled", json!(true)).await.ok();
    let policy = json!([
        ["get-password-policy-minLength", {"minLength": 14}],
        ["get-password-policy-forbidRepeatingCharacters"],
        ["get-password-policy-forbidRepeatingCharactersCount", {"forbidRepeatingCharactersCount": 3}],
        ["get-password-policy-mustContainAtLeastOneLowercase"],
        ["get-password-policy-mustContainAtLeastOneUppercase"],
        ["get-password-policy-mustContainAtLeastOneNumber"],
        ["get-password-policy-mustContainAtLeastOneSpecialCharacter"],
    ]);
    nobody.get("pw.getPolicy").await.is(200, json!({"enabled": true, "policy": policy, "success": true}));
    set(&admin, "Accounts_Password_Policy_MaxLength", json!(20)).await.ok();
    set(&admin, "Accounts_Password_Policy_ForbidRepeatingCharacters", json!(false)).await.ok();
    set(&admin, "Accounts_Password_Policy_MinLength", json!(-1)).await.ok();
    let policy = nobody.get("pw.getPolicy").await.ok()["policy"].clone();
    assert_eq!(policy[0], json!(["get-password-policy-maxLength", {"maxLength": 20}]));
    assert_eq!(policy.as_array().unwrap().len(), 5);
}

async fn a_weak_password_is_refused_on_every_way_to_an_account(server: &TestServer) {
    let (admin, nobody) = (server.admin().await, server.anonymous());
    let account = |name: &str, field: &str, password: &str| {
        let mut account = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
        account[field] = json!(password);
        account
    };
    let ways: [(&Actor<'_>, &str, &str); 2] =
        [(&admin, "users.create", "password"), (&nobody, "users.register", "pass")];
    let reason = "The password provided does not meet the server's password policy.";
    let code = "error-password-policy-not-met";
    for (actor, route, field) in ways {
        // Without a policy any password will do that is more than white space.
        actor.post(route, account(&format!("{field}1"), field, "x")).await.ok();
        actor.post(route, account("blank", field, "  ")).await.refused(reason, code);
    }
    set(&admin, "Accounts_Password_Policy_Enabled", json!(true)).await.ok();
    set(&admin, "Accounts_Password_Policy_MinLength", json!(8)).await.ok();
    let rule = |rule: &str, message: &str| json!({"error": format!("{code}-{rule}"), "message": message});
    let missing = |what: &str| {
        format!("The password does not contain at least one {what} character which is against the password policy.")
    };
    let short = rule("minLength", "The password does not meet the minimum length password policy.");
    let repeating =
        rule("repeatingCharacters", "The password contains repeating characters which is against the password policy.");
    for (actor, route, field) in ways {
        for (password, details) in [
            ("aB3$", json!([short])),
            ("aB3$eeee", json!([repeating])),
            ("", json!(null)),
            (
                "        x",
                json!([
                    repeating,
                    rule("oneUppercase", &missing("uppercase")),
                    rule("oneNumber", &missing("numerical")),
                    rule("oneSpecial", &missing("special")),
                ]),
            ),
            ("aB3$efghX y", json!(null)),
        ] {
            let answer = actor.post(route, account(&format!("{field}2"), field, password)).await;
            match (&details, password) {
                (Value::Null, "") => assert_eq!(answer.json()["errorType"], "error-the-field-is-required"),
                (Value::Null, _) => drop(answer.ok()),
                _ => answer.refused_with(reason, code, details),
            }
        }
    }
    // One that the server makes is not judged.
    let mut random = account("random", "password", "");
    random["setRandomPassword"] = json!(true);
    admin.post("users.create", random).await.ok();
}

on_every_store!(
    everybody_sees_the_public_ones,
    some_are_asked_for_by_their_ids,
    they_come_in_pages,
    whoever_may_sees_all_but_hidden_ones_and_secrets,
    one_is_seen_by_whoever_may,
    a_change_is_kept_and_on_record,
    a_value_that_does_not_fit_is_told_what_would,
    the_roles_of_new_accounts_exist_and_go_with_their_role,
    nobody_makes_administrators_of_everybody_without_the_right_to,
    the_permission_of_one_setting_is_not_enough_here,
    pages_are_as_long_as_the_setting_says_at_once,
    the_policy_of_passwords_is_told_and_kept,
    a_weak_password_is_refused_on_every_way_to_an_account,
);

/// Nothing is fixed by the operator.
mod as_the_workspace_says {
    use super::*;

    async fn rates_change_at_once_wherever_they_are_changed(backend: Backend) {
        let server = Start::fresh(backend).await.with_rates_of_the_workspace().go().await;
        let (admin, bob) = (server.admin().await, server.user("bob").await);
        let limit = async || bob.get("me").await.header("x-ratelimit-limit").to_owned();
        assert_eq!(limit().await, "10");
        set(&admin, "API_Enable_Rate_Limiter_Limit_Calls_Default", json!(50)).await.ok();
        assert_eq!(limit().await, "50");
        // By another server of the same workspace.
        server.store.set_setting(RATE_LIMIT_CALLS, &json!(7), &server.by()).await.unwrap();
        assert_eq!(limit().await, "7");
        assert_eq!(value(&admin, "API_Enable_Rate_Limiter_Limit_Calls_Default").await, json!(7));
        set(&admin, "API_Enable_Rate_Limiter", json!(false)).await.ok();
        assert_eq!(limit().await, "");
        set(&admin, "API_Enable_Rate_Limiter", json!(true)).await.ok();
        assert_eq!(limit().await, "7");
        server.finish().await;
    }

    /// The narrowest that can be set: one request a day. Whoever may bypass the limit sets it back.
    async fn the_narrowest_limit_locks_no_administrator_out(backend: Backend) {
        let server = Start::fresh(backend).await.with_rates_of_the_workspace().go().await;
        let (admin, bob) = (server.admin().await, server.user("bob").await);
        set(&admin, "API_Enable_Rate_Limiter_Limit_Time_Default", json!(86_400_000)).await.ok();
        set(&admin, "API_Enable_Rate_Limiter_Limit_Calls_Default", json!(1)).await.ok();
        bob.get("me").await.ok();
        assert_eq!(bob.get("me").await.status, 429);
        for _ in 0..3 {
            admin.get("settings").await.ok();
            // Also where nobody needs to be anybody.
            admin.get("settings.public").await.ok();
        }
        server.anonymous().get("settings.public").await.ok();
        assert_eq!(server.anonymous().get("settings.public").await.status, 429);
        set(&admin, "API_Enable_Rate_Limiter_Limit_Calls_Default", json!(10)).await.ok();
        bob.get("me").await.ok();
        server.finish().await;
    }

    #[tokio::test]
    async fn sqlite_rates_change_at_once_wherever_they_are_changed() {
        rates_change_at_once_wherever_they_are_changed(Backend::SqliteFile).await;
    }

    #[tokio::test]
    async fn mongo_rates_change_at_once_wherever_they_are_changed() {
        rates_change_at_once_wherever_they_are_changed(Backend::Mongo).await;
    }

    #[tokio::test]
    async fn sqlite_the_narrowest_limit_locks_no_administrator_out() {
        the_narrowest_limit_locks_no_administrator_out(Backend::SqliteFile).await;
    }

    #[tokio::test]
    async fn mongo_the_narrowest_limit_locks_no_administrator_out() {
        the_narrowest_limit_locks_no_administrator_out(Backend::Mongo).await;
    }
}
