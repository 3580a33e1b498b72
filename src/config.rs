//! The settings of the server and where they come from: defaults < file < environment < flags. Every setting is told
//! in `config/default.toml` and listed once in `config/keys.rs`; nothing here opens a store or a port.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::Secret;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod keys;
mod layers;
#[cfg(test)]
mod tests;

pub use layers::{ConfigError, Environment, load};

/// Everything that can be set.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where and how to listen.
    pub server: ServerSettings,
    /// Where roles and users are kept.
    pub store: StoreSettings,
    /// What is kept in memory.
    pub cache: CacheSettings,
    /// The first administrator, for a store that has none.
    pub administrator: AdministratorSettings,
    /// How passwords are kept.
    pub passwords: PasswordSettings,
    /// Who gets tokens without logging in.
    pub tokens: TokenSettings,
    /// How the record of changes is sealed.
    pub audit: AuditSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// Roles that are held to some permissions: those permissions by the role's id.
    #[serde(default)]
    pub restricted_roles: BTreeMap<String, Vec<String>>,
    /// Settings of the workspace by id, as given; whoever knows the setting parses its value.
    pub workspace: BTreeMap<String, String>,
}

/// Where and how to listen.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// The address to listen on.
    pub bind: IpAddr,
    /// The port to listen on; 0 for any free one.
    pub port: u16,
    /// Where clients reach the server, if it was said; [`ServerSettings::root_url`] is what holds.
    pub root_url: Option<String>,
    /// Proxies of the operator's own in front, 0 to 10: that many from the right in `X-Forwarded-For` is the client.
    pub forwarded_count: u8,
    /// Threads that answer requests, 1 to 1024; `None` for one per processor.
    pub workers: Option<usize>,
    /// Seconds that a server goes on as before after it was told to stop, but says that it is not ready.
    pub drain_seconds: u64,
    /// Seconds that a stopping server waits for answers under way.
    pub shutdown_seconds: u64,
    /// Seconds for the head of a request to arrive.
    pub head_seconds: u64,
    /// Seconds for the body of a request to arrive.
    pub body_seconds: u64,
    /// Seconds for an answer to leave.
    pub answer_seconds: u64,
    /// Seconds that a connection without a request is kept.
    pub keep_alive_seconds: u64,
}

/// Where roles and users are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// The MongoDB to work on; `None` for the embedded store.
    pub mongo_url: Option<Secret>,
    /// The folder of the embedded store.
    pub data_dir: PathBuf,
}

/// What is kept in memory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Sessions at most; 0 for none.
    pub sessions: u32,
}

/// The first administrator.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdministratorSettings {
    /// The name to log in with.
    pub username: String,
    /// The password; `None` for a random one that is shown once.
    pub password: Option<Secret>,
    /// The e-mail address.
    pub email: Option<String>,
    /// The name that people see.
    pub name: String,
    /// Whether the first person who registers becomes the administrator instead.
    pub first_user_is_admin: bool,
}

/// How passwords are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordSettings {
    /// The cost of one check, 10 to 14; each step doubles it.
    pub bcrypt_cost: u32,
}

/// Who gets tokens without logging in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSettings {
    /// Whether sessions of others can be made at all.
    pub create_for_users: bool,
    /// What whoever makes them must know; without it nobody can.
    pub create_for_users_secret: Option<Secret>,
}

/// How the record of changes is sealed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSettings {
    /// The file with the key; `None` for digests without one.
    pub key_file: Option<PathBuf>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    /// For people or for machines.
    pub format: LogFormat,
    /// Which records are written: a level and exceptions by module.
    pub filter: String,
}

/// The form of a line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl ServerSettings {
    /// Where clients reach the server, without a slash at the end. Unless it was said, the address that it listens on;
    /// for "every address" (`0.0.0.0`, `::`) the name of this machine to itself.
    pub fn root_url(&self) -> String {
        match &self.root_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None if self.bind.is_unspecified() => format!("http://localhost:{}", self.port),
            None => format!("http://{}", SocketAddr::new(self.bind, self.port)),
        }
    }

    /// Where this machine itself reaches the server, whatever proxy stands in front.
    pub fn local_url(&self) -> String {
        let address = match self.bind {
            IpAddr::V4(address) if address.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(address) if address.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        };
        format!("http://{}", SocketAddr::new(address, self.port))
    }
}

impl Settings {
    /// The settings in force, one per line; of a secret and of a workspace setting (which may be one) only that it is
    /// set.
    pub fn describe(&self) -> String {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "(not set)".to_owned());
        let secret = |secret: Option<&Secret>| if secret.is_some() { "(set)" } else { "(not set)" }.to_owned();
        let mut lines: Vec<String> = [
            ("server.bind", self.server.bind.to_string()),
            ("server.port", self.server.port.to_string()),
            ("server.root_url", self.server.root_url()),
            ("server.forwarded_count", self.server.forwarded_count.to_string()),
            ("server.workers", or_none(self.server.workers.map(|count| count.to_string()))),
            ("server.drain_seconds", self.server.drain_seconds.to_string()),
            ("server.shutdown_seconds", self.server.shutdown_seconds.to_string()),
            ("server.head_seconds", self.server.head_seconds.to_string()),
            ("server.body_seconds", self.server.body_seconds.to_string()),
            ("server.answer_seconds", self.server.answer_seconds.to_string()),
            ("server.keep_alive_seconds", self.server.keep_alive_seconds.to_string()),
            ("store.mongo_url", secret(self.store.mongo_url.as_ref())),
            ("store.data_dir", self.store.data_dir.display().to_string()),
            ("cache.sessions", self.cache.sessions.to_string()),
            ("administrator.username", self.administrator.username.clone()),
            ("administrator.password", secret(self.administrator.password.as_ref())),
            ("administrator.email", or_none(self.administrator.email.clone())),
            ("administrator.name", self.administrator.name.clone()),
            ("administrator.first_user_is_admin", self.administrator.first_user_is_admin.to_string()),
            ("passwords.bcrypt_cost", self.passwords.bcrypt_cost.to_string()),
            ("tokens.create_for_users", self.tokens.create_for_users.to_string()),
            ("tokens.create_for_users_secret", secret(self.tokens.create_for_users_secret.as_ref())),
            ("audit.key_file", or_none(self.audit.key_file.as_ref().map(|path| path.display().to_string()))),
            ("log.format", self.log.format.to_string()),
            ("log.filter", self.log.filter.clone()),
        ]
        .map(|(key, value)| format!("{key} = {value}"))
        .into();
        let restricted = |(role, permissions): (&String, &Vec<String>)| {
            format!("restricted_roles.{role} = {}", permissions.join(", "))
        };
        lines.extend(self.restricted_roles.iter().map(restricted));
        lines.extend(self.workspace.keys().map(|id| format!("workspace.{id} = (set)")));
        lines.join("\n")
    }
}

impl fmt::Debug for Settings {
    /// Without the values of workspace settings: some of Rocket.Chat's are passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("server", &self.server)
            .field("store", &self.store)
            .field("cache", &self.cache)
            .field("administrator", &self.administrator)
            .field("passwords", &self.passwords)
            .field("tokens", &self.tokens)
            .field("audit", &self.audit)
            .field("log", &self.log)
            .field("restricted_roles", &self.restricted_roles)
            .field("workspace", &self.workspace.keys())
            .finish()
    }
}
