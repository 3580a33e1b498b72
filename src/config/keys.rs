//! The one table of settings: where each stands in a file, what its environment variable is called and which texts it
//! accepts. How the layers are put together is `config`'s part; what each setting means is told in `config/default.toml`.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// One setting.
pub(super) struct Key {
    /// The table of the file that it stands in.
    pub section: &'static str,
    /// Its name within the table.
    pub name: &'static str,
    /// Its environment variable.
    pub variable: &'static str,
    /// Whether its value must not be shown, and may be given as a file (`<variable>_FILE`).
    pub secret: bool,
    /// Which texts it accepts.
    pub accepts: fn(&str) -> bool,
    /// Completes the sentence "<setting> must be …".
    pub must_be: &'static str,
}

impl Key {
    /// The name with its table, as `server.port`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// The variable that names a file with the value.
    pub fn file_variable(&self) -> Option<String> {
        self.secret.then(|| format!("{}_FILE", self.variable))
    }
}

/// Finds a setting by its place in a file.
pub(super) fn find(section: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

/// The bounds of the numbers.
const FORWARDED_COUNT: RangeInclusive<u8> = 0..=10;
const WORKERS: RangeInclusive<usize> = 1..=1024;
const SECONDS_TO_STOP: RangeInclusive<u64> = 0..=3600;
/// Of clients.
const PATIENCE_SECONDS: RangeInclusive<u64> = 1..=3600;
const CACHED_SESSIONS: RangeInclusive<u32> = 0..=1_000_000;
const BCRYPT_COST: RangeInclusive<u32> = 10..=14;

/// Every setting except those of the workspace, whose ids are open.
#[rustfmt::skip]
pub(super) const KEYS: &[Key] = &[
    Key { section: "server", name: "bind", variable: "ROLEKEEPER_BIND", secret: false,
        accepts: |text| IpAddr::from_str(text).is_ok(), must_be: "an IP address such as 127.0.0.1 or ::1" },
    Key { section: "server", name: "port", variable: "PORT", secret: false,
        accepts: |text| u16::from_str(text).is_ok(), must_be: "a whole number from 0 to 65535" },
    Key { section: "server", name: "root_url", variable: "ROOT_URL", secret: false,
        accepts: |text| is_url(text, &["http://", "https://"]), must_be: "an address that begins with http:// or https://" },
    Key { section: "server", name: "forwarded_count", variable: "HTTP_FORWARDED_COUNT", secret: false,
        accepts: |text| is_within(text, &FORWARDED_COUNT), must_be: "a whole number from 0 to 10" },
    Key { section: "server", name: "workers", variable: "ROLEKEEPER_WORKERS", secret: false,
        accepts: |text| is_within(text, &WORKERS), must_be: "a whole number from 1 to 1024" },
    Key { section: "server", name: "drain_seconds", variable: "ROLEKEEPER_DRAIN_SECONDS", secret: false,
        accepts: |text| is_within(text, &SECONDS_TO_STOP), must_be: "a whole number from 0 to 3600" },
    Key { section: "server", name: "shutdown_seconds", variable: "ROLEKEEPER_SHUTDOWN_SECONDS", secret: false,
        accepts: |text| is_within(text, &SECONDS_TO_STOP), must_be: "a whole number from 0 to 3600" },
    Key { section: "server", name: "head_seconds", variable: "ROLEKEEPER_HEAD_SECONDS", secret: false,
        accepts: |text| is_within(text, &PATIENCE_SECONDS), must_be: "a whole number from 1 to 3600" },
    Key { section: "server", name: "body_seconds", variable: "ROLEKEEPER_BODY_SECONDS", secret: false,
        accepts: |text| is_within(text, &PATIENCE_SECONDS), must_be: "a whole number from 1 to 3600" },
    Key { section: "server", name: "answer_seconds", variable: "ROLEKEEPER_ANSWER_SECONDS", secret: false,
        accepts: |text| is_within(text, &PATIENCE_SECONDS), must_be: "a whole number from 1 to 3600" },
    Key { section: "server", name: "keep_alive_seconds", variable: "ROLEKEEPER_KEEP_ALIVE_SECONDS", secret: false,
        accepts: |text| is_within(text, &PATIENCE_SECONDS), must_be: "a whole number from 1 to 3600" },
    Key { section: "store", name: "mongo_url", variable: "MONGO_URL", secret: true,
        accepts: |text| is_url(text, &["mongodb://", "mongodb+srv://"]),
        must_be: "a connection string that begins with mongodb:// or mongodb+srv://" },
    Key { section: "store", name: "data_dir", variable: "ROLEKEEPER_DATA_DIR", secret: false,
        accepts: |text| !text.is_empty(), must_be: "the path of a folder" },
    Key { section: "cache", name: "sessions", variable: "ROLEKEEPER_CACHE_SESSIONS", secret: false,
        accepts: |text| is_within(text, &CACHED_SESSIONS), must_be: "a whole number from 0 to 1000000" },
    Key { section: "administrator", name: "username", variable: "ADMIN_USERNAME", secret: false,
        accepts: is_one_line, must_be: "one line of text" },
    Key { section: "administrator", name: "password", variable: "ADMIN_PASS", secret: true,
        accepts: |text| !text.is_empty(), must_be: "a text that is not empty" },
    Key { section: "administrator", name: "email", variable: "ADMIN_EMAIL", secret: false,
        accepts: |text| is_one_line(text) && text.contains('@'), must_be: "an e-mail address" },
    Key { section: "administrator", name: "name", variable: "ADMIN_NAME", secret: false,
        accepts: is_one_line, must_be: "one line of text" },
    Key { section: "administrator", name: "first_user_is_admin", variable: "ROLEKEEPER_FIRST_USER_IS_ADMIN", secret: false,
        accepts: |text| matches!(text, "true" | "false"), must_be: "true or false" },
    Key { section: "passwords", name: "bcrypt_cost", variable: "ROLEKEEPER_BCRYPT_COST", secret: false,
        accepts: |text| is_within(text, &BCRYPT_COST), must_be: "a whole number from 10 to 14" },
    Key { section: "tokens", name: "create_for_users", variable: "CREATE_TOKENS_FOR_USERS", secret: false,
        accepts: |text| matches!(text, "true" | "yes" | "false" | "no"), must_be: "true, yes, false or no" },
    Key { section: "tokens", name: "create_for_users_secret", variable: "CREATE_TOKENS_FOR_USERS_SECRET", secret: true,
        accepts: |text| !text.is_empty(), must_be: "a text that is not empty" },
    Key { section: "audit", name: "key_file", variable: "ROLEKEEPER_AUDIT_KEY_FILE", secret: false,
        accepts: |text| !text.is_empty(), must_be: "the path of a file" },
    Key { section: "log", name: "format", variable: "ROLEKEEPER_LOG_FORMAT", secret: false,
        accepts: |text| matches!(text, "text" | "json"), must_be: "\"text\" or \"json\"" },
    Key { section: "log", name: "filter", variable: "ROLEKEEPER_LOG", secret: false,
        accepts: is_filter, must_be: "a log filter such as info or info,rolekeeper::store=debug" },
];

fn is_within<T: FromStr + PartialOrd>(text: &str, range: &RangeInclusive<T>) -> bool {
    text.parse().is_ok_and(|number| range.contains(&number))
}

fn is_one_line(text: &str) -> bool {
    !text.trim().is_empty() && !text.chars().any(char::is_control)
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
    rest.is_some_and(|rest| !rest.is_empty()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// `level` or `module=level`, separated by commas. A misspelt level would otherwise be read as a module's name and
/// silence everything else.
fn is_filter(text: &str) -> bool {
    let is_level = |level: &str| level.parse::<log::LevelFilter>().is_ok();
    !text.is_empty()
        && text.split(',').map(str::trim).all(|part| match part.split_once('=') {
            Some((module, level)) => !module.is_empty() && is_level(level),
            None => is_level(part) || part.contains("::"),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(variable: &str, text: &str) -> bool {
        KEYS.iter().any(|key| key.variable == variable && (key.accepts)(text))
    }

    #[test]
    fn numbers_end_at_their_bounds() {
        for (variable, good, bad) in [
            ("PORT", ["0", "65535"], ["-1", "65536"]),
            ("HTTP_FORWARDED_COUNT", ["0", "10"], ["-1", "11"]),
            ("ROLEKEEPER_WORKERS", ["1", "1024"], ["0", "1025"]),
            ("ROLEKEEPER_DRAIN_SECONDS", ["0", "3600"], ["-1", "3601"]),
            ("ROLEKEEPER_SHUTDOWN_SECONDS", ["0", "3600"], ["-1", "3601"]),
            ("ROLEKEEPER_HEAD_SECONDS", ["1", "3600"], ["0", "3601"]),
            ("ROLEKEEPER_BODY_SECONDS", ["1", "3600"], ["0", "3601"]),
            ("ROLEKEEPER_ANSWER_SECONDS", ["1", "3600"], ["0", "3601"]),
            ("ROLEKEEPER_KEEP_ALIVE_SECONDS", ["1", "3600"], ["0", "3601"]),
            ("ROLEKEEPER_CACHE_SESSIONS", ["0", "1000000"], ["-1", "1000001"]),
            ("ROLEKEEPER_BCRYPT_COST", ["10", "14"], ["9", "15"]),
        ] {
            assert!(good.iter().all(|text| accepts(variable, text)), "{variable}");
            assert!(!bad.iter().any(|text| accepts(variable, text)), "{variable}");
        }
    }

    #[test]
    fn a_filter_with_a_misspelt_level_is_refused() {
        for text in ["info", "off", "WARN", "info,rolekeeper::store=debug", "rolekeeper=trace", "warn, mongodb=debug"] {
            assert!(is_filter(text), "{text}");
        }
        for text in ["", "inof", "info,", "rolekeeper=loud", "=debug", "info,a=b=debug"] {
            assert!(!is_filter(text), "{text}");
        }
    }

    #[test]
    fn addresses_need_their_scheme_and_a_host() {
        assert!(accepts("ROOT_URL", "https://roles.example.org/"));
        assert!(accepts("MONGO_URL", "mongodb+srv://cluster.example.org/rocketchat"));
        for text in ["", "roles.example.org", "https://", "ftp://example.org", "http://a b", "mongodb://host"] {
            assert!(!accepts("ROOT_URL", text), "{text}");
        }
        assert!(!accepts("MONGO_URL", "localhost:27017"));
    }
}
