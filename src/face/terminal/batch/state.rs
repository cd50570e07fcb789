//! What is known of a file's batches, kept beside it.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::input::{Fingerprint, Options, Part};
use crate::store::lock;

/// What this program writes. A later one that writes otherwise has a higher number.
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    version: u32,
    pub input: Fingerprint,
    pub options: Options,
    pub chunks: Vec<Chunk>,
}

/// One batch, handed over or to be handed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chunk {
    #[serde(flatten)]
    pub part: Part,
    /// Written before it is sent and gone when its id is known: found in the file, it is not known whether it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sending: Option<Sending>,
    /// The id of its batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// True while it is only known by what it looks like that the batch is this one's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// True when all its results are in the file of results.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collected: bool,
}

/// That a chunk is about to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sending {
    /// The account's latest batch before it: whatever it became comes after that.
    pub before: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("{} cannot be read: {reason}. It says what was submitted, so look after it before you delete it.", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} cannot be written: {error}", path.display())]
    Unwritable { path: PathBuf, error: io::Error },
    #[error("Another `pillion batch` works on {} just now. Wait until it has ended.", path.display())]
    Busy { path: PathBuf },
}

impl State {
    pub fn new(input: Fingerprint, options: Options, parts: Vec<Part>) -> Self {
        let chunk = |part| Chunk { part, sending: None, batch: None, adopted: false, collected: false };
        Self { version: VERSION, input, options, chunks: parts.into_iter().map(chunk).collect() }
    }

    /// What was written last, if anything was.
    #[allow(clippy::disallowed_methods, reason = "the file is beside the one the person names")]
    pub fn load(input: &Path) -> Result<Option<Self>, StateError> {
        let path = beside(input, "batch.json");
        let unreadable = |reason: String| StateError::Unreadable { path: path.clone(), reason };
        let text = match std::fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|error| unreadable(error.to_string()))?,
        };
        let state: Self = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
        if state.version > VERSION {
            return Err(unreadable("a newer Pillion wrote it".to_owned()));
        }
        Ok(Some(state))
    }

    /// Replaces what was written, in one step that a crash does not cut in two.
    pub fn save(&self, input: &Path) -> Result<(), StateError> {
        let path = beside(input, "batch.json");
        let write = || {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            io::Result::Ok(())
        };
        write().map_err(|error| StateError::Unwritable { path: path.clone(), error })
    }
}

/// Held while a file's batches are changed. Two that submit one file at once would submit it twice.
pub struct Hold {
    _file: File,
}

impl Hold {
    #[allow(clippy::disallowed_methods, reason = "the file is beside the one the person names")]
    pub fn take(input: &Path) -> Result<Self, StateError> {
        let path = beside(input, "batch.lock");
        let mut options = OpenOptions::new();
        let opened = lock::options(options.create(true).truncate(false).write(true)).open(&path);
        let held = opened.and_then(|file| lock::take(&file).map(|()| Self { _file: file }));
        held.map_err(|error| match lock::is_held(&error) {
            true => StateError::Busy { path: input.to_owned() },
            false => StateError::Unwritable { path, error },
        })
    }
}

/// `jobs.jsonl.batch.json` beside `jobs.jsonl`.
pub fn beside(input: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(input);
    name.push(".");
    name.push(ending);
    name.into()
}
