//! Under which circumstances a figure came about: the date, the commit, the machine. What a program adds to it, it says
//! itself.

use std::fs;
use std::process::Command;

/// The date and the time.
pub fn date() -> String {
    said_by("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])
}

/// The kernel of the system.
pub fn kernel() -> String {
    said_by("uname", &["-sr"])
}

/// The commit, and whether the sources differ from it.
pub fn commit() -> String {
    let here = env!("CARGO_MANIFEST_DIR");
    let commit = said_by("git", &["-C", here, "rev-parse", "--short=12", "HEAD"]);
    let changed = !said_by("git", &["-C", here, "status", "--porcelain", "--untracked-files=no"]).is_empty();
    if changed { format!("{commit} with changes") } else { commit }
}

/// Processors and memory.
pub fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (model, memory) = (field("/proc/cpuinfo", "model name"), field("/proc/meminfo", "MemTotal"));
    format!("{processors} x {model}, {memory}")
}

/// How the program was called.
pub fn command(name: &str) -> String {
    std::iter::once(name.to_owned()).chain(std::env::args().skip(1)).collect::<Vec<_>>().join(" ")
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or(String::new(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
