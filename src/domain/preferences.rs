//! The preferences every account has until it chooses its own, as clients expect to find them under
//! `settings.preferences` of their own account (contract 2.7).

use serde_json::{Map, Value, json};

/// The defaults of a workspace that never changed its `Accounts_Default_User_Preferences_*`.
pub fn default_preferences() -> Map<String, Value> {
    let defaults = json!({
        "enableAutoAway": true,
        "idleTimeLimit": 300,
        "desktopNotificationRequireInteraction": false,
        "desktopNotifications": "all",
        "desktopNotificationVoiceCalls": true,
        "pushNotifications": "all",
        "unreadAlert": true,
        "useEmojis": true,
        "convertAsciiEmoji": true,
        "autoImageLoad": true,
        "saveMobileBandwidth": true,
        "collapseMediaByDefault": false,
        "hideUsernames": false,
        "hideRoles": false,
        "hideFlexTab": false,
        "displayAvatars": true,
        "sidebarGroupByType": true,
        "sidebarViewMode": "medium",
        "sidebarDisplayAvatar": true,
        "sidebarShowUnread": false,
        "sidebarSortby": "activity",
        "sidebarShowFavorites": true,
        "showThreadsInMainChannel": false,
        "alsoSendThreadToChannel": "default",
        "sendOnEnter": "normal",
        "emailNotificationMode": "mentions",
        "newRoomNotification": "door",
        "newMessageNotification": "chime",
        "muteFocusedConversations": true,
        "notificationsSoundVolume": 100,
        "themeAppearence": "auto",
        "fontSize": "100%",
        "enableMobileRinging": true,
        "receiveLoginDetectionEmail": true,
        "masterVolume": 100,
        "voipRingerVolume": 100
    });
    match defaults {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The defaults with an account's own choices over them.
pub fn merged_preferences(own: Option<&Value>) -> Map<String, Value> {
    let mut preferences = default_preferences();
    if let Some(Value::Object(own)) = own {
        preferences.extend(own.clone());
    }
    preferences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_choice_wins_and_the_rest_stays() {
        let merged = merged_preferences(Some(&json!({"hideRoles": true, "own": 1})));
        assert_eq!(merged["hideRoles"], true);
        assert_eq!(merged["own"], 1);
        assert_eq!(merged["useEmojis"], true);
        assert_eq!(merged_preferences(None), default_preferences());
    }
}
