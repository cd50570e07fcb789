//! Replacements one after the other, kept as edits of the text before all of them.

use std::{iter, ops::Range};

use ropey::Rope;

use super::nearest;
use crate::{tool::lines, workspace::TextEdit};

/// A text under replacement. Lines end with `\n` here, whatever they end with in the file, as models write them.
pub(super) struct Replacing<'a> {
    base: &'a Rope,
    /// Where in the text with `\n` a line end was `\r\n`, in bytes, ascending.
    shrunk: Vec<usize>,
    text: String,
    /// In order, never touching.
    changes: Vec<Change>,
}

/// A place that is no longer as in the base. Both ranges in bytes of texts with `\n`.
struct Change {
    base: Range<usize>,
    now: Range<usize>,
}

/// Why a replacement cannot be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Miss {
    /// It would replace a text with itself.
    Same,
    /// Nothing is to be replaced, but there is text.
    Empty,
    /// It occurs on each of these lines, from 1.
    Several { lines: Vec<usize> },
    /// It does not occur.
    None {
        /// What is most like it, as numbered lines.
        nearest: Option<String>,
        /// It would occur without the line numbers that are part of it.
        numbered: bool,
    },
}

impl<'a> Replacing<'a> {
    pub(super) fn new(base: &'a Rope) -> Self {
        let raw = base.to_string();
        let mut shrunk = Vec::new();
        let mut text = String::with_capacity(raw.len());
        let mut rest = raw.as_str();
        while let Some(at) = memchr::memchr(b'\r', rest.as_bytes()) {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix('\n') {
                shrunk.push(text.len());
                rest = after;
            }
            text.push('\n');
        }
        text.push_str(rest);
        Self { base, shrunk, text, changes: Vec::new() }
    }

    /// Makes one replacement, and says in how many places.
    pub(super) fn replace(&mut self, old: &str, new: &str, all: bool) -> Result<usize, Miss> {
        let old = with_line_feeds(old);
        if old == new || old == with_line_feeds(new) {
            return Err(Miss::Same);
        }
        if old.is_empty() {
            if !self.text.is_empty() {
                return Err(Miss::Empty);
            }
            self.note(iter::once(0..0), new.len());
            self.text.push_str(new);
            return Ok(1);
        }
        let found: Vec<usize> = memchr::memmem::find_iter(self.text.as_bytes(), &old).collect();
        if found.is_empty() {
            return Err(self.missing(&old));
        }
        if found.len() > 1 && !all {
            return Err(Miss::Several { lines: self.lines_of(&found) });
        }
        let mut text = String::with_capacity(self.text.len());
        let mut done = 0;
        for at in &found {
            text.push_str(&self.text[done..*at]);
            text.push_str(new);
            done = at + old.len();
        }
        text.push_str(&self.text[done..]);
        self.note(found.iter().map(|at| *at..at + old.len()), new.len());
        self.text = text;
        Ok(found.len())
    }

    /// The text after the replacements so far.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The replacements as edits of the base, in its characters.
    pub(super) fn edits(&self) -> Vec<TextEdit> {
        let char_at = |at: usize| {
            let longer_by = self.shrunk.partition_point(|shrunk| *shrunk < at);
            self.base.byte_to_char(at + longer_by)
        };
        let edits = self.changes.iter().map(|change| TextEdit {
            range: char_at(change.base.start)..char_at(change.base.end),
            text: self.text[change.now.clone()].to_owned(),
        });
        // Later replacements may have undone earlier ones.
        edits.filter(|edit| self.base.slice(edit.range.clone()) != edit.text.as_str()).collect()
    }

    /// Notes that these ranges of the text, in order and not overlapping, are each replaced by so many bytes. They merge
    /// with each other and with the changes that they touch.
    fn note(&mut self, ranges: impl Iterator<Item = Range<usize>>, new: usize) {
        let mut earlier = std::mem::take(&mut self.changes).into_iter().peekable();
        let mut ranges = ranges.peekable();
        // From a place in the text to that in the base, and to that in the text to come.
        let (mut to_base, mut grown) = (0, 0);
        loop {
            let starts = [earlier.peek().map(|change| change.now.start), ranges.peek().map(|range| range.start)];
            let Some(start) = starts.into_iter().flatten().min() else { break };
            let (base_start, now_start) = (moved(start, to_base), moved(start, grown));
            let mut end = start;
            loop {
                if let Some(change) = earlier.next_if(|change| change.now.start <= end) {
                    end = end.max(change.now.end);
                    to_base = change.base.end as isize - change.now.end as isize;
                } else if let Some(range) = ranges.next_if(|range| range.start <= end) {
                    end = end.max(range.end);
                    grown += new as isize - range.len() as isize;
                } else {
                    break;
                }
            }
            self.changes.push(Change { base: base_start..moved(end, to_base), now: now_start..moved(end, grown) });
        }
    }

    /// The line numbers, from 1, of ascending places in the text.
    fn lines_of(&self, places: &[usize]) -> Vec<usize> {
        let (mut line, mut counted) = (1, 0);
        let number = |at: &usize| {
            line += memchr::memchr_iter(b'\n', &self.text.as_bytes()[counted..*at]).count();
            counted = *at;
            line
        };
        places.iter().map(number).collect()
    }

    fn missing(&self, old: &str) -> Miss {
        let without_numbers: Option<Vec<&str>> = old.lines().map(without_number).collect();
        let numbered = without_numbers.is_some_and(|lines| !lines.is_empty() && self.text.contains(&lines.join("\n")));
        let text = Rope::from_str(&self.text);
        let nearest = nearest::lines_like(&text, old).map(|range| lines::excerpt(&text, range.start, range.end - 1, 2));
        Miss::None { nearest, numbered }
    }
}

fn moved(at: usize, by: isize) -> usize {
    at.saturating_add_signed(by)
}

fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The line without the number and tab that read puts in front of it, if it has one.
fn without_number(line: &str) -> Option<&str> {
    let (number, rest) = line.split_once('\t')?;
    let number = number.trim_start();
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The base after the edits, its line ends as they are.
    fn made(base: &Rope, edits: &[TextEdit]) -> String {
        let mut text = base.clone();
        for edit in edits.iter().rev() {
            text.remove(edit.range.clone());
            text.insert(edit.range.start, &edit.text);
        }
        text.to_string()
    }

    fn check(base: &str, replacements: &[(&str, &str)], expected: &str) {
        let base = Rope::from_str(base);
        let mut replacing = Replacing::new(&base);
        for (old, new) in replacements {
            replacing.replace(old, new, false).unwrap();
        }
        assert_eq!(made(&base, &replacing.edits()), expected);
    }

    #[test]
    fn each_is_for_the_text_the_ones_before_leave() {
        check("one two three", &[("two", "2"), ("2 three", "2 3")], "one 2 3");
        check("one two three", &[("three", "3"), ("one", "1")], "1 two 3");
        check("abc", &[("b", ""), ("ac", "x")], "x");
        check("abc", &[("b", "bb"), ("abb", "a"), ("ac", "aac")], "aac");
        check("", &[("", "new\n"), ("new", "newer")], "newer\n");
    }

    #[test]
    fn line_ends_of_the_file_do_not_hinder() {
        check("é\r\nb\r\nc\r\n", &[("b\nc", "x"), ("é\r\n", "e\n")], "e\nx\r\n");
        check("a\rb\r", &[("a\nb", "x")], "x\r");
    }

    #[test]
    fn what_comes_to_nothing_is_no_edit() {
        let base = Rope::from_str("one two");
        let mut replacing = Replacing::new(&base);
        replacing.replace("two", "2", false).unwrap();
        replacing.replace("2", "two", false).unwrap();
        assert_eq!(replacing.edits(), []);
    }

    #[test]
    fn misses_say_why() {
        let base = Rope::from_str("let a = 1;\nlet b = 1;\n");
        let miss = |old: &str, new: &str| Replacing::new(&base).replace(old, new, false).unwrap_err();
        assert_eq!(miss("a", "a"), Miss::Same);
        assert_eq!(miss("", "a"), Miss::Empty);
        assert_eq!(miss("let", "a"), Miss::Several { lines: vec![1, 2] });
        let nearest = "     1\tlet a = 1;\n     2\tlet b = 1;\n".to_owned();
        assert_eq!(miss("let a  = 1;", "a"), Miss::None { nearest: Some(nearest), numbered: false });
        assert!(matches!(miss("     1\tlet a = 1;\n     2\tlet b", ""), Miss::None { numbered: true, .. }));
        assert_eq!(miss("zzzzzz", "a"), Miss::None { nearest: None, numbered: false });
    }

    #[test]
    fn neighbours_become_one_edit() {
        let base = Rope::from_str("aaxa");
        let mut replacing = Replacing::new(&base);
        assert_eq!(replacing.replace("a", "bb", true), Ok(3));
        let edit = |range, text: &str| TextEdit { range, text: text.to_owned() };
        assert_eq!(replacing.edits(), [edit(0..2, "bbbb"), edit(3..4, "bb")]);
        assert_eq!(replacing.replace("bx", "", false), Ok(1));
        assert_eq!(replacing.edits(), [edit(0..4, "bbbbb")]);
    }

    proptest! {
        /// Successive replacements on a plain string give the same text as the edits made of them.
        #[test]
        fn the_edits_are_the_replacements(
            base in "[ab\n]{0,20}",
            replacements in prop::collection::vec(("[ab\n]{1,3}", "[abc]{0,4}", any::<bool>()), 0..8),
        ) {
            let rope = Rope::from_str(&base);
            let mut replacing = Replacing::new(&rope);
            let mut plain = base;
            for (old, new, all) in replacements {
                if old != new && (plain.matches(&old).count() == 1 || (all && plain.contains(&old))) {
                    plain = plain.replace(&old, &new);
                    prop_assert!(replacing.replace(&old, &new, all).is_ok());
                }
                prop_assert_eq!(replacing.text(), &plain);
            }
            let edits = replacing.edits();
            prop_assert!(edits.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
            prop_assert_eq!(made(&rope, &edits), plain);
        }
    }
}
