//! What names, addresses and fields of accounts may be, apart from what the workspace says about it.

use serde_json::{Map, Value};

use crate::domain::ids::{MAX_ID_BYTES, is_nameable};
use crate::service::Result;
use crate::service::error::UserRefusal;

/// The most that an account's own fields take together, as JSON.
const MAX_PROFILE_BYTES: usize = 16_384;

/// Names are repeated in answers, lists and the record; so they end somewhere.
pub(super) fn check_sizes(username: Option<&str>, name: Option<&str>, email: Option<&str>) -> Result<()> {
    let too_long = |field| Err(UserRefusal::FieldTooLong { field }.into());
    if !username.is_none_or(is_nameable) {
        return too_long("Username");
    }
    if !name.is_none_or(is_nameable) {
        return too_long("Name");
    }
    if email.is_some_and(|email| email.len() > MAX_ID_BYTES) {
        return too_long("Email");
    }
    Ok(())
}

/// The fields of a profile, or of a part of one.
pub(super) fn check_size_of_profile(profile: &Map<String, Value>) -> Result<()> {
    let bytes = serde_json::to_string(profile).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_PROFILE_BYTES {
        return Err(UserRefusal::FieldTooLong { field: "Custom Fields" }.into());
    }
    Ok(())
}

/// Characters that a page could take for markup.
pub(in crate::service) fn has_markup(name: &str) -> bool {
    name.contains(['<', '>', '/', '\\'])
}

/// Whether a text has the shape of an e-mail address: something, an at sign, a host with a dot or a bare host, no
/// white space, no control characters. Whether it exists only a letter could tell.
pub(in crate::service) fn is_address(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    let plain = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    text.len() <= 254 && plain(local) && plain(host) && !host.starts_with('.') && !host.ends_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts() {
        for good in ["a@b.de", "a.b+c@host", "Ä@exämple.org"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["", "a", "@b.de", "a@", "a b@c.de", "a@b .de", "a@.de", "a@b.", "a@b\n"] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
