//! May this caller run a program now?
//!
//! Who asks ([`identity`]), how often in a minute ([`rate`]), how often a day ([`quota`]), and how many
//! run at once ([`slots`]). An admin is free of rate and quota, not of slots.

mod identity;
mod quota;
mod rate;
mod slots;

pub(crate) use identity::{Caller, Identity, Origin};
pub(crate) use quota::{Counted, Quota};
pub(crate) use rate::Rate;
pub(crate) use slots::{Slots, Ticket};
