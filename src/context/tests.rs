//! What people write, read as an agent reads it.
#![allow(clippy::disallowed_methods, reason = "tests play the person, who has files")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use super::{place::Owner, *};
use crate::{
    transcript::{Content, Message},
    workspace::{BufferEdit, BufferSink, EditorId, PositionEncoding, Seen, SinkError, Workspace},
};

mod commands;
mod comments;
mod instructions;
mod mentions;
mod skills;

/// A user's folder and a root.
struct Home {
    folder: TempDir,
    workspace: Arc<Workspace>,
    places: Places,
}

impl Home {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        for (name, text) in files {
            write(&path.join(name), text);
        }
        std::fs::create_dir_all(path.join("root")).unwrap();
        let places = Places { user: Some(path.join("user")), ..Places::default() };
        Self { workspace: Workspace::new(vec![path.join("root")]), places, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.path(name), text);
    }

    /// What is on the screen of an editor.
    fn open(&self, name: &str, text: &str) -> EditorId {
        let editor = self.workspace.attach(PositionEncoding::Utf16, Arc::new(NoEditor));
        let uri = format!("file://{}", self.path(name).display());
        self.workspace.open(editor, &uri, "markdown", 1, text);
        editor
    }
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

struct NoEditor;

#[async_trait::async_trait]
impl BufferSink for NoEditor {
    async fn apply(&self, _: BufferEdit) -> Result<bool, SinkError> {
        Ok(false)
    }

    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        Ok(uris)
    }
}
