//! The lines of the table for second factors (contract 2.5 and 2.8): the same words at log-in and elsewhere, in the
//! envelope of each.

use serde_json::{Value, json};

use super::Refusal;
use crate::service::error::{SecondFactorProblem, SecondFactorRefusal};
use crate::service::second_factor::Method;

/// Contract 2.8.
pub(super) fn refused(refusal: &SecondFactorRefusal) -> Refusal {
    let (code, text) = second_factor_words(refusal);
    Refusal::thrown(text, code).details(second_factor_details(refusal))
}

/// Code and text; the mistake in the last one is the original's.
pub(super) const fn second_factor_words(refusal: &SecondFactorRefusal) -> (&'static str, &'static str) {
    match refusal.problem {
        SecondFactorProblem::Required => ("totp-required", "TOTP Required"),
        SecondFactorProblem::Invalid => ("totp-invalid", "TOTP Invalid"),
        SecondFactorProblem::TooManyAttempts => ("totp-max-attempts", "TOTP Maximun Failed Attempts Reached"),
    }
}

/// No code is ever generated here: letters cannot be sent.
pub(super) fn second_factor_details(refusal: &SecondFactorRefusal) -> Value {
    let available: Vec<_> = refusal.available.iter().copied().map(Method::as_str).collect();
    json!({"method": refusal.method.as_str(), "codeGenerated": false, "availableMethods": available})
}
