//! Comments that are prompts: those that begin with `pillion:`, in whatever way a language writes comments.
//!
//! No table of languages is needed. What comments begin with is nearly the same everywhere, and what is found is only
//! offered to the person, so a text that merely looks like a comment does no harm.

use std::{borrow::Cow, ops::Range};

use ropey::Rope;

/// What such a comment begins with, in any letter case.
const MARK: &str = "pillion:";

/// A comment that is a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PromptComment {
    /// From 0.
    pub lines: Range<usize>,
    /// What it says after the mark, without what makes it a comment.
    pub words: String,
    /// What goes when the comment is taken out, in characters: its lines if nothing else is on them, else the comment
    /// and the blanks around it.
    pub range: Range<usize>,
}

/// How a block comment begins and ends.
const BLOCKS: [(&str, &str); 17] = [
    ("/*", "*/"),
    ("/**", "*/"),
    ("/*!", "*/"),
    ("<!--", "-->"),
    ("(*", "*)"),
    ("(**", "*)"),
    ("{-", "-}"),
    ("{-|", "-}"),
    ("--[[", "]]"),
    ("#[", "]#"),
    ("#|", "|#"),
    ("#=", "=#"),
    ("<#", "#>"),
    ("{#", "#}"),
    ("<%--", "--%>"),
    ("{{!--", "--}}"),
    ("{/*", "*/}"),
];

/// Lines that a block comment may have to its end. Chosen: a longer prompt belongs into a file of its own.
const LONGEST: usize = 200;

/// The comments of a text that are prompts, in order. Looks at every line: for a large text, not where nothing may
/// wait.
pub fn comments(text: &Rope) -> Vec<PromptComment> {
    let mut found = Vec::new();
    let mut line = 0;
    while line < text.len_lines() {
        let comment = comment_at(text, line);
        line = comment.as_ref().map_or(line + 1, |comment| comment.lines.end);
        // One that says nothing is still being typed.
        found.extend(comment.filter(|comment| !comment.words.is_empty()));
    }
    found
}

/// The comment with the mark on this line, if there is one.
fn comment_at(text: &Rope, line: usize) -> Option<PromptComment> {
    let content = content(text, line)?;
    let mark = find_mark(&content)?;
    let (head, rest) = (&content[..mark], &content[mark + MARK.len()..]);
    let opener = head.split_whitespace().next_back().unwrap_or_default();
    // In bytes of the line.
    let opens_at = head.trim_end().len() - opener.len();
    let is_first = head[..opens_at].trim().is_empty();
    let block_before = |head: &str| {
        let ends_it = BLOCKS.iter().filter(|(begin, _)| head.ends_with(begin));
        ends_it.max_by_key(|(begin, _)| begin.len()).map(|(begin, end)| (head.len() - begin.len(), *end))
    };
    if let Some((opens_at, closer)) = block_before(head.trim_end()) {
        return block(text, Place { line, byte: opens_at }, Place { line, byte: mark + MARK.len() }, closer);
    }
    if is_line_opener(opener, is_first) {
        return Some(lines(text, line, &content, opens_at, opener, rest));
    }
    // A block comment that says nothing on its first line.
    let before = self::content(text, line.checked_sub(1)?)?;
    let (opens_at, closer) = block_before(before.trim_end()).filter(|_| is_first && matches!(opener, "" | "*"))?;
    block(text, Place { line: line - 1, byte: opens_at }, Place { line, byte: mark + MARK.len() }, closer)
}

fn find_mark(content: &str) -> Option<usize> {
    let is_mark = |at: &usize| content.get(*at..at + MARK.len()).is_some_and(|found| found.eq_ignore_ascii_case(MARK));
    memchr::memchr2_iter(b'p', b'P', content.as_bytes()).find(is_mark)
}

/// Whether the rest of a line after this is a comment. What can be other things too must be the first on its line.
fn is_line_opener(opener: &str, is_first: bool) -> bool {
    let is_made_of = |chars: &[char]| !opener.is_empty() && opener.trim_matches(chars).is_empty();
    let is_sure = opener.strip_prefix("//").is_some_and(|rest| rest.trim_matches(['/', '!']).is_empty())
        || is_made_of(&['#'])
        || is_made_of(&[';'])
        || is_made_of(&['%'])
        || opener.starts_with("--") && is_made_of(&['-']);
    let is_likely = || {
        matches!(opener, "'" | "\"" | "!" | "::" | ".." | "\\" | "*>" | "NB." | "@c" | "dnl")
            || opener.eq_ignore_ascii_case("rem")
    };
    is_sure || is_first && is_likely()
}

/// A place in a text: a line and a byte of it.
struct Place {
    line: usize,
    byte: usize,
}

impl Place {
    fn char(&self, text: &Rope) -> usize {
        text.byte_to_char(text.line_to_byte(self.line) + self.byte)
    }
}

/// A comment to the end of its line; one that is alone there goes on where the next line has the same.
fn lines(text: &Rope, line: usize, content: &str, opens_at: usize, opener: &str, rest: &str) -> PromptComment {
    let mut words = rest.trim().to_owned();
    let mut end = line + 1;
    let before = &content[..opens_at];
    if before.trim().is_empty() {
        while let Some(next) = self::content(text, end) {
            let goes_on = next.strip_prefix(before).and_then(|next| next.strip_prefix(opener));
            let goes_on = goes_on.filter(|said| said.is_empty() || said.starts_with([' ', '\t']));
            let Some(said) = goes_on.filter(|said| find_mark(said).is_none()) else { break };
            words = format!("{words}\n{}", said.trim());
            end += 1;
        }
    }
    let words = words.trim().to_owned();
    let (from, to) = (Place { line, byte: opens_at }, Place { line: end - 1, byte: len(text, end - 1) });
    PromptComment { lines: line..end, words, range: whole(text, from, to) }
}

fn block(text: &Rope, opens: Place, said: Place, closer: &str) -> Option<PromptComment> {
    let mut words = String::new();
    for line in said.line..(opens.line + LONGEST).min(text.len_lines()) {
        let content = content(text, line)?;
        let from = if line == said.line { said.byte } else { 0 };
        let closes_at = content[from..].find(closer).map(|at| from + at);
        let part = content[from..closes_at.unwrap_or(content.len())].trim();
        let part = if from == 0 { part.strip_prefix('*').unwrap_or(part).trim() } else { part };
        words.push_str(part);
        words.push('\n');
        if let Some(closes_at) = closes_at {
            let (first, end) = (opens.line, Place { line, byte: closes_at + closer.len() });
            let words = words.trim().to_owned();
            return Some(PromptComment { lines: first..line + 1, words, range: whole(text, opens, end) });
        }
    }
    None
}

/// What goes with a comment at this place, so that no empty line and no blank is left of it.
fn whole(text: &Rope, from: Place, to: Place) -> Range<usize> {
    let blanks = |text: &str| text.chars().rev().take_while(|char| char.is_whitespace()).count();
    let (first, last) = (content(text, from.line).unwrap_or_default(), content(text, to.line).unwrap_or_default());
    let (before, after) = (&first[..from.byte], &last[to.byte..]);
    let (mut start, mut end) = (from.char(text), to.char(text));
    if !after.trim().is_empty() {
        end += after.chars().take_while(|char| char.is_whitespace()).count();
    } else if !before.trim().is_empty() {
        start -= blanks(before);
        end += after.chars().count();
    } else if to.line + 1 < text.len_lines() {
        (start, end) = (text.line_to_char(from.line), text.line_to_char(to.line + 1));
    } else {
        // The last line has no end of its own: that of the line before goes.
        let line = from.line.saturating_sub(1);
        start = if from.line == 0 { 0 } else { Place { line, byte: len(text, line) }.char(text) };
        end = text.len_chars();
    }
    start..end
}

/// A line without its end.
fn content(text: &Rope, line: usize) -> Option<Cow<'_, str>> {
    let line: Cow<str> = text.get_line(line)?.into();
    Some(match line {
        Cow::Borrowed(line) => Cow::Borrowed(line.trim_end_matches(['\r', '\n'])),
        Cow::Owned(line) => Cow::Owned(line.trim_end_matches(['\r', '\n']).to_owned()),
    })
}

/// Of a line without its end, in bytes.
fn len(text: &Rope, line: usize) -> usize {
    content(text, line).map_or(0, |content| content.len())
}
