//! Who units run as, outside their own user namespaces.

use std::collections::BTreeMap;
use std::fs;

use wire::UnitId;

use crate::walls::user::NOBODY;

/// First of the users that units of a keeper of root's become, one a unit that lives.
///
/// Above what systemd gives to containers (1879048191), below 2^31: nobody's on any host.
const FIRST: u32 = 1_879_100_000;
/// How many a keeper has.
const COUNT: u32 = 4096;
/// Keepers on one host take different ranges, by their process numbers: what the kernel counts by
/// user is not shared.
const RANGES: u32 = 1024;

/// Gives each living unit a user.
#[derive(Debug)]
pub(super) struct Users {
    source: Source,
    taken: BTreeMap<UnitId, u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The keeper was started by an ordinary user, or by the root of a user namespace that maps
    /// nobody else: that is all there is.
    Own,
    /// Root: a range that is nobody's, from here on.
    Range(u32),
    /// Root of a container that does not map the range: nobody.
    Nobody,
}

impl Users {
    /// Decides by what the keeper may do. Call it before the keeper makes namespaces.
    pub(super) fn find(privileged: bool) -> Self {
        let source = if !privileged {
            Source::Own
        } else {
            let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
            // Twice: what needs two has the second from the range above.
            if maps(&map, FIRST, 2 * RANGES * COUNT) {
                Source::Range(FIRST + (std::process::id() % RANGES) * COUNT)
            } else if maps(&map, NOBODY, 1) {
                Source::Nobody
            } else {
                Source::Own
            }
        };
        Self {
            source,
            ..Self::own()
        }
    }

    /// Units stay who the keeper is.
    pub(super) const fn own() -> Self {
        Self {
            source: Source::Own,
            taken: BTreeMap::new(),
        }
    }

    /// The user that the unit becomes; 0 for the one it is already.
    pub(super) fn take(&mut self, unit: UnitId) -> u32 {
        match self.source {
            Source::Own => 0,
            Source::Nobody => NOBODY,
            Source::Range(first) => {
                let free = |user: &u32| !self.taken.values().any(|taken| taken == user);
                let user = (first..first + COUNT).find(free).unwrap_or(first + COUNT);
                self.taken.insert(unit, user);
                user
            }
        }
    }

    /// Another user that nobody else has, for a unit that became this one and needs two.
    pub(super) const fn beside(user: u32) -> u32 {
        match user {
            NOBODY => NOBODY - 1,
            user => user + RANGES * COUNT,
        }
    }

    /// The owner of the unit's files, where that is not the server's user.
    pub(super) fn owner(&self, unit: UnitId) -> Option<u32> {
        match self.source {
            Source::Own => None,
            Source::Nobody => Some(NOBODY),
            Source::Range(_) => self.taken.get(&unit).copied(),
        }
    }

    /// The unit is gone.
    pub(super) fn give_back(&mut self, unit: UnitId) {
        self.taken.remove(&unit);
    }

    /// Whether units stay who the keeper is.
    pub(super) fn are_own(&self) -> bool {
        self.source == Source::Own
    }

    /// The same for a sandbox, which has two of them: its own root, and the program.
    pub(super) fn describe_sandbox(&self) -> String {
        match self.source {
            Source::Own => {
                "root without a capability inside, the server's own user outside".to_owned()
            }
            Source::Range(first) => {
                format!("nobody inside, on the host two of {first} and up for each run")
            }
            Source::Nobody => "nobody inside, on the host nobody and one more".to_owned(),
        }
    }

    pub(super) fn describe(&self) -> String {
        match self.source {
            Source::Own => "nobody, in a user namespace of the server's own user".to_owned(),
            Source::Range(first) => {
                format!("nobody, on the host one of {first} and up for each run")
            }
            Source::Nobody => "nobody, on the host as well".to_owned(),
        }
    }
}

/// Whether a user map has `count` users from `first` on.
fn maps(map: &str, first: u32, count: u32) -> bool {
    let last = u64::from(first) + u64::from(count) - 1;
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u64>);
        let (Some(Ok(inside)), Some(Ok(_)), Some(Ok(mapped))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        inside <= first.into() && last - inside < mapped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_used_where_it_is_mapped() {
        let host = "         0          0 4294967295\n";
        let container = "         0     100000      65536\n";
        assert!(maps(host, FIRST, 2 * RANGES * COUNT) && maps(host, NOBODY, 1));
        assert!(!maps(container, FIRST, 1) && maps(container, NOBODY, 1));
        assert!(!maps("0 1000 1\n", NOBODY, 1) && !maps("", 0, 1));
    }

    #[test]
    fn living_units_have_different_users() {
        let mut users = Users {
            source: Source::Range(FIRST),
            taken: BTreeMap::new(),
        };
        let first = users.take(UnitId(1));
        assert_ne!(first, users.take(UnitId(2)));
        // Nor is the other one anybody's who is this one.
        let beside = Users::beside(first);
        let above = FIRST + RANGES * COUNT..FIRST + 2 * RANGES * COUNT;
        assert!(above.contains(&beside));
        assert_ne!(Users::beside(NOBODY), NOBODY);
        users.give_back(UnitId(1));
        assert_eq!(first, users.take(UnitId(3)));
    }
}
