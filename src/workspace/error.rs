//! What can go wrong, in words for the model and the person: what happened, what it means, what to do.

use std::{io, time::Duration};

use super::{Location, Snapshot};

/// A path that leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty: give the path of a file")]
    Empty,
    #[error("the path has a NUL character in it, which no path can have")]
    Nul,
    #[error("{0} is relative, but no folder is open: give an absolute path")]
    NoRoot(String),
    #[error("{0} names no file of this machine")]
    BadUri(String),
    #[error("{0} is not open in an editor, and only an editor could have it")]
    NotOpen(String),
    #[error("~ stands for the home folder, but there is none: give an absolute path")]
    NoHome,
    #[error("cannot tell where {path} leads: {source}")]
    Walk { path: String, source: io::Error },
}

/// A change that did not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("change of {uri}, which is not open")]
    NotOpen { uri: String },
    #[error("a change of {uri} ends before it starts; its text is unknown until it is sent whole")]
    BadRange { uri: String },
}

/// A text that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("{0} does not exist")]
    NotFound(String),
    #[error("{0} is a folder, not a file: use glob to list it")]
    Directory(String),
    #[error("{0} is neither a file nor a folder, so there is no text to read")]
    NotAFile(String),
    #[error("{shown} has {size} bytes, more than the {limit} that are read at once: search it with grep or bash")]
    TooLarge { shown: String, size: u64, limit: u64 },
    #[error("{0} is binary, not text")]
    Binary(String),
    #[error("no permission to read {0}")]
    Denied(String),
    #[error("{0} is no longer open in the editor, and nothing of it is on the disk")]
    NotOpen(String),
    #[error("the editor's changes of {0} no longer fit its text, so what it shows is unknown: it has to be reopened")]
    OutOfSync(String),
    #[error("the client did not say what it shows of {shown}: {message}. Try again")]
    Unasked { shown: String, message: String },
    #[error("{0} leads somewhere else than it did: try again")]
    Moved(String),
    #[error("cannot read {shown}: {source}")]
    Io { shown: String, source: io::Error },
}

impl ReadError {
    pub(super) fn of(location: &Location, source: io::Error) -> Self {
        let shown = location.shown.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound(shown),
            io::ErrorKind::PermissionDenied => Self::Denied(shown),
            io::ErrorKind::IsADirectory => Self::Directory(shown),
            _ => Self::Io { shown, source },
        }
    }
}

/// An edit that was not made, or of which it is not known that it was.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error(
        "{shown} has changed at the place of this edit since it was read. Nothing was written. \
         Read it again and make the edit for the text as it is now"
    )]
    Conflict { shown: String, fresh: Box<Snapshot> },
    #[error("{shown} exists already. Nothing was written. Read it first")]
    Exists { shown: String, fresh: Option<Box<Snapshot>> },
    #[error("{0} was deleted since it was read. Nothing was written")]
    Vanished(String),
    #[error("the edits do not fit the text they are for: {0}. Nothing was written")]
    BadEdits(&'static str),
    #[error("there is no hunk {index}: the diff has {count}. Nothing was written")]
    NoSuchHunk { index: usize, count: usize },
    #[error("the editor refused to change {0}; it may be read-only there. Nothing was written")]
    Refused(String),
    #[error("{0} kept changing, and the editor took none of several tries. Nothing was written. Try again")]
    Restless(String),
    #[error(
        "the editor did not answer within {limit:?} whether it changed {shown}. It may still do so. \
         Read it again before the next edit"
    )]
    Unanswered { shown: String, limit: Duration },
    #[error(
        "the editor says that it changed {shown}, but within {limit:?} its text did not show it. \
         Read it again before the next edit"
    )]
    Unconfirmed { shown: String, limit: Duration },
    #[error("{0} was closed in the editor before the edit was confirmed. Read it again to see whether it was made")]
    Closed(String),
    #[error("the editor failed to change {shown}: {message}. Read it again before the next edit")]
    Editor { shown: String, message: String },
    #[error("{shown} is a {encoding} file, which cannot hold the character {char:?}. Nothing was written")]
    Unencodable { shown: String, encoding: &'static str, char: char },
    #[error("{0} is read-only. Nothing was written")]
    ReadOnly(String),
    #[error("the folder of {0} does not exist. Nothing was written")]
    NoFolder(String),
    #[error("no permission to write in the folder of {0}. Nothing was written")]
    Denied(String),
    #[error("the disk is full: {0} is as it was. Nothing was written")]
    DiskFull(String),
    #[error("cannot write {shown}: {source}. Nothing was written")]
    Io { shown: String, source: io::Error },
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl EditError {
    pub(super) fn of(location: &Location, source: io::Error) -> Self {
        let shown = location.shown.clone();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NoFolder(shown),
            io::ErrorKind::PermissionDenied => Self::Denied(shown),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(shown),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull(shown),
            io::ErrorKind::AlreadyExists => Self::Exists { shown, fresh: None },
            _ => Self::Io { shown, source },
        }
    }
}
