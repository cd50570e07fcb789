//! An editor with a text of its own, which it changes and reports by plain string operations.

use std::{
    collections::VecDeque,
    sync::{Mutex, OnceLock},
};

use super::*;

/// How it reports what changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reports {
    /// Each change by itself.
    Each,
    /// All since the last report as one range, as Neovim does.
    Gathered,
    /// The whole text.
    Whole,
}

/// How it takes the next edit.
#[derive(Clone, Debug, PartialEq)]
pub enum Manner {
    /// Applies it, reports, says yes; says no if the version is not its own.
    Obey,
    /// Says yes and reports later.
    ReportLate,
    /// The person types before the edit arrives.
    TypeFirst(Typing),
    /// The person types between the edit and its report.
    TypeAfter(Typing),
    /// As [`Manner::TypeFirst`], but says yes to the stale edit, as Neovim does.
    StaleYes(Typing),
    Refuse,
    /// Says yes and does nothing.
    Lie,
    Fail,
    /// Never answers, and applies it or not.
    Silent {
        apply: bool,
    },
    /// Closes the document instead, or after applying and reporting.
    Close {
        apply: bool,
    },
    /// Applies the replacements one by one, each as a deletion and an insertion, and reports each.
    Piecemeal,
    /// Writes every line end its own way.
    LineEnds(&'static str),
    /// Applies what it was asked to, and says no.
    DenyDoing,
}

/// Characters replaced by the person.
#[derive(Clone, Debug, PartialEq)]
pub struct Typing {
    /// In characters; past the end means the end.
    pub at: usize,
    pub delete: usize,
    pub text: String,
}

pub fn typing(at: usize, delete: usize, text: &str) -> Typing {
    Typing { at, delete, text: text.to_owned() }
}

pub struct Editor {
    workspace: Arc<Workspace>,
    id: OnceLock<EditorId>,
    me: std::sync::Weak<Editor>,
    pub uri: String,
    encoding: PositionEncoding,
    reports: Reports,
    desk: Mutex<Desk>,
}

pub struct Desk {
    pub text: String,
    pub version: i32,
    /// The text of the last report.
    reported: String,
    manners: VecDeque<Manner>,
    /// The edits it was asked to make.
    pub asked: Vec<BufferEdit>,
    /// The text before and after each edit that it made.
    pub made: Vec<(String, String)>,
    /// Who each character of the text is: numbers that are never used again.
    pub characters: Vec<u64>,
    next: u64,
    pub saves: Vec<String>,
}

impl Editor {
    pub fn open(workspace: &Arc<Workspace>, uri: &str, text: &str) -> Arc<Self> {
        Self::open_with(workspace, uri, text, PositionEncoding::Utf16, Reports::Each)
    }

    pub fn open_with(
        workspace: &Arc<Workspace>,
        uri: &str,
        text: &str,
        encoding: PositionEncoding,
        reports: Reports,
    ) -> Arc<Self> {
        let count = text.chars().count() as u64;
        let desk = Desk {
            characters: (0..count).collect(),
            next: count,
            text: text.to_owned(),
            version: 1,
            reported: text.to_owned(),
            manners: VecDeque::new(),
            asked: Vec::new(),
            made: Vec::new(),
            saves: Vec::new(),
        };
        let editor = Arc::new_cyclic(|me| Self {
            workspace: workspace.clone(),
            id: OnceLock::new(),
            me: me.clone(),
            uri: uri.to_owned(),
            encoding,
            reports,
            desk: Mutex::new(desk),
        });
        let id = workspace.attach(encoding, editor.clone());
        editor.id.set(id).unwrap();
        workspace.open(id, uri, "text", 1, text);
        editor
    }

    pub fn id(&self) -> EditorId {
        *self.id.get().unwrap()
    }

    pub fn will(&self, manners: impl IntoIterator<Item = Manner>) {
        self.desk().manners.extend(manners);
    }

    pub fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }

    pub fn text(&self) -> String {
        self.desk().text.clone()
    }

    /// The person types, and the editor reports it unless it gathers.
    pub fn types(&self, typing: Typing) {
        let mut desk = self.desk();
        self.type_in(&mut desk, &typing);
    }

    pub fn close(&self) {
        self.workspace.close(self.id(), &self.uri);
    }

    fn type_in(&self, desk: &mut Desk, typing: &Typing) {
        let count = desk.text.chars().count();
        let start = nameable(&desk.text, typing.at.min(count));
        let end = nameable(&desk.text, (typing.at + typing.delete).min(count)).max(start);
        self.replace(desk, start..end, &typing.text);
    }

    /// `range` is in characters.
    fn replace(&self, desk: &mut Desk, range: Range<usize>, new: &str) {
        let before = desk.text.clone();
        desk.replace(range.clone(), new);
        if self.reports == Reports::Each {
            let range = position(&before, range.start, self.encoding)..position(&before, range.end, self.encoding);
            self.send(desk, Change { range: Some(range), text: new.to_owned() });
        }
    }

    /// Tells what it has not told yet.
    pub fn flush(&self) {
        self.flush_desk(&mut self.desk());
    }

    fn flush_desk(&self, desk: &mut Desk) {
        if desk.reported == desk.text {
            return;
        }
        let (old, new): (Vec<char>, Vec<char>) = (desk.reported.chars().collect(), desk.text.chars().collect());
        let mut start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        start = nameable(&desk.reported, start);
        let most = old.len().min(new.len()) - start;
        let same = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
        let mut end = old.len() - same;
        if nameable(&desk.reported, end) != end {
            end += 1;
        }
        let text: String = new[start..new.len() - (old.len() - end)].iter().collect();
        let range = position(&desk.reported, start, self.encoding)..position(&desk.reported, end, self.encoding);
        let change = match self.reports {
            Reports::Whole => Change { range: None, text: desk.text.clone() },
            Reports::Each | Reports::Gathered => Change { range: Some(range), text },
        };
        self.send(desk, change);
    }

    fn send(&self, desk: &mut Desk, change: Change) {
        desk.reported = desk.text.clone();
        // It may be closed by now.
        let _ = self.workspace.change(self.id(), &self.uri, desk.version, &[change]);
    }

    /// Applies an edit to its own text, in one or two steps for each replacement.
    fn make(&self, desk: &mut Desk, edit: &BufferEdit, line_end: Option<&str>, piecemeal: bool) {
        let before = desk.text.clone();
        for (range, new) in edit.edits.iter().rev() {
            let (start, mut end) =
                (index(&before, range.start, self.encoding), index(&before, range.end, self.encoding));
            let new = line_end.map_or_else(|| new.clone(), |end| text::line_feeds(new).replace('\n', end));
            let mut without = before.clone();
            without.replace_range(byte(&before, start)..byte(&before, end), "");
            // Unless what is left closes to a `\r\n` around the place.
            if piecemeal && nameable(&without, start) == start {
                self.replace(desk, start..end, "");
                end = start;
            }
            self.replace(desk, start..end, &new);
        }
        let after = desk.text.clone();
        desk.made.push((before, after));
    }
}

impl Desk {
    fn replace(&mut self, range: Range<usize>, new: &str) {
        let (start, end) = (byte(&self.text, range.start), byte(&self.text, range.end));
        self.text.replace_range(start..end, new);
        let count = new.chars().count() as u64;
        self.characters.splice(range, self.next..self.next + count);
        self.next += count;
        self.version += 1;
    }

    pub fn forget_manners(&mut self) {
        self.manners.clear();
    }
}

#[async_trait]
impl BufferSink for Editor {
    async fn apply(&self, edit: BufferEdit) -> Result<bool, SinkError> {
        let later = {
            let mut desk = self.desk();
            let desk = &mut *desk;
            desk.asked.push(edit.clone());
            let manner = desk.manners.pop_front().unwrap_or(Manner::Obey);
            if let Manner::TypeFirst(typing) | Manner::StaleYes(typing) = &manner {
                self.type_in(desk, typing);
            }
            let stale = edit.version != desk.version;
            match manner {
                Manner::StaleYes(_) => {
                    self.flush_desk(desk);
                    return Ok(true);
                }
                Manner::Refuse => return Ok(false),
                Manner::Lie => return Ok(true),
                Manner::Fail => return Err(SinkError("it broke".to_owned())),
                Manner::Close { apply } => {
                    if apply && !stale {
                        self.make(desk, &edit, None, false);
                        self.flush_desk(desk);
                    }
                    self.close();
                    None
                }
                Manner::Silent { apply } => {
                    if apply && !stale {
                        self.make(desk, &edit, None, false);
                        self.flush_desk(desk);
                    }
                    None
                }
                _ if stale => {
                    // What it gathers is on its way.
                    self.flush_desk(desk);
                    return Ok(false);
                }
                Manner::ReportLate => {
                    let before = desk.text.clone();
                    for (range, new) in edit.edits.iter().rev() {
                        let start = index(&before, range.start, self.encoding);
                        desk.replace(start..index(&before, range.end, self.encoding), new);
                    }
                    let after = desk.text.clone();
                    desk.made.push((before, after));
                    self.me.upgrade()
                }
                Manner::Piecemeal => {
                    self.make(desk, &edit, None, true);
                    self.flush_desk(desk);
                    return Ok(true);
                }
                Manner::LineEnds(end) => {
                    self.make(desk, &edit, Some(end), false);
                    self.flush_desk(desk);
                    return Ok(true);
                }
                Manner::TypeAfter(typing) => {
                    self.make(desk, &edit, None, false);
                    self.type_in(desk, &typing);
                    self.flush_desk(desk);
                    return Ok(true);
                }
                Manner::DenyDoing => {
                    self.make(desk, &edit, None, false);
                    self.flush_desk(desk);
                    return Ok(false);
                }
                Manner::Obey | Manner::TypeFirst(_) => {
                    self.make(desk, &edit, None, false);
                    self.flush_desk(desk);
                    return Ok(true);
                }
            }
        };
        let Some(me) = later else { return std::future::pending().await };
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            me.flush();
        });
        Ok(true)
    }

    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        let (text, manner) = {
            let mut desk = self.desk();
            desk.saves.extend(uris.iter().cloned());
            (desk.text.clone(), desk.manners.pop_front().unwrap_or(Manner::Obey))
        };
        match manner {
            Manner::Refuse => return Ok(uris),
            Manner::Fail => return Err(SinkError("cannot save".to_owned())),
            Manner::Silent { .. } => std::future::pending().await,
            _ => {}
        }
        let path = super::super::file_of(&self.uri).unwrap();
        #[allow(clippy::disallowed_methods)]
        std::fs::write(path, text).unwrap();
        self.workspace.saved(self.id(), &self.uri);
        Ok(Vec::new())
    }
}

fn byte(text: &str, index: usize) -> usize {
    text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
}

/// The same place, or the one before if it is inside a `\r\n`.
fn nameable(text: &str, index: usize) -> usize {
    let at = byte(text, index);
    if text[..at].ends_with('\r') && text[at..].starts_with('\n') { index - 1 } else { index }
}

fn width(char: char, encoding: PositionEncoding) -> usize {
    match encoding {
        PositionEncoding::Utf8 => char.len_utf8(),
        PositionEncoding::Utf16 => char.len_utf16(),
        PositionEncoding::Utf32 => 1,
    }
}

/// Counts from the start of the text, one character at a time.
pub fn position(text: &str, index: usize, encoding: PositionEncoding) -> Position {
    let (mut line, mut column) = (0, 0);
    let mut chars = text.chars().take(index).peekable();
    while let Some(char) = chars.next() {
        let ends = char == '\n' || (char == '\r' && chars.peek() != Some(&'\n'));
        // A `\r` at the very end of what was taken may be half of a `\r\n`; callers never ask for that place.
        if ends {
            (line, column) = (line + 1, 0);
        } else {
            column += width(char, encoding) as u32;
        }
    }
    Position { line, column }
}

pub fn index(text: &str, position: Position, encoding: PositionEncoding) -> usize {
    let lines = text::lines(text);
    let Some(line) = lines.get(position.line as usize) else { return text.chars().count() };
    let before: usize = lines[..position.line as usize].iter().map(|line| line.chars().count()).sum();
    let mut left = position.column as usize;
    let within = text::without_end(line).chars().take_while(|char| {
        let fits = left >= width(*char, encoding);
        left = left.saturating_sub(if fits { width(*char, encoding) } else { left });
        fits
    });
    before + within.count()
}
