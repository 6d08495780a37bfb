//! Counts that outlive a request, and the process.
//!
//! One small `SQLite` database below the data folder. Each count is one atomic statement without a
//! sync to disk: killing the process loses nothing, pulling the plug loses the last moments. The
//! database is locked for as long as it is open, so that two servers never share a quota by accident.
//!
//! A count that cannot be written is an error, never a guess: whoever is counted is not served until
//! it can (the disk is full, the file system became read-only), and is served again from then on. A
//! damaged database is neither repaired nor replaced: that is for people to decide.

mod open;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use tracing::{error, warn};

use crate::count_key::CountKey;
use crate::telemetry;

/// Layout of the tables below. A database with a later one is left alone.
const LAYOUT: i64 = 1;

/// Most counts of days that are over which are forgotten in one request: a day may have had millions of callers.
const FORGOTTEN_AT_ONCE_MAX: u32 = 500;

/// Why the counts cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data folder cannot be made.
    #[error("cannot make the data folder {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be written.
    #[error(
        "cannot write {}: the server counts in its data folder, and its user must be able to write there",
        path.display()
    )]
    File {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database cannot be opened.
    #[error("cannot open {}: the server counts in its data folder, where its user must be able to write \
         and there must be room", path.display())]
    Open {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Another server holds the database.
    #[error("{} is in use: another server runs on the same data folder", path.display())]
    InUse {
        /// The database.
        path: PathBuf,
    },
    /// The database is damaged, or not ours. It is left as it is.
    #[error(
        "{} is damaged or no database of ours ({reason}): move it away to start with empty counts",
        path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// A count could not be read or written. The next one may.
    #[error("cannot {doing}")]
    Count {
        /// What was tried.
        doing: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// What came of spending one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spent {
    /// It counted; so many have counted today, with it.
    Counted { today: u32 },
    /// The quota was used up before.
    UsedUp,
}

/// Counts requests by caller and UTC day.
#[derive(Debug)]
pub(crate) struct Store {
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The day on which all old ones were forgotten.
    pruned_on: Option<u64>,
    trouble: Trouble,
}

/// What keeps counts from being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    /// The last count failed; the next may not.
    Passing,
    /// The database is damaged. That one count succeeds means little.
    Lasting,
}

impl Store {
    const fn over(connection: Connection) -> Self {
        Self {
            open: Mutex::new(Open {
                connection,
                pruned_on: None,
                trouble: Trouble::None,
            }),
        }
    }

    /// Counts one request of a caller's day, unless `max` have counted. Atomic.
    pub(crate) fn spend(&self, caller: CountKey, day: u64, max: u32) -> Result<Spent, StoreError> {
        self.with("count a request", |open| {
            if open.pruned_on != Some(day) {
                // Yesterday stays, and so does the last day that was counted before this one: a
                // clock that jumps ahead and is set right again has cost nobody a count.
                let forgotten = open.connection.execute(
                    "WITH oldest AS (
                         SELECT min(day) AS day FROM spent WHERE day < min(
                             ?1 - 1, (SELECT max(day) FROM spent WHERE day < ?1)
                         )
                     )
                     DELETE FROM spent WHERE day = (SELECT day FROM oldest) AND caller IN (
                         SELECT caller FROM spent WHERE day = (SELECT day FROM oldest) LIMIT ?2
                     )",
                    params![day_column(day), FORGOTTEN_AT_ONCE_MAX],
                )?;
                if forgotten == 0 {
                    open.pruned_on = Some(day);
                }
            }
            let mut statement = open.connection.prepare_cached(
                "INSERT INTO spent (day, caller, requests) VALUES (?1, ?2, 1)
                 ON CONFLICT (day, caller) DO UPDATE SET requests = requests + 1
                 WHERE requests < ?3 RETURNING requests",
            )?;
            let mut rows = statement.query(params![day_column(day), caller.bytes(), max])?;
            let today = rows.next()?.map(|row| row.get(0)).transpose()?;
            // To its end: only then is it written, or is it known that it is not.
            rows.next()?;
            drop(rows);
            drop(statement);
            Ok(today.map_or(Spent::UsedUp, |today| {
                open.wrote();
                Spent::Counted { today }
            }))
        })
    }

    /// Takes one counted request back.
    pub(crate) fn give_back(&self, caller: CountKey, day: u64) -> Result<(), StoreError> {
        self.with("give a request back", |open| {
            let mut statement = open.connection.prepare_cached(
                "UPDATE spent SET requests = requests - 1
                 WHERE day = ?1 AND caller = ?2 AND requests > 0",
            )?;
            statement.execute(params![day_column(day), caller.bytes()])?;
            Ok(())
        })
    }

    /// How many requests of a caller's day have counted.
    pub(crate) fn spent(&self, caller: CountKey, day: u64) -> Result<u32, StoreError> {
        self.with("read a count", |open| {
            let mut statement = open
                .connection
                .prepare_cached("SELECT requests FROM spent WHERE day = ?1 AND caller = ?2")?;
            let row = params![day_column(day), caller.bytes()];
            let today = statement.query_row(row, |row| row.get(0)).optional()?;
            Ok(today.unwrap_or(0))
        })
    }

    fn with<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&mut Open) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        // A panic while it was held leaves no statement half done: each is atomic.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut open).map_err(|source| {
            open.failed(&source);
            StoreError::Count { doing, source }
        })
    }

    /// Whether counts can be kept, as far as is known: after one failed, this tries to write.
    pub(crate) fn works(&self) -> bool {
        let tried = self.with("write", |open| {
            if open.trouble == Trouble::Passing {
                // What it is already; but it is written.
                open.connection
                    .pragma_update(None, "user_version", LAYOUT)?;
                open.wrote();
            }
            Ok(open.trouble == Trouble::None)
        });
        tried.unwrap_or(false)
    }
}

impl Open {
    /// Remembers that counting failed, and says so once.
    fn failed(&mut self, why: &rusqlite::Error) {
        let damaged = matches!(
            why.sqlite_error_code(),
            Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt)
        );
        let trouble = if damaged || self.trouble == Trouble::Lasting {
            Trouble::Lasting
        } else {
            Trouble::Passing
        };
        if std::mem::replace(&mut self.trouble, trouble) == trouble {
            return;
        }
        let remedy = if trouble == Trouble::Lasting {
            "stop the server and move the database away to start with empty counts"
        } else {
            "it needs room in the data folder, and to be able to write there"
        };
        let cause = telemetry::chain(why);
        error!(
            cause,
            "counts cannot be kept ({cause}): only the admin is served; {remedy}"
        );
    }

    fn wrote(&mut self) {
        if self.trouble == Trouble::Passing {
            self.trouble = Trouble::None;
            warn!("counts can be kept again: everybody is served");
        }
    }
}

fn day_column(day: u64) -> i64 {
    i64::try_from(day).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 19_797;

    fn caller(text: &str) -> CountKey {
        CountKey::of(text.parse().unwrap())
    }

    #[test]
    fn requests_count_up_to_the_quota_by_caller_and_day() {
        let store = Store::in_memory().unwrap();
        let (one, other) = (caller("192.0.2.1"), caller("192.0.2.2"));
        for today in 1..=3 {
            assert_eq!(store.spend(one, DAY, 3).unwrap(), Spent::Counted { today });
        }
        assert_eq!(store.spend(one, DAY, 3).unwrap(), Spent::UsedUp);
        assert_eq!(store.spent(one, DAY).unwrap(), 3);
        assert_eq!(
            store.spend(other, DAY, 3).unwrap(),
            Spent::Counted { today: 1 }
        );
        assert_eq!(
            store.spend(one, DAY + 1, 3).unwrap(),
            Spent::Counted { today: 1 }
        );
    }

    #[test]
    fn what_is_given_back_can_be_spent_again_and_never_goes_below_nothing() {
        let store = Store::in_memory().unwrap();
        let one = caller("192.0.2.1");
        store.give_back(one, DAY).unwrap();
        store.spend(one, DAY, 1).unwrap();
        store.give_back(one, DAY).unwrap();
        store.give_back(one, DAY).unwrap();
        assert_eq!(store.spent(one, DAY).unwrap(), 0);
        assert_eq!(
            store.spend(one, DAY, 1).unwrap(),
            Spent::Counted { today: 1 }
        );
    }

    #[test]
    fn counts_outlive_the_process_and_old_days_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let (folder, one) = (folder.path().join("new"), caller("2001:db8::1"));
        Store::open(&folder).unwrap().spend(one, DAY, 9).unwrap();
        let store = Store::open(&folder).unwrap();
        assert_eq!(store.spent(one, DAY).unwrap(), 1);
        store.spend(one, DAY + 1, 9).unwrap();
        assert_eq!(store.spent(one, DAY).unwrap(), 1);
        store.spend(one, DAY + 2, 9).unwrap();
        assert_eq!(store.spent(one, DAY).unwrap(), 0);
    }

    #[test]
    fn a_day_of_many_callers_is_forgotten_little_by_little() {
        let store = Store::in_memory().unwrap();
        let counts = || -> i64 {
            let open = store.open.lock().unwrap();
            let count = "SELECT count(*) FROM spent";
            open.connection
                .query_row(count, [], |row| row.get(0))
                .unwrap()
        };
        for number in 0..1200_u32 {
            let one = std::net::Ipv4Addr::from(number);
            store.spend(CountKey::of(one.into()), DAY, 9).unwrap();
        }
        store.spend(caller("192.0.2.1"), DAY + 1, 9).unwrap();
        for left in [700, 200, 0, 0] {
            store.spend(caller("192.0.2.1"), DAY + 2, 9).unwrap();
            assert_eq!(counts(), left + 2);
        }
    }

    #[test]
    fn a_day_ahead_does_not_end_the_days_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let one = caller("192.0.2.1");
        let day = |days: u64, expected: u32| {
            let store = Store::open(folder.path()).unwrap();
            let spent = store.spend(one, DAY + days, 9).unwrap();
            assert_eq!(spent, Spent::Counted { today: expected });
        };
        day(0, 1);
        day(365, 1);
        day(0, 2);
        // Time goes on, with a count of a day to come: old ones are forgotten all the same.
        for days in 1..5 {
            day(days, 1);
        }
        let store = Store::open(folder.path()).unwrap();
        let left = |days| store.spent(one, DAY + days).unwrap();
        assert_eq!([0, 1, 2, 3, 4, 365].map(left), [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let one = caller("192.0.2.1");
        store.spend(one, DAY, 9).unwrap();
        let read_only = |on: bool| {
            let open = store.open.lock().unwrap();
            open.connection
                .pragma_update(None, "query_only", on)
                .unwrap();
        };
        assert!(store.works());
        // As on a file system that became read-only.
        read_only(true);
        let failed = store.spend(one, DAY, 9).unwrap_err();
        assert!(matches!(failed, StoreError::Count { .. }), "{failed:?}");
        assert!(!store.works());
        // Reading goes on, and does not hide it.
        assert_eq!(store.spent(one, DAY).unwrap(), 1);
        assert!(!store.works());
        read_only(false);
        assert!(store.works(), "asking is trying");
        read_only(true);
        store.spend(one, DAY, 9).unwrap_err();
        read_only(false);
        assert_eq!(
            store.spend(one, DAY, 9).unwrap(),
            Spent::Counted { today: 2 }
        );
        assert!(store.works());
    }

    #[test]
    fn a_damaged_database_works_no_more_whatever_succeeds_later() {
        let store = Store::in_memory().unwrap();
        let fail = |code| {
            let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
            store.with("fail", |_| Err::<(), _>(error)).unwrap_err();
        };
        fail(rusqlite::ffi::SQLITE_FULL);
        assert!(store.works());
        fail(rusqlite::ffi::SQLITE_CORRUPT);
        store.spend(caller("192.0.2.1"), DAY, 9).unwrap();
        assert!(!store.works());
        fail(rusqlite::ffi::SQLITE_FULL);
        assert!(!store.works());
    }

    #[test]
    fn a_killed_process_loses_nothing() {
        let [folder, copy] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let store = Store::open(folder.path()).unwrap();
        for _ in 0..3 {
            store.spend(caller("192.0.2.1"), DAY, 9).unwrap();
        }
        // What the kernel has been given by now is what a kill leaves behind.
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        let found = Store::open(copy.path()).unwrap();
        assert_eq!(found.spent(caller("192.0.2.1"), DAY).unwrap(), 3);
    }

    /// Not a promise but a measurement; 14 us in a release build.
    #[test]
    #[ignore = "a measurement"]
    fn latency_of_a_read_and_a_spend_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let started = std::time::Instant::now();
        for _ in 0..20_000 {
            store.spent(caller("192.0.2.1"), DAY).unwrap();
            store.spend(caller("192.0.2.1"), DAY, 1_000_000).unwrap();
        }
        println!("{:?}", started.elapsed() / 20_000);
    }
}
