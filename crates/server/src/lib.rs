//! Who may run what: the HTTP service around the sandbox.
//!
//! Modules in reading order: [`mod@execute`] is the spine, one request from words to answer. It asks
//! `admission` whether the caller may run now (callers are told apart by `count_key`, counts kept by `store`) and
//! `policy` whether the program may run at all, has `runner` run it, and `report` finds the words. `http` puts them
//! on the wire. `app` puts all of it together, from [`config`].
#![forbid(unsafe_code)]

mod execute;
mod facts;

mod admission;
mod count_key;
mod policy;
mod refusal;
mod report;
mod store;

mod http;

mod app;
mod clock;
pub mod config;
mod figures;
mod runner;
#[cfg(test)]
mod scripted;
pub mod telemetry;

pub use app::StartError;
pub use http::{ServeError, serve};
pub use policy::{imports_of, name_in_workspace};
pub use store::StoreError;
