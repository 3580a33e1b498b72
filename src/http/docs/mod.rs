//! The page under `/docs`: one file with its style and its script inside, which loads the description from
//! `openapi.json` beside it and nothing from anywhere else. The browser is told so: by the hashes in the policy only this
//! style and this script run, and only this server is asked.

use std::fmt::Write as _;

use actix_web::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::openapi::tag;
use super::routes::{operations, organization_operations};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The page and what the browser may do with it.
pub(super) struct Page {
    pub(super) html: String,
    /// For the header `Content-Security-Policy`.
    pub(super) policy: String,
}

pub(super) fn page() -> Page {
    let html = PAGE
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{version}}", env!("CARGO_PKG_VERSION"))
        .replace("{{operations}}", &plain_list());
    let policy = format!(
        "default-src 'none'; connect-src 'self'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    Page { html, policy }
}

fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text))
}

/// What a browser without JavaScript shows: every operation with its summary, under its group.
fn plain_list() -> String {
    let operations = all_operations();
    let mut groups: Vec<&str> = Vec::new();
    for (_, path, _) in &operations {
        let group = tag(path);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let mut list = String::new();
    for group in groups {
        let _ = write!(list, "<h2>{group}</h2><ul>");
        for (method, path, summary) in operations.iter().filter(|(_, path, _)| tag(path) == group) {
            let (path, summary) = (escaped(path), escaped(summary));
            let _ = write!(list, "<li><code>{method} {path}</code>: {summary}</li>");
        }
        list += "</ul>";
    }
    list
}

/// Method, path and summary of each.
fn all_operations() -> Vec<(Method, &'static str, &'static str)> {
    let workspace = operations().into_iter().map(|route| (route.method, route.path, route.summary));
    let organizations = organization_operations().into_iter().map(|route| (route.method, route.path, route.summary));
    workspace.chain(organizations).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        let Page { html, .. } = page();
        assert!(!html.contains("{{"), "every place is filled");
        for elsewhere in ["http://", "https://", "//cdn", " src=", "<link rel=\"stylesheet\""] {
            assert!(!html.contains(elsewhere), "{elsewhere}");
        }
        assert!(!STYLE.contains("@import") && !STYLE.contains("url("));
    }

    #[test]
    fn the_policy_lets_run_what_is_in_the_page_and_nothing_else() {
        let Page { html, policy } = page();
        for (open, close, text) in [("<style>", "</style>", STYLE), ("<script>", "</script>", SCRIPT)] {
            let (_, rest) = html.split_once(open).unwrap();
            let (inside, rest) = rest.split_once(close).unwrap();
            assert_eq!(inside, text, "the hash is of exactly what stands between the tags");
            assert!(!rest.contains(open), "there is one");
            assert!(policy.contains(&format!("'sha256-{}'", hash(text))));
        }
        assert!(!html.contains(" style=\"") && !html.contains(" onclick="), "nothing that the policy forbids");
    }

    #[test]
    fn a_browser_without_javascript_finds_every_operation() {
        let Page { html, .. } = page();
        let (_, plain) = html.split_once("<noscript>").unwrap();
        for (method, path, _) in all_operations() {
            assert!(plain.contains(&format!("<code>{method} {path}</code>")));
        }
    }
}
