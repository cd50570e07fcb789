//! Deleting files and folders, with a way back.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use super::{
    Location, MoveError, Workspace,
    apply::blocking,
    buffer::Saved,
    disk::relocate::{self, keep, trash},
    lock,
};

/// Where deleted things go: the first of these that takes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bins {
    /// The platform's trash, where there is one on the same device.
    pub trash: bool,
    /// A folder that keeps them, each below one of its own with a note of where it was.
    pub kept_in: Option<PathBuf>,
}

impl Default for Bins {
    fn default() -> Self {
        Self { trash: true, kept_in: None }
    }
}

/// What goes with an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    pub is_folder: bool,
    /// Files and links below a folder.
    pub files: usize,
    /// Folders below a folder.
    pub folders: usize,
    /// Of all files.
    pub bytes: u64,
    /// The first of `files`, by path from the entry.
    pub first: Vec<PathBuf>,
    /// A folder with a git repository's history is among them.
    pub has_history: bool,
    names: u64,
}

/// Where something went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// Where it is kept; `None` if it is in the platform's trash.
    pub kept: Option<PathBuf>,
    /// Where it can be had back from: `kept`, or its place in the trash if the platform tells.
    pub found: Option<PathBuf>,
    /// Buffers without unsaved changes that still show what is gone.
    pub open: Vec<Location>,
}

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum DiscardError {
    #[error(transparent)]
    Entry(#[from] MoveError),
    #[error(
        "{0} has changes in the editor that are not saved. Nothing was deleted. Ask the person to save or to discard them"
    )]
    Unsaved(String),
    #[error("what is in {0} is not what it was when the person was asked. Nothing was deleted. Try again")]
    Changed(String),
    #[error("there is no trash to put {0} into, and no folder to keep it in. Nothing was deleted")]
    NoBin(String),
    #[error("cannot delete {shown}: {source}. Nothing was deleted")]
    Io { shown: String, source: std::io::Error },
}

/// How many names are told. Chosen: what a person reads before they answer.
const TOLD: usize = 10;

impl Workspace {
    /// What would go with an entry (of [`Workspace::resolve_entry`]). Changes nothing.
    pub async fn holdings(&self, entry: &Location) -> Result<Holdings, DiscardError> {
        self.check_entry(entry)?;
        if let Some(buffer) = self.showing(&entry.path).await.into_iter().find(|buffer| buffer.unsaved) {
            return Err(DiscardError::Unsaved(buffer.location.shown));
        }
        let entry = entry.clone();
        blocking(move || holdings(&entry)).await
    }

    /// Deletes an entry if it still has what it was said to have.
    pub async fn discard(&self, entry: &Location, said: &Holdings, bins: &Bins) -> Result<Discarded, DiscardError> {
        let turn = self.turn(entry);
        let _turn = turn.lock().await;
        if self.holdings(entry).await? != *said {
            return Err(DiscardError::Changed(entry.shown.clone()));
        }
        let open = self.showing(&entry.path).await.into_iter().map(|buffer| buffer.location).collect();
        let (entry, bins, state) = (entry.clone(), bins.clone(), self.state.clone());
        blocking(move || {
            // The last moment at which the person may have typed something.
            let typed =
                lock(&state).all().any(|(_, buffer)| buffer.path.starts_with(&entry.path) && buffer.saved == Saved::No);
            if typed {
                return Err(DiscardError::Unsaved(entry.shown));
            }
            if bins.trash
                && let Ok(found) = trash(&entry.path)
            {
                return Ok(Discarded { kept: None, found, open });
            }
            let Some(kept_in) = &bins.kept_in else { return Err(DiscardError::NoBin(entry.shown)) };
            match keep(&entry.path, kept_in) {
                Ok(kept) => Ok(Discarded { found: Some(kept.clone()), kept: Some(kept), open }),
                Err(source) => Err(DiscardError::Io { shown: entry.shown, source }),
            }
        })
        .await
    }
}

fn holdings(entry: &Location) -> Result<Holdings, DiscardError> {
    let mut found = Holdings::default();
    let mut names = Vec::new();
    let walked = relocate::walk(&entry.path, |path, metadata| {
        let below = path.strip_prefix(&entry.path).unwrap_or(path);
        let is_itself = below.as_os_str().is_empty();
        found.is_folder |= is_itself && metadata.is_dir();
        found.bytes += if metadata.is_file() { metadata.len() } else { 0 };
        found.has_history |= below.file_name().is_some_and(|name| name == ".git");
        if !is_itself {
            let count = if metadata.is_dir() { &mut found.folders } else { &mut found.files };
            *count += 1;
            names.push((metadata.is_dir(), below.to_path_buf()));
        }
        Ok(())
    });
    walked.map_err(|source| DiscardError::Io { shown: entry.shown.clone(), source })?;
    names.sort();
    let mut hasher = DefaultHasher::new();
    names.hash(&mut hasher);
    found.names = hasher.finish();
    found.first = names.into_iter().filter(|(is_folder, _)| !is_folder).take(TOLD).map(|(_, path)| path).collect();
    Ok(found)
}
