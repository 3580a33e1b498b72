//! The workspace and its settings.

use serde_json::json;

use super::{BOB, NOBODY, ROOT, Step, get, post};

/// What a client asks for at its start, and what an administrator changes.
pub fn steps() -> Vec<Step> {
    vec![
        get(ROOT, "info", 200, "For an administrator"),
        get(NOBODY, "settings.public?count=2", 200, "The first two"),
        get(NOBODY, "settings.public?_id=Accounts_RegistrationForm", 200, "One by its id"),
        get(NOBODY, "settings.oauth", 200, "There are none"),
        get(NOBODY, "service.configurations", 200, "There are none"),
        get(NOBODY, "pw.getPolicy", 200, "What a client tells people of a password"),
        get(BOB, "licenses.info", 200, "Custom roles are on for everybody"),
        get(ROOT, "settings?count=2", 200, "The first two"),
        get(ROOT, "settings/API_Default_Count", 200, "A number"),
        get(ROOT, "audit.roles?count=1", 200, "The latest change"),
        get(ROOT, "audit.roles?action=role_assigned&count=1&from=2020-01-01", 200, "The latest of a kind since a day"),
        get(ROOT, "audit.roles?from=yesterday", 400, "Not a date"),
        get(ROOT, "settings/Nothing_At_All", 400, "No such setting"),
        post(ROOT, "settings/Accounts_AllowDeleteOwnAccount", json!({"value": true}), 200, "Switch on"),
        post(ROOT, "settings/API_Default_Count", json!({"value": "many"}), 400, "A value of another type"),
        post(ROOT, "settings/Nothing_At_All", json!({"value": 1}), 400, "No such setting"),
    ]
}
