//! The HTTP surfaces: requests become typed calls of a service, and its answers become responses. No rule about roles is
//! decided here and no store is touched. Start with [`routes`] for what there is and with [`call`] for the order in
//! which a request is checked; [`rocketchat`] is `/api/v1`, [`organizations`] is `/v1`, [`openapi`] describes it all.

pub mod address;
pub mod answer;
pub mod call;
pub mod connections;
pub mod context;
pub mod docs;
pub mod error;
pub mod kept;
pub mod memory;
pub mod openapi;
pub mod organizations;
pub mod public;
pub mod rate_limit;
pub mod requirement;
pub mod rocketchat;
pub mod routes;
pub mod shield;
