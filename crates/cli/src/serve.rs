//! `hognose serve`.

use std::process::ExitCode;

use crate::python;
use crate::words::Serving;

/// Serves until it is told to stop.
pub(crate) fn serve(serving: &Serving) -> anyhow::Result<ExitCode> {
    let config = python::settings(serving.settings.config.as_deref(), &serving.flags())?;
    server::telemetry::init(config.log);
    let environment = python::open(&config)?;
    let threads = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    threads.block_on(server::serve(config, environment.runtime()))?;
    Ok(ExitCode::SUCCESS)
}
