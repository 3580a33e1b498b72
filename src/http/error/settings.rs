//! The lines of the table for settings (contract 5.4).

use actix_web::http::StatusCode;
use serde_json::json;

use super::Refusal;
use crate::service::error::SettingRefusal;

/// Contract 5.4.
pub(super) fn refused(refusal: &SettingRefusal) -> Refusal {
    match refusal {
        // Without a word, as the original answers.
        SettingRefusal::Unknown => Refusal::new(StatusCode::BAD_REQUEST, json!({"success": false})),
        SettingRefusal::Fixed { id } => {
            not_allowed(&format!("Setting {id} is fixed by the configuration of the server"), "Fixed_setting")
        }
        SettingRefusal::InvalidValue { id, problem } => invalid(&format!("Value for setting {id} {problem}")),
        SettingRefusal::UnknownRole { id } => {
            invalid(&format!("Value for setting {id} must name roles that exist, by their ids"))
        }
        SettingRefusal::AssigningAdminNotAllowed => not_allowed("Assigning admin is not allowed", "Assign_admin"),
    }
}

fn invalid(reason: &str) -> Refusal {
    Refusal::thrown(reason, "error-invalid-setting-value").details(json!({"method": "saveSettings"}))
}

fn not_allowed(reason: &str, action: &str) -> Refusal {
    Refusal::thrown(reason, "error-action-not-allowed").details(json!({"method": "saveSettings", "action": action}))
}
