//! Clients that hold files and tell nothing of them by themselves: they are asked whenever it matters.
//!
//! What a client shows differently from the disk is an open buffer, as if an editor had opened it, for as long as it
//! differs; the rest is the disk's. A text that is to be edited goes back to the client whole, and what it then shows is
//! compared with what was meant.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Weak},
};

use async_trait::async_trait;
use ropey::Rope;

use super::{
    BufferEdit, BufferSink, Change, EditorId, Location, PositionEncoding, SinkError, Workspace,
    apply::blocking,
    buffer::{OpenBuffer, Saved, State},
    disk::{self, Stamp},
    encoding::Encoding,
    error::ReadError,
    lock,
    text::{LineEnd, with_line_feeds},
};

/// Files as a client shows them. Every call has a time limit of its own.
#[async_trait]
pub trait Files: Send + Sync + 'static {
    /// The text, saved or not. `None` if the client has no say about this file: then the disk counts.
    async fn read(&self, path: &Path) -> Result<Option<String>, SinkError>;

    /// Whether [`Self::write`] can do anything.
    fn can_write(&self) -> bool;

    /// Puts a text in the place of what the client shows.
    async fn write(&self, path: &Path, text: &str) -> Result<(), SinkError>;
}

/// Takes edits to a client that is asked.
struct Asked {
    files: Arc<dyn Files>,
    state: Weak<Mutex<State>>,
    size: u64,
}

/// A buffer that is open while an edit is made in it.
pub(super) struct Held {
    editor: EditorId,
    uri: String,
    path: PathBuf,
    /// Folders that were made for a new file.
    folders: Vec<PathBuf>,
}

impl Workspace {
    /// A client whose files are asked for. Ends with [`Workspace::detach`].
    pub fn attach_files(&self, files: Arc<dyn Files>) -> EditorId {
        let state = Arc::downgrade(&self.state);
        let sink = Arc::new(Asked { files: files.clone(), state, size: self.limits.size });
        lock(&self.state).attach_files(PositionEncoding::Utf8, sink, files)
    }

    /// Asks again for what clients showed differently from the disk, since they do not tell when that changes, and gives
    /// editors a moment to show what others have written to the files of their buffers. For who is about to look at [`Workspace::buffers`].
    pub async fn refresh(&self) {
        let asked: Vec<PathBuf> = {
            let state = lock(&self.state);
            state.all().filter(|(id, _)| state.files_of(*id).is_some()).map(|(_, buffer)| buffer.path.clone()).collect()
        };
        for path in asked {
            if let Err(SinkError(message)) = self.pull(&path).await {
                tracing::warn!(path = %path.display(), message, "what a client shows of a file may be out of date");
            }
        }
        self.settle_with_disk(|_| true).await;
    }

    /// Finds out what clients show of a file.
    pub(super) async fn pull(&self, path: &Path) -> Result<(), SinkError> {
        let clients = self.clients(path);
        if clients.is_empty() {
            return Ok(());
        }
        let on_disk = disk_text(path, self.limits.size).await;
        for (editor, files) in clients {
            let uri = lock(&self.state).uri_of(editor, path);
            let known = lock(&self.state).text(editor, &uri);
            // What is not on the disk is asked for only where it was seen before: most paths that are tried lead nowhere.
            let base = match (&on_disk, known) {
                (Some(Ok(text)), None) => text.clone(),
                (Some(Ok(_)) | None, Some(known)) => known,
                (Some(Err(NotText)), _) | (None, None) => continue,
            };
            let shown = files.read(path).await?;
            let is_told = shown.is_some();
            let file = Stamp::of(path);
            let mut state = lock(&self.state);
            match shown.map(|shown| like(&base, &shown)) {
                Some(shown) if !matches!(&on_disk, Some(Ok(text)) if is_same(text, &shown)) => {
                    state.show(editor, &uri, (path, file), &shown, Saved::No);
                }
                _ => state.close(editor, &uri),
            }
            if is_told {
                break;
            }
        }
        Ok(())
    }

    /// Opens the buffer that an edit is to be made in, if a client takes it: it stays open until [`Workspace::let_go`].
    pub(super) async fn hold(&self, location: &Location, create: bool) -> Result<Option<Held>, SinkError> {
        let path = &location.path;
        let Some((editor, files)) = self.clients(path).into_iter().find(|(_, files)| files.can_write()) else {
            return Ok(None);
        };
        let on_disk = disk_text(path, self.limits.size).await;
        let uri = lock(&self.state).uri_of(editor, path);
        let known = lock(&self.state).text(editor, &uri);
        let (text, folders) = match (on_disk, known) {
            (None, None) if create => {
                let folder = path.parent().filter(|_| location.inside).map(Path::to_path_buf);
                let made = blocking(move || folder.map_or(Ok(Vec::new()), |folder| disk::make_folders(&folder))).await;
                let made = made.map_err(|error| SinkError(format!("its folder cannot be made: {error}")))?;
                (Rope::new(), made)
            }
            (Some(Ok(_)), _) if create => return Ok(None),
            (Some(Err(NotText)), _) | (None, None) => return Ok(None),
            (Some(Ok(text)), None) | (_, Some(text)) => match files.read(path).await? {
                Some(shown) => (like(&text, &shown), Vec::new()),
                None => return Ok(None),
            },
        };
        let file = Stamp::of(path);
        lock(&self.state).show(editor, &uri, (path, file), &text, Saved::Unknown);
        Ok(Some(Held { editor, uri, path: path.clone(), folders }))
    }

    /// Closes it again, unless the client shows something that is not on the disk.
    pub(super) async fn let_go(&self, held: Held) {
        let Held { editor, uri, path, folders } = held;
        let on_disk = disk_text(&path, self.limits.size).await;
        let mut state = lock(&self.state);
        let same = match (state.text(editor, &uri), &on_disk) {
            (Some(shown), Some(Ok(text))) => is_same(text, &shown),
            (Some(shown), None) => shown.len_chars() == 0,
            (_, Some(Err(NotText))) | (None, _) => true,
        };
        if same {
            state.close(editor, &uri);
        }
        drop(state);
        if on_disk.is_none() {
            disk::remove_empty(&folders);
        }
    }

    /// The clients to ask about a file: none where an editor has it open, which tells by itself.
    fn clients(&self, path: &Path) -> Vec<(EditorId, Arc<dyn Files>)> {
        let state = lock(&self.state);
        let is_told = || state.all().any(|(id, buffer)| buffer.path == path && state.files_of(id).is_none());
        if !path.is_absolute() || is_told() { Vec::new() } else { state.files() }
    }
}

#[async_trait]
impl BufferSink for Asked {
    async fn apply(&self, edit: BufferEdit) -> Result<bool, SinkError> {
        let BufferEdit { uri, edits, .. } = edit;
        let gone = || SinkError("the file is no longer open".to_owned());
        let state = self.state.upgrade().ok_or_else(gone)?;
        let Some((editor, path, text)) = lock(&state).find_uri_of(&uri) else { return Err(gone()) };
        if !self.files.can_write() {
            let message = "the client shows changes of it that are not saved, and takes no edits. Save it there first";
            return Err(SinkError(message.to_owned()));
        }
        // The person may have typed since; a whole text would take that away.
        let shown = self.files.read(&path).await.map(|shown| shown.map(|shown| like(&text, &shown)));
        if let Ok(Some(shown)) = shown
            && shown != text
        {
            let file = Stamp::of(&path);
            lock(&state).show(editor, &uri, (&path, file), &shown, Saved::Unknown);
            return Ok(false);
        }
        let mut made = text.clone();
        for (range, new) in edits.iter().rev() {
            let start = PositionEncoding::Utf8.to_char(&text, range.start);
            let end = PositionEncoding::Utf8.to_char(&text, range.end).max(start);
            made.remove(start..end);
            made.insert(start, new);
        }
        self.files.write(&path, &made.to_string()).await?;
        let back = match self.files.read(&path).await? {
            Some(back) => like(&made, &back),
            None => match disk_text(&path, self.size).await {
                Some(Ok(back)) => like(&made, &back.to_string()),
                Some(Err(NotText)) | None => text,
            },
        };
        let file = Stamp::of(&path);
        lock(&state).show(editor, &uri, (&path, file), &back, Saved::Unknown);
        Ok(true)
    }

    /// To save what the person typed, it would have to be written over what they may be typing now.
    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        Ok(uris)
    }
}

impl State {
    /// A client shows this text of a file.
    fn show(&mut self, editor: EditorId, uri: &str, (path, file): (&Path, Stamp), text: &Rope, saved: Saved) {
        let text = text.to_string();
        match self.buffer_mut(editor, uri).map(|buffer| buffer.version) {
            Some(version) => {
                // It is open, and a change without a range always fits.
                let _ = self.change(editor, uri, version.wrapping_add(1), &[Change { range: None, text }]);
            }
            None => {
                let path = path.to_path_buf();
                self.open(editor, OpenBuffer { uri, path, file, language: "", version: 0, text: &text });
            }
        }
        if let Some(buffer) = self.buffer_mut(editor, uri) {
            buffer.saved = saved;
            // It tells of no saving: what it shows now counts over what the disk has.
            buffer.holds_file(file);
        }
    }

    fn text(&mut self, editor: EditorId, uri: &str) -> Option<Rope> {
        self.buffer_mut(editor, uri).map(|buffer| buffer.text.clone())
    }

    fn find_uri_of(&self, uri: &str) -> Option<(EditorId, PathBuf, Rope)> {
        let asked =
            |(id, buffer): &(EditorId, &super::buffer::Buffer)| buffer.uri == uri && self.files_of(*id).is_some();
        self.all().find(asked).map(|(id, buffer)| (id, buffer.path.clone(), buffer.text.clone()))
    }
}

/// The file is there, but it is none that a client could show as text without loss.
struct NotText;

/// What the disk has; `None` if there is no such file.
async fn disk_text(path: &Path, limit: u64) -> Option<Result<Rope, NotText>> {
    let location = Location { path: path.to_path_buf(), inside: true, shown: String::new() };
    let read = blocking(move || {
        let bytes = match disk::read(&location, limit) {
            Ok(bytes) => bytes,
            Err(ReadError::NotFound(_)) => return Err(None),
            Err(_) => return Err(Some(NotText)),
        };
        match Encoding::decode(&bytes) {
            Ok((Encoding::Utf8 | Encoding::Utf8Bom, text)) => Ok(Rope::from_str(&text)),
            _ => Err(Some(NotText)),
        }
    });
    match read.await {
        Ok(text) => Some(Ok(text)),
        Err(None) => None,
        Err(Some(not_text)) => Some(Err(not_text)),
    }
}

/// What a client shows, in the line ends of what is known, and without the mark that some leave at its beginning: few
/// clients show them as they are.
fn like(known: &Rope, shown: &str) -> Rope {
    let shown = Rope::from_str(shown.strip_prefix('\u{feff}').unwrap_or(shown));
    if is_same(known, &shown) {
        return known.clone();
    }
    match (LineEnd::of(known), LineEnd::of(&shown)) {
        (LineEnd::CrLf, LineEnd::Lf) => Rope::from_str(&LineEnd::CrLf.convert(&shown.to_string())),
        _ => shown,
    }
}

/// The same text, whatever its line ends.
fn is_same(one: &Rope, other: &Rope) -> bool {
    with_line_feeds(one) == with_line_feeds(other)
}
