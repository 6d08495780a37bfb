//! How many connections there is room for: every one takes a descriptor, and so does every run.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Descriptors that no connection may take: the listener, the store, the keeper, standard streams.
const RESERVE: u64 = 64;
/// Descriptors of ours for one unit: job, stdin, stdout, stderr, box, and what they pass through.
const PER_UNIT: u64 = 8;

/// Raises this process's own limit as far as it may, and says how many connections fit beside
/// `units` units, at most `connections_max`.
pub(super) fn room(connections_max: usize, units: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        // If it cannot be raised, fewer connections fit.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let fit = fitting(descriptors, units);
    if fit < connections_max {
        warn!(
            descriptors,
            "this process may open {descriptors} descriptors: at most {fit} connections at once, \
             not {connections_max}; raise the limit (ulimit -n, LimitNOFILE) or lower connections_max"
        );
    }
    connections_max.min(fit)
}

fn fitting(descriptors: u64, units: usize) -> usize {
    let units = u64::try_from(units).unwrap_or(u64::MAX);
    let taken = RESERVE.saturating_add(units.saturating_mul(PER_UNIT));
    usize::try_from(descriptors.saturating_sub(taken).max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_runs() {
        assert_eq!(fitting(1024, 20), 1024 - 64 - 160);
        assert_eq!(fitting(10, 20), 1);
        assert_eq!(
            fitting(u64::MAX, 0),
            usize::try_from(u64::MAX - 64).unwrap()
        );
    }
}
