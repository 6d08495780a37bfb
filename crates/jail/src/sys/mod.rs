//! Every `unsafe` block of the project: one kernel call a function, safe on the outside.
//!
//! What rustix offers as a safe function is not repeated here. Numbers and layouts come from
//! `libc`, or stand here with a test of their size.
#![expect(
    unsafe_code,
    reason = "these kernel calls have no safe wrapper in rustix; each block argues its own case"
)]

mod descriptors;
mod landlock;
mod log;
mod memory;
mod mounts;
mod process;
mod seccomp;
mod signals;

pub use descriptors::{close_from, inherited, is_open, place_at};
pub use landlock::{
    LandlockHandled, landlock_abi, landlock_allow, landlock_restrict, landlock_ruleset,
};
pub use log::kernel_log;
pub use memory::{
    PAGES_PINNED_MAX, Pins, code_of_files, code_touched, file_away, gather_arenas, pages_written,
    private_memory, settle_memory, share_one_heap,
};
pub use mounts::set_mount_attributes;
pub use process::{
    Holder, Side, SingleThread, clone_flags, clone_process, execute, exit_now, fork, hold_memory,
    peek_exit, process_group, processor_time, reap, reap_any, share_memory, unshare,
};
pub use seccomp::{
    Question, answer_question, install_asking_filter, install_filter, next_question, refused_with,
};
pub use signals::{ignore_signal, reset_signals, unblock_signals};
