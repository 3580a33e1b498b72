//! Reads settings from texts instead of files, for `fuzz/` alone; in every build without the feature `fuzzing` this
//! module is not there. Nothing is done here but to call the readers.

use std::path::Path;

use super::layers::Layers;
use super::{ConfigError, Environment, Settings};

/// As [`super::load`], with the text of the file. Whoever calls it leaves variables out that name files.
///
/// # Errors
/// As those of [`super::load`].
pub fn load_text(file: &str, environment: &Environment) -> Result<Settings, ConfigError> {
    let mut layers = Layers::new();
    layers.add_text(Path::new("settings.toml"), file);
    layers.add_environment(environment);
    layers.finish()
}
