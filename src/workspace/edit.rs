//! Edits, and what happens to one when the text around it moves.

use std::ops::Range;

use ropey::Rope;
use serde::{Deserialize, Serialize};

use super::{BufferEdit, PositionEncoding, diff::changes};

/// Characters to be replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextEdit {
    /// In characters of the text it is for.
    pub range: Range<usize>,
    pub text: String,
}

impl TextEdit {
    /// By how many characters it makes the text longer.
    fn growth(&self) -> isize {
        self.text.chars().count() as isize - self.range.len() as isize
    }
}

/// Where an edit's range is after `change` of the same text; `None` if the change was to what it replaces. What was
/// typed right at an edge stays outside.
pub fn shift(range: &Range<usize>, change: &TextEdit) -> Option<Range<usize>> {
    if change.range.end <= range.start {
        let growth = change.growth();
        return Some(range.start.checked_add_signed(growth)?..range.end.checked_add_signed(growth)?);
    }
    (range.end <= change.range.start).then(|| range.clone())
}

/// As [`shift`], by several changes (in order, not overlapping, all of the same text).
pub fn shift_by(range: &Range<usize>, changes: &[TextEdit]) -> Option<Range<usize>> {
    changes.iter().rev().try_fold(range.clone(), |range, change| shift(&range, change))
}

/// Makes `edits`, which are in order and do not overlap.
pub fn make(text: &Rope, edits: &[TextEdit]) -> Rope {
    let mut text = text.clone();
    for edit in edits.iter().rev() {
        text.remove(edit.range.clone());
        text.insert(edit.range.start, &edit.text);
    }
    text
}

/// How many bytes at both ends of two texts need no change. Characters and `\r\n` stay whole.
pub fn trim(old: &str, new: &str) -> (usize, usize) {
    let split = |text: &str, at: usize| text[..at].ends_with('\r') && text[at..].starts_with('\n');
    let mut prefix: usize =
        old.chars().zip(new.chars()).take_while(|(old, new)| old == new).map(|(char, _)| char.len_utf8()).sum();
    if split(old, prefix) || split(new, prefix) {
        prefix -= 1;
    }
    let (old, new) = (&old[prefix..], &new[prefix..]);
    let mut suffix: usize = old
        .chars()
        .rev()
        .zip(new.chars().rev())
        .take_while(|(old, new)| old == new)
        .map(|(char, _)| char.len_utf8())
        .sum();
    if split(old, old.len() - suffix) || split(new, new.len() - suffix) {
        suffix -= 1;
    }
    (prefix, suffix)
}

/// The same change of `text` at places an editor can name: not inside a `\r\n`.
fn nameable(text: &Rope, edit: TextEdit) -> TextEdit {
    let TextEdit { range: Range { mut start, mut end }, text: mut new } = edit;
    let inside = |at: usize| at > 0 && at < text.len_chars() && text.char(at) == '\n' && text.char(at - 1) == '\r';
    if inside(start) {
        start -= 1;
        new.insert(0, '\r');
    }
    if inside(end) {
        end += 1;
        new.push('\n');
    }
    TextEdit { range: start..end, text: new }
}

/// The same edits of `text` with no more text than they need, in order and not touching: those that would share a `\r\n`
/// or an edge are made one.
pub fn minimal(text: &Rope, edits: &[TextEdit]) -> Vec<TextEdit> {
    let mut minimal_edits: Vec<TextEdit> = Vec::new();
    let parts = edits.iter().flat_map(|edit| {
        let parts = changes(&text.slice(edit.range.clone()).into(), &Rope::from_str(&edit.text));
        parts.into_iter().map(|part| TextEdit {
            range: edit.range.start + part.range.start..edit.range.start + part.range.end,
            text: part.text,
        })
    });
    for edit in parts.map(|edit| nameable(text, edit)) {
        match minimal_edits.last_mut() {
            Some(last) if edit.range.start < last.range.end => {
                // Both were widened over one `\r\n`: the first brought its `\n`, the second its `\r`.
                last.text.pop();
                last.text.push_str(&edit.text[1..]);
                last.range.end = edit.range.end;
            }
            Some(last) if edit.range.start == last.range.end => {
                last.text.push_str(&edit.text);
                last.range.end = edit.range.end;
            }
            _ => minimal_edits.push(edit),
        }
    }
    minimal_edits
}

/// The edits as an editor takes them.
pub fn for_editor(text: &Rope, edits: &[TextEdit], encoding: PositionEncoding, uri: &str, version: i32) -> BufferEdit {
    let position = |index| encoding.to_position(text, index);
    let edits =
        edits.iter().map(|edit| (position(edit.range.start)..position(edit.range.end), edit.text.clone())).collect();
    BufferEdit { uri: uri.to_owned(), version, edits, label: "Pillion".to_owned() }
}
