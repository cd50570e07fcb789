//! Sessions on disk: one append-only file of JSON lines for each.
//!
//! A log begins with its [`Meta`]; then come events, messages and settings as they happen, each one line and one
//! `write(2)`, so that a killed process loses nothing it had appended. [`Log::sync`] brings it to the disk itself, for
//! the case that the whole machine goes down. One process at a time writes a log; any may read it.
//!
//! Nothing is undone: what a killed process left open is closed by further records, see [`Recovered`].
#![expect(clippy::disallowed_methods, reason = "the logs are this module's own files")]

use std::{
    fs::{self, File},
    io::{self, BufReader},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::value::to_raw_value;

use crate::{
    config::folder,
    protocol::{SessionEvent, SessionInfo},
};

mod answers;

mod id;

mod record;

pub(crate) mod lock;

mod log;

mod lines;

mod recover;

mod list;

mod fork;

mod replay;

#[cfg(test)]
mod tests;

pub use id::rfc3339;
pub use list::Page;
pub use log::Log;
pub use record::{Meta, Settings, title, title_of};
pub use recover::{Recovered, WaitingTurn};
pub use replay::{Replay, missing};

/// The folder of all sessions. Cheap to clone; touches no disk until it must.
#[derive(Clone, Debug)]
pub struct Store {
    folder: Arc<Path>,
}

/// Why a session could not be reached.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("no session {id} is stored here. `pillion sessions list` shows those that are, and so does session/list.")]
    NotFound { id: String },
    #[error("session {id} has no such turn that has ended, so there is nothing to branch off from.")]
    NoPast { id: String },
    #[error("another process is writing session {id}. Close it there first, or start a new session.")]
    Busy { id: String },
    #[error("{id:?} is not a session id. One looks like 20261121-091503-k3f9x2.")]
    BadId { id: String },
    #[error("{cursor:?} is not a cursor of session/list. Ask for the first page, without one.")]
    BadCursor { cursor: String },
    #[error("there is no home folder to keep sessions in. Set PILLION_STATE_DIR to a folder.")]
    NoFolder,
    #[error("session {id} was written by a newer Pillion. Update this one to open it.")]
    Newer { id: String },
    #[error("the first line of {} is damaged, so the session cannot be opened.", path.display())]
    Damaged { path: PathBuf },
    #[error("{} cannot be {what}: {source}. Check the folder's permissions and the space on its disk.", path.display())]
    Io { path: PathBuf, what: &'static str, source: io::Error },
}

impl Store {
    /// The store in `folder`, by default in the platform's state folder (or `PILLION_STATE_DIR`).
    ///
    /// # Errors
    /// [`StoreError::NoFolder`] if there is no home folder either.
    pub fn open(folder: Option<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.or_else(folder::state).ok_or(StoreError::NoFolder)?;
        Ok(Self { folder: folder.join("sessions").into() })
    }

    /// The folder for what a tool has deleted where there is no trash.
    pub fn deleted(&self) -> PathBuf {
        self.folder.parent().unwrap_or(&self.folder).join("deleted")
    }

    /// Starts a log and locks it.
    pub fn create(&self, meta: &Meta) -> Result<Log, StoreError> {
        self.begin(&meta.session_id, |file| Log::create(file, &self.folder, meta))
    }

    /// Locks a session's log and reads where it stands. A line torn by a crash is cut off, since nothing waits for it.
    pub fn load(&self, id: &str) -> Result<(Log, Recovered), StoreError> {
        let (file, path) = self.open_locked(id)?;
        let failed = |source| StoreError::Io { path: path.clone(), what: "read", source };
        let (recovered, state, end) = recover::read(BufReader::with_capacity(1 << 16, &file), &path)?;
        let updated_at = file.metadata().and_then(|metadata| metadata.modified()).map_err(failed)?;
        let recovered = Recovered { updated_at: record::unix_seconds(updated_at), ..recovered };
        let log = Log::resume(file, &end, state).map_err(failed)?;
        Ok((log, recovered))
    }

    /// Removes a session's log for good.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while any process has it open.
    pub fn delete(&self, id: &str) -> Result<(), StoreError> {
        let (file, path) = self.open_locked(id)?;
        // Windows removes no file that is open; elsewhere nobody else is to open it meanwhile.
        #[cfg(windows)]
        drop(file);
        fs::remove_file(&path).map_err(|source| StoreError::Io { path, what: "deleted", source })?;
        #[cfg(not(windows))]
        drop(file);
        Ok(())
    }

    /// Gives a session that nobody has open another title.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while any process has it open.
    pub fn rename(&self, id: &str, title: String) -> Result<(), StoreError> {
        let (mut log, recovered) = self.load(id)?;
        let failed = |source: io::Error| StoreError::Io { path: self.folder.join(id), what: "written", source };
        let event = to_raw_value(&SessionEvent::SessionRenamed { title }).map_err(|error| failed(error.into()))?;
        log.append_event(recovered.last_seq + 1, &event).map_err(failed)
    }

    /// Begins a session that has the past of another one, up to the end of the turn `until`, or of all turns that have
    /// ended. The other one may be open.
    ///
    /// # Errors
    /// [`StoreError::NoPast`] if no such turn has ended.
    pub fn fork(&self, id: &str, until: Option<&str>) -> Result<SessionInfo, StoreError> {
        let path = self.path(id)?;
        let source = File::open(&path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { id: id.to_owned() },
            _ => StoreError::Io { path: path.clone(), what: "opened", source },
        })?;
        let failed = |source| StoreError::Io { path: path.clone(), what: "read", source };
        let no_past = || StoreError::NoPast { id: id.to_owned() };
        let past = fork::past(source, until).map_err(failed)?.ok_or_else(no_past)?;
        let meta = past.renamed();
        self.begin(&meta.session_id, |file| {
            past.write(&meta, &file, &self.folder)?;
            lock::release(&file);
            Ok(())
        })?;
        list::one(&self.folder, &meta.session_id).map_err(failed)?.ok_or_else(no_past)
    }

    /// Sessions, the latest used first, without those that never had an event. With `root`, only those that work in
    /// that folder. Waits for the disk: a few reads for each session of the page.
    pub fn list(&self, root: Option<&Path>, cursor: Option<&str>, limit: usize) -> Result<Page, StoreError> {
        list::list(&self.folder, root, cursor, limit)
    }

    /// A session as it is stored.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] also if it never had an event.
    pub fn info(&self, id: &str) -> Result<SessionInfo, StoreError> {
        let path = self.path(id)?;
        match list::info(&self.folder, id) {
            Ok(Some(info)) => Ok(info),
            Ok(None) => Err(StoreError::NotFound { id: id.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::NotFound { id: id.to_owned() }),
            Err(source) => Err(StoreError::Io { path, what: "read", source }),
        }
    }

    /// The events of a session whose numbers lie in `seqs`, which must have been given out, with no gap: one that is
    /// missing is replaced by a notice that says so. Reads as it goes, in bounded memory, while the log may grow. Waits
    /// for the disk.
    pub fn replay(&self, id: &str, seqs: RangeInclusive<u64>) -> Result<Replay, StoreError> {
        self.replay_with(id, seqs, Vec::new())
    }

    /// As [`Store::replay`], of a log of which this is [held back](Log::held_back).
    pub fn replay_with(&self, id: &str, seqs: RangeInclusive<u64>, held_back: Vec<u8>) -> Result<Replay, StoreError> {
        let path = self.path(id)?;
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { id: id.to_owned() },
            _ => StoreError::Io { path: path.clone(), what: "read", source: error },
        };
        Replay::new(File::open(&path).map_err(failed)?, seqs, held_back).map_err(failed)
    }

    /// Makes a new log, locked, and has it filled. One that cannot be is not left behind.
    fn begin<T>(&self, id: &str, fill: impl FnOnce(File) -> io::Result<T>) -> Result<T, StoreError> {
        let path = self.path(id)?;
        let failed = |source| StoreError::Io { path: path.clone(), what: "written", source };
        folder::make_private(&self.folder).map_err(failed)?;
        let file = lock::options(&mut folder::private_file()).create_new(true).open(&path).map_err(failed)?;
        let begun = self.lock(&file, id, &path).and_then(|()| fill(file).map_err(failed));
        begun.inspect_err(|_| drop(fs::remove_file(&path)))
    }

    fn open_locked(&self, id: &str) -> Result<(File, PathBuf), StoreError> {
        let path = self.path(id)?;
        let file = lock::options(&mut folder::private_file()).open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NotFound { id: id.to_owned() },
            _ if lock::is_held(&error) => StoreError::Busy { id: id.to_owned() },
            _ => StoreError::Io { path: path.clone(), what: "opened", source: error },
        })?;
        self.lock(&file, id, &path)?;
        Ok((file, path))
    }

    /// Ids come from clients: what does not look like one of ours never becomes part of a path.
    fn path(&self, id: &str) -> Result<PathBuf, StoreError> {
        if !id::is_valid(id) {
            return Err(StoreError::BadId { id: id.to_owned() });
        }
        Ok(self.folder.join(format!("{id}.jsonl")))
    }

    fn lock(&self, file: &File, id: &str, path: &Path) -> Result<(), StoreError> {
        lock::take(file).map_err(|error| {
            if lock::is_held(&error) {
                StoreError::Busy { id: id.to_owned() }
            } else {
                StoreError::Io { path: path.to_owned(), what: "locked", source: error }
            }
        })
    }
}
