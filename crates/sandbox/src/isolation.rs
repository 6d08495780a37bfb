//! Which tiers may be used.

use wire::Tier;

/// What the operator asks for: one tier, or the strongest that the host can raise, but none below a floor.
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
        Tier::ALL.into_iter().filter(move |tier| {
            *tier >= self.min && self.tier.is_none_or(|asked_for| asked_for == *tier)
        })
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
                "{} (isolation_min = \"landlock\" accepts less; SECURITY.md says what that is)",
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
    fn an_operator_is_told_what_hinders() {
        let isolation = |tier, min| Isolation { tier, min };
        let reasons = ["native: no namespaces".to_owned()];
        let unmet = isolation(None, Tier::Native).unmet(&reasons);
        assert!(unmet.contains("no namespaces") && unmet.contains("isolation_min"));
        let below = isolation(Some(Tier::Landlock), Tier::Native).unmet(&[]);
        assert!(below.contains("below isolation_min"), "{below}");
    }
}
