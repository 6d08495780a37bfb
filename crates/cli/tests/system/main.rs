//! The real program with real walls, asked over HTTP to run real programs.
//!
//! A binary of its own, apart from `it`: what is measured here is the machine's (processes, mounts,
//! cgroups, time), so nothing else of this crate may run beside it. [`harness`] starts servers and
//! looks for what they leave behind; every other module is a theme.
//!
//! An hour of everything at once: `HOGNOSE_SOAK_SECONDS=3600 cargo test -p cli --test system soak -- --ignored`.
//!
//! One case alone: `HOGNOSE_CASE=hostile/fork_bomb cargo test -p cli --test system cases`.

mod burst;
mod case;
mod cases;
mod command;
mod disasters;
mod edge;
mod endings;
mod harness;
mod leaks;
mod libraries;
mod page;
mod quota;
mod snippets;
mod soak;
