//! Counts that outlive a request, and the process.
//!
//! One small `SQLite` database below the data folder. Each count is one atomic statement without a
//! sync to disk: killing the process loses nothing, pulling the plug loses the last moments. The
//! database is locked for as long as it is open, so that two servers never share a quota by accident.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use crate::admission::CountKey;

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
    /// The database cannot be opened.
    #[error("cannot open {}", path.display())]
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
    /// Days before this one were forgotten.
    pruned_before: u64,
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
        made.map_err(|source| StoreError::Folder {
            path: path.clone(),
            source,
        })?;
        match Connection::open(&path).and_then(prepare) {
            Ok(Ok(connection)) => Ok(Self::over(connection)),
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
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let failed = |source| StoreError::Open {
            path: PathBuf::from(":memory:"),
            source,
        };
        let connection = Connection::open_in_memory()
            .and_then(prepare)
            .map_err(failed)?;
        connection
            .map(Self::over)
            .map_err(|reason| StoreError::Damaged {
                path: PathBuf::from(":memory:"),
                reason,
            })
    }

    const fn over(connection: Connection) -> Self {
        Self {
            open: Mutex::new(Open {
                connection,
                pruned_before: 0,
            }),
        }
    }

    /// Counts one request of a caller's day, unless `max` have counted. Atomic.
    pub(crate) fn spend(&self, caller: CountKey, day: u64, max: u32) -> Result<Spent, StoreError> {
        self.with("count a request", |open| {
            if day > open.pruned_before {
                // Yesterday stays: the clock may be set back a little.
                let before = i64::try_from(day.saturating_sub(1)).unwrap_or(0);
                open.connection
                    .execute("DELETE FROM spent WHERE day < ?1", [before])?;
                open.pruned_before = day;
            }
            let mut statement = open.connection.prepare_cached(
                "INSERT INTO spent (day, caller, requests) VALUES (?1, ?2, 1)
                 ON CONFLICT (day, caller) DO UPDATE SET requests = requests + 1
                 WHERE requests < ?3 RETURNING requests",
            )?;
            let row = params![day_column(day), caller.bytes(), max];
            let today = statement.query_row(row, |row| row.get(0)).optional()?;
            Ok(today.map_or(Spent::UsedUp, |today| Spent::Counted { today }))
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
        work(&mut open).map_err(|source| StoreError::Count { doing, source })
    }
}

fn day_column(day: u64) -> i64 {
    i64::try_from(day).unwrap_or(i64::MAX)
}

/// Makes a fresh database ours, or says why one is not.
fn prepare(connection: Connection) -> rusqlite::Result<Result<Connection, String>> {
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
    match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, LAYOUT) => {}
        (0, 0) if tables == 0 => connection.execute_batch(&format!(
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
        ))?,
        (application, layout) => {
            return Ok(Err(format!("application {application}, layout {layout}")));
        }
    }
    Ok(Ok(connection))
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
