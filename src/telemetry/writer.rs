//! Where finished lines go: gathered for a moment and written together by a thread of their own, because a call of the
//! operating system for each line costs a request more than the rest of its line. What a line looks like is in `line`.
//!
//! A line is lost only when the process is killed or the machine fails within that moment; whoever ends the process in
//! any other way has called [`Writer::flush`] before.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long lines are gathered after the first of them.
const MOMENT: Duration = Duration::from_millis(5);
/// Bytes that wait at most; whoever has more to say writes them first, so that a slow reader slows down the requests
/// instead of filling the memory.
const MOST_WAITING: usize = 256 * 1024;

/// Writes lines in the order in which they came.
pub struct Writer(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    /// Told when the first line after a pause has come.
    some: Condvar,
    /// Locked before `waiting` is emptied and until that is written, which keeps the order.
    sink: Mutex<Sink>,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// The thread sleeps until it is told.
    asleep: bool,
}

struct Sink {
    out: Box<dyn Write + Send>,
    /// Being written; changes places with the waiting ones, so that both keep their memory.
    lines: Vec<u8>,
}

impl Writer {
    /// To `out`. Where no thread can be started, every line is written at once.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        let sink = Sink { out: Box::new(out), lines: Vec::new() };
        let shared = Arc::new(Shared { waiting: Mutex::default(), some: Condvar::new(), sink: Mutex::new(sink) });
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new().name("log".to_owned()).stack_size(64 * 1024);
        if thread.spawn(move || own.write_from_time_to_time()).is_err() {
            shared.write();
        }
        Self(shared)
    }

    /// Takes a line, its end included; it is written within a few milliseconds.
    pub fn line(&self, line: &[u8]) {
        let mut waiting = locked(&self.0.waiting);
        waiting.lines.extend_from_slice(line);
        let (is_full, asleep) = (waiting.lines.len() >= MOST_WAITING, std::mem::take(&mut waiting.asleep));
        drop(waiting);
        if asleep {
            self.0.some.notify_one();
        }
        if is_full {
            self.flush();
        }
    }

    /// Writes everything that waits, and returns when that is done.
    pub fn flush(&self) {
        self.0.write();
    }
}

impl Shared {
    fn write_from_time_to_time(&self) {
        loop {
            let mut waiting = locked(&self.waiting);
            while waiting.lines.is_empty() {
                waiting.asleep = true;
                waiting = self.some.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            drop(waiting);
            thread::sleep(MOMENT);
            self.write();
        }
    }

    fn write(&self) {
        let mut sink = locked(&self.sink);
        let Sink { out, lines } = &mut *sink;
        std::mem::swap(lines, &mut locked(&self.waiting).lines);
        // Nobody is left to be told that the log cannot be written.
        let _ = out.write_all(lines).and_then(|()| out.flush());
        lines.clear();
    }
}

/// No line is half taken: a thread that panicked with the lock has done nothing but that.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Tells every write to whoever listens.
    struct Told(Sender<Vec<u8>>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            // The listener may be gone; the thread of the writer stays.
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn writer() -> (Writer, Receiver<Vec<u8>>) {
        let (sender, receiver) = channel();
        (Writer::new(Told(sender)), receiver)
    }

    #[test]
    fn a_line_is_written_without_being_asked_for() {
        let (writer, written) = writer();
        for line in ["one\n", "two\n", "three\n"] {
            writer.line(line.as_bytes());
            assert_eq!(written.recv().unwrap(), line.as_bytes());
        }
    }

    #[test]
    fn what_waits_is_written_before_flushing_is_over_and_in_order() {
        let (writer, written) = writer();
        let lines: Vec<String> = (0..1_000).map(|number| format!("{number}\n")).collect();
        for line in &lines {
            writer.line(line.as_bytes());
        }
        writer.flush();
        assert_eq!(written.try_iter().flatten().collect::<Vec<u8>>(), lines.concat().into_bytes());
    }

    #[test]
    fn more_than_may_wait_is_written_by_whoever_brings_it() {
        let (writer, written) = writer();
        let line = "x".repeat(MOST_WAITING);
        writer.line(line.as_bytes());
        assert_eq!(written.try_iter().flatten().count(), MOST_WAITING);
    }
}
