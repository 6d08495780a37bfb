//! The private contract between the sandbox (which asks) and the jail (which confines).
//!
//! ```text
//!            ToKeeper: Setup, Warm, Started, End          ToZygote: Ground, Fork, Ping
//!   sandbox ───────────────────────────────────► keeper ─────────────────► zygote
//!           ◄───────────────────────────────────        ◄─────────────────
//!            FromKeeper: Raised | Refused,                FromZygote: Waiting, Pong, Forked,
//!            Ready, Ended, Gone, Failed                   Exited, Failed
//!
//!                    init ── ToZygote: Fork ──► zygote
//!      in gVisor:    init ── FromInit ──► keeper
//! ```
//!
//! Each frame is one packet of a `SOCK_SEQPACKET` socket, so the kernel keeps their bounds; it is
//! at most [`FRAME_BYTES_MAX`] long and carries at most [`DESCRIPTORS_MAX`] descriptors. A run
//! never holds an end of these sockets. Nothing here panics, whatever the bytes.
//!
//! The job itself does not pass through the keeper: the sandbox writes it straight to the unit, in
//! the form that [`job`] gives.
#![forbid(unsafe_code)]

pub mod job;
mod message;
mod setup;
mod socket;

pub use message::{
    Exit, Files, FromInit, FromKeeper, FromWatch, FromZygote, Ground, LocksSeen, Members, Over,
    Run, Tally, ToKeeper, ToWatch, ToZygote, UnitId, Wall, monotonic_us,
};
pub use setup::{Kind, Limits, Runtime, Setup, Tier};
pub use socket::{
    DESCRIPTORS_MAX, FRAME_BYTES_MAX, Frame, WireError, pair, receive, receive_into, receive_now,
    send, send_now,
};
