//! Who is in a room: `channels.members`, `groups.members` and `rooms.membersOrderedByRole` (contract 10.3 and 10.4).

use actix_web::HttpResponse;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Family, NamedRoom, view};
use crate::domain::room::{Member, MemberFilter};
use crate::http::answer::{Answer, success};
use crate::http::call::{Call, Input};
use crate::http::requirement::AnyUser;
use crate::http::rocketchat::shape::{Field, Shape, Source};
use crate::service::PageRequest;
use crate::service::rooms::read::Paged;

/// Parameters of all three. `sort` is accepted and means nothing: each has its order.
#[derive(Deserialize)]
pub struct ListMembers {
    #[serde(flatten)]
    room: NamedRoom,
    count: Option<f64>,
    offset: Option<f64>,
    filter: Option<String>,
    #[serde(default)]
    status: Vec<String>,
}

impl Input for ListMembers {
    const SHAPE: Shape = Shape::open(&[
        Field::text("roomId"),
        Field::text("roomName"),
        Field::number("count"),
        Field::number("offset"),
        Field::text("filter"),
        Field::texts("status"),
    ]);
    const SOURCE: Source = Source::Query;
}

impl ListMembers {
    fn filter(&self) -> MemberFilter {
        MemberFilter { text: self.filter.clone(), statuses: self.status.clone() }
    }

    fn page(&self) -> PageRequest {
        PageRequest { offset: self.offset, count: self.count }
    }
}

fn listed(page: &Paged<Member>, show: impl Fn(&Member) -> Map<String, Value>) -> HttpResponse {
    let members: Vec<_> = page.listing.items.iter().map(show).collect();
    let body = json!({"members": members, "count": members.len(), "offset": page.offset, "total": page.listing.total});
    success(body)
}

/// `GET channels.members`, `GET groups.members`.
pub async fn list_members<F: Family>(call: Call<AnyUser, ListMembers>) -> Answer {
    let (input, services) = (&call.input, call.services());
    let room = input.room.reference();
    let page = services.list_members(&call.caller, F::KIND, &room, input.filter(), input.page()).await?;
    Ok(listed(&page, |member| view::member(&member.user)))
}

/// `GET rooms.membersOrderedByRole`.
pub async fn list_ranked_members(call: Call<AnyUser, ListMembers>) -> Answer {
    let (input, services) = (&call.input, call.services());
    let room = input.room.reference();
    let page = services.list_ranked_members(&call.caller, &room, input.filter(), input.page()).await?;
    Ok(listed(&page, view::member_with_roles))
}
