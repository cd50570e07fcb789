//! A part of a text, by lines.

use super::{Budget, ToolError, lines};

/// Lines that are shown when the model does not say how many.
const LINES: usize = 2_000;

/// Bytes that are shown at most. Chosen: some 20,000 tokens.
pub(super) const BYTES: usize = 80_000;

/// What a page has shown so far.
pub(super) struct Page {
    pub text: String,
    /// Of the first line, from 0.
    pub first: usize,
    pub lines: usize,
    pub column: usize,
    /// A line was longer than what is shown of one.
    pub clipped: bool,
    limit: usize,
    /// In bytes; the line that reaches it is the last.
    room: usize,
}

/// The most that a page may have: what is over the budget would be cut out of its middle.
pub(super) fn room(budget: Budget) -> usize {
    BYTES.min(budget.text / 4 * 3)
}

impl Page {
    /// `offset` and `column` are from 1.
    pub fn new(offset: Option<usize>, limit: Option<usize>, column: Option<usize>, room: usize) -> Self {
        Self {
            text: String::new(),
            first: offset.unwrap_or(1).max(1) - 1,
            lines: 0,
            limit: limit.unwrap_or(LINES).max(1),
            column: column.unwrap_or(1).max(1) - 1,
            clipped: false,
            room,
        }
    }

    pub fn has_room(&self) -> bool {
        self.lines < self.limit && self.text.len() < self.room
    }

    pub fn push(&mut self, line: &str) {
        self.clipped |= !lines::push_line(&mut self.text, self.first + self.lines + 1, line, self.column);
        self.lines += 1;
    }

    /// The number of the first line that is not on the page.
    pub fn next(&self) -> usize {
        self.first + self.lines + 1
    }

    pub fn past_the_end(&self, what: &str, total: usize) -> ToolError {
        let lines = if total == 1 { "1 line".to_owned() } else { format!("{total} lines") };
        ToolError::new(format!("{what} has {lines}, so there is nothing at line {}", self.first + 1))
    }
}

pub(super) fn with_notes(mut text: String, notes: &[String]) -> String {
    for note in notes {
        text += &format!("[{note}]\n");
    }
    text.pop();
    text
}
