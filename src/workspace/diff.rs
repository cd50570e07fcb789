//! How two texts differ: as edits that turn one into the other, and as a diff for people and models.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use ropey::Rope;
use similar::{Algorithm, DiffOp, DiffTag};

use super::{
    FileDiff, Hunk, Location,
    edit::{TextEdit, make, trim},
    text::{common_prefix, common_suffix, line_feeds, lines, without_end},
};

/// How long a diff may look for the smallest answer before it takes a larger one. It also runs while an editor's
/// full-text change is taken in, which should stay below what a person notices.
const PATIENCE: Duration = Duration::from_millis(100);

/// Lines around a change in a diff.
const CONTEXT: usize = 3;

/// A stretch of whole lines that two texts do not share. The texts outside of such blocks are equal.
pub struct Block {
    /// Where it is in the old text, in characters.
    pub start: usize,
    pub old: String,
    pub new: String,
}

/// Lines of a block that differ.
pub struct Change {
    /// Index of the block.
    pub block: usize,
    /// In characters of the old text.
    pub range: Range<usize>,
    pub text: String,
    /// From 0, in the old text.
    old_line: usize,
    old: Vec<String>,
    new: Vec<String>,
}

/// The edits that turn `old` into `new`, small and in order, never splitting a `\r\n`.
pub fn changes(old: &Rope, new: &Rope) -> Vec<TextEdit> {
    let Some(block) = block(old, new) else { return Vec::new() };
    let (old_lines, new_lines) = (lines(&block.old), lines(&block.new));
    let starts = starts(&old_lines);
    let mut edits = Vec::new();
    for op in diff(&old_lines, &new_lines) {
        let (old, new) = (old_lines[op.old_range()].concat(), new_lines[op.new_range()].concat());
        let (prefix, suffix) = trim(&old, &new);
        let start = block.start + starts[op.old_range().start] + old[..prefix].chars().count();
        let length = old[prefix..old.len() - suffix].chars().count();
        edits.push(TextEdit { range: start..start + length, text: new[prefix..new.len() - suffix].to_owned() });
    }
    edits
}

/// The edits that make the lines of `old` those of `new`, in whole lines. Lines that differ in nothing but how they end
/// stay as they are.
pub fn line_edits(old: &Rope, new: &str) -> Vec<TextEdit> {
    let text = old.to_string();
    let (old_lines, new_lines) = (lines(&text), lines(new));
    let key = |line: &&str| (without_end(line).to_owned(), without_end(line).len() < line.len());
    let old_keys: Vec<_> = old_lines.iter().map(key).collect();
    let new_keys: Vec<_> = new_lines.iter().map(key).collect();
    let starts = starts(&old_lines);
    let edits: Vec<_> = diff(&old_keys, &new_keys)
        .map(|op| TextEdit {
            range: starts[op.old_range().start]..starts[op.old_range().end],
            text: new_lines[op.new_range()].concat(),
        })
        .collect();
    // A new `\r` before a kept `\n` would be one line end instead of two.
    if line_feeds(&make(old, &edits).to_string()) == line_feeds(new) {
        edits
    } else {
        changes(old, &Rope::from_str(new))
    }
}

/// The lines outside of which two texts are equal; `None` if they are equal altogether.
pub fn block(old: &Rope, new: &Rope) -> Option<Block> {
    if old.is_instance(new) {
        return None;
    }
    let prefix = common_prefix(old.slice(..), new.slice(..));
    if prefix == old.len_bytes() && prefix == new.len_bytes() {
        return None;
    }
    let line_start = |text: &Rope| text.line_to_byte(text.byte_to_line(prefix));
    let start = line_start(old).min(line_start(new));
    let suffix = common_suffix(old.byte_slice(prefix..), new.byte_slice(prefix..));
    // To the end of the line in which the equal rest begins.
    let rest = |text: &Rope| text.len_bytes() - line_end(text, text.len_bytes() - suffix);
    let rest = rest(old).min(rest(new));
    Some(Block {
        start: old.byte_to_char(start),
        old: old.byte_slice(start..old.len_bytes() - rest).to_string(),
        new: new.byte_slice(start..new.len_bytes() - rest).to_string(),
    })
}

/// The blocks that `edits` (in order, not overlapping) make of `text`.
pub fn blocks(text: &Rope, edits: &[TextEdit]) -> Vec<(Block, Range<usize>)> {
    let mut blocks: Vec<(Block, Range<usize>)> = Vec::new();
    let mut index = 0;
    while index < edits.len() {
        let start = text.line_to_char(text.char_to_line(edits[index].range.start));
        let first = index;
        let mut end = start;
        while index < edits.len() && (index == first || edits[index].range.start <= end) {
            end = text.byte_to_char(line_end(text, text.char_to_byte(edits[index].range.end)));
            index += 1;
        }
        let mut new = String::new();
        let mut from = start;
        for edit in &edits[first..index] {
            new.extend(text.slice(from..edit.range.start).chunks());
            new.push_str(&edit.text);
            from = edit.range.end;
        }
        new.extend(text.slice(from..end).chunks());
        blocks.push((Block { start, old: text.slice(start..end).to_string(), new }, first..index));
    }
    blocks
}

/// The byte after the line that holds the byte `at`, its break included.
fn line_end(text: &Rope, at: usize) -> usize {
    let line = text.byte_to_line(at);
    if line + 1 < text.len_lines() { text.line_to_byte(line + 1) } else { text.len_bytes() }
}

/// The lines that differ within blocks.
pub fn line_changes<'a>(text: &Rope, blocks: impl IntoIterator<Item = &'a Block>) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, block) in blocks.into_iter().enumerate() {
        let (old, new) = (lines(&block.old), lines(&block.new));
        let starts = starts(&old);
        let first = text.char_to_line(block.start);
        let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        changes.extend(diff(&old, &new).map(|op| Change {
            block: index,
            range: block.start + starts[op.old_range().start]..block.start + starts[op.old_range().end],
            text: new[op.new_range()].concat(),
            old_line: first + op.old_range().start,
            old: owned(&old[op.old_range()]),
            new: owned(&new[op.new_range()]),
        }));
    }
    changes
}

/// The diff of these changes of `text`, and which hunk each of them is in.
pub fn file_diff(location: &Location, text: &Rope, changes: &[Change]) -> (FileDiff, Vec<usize>) {
    let mut hunks = Vec::new();
    let mut places = Vec::with_capacity(changes.len());
    let mut grown = 0isize;
    let mut rest = changes;
    while let Some(first) = rest.first() {
        let mut count = 1;
        let mut end = first.old_line + first.old.len();
        while let Some(next) = rest.get(count).filter(|next| next.old_line <= end + 2 * CONTEXT) {
            end = next.old_line + next.old.len();
            count += 1;
        }
        places.extend(std::iter::repeat_n(hunks.len(), count));
        let hunk = hunk(text, &rest[..count], grown);
        grown += hunk.new_lines as isize - hunk.old_lines as isize;
        hunks.push(hunk);
        rest = &rest[count..];
    }
    let mut unified = String::new();
    if !hunks.is_empty() {
        let name = location.shown.trim_start_matches('/');
        unified = format!("--- a/{name}\n+++ b/{name}\n");
        for hunk in &hunks {
            let Hunk { old_start, old_lines, new_start, new_lines, text } = hunk;
            unified.push_str(&format!("@@ -{old_start},{old_lines} +{new_start},{new_lines} @@\n{text}"));
        }
    }
    let diff = FileDiff { path: location.path.clone(), shown: location.shown.clone(), unified, hunks };
    (diff, places)
}

/// One hunk of changes that lie close together. `grown` is by how many lines the hunks before it made the text longer.
fn hunk(text: &Rope, changes: &[Change], grown: isize) -> Hunk {
    let count = line_count(text);
    let first = changes[0].old_line.saturating_sub(CONTEXT);
    let mut shown = String::new();
    let (mut line, mut old_lines, mut new_lines) = (first, 0, 0);
    let context = |shown: &mut String, lines: Range<usize>| {
        for line in lines.clone() {
            push_line(shown, ' ', &text.line(line).to_string());
        }
        lines.len()
    };
    for change in changes {
        let same = context(&mut shown, line..change.old_line);
        change.old.iter().for_each(|line| push_line(&mut shown, '-', line));
        change.new.iter().for_each(|line| push_line(&mut shown, '+', line));
        old_lines += same + change.old.len();
        new_lines += same + change.new.len();
        line = change.old_line + change.old.len();
    }
    let same = context(&mut shown, line.min(count)..(line + CONTEXT).min(count));
    old_lines += same;
    new_lines += same;
    // In this format an empty side is at the line before it.
    let start = |first: usize, lines: usize| first + usize::from(lines > 0);
    Hunk {
        old_start: start(first, old_lines),
        old_lines,
        new_start: start(first.saturating_add_signed(grown), new_lines),
        new_lines,
        text: shown,
    }
}

/// Lines are shown without their own ends: a lone `\r` would break the diff.
fn push_line(shown: &mut String, sign: char, line: &str) {
    let bare = without_end(line);
    shown.push(sign);
    shown.push_str(bare);
    shown.push('\n');
    if bare.len() == line.len() {
        shown.push_str("\\ No newline at end of file\n");
    }
}

/// Lines as people count them: a final line break begins no further one.
fn line_count(text: &Rope) -> usize {
    let last = text.len_lines() - 1;
    if text.line_to_char(last) == text.len_chars() { last } else { last + 1 }
}

/// Where each line begins, in characters, and where the last one ends.
fn starts(lines: &[&str]) -> Vec<usize> {
    let mut at = 0;
    let mut starts = vec![0];
    for line in lines {
        at += line.chars().count();
        starts.push(at);
    }
    starts
}

fn diff<T: std::hash::Hash + Eq + Ord>(old: &[T], new: &[T]) -> impl Iterator<Item = DiffOp> {
    let ops = similar::capture_diff_slices_deadline(Algorithm::Myers, old, new, Some(Instant::now() + PATIENCE));
    ops.into_iter().filter(|op| op.tag() != DiffTag::Equal)
}
