//! The lines of the table for new passwords that are not what the workspace asks for.

use serde_json::{Value, json};

use super::Refusal;
use crate::domain::password_policy::{Violation, WeakPassword};

/// One error for all rules; which ones were not met is in the details.
pub(super) fn refused(weakness: &WeakPassword) -> Refusal {
    let reason = "The password provided does not meet the server's password policy.";
    let refusal = Refusal::thrown(reason, "error-password-policy-not-met");
    match weakness {
        WeakPassword::Blank => refusal,
        WeakPassword::Violates(rules) => refusal.details(rules.iter().map(detail).collect()),
    }
}

macro_rules! missing {
    ($kind:literal) => {
        concat!(
            "The password does not contain at least one ",
            $kind,
            " character which is against the password policy."
        )
    };
}

fn detail(violation: &Violation) -> Value {
    let (rule, message) = match violation {
        Violation::TooShort => ("minLength", "The password does not meet the minimum length password policy."),
        Violation::TooLong => ("maxLength", "The password does not meet the maximum length password policy."),
        Violation::Repeating => {
            ("repeatingCharacters", "The password contains repeating characters which is against the password policy.")
        }
        Violation::NoLowercase => ("oneLowercase", missing!("lowercase")),
        Violation::NoUppercase => ("oneUppercase", missing!("uppercase")),
        Violation::NoNumber => ("oneNumber", missing!("numerical")),
        Violation::NoSpecial => ("oneSpecial", missing!("special")),
    };
    json!({"error": format!("error-password-policy-not-met-{rule}"), "message": message})
}
