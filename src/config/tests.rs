//! Tests of the layers: each gives its own file, environment and flags.

use std::fs;
use std::path::Path;

use ::config::{Config, File, FileFormat};
use tempfile::TempDir;

use super::keys::KEYS;
use super::layers::DEFAULTS;
use super::*;
use crate::cli::Flags;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
    load(&Flags::default(), &environment(variables))
}

fn from_file(text: &str) -> Result<Settings, ConfigError> {
    let (_folder, path) = file(text);
    load(&Flags { config: Some(path), ..Flags::default() }, &Environment::new())
}

fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some file");
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// The one problem of a configuration that has one.
fn problem(result: Result<Settings, ConfigError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    error.to_string()
}

#[test]
fn without_anything_the_defaults_hold() {
    let settings = from_environment(&[("PATH", "/bin"), ("HOME", "/root")]).unwrap();
    assert_eq!(settings.server.bind, IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert_eq!(settings.server.port, 3000);
    assert_eq!(settings.server.root_url, None);
    assert_eq!(settings.server.root_url(), "http://127.0.0.1:3000");
    assert_eq!(settings.server.forwarded_count, 0);
    assert_eq!(settings.server.workers, None);
    assert_eq!(settings.server.drain_seconds, 0);
    assert_eq!(settings.server.shutdown_seconds, 10);
    assert_eq!(settings.store.mongo_url, None);
    assert_eq!(settings.store.data_dir, Path::new("./data"));
    assert_eq!(settings.cache.sessions, 10_000);
    assert_eq!(settings.administrator.username, "admin");
    assert_eq!(settings.administrator.password, None);
    assert_eq!(settings.administrator.email, None);
    assert_eq!(settings.administrator.name, "Administrator");
    assert_eq!(settings.passwords.bcrypt_cost, 10);
    assert!(!settings.tokens.create_for_users);
    assert_eq!(settings.tokens.create_for_users_secret, None);
    assert_eq!(settings.log.format, LogFormat::Text);
    assert_eq!(settings.log.filter, "info");
    assert!(settings.workspace.is_empty());
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let (_folder, path) = file(
        "server = { bind = '10.0.0.1', port = 1, shutdown_seconds = 1 }\n\
         [workspace]\nA = 1\nB.enabled = true\n",
    );
    let refused = load(&Flags { config: Some(path), ..Flags::default() }, &Environment::new());
    assert!(problem(refused).ends_with("workspace.B must be a single value"));

    let (_folder, path) = file(
        "server = { bind = '10.0.0.1', port = 1, shutdown_seconds = 1 }\n\
         [workspace]\nA = 1\nSwitch_On = true\n\"Dotted.Id\" = 'from file'\n",
    );
    let flags = Flags { config: Some(path), bind: Some(Ipv6Addr::LOCALHOST.into()), ..Flags::default() };
    let variables = environment(&[
        ("ROLEKEEPER_BIND", "10.0.0.2"),
        ("PORT", "2"),
        ("OVERWRITE_SETTING_A", "from environment"),
        ("OVERWRITE_SETTING_Empty", ""),
    ]);
    let settings = load(&flags, &variables).unwrap();
    assert_eq!(settings.server.bind, IpAddr::V6(Ipv6Addr::LOCALHOST), "flag over environment");
    assert_eq!(settings.server.port, 2, "environment over file");
    assert_eq!(settings.server.shutdown_seconds, 1, "file over default");
    assert_eq!(settings.passwords.bcrypt_cost, 10, "default");
    let expected =
        environment(&[("A", "from environment"), ("Switch_On", "true"), ("Dotted.Id", "from file"), ("Empty", "")]);
    assert_eq!(settings.workspace, expected);
}

#[test]
fn every_variable_and_flag_reaches_its_setting() {
    let variables = environment(&[
        ("ROLEKEEPER_BIND", "0.0.0.0"),
        ("PORT", "0"),
        ("ROOT_URL", "https://roles.example.org/"),
        ("HTTP_FORWARDED_COUNT", "2"),
        ("ROLEKEEPER_WORKERS", "3"),
        ("ROLEKEEPER_DRAIN_SECONDS", "5"),
        ("ROLEKEEPER_SHUTDOWN_SECONDS", "0"),
        ("ROLEKEEPER_HEAD_SECONDS", "4"),
        ("ROLEKEEPER_BODY_SECONDS", "5"),
        ("ROLEKEEPER_ANSWER_SECONDS", "6"),
        ("ROLEKEEPER_KEEP_ALIVE_SECONDS", "7"),
        ("MONGO_URL", "mongodb://db/rocketchat"),
        ("ROLEKEEPER_DATA_DIR", "/var/lib/x"),
        ("ROLEKEEPER_CACHE_SESSIONS", "50"),
        ("ADMIN_USERNAME", "root"),
        ("ADMIN_PASS", "12345"),
        ("ADMIN_EMAIL", "root@example.org"),
        ("ADMIN_NAME", "Root"),
        ("ROLEKEEPER_FIRST_USER_IS_ADMIN", "true"),
        ("ROLEKEEPER_BCRYPT_COST", "12"),
        ("CREATE_TOKENS_FOR_USERS", "yes"),
        ("CREATE_TOKENS_FOR_USERS_SECRET", "hunter2"),
        ("ROLEKEEPER_AUDIT_KEY_FILE", "/run/secrets/key"),
        ("ROLEKEEPER_LOG_FORMAT", "json"),
        ("ROLEKEEPER_LOG", "debug"),
        ("ROLEKEEPER_TEST_ANYTHING", "x"),
    ]);
    let flags = Flags { port: Some(7), data_dir: Some("elsewhere".into()), ..Flags::default() };
    let settings = load(&flags, &variables).unwrap();
    assert_eq!(
        settings.describe(),
        "server.bind = 0.0.0.0\nserver.port = 7\nserver.root_url = https://roles.example.org\n\
         server.forwarded_count = 2\nserver.workers = 3\nserver.drain_seconds = 5\nserver.shutdown_seconds = 0\nserver.head_seconds = 4\n\
         server.body_seconds = 5\nserver.answer_seconds = 6\nserver.keep_alive_seconds = 7\nstore.mongo_url = (set)\nstore.data_dir = elsewhere\ncache.sessions = 50\n\
         administrator.username = root\nadministrator.password = (set)\nadministrator.email = root@example.org\n\
         administrator.name = Root\nadministrator.first_user_is_admin = true\n\
         passwords.bcrypt_cost = 12\ntokens.create_for_users = true\ntokens.create_for_users_secret = (set)\naudit.key_file = /run/secrets/key\nlog.format = json\nlog.filter = debug"
    );
    assert_eq!(settings.administrator.password, Some(Secret::new("12345")), "digits stay text");
    assert_eq!(settings.server.local_url(), "http://127.0.0.1:7");
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let empty: Vec<(&str, &str)> = KEYS.iter().map(|key| (key.variable, "")).collect();
    let settings = from_environment(&empty).unwrap();
    assert_eq!((settings.server.port, settings.store.mongo_url), (3000, None));
    assert!(from_environment(&[("ROLEKEEPER_CONFIG", ""), ("MONGO_URL_FILE", "")]).is_ok());
}

#[test]
fn the_file_may_be_named_by_the_environment_and_the_flag_wins() {
    let (_one, one) = file("server.port = 1");
    let (_two, two) = file("server.port = 2");
    let variables = environment(&[("ROLEKEEPER_CONFIG", one.to_str().unwrap())]);
    assert_eq!(load(&Flags::default(), &variables).unwrap().server.port, 1);
    let flags = Flags { config: Some(two), ..Flags::default() };
    assert_eq!(load(&flags, &variables).unwrap().server.port, 2);
}

#[test]
fn a_named_file_must_be_there() {
    let flags = Flags { config: Some("/nowhere/rolekeeper.toml".into()), ..Flags::default() };
    let text = problem(load(&flags, &Environment::new()));
    assert!(text.starts_with("cannot read the configuration file /nowhere/rolekeeper.toml: "), "{text}");
}

fn restricted(settings: &Settings) -> Vec<(&str, Vec<&str>)> {
    let mut all = Vec::new();
    for (role, permissions) in &settings.restricted_roles {
        all.push((role.as_str(), permissions.iter().map(String::as_str).collect()));
    }
    all
}

#[test]
fn restricted_roles_come_from_the_file_or_all_from_the_environment() {
    assert_eq!(restricted(&from_environment(&[]).unwrap()), []);
    let text = "[restricted_roles]\nguest = ['view-d-room', 'view-p-room']\nVisitor = ['view-d-room']\n";
    let settings = from_file(text).unwrap();
    let both = [("Visitor", vec!["view-d-room"]), ("guest", vec!["view-d-room", "view-p-room"])];
    assert_eq!(restricted(&settings), both);
    assert!(settings.describe().contains("restricted_roles.guest = view-d-room, view-p-room"));
    let (_folder, path) = file(text);
    let variable = "ROLEKEEPER_RESTRICTED_ROLES";
    let flags = Flags { config: Some(path), ..Flags::default() };
    let settings = load(&flags, &environment(&[(variable, " guest = view-logs , a ; bot=b;")])).unwrap();
    assert_eq!(restricted(&settings), [("bot", vec!["b"]), ("guest", vec!["view-logs", "a"])]);
    for text in ["guest", "guest=", "=a", "guest=a,,b"] {
        let told = problem(from_environment(&[(variable, text)]));
        assert_eq!(told, format!("{variable} must be a role's list of permissions, with at least one"), "{text}");
    }
    for list in ["'view-d-room'", "[]", "['']", "[['a']]"] {
        let told = problem(from_file(&format!("[restricted_roles]\nguest = {list}\n")));
        assert!(
            told.ends_with("restricted_roles.guest must be a role's list of permissions, with at least one"),
            "{told}"
        );
    }
}

#[test]
fn unknown_names_are_problems_that_tell_the_name() {
    assert!(problem(from_file("[server]\nprot = 1")).ends_with("unknown key server.prot"));
    assert!(problem(from_file("[sever]\nport = 1")).ends_with("unknown table [sever]"));
    assert!(problem(from_file("port = 1")).ends_with("unknown key \"port\""));
    let unknown = |name| problem(from_environment(&[(name, "x")]));
    assert_eq!(unknown("ROLEKEEPER_PORT"), "unknown environment variable \"ROLEKEEPER_PORT\"");
    assert_eq!(unknown("ROLEKEEPER_BIND_FILE"), "unknown environment variable \"ROLEKEEPER_BIND_FILE\"");
    assert_eq!(unknown("OVERWRITE_SETTING_"), "OVERWRITE_SETTING_ names no setting");
}

#[test]
fn a_value_that_does_not_fit_names_its_place() {
    assert_eq!(problem(from_environment(&[("PORT", "65536")])), "PORT must be a whole number from 0 to 65535");
    assert!(problem(from_file("server.port = 70000")).ends_with("server.port must be a whole number from 0 to 65535"));
    assert!(problem(from_file("server.port = [1]")).ends_with("server.port must be a single value"));
    let flags = Flags { data_dir: Some("".into()), ..Flags::default() };
    assert_eq!(problem(load(&flags, &Environment::new())), "--data-dir must be the path of a folder");
}

#[test]
fn a_secret_may_come_from_a_file() {
    let (_folder, path) = file("mongodb://u:p@db/rocketchat\n");
    let settings = from_environment(&[("MONGO_URL_FILE", path.to_str().unwrap())]).unwrap();
    assert_eq!(settings.store.mongo_url, Some(Secret::new("mongodb://u:p@db/rocketchat")));

    let (_folder, path) = file(" two lines \n\n");
    let settings = from_environment(&[("ADMIN_PASS_FILE", path.to_str().unwrap())]).unwrap();
    assert_eq!(settings.administrator.password, Some(Secret::new(" two lines \n")), "one line end, nothing else");
}

#[test]
fn a_secret_file_must_be_there_alone_and_filled() {
    let missing = problem(from_environment(&[("ADMIN_PASS_FILE", "/nowhere/secret")]));
    assert!(missing.starts_with("ADMIN_PASS_FILE: cannot read the file: "), "{missing}");

    let (_folder, path) = file("\n");
    let variables = [("ADMIN_PASS_FILE", path.to_str().unwrap()), ("ADMIN_PASS", "hunter2")];
    assert_eq!(problem(from_environment(&variables)), "ADMIN_PASS and ADMIN_PASS_FILE are both set; keep one");
    let empty = problem(from_environment(&variables[..1]));
    assert_eq!(empty, "the content of ADMIN_PASS_FILE must be a text that is not empty");
}

#[test]
fn every_problem_is_told_at_once() {
    let (_folder, path) = file("[server]\nbind = 'here'\nprot = 1\n[log]\nformat = 'xml'\n");
    let variables = environment(&[
        ("PORT", "many"),
        ("ROLEKEEPER_BCRYPT_COST", "9"),
        ("ROLEKEEPER_COLOUR", "red"),
        ("MONGO_URL", "db:27017"),
    ]);
    let error = load(&Flags { config: Some(path.clone()), ..Flags::default() }, &variables).unwrap_err();
    let shown = path.display();
    let expected = [
        format!("{shown}: log.format must be \"text\" or \"json\""),
        format!("{shown}: server.bind must be an IP address such as 127.0.0.1 or ::1"),
        format!("{shown}: unknown key server.prot"),
        "PORT must be a whole number from 0 to 65535".to_owned(),
        "MONGO_URL must be a connection string that begins with mongodb:// or mongodb+srv://".to_owned(),
        "ROLEKEEPER_BCRYPT_COST must be a whole number from 10 to 14".to_owned(),
        "unknown environment variable \"ROLEKEEPER_COLOUR\"".to_owned(),
    ];
    assert_eq!(error.problems(), expected);
    assert_eq!(error.to_string(), expected.join("\n"));
}

#[test]
fn no_secret_is_ever_shown() {
    let settings = from_environment(&[
        ("MONGO_URL", "mongodb://u:hunter2@db/rocketchat"),
        ("ADMIN_PASS", "hunter2"),
        ("CREATE_TOKENS_FOR_USERS_SECRET", "hunter2"),
        ("OVERWRITE_SETTING_SMTP_Password", "hunter2"),
    ])
    .unwrap();
    let shown = format!("{settings:?} {settings:#?} {}", settings.describe());
    assert!(!shown.contains("hunter2") && shown.contains("SMTP_Password"), "{shown}");

    for text in [
        "[store]\nmongo_url = \"mongodb://u:hunter2@db",
        "[store]\nmongo_url = 'hunter2'",
        "[store]\nmongo_url = ['hunter2']",
        "[server]\nport = 'hunter2'",
        "[administrator]\npassword = 'hunter2' hunter2",
    ] {
        let error = from_file(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
    let error = from_environment(&[("MONGO_URL", "hunter2"), ("MONGO_URL_FILE", "hunter2")]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    let error = from_environment(&[("ADMIN_PASS_FILE", "hunter2")]).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line() {
    let text = problem(from_file("[server]\nport = = 1\n"));
    assert!(text.contains(": not valid TOML at line 2, column "), "{text}");
}

/// What serde would accept under `section` ("" for the top level), learnt from its refusal of a name that cannot be.
fn fields(section: &str) -> Vec<String> {
    let path = if section.is_empty() { "impossible".to_owned() } else { format!("{section}.impossible") };
    let config = Config::builder()
        .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
        .set_override(path, 1)
        .and_then(|builder| builder.build())
        .unwrap();
    let refusal = config.try_deserialize::<Settings>().unwrap_err().to_string();
    let (_, expected) = refusal.split_once("expected").unwrap();
    let expected = expected.split(" for key").next().unwrap();
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_table_of_settings_is_what_the_types_accept() {
    let sections: Vec<String> = fields("")
        .into_iter()
        .filter(|section| !["workspace", "restricted_roles"].contains(&section.as_str()))
        .collect();
    let mut accepted: Vec<String> = Vec::new();
    for section in &sections {
        accepted.extend(fields(section).iter().map(|name| format!("{section}.{name}")));
    }
    let mut listed: Vec<String> = KEYS.iter().map(super::keys::Key::path).collect();
    accepted.sort();
    listed.sort();
    assert_eq!(listed, accepted);
}

#[test]
fn the_defaults_file_documents_every_setting_with_its_variable() {
    let mut section = "";
    let mut documented = Vec::new();
    for line in DEFAULTS.lines() {
        let heading = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        section = heading.unwrap_or(section);
        let name = line.trim_start_matches("# ").split_once(" = ").map(|(name, _)| name);
        documented.extend(name.filter(|name| !name.contains(' ')).map(|name| format!("{section}.{name}")));
    }
    for key in KEYS {
        assert!(documented.contains(&key.path()), "{} is missing", key.path());
        assert!(DEFAULTS.contains(key.variable), "{} is missing", key.variable);
        let file_variable = key.file_variable().unwrap_or_default();
        assert!(DEFAULTS.contains(&file_variable), "{file_variable} is missing");
    }
}

#[test]
fn the_examples_in_the_defaults_file_are_valid() {
    let uncommented: String = DEFAULTS
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(name, _)| !name.contains(' ')) => rest,
            _ => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let settings = from_file(&uncommented).unwrap();
    assert!(settings.store.mongo_url.is_some() && settings.administrator.email.is_some());
    assert!(!settings.workspace.is_empty());
}

#[test]
fn the_root_address_follows_the_bind_address() {
    let root = |bind| from_environment(&[("ROLEKEEPER_BIND", bind), ("PORT", "80")]).unwrap().server.root_url();
    assert_eq!(root("::1"), "http://[::1]:80");
    assert_eq!(root("10.1.2.3"), "http://10.1.2.3:80");
    assert_eq!([root("0.0.0.0"), root("::")], ["http://localhost:80", "http://localhost:80"]);
}
