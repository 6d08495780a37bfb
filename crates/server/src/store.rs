//! Counts that outlive a request, and the process.
//!
//! One small `SQLite` database below the data folder. Each count is one atomic statement without a
//! sync to disk: killing the process loses nothing, pulling the plug loses the last moments. The
//! database is locked for as long as it is open, so that two servers never share a quota by accident.
//!
//! A count that cannot be written is an error, never a guess: whoever is counted is not served until
//! it can (the disk is full, the file system became read-only), and is served again from then on. A
//! damaged database is neither repaired nor replaced: that is for people to decide.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};
use tracing::{error, info, warn};

use crate::count_key::CountKey;
use crate::telemetry;

/// File of the database, below the data folder.
const FILE_NAME: &str = "counts.sqlite3";

/// Marks the database as ours ("hogn").
const APPLICATION_ID: i64 = 0x686f_676e;

/// Layout of the tables below. A database with a later one is left alone.
const LAYOUT: i64 = 1;

/// How long opening waits for another server to let go, as one that is being replaced will.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Largest the database may become: some ten million callers a day. Pages of 4 KiB; 1 GiB.
///
/// Enforced by `SQLite`; beyond it a new caller's request fails with 500 until the day turns.
const PAGES_MAX: i64 = 262_144;

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
    /// The day on which old ones were last forgotten.
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
    /// Opens the database below a folder, making both if need be.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data_dir)
            .map_err(|source| StoreError::Folder {
                path: data_dir.to_owned(),
                source,
            })?;
        let path = data_dir.join(FILE_NAME);
        // Callers' addresses are nobody else's business, even in a folder that others may enter.
        let made = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        made.map_err(|source| StoreError::File {
            path: path.clone(),
            source,
        })?;
        match Connection::open(&path).and_then(prepare) {
            Ok(Ok((connection, Found::Counts))) => Ok(Self::over(connection)),
            Ok(Ok((connection, Found::Nothing))) => {
                // Nobody is to wonder where the counts went.
                info!(path = ?path, "no counts yet: {} is new", path.display());
                Ok(Self::over(connection))
            }
            Ok(Err(reason)) => Err(StoreError::Damaged { path, reason }),
            Err(source) => Err(match source.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                    StoreError::InUse { path }
                }
                Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
                    StoreError::Damaged {
                        path,
                        reason: source.to_string(),
                    }
                }
                _ => StoreError::Open { path, source },
            }),
        }
    }

    /// A store that forgets everything when it is dropped.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open {
            path: PathBuf::from(":memory:"),
            source,
        };
        let connection = Connection::open_in_memory()
            .and_then(prepare)
            .map_err(failed)?;
        connection
            .map(|(connection, _)| Self::over(connection))
            .map_err(|reason| StoreError::Damaged {
                path: PathBuf::from(":memory:"),
                reason,
            })
    }

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
                let today = day_column(day);
                open.connection.execute(
                    "DELETE FROM spent WHERE day < min(
                         ?1 - 1, (SELECT max(day) FROM spent WHERE day < ?1)
                     )",
                    [today],
                )?;
                open.pruned_on = Some(day);
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

/// What was in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Counts,
    Nothing,
}

fn day_column(day: u64) -> i64 {
    i64::try_from(day).unwrap_or(i64::MAX)
}

/// Makes a fresh database ours, or says why one is not.
fn prepare(connection: Connection) -> rusqlite::Result<Result<(Connection, Found), String>> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update_and_check(None, "max_page_count", PAGES_MAX, |_row| Ok(()))?;
    if mode != "wal" && mode != "memory" {
        return Ok(Err(format!("its journal mode stays {mode}")));
    }
    let health: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Ok(Err(health));
    }
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let found = match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, LAYOUT) => Found::Counts,
        (0, 0) if tables == 0 => {
            connection.execute_batch(&format!(
                "BEGIN IMMEDIATE;
             CREATE TABLE spent (
                 day INTEGER NOT NULL,
                 caller BLOB NOT NULL,
                 requests INTEGER NOT NULL,
                 PRIMARY KEY (day, caller)
             ) WITHOUT ROWID, STRICT;
             PRAGMA application_id = {APPLICATION_ID};
             PRAGMA user_version = {LAYOUT};
             COMMIT;"
            ))?;
            Found::Nothing
        }
        (application, layout) => {
            return Ok(Err(format!("application {application}, layout {layout}")));
        }
    };
    Ok(Ok((connection, found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const DAY: u64 = 19_797;

    fn caller(text: &str) -> CountKey {
        CountKey::of(text.parse().unwrap())
    }

    /// A folder of its own, gone with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let unique = format!("hognose-store-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(unique))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
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
        let folder = Folder::new("outlive");
        let one = caller("2001:db8::1");
        Store::open(&folder.0).unwrap().spend(one, DAY, 9).unwrap();
        let store = Store::open(&folder.0).unwrap();
        assert_eq!(store.spent(one, DAY).unwrap(), 1);
        store.spend(one, DAY + 1, 9).unwrap();
        assert_eq!(store.spent(one, DAY).unwrap(), 1);
        store.spend(one, DAY + 2, 9).unwrap();
        assert_eq!(store.spent(one, DAY).unwrap(), 0);
    }

    #[test]
    fn a_day_ahead_does_not_end_the_days_before_it() {
        let folder = Folder::new("ahead");
        let one = caller("192.0.2.1");
        let day = |days: u64, expected: u32| {
            let store = Store::open(&folder.0).unwrap();
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
        let store = Store::open(&folder.0).unwrap();
        let left = |days| store.spent(one, DAY + days).unwrap();
        assert_eq!([0, 1, 2, 3, 4, 365].map(left), [0, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn what_cannot_be_written_is_an_error_until_it_can() {
        let folder = Folder::new("read-only");
        let store = Store::open(&folder.0).unwrap();
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
        let (folder, copy) = (Folder::new("killed"), Folder::new("left"));
        let store = Store::open(&folder.0).unwrap();
        for _ in 0..3 {
            store.spend(caller("192.0.2.1"), DAY, 9).unwrap();
        }
        // What the kernel has been given by now is what a kill leaves behind.
        std::fs::create_dir_all(&copy.0).unwrap();
        for file in std::fs::read_dir(&folder.0).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.0.join(file.file_name())).unwrap();
        }
        let found = Store::open(&copy.0).unwrap();
        assert_eq!(found.spent(caller("192.0.2.1"), DAY).unwrap(), 3);
    }

    #[test]
    fn a_second_server_on_the_same_folder_is_told_so() {
        let folder = Folder::new("second");
        let first = Store::open(&folder.0).unwrap();
        let second = Store::open(&folder.0);
        assert!(
            matches!(second, Err(StoreError::InUse { .. })),
            "{second:?}"
        );
        drop(first);
        Store::open(&folder.0).unwrap();
    }

    #[test]
    fn a_damaged_or_foreign_database_is_refused_and_left_alone() {
        let folder = Folder::new("damaged");
        std::fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join(FILE_NAME);
        std::fs::write(&path, [b'x'; 5000]).unwrap();
        let opened = Store::open(&folder.0);
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "{opened:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 5000]);

        // Cut off in the middle, with more than a page of it left.
        std::fs::remove_file(&path).unwrap();
        let store = Store::open(&folder.0).unwrap();
        for number in 0..2000_u32 {
            let one = std::net::Ipv4Addr::from(number);
            store.spend(CountKey::of(one.into()), DAY, 9).unwrap();
        }
        drop(store);
        let whole = std::fs::read(&path).unwrap();
        let cut = &whole[..whole.len() / 2];
        std::fs::write(&path, cut).unwrap();
        let opened = Store::open(&folder.0);
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "{opened:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), cut);

        std::fs::remove_file(&path).unwrap();
        let foreign = Connection::open(&path).unwrap();
        foreign.execute_batch("CREATE TABLE other (x)").unwrap();
        drop(foreign);
        let opened = Store::open(&folder.0);
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "{opened:?}"
        );
    }

    /// Not a promise but a measurement; 14 us in a release build.
    #[test]
    #[ignore = "a measurement"]
    fn latency_of_a_read_and_a_spend_on_disk() {
        let folder = Folder::new("latency");
        let store = Store::open(&folder.0).unwrap();
        let started = std::time::Instant::now();
        for _ in 0..20_000 {
            store.spent(caller("192.0.2.1"), DAY).unwrap();
            store.spend(caller("192.0.2.1"), DAY, 1_000_000).unwrap();
        }
        println!("{:?}", started.elapsed() / 20_000);
    }
}
