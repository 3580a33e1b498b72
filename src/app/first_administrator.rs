//! The first administrator, as the settings have him, and what the person hears who starts the server for the first time.

use crate::config::AdministratorSettings;
use crate::secret::Secret;
use crate::service::registration::FirstUser;
use crate::service::workspace::{AdministratorOutcome, FirstAdministrator};

pub(super) const fn first_user(settings: &AdministratorSettings) -> FirstUser {
    if settings.first_user_is_admin { FirstUser::BecomesAdministrator } else { FirstUser::IsOrdinary }
}

pub(super) fn first_administrator(settings: &AdministratorSettings) -> FirstAdministrator {
    FirstAdministrator {
        username: settings.username.clone(),
        name: settings.name.clone(),
        email: settings.email.clone(),
        password: settings.password.as_ref().map(|password: &Secret| password.expose().to_owned()),
    }
}

pub(super) fn announcement(outcome: &AdministratorOutcome, username: &str, site: &str) -> Option<String> {
    match outcome {
        AdministratorOutcome::Present => None,
        AdministratorOutcome::Created => {
            log::info!("created the administrator {username}");
            None
        }
        AdministratorOutcome::Awaited => {
            log::warn!("nobody is an administrator; the first person who registers becomes one");
            None
        }
        AdministratorOutcome::Missing => {
            log::warn!("nobody is an administrator; start once with ADMIN_PASS set to make {username} one");
            None
        }
        AdministratorOutcome::CreatedWithPassword(password) => {
            log::info!("created the administrator {username}");
            Some(welcome(username, password, site))
        }
    }
}

/// The text for the first start: who to be, and a conversation that works when pasted into a shell.
fn welcome(username: &str, password: &str, site: &str) -> String {
    format!(
        r#"
Rolekeeper is ready at {site}

  administrator: {username}
  password:      {password}

This password is shown once and kept nowhere. To see a role come and go, paste this into a shell:

  API={site}/api/v1
  LOGIN=$(curl -sS $API/login --data-urlencode 'user={username}' --data-urlencode 'password={password}')
  USER_ID=$(echo "$LOGIN" | sed 's/.*"userId":"\([^"]*\)".*/\1/')
  TOKEN=$(echo "$LOGIN" | sed 's/.*"authToken":"\([^"]*\)".*/\1/')
  curl -sS $API/roles.create -H "X-User-Id: $USER_ID" -H "X-Auth-Token: $TOKEN" -d '{{"name":"deputy","description":"Stands in"}}'
  curl -sS $API/roles.delete -H "X-User-Id: $USER_ID" -H "X-Auth-Token: $TOKEN" -d '{{"roleId":"deputy"}}'
"#
    )
}
