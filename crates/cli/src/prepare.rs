//! `hognose prepare`: the Python environment, ahead of the first start.

use std::process::ExitCode;

use crate::words::Prepare;
use crate::{python, say};

/// Makes the environment where there is none that fits, and tells where it is.
pub(crate) fn prepare(prepare: &Prepare) -> anyhow::Result<ExitCode> {
    let settings = &prepare.settings;
    let config = python::settings(settings.config.as_deref(), &settings.flags())?;
    let environment = python::open(&config)?;
    say(&format!(
        "programs will run on {}",
        environment.folder().display()
    ));
    Ok(ExitCode::SUCCESS)
}
