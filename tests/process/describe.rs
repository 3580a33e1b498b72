//! `rolekeeper openapi` prints what a running server has under `/openapi.json`, and needs no store for that.

use serde_json::Value;

use crate::{data_directory, launch};

#[test]
fn the_description_is_printed_without_a_server() {
    let directory = data_directory();
    let ended = launch(&directory).env("ROOT_URL", "https://chat.example.org").arg("openapi").run();
    assert_eq!(ended.code(), Some(0));
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document, rolekeeper::http::openapi::document("https://chat.example.org"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no store was made");
}
