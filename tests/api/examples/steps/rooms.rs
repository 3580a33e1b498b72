//! Channels and private groups: the same story for both, and what only one of them has.

use serde_json::{Value, json};

use super::{BOB, CAROL, MALLORY, ROOT, Step, get, post};

/// The operations of one family, and the names of its rooms.
struct Family {
    prefix: &'static str,
    id: &'static str,
    den: &'static str,
    den_key: &'static str,
    yard: &'static str,
    barn: &'static str,
    other_type: &'static str,
}

const CHANNELS: Family = Family {
    prefix: "channels",
    id: "/channel/_id",
    den: "team",
    den_key: "team",
    yard: "yard",
    barn: "barn",
    other_type: "p",
};

const GROUPS: Family = Family {
    prefix: "groups",
    id: "/group/_id",
    den: "council",
    den_key: "council",
    yard: "private-yard",
    barn: "private-barn",
    other_type: "c",
};

/// Channels, and what is asked of rooms of any kind.
pub fn channels() -> Vec<Step> {
    [made(&CHANNELS), peopled(&CHANNELS), came_and_went(), rooms(), changed(&CHANNELS)].into_iter().flatten().collect()
}

/// Private groups.
pub fn groups() -> Vec<Step> {
    let only_here = vec![
        post(BOB, "groups.leave", json!({"roomId": "<council>"}), 200, "One's own membership ends"),
        get(BOB, "groups.info?roomName=council", 400, "Nobody is told of a group that he is not in"),
        get(CAROL, "groups.list", 200, "One's own"),
        get(ROOT, "groups.listAll", 200, "All, for an administrator"),
        post(CAROL, "rooms.leave", json!({"roomId": "<council>"}), 200, "A private group as well"),
        post(ROOT, "groups.create", json!({"name": "private-stable"}), 200, "A private group that will not stay"),
        post(ROOT, "rooms.delete", json!({"roomName": "private-stable"}), 200, "A private group as well"),
    ];
    [made(&GROUPS), peopled(&GROUPS), only_here, changed(&GROUPS)].into_iter().flatten().collect()
}

impl Family {
    fn post(&self, actor: &'static str, operation: &str, body: Value, status: u16, title: &'static str) -> Step {
        post(actor, format!("{}.{operation}", self.prefix), body, status, title)
    }

    fn get(&self, actor: &'static str, operation: &str, status: u16, title: &'static str) -> Step {
        get(actor, format!("{}.{operation}?roomName={}", self.prefix, self.den), status, title)
    }

    /// The room in which the story goes on, with somebody or alone.
    fn den(&self, username: Option<&str>) -> Value {
        match username {
            Some(username) => json!({"roomName": self.den, "username": username}),
            None => json!({"roomName": self.den}),
        }
    }
}

fn made(family: &Family) -> Vec<Step> {
    let den = json!({"name": family.den, "members": ["bob", "carol"], "readOnly": false});
    vec![
        family.post(ROOT, "create", den.clone(), 200, "With members").keep(family.den_key, family.id),
        family.post(ROOT, "create", den, 400, "The name is taken"),
        family.get(BOB, "info", 200, "By its name"),
        family.get(BOB, "members", 200, "Who is in it"),
    ]
}

fn peopled(family: &Family) -> Vec<Step> {
    let bob = || family.den(Some("bob"));
    vec![
        family.post(ROOT, "addModerator", bob(), 200, "A moderator"),
        family.post(ROOT, "addModerator", bob(), 400, "He is one"),
        family.post(ROOT, "addLeader", bob(), 200, "A leader"),
        family.post(ROOT, "addOwner", bob(), 200, "Another owner"),
        family.get(BOB, "roles", 200, "Who has which role"),
        family.get(BOB, "moderators", 200, "Who moderates"),
        family.post(ROOT, "removeModerator", bob(), 200, "No moderator any more"),
        family.post(ROOT, "removeLeader", bob(), 200, "No leader any more"),
        family.post(ROOT, "removeOwner", bob(), 200, "No owner any more"),
        family.post(ROOT, "removeOwner", family.den(Some("root")), 400, "The last owner stays"),
        family.post(ROOT, "kick", family.den(Some("carol")), 200, "Somebody else's membership ends"),
        family.post(ROOT, "kick", family.den(Some("carol")), 400, "She is not in it"),
        family.post(ROOT, "invite", family.den(Some("carol")), 200, "Somebody becomes a member"),
        family.post(ROOT, "invite", family.den(None), 400, "Nobody is named"),
    ]
}

fn came_and_went() -> Vec<Step> {
    vec![
        post(CAROL, "channels.leave", json!({"roomName": "team"}), 200, "One's own membership ends"),
        post(CAROL, "channels.join", json!({"roomName": "team"}), 200, "By oneself"),
        post(CAROL, "rooms.leave", json!({"roomId": "<team>"}), 200, "Whatever kind it is"),
        post(ROOT, "channels.leave", json!({"roomName": "team"}), 400, "The last owner stays"),
        get(BOB, "channels.list?count=5", 200, "All that one may see"),
        get(BOB, "channels.list.joined", 200, "Those one is in"),
        get(MALLORY, "channels.info?roomName=team", 403, "Without a permission to see channels"),
        get(BOB, "channels.info?roomName=nowhere", 400, "No such channel"),
    ]
}

fn rooms() -> Vec<Step> {
    vec![
        get(BOB, "rooms.get", 200, "Those one is in"),
        get(BOB, "rooms.get?updatedSince=2030-01-01T00:00:00.000Z", 200, "Those that changed since a time"),
        get(BOB, "rooms.info?roomId=<team>", 200, "By its id"),
        get(BOB, "rooms.membersOrderedByRole?roomId=<team>", 200, "Owners first"),
        get(BOB, "subscriptions.get", 200, "All of one's own"),
        get(BOB, "subscriptions.getOne?roomId=<team>", 200, "That of one room"),
        post(ROOT, "channels.create", json!({"name": "stable"}), 200, "A channel that will not stay"),
        post(ROOT, "rooms.delete", json!({"roomName": "stable"}), 200, "Whatever kind it is"),
    ]
}

fn changed(family: &Family) -> Vec<Step> {
    let (yard, barn) = (family.yard, family.barn);
    vec![
        family.post(ROOT, "create", json!({"name": yard}), 200, "Without members"),
        family.post(ROOT, "archive", json!({"roomName": yard}), 200, "Nothing goes on in it any more"),
        family.post(ROOT, "rename", json!({"roomName": yard, "name": "garden"}), 400, "It is archived"),
        family.post(ROOT, "unarchive", json!({"roomName": yard}), 200, "It is in use again"),
        family.post(ROOT, "rename", json!({"roomName": yard, "name": format!("{yard}-behind")}), 200, "Another name"),
        family.post(ROOT, "delete", json!({"roomName": format!("{yard}-behind")}), 200, "It is gone"),
        family.post(ROOT, "create", json!({"name": barn}), 200, "One that becomes of the other kind"),
        family.post(ROOT, "setType", json!({"roomName": barn, "type": family.other_type}), 200, "Of the other kind"),
    ]
}
