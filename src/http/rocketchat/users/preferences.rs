//! `users.getPreferences` and `users.setPreferences`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::http::answer::{Answer, success};
use crate::http::call::change::Change;
use crate::http::call::{Call, Input};
use crate::http::requirement::AnyUser;
use crate::http::rocketchat::shape::{Field, Shape};
use crate::service::users::Preferences;

/// Every preference that can be chosen, and what it holds.
const CHOICES: Shape = Shape::closed(&[
    Field::text("newRoomNotification").nullable(),
    Field::text("newMessageNotification").nullable(),
    Field::number("clockMode").nullable(),
    Field::boolean("useEmojis").nullable(),
    Field::boolean("convertAsciiEmoji").nullable(),
    Field::text("alsoSendThreadToChannel").nullable(),
    Field::boolean("saveMobileBandwidth").nullable(),
    Field::boolean("collapseMediaByDefault").nullable(),
    Field::boolean("autoImageLoad").nullable(),
    Field::text("emailNotificationMode").nullable(),
    Field::boolean("unreadAlert").nullable(),
    Field::number("masterVolume").nullable(),
    Field::number("notificationsSoundVolume").nullable(),
    Field::number("voipRingerVolume").nullable(),
    Field::text("desktopNotifications").nullable(),
    Field::text("pushNotifications").nullable(),
    Field::boolean("enableAutoAway").nullable(),
    Field::texts("highlights").nullable(),
    Field::boolean("showThreadsInMainChannel").nullable(),
    Field::boolean("desktopNotificationRequireInteraction").nullable(),
    Field::boolean("desktopNotificationVoiceCalls").nullable(),
    Field::boolean("hideUsernames").nullable(),
    Field::boolean("hideRoles").nullable(),
    Field::boolean("displayAvatars").nullable(),
    Field::boolean("hideFlexTab").nullable(),
    Field::text("sendOnEnter").nullable(),
    Field::text("language").nullable(),
    Field::boolean("sidebarShowFavorites").nullable(),
    Field::boolean("sidebarShowUnread").nullable(),
    Field::texts("statusVisibilityDenied"),
    Field::text("sidebarSortby").nullable(),
    Field::text("sidebarViewMode").nullable(),
    Field::boolean("sidebarDisplayAvatar").nullable(),
    Field::boolean("sidebarGroupByType").nullable(),
    Field::boolean("muteFocusedConversations").nullable(),
    Field::list("dontAskAgainList", &Shape::open(&[Field::text("action"), Field::text("label")])).nullable(),
    Field::list("featuresPreview", &Shape::open(&[Field::text("name"), Field::boolean("value")])).nullable(),
    Field::text("themeAppearence").nullable(),
    Field::text("fontSize").nullable(),
    Field::boolean("receiveLoginDetectionEmail").nullable(),
    Field::boolean("notifyCalendarEvents").nullable(),
    Field::number("idleTimeLimit").nullable(),
    Field::boolean("omnichannelTranscriptEmail").nullable(),
    Field::boolean("omnichannelTranscriptPDF").nullable(),
    Field::boolean("omnichannelHideConversationAfterClosing").nullable(),
    Field::boolean("enableMobileRinging").nullable(),
    Field::boolean("mentionsWithSymbol").nullable(),
    Field::number("utcOffset").nullable(),
]);

/// Body of `users.setPreferences`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetPreferences {
    user_id: Option<String>,
    data: Map<String, Value>,
}

impl Input for SetPreferences {
    const SHAPE: Shape = Shape::closed(&[Field::text("userId").nullable(), Field::object("data", &CHOICES).required()]);
}

/// `GET users.getPreferences`.
pub async fn show_preferences(call: Call<AnyUser>) -> Answer {
    let preferences = call.services().preferences(&call.caller);
    Ok(success(json!({"preferences": preferences.values})))
}

/// `POST users.setPreferences`.
pub async fn set_preferences(change: Change<AnyUser, SetPreferences>) -> Answer {
    let shown = |set: &Preferences| json!({"user": {"_id": set.user, "settings": {"preferences": set.values}}});
    let set = async |call: &Call<_, SetPreferences>| {
        let SetPreferences { user_id, data } = &call.input;
        call.services().set_preferences(&call.caller, user_id.as_deref(), data.clone()).await
    };
    change.make(shown, set).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preferences::default_preferences;
    use crate::http::rocketchat::shape::{Source, fit};

    #[test]
    fn every_default_can_be_chosen_again() {
        let defaults = default_preferences();
        let chosen = fit(&CHOICES, Value::Object(defaults.clone()), Source::Body).unwrap();
        assert_eq!(chosen, defaults);
    }
}
