//! The Rocket.Chat surface, `/api/v1`. Here: how a request's body and query become values ([`body`]) and how an
//! endpoint's declared shape coerces or refuses them ([`shape`]), to the letter of what existing clients expect.

pub mod audit;
pub mod body;
mod coerce;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod login;
mod numbers;
mod old_names;
pub mod permissions;
pub mod query;
pub mod register;
pub mod roles;
pub mod rooms;
pub mod settings;
pub mod shape;
pub mod tokens;
pub mod users;
mod views;
pub mod workspace;
