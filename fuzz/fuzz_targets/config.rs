//! The configuration: a file of TOML and, behind a NUL, variables of the environment, one in each line. Held to: a secret
//! is told by nothing, neither by a refusal nor by the settings when they are shown; accepted numbers are within their
//! bounds; and the settings of the workspace are taken or refused one by one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rolekeeper::config::Environment;
use rolekeeper::config::fuzzing::load_text;
use rolekeeper::service::settings::parse_overrides;
use rolekeeper_fuzz::halves;

/// No name and no word of ours holds it.
const MARK: &str = "qZ7~uV9";
const SECRETS: [&str; 3] = ["MONGO_URL", "ADMIN_PASS", "CREATE_TOKENS_FOR_USERS_SECRET"];

fuzz_target!(|data: &[u8]| {
    let (file, variables) = halves(data);
    let file = String::from_utf8_lossy(file);
    let outcome = load_text(&file, &environment(&String::from_utf8_lossy(variables)));
    if file.contains(MARK) {
        return;
    }
    match outcome {
        Ok(settings) => {
            assert!(settings.server.forwarded_count <= 10);
            assert!(settings.server.workers.is_none_or(|workers| (1..=1024).contains(&workers)));
            assert!((10..=14).contains(&settings.passwords.bcrypt_cost));
            assert!(settings.server.shutdown_seconds <= 3_600 && settings.cache.sessions <= 1_000_000);
            assert!(settings.restricted_roles.iter().all(|(role, held)| !role.is_empty() && !held.is_empty()));
            let shown = format!("{} {settings:?}", settings.describe());
            assert!(!shown.contains(MARK), "{shown}");
            let _ = (settings.server.root_url(), settings.server.local_url());
            let _ = parse_overrides(&settings.workspace);
        }
        Err(error) => {
            assert!(!error.problems().is_empty());
            // What a setting accepts always becomes the setting.
            assert!(!error.to_string().contains("built-in defaults"), "{error}");
            assert!(!error.to_string().contains(MARK), "{error}");
        }
    }
});

/// Without those that name files. What is secret holds the mark, wherever it was put.
fn environment(lines: &str) -> Environment {
    let mut environment = Environment::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once('=')) {
        if name.ends_with("_FILE") || name == "ROLEKEEPER_CONFIG" {
            continue;
        }
        let is_secret = SECRETS.contains(&name);
        let value = if is_secret { format!("{value}{MARK}") } else { value.replace(MARK, "") };
        environment.insert(name.replace(MARK, ""), value);
    }
    environment
}
