//! The log: where it goes (standard error), which records are written, and what a line looks like, with the id of the
//! request that a line belongs to. What is worth a line is decided where it happens; figures are not kept here.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::future::Future;
use std::io::Write as _;

use log::kv::{self, VisitSource};
use log::{LevelFilter, Record, SetLoggerError};
use serde_json::{Map, Value};

use crate::clock::{Clock, SystemClock};
use crate::config::LogFormat;
use crate::domain::time::Timestamp;

tokio::task_local! {
    /// The id of the request that the present task works for.
    static REQUEST_ID: String;
}

/// Runs `future` as the work for the request `id`: its lines carry the id. Tasks that it spawns do not inherit it.
pub async fn with_request_id<F: Future>(id: String, future: F) -> F::Output {
    REQUEST_ID.scope(id, future).await
}

/// The id of the request that the present task works for, if there is one.
pub fn current_request_id() -> Option<String> {
    REQUEST_ID.try_with(Clone::clone).ok()
}

/// Libraries whose news matter from a warning on.
const QUIET: [&str; 9] = [
    "actix_http",
    "actix_server",
    "actix_web",
    "hickory_proto",
    "hickory_resolver",
    "mio",
    "mongodb",
    "rusqlite",
    "rustls",
];

/// Starts logging to standard error. `filter` is what `ROLEKEEPER_LOG` takes.
///
/// # Errors
/// [`SetLoggerError`] when the process has a logger already.
pub fn init(format: LogFormat, filter: &str) -> Result<(), SetLoggerError> {
    env_logger::Builder::new()
        .parse_filters(&with_quiet_libraries(filter))
        .target(env_logger::Target::Stderr)
        .format(move |out, record| {
            let line = format_line(format, SystemClock.now(), record, current_request_id().as_deref());
            out.write_all(line.as_bytes())
        })
        .try_init()
}

/// The filter, and `warn` for the libraries of [`QUIET`] that it does not name itself. Where the filter lets less than
/// that through, it is left as it is.
fn with_quiet_libraries(filter: &str) -> String {
    let parts = || filter.split(',').map(str::trim);
    let general = parts().filter_map(|part| part.parse::<LevelFilter>().ok()).next_back();
    if general.is_none_or(|level| level <= LevelFilter::Warn) {
        return filter.to_owned();
    }
    let named = |library: &str| parts().any(|part| part.split_once('=').is_some_and(|(m, _)| library.starts_with(m)));
    let quiet = QUIET.iter().filter(|library| !named(library)).map(|library| format!(",{library}=warn"));
    filter.to_owned() + &quiet.collect::<String>()
}

/// One record as one line, line end included. Control characters of what a caller sent appear escaped, so that nobody
/// can end a line and forge the next.
pub fn format_line(format: LogFormat, time: Timestamp, record: &Record<'_>, request_id: Option<&str>) -> String {
    let mut line = match format {
        LogFormat::Text => text_line(time, record, request_id),
        LogFormat::Json => json_line(time, record, request_id),
    };
    line.push('\n');
    line
}

fn text_line(time: Timestamp, record: &Record<'_>, request_id: Option<&str>) -> String {
    let mut line = format!("{time} {:5} {}", record.level(), escaped(record.target()));
    if let Some(id) = request_id {
        push_pair(&mut line, "request_id", id);
    }
    line.push(' ');
    line.push_str(&escaped(&record.args().to_string()));
    for (key, value) in pairs(record) {
        match value {
            Value::String(text) => push_pair(&mut line, &key, &text),
            value => push_pair(&mut line, &key, &value.to_string()),
        }
    }
    line
}

/// ` key=value`, in quotes where the value could be taken for more than one.
fn push_pair(line: &mut String, key: &str, value: &str) {
    line.push(' ');
    line.push_str(&escaped(key));
    line.push('=');
    let is_plain = !value.is_empty() && !value.chars().any(|c| c.is_whitespace() || c == '"' || c == '=');
    if is_plain {
        line.push_str(&escaped(value));
        return;
    }
    let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
    line.push('"');
    line.push_str(&escaped(&quoted));
    line.push('"');
}

fn json_line(time: Timestamp, record: &Record<'_>, request_id: Option<&str>) -> String {
    let mut fields = Map::new();
    fields.insert("time".to_owned(), Value::String(time.to_string()));
    fields.insert("level".to_owned(), Value::from(record.level().as_str()));
    fields.insert("target".to_owned(), Value::from(record.target()));
    if let Some(id) = request_id {
        fields.insert("request_id".to_owned(), Value::from(id));
    }
    fields.insert("message".to_owned(), Value::String(record.args().to_string()));
    for (mut key, value) in pairs(record) {
        // A pair may not replace a field of the line.
        while fields.contains_key(&key) {
            key.push('_');
        }
        fields.insert(key, value);
    }
    // Inside JSON the only control characters left are in texts, where \u is an escape of the format itself.
    escaped_with(&Value::Object(fields).to_string(), |line, c| write!(line, "\\u{:04x}", u32::from(c))).into_owned()
}

/// Characters that a terminal or a log reader may act upon or take for the end of a line.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escaped(text: &str) -> Cow<'_, str> {
    escaped_with(text, |line, c| write!(line, "{}", c.escape_default()))
}

fn escaped_with(text: &str, escape: impl Fn(&mut String, char) -> std::fmt::Result) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !is_unsafe(c) {
            line.push(c);
        } else if escape(&mut line, c).is_err() {
            line.push('?');
        }
    }
    Cow::Owned(line)
}

/// The key-value pairs of a record; numbers and switches stay what they are.
fn pairs(record: &Record<'_>) -> Vec<(String, Value)> {
    let mut collected = Collected(Vec::new());
    // The collector refuses nothing; a source that fails has given what it could.
    let _ = record.key_values().visit(&mut collected);
    collected.0
}

struct Collected(Vec<(String, Value)>);

impl<'kvs> VisitSource<'kvs> for Collected {
    fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        self.0.push((key.as_str().to_owned(), json_value(&value)));
        Ok(())
    }
}

fn json_value(value: &kv::Value<'_>) -> Value {
    if let Some(number) = value.to_u64() {
        return Value::from(number);
    }
    if let Some(number) = value.to_i64() {
        return Value::from(number);
    }
    if let Some(switch) = value.to_bool() {
        return Value::from(switch);
    }
    if let Some(number) = value.to_f64() {
        return Value::from(number);
    }
    Value::String(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    fn line(format: LogFormat, message: &str, request_id: Option<&str>, pairs: &[(&str, kv::Value<'_>)]) -> String {
        let time = Timestamp::from_millis(1_684_816_671_161);
        let args = format_args!("{message}");
        let record =
            Record::builder().level(Level::Info).target("rolekeeper::http").args(args).key_values(&pairs).build();
        format_line(format, time, &record, request_id)
    }

    #[test]
    fn a_text_line_reads_from_left_to_right() {
        let pairs = [("status", kv::Value::from(200)), ("route", kv::Value::from("GET /ready"))];
        assert_eq!(
            line(LogFormat::Text, "answered", Some("r1"), &pairs),
            "2023-05-23T04:37:51.161Z INFO  rolekeeper::http request_id=r1 answered status=200 route=\"GET /ready\"\n"
        );
        assert_eq!(
            line(LogFormat::Text, "started", None, &[]),
            "2023-05-23T04:37:51.161Z INFO  rolekeeper::http started\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_in_order() {
        let pairs = [
            ("status", kv::Value::from(200)),
            ("change", kv::Value::from(-1)),
            ("slow", kv::Value::from(false)),
            ("share", kv::Value::from(0.5)),
            ("route", kv::Value::from("GET /ready")),
        ];
        assert_eq!(
            line(LogFormat::Json, "answered", Some("r1"), &pairs),
            concat!(
                r#"{"time":"2023-05-23T04:37:51.161Z","level":"INFO","target":"rolekeeper::http","request_id":"r1","#,
                r#""message":"answered","status":200,"change":-1,"slow":false,"share":0.5,"route":"GET /ready"}"#,
                "\n"
            )
        );
    }

    #[test]
    fn nobody_can_forge_a_line() {
        let evil = "a\r\nb\u{1b}[31m\u{85}\u{2028}\u{202e}c\u{7f}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = line(format, evil, Some(evil), &[(evil, kv::Value::from(evil))]);
            let body = line.strip_suffix('\n').unwrap();
            // Told one by one rather than by the function that is tested.
            let left = ['\r', '\n', '\u{1b}', '\u{85}', '\u{2028}', '\u{202e}', '\u{7f}'];
            assert!(!body.contains(left), "{body:?}");
        }
    }

    #[test]
    fn an_escaped_json_line_still_says_what_was_said() {
        let evil = "a\r\n\u{85}\u{2028}\"\\c";
        let line = line(LogFormat::Json, evil, None, &[]);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["message"], evil);
    }

    #[test]
    fn nobody_can_forge_a_pair() {
        let text = line(LogFormat::Text, "m", Some("r1 status=200"), &[("name", kv::Value::from("x\" admin=\"yes"))]);
        assert!(text.ends_with("request_id=\"r1 status=200\" m name=\"x\\\" admin=\\\"yes\"\n"), "{text}");
        let json = line(LogFormat::Json, "m", None, &[("message", kv::Value::from("other"))]);
        let read: Value = serde_json::from_str(&json).unwrap();
        assert_eq!((read["message"].as_str(), read["message_"].as_str()), (Some("m"), Some("other")));
    }

    #[test]
    fn libraries_are_quiet_unless_the_filter_names_them() {
        let filter = with_quiet_libraries("info,mongodb=debug,actix=info");
        assert!(filter.starts_with("info,mongodb=debug,actix=info,") && filter.contains(",rusqlite=warn"));
        assert!(!filter.contains("mongodb=warn") && !filter.contains("actix_web=warn"), "{filter}");
        for narrower in ["off", "error", "warn", "rolekeeper=debug"] {
            assert_eq!(with_quiet_libraries(narrower), narrower);
        }
    }

    #[tokio::test]
    async fn the_request_id_holds_for_its_task_alone() {
        assert_eq!(current_request_id(), None);
        let inner = async {
            let inner = with_request_id("r2".to_owned(), async { current_request_id() }).await;
            (current_request_id(), inner)
        };
        let seen = with_request_id("r1".to_owned(), inner).await;
        assert_eq!(seen, (Some("r1".to_owned()), Some("r2".to_owned())));
        assert_eq!(current_request_id(), None);
    }
}
