//! Reads settings from texts instead of files, for `fuzz/` alone; in every build without the feature `fuzzing` this
//! module is not there. Nothing is done here but to call the readers.

use std::path::Path;
use std::sync::LazyLock;

use ::config::{Config, File, FileFormat};

use super::layers::{DEFAULTS, Layers};
use super::{ConfigError, Environment, Settings};

/// Read once: most of their text is comments, and reading it takes longer than anything that follows.
static READ_DEFAULTS: LazyLock<Config> = LazyLock::new(|| {
    let defaults = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    defaults.build().unwrap_or_default()
});

/// As [`super::load`], with the text of the file. Whoever calls it leaves variables out that name files.
///
/// # Errors
/// As those of [`super::load`].
pub fn load_text(file: &str, environment: &Environment) -> Result<Settings, ConfigError> {
    let mut layers = Layers::over(READ_DEFAULTS.clone());
    layers.add_text(Path::new("settings.toml"), file);
    layers.add_environment(environment);
    layers.finish()
}
