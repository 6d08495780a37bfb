//! What `GET /health` says.

use schemars::JsonSchema;
use serde::Serialize;

/// How the server is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Health {
    /// In a word; anything but `ok` comes with the status 503.
    pub status: HealthStatus,
    /// The version of the server.
    pub version: &'static str,
    /// What isolates programs, in a word.
    pub isolation: &'static str,
    /// Programs that run now.
    pub active_processes: usize,
    /// Programs that may run at once.
    pub max_concurrent_processes: usize,
}

impl Health {
    /// It as JSON.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // It has no map, and writing to memory cannot fail: nothing is left to go wrong.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// How the server is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It serves everybody.
    Ok,
    /// Programs cannot run now, and what runs them is being started again; requests wait for it.
    Recovering,
    /// The day's counts cannot be kept: only the admin is served.
    CountsNotKept,
}
