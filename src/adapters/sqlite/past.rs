//! What a store remembers, read beside whoever uses it and without changing anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use url::Url;

use super::ledger::history;
use super::{OpenError, SCHEMA_VERSION};
use crate::domain::id::TenantId;
use crate::domain::plan::History;

/// What was done in tenants, of the store at `path`; nothing where there is none.
///
/// # Errors
/// [`OpenError`].
pub fn past(
    path: &Path,
    tenants: &[TenantId],
) -> Result<Option<BTreeMap<TenantId, History>>, OpenError> {
    let Some(db) = read_only(path)? else { return Ok(None) };
    let database = |source| OpenError::Database { path: path.to_owned(), source };
    let of = |tenant: &TenantId| Ok((*tenant, history(&db, &tenant.to_string(), i64::MAX)?));
    tenants.iter().map(of).collect::<rusqlite::Result<_>>().map(Some).map_err(database)
}

/// The store at `path`, to be read and not locked; nothing where there is none.
///
/// # Errors
/// [`OpenError`].
pub(super) fn read_only(path: &Path) -> Result<Option<Connection>, OpenError> {
    let file = |source| OpenError::File { path: path.to_owned(), source };
    if !path.try_exists().map_err(file)? {
        return Ok(None);
    }
    let database = |source| OpenError::Database { path: path.to_owned(), source };
    let url = Url::from_file_path(std::path::absolute(path).map_err(file)?);
    let mut url = url.map_err(|()| file(std::io::ErrorKind::InvalidFilename.into()))?;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if !PathBuf::from(log).try_exists().map_err(file)? {
        // Nobody has it open. Even a reader would leave a log and an index of it behind, unless
        // it is told that the file does not change meanwhile.
        url.set_query(Some("immutable=1"));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(url.as_str(), flags).map_err(database)?;
    let form: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(database)?;
    if form > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found: form });
    }
    Ok(Some(db))
}
