//! The log: where it goes (standard error), which records are written, and with the id of which request. What a line
//! looks like is in `line`, how it gets out in `writer`. What is worth a line is decided where it happens; figures are
//! not kept here.

mod line;
mod writer;

use std::cell::Cell;
use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;

use env_logger::Target;
use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};

use crate::clock::{Clock, SystemClock};
use crate::config::LogFormat;

use writer::Writer;

tokio::task_local! {
    /// The id of the request that the present task works for.
    static REQUEST_ID: Arc<str>;
}

thread_local! {
    /// The line in the making, kept for its memory.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// Memory that a thread keeps for its next line.
const KEPT_FOR_A_LINE: usize = 4 * 1024;

/// Runs `future` as the work for the request `id`: its lines carry the id. Tasks that it spawns do not inherit it.
pub fn with_request_id<F: Future>(id: Arc<str>, future: F) -> impl Future<Output = F::Output> {
    REQUEST_ID.scope(id, future)
}

/// The id of the request that the present task works for, if there is one.
pub fn current_request_id() -> Option<Arc<str>> {
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

/// Starts logging to standard error. `filter` is what `ROLEKEEPER_LOG` takes. Whoever ends the process calls [`flush`]
/// before.
///
/// # Errors
/// [`SetLoggerError`] when the process has a logger already.
pub fn init(format: LogFormat, filter: &str) -> Result<(), SetLoggerError> {
    let writer = Arc::new(Writer::new(std::io::stderr()));
    let lines = env_logger::Builder::new()
        .parse_filters(&with_quiet_libraries(filter))
        .target(Target::Pipe(Box::new(Inlet(Arc::clone(&writer)))))
        .format(move |out, record| write_line(out, format, record))
        .build();
    log::set_max_level(lines.filter());
    log::set_boxed_logger(Box::new(Logger { lines, writer }))
}

/// Writes the lines that wait.
pub fn flush() {
    log::logger().flush();
}

/// What `env_logger` writes into, line by line.
struct Inlet(Arc<Writer>);

impl Write for Inlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.line(bytes);
        Ok(bytes.len())
    }

    /// The lines are flushed where it is known what they say.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `env_logger`, and the lines of it that wait.
struct Logger {
    lines: env_logger::Logger,
    writer: Arc<Writer>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.lines.enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        self.lines.log(record);
        // Whoever looks for what went wrong must find the lines, however the process ends.
        if record.level() <= Level::Warn {
            self.flush();
        }
    }

    fn flush(&self) {
        self.writer.flush();
    }
}

fn write_line(out: &mut impl Write, format: LogFormat, record: &Record<'_>) -> io::Result<()> {
    // A value that logs while it shows itself finds an empty line and makes one of its own.
    let mut line = LINE.try_with(Cell::take).unwrap_or_default();
    line::push_line(&mut line, format, SystemClock.now(), record, current_request_id().as_deref());
    let outcome = out.write_all(line.as_bytes());
    line.clear();
    line.shrink_to(KEPT_FOR_A_LINE);
    // Only a thread that ends has no place for it any more.
    let _ = LINE.try_with(|kept| kept.set(line));
    outcome
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let inner = with_request_id("r2".into(), async { current_request_id() }).await;
            (current_request_id(), inner)
        };
        let seen = with_request_id("r1".into(), inner).await;
        assert_eq!(seen, (Some("r1".into()), Some("r2".into())));
        assert_eq!(current_request_id(), None);
    }
}
