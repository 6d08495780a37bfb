//! Opening the database of counts, or saying why one is not opened.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
#[cfg(test)]
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;
use tracing::info;

use super::{LAYOUT, Store, StoreError};

/// File of the database, below the data folder.
const FILE_NAME: &str = "counts.sqlite3";

/// Marks the database as ours ("hogn").
const APPLICATION_ID: i64 = 0x686f_676e;

/// How long opening waits for another server to let go, as one that is being replaced will.
const LOCK_WAIT: Duration = Duration::from_secs(1);

/// Largest the database may become: some ten million callers a day. Pages of 4 KiB; 1 GiB.
///
/// Enforced by `SQLite`; beyond it a new caller's request fails with 500 until the day turns.
const PAGES_MAX: i64 = 262_144;

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
}

/// What was in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Counts,
    Nothing,
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
    use crate::count_key::CountKey;

    const DAY: u64 = 19_797;

    #[test]
    fn a_second_server_on_the_same_folder_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let first = Store::open(folder.path()).unwrap();
        let second = Store::open(folder.path());
        assert!(
            matches!(second, Err(StoreError::InUse { .. })),
            "{second:?}"
        );
        drop(first);
        Store::open(folder.path()).unwrap();
    }

    #[test]
    fn a_damaged_or_foreign_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, [b'x'; 5000]).unwrap();
        let opened = Store::open(folder.path());
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "{opened:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 5000]);

        // Cut off in the middle, with more than a page of it left.
        std::fs::remove_file(&path).unwrap();
        let store = Store::open(folder.path()).unwrap();
        for number in 0..2000_u32 {
            let one = std::net::Ipv4Addr::from(number);
            store.spend(CountKey::of(one.into()), DAY, 9).unwrap();
        }
        drop(store);
        let whole = std::fs::read(&path).unwrap();
        let cut = &whole[..whole.len() / 2];
        std::fs::write(&path, cut).unwrap();
        let opened = Store::open(folder.path());
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "{opened:?}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), cut);

        std::fs::remove_file(&path).unwrap();
        let foreign = Connection::open(&path).unwrap();
        foreign.execute_batch("CREATE TABLE other (x)").unwrap();
        drop(foreign);
        let opened = Store::open(folder.path());
        assert!(
            matches!(opened, Err(StoreError::Damaged { .. })),
            "{opened:?}"
        );
    }
}
