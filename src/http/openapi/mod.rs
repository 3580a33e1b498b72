//! The description of the API, OpenAPI 3.1, made of the table of routes and of nothing else: what a route takes and who
//! may call it is read off its handler ([`operation`], [`schema`]), its examples are a conversation that a test has with
//! a real server and records ([`examples`]). What a reader sees of it is in [`super::docs`].
//!
//! Four extensions stand on every operation. `x-permission` is `null` where no account is needed; else `anyOf` lists the
//! permissions of which one is enough (none: every account), `refusedWith` is the status without them (`null` if there
//! are none), and `checked` tells whether that comes `first` or `late`, behind refusals of what was sent. `x-rate-limit`
//! is `null` where nothing is counted; `x-second-factor` tells whether the caller must show one. `x-requests` has the
//! request line, the status and the headers worth showing of each example, and its title where nothing else has it. Where `x-permission` has `of`, it is about the
//! organization in the path ([`organizations`]): `anyOf` lists capabilities, or a role; `orOneself` says that a member
//! needs none about himself; whoever is no member is refused with `strangers`.

mod besides;
mod document;
pub mod examples;
mod names;
mod operation;
mod organization_responses;
mod organizations;
mod responses;
mod schema;

use std::sync::OnceLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

pub use document::document;
pub use names::tag;

use super::docs;

/// The description and the page to read it, each made when somebody first asks for it: to make them takes more time and
/// memory than everything else that a start needs.
pub struct Description {
    site: String,
    document: OnceLock<Text>,
    page: OnceLock<Text>,
}

impl Description {
    /// For a server that clients reach at `site`.
    pub const fn new(site: String) -> Self {
        Self { site, document: OnceLock::new(), page: OnceLock::new() }
    }

    fn document(&self) -> &Text {
        self.document.get_or_init(|| Text::new("application/json", document(&self.site).to_string(), None))
    }

    fn page(&self) -> &Text {
        self.page.get_or_init(|| {
            let docs::Page { html, policy } = docs::page();
            Text::new("text/html; charset=utf-8", html, Some(policy))
        })
    }
}

/// Something to read that stays the same while the server runs.
struct Text {
    content_type: &'static str,
    content: web::Bytes,
    etag: String,
    policy: Option<String>,
}

impl Text {
    fn new(content_type: &'static str, content: String, policy: Option<String>) -> Self {
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&content)));
        Self { content_type, content: content.into(), etag, policy }
    }

    /// The whole, or that it is what the client has already.
    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let known = request.headers().get(IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
        let known = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == self.etag));
        let mut answer = HttpResponse::build(if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
        answer.insert_header((ETAG, self.etag.as_str())).insert_header((CACHE_CONTROL, "no-cache"));
        // Also when nothing is new: a browser takes the headers of that answer for those of the page it has.
        if let Some(policy) = &self.policy {
            answer.insert_header((CONTENT_SECURITY_POLICY, policy.as_str()));
        }
        if known {
            return answer.finish();
        }
        answer.insert_header((CONTENT_TYPE, self.content_type)).body(self.content.clone())
    }
}

/// `GET /openapi.json`.
pub async fn show_document(request: HttpRequest, description: web::Data<Description>) -> HttpResponse {
    answer(&request, description, Description::document).await
}

/// `GET /docs`.
pub async fn show_page(request: HttpRequest, description: web::Data<Description>) -> HttpResponse {
    answer(&request, description, Description::page).await
}

async fn answer(
    request: &HttpRequest,
    description: web::Data<Description>,
    text: fn(&Description) -> &Text,
) -> HttpResponse {
    let making = web::Data::clone(&description);
    // Other requests of this thread need not wait until it is made. Where no thread can be had, they do.
    let _ = web::block(move || {
        text(&making);
    })
    .await;
    text(&description).answer(request)
}
