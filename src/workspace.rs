//! The person's files as the person sees them: open buffers over the disk.
//!
//! Reads see the buffer where one is open, saved or not, and the disk elsewhere. Edits are anchored to the text that
//! was read. Nothing here knows LSP: a face translates its document notifications into [`Workspace::open`],
//! [`Workspace::change`], [`Workspace::close`] and [`Workspace::saved`], and implements [`BufferSink`] for the way back.

mod apply;
mod asked;
mod buffer;
mod confine;
mod diagnostics;
mod diff;
mod discard;
mod disk;
mod edit;
mod encoding;
mod error;
mod focus;
mod landing;
mod ledger;
mod plan;
mod position;
mod relocate;
mod rider;
mod save;
mod seen;
mod text;
mod uri;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_trait::async_trait;
use ropey::Rope;
use serde::{Deserialize, Serialize};

use self::{
    apply::blocking,
    buffer::{OpenBuffer, State},
    confine::{Root, locate, real, real_entry, real_name},
    disk::Stamp,
    encoding::Encoding,
    rider::Rider,
    text::digest_bytes,
    uri::Named,
};
pub use self::{
    asked::Files,
    diagnostics::{Diagnosed, Diagnosis, Diagnostic, Severity},
    discard::{Bins, DiscardError, Discarded, Holdings},
    edit::TextEdit,
    error::{ChangeError, EditError, PathError, ReadError},
    focus::{Active, Focus, Selected, Visible},
    ledger::{
        Before, ChangeKind, ChangeState, Deed, Landed, Ledger, Refusal, Reverted, Reviewed, ReviewedHunk, Selection,
        Texts, Undone,
    },
    plan::Plan,
    relocate::{MoveError, Moved},
    save::SaveOutcome,
    seen::Seen,
    text::LineEnd,
    uri::of as uri_of,
};

/// The roots, the open buffers and the disk below them.
///
/// [`Self::open`], [`Self::change`], [`Self::saved`] and [`Self::close`] are for the reader of an editor's messages: they
/// take effect before they return, and at most look where a path leads.
pub struct Workspace {
    roots: Arc<Mutex<Vec<Root>>>,
    state: Arc<Mutex<State>>,
    /// The files that are being edited.
    turns: Arc<Mutex<HashMap<PathBuf, Weak<tokio::sync::Mutex<()>>>>>,
    limits: Limits,
    /// What goes with the next edit of a file.
    riders: Mutex<Vec<Rider>>,
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For an editor's answer to an edit.
    pub apply: Duration,
    /// For the change that shows it, after the answer.
    pub confirm: Duration,
    /// For a change that is already under way, since editors gather them: Neovim for 150 ms. And for an editor to read a
    /// file again that someone else has written.
    pub settle: Duration,
    /// For an editor's answer to being asked to save. Saving may format.
    pub save: Duration,
    /// For an editor to have diagnostics of the text as it is. A language server may have to think.
    pub diagnose: Duration,
    /// For an editor to say what it shows, which it only has to look at.
    pub focus: Duration,
    /// Bytes of the largest file that is read as text.
    pub size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            apply: Duration::from_secs(5),
            confirm: Duration::from_secs(5),
            settle: Duration::from_millis(500),
            save: Duration::from_secs(10),
            diagnose: Duration::from_secs(10),
            focus: Duration::from_secs(5),
            size: 64 << 20,
        }
    }
}

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

    /// Asks the editor for the diagnostics it has, of these documents or of all. `None` if it has none to give: it cannot
    /// be asked.
    async fn diagnostics(&self, uris: Option<Vec<String>>) -> Result<Option<Vec<Diagnosed>>, SinkError> {
        let _ = uris;
        Ok(None)
    }

    /// Asks the editor what the person has before them. `None` if it cannot be asked.
    async fn focus(&self) -> Result<Option<Focus<String>>, SinkError> {
        Ok(None)
    }

    /// Whether [`Self::rename`] can do anything.
    fn can_rename(&self) -> bool {
        false
    }

    /// Asks the editor to move a file or a folder on the disk, and the buffers that show it with all that is typed in
    /// them. Never over something that exists. `Ok(true)` if it says it did.
    async fn rename(&self, from: &str, to: &str) -> Result<bool, SinkError> {
        let _ = (from, to);
        Err(SinkError("this editor cannot move files".to_owned()))
    }
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
    /// True if it is of an open buffer whose file someone else has written since the editor read or saved it: the disk has
    /// a text that the editor does not show.
    pub overtaken: bool,
    /// What to know of how the file encodes it; `None` if that is plain UTF-8, or the editor's affair.
    pub encoding: Option<&'static str>,
}

/// An open buffer.
#[derive(Clone, Debug)]
pub struct BufferInfo {
    pub editor: EditorId,
    pub uri: String,
    pub location: Location,
    pub language: String,
    pub version: i32,
    pub unsaved: bool,
    /// As [`Snapshot::overtaken`], as far as it was found out already.
    pub overtaken: bool,
    pub text: Rope,
}

/// An edit that was made.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What it changed, in the text as it was right before.
    pub diff: FileDiff,
    /// The text as it is now, with what else the person has typed.
    pub snapshot: Snapshot,
    /// True if that holds more than what the plan was based on and its edits: text that the model has not seen.
    pub rebased: bool,
    /// True if there was no such file.
    pub created: bool,
    /// The text right before.
    pub before: Rope,
    /// What was made of it, in order.
    pub edits: Vec<TextEdit>,
}

/// A change of a text, between two states of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileDiff {
    pub path: PathBuf,
    /// As in [`Location::shown`].
    pub shown: String,
    /// A unified diff with three lines of context, `a/` and `b/` headers included.
    pub unified: String,
    pub hunks: Vec<Hunk>,
}

/// One contiguous piece of a [`FileDiff`]. Line numbers are from 1, as in a unified diff's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    pub old_start: usize,
    pub old_lines: usize,
    pub new_start: usize,
    pub new_lines: usize,
    /// The hunk's lines, each with its ` `, `-` or `+`.
    pub text: String,
}

impl Snapshot {
    fn of_disk(text: Rope, hash: [u8; 16], encoding: Encoding) -> Self {
        let revision = Revision::Disk { hash };
        Self { text, revision, unsaved: false, overtaken: false, encoding: encoding.remark() }
    }
}

impl Workspace {
    /// With these folders, of which a relative one is meant from the current folder, as that is now.
    pub fn new(roots: Vec<PathBuf>) -> Arc<Self> {
        Self::with_limits(roots, Limits::default())
    }

    pub fn with_limits(roots: Vec<PathBuf>, limits: Limits) -> Arc<Self> {
        let (state, turns, riders) = Default::default();
        Arc::new(Self { roots: shared(roots), state, turns, limits, riders })
    }

    /// The same buffers over the same disk, with roots of its own.
    pub fn with_roots(&self, roots: Vec<PathBuf>) -> Arc<Self> {
        self.beside(shared(roots))
    }

    /// The same buffers over the same disk with the same roots, also where those change: for one of several who work in
    /// it, so that what [goes along](Self::take_along) with edits goes with their own.
    pub fn view(&self) -> Arc<Self> {
        self.beside(self.roots.clone())
    }

    fn beside(&self, roots: Arc<Mutex<Vec<Root>>>) -> Arc<Self> {
        let (state, turns, riders) = (self.state.clone(), self.turns.clone(), Mutex::default());
        Arc::new(Self { roots, state, turns, limits: self.limits, riders })
    }

    /// The roots as they were given, made absolute; the first is where relative paths begin.
    pub fn roots(&self) -> Vec<PathBuf> {
        lock(&self.roots).iter().map(|root| root.given.clone()).collect()
    }

    /// The roots as [`Location::path`] spells what is in them: symlinks resolved.
    pub fn resolved_roots(&self) -> Vec<PathBuf> {
        lock(&self.roots).iter().map(|root| root.path.clone()).collect()
    }

    pub fn set_roots(&self, roots: Vec<PathBuf>) {
        let roots = roots.into_iter().map(Root::new).collect();
        *lock(&self.roots) = roots;
    }

    /// Adds a root at the end; one that is there already stays where it is.
    pub fn add_root(&self, root: PathBuf) {
        let root = Root::new(root);
        let mut roots = lock(&self.roots);
        if roots.iter().all(|known| known.path != root.path) {
            roots.push(root);
        }
    }

    pub fn remove_root(&self, root: &Path) {
        let root = Root::new(root.to_path_buf());
        lock(&self.roots).retain(|known| known.path != root.path);
    }

    pub fn attach(&self, encoding: PositionEncoding, sink: Arc<dyn BufferSink>) -> EditorId {
        lock(&self.state).attach(encoding, sink)
    }

    /// For an editor that was attached before it said how it counts.
    pub fn set_encoding(&self, editor: EditorId, encoding: PositionEncoding) {
        lock(&self.state).set_encoding(editor, encoding);
    }

    /// The editor is gone, and its buffers with it.
    pub fn detach(&self, editor: EditorId) {
        lock(&self.state).detach(editor);
    }

    /// The editor has opened a document; one that is open already has a new text.
    pub fn open(&self, editor: EditorId, uri: &str, language: &str, version: i32, text: &str) {
        let file = file_of(uri);
        let stamp = file.as_deref().map_or(Stamp::NO_FILE, Stamp::of);
        let path = file.unwrap_or_else(|| PathBuf::from(uri));
        lock(&self.state).open(editor, OpenBuffer { uri, path, file: stamp, language, version, text });
    }

    /// The editor has changed a document, by these changes one after the other.
    ///
    /// # Errors
    /// A range that ends before it starts leaves the text as it was and the buffer out of sync, which reads and edits
    /// say, until a change without a range or [`Self::open`].
    pub fn change(&self, editor: EditorId, uri: &str, version: i32, changes: &[Change]) -> Result<(), ChangeError> {
        lock(&self.state).change(editor, uri, version, changes)
    }

    pub fn saved(&self, editor: EditorId, uri: &str) {
        // It may have been saved through a link that was not there before.
        let file = file_of(uri);
        let stamp = file.as_deref().map_or(Stamp::NO_FILE, Stamp::of);
        lock(&self.state).saved(editor, uri, file, stamp);
    }

    pub fn close(&self, editor: EditorId, uri: &str) {
        lock(&self.state).close(editor, uri);
    }

    /// The open buffers by path, each path once: of several editors' buffers the one that changed last.
    pub fn buffers(&self) -> Vec<BufferInfo> {
        let roots = lock(&self.roots).clone();
        lock(&self.state).buffers(&roots)
    }

    /// Where `path` leads: relative to the first root (or to the first that has such a file), absolute, `~/...`, a
    /// `file:` URI, or the URI of an open buffer.
    pub fn resolve(&self, path: &str) -> Result<Location, PathError> {
        self.resolve_by(path, real)
    }

    /// As [`Self::resolve`], but a symlink at the end of the path is not followed: for what is to be moved or deleted.
    pub fn resolve_entry(&self, path: &str) -> Result<Location, PathError> {
        self.resolve_by(path, real_entry)
    }

    /// As [`Self::resolve`], but the last part of the path stays as it is written, also where the disk has it in another
    /// letter case: for a name that something is to get.
    pub fn resolve_name(&self, path: &str) -> Result<Location, PathError> {
        self.resolve_by(path, real_name)
    }

    /// The location of a path as [`Location::path`] has it.
    pub fn at(&self, path: &Path) -> Location {
        locate(&lock(&self.roots), path.to_path_buf())
    }

    /// What editors call a path that is as [`Location::path`] has it: their own name of the buffer if one is open; else
    /// below the root as that was given.
    pub fn uri_of(&self, path: &Path) -> String {
        if let Some((_, buffer)) = lock(&self.state).find(path) {
            return buffer.uri.clone();
        }
        let roots = lock(&self.roots);
        let given = roots.iter().find_map(|root| Some(root.given.join(path.strip_prefix(&root.path).ok()?)));
        uri::of(given.as_deref().unwrap_or(path))
    }

    /// How the editor that has a file open counts columns; where none has, any editor, and the default of LSP without one.
    fn encoding_of(&self, path: &Path) -> PositionEncoding {
        lock(&self.state).encoding_of(path)
    }

    fn resolve_by(&self, path: &str, real: fn(&Path) -> std::io::Result<PathBuf>) -> Result<Location, PathError> {
        let roots = lock(&self.roots).clone();
        let open = lock(&self.state).find_uri(path).map(|buffer| buffer.path.clone());
        if let Some(path) = open {
            return Ok(locate(&roots, path));
        }
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        if path.contains('\0') {
            return Err(PathError::Nul);
        }
        let real =
            |path: PathBuf| real(&path).map_err(|source| PathError::Walk { path: path.display().to_string(), source });
        let path = match uri::parse(path) {
            Some(Named::File(path)) => path,
            Some(Named::Malformed) => return Err(PathError::BadUri(path.to_owned())),
            Some(Named::Other) => return Err(PathError::NotOpen(path.to_owned())),
            None => match path.strip_prefix('~').map(|rest| rest.strip_prefix(std::path::is_separator).unwrap_or(rest))
            {
                Some(rest) if path == "~" || rest.len() + 2 == path.len() => {
                    etcetera::home_dir().map_err(|_| PathError::NoHome)?.join(rest)
                }
                _ => PathBuf::from(path),
            },
        };
        if path.is_absolute() {
            return Ok(locate(&roots, real(path)?));
        }
        for root in roots.iter().filter(|_| roots.len() > 1) {
            let candidate = real(root.path.join(&path))?;
            if disk::relocate::exists(&candidate) || lock(&self.state).find(&candidate).is_some() {
                return Ok(locate(&roots, candidate));
            }
        }
        let root = roots.first().ok_or_else(|| PathError::NoRoot(path.display().to_string()))?;
        Ok(locate(&roots, real(root.path.join(path))?))
    }

    /// The text: of the buffer if one is open, else of the file.
    pub async fn read(&self, location: &Location) -> Result<Snapshot, ReadError> {
        self.read_within(location, self.limits.size).await
    }

    /// The same, of a file if it has at most `limit` bytes.
    pub async fn read_within(&self, location: &Location, limit: u64) -> Result<Snapshot, ReadError> {
        if let Err(SinkError(message)) = self.pull(&location.path).await {
            return Err(ReadError::Unasked { shown: location.shown.clone(), message });
        }
        self.settle_with_disk(|open| open == location.path).await;
        if let Some((editor, buffer)) = lock(&self.state).find(&location.path) {
            return match buffer.out_of_sync {
                true => Err(ReadError::OutOfSync(location.shown.clone())),
                false => Ok(buffer.snapshot(editor)),
            };
        }
        if !location.path.is_absolute() {
            return Err(ReadError::NotOpen(location.shown.clone()));
        }
        // Many paths that are tried lead nowhere, for which no thread has to be begun.
        disk::look(location)?;
        let location = location.clone();
        blocking(move || {
            let bytes = disk::read(&location, limit)?;
            let (encoding, text) = Encoding::decode(&bytes).map_err(|_| ReadError::Binary(location.shown))?;
            Ok(Snapshot::of_disk(Rope::from_str(&text), digest_bytes(&bytes), encoding))
        })
        .await
    }

    /// The file's bytes as they are on the disk, at most `limit` of them.
    pub async fn read_bytes(&self, location: &Location, limit: u64) -> Result<Vec<u8>, ReadError> {
        let location = location.clone();
        blocking(move || disk::read(&location, limit)).await
    }

    pub fn diff(&self, location: &Location, old: &Rope, new: &Rope) -> FileDiff {
        let block = diff::block(old, new);
        let changes = diff::line_changes(old, block.as_ref());
        diff::file_diff(location, old, &changes).0
    }
}

fn shared(roots: Vec<PathBuf>) -> Arc<Mutex<Vec<Root>>> {
    Arc::new(Mutex::new(roots.into_iter().map(Root::new).collect()))
}

/// The path behind an editor's `file:` URI. Where it cannot be followed, as it is written.
fn file_of(uri: &str) -> Option<PathBuf> {
    match uri::parse(uri) {
        Some(Named::File(path)) => Some(real(&path).unwrap_or(path)),
        _ => None,
    }
}

/// A folder to work in, named by its path or its `file:` URI.
///
/// # Errors
/// If it names no absolute path of this machine.
pub fn parse_root(root: &str) -> Result<PathBuf, PathError> {
    let path = match uri::parse(root) {
        Some(Named::File(path)) => path,
        Some(Named::Malformed | Named::Other) => return Err(PathError::BadUri(root.to_owned())),
        None => PathBuf::from(root),
    };
    if path.is_absolute() { Ok(path) } else { Err(PathError::NoRoot(root.to_owned())) }
}

/// A panic elsewhere while it was held leaves nothing half done that the next holder could not work with.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
