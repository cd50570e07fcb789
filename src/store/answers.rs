//! Answers as files, for editors that show a document only if it is one.

use std::{
    fs, io,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use super::Store;
use crate::config::folder;

/// How many are kept. Chosen: an editor may still show one.
const KEPT: usize = 20;

impl Store {
    /// Keeps a Markdown text in a new file. Waits for the disk.
    ///
    /// # Errors
    /// If there is no writing there.
    pub fn keep_answer(&self, text: &str) -> io::Result<PathBuf> {
        let folder = self.folder.parent().unwrap_or(&self.folder).join("answers");
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let path = folder.join(format!("pillion-{}.md", since.as_millis()));
        folder::replace_private(&path, text)?;
        let mut all: Vec<PathBuf> = fs::read_dir(&folder)?.flatten().map(|entry| entry.path()).collect();
        // By name is by time.
        all.sort();
        for old in all.iter().rev().skip(KEPT) {
            // Another process may have been quicker.
            let _ = fs::remove_file(old);
        }
        Ok(path)
    }
}
