//! What every test needs: the machine, a user, a server, a client, and eyes for what is left behind.

pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod processes;
pub(crate) mod server;
pub(crate) mod traces;
pub(crate) mod user;

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use browser::Browser;
pub(crate) use client::{Connection, request};
pub(crate) use server::Server;
pub(crate) use user::{User, new_command};

/// How often a thing that is waited for is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Gives a test the machine for itself, so that neither times nor counts are another test's.
pub(crate) fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    // A test that failed has nothing to say about the next one.
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many times slower this machine is than others, where `HOGNOSE_SLOWNESS` says so: an emulated one. Whatever
/// waits, waits so much longer.
pub(crate) fn slowness() -> u32 {
    static SLOWNESS: OnceLock<u32> = OnceLock::new();
    *SLOWNESS.get_or_init(|| {
        let said = std::env::var_os("HOGNOSE_SLOWNESS");
        let number = |text: std::ffi::OsString| text.to_str().and_then(|text| text.parse().ok());
        said.map_or(1, |text| {
            number(text).expect("HOGNOSE_SLOWNESS is a number")
        })
    })
}

/// Waits until the thing is there; panics with what it was when the time is over.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, at_most: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let at_most = at_most * slowness();
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            start.elapsed() < at_most,
            "waited {at_most:?} in vain for {what}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Tells the person at the terminal something, past the capture of a test's output.
pub(crate) fn tell(line: &str) {
    // Whoever closed standard error does not want it.
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// Says that a test could not look, by name, to be counted.
pub(crate) fn skip(name: &str, why: &str) {
    tell(&format!("skipped: {name}: {why}"));
}
