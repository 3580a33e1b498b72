//! The description of the API and the page that shows it, as they are served: what stands on every operation, and how a
//! browser may treat them. What they say of permissions is held against the server in `authorization`, their examples in
//! `examples`; that the document is OpenAPI is asked of the specification's own validator (`scripts/check_openapi.py`).

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use crate::support::server::{Answer, TestServer};

async fn ask(server: &TestServer, method: Method, path: &str) -> Answer {
    let nobody = server.anonymous();
    nobody.send(nobody.request(method, path)).await
}

/// Every operation of the document with its name.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, it)| (format!("{method} {path}"), it))
        })
        .collect()
}

async fn every_operation_says_what_a_reader_needs(server: &TestServer) {
    let document = ask(server, Method::GET, "/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "https://chat.example.org");
    let groups: BTreeSet<_> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut ids = BTreeSet::new();
    for (name, operation) in operations(&document) {
        assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{name}: the id is another operation's");
        assert!(groups.contains(operation["tags"][0].as_str().unwrap()), "{name}");
        assert!(!operation["summary"].as_str().unwrap().is_empty(), "{name}");
        for extension in ["x-permission", "x-second-factor", "x-rate-limit", "x-requests", "security"] {
            assert!(operation.get(extension).is_some(), "{name}: {extension}");
        }
        assert_eq!(operation["security"] == serde_json::json!([]), operation["x-permission"].is_null(), "{name}");
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
        let needs_an_account = operation["x-permission"].is_object();
        assert!(responses.contains_key("401") || !needs_an_account, "{name}");
        assert_eq!(responses.contains_key("429"), operation["x-rate-limit"].is_object(), "{name}");
    }
}

async fn every_reference_leads_somewhere(server: &TestServer) {
    let document = ask(server, Method::GET, "/openapi.json").await.ok();
    let mut rest = vec![&document];
    let mut count = 0;
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(reference) = fields.get("$ref").and_then(Value::as_str) {
                    count += 1;
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(document.pointer(pointer).is_some(), "{reference}");
                }
                rest.extend(fields.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    assert!(count > 50, "{count}");
}

async fn both_are_asked_for_again_only_when_they_change(server: &TestServer) {
    for (path, kind) in [("/openapi.json", "application/json"), ("/docs", "text/html; charset=utf-8")] {
        let first = ask(server, Method::GET, path).await;
        assert_eq!((first.status, first.header("content-type")), (200, kind));
        let etag = first.header("etag");
        assert!(etag.len() > 20 && etag.starts_with('"') && etag.ends_with('"'), "{etag}");
        let again = async |tags: &str| {
            let nobody = server.anonymous();
            nobody.send(nobody.request(Method::GET, path).header("If-None-Match", tags)).await
        };
        for tags in [etag.to_owned(), format!("\"other\", {etag}")] {
            let known = again(&tags).await;
            assert_eq!((known.status, known.text.as_str(), known.header("etag")), (304, "", etag));
        }
        assert_eq!(again("\"other\"").await.text, first.text);
        let head = ask(server, Method::HEAD, path).await;
        assert_eq!((head.status, head.text.as_str(), head.header("etag")), (200, "", etag));
    }
}

async fn the_page_may_do_nothing_but_ask_this_server(server: &TestServer) {
    let page = ask(server, Method::GET, "/docs").await;
    let policy = page.header("content-security-policy");
    let rules: Vec<_> = policy.split("; ").collect();
    assert!(rules.contains(&"default-src 'none'") && rules.contains(&"connect-src 'self'"), "{policy}");
    for rule in rules.iter().filter(|rule| rule.starts_with("script-src") || rule.starts_with("style-src")) {
        assert!(rule.split(' ').nth(1).unwrap().starts_with("'sha256-"), "{rule}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    // A browser takes the headers of the second answer for those of the page that it has.
    let nobody = server.anonymous();
    let again = nobody.request(Method::GET, "/docs").header("If-None-Match", page.header("etag"));
    let again = nobody.send(again).await;
    assert_eq!((again.status, again.header("content-security-policy")), (304, policy));
}

on_every_store!(
    every_operation_says_what_a_reader_needs,
    every_reference_leads_somewhere,
    both_are_asked_for_again_only_when_they_change,
    the_page_may_do_nothing_but_ask_this_server,
);
