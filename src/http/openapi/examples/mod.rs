//! The examples of the description: requests that were sent to a real server and what it answered. A test has the
//! conversation and writes the files beside this one (`tests/api/examples.rs`); nobody edits them by hand, and one that
//! the server no longer answers like that fails the test.

mod files;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A request and its answer. Lists are cut to their first [`LONGEST_LIST`] items, texts to their first lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// What it shows.
    pub title: String,
    /// Parameters of the path.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub path: Map<String, Value>,
    /// Parameters of the query.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub query: Map<String, Value>,
    /// Headers that were sent beside those of every request.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String, Value>,
    /// The body that was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The status of the answer.
    pub status: u16,
    /// The content type of the answer, without parameters; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content_type: String,
    /// The answer, if it is worth showing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
}

/// Items that are kept of a list in an answer.
pub const LONGEST_LIST: usize = 3;

/// The examples of each operation, by `METHOD path`, in the order of the conversation.
pub type Examples = BTreeMap<String, Vec<Example>>;

/// The key of an operation in [`Examples`].
pub fn key(method: &actix_web::http::Method, path: &str) -> String {
    format!("{method} {path}")
}

/// Everything on record.
pub fn recorded() -> Examples {
    let mut examples = Examples::new();
    for (name, text) in files::FILES {
        match serde_json::from_str::<Examples>(text) {
            Ok(group) => examples.extend(group),
            // The description does without them; the test that records them says so as well.
            Err(error) => log::error!("the examples of {name} cannot be read: {error}"),
        }
    }
    examples
}
