//! What a server tells people about itself: its settings, where a caller meets them.

use serde_json::{Map, Value, json};

use crate::config::Config;

/// The settings, as JSON.
#[derive(Debug)]
pub(crate) struct Facts(Map<String, Value>);

impl Facts {
    /// The facts of these settings, with programs run by a Python of this version.
    pub(crate) fn new(config: &Config, (major, minor): (u8, u8)) -> Self {
        let facts = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "python": format!("{major}.{minor}"),
            "imports": config.imports_allowed,
            "limits": {
                "code_characters": config.public.code_characters_max,
                "wall_ms": u64::try_from(config.public.wall_max.as_millis()).unwrap_or(u64::MAX),
                "requests_per_minute": config.requests_per_minute,
                "requests_per_day": config.requests_per_day,
                "attachments": config.attachments_max,
                "attachment_bytes": config.attachment_bytes_max,
                "memory_bytes": config.limits.memory_bytes_max,
                "processes": config.limits.processes_max,
                "workspace_bytes": config.limits.workspace_bytes_max,
                "workspace_files": config.limits.workspace_files_max,
                "output_bytes": config.output_bytes_max,
                "return_file_bytes": config.collect.file_bytes_max,
            },
        });
        match facts {
            Value::Object(facts) => Self(facts),
            _ => Self(Map::new()),
        }
    }

    /// The facts, and what is so at this moment.
    pub(crate) fn with(&self, now: impl IntoIterator<Item = (&'static str, Value)>) -> String {
        let now = now
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        let facts: Map<String, Value> = self.0.clone().into_iter().chain(now).collect();
        Value::Object(facts).to_string()
    }
}
