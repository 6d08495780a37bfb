//! The pages that the keeper and its inits write to: each fork of an init copies them at once, as [`Pins`] says.

use std::io;

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
            let pinned = pin_what_was_written(proof);
            *self = Self::Done {
                _pins: pinned.unwrap_or(None),
            };
        }
    }
}

/// Pins what this process, or its latest fork, has written to since that began; nothing where the host does not allow it.
fn pin_what_was_written(proof: SingleThread) -> io::Result<Option<Pins>> {
    let Some(pins) = Pins::open() else {
        return Ok(None);
    };
    let mut pages = Vec::with_capacity(PAGES_PINNED_MAX);
    sys::pages_written(&sys::private_memory()?, |page| {
        pages.push(page);
        Ok(())
    })?;
    if pages.len() > PAGES_MAX {
        return Ok(None);
    }
    pins.pin(proof, &pages, &[])?;
    Ok(Some(pins))
}
