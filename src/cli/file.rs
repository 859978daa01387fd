//! Files that a command writes: whole or not at all, and readable by their owner alone.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use tempfile::NamedTempFile;

use super::WrongInput;

/// Writes a file. One that is there is replaced if `replace` says so.
///
/// # Errors
/// What the system says, and [`WrongInput`] where something is in the way.
pub(super) fn put(path: &Path, text: &str, replace: bool) -> anyhow::Result<()> {
    let place = path.display();
    if std::fs::symlink_metadata(path).is_ok_and(|there| !there.is_file()) {
        let message = format!("cannot write {place}: it is there and no plain file");
        return Err(WrongInput(message).into());
    }
    if !replace {
        refuse_what_is_there(path, OR_FORCE)?;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let write = || {
        // Made with the rights of its owner alone, and seen under its name only when whole.
        let mut file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        let put = if replace { file.persist(path) } else { file.persist_noclobber(path) };
        put.map_err(|failed| failed.error).map(drop)
    };
    write().with_context(|| format!("cannot write {place}"))
}

/// The mend where a command has an option to replace what is there.
pub(super) const OR_FORCE: &str = "name another file, or give --force";

/// Refuses where anything is there already; says how to mend that.
///
/// # Errors
/// [`WrongInput`].
pub(super) fn refuse_what_is_there(path: &Path, mend: &str) -> Result<(), WrongInput> {
    if std::fs::symlink_metadata(path).is_err() {
        return Ok(());
    }
    let place = path.display();
    Err(WrongInput(format!("{place} is there already; {mend}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_owners_alone_and_is_not_replaced_unasked() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        put(&path, "first", false).unwrap();
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let refused = put(&path, "second", false).unwrap_err().to_string();
        assert!(refused.ends_with("is there already; name another file, or give --force"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first");
        put(&path, "second", true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        // Nothing is left behind beside it.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_plain_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [folder.path(), link.as_path(), Path::new("/dev/null")] {
            let refused = put(path, "text", true).unwrap_err().to_string();
            assert!(refused.ends_with("it is there and no plain file"), "{refused}");
        }
        let nowhere = put(&folder.path().join("no/such/folder"), "text", true).unwrap_err();
        assert!(nowhere.to_string().starts_with("cannot write "), "{nowhere}");
    }
}
