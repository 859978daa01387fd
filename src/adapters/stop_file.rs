//! The stop switch of one process: a file beside its store, there as long as all is stopped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use crate::domain::stop::Stop;
use crate::ports::{Failure, PortError, StopSwitch, TurnStopSwitch};

/// A longer file was not written by this program.
const LENGTH_MAX: u64 = 16 * 1024;

/// The stop switch of one store.
#[derive(Debug, Clone)]
pub struct StopFile {
    path: PathBuf,
}

impl StopFile {
    /// The switch of the store in this file: `<store>.stop`. The store itself is not opened.
    pub fn beside(store: &Path) -> Self {
        let mut name = store.as_os_str().to_owned();
        name.push(".stop");
        Self { path: PathBuf::from(name) }
    }

    fn read(&self) -> io::Result<Option<Stop>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            // Only what is certainly not there is no stop.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(LENGTH_MAX).read_to_string(&mut text)?;
        Ok(Some(serde_json::from_str(&text)?))
    }

    /// Whole or not at all, and durable.
    fn write(&self, stop: &Stop) -> io::Result<()> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&new)?;
        file.write_all(serde_json::to_string(stop)?.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        self.sync_folder()
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.sync_folder(),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn error(&self, what: &str, error: io::Error) -> PortError {
        let said = format!("{what} {}", self.path.display());
        PortError::new(Failure::Transient, said).because(error)
    }
}

#[async_trait]
impl StopSwitch for StopFile {
    async fn stopped(&self) -> Result<Option<Stop>, PortError> {
        self.read().map_err(|error| self.error("cannot read", error))
    }
}

#[async_trait]
impl TurnStopSwitch for StopFile {
    async fn stop(&self, stop: &Stop) -> Result<(), PortError> {
        self.write(stop).map_err(|error| self.error("cannot write", error))
    }

    async fn resume(&self) -> Result<Option<Stop>, PortError> {
        // One that cannot be read is ended all the same.
        let before = self.read().unwrap_or_else(|_| Some(Stop::unreadable()));
        self.remove().map_err(|error| self.error("cannot remove", error))?;
        Ok(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::behaviour;

    fn switch() -> (tempfile::TempDir, StopFile) {
        let folder = tempfile::tempdir().unwrap();
        let switch = StopFile::beside(&folder.path().join("warden.db"));
        (folder, switch)
    }

    #[tokio::test]
    async fn it_stops_and_resumes() {
        let (_folder, switch) = switch();
        behaviour::stop::it_stops_and_resumes(&switch).await;
    }

    #[tokio::test]
    async fn it_lies_beside_the_store_and_nothing_else_does() {
        let (folder, switch) = switch();
        let since = "2026-11-23T12:00:00Z".parse().unwrap();
        switch.stop(&Stop::new("INC-7", since)).await.unwrap();
        let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["warden.db.stop"]);
        let text = fs::read_to_string(folder.path().join("warden.db.stop")).unwrap();
        assert_eq!(text, r#"{"why":"INC-7","since":"2026-11-23T12:00:00Z"}"#);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_an_error_and_can_be_ended() {
        let (folder, switch) = switch();
        let path = folder.path().join("warden.db.stop");
        let long = format!("{{\"why\":\"{}\"}}", "x".repeat(20_000));
        for garbled in ["", "stop", "{}", "{\"why\":", &long] {
            fs::write(&path, garbled).unwrap();
            let error = switch.stopped().await.unwrap_err();
            assert!(error.said.starts_with("cannot read "), "{error}");
            assert_eq!(switch.resume().await.unwrap(), Some(Stop::unreadable()));
            assert_eq!(switch.stopped().await.unwrap(), None);
        }
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(switch.stopped().await.is_err());
        fs::remove_file(&path).unwrap();
        // A folder in its place.
        fs::create_dir(&path).unwrap();
        assert!(switch.stopped().await.is_err());
        assert!(switch.resume().await.is_err());
    }
}
