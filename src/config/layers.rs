//! Puts the layers of the configuration together and collects every problem on the way. What the settings are stands
//! in `config/keys.rs`, what they become in `config`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ::config::builder::{ConfigBuilder, DefaultState};
use ::config::{Config, File, FileFormat, Map, Source, Value, ValueKind};

use super::Settings;
use super::keys::{self, KEYS, Key};
use crate::cli::Flags;

/// The environment of the process, handed in so that a test can have its own.
pub type Environment = BTreeMap<String, String>;

/// Everything that is wrong with the configuration, one line each. Never holds a value: a secret may stand in the
/// wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    problems: Vec<String>,
}

impl ConfigError {
    /// The problems, each a sentence that names the setting.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");
const OUR_PREFIX: &str = "ROLEKEEPER_";
const TEST_PREFIX: &str = "ROLEKEEPER_TEST_";
const CONFIG_VARIABLE: &str = "ROLEKEEPER_CONFIG";
const WORKSPACE: &str = "workspace";
const RESTRICTED: &str = "restricted_roles";
const RESTRICTED_VARIABLE: &str = "ROLEKEEPER_RESTRICTED_ROLES";
const WORKSPACE_PREFIX: &str = "OVERWRITE_SETTING_";

/// Reads the settings: defaults < file < environment < flags.
///
/// # Errors
/// [`ConfigError`] with every problem of every layer: an unreadable file, an unknown name, a value that does not fit.
pub fn load(flags: &Flags, environment: &Environment) -> Result<Settings, ConfigError> {
    let mut layers = Layers::new();
    if let Some(path) = config_path(flags, environment) {
        layers.add_file(&path);
    }
    layers.add_environment(environment);
    layers.add_flags(flags);
    layers.finish()
}

fn config_path(flags: &Flags, environment: &Environment) -> Option<PathBuf> {
    flags.config.clone().or_else(|| given(environment, CONFIG_VARIABLE).map(PathBuf::from))
}

/// The value of a variable; an empty one counts as not set, because compose files and unit files cannot leave one out.
fn given<'a>(environment: &'a Environment, variable: &str) -> Option<&'a str> {
    environment.get(variable).map(String::as_str).filter(|value| !value.is_empty())
}

pub(super) struct Layers {
    /// The values of the settings, later layers over earlier ones.
    values: ConfigBuilder<DefaultState>,
    /// Kept apart from `values`: the ids of these settings are free text, not paths.
    workspace: BTreeMap<String, String>,
    /// Kept apart for the same reason; the environment's replace those of the file.
    restricted_roles: BTreeMap<String, Vec<String>>,
    problems: Vec<String>,
}

impl Layers {
    pub(super) fn new() -> Self {
        Self::over(File::from_str(DEFAULTS, FileFormat::Toml))
    }

    /// Over the built-in defaults, however they come.
    pub(super) fn over(defaults: impl Source + Send + Sync + 'static) -> Self {
        let values = Config::builder().add_source(defaults);
        Self { values, workspace: BTreeMap::new(), restricted_roles: BTreeMap::new(), problems: Vec::new() }
    }

    /// Puts a value over what earlier layers said, if it fits. `named` is what the layer calls the setting.
    fn set(&mut self, key: &Key, named: &str, text: &str) {
        if !(key.accepts)(text) {
            self.problems.push(format!("{named} must be {}", key.must_be));
            return;
        }
        match self.values.clone().set_override(key.path(), text) {
            Ok(values) => self.values = values,
            Err(_) => self.problems.push(format!("{named} cannot be set")),
        }
    }

    fn add_file(&mut self, path: &Path) {
        match fs::read_to_string(path) {
            Ok(text) => self.add_text(path, &text),
            Err(error) => {
                let problem = format!("cannot read the configuration file {}: {error}", path.display());
                self.problems.push(problem);
            }
        }
    }

    /// The text of the file at `path`.
    pub(super) fn add_text(&mut self, path: &Path, text: &str) {
        let shown = path.display();
        let tables = match File::from_str(text, FileFormat::Toml).collect() {
            Ok(tables) => tables,
            Err(error) => return self.problems.push(format!("{shown}: {}", place_of(&error))),
        };
        for (section, value) in in_order(tables) {
            let ValueKind::Table(entries) = value.kind else {
                self.problems.push(format!("{shown}: unknown key {section:?}"));
                continue;
            };
            if ![WORKSPACE, RESTRICTED].contains(&section.as_str()) && !KEYS.iter().any(|key| key.section == section) {
                self.problems.push(format!("{shown}: unknown table [{section}]"));
                continue;
            }
            for (name, value) in in_order(entries) {
                self.add_file_entry(path, &section, &name, value);
            }
        }
    }

    fn add_file_entry(&mut self, path: &Path, section: &str, name: &str, value: Value) {
        let named = format!("{}: {section}.{name}", path.display());
        if section == RESTRICTED {
            return self.restrict(&named, name, texts(value));
        }
        let key = keys::find(section, name);
        if key.is_none() && section != WORKSPACE {
            return self.problems.push(format!("{}: unknown key {section}.{name}", path.display()));
        }
        // Numbers and switches are taken as text like those of the environment, and checked by the same rule.
        let Ok(text) = value.into_string() else {
            return self.problems.push(format!("{named} must be a single value"));
        };
        match key {
            Some(key) => self.set(key, &named, &text),
            None => drop(self.workspace.insert(name.to_owned(), text)),
        }
    }

    /// A role without a permission would be one without a restriction, which nobody means who names it.
    fn restrict(&mut self, named: &str, role: &str, permissions: Option<Vec<String>>) {
        match permissions.filter(|permissions| !role.is_empty() && !permissions.is_empty()) {
            Some(permissions) => drop(self.restricted_roles.insert(role.to_owned(), permissions)),
            None => self.problems.push(format!("{named} must be a role's list of permissions, with at least one")),
        }
    }

    /// `role=permission,permission;role=permission`.
    fn add_restricted_roles(&mut self, text: &str) {
        self.restricted_roles.clear();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (role, permissions) = part.split_once('=').unwrap_or((part, ""));
            let permissions = permissions.split(',').map(|permission| permission.trim().to_owned()).collect();
            self.restrict(RESTRICTED_VARIABLE, role.trim(), without_empty(permissions));
        }
    }

    pub(super) fn add_environment(&mut self, environment: &Environment) {
        if let Some(text) = given(environment, RESTRICTED_VARIABLE) {
            self.add_restricted_roles(text);
        }
        for key in KEYS {
            self.add_variable(key, environment);
        }
        for (variable, value) in environment {
            if let Some(id) = variable.strip_prefix(WORKSPACE_PREFIX) {
                self.add_workspace_variable(variable, id, value);
            } else if is_unknown(variable) {
                self.problems.push(format!("unknown environment variable {variable:?}"));
            }
        }
    }

    fn add_variable(&mut self, key: &Key, environment: &Environment) {
        let direct = given(environment, key.variable);
        let file_variable = key.file_variable().unwrap_or_default();
        match (direct, given(environment, &file_variable)) {
            (Some(_), Some(_)) => {
                self.problems.push(format!("{} and {file_variable} are both set; keep one", key.variable));
            }
            (Some(text), None) => self.set(key, key.variable, text),
            (None, Some(path)) => match fs::read_to_string(path) {
                Ok(text) => self.set(key, &format!("the content of {file_variable}"), without_line_end(&text)),
                // Without the path: somebody may have written the secret itself there.
                Err(error) => self.problems.push(format!("{file_variable}: cannot read the file: {error}")),
            },
            (None, None) => {}
        }
    }

    /// An empty value is a value here: some settings of a workspace are empty texts.
    fn add_workspace_variable(&mut self, variable: &str, id: &str, value: &str) {
        if id.is_empty() {
            return self.problems.push(format!("{variable} names no setting"));
        }
        self.workspace.insert(id.to_owned(), value.to_owned());
    }

    fn add_flags(&mut self, flags: &Flags) {
        let given = [
            ("server", "bind", "--bind", flags.bind.map(|bind| bind.to_string())),
            ("server", "port", "--port", flags.port.map(|port| port.to_string())),
            ("store", "data_dir", "--data-dir", flags.data_dir.as_ref().map(|path| path.display().to_string())),
        ];
        for (section, name, flag, text) in given {
            if let (Some(key), Some(text)) = (keys::find(section, name), text) {
                self.set(key, flag, &text);
            }
        }
    }

    pub(super) fn finish(mut self) -> Result<Settings, ConfigError> {
        let settings = self.values.build_cloned().and_then(Config::try_deserialize::<Settings>);
        match settings {
            Ok(mut settings) if self.problems.is_empty() => {
                settings.workspace.append(&mut self.workspace);
                settings.restricted_roles.append(&mut self.restricted_roles);
                Ok(settings)
            }
            Ok(_) => Err(ConfigError { problems: self.problems }),
            // Each value was checked before, so only the defaults can be at fault. The error's own text is left out:
            // it may quote a value.
            Err(_) => {
                self.problems.push("the built-in defaults do not fit the settings".to_owned());
                Err(ConfigError { problems: self.problems })
            }
        }
    }
}

/// Whether a variable claims to be ours and is not. Others of the machine are none of our business.
fn is_unknown(variable: &str) -> bool {
    let is_known = |key: &Key| key.variable == variable || key.file_variable().is_some_and(|name| name == variable);
    variable.starts_with(OUR_PREFIX)
        && !variable.starts_with(TEST_PREFIX)
        && ![CONFIG_VARIABLE, RESTRICTED_VARIABLE].contains(&variable)
        && !KEYS.iter().any(is_known)
}

/// The texts of a list, when it is one of texts.
fn texts(value: Value) -> Option<Vec<String>> {
    let list = value.into_array().ok()?;
    let texts: Result<Vec<_>, _> = list.into_iter().map(Value::into_string).collect();
    without_empty(texts.ok()?)
}

fn without_empty(texts: Vec<String>) -> Option<Vec<String>> {
    texts.iter().all(|text| !text.is_empty()).then_some(texts)
}

/// One line end is what an editor or `echo` adds to a secret.
fn without_line_end(text: &str) -> &str {
    text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text)
}

/// Where a file stops being TOML. The first line of the parser's report says it; the others quote the file.
fn place_of(error: &::config::ConfigError) -> String {
    let report = error.to_string();
    let first = report.lines().next().unwrap_or_default();
    match first.find("at line") {
        Some(start) => format!("not valid TOML {}", &first[start..]),
        None => "not valid TOML".to_owned(),
    }
}

/// Sorted, so that the same problems are always told in the same order.
fn in_order(map: Map<String, Value>) -> BTreeMap<String, Value> {
    map.into_iter().collect()
}
