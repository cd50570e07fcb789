//! Text as the model sees it: numbered lines.

use std::fmt::Write;

use ropey::{Rope, RopeSlice};

/// The most characters of a line that are shown at once.
pub(super) const LINE: usize = 2_000;

/// Adds a line: its number (from 1) right-aligned in six columns, a tab, its text. Returns false if it did not fit into
/// [`LINE`] and was clipped. `skipped` characters at its start are left out.
pub(super) fn push_line(into: &mut String, number: usize, line: &str, skipped: usize) -> bool {
    let length = line.chars().count();
    let from = line.char_indices().nth(skipped).map_or(line.len(), |(at, _)| at);
    let rest = &line[from..];
    // Writing to a string cannot fail.
    let _ = write!(into, "{number:>6}\t");
    let Some((end, _)) = rest.char_indices().nth(LINE) else {
        into.push_str(rest);
        into.push('\n');
        return true;
    };
    into.push_str(&rest[..end]);
    let _ =
        writeln!(into, "[... clipped: the line has {length} characters, read on with column {}]", skipped + LINE + 1);
    false
}

/// How many lines a text has. A line end at the end of the text begins no further line.
pub(super) fn count(text: &Rope) -> usize {
    let lines = text.len_lines();
    if text.len_chars() == 0 || text.line(lines - 1).len_chars() == 0 { lines - 1 } else { lines }
}

/// A line without its end.
pub(super) fn bare(line: RopeSlice<'_>) -> String {
    let mut text = String::from(line);
    let length = text.trim_end_matches(['\r', '\n']).len();
    text.truncate(length);
    text
}

/// The lines from `first` to `last` (from 0, both included, as far as they exist) with `around` more on both sides.
pub(super) fn excerpt(text: &Rope, first: usize, last: usize, around: usize) -> String {
    let mut shown = String::new();
    let end = (last + around + 1).min(count(text));
    for number in first.saturating_sub(around)..end {
        push_line(&mut shown, number + 1, &bare(text.line(number)), 0);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_as_people_do() {
        for (text, expected) in [("", 0), ("a", 1), ("a\n", 1), ("\n", 1), ("a\r\nb\rc", 3), ("a\u{2028}b", 1)] {
            assert_eq!(count(&Rope::from_str(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn long_lines_are_clipped_between_characters_and_read_on() {
        let line = "🏍".repeat(LINE + 5);
        let mut shown = String::new();
        assert!(!push_line(&mut shown, 7, &line, 0));
        assert!(shown.starts_with("     7\t🏍") && shown.contains("has 2005 characters, read on with column 2001]"));
        shown.clear();
        assert!(push_line(&mut shown, 7, &line, LINE));
        assert_eq!(shown, format!("     7\t{}\n", "🏍".repeat(5)));
    }

    #[test]
    fn an_excerpt_has_lines_around() {
        let text = Rope::from_str("a\nb\nc\nd\ne\n");
        assert_eq!(excerpt(&text, 2, 2, 1), "     2\tb\n     3\tc\n     4\td\n");
        assert_eq!(excerpt(&text, 4, 9, 1), "     4\td\n     5\te\n");
    }
}
