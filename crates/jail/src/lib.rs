//! The walls: the only privileges, the only `unsafe`.
//!
//! Theory of operation. Four kinds of process stand behind the server, each with the privileges
//! and the pipes that its work needs, and no more:
//!
//! ```text
//!   server ──seqpacket──► keeper ──seqpacket──► zygote (one a kind)
//!      │                    │ clone3                │ fork
//!      │                    ▼                       ▼
//!      │                  init, pid 1 of the run   unit, pid 2 of the run
//!      └───job, stdin, stdout, stderr, box (the unit's own, never shared)──┘
//! ```
//!
//! - The **keeper** ([`keeper`]) has one thread and faces only the server. It alone is privileged:
//!   root of its own user namespace if an ordinary user started it. It makes inits and boxes,
//!   orders forks where there is no init, kills and reaps. It reads nothing that a run wrote.
//! - A **zygote** ([`zygote`]) is a CPython that has imported what its kind says. It is executed
//!   with an empty environment inside the template root ([`walls::template`]), reads nothing but
//!   the keeper's and inits' orders, and forks.
//! - An **init** (`keeper/init.rs`) is process 1 of a run's PID namespace. It has the unit forked into it, then only
//!   waits: when it dies, the kernel kills everything in the run.
//! - A **unit** is a fork of a zygote into that namespace that has made the others and raised every wall
//!   on itself ([`confine`]). Only then does it say that it is ready, and only then can it be
//!   given a job.
//!
//! The half of this crate that runs inside the zygote is built once more as a shared library (the
//! crate `confine`), which the interpreter loads.

pub mod confine;
pub mod gvisor;
pub mod keeper;
pub mod probe;
pub mod sys;
pub mod walls;
pub mod zygote;
