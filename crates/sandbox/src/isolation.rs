//! Which tiers may be used.

use wire::Tier;

/// What the operator asks for: one tier, or the strongest that the host can raise, but none below a floor.
///
/// The strongest of all costs a program much of its speed, and the host memory for each that waits: it is
/// never chosen unless that one is asked for, or nothing less is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isolation {
    /// The one to use; `None` for the strongest there is.
    pub tier: Option<Tier>,
    /// The least that is accepted.
    pub min: Tier,
}

impl Isolation {
    /// The tiers to try, in this order.
    pub fn candidates(self) -> impl Iterator<Item = Tier> {
        let is_meant = move |tier: Tier| match self.tier {
            Some(asked_for) => tier == asked_for,
            None => tier != Tier::Gvisor || self.min == Tier::Gvisor,
        };
        let all = Tier::ALL.into_iter();
        all.filter(move |tier| *tier >= self.min && is_meant(*tier))
    }

    /// Why none of them is in force; `reasons` are those of each that was tried.
    pub(crate) fn unmet(self, reasons: &[String]) -> String {
        match self.tier {
            Some(tier) if tier < self.min => format!(
                "isolation is set to {}, which is below isolation_min, {}",
                tier.name(),
                self.min.name()
            ),
            None if self.min > Tier::Landlock => format!(
                "{} (a lower isolation_min accepts less; SECURITY.md says what that is)",
                reasons.join("; ")
            ),
            _ => reasons.join("; "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_comes_first_and_none_below_the_floor() {
        let candidates = |tier, min| Isolation { tier, min }.candidates().collect::<Vec<_>>();
        let (native, landlock) = (Tier::Native, Tier::Landlock);
        assert_eq!(candidates(None, landlock), [native, landlock]);
        assert_eq!(candidates(None, native), [native]);
        assert_eq!(candidates(Some(landlock), landlock), [landlock]);
        assert_eq!(candidates(Some(landlock), native), []);
    }

    #[test]
    fn the_dearest_is_never_chosen_unasked() {
        let candidates = |tier, min| Isolation { tier, min }.candidates().collect::<Vec<_>>();
        let gvisor = Tier::Gvisor;
        for min in [Tier::Landlock, Tier::Native] {
            assert!(!candidates(None, min).contains(&gvisor));
            assert_eq!(candidates(Some(gvisor), min), [gvisor]);
        }
        assert_eq!(candidates(None, gvisor), [gvisor]);
        assert_eq!(candidates(Some(Tier::Native), gvisor), []);
    }

    #[test]
    fn an_operator_is_told_what_hinders() {
        let isolation = |tier, min| Isolation { tier, min };
        let reasons = ["native: no namespaces".to_owned()];
        let unmet = isolation(None, Tier::Native).unmet(&reasons);
        assert!(unmet.contains("no namespaces") && unmet.contains("isolation_min"));
        let below = isolation(Some(Tier::Landlock), Tier::Native).unmet(&[]);
        assert!(below.contains("below isolation_min"), "{below}");
    }
}
