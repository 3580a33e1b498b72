//! The readers of this surface that are private, for `fuzz/` alone; in every build without the feature `fuzzing` this
//! module is not there. Nothing is done here but to call them.

use serde_json::{Map, Number, Value};

use super::{login, numbers};
use crate::service::auth::Credentials;
use crate::service::second_factor::Shown;

/// How somebody wants to log in, by the body of `login` and what its headers say of a second factor.
pub fn login_credentials(body: &Map<String, Value>, headers: &Shown) -> Credentials {
    login::credentials(body, headers)
}

/// The number that JavaScript reads from a text.
pub fn number_from_text(text: &str) -> Option<f64> {
    numbers::from_text(text)
}

/// The text that JavaScript shows for a number.
pub fn number_to_text(value: f64) -> String {
    numbers::to_text(value)
}

/// The number that a field is filled from.
pub fn number_from_double(value: f64) -> Option<Number> {
    numbers::from_double(value)
}
