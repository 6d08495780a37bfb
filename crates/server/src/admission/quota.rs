//! How often a day: counted in the store, by caller and UTC day.

use api::UserInfo;

use super::Caller;
use crate::clock::Clock;
use crate::count_key::CountKey;
use crate::refusal::{Refusal, Stop};
use crate::store::{Spent, Store, StoreError};

/// The daily quota of public callers.
#[derive(Debug)]
pub(crate) struct Quota {
    /// Where it is counted.
    pub store: Store,
    /// Requests a day.
    pub per_day: u32,
    /// Whose day.
    pub clock: Clock,
}

/// A request that was counted. It stays counted unless it is given back.
#[derive(Debug)]
pub(crate) struct Counted {
    /// Whose, and on which day; `None` for an admin.
    entry: Option<(CountKey, u64)>,
    /// The caller's quota with this request counted.
    pub user: UserInfo,
}

impl Quota {
    /// Counts one request, unless the quota is used up.
    pub(crate) fn spend(&self, caller: Caller) -> Result<Counted, Stop> {
        let Caller::Public(address) = caller else {
            return Ok(Counted {
                entry: None,
                user: UserInfo::ADMIN,
            });
        };
        let now = self.clock.now();
        let (key, day) = (CountKey::of(address), now.day());
        match self.store.spend(key, day, self.per_day)? {
            Spent::Counted { today } => Ok(Counted {
                entry: Some((key, day)),
                user: self.user(address, today),
            }),
            Spent::UsedUp => Err(Refusal::QuotaUsedUp {
                per_day: self.per_day,
                wait: now.until_next_day(),
            }
            .into()),
        }
    }

    /// Takes back what was counted: the request came to nothing, and not by the caller's doing.
    pub(crate) fn give_back(&self, counted: &Counted) -> Result<(), StoreError> {
        match counted.entry {
            Some((key, day)) => self.store.give_back(key, day),
            None => Ok(()),
        }
    }

    /// Who asks, with the quota as it stands.
    pub(crate) fn user_info(&self, caller: Caller) -> Result<UserInfo, StoreError> {
        match caller {
            Caller::Admin => Ok(UserInfo::ADMIN),
            Caller::Public(address) => {
                let today = self
                    .store
                    .spent(CountKey::of(address), self.clock.now().day())?;
                Ok(self.user(address, today))
            }
        }
    }

    fn user(&self, address: std::net::IpAddr, today: u32) -> UserInfo {
        // The quota may have been larger when the day began.
        let today = today.min(self.per_day);
        UserInfo::Public {
            ip_address: address.to_string(),
            daily_quota_limit: self.per_day,
            requests_today: today,
            requests_remaining_today: self.per_day - today,
        }
    }
}
