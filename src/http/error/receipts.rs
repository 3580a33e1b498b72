//! The lines of the table for `Idempotency-Key`. The original knows no such header, so the codes and the words are ours.

use actix_web::http::StatusCode;

use super::{RETRY_AFTER_SECONDS, Refusal};
use crate::service::error::ReceiptRefusal;

pub(super) fn refused(refusal: ReceiptRefusal) -> Refusal {
    match refusal {
        ReceiptRefusal::InvalidKey => {
            let text = "The Idempotency-Key must have 1 to 255 visible ASCII characters";
            Refusal::thrown(text, "error-idempotency-key-invalid")
        }
        ReceiptRefusal::Reused => {
            Refusal::thrown("The Idempotency-Key belongs to another request", "error-idempotency-key-reused")
        }
        ReceiptRefusal::Running => {
            let refusal = Refusal::thrown("The same request is still running", "error-idempotency-key-in-progress");
            Refusal { status: StatusCode::CONFLICT, retry_after: Some(RETRY_AFTER_SECONDS), ..refusal }
        }
    }
}

/// The change was made, and what it showed is shown once.
pub(super) fn secret_shown() -> Refusal {
    let text = "The request was carried out, and its answer held a secret, which is shown only once";
    Refusal { status: StatusCode::CONFLICT, ..Refusal::thrown(text, "error-idempotency-answer-secret") }
}
