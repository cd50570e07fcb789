//! What the editors have open, and the edits that wait for it to settle.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use ropey::Rope;
use tokio::sync::{Notify, mpsc};

use super::{
    BufferInfo, BufferSink, Change, ChangeError, EditorId, Files, PositionEncoding, Revision, Snapshot,
    confine::{Root, locate},
    diff::changes,
    disk::Stamp,
    edit::{TextEdit, shift_by},
    uri,
};

/// Everything that is shared between the reader and the tools, behind one lock that nobody holds for long.
#[derive(Default)]
pub struct State {
    editors: HashMap<EditorId, Editor>,
    pub pending: HashMap<u64, Pending>,
    /// Told of each document that is opened, changed or saved.
    pub news: Arc<Notify>,
    count: u64,
}

struct Editor {
    encoding: PositionEncoding,
    sink: Arc<dyn BufferSink>,
    /// Of a client that is asked for its files, and tells nothing by itself.
    files: Option<Arc<dyn Files>>,
    buffers: HashMap<String, Buffer>,
}

/// A document that an editor has open.
pub struct Buffer {
    pub uri: String,
    /// Where it really is; the URI itself if the editor alone has it.
    pub path: PathBuf,
    pub language: String,
    pub version: i32,
    pub text: Rope,
    /// Of the last change of the text, counted over all buffers.
    pub generation: u64,
    /// Of this opening, counted over all buffers.
    pub opening: u64,
    pub saved: Saved,
    /// The texts before and after the first change since the disk had what is here. The second is what the editor read, if
    /// someone else had written the file; the person may have typed since.
    pub known: Vec<Rope>,
    /// The file as it was when the disk last had what the editor knows of: when it was opened, saved, or found to be the same.
    pub file: Stamp,
    /// The file as someone else has written it since, which the editor has had the time to show and does not.
    pub overtaken: Option<Stamp>,
    /// A change did not fit: what the editor shows is unknown until it sends the whole text.
    pub out_of_sync: bool,
    /// Those who wait for a change; told the text after each.
    watchers: Vec<mpsc::UnboundedSender<Rope>>,
}

/// Whether the disk has what the buffer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    Yes,
    No,
    /// Opened and not changed since: an editor may restore unsaved text when it starts.
    Unknown,
}

/// How a buffer stood to its file at one moment.
pub struct Standing {
    pub text: Rope,
    pub known: Vec<Rope>,
    pub generation: u64,
    pub saved: Saved,
    pub file: Stamp,
}

/// The places of a plan that is not yet applied.
pub struct Pending {
    pub path: PathBuf,
    /// The text the anchors are places in.
    pub text: Rope,
    /// The opening whose every change moves the anchors; without one, `text` stays and is compared later.
    pub opening: Option<u64>,
    /// `None` where the text itself changed.
    pub anchors: Vec<Option<std::ops::Range<usize>>>,
}

/// What is needed to push an edit to the buffer it is for.
pub struct Target {
    pub editor: EditorId,
    pub uri: String,
    pub version: i32,
    pub text: Rope,
    pub generation: u64,
    pub opening: u64,
    pub out_of_sync: bool,
    pub encoding: PositionEncoding,
    pub sink: Arc<dyn BufferSink>,
}

impl State {
    pub fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    pub fn attach(&mut self, encoding: PositionEncoding, sink: Arc<dyn BufferSink>) -> EditorId {
        let id = EditorId(self.next());
        self.editors.insert(id, Editor { encoding, sink, files: None, buffers: HashMap::new() });
        id
    }

    pub fn attach_files(
        &mut self,
        encoding: PositionEncoding,
        sink: Arc<dyn BufferSink>,
        files: Arc<dyn Files>,
    ) -> EditorId {
        let id = self.attach(encoding, sink);
        if let Some(editor) = self.editors.get_mut(&id) {
            editor.files = Some(files);
        }
        id
    }

    pub fn files_of(&self, id: EditorId) -> Option<&Arc<dyn Files>> {
        self.editors.get(&id)?.files.as_ref()
    }

    /// The clients that are asked for files.
    pub fn files(&self) -> Vec<(EditorId, Arc<dyn Files>)> {
        self.editors.iter().filter_map(|(id, editor)| Some((*id, editor.files.clone()?))).collect()
    }

    pub fn set_encoding(&mut self, id: EditorId, encoding: PositionEncoding) {
        if let Some(editor) = self.editors.get_mut(&id) {
            editor.encoding = encoding;
        }
    }

    pub fn detach(&mut self, id: EditorId) {
        if let Some(editor) = self.editors.remove(&id) {
            editor.buffers.values().for_each(|buffer| self.forget(buffer));
        }
    }

    pub fn open(&mut self, id: EditorId, buffer: OpenBuffer<'_>) {
        let (opening, generation) = (self.next(), self.next());
        let Some(editor) = self.editors.get_mut(&id) else { return };
        let text = Rope::from_str(buffer.text);
        let watchers = editor.buffers.remove(buffer.uri).map_or_else(Vec::new, |old| old.watchers);
        let mut opened = Buffer {
            uri: buffer.uri.to_owned(),
            path: buffer.path,
            language: buffer.language.to_owned(),
            version: buffer.version,
            text,
            generation,
            opening,
            saved: if buffer.file == Stamp::NO_FILE { Saved::No } else { Saved::Unknown },
            known: Vec::new(),
            file: buffer.file,
            overtaken: None,
            out_of_sync: false,
            watchers,
        };
        opened.tell();
        for pending in self.pending.values_mut().filter(|pending| pending.path == opened.path) {
            // The common case at once: what was opened is what the edits were for. Else it is compared when it matters.
            pending.opening = (pending.text == opened.text).then_some(opening);
        }
        editor.buffers.insert(opened.uri.clone(), opened);
        self.news.notify_waiters();
    }

    pub fn change(&mut self, id: EditorId, uri: &str, version: i32, news: &[Change]) -> Result<(), ChangeError> {
        let generation = self.next();
        let not_open = || ChangeError::NotOpen { uri: uri.to_owned() };
        let editor = self.editors.get_mut(&id).ok_or_else(not_open)?;
        let encoding = editor.encoding;
        let buffer = editor.buffers.get_mut(uri).ok_or_else(not_open)?;
        buffer.version = version;
        let mut text = buffer.text.clone();
        let mut steps: Vec<Vec<TextEdit>> = Vec::with_capacity(news.len());
        let mut out_of_sync = buffer.out_of_sync;
        for change in news {
            let edits = match &change.range {
                None => {
                    out_of_sync = false;
                    changes(&text, &Rope::from_str(&change.text))
                }
                Some(_) if out_of_sync => continue,
                Some(range) if range.start > range.end => {
                    buffer.out_of_sync = true;
                    buffer.watchers.clear();
                    return Err(ChangeError::BadRange { uri: uri.to_owned() });
                }
                Some(range) => {
                    let start = encoding.to_char(&text, range.start);
                    let end = encoding.to_char(&text, range.end).max(start);
                    refine(&text, TextEdit { range: start..end, text: change.text.clone() })
                }
            };
            for edit in edits.iter().rev() {
                text.remove(edit.range.clone());
                text.insert(edit.range.start, &edit.text);
            }
            steps.push(edits);
        }
        buffer.out_of_sync = out_of_sync;
        if steps.iter().all(Vec::is_empty) {
            // The version alone has moved, which is news to whoever waits with an edit of the old one.
            buffer.tell();
            return Ok(());
        }
        if buffer.saved != Saved::No {
            buffer.known = vec![buffer.text.clone(), text.clone()];
        }
        buffer.text = text;
        buffer.generation = generation;
        buffer.saved = Saved::No;
        buffer.tell();
        let (opening, text) = (buffer.opening, buffer.text.clone());
        for pending in self.pending.values_mut().filter(|pending| pending.opening == Some(opening)) {
            for anchor in &mut pending.anchors {
                for edits in &steps {
                    *anchor = anchor.take().and_then(|range| shift_by(&range, edits));
                }
            }
            pending.text = text.clone();
        }
        self.news.notify_waiters();
        Ok(())
    }

    pub fn saved(&mut self, id: EditorId, uri: &str, path: Option<PathBuf>, file: Stamp) {
        if let Some(buffer) = self.buffer_mut(id, uri) {
            buffer.is_on_disk(file);
            if let Some(path) = path {
                buffer.path = path;
            }
            self.news.notify_waiters();
        }
    }

    pub fn close(&mut self, id: EditorId, uri: &str) {
        if let Some(buffer) = self.editors.get_mut(&id).and_then(|editor| editor.buffers.remove(uri)) {
            self.forget(&buffer);
        }
    }

    fn forget(&mut self, buffer: &Buffer) {
        for pending in self.pending.values_mut().filter(|pending| pending.opening == Some(buffer.opening)) {
            pending.opening = None;
        }
    }

    pub fn buffer_mut(&mut self, id: EditorId, uri: &str) -> Option<&mut Buffer> {
        self.editors.get_mut(&id)?.buffers.get_mut(uri)
    }

    /// Watches a buffer's text. The channel ends when the buffer is closed or can no longer be followed.
    pub fn watch(&mut self, id: EditorId, uri: &str) -> mpsc::UnboundedReceiver<Rope> {
        let (sender, receiver) = mpsc::unbounded_channel();
        if let Some(buffer) = self.buffer_mut(id, uri) {
            buffer.watchers.push(sender);
        }
        receiver
    }

    /// The buffer of a path; of several editors', the one that changed last.
    pub fn find(&self, path: &Path) -> Option<(EditorId, &Buffer)> {
        self.all().filter(|(_, buffer)| buffer.path == path).max_by_key(|(_, buffer)| buffer.generation)
    }

    pub fn find_uri(&self, uri: &str) -> Option<&Buffer> {
        self.editors.values().find_map(|editor| editor.buffers.get(uri))
    }

    pub fn target(&self, path: &Path) -> Option<Target> {
        let (id, buffer) = self.find(path)?;
        let editor = self.editors.get(&id)?;
        Some(Target {
            editor: id,
            uri: buffer.uri.clone(),
            version: buffer.version,
            text: buffer.text.clone(),
            generation: buffer.generation,
            opening: buffer.opening,
            out_of_sync: buffer.out_of_sync,
            encoding: editor.encoding,
            sink: editor.sink.clone(),
        })
    }

    pub fn encoding_of(&self, path: &Path) -> PositionEncoding {
        let of_buffer = self.find(path).and_then(|(id, _)| self.editors.get(&id));
        of_buffer.or_else(|| self.editors.values().next()).map_or_else(Default::default, |editor| editor.encoding)
    }

    pub fn sink(&self, id: EditorId) -> Option<Arc<dyn BufferSink>> {
        self.editors.get(&id).map(|editor| editor.sink.clone())
    }

    pub fn sinks(&self) -> Vec<(EditorId, Arc<dyn BufferSink>)> {
        self.editors.iter().map(|(id, editor)| (*id, editor.sink.clone())).collect()
    }

    /// What an editor calls this path: its own name of the buffer if it has it open.
    pub fn uri_of(&self, id: EditorId, path: &Path) -> String {
        let buffers = self.editors.get(&id).into_iter().flat_map(|editor| editor.buffers.values());
        let open = buffers.filter(|buffer| buffer.path == path).max_by_key(|buffer| buffer.generation);
        open.map_or_else(|| uri::of(path), |buffer| buffer.uri.clone())
    }

    /// One entry for each path.
    pub fn buffers(&self, roots: &[Root]) -> Vec<BufferInfo> {
        let mut latest: HashMap<&Path, (EditorId, &Buffer)> = HashMap::new();
        for (editor, buffer) in self.all() {
            let entry = latest.entry(&buffer.path).or_insert((editor, buffer));
            if entry.1.generation < buffer.generation {
                *entry = (editor, buffer);
            }
        }
        let mut buffers: Vec<_> = latest
            .into_values()
            .map(|(editor, buffer)| BufferInfo {
                editor,
                uri: buffer.uri.clone(),
                location: locate(roots, buffer.path.clone()),
                language: buffer.language.clone(),
                version: buffer.version,
                unsaved: buffer.saved == Saved::No,
                overtaken: buffer.overtaken.is_some(),
                text: buffer.text.clone(),
            })
            .collect();
        buffers.sort_by(|a, b| a.location.path.cmp(&b.location.path));
        buffers
    }

    pub fn all(&self) -> impl Iterator<Item = (EditorId, &Buffer)> {
        self.editors.iter().flat_map(|(id, editor)| editor.buffers.values().map(move |buffer| (*id, buffer)))
    }
}

/// What an editor says of a document it opens.
pub struct OpenBuffer<'a> {
    pub uri: &'a str,
    pub path: PathBuf,
    pub file: Stamp,
    pub language: &'a str,
    pub version: i32,
    pub text: &'a str,
}

impl Buffer {
    pub fn snapshot(&self, editor: EditorId) -> Snapshot {
        Snapshot {
            text: self.text.clone(),
            revision: Revision::Buffer { editor, generation: self.generation },
            unsaved: self.saved == Saved::No,
            overtaken: self.overtaken.is_some(),
            encoding: None,
        }
    }

    pub fn standing(&self) -> Standing {
        Standing {
            text: self.text.clone(),
            known: self.known.clone(),
            generation: self.generation,
            saved: self.saved,
            file: self.file,
        }
    }

    /// Whether it still stands as it did then.
    pub fn is_as(&self, then: &Standing) -> bool {
        (self.generation, self.saved, self.file) == (then.generation, then.saved, then.file)
    }

    /// The disk has what the buffer has, in this state of the file.
    pub fn is_on_disk(&mut self, file: Stamp) {
        self.saved = Saved::Yes;
        self.known.clear();
        self.holds_file(file);
    }

    /// The editor has written the file, or knows what is in it.
    pub fn holds_file(&mut self, file: Stamp) {
        (self.file, self.overtaken) = (file, None);
    }

    fn tell(&mut self) {
        self.watchers.retain(|watcher| watcher.send(self.text.clone()).is_ok());
    }
}

/// An editor may report several small changes as one large one: what is the same before and after did not change.
fn refine(text: &Rope, edit: TextEdit) -> Vec<TextEdit> {
    if edit.range.is_empty() && edit.text.is_empty() {
        return Vec::new();
    }
    if edit.range.is_empty() || edit.text.is_empty() {
        return vec![edit];
    }
    let start = edit.range.start;
    let mut edits = changes(&text.slice(edit.range).into(), &Rope::from_str(&edit.text));
    for edit in &mut edits {
        edit.range = start + edit.range.start..start + edit.range.end;
    }
    edits
}
