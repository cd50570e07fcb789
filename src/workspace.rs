//! The person's files as the person sees them: open buffers over the disk.
//!
//! Reads see the buffer where one is open, saved or not, and the disk elsewhere. Edits are anchored to the text that
//! was read. Nothing here knows LSP: a face translates its document notifications into [`Workspace::open`],
//! [`Workspace::change`], [`Workspace::close`] and [`Workspace::saved`], and implements [`BufferSink`] for the way back.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use ropey::Rope;

/// The roots, the open buffers and the disk below them.
pub struct Workspace {}

/// An editor that holds buffers, by the number [`Workspace::attach`] gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EditorId(pub u64);

/// How an editor counts columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PositionEncoding {
    Utf8,
    /// The default of LSP.
    #[default]
    Utf16,
    Utf32,
}

/// A place in a text: both from 0; `column` in the units of the editor's [`PositionEncoding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// One change an editor reports. Without a range it replaces the whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub range: Option<Range<Position>>,
    pub text: String,
}

/// An edit of an open buffer, to be pushed to the editor that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferEdit {
    pub uri: String,
    /// The version the positions are of.
    pub version: i32,
    /// Not overlapping, in ascending order, positions of the text before any of them.
    pub edits: Vec<(Range<Position>, String)>,
    /// What the person may see in the undo list.
    pub label: String,
}

/// How edits reach an editor. Implemented by a face; every call has a time limit of its own.
#[async_trait]
pub trait BufferSink: Send + Sync + 'static {
    /// Asks the editor to apply the edit as one undo step. `Ok(true)` if it says it did; the buffer's text changes only
    /// when the editor's own change notification arrives.
    async fn apply(&self, edit: BufferEdit) -> Result<bool, SinkError>;

    /// Asks the editor to save these buffers; returns the URIs it could not.
    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError>;
}

/// The editor did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct SinkError(pub String);

/// Where a path leads, confined and resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location {
    /// Absolute, without `.` or `..`, symlinks of existing ancestors resolved; for an untitled buffer, its URI as a path.
    pub path: PathBuf,
    /// False if it lies outside every root: then it needs the person's word.
    pub inside: bool,
    /// How to name it to the model and the person: relative to its root where that is clear.
    pub shown: String,
}

/// Which text it was: the version of an open buffer or the content hash of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    Buffer { editor: EditorId, generation: u64 },
    Disk { hash: [u8; 16] },
}

/// A text as it was at one moment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub text: Rope,
    pub revision: Revision,
    /// True if an open buffer differs from what is on the disk, or was never saved.
    pub unsaved: bool,
}

/// Which texts a conversation's model has read in whole, by path. A `write` over a text that is not among them is refused.
#[derive(Debug, Default)]
pub struct Seen {}

/// A change of a text, between two states of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiff {
    pub path: PathBuf,
    /// As in [`Location::shown`].
    pub shown: String,
    /// A unified diff with three lines of context, `a/` and `b/` headers included.
    pub unified: String,
    pub hunks: Vec<Hunk>,
}

/// One contiguous piece of a [`FileDiff`]. Line numbers are from 1, as in a unified diff's header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    pub old_start: usize,
    pub old_lines: usize,
    pub new_start: usize,
    pub new_lines: usize,
    /// The hunk's lines, each with its ` `, `-` or `+`.
    pub text: String,
}

#[allow(dead_code)]
fn unused(_: &Path, _: Arc<()>) {}
