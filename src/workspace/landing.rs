//! Has an edit arrived in the editor's text?

use std::ops::Range;

use ropey::Rope;

use super::{
    diff::changes,
    edit::{TextEdit, make},
    text::{len_with_line_feeds, with_line_feeds},
};

/// What an edit should make of a text. Line ends do not count: an editor may write its own.
pub struct Expectation {
    /// The whole text right after the edit, with `\n` only.
    text: Rope,
    /// What the edit brought, as places in `text`; empty where it only took away.
    places: Vec<Range<usize>>,
    /// The text as it is, where line ends are all that the edit changes: then they do count.
    line_ends: Option<Rope>,
}

/// How far a text meets an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Landing {
    /// The edit is not in it.
    No,
    /// The edit is in it, among other changes.
    Among,
    /// It is the expected text.
    Exact,
}

impl Expectation {
    /// Of `edits` (minimal, in order) made to `before`.
    pub fn new(before: &Rope, edits: &[TextEdit]) -> Self {
        let made = make(before, edits);
        let text = with_line_feeds(&made);
        let splits_line_end =
            |at: usize| at > 0 && made.get_char(at - 1) == Some('\r') && made.get_char(at) == Some('\n');
        let mut places = Vec::with_capacity(edits.len());
        let (mut from, mut end, mut at, mut splits) = (0, 0, 0, false);
        for edit in edits {
            let start = end + (edit.range.start - from);
            at += len_with_line_feeds(made.slice(end..start));
            (from, end) = (edit.range.end, start + edit.text.chars().count());
            let length = len_with_line_feeds(made.slice(start..end));
            places.push(at..at + length);
            at += length;
            splits |= splits_line_end(start) || splits_line_end(end);
        }
        if splits {
            // An edit made one line end with a character of its surroundings: what it comes to without them is told apart
            // by the texts alone.
            let mut grown = 0isize;
            let changed = changes(&with_line_feeds(before), &text).into_iter().map(|change| {
                let (start, length) = (change.range.start.saturating_add_signed(grown), change.text.chars().count());
                grown += length as isize - change.range.len() as isize;
                start..start + length
            });
            places = changed.collect();
        }
        let line_ends = (text == with_line_feeds(before)).then_some(made);
        Self { text, places, line_ends }
    }

    pub fn judge(&self, now: &Rope) -> Landing {
        if let Some(made) = &self.line_ends {
            return if made == now { Landing::Exact } else { Landing::No };
        }
        let now = with_line_feeds(now);
        let others = changes(&self.text, &now);
        if others.is_empty() {
            return Landing::Exact;
        }
        let touched = others.iter().any(|other| self.places.iter().any(|place| touches(&self.text, other, place)));
        if touched { Landing::No } else { Landing::Among }
    }
}

/// Whether `other` changed what is at `place` of the text. A text without what was brought there differs from it by the
/// reverse, so in doubt, where the same difference can be told in several ways, it did.
pub fn touches(text: &Rope, other: &TextEdit, place: &Range<usize>) -> bool {
    let (mut start, mut end) = (other.range.start, other.range.end);
    if place.is_empty() {
        // Taken back: text appears where it was taken away.
        let (before, after) = slack(text, other);
        return start - before <= place.start && place.start <= end + after;
    }
    if start == end {
        let (before, after) = slack(text, other);
        // Typed at an edge, if the same typing can be told as that.
        return place.start < start - before && start + after < place.end;
    }
    if other.text.is_empty() {
        let (before, after) = slack(text, other);
        (start, end) = (start - before, end + after);
    }
    start < place.end && place.start < end
}

/// Whether `change` of a text is certainly not at or next to any of the places of `edits` of the same text.
pub fn elsewhere(text: &Rope, change: &TextEdit, edits: &[TextEdit]) -> bool {
    let (before, after) = slack(text, change);
    let (start, end) = (change.range.start - before, change.range.end + after);
    edits.iter().all(|edit| end < edit.range.start || edit.range.end < start)
}

/// By how many characters the same insertion or deletion can be told to be further to the left and to the right.
fn slack(text: &Rope, change: &TextEdit) -> (usize, usize) {
    let moved: Vec<char> = match change.range.is_empty() {
        true => change.text.chars().collect(),
        false if change.text.is_empty() => text.slice(change.range.clone()).chars().collect(),
        false => return (0, 0),
    };
    if moved.is_empty() {
        return (0, 0);
    }
    let repeated = |index: usize| moved[index % moved.len()];
    let last = moved.len() - 1;
    let after = text.chars_at(change.range.end).enumerate();
    let before = text.chars_at(change.range.start).reversed().enumerate();
    (
        before.take_while(|(index, char)| *char == repeated(last - index % moved.len())).count(),
        after.take_while(|(index, char)| *char == repeated(*index)).count(),
    )
}
