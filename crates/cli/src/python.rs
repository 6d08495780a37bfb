//! The settings and the Python environment, as every task needs them.

use std::path::Path;

use sandbox::environment::Environment;
use server::config::{self, Config, Flags};

use crate::say;

/// Reads the settings: defaults, file, variables, flags.
pub(crate) fn settings(file: Option<&Path>, flags: &Flags) -> anyhow::Result<Config> {
    Ok(config::load(file, flags, std::env::vars_os())?)
}

/// Opens the Python environment, making it on the first use.
pub(crate) fn open(config: &Config) -> anyhow::Result<Environment> {
    let python = config.python.as_deref();
    let existing = config.environment.as_deref();
    let environment = Environment::open_or_make(&config.data_dir, python, existing, &mut say)?;
    environment
        .warnings()
        .iter()
        .for_each(|warning| say(warning));
    Ok(environment)
}
