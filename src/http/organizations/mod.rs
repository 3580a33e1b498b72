//! The surface of organizations, `/v1/organizations/…`: plain and strict, with an envelope of its own for errors. One file
//! per noun; `rule` says who may call, `body` what is accepted, `views` how things look, `error` how refusals do. The
//! order of checks is in `http::call`.

pub mod audit;
pub mod body;
pub mod capabilities;
pub mod error;
pub mod members;
#[expect(clippy::module_inception, reason = "the noun of these routes has the name of the surface")]
pub mod organizations;
pub mod roles;
pub mod rule;
pub mod users;
pub mod views;
