//! Identifiers, cursors, dates and the words of the wire, as they stand in paths, queries and bodies. Held to: what is
//! accepted is within its bounds and is the text that was sent; whatever has a text of its own is read from it again; the
//! key that names are compared by is its own key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolekeeper::domain::audit_chain::{Hash, Head};
use rolekeeper::domain::capability::Capability;
use rolekeeper::domain::ids::{
    MAX_ID_BYTES, OrganizationId, PermissionId, RoleId, RoleRef, RoomId, UserId, is_nameable,
};
use rolekeeper::domain::receipt::{MAX_KEY_BYTES, ReceiptKey};
use rolekeeper::domain::role::{RoleScope, caseless_key, name_key};
use rolekeeper::domain::room::RoomKind;
use rolekeeper::domain::time::Timestamp;
use rolekeeper::service::audit::Cursor;
use rolekeeper::service::organizations::{inner_user_id, outer_user_id};
use rolekeeper::service::second_factor::Method;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    ids(&text);
    words(&text);
    keys(&text);
    places(&text);
    if let Some(bytes) = data.first_chunk::<8>() {
        time(Timestamp::from_millis(i64::from_le_bytes(*bytes)));
    }
});

fn ids(text: &str) {
    let accepted = [
        RoleId::parse(text).map(|id| id.as_str().to_owned()),
        UserId::parse(text).map(|id| id.as_str().to_owned()),
        RoomId::parse(text).map(|id| id.as_str().to_owned()),
        PermissionId::parse(text).map(|id| id.as_str().to_owned()),
        OrganizationId::parse(text).map(|id| id.as_str().to_owned()),
        RoleRef::parse(text).map(|id| id.as_str().to_owned()),
    ];
    for id in &accepted {
        assert_eq!(id, &accepted[0], "all follow one rule");
        let Ok(id) = id else { continue };
        assert_eq!(id, text);
        assert!(!id.is_empty() && id.len() <= MAX_ID_BYTES && !id.chars().any(char::is_control));
    }
    assert_eq!(is_nameable(text), text.is_empty() || accepted[0].is_ok());
    if let Some(user) = inner_user_id(text) {
        assert_eq!(outer_user_id(&user), text);
    }
    if let Ok(user) = UserId::parse(text)
        && let Some(inner) = inner_user_id(&outer_user_id(&user))
    {
        assert_eq!(inner, user);
    }
    let nobody = UserId::from_stored("u");
    let key = ReceiptKey::parse(&nobody, text);
    assert_eq!(key.is_some(), ReceiptKey::sealed(&nobody, text).is_some());
    if let Some(key) = key {
        assert_eq!(key.key, text);
        assert!(!text.is_empty() && text.len() <= MAX_KEY_BYTES && text.is_ascii());
    }
}

fn words(text: &str) {
    assert!(Capability::parse(text).is_none_or(|capability| capability.key() == text));
    assert!(RoleScope::parse(text).is_none_or(|scope| scope.as_str() == text));
    assert!(RoomKind::parse(text).is_none_or(|kind| kind.as_str() == text));
    let _ = Method::parse(text);
}

fn keys(text: &str) {
    let (trimmed, whole) = (name_key(text), caseless_key(text));
    assert_eq!(name_key(&trimmed), trimmed, "{text:?}");
    assert_eq!(caseless_key(&whole), whole, "{text:?}");
}

fn places(text: &str) {
    if let Some(cursor) = Cursor::parse(text) {
        assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
    }
    if let Some(hash) = Hash::parse(text) {
        assert_eq!(hash.to_string(), text.to_ascii_lowercase());
    }
    if let Some(head) = Head::parse(text) {
        assert_eq!(Head::parse(&head.to_string()), Some(head));
    }
    if let Some(read) = Timestamp::parse(text) {
        time(read);
    }
}

/// Years of four digits are written as they are read.
fn time(time: Timestamp) {
    const FIRST: i64 = -62_167_219_200_000;
    const BEHIND: i64 = 253_402_300_800_000;
    let text = time.to_string();
    if (FIRST..BEHIND).contains(&time.as_millis()) {
        assert_eq!(Timestamp::parse(&text), Some(time), "{text}");
    }
    let _ =
        (time.plus_days(i64::MAX), time.plus_days(i64::MIN), time.plus_millis(i64::MAX), time.plus_millis(i64::MIN));
}
