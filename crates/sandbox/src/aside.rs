//! Work that others must not wait for.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does work that takes long, or that somebody can have wait; hands this thread's other tasks on first, and the
/// watch over everybody's connections with them. Costs some ten microseconds.
pub fn aside<T>(work: impl FnOnce() -> T) -> T {
    let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // Nobody else is on it.
        _ => work(),
    }
}
