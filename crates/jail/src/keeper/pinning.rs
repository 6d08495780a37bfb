//! The pages that the keeper and its inits write to: each fork of an init copies them at once, as [`Pins`] says.

use crate::sys::{self, PAGES_PINNED_MAX, Pins, SingleThread};

/// Before which init they are looked for. By then some runs have ended, and what is written to for each has its place.
const AT_INIT: u32 = 12;
/// Most that are pinned; found were 20. There are more where no init lives that would have the other ones, too, and then it
/// cannot be told which are written to.
const PAGES_MAX: usize = 64;

/// How far it is.
#[derive(Debug)]
pub(super) enum Pinning {
    /// So many inits were forked.
    Forked(u32),
    /// Without pins each fork costs more, and nothing else is different.
    Done { _pins: Option<Pins> },
}

impl Pinning {
    /// To be called before each fork of an init.
    pub(super) fn before_init(&mut self, proof: SingleThread) {
        let Self::Forked(forked) = self else {
            return;
        };
        *forked += 1;
        if *forked == AT_INIT {
            *self = Self::Done {
                _pins: pin_what_was_written(proof),
            };
        }
    }
}

/// Pins what this process has written to since its latest fork; nothing where the host does not allow it.
fn pin_what_was_written(proof: SingleThread) -> Option<Pins> {
    let pins = Pins::open()?;
    let memory = sys::private_memory().ok()?;
    let mut pages = Vec::with_capacity(PAGES_PINNED_MAX);
    let told = sys::pages_written(&memory, |page| {
        pages.push(page);
        Ok(())
    });
    if told.is_err() || pages.len() > PAGES_MAX {
        return None;
    }
    pins.pin(proof, &pages, &[]).is_ok().then_some(pins)
}
