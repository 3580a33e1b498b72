//! What every answer says to a browser, asked of the whole table of routes: successes and refusals of the conversation that
//! the examples are made of, nobody's requests, requests of pages of other origins, bodies that are too large, paths and
//! methods that are not there. No answer opens anything to another origin.

use reqwest::Method;
use rolekeeper::http::routes::{operations, organization_operations};

use crate::examples::conversation::Conversation;
use crate::examples::steps::{organization_steps, steps};
use crate::support::server::{Answer, TestServer};

const ALWAYS: [(&str, &str); 3] =
    [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("x-frame-options", "DENY")];
/// Of everything that is no page.
const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// What stays the same while the server runs, and is asked for again with its tag.
const LASTING: [&str; 2] = ["/openapi.json", "/docs"];
const ORIGIN: &str = "https://evil.example";

fn values<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    answer.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

/// The headers of an answer to a request for that path.
#[track_caller]
fn check(answer: &Answer, path: &str, name: &str) {
    for (header, value) in ALWAYS {
        assert_eq!(values(answer, header), [value], "{name}: {header}");
    }
    let policies = values(answer, "content-security-policy");
    if answer.status == 200 && path == "/docs" && !answer.header("content-type").starts_with("text/plain") {
        assert_eq!(policies.len(), 1, "{name}");
        let rules: Vec<_> = policies[0].split("; ").collect();
        for rule in ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(rules.contains(&rule), "{name}: {policies:?}");
        }
    } else {
        assert_eq!(policies, [POLICY], "{name}");
    }
    let is_lasting = LASTING.contains(&path) && answer.status == 200 && !answer.header("etag").is_empty();
    assert_eq!(values(answer, "cache-control"), [if is_lasting { "no-cache" } else { "no-store" }], "{name}");
    let opens = |name: &str| name.starts_with("access-control-") || name.starts_with("cross-origin-");
    assert!(answer.headers.keys().all(|header| !opens(header.as_str())), "{name}: {:?}", answer.headers);
}

/// Method and path of every operation, with something in place of the parameters.
fn all() -> Vec<(Method, String)> {
    let of_workspace = operations().into_iter().map(|operation| (operation.method, operation.path));
    let of_organizations = organization_operations().into_iter().map(|operation| (operation.method, operation.path));
    let asked = |(method, path): (actix_web::http::Method, &str)| {
        (Method::from_bytes(method.as_str().as_bytes()).unwrap(), path.replace(['{', '}'], ""))
    };
    of_workspace.chain(of_organizations).map(asked).collect()
}

async fn every_answer_of_the_conversations_has_them(server: &TestServer) {
    let mut conversation = Conversation::with(server).await;
    let mut successes = std::collections::BTreeSet::new();
    for step in steps().into_iter().chain(organization_steps()) {
        let (request, answer) = conversation.take(&step).await;
        check(&answer, request.route, &format!("{} {} ({})", step.method, step.route, step.title));
        if answer.status < 300 {
            successes.insert((request.method.to_string(), request.route));
        }
    }
    assert_eq!(successes.len(), all().len(), "every operation was seen to succeed");
}

async fn every_refusal_on_the_way_in_has_them(server: &TestServer) {
    let (nobody, ann) = (server.anonymous(), server.user("ann").await);
    for (method, path) in all() {
        let name = format!("{method} {path}");
        let answer = nobody.send(nobody.request(method.clone(), &path).header("Origin", ORIGIN)).await;
        check(&answer, &path, &name);
        // What a browser asks before it lets a page of another origin send such a request.
        let asking = nobody.request(Method::OPTIONS, &path).header("Origin", ORIGIN);
        let asking = asking.header("Access-Control-Request-Method", method.as_str());
        let answer = nobody.send(asking.header("Access-Control-Request-Headers", "x-auth-token, authorization")).await;
        check(&answer, &path, &format!("OPTIONS {path}"));
        assert_eq!(answer.text, "OK", "{path}");
        if method == Method::GET {
            check(&nobody.send(nobody.request(Method::HEAD, &path)).await, &path, &format!("HEAD {path}"));
        }
        if [Method::POST, Method::PATCH].contains(&method) {
            let sent = ann.request(method.clone(), &path).bearer_auth(ann.token()).body(vec![b' '; 1 << 20]);
            let sent = ann.send(sent).await;
            check(&sent, &path, &format!("{name}, too large"));
        }
        let wrong = if method == Method::GET { Method::PUT } else { Method::TRACE };
        let answer = nobody.send(nobody.request(wrong, &path)).await;
        assert_eq!(answer.status, 404, "{name}");
        check(&answer, &path, &format!("another method than {name}"));
    }
    for path in ["/", "/nowhere", "/api/v1/nowhere", "/v1/nowhere", "//", "/docs/", "/%00"] {
        check(&nobody.send(nobody.request(Method::GET, path)).await, path, path);
    }
    let large = ann.request(Method::POST, "/api/v1/roles.getUsersInRole").body(vec![b' '; 1 << 20]);
    check(&ann.send(large).await, "", "a body that nobody reads");
}

async fn what_a_client_has_already_comes_with_them(server: &TestServer) {
    let admin = server.admin().await;
    for path in ["/openapi.json", "/docs", "/api/v1/roles.list", "/api/v1/permissions.listAll"] {
        let first = admin.send(admin.request(Method::GET, path)).await;
        let again = admin.request(Method::GET, path).header("If-None-Match", first.header("etag"));
        let again = admin.send(again).await;
        assert_eq!(again.status, 304, "{path}");
        for header in ["content-security-policy", "cache-control", "x-frame-options", "x-content-type-options"] {
            // A browser takes these for the headers of what it has.
            assert_eq!(values(&again, header), values(&first, header), "{path}: {header}");
        }
    }
}

/// What is no request of HTTP is answered before there is anything of ours: it has no headers of ours, and nothing that a
/// browser could show, keep or guess the type of.
async fn what_is_no_request_is_answered_with_nothing(server: &TestServer) {
    let long = format!("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    for (request, status) in [
        ("GET /health\r\n\r\n", "400"),
        ("GET /health HTTP/9.9\r\nHost: x\r\n\r\n", "400"),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("GET /health HTTP/1.1\r\nHost: x\r\nBad Name: 1\r\n\r\n", "400"),
        ("POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "400"),
        ("POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}", "400"),
        (long.as_str(), "431"),
    ] {
        let shown: String = request.chars().take(40).collect();
        let answer = server.send_raw(request.as_bytes()).await.to_ascii_lowercase();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{shown}: {answer}"));
        assert!(head.starts_with(&format!("http/1.1 {status} ")), "{shown}: {head}");
        assert!(head.contains("content-length: 0") && body.is_empty(), "{shown}: {answer}");
        for header in ["access-control-", "content-type:", "set-cookie:", "server:"] {
            assert!(!head.contains(header), "{shown}: {head}");
        }
    }
}

on_every_store!(
    every_refusal_on_the_way_in_has_them,
    what_a_client_has_already_comes_with_them,
    what_is_no_request_is_answered_with_nothing,
);

on_every_store!(
    whole_conversation, "CREATE_TOKENS_FOR_USERS" = "true", "CREATE_TOKENS_FOR_USERS_SECRET" = "open sesame";
    every_answer_of_the_conversations_has_them,
);
