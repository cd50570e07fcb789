//! What a diff says, and that it is true.

use proptest::prelude::*;

use super::{
    diff::{changes, line_edits},
    edit::{make, minimal, shift_by},
    *,
};

fn diff_of(old: &str, new: &str) -> FileDiff {
    let workspace = Workspace::new(Vec::new());
    let location = Location { path: PathBuf::from("/r/a.txt"), inside: true, shown: "a.txt".to_owned() };
    workspace.diff(&location, &Rope::from_str(old), &Rope::from_str(new))
}

#[track_caller]
fn check(old: &str, new: &str, unified: &str) {
    assert_eq!(diff_of(old, new).unified, unified);
}

#[test]
fn diffs_read_as_people_know_them() {
    check("same\n", "same\n", "");
    check("a\nb\nc\n", "a\nx\nc\n", "--- a/a.txt\n+++ b/a.txt\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
    check("", "a\nb\n", "--- a/a.txt\n+++ b/a.txt\n@@ -0,0 +1,2 @@\n+a\n+b\n");
    check("a\n", "", "--- a/a.txt\n+++ b/a.txt\n@@ -1,1 +0,0 @@\n-a\n");
    let end = "\\ No newline at end of file\n";
    check("a", "a\n", &format!("--- a/a.txt\n+++ b/a.txt\n@@ -1,1 +1,1 @@\n-a\n{end}+a\n"));
    check("a\r\nb\r\n", "a\r\nb2\r\n", "--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n a\n-b\n+b2\n");
}

#[test]
fn changes_far_apart_are_hunks_of_their_own() {
    let old: String = (1..=20).map(|line| format!("{line}\n")).collect();
    let near = old.replacen("5\n", "five\n", 1).replace("12\n", "twelve\n");
    assert_eq!(diff_of(&old, &near).hunks.len(), 1);
    let apart = old.replacen("5\n", "five\n", 1).replace("13\n", "thirteen\n");
    assert_eq!(diff_of(&old, &apart).hunks.len(), 2);
    let new = old.replacen("2\n", "two\nmore\n", 1).replace("18\n", "");
    let hunks = diff_of(&old, &new).hunks;
    let headers: Vec<_> = hunks.iter().map(|h| (h.old_start, h.old_lines, h.new_start, h.new_lines)).collect();
    assert_eq!(headers, [(1, 5, 1, 6), (15, 6, 16, 5)]);
    assert_eq!(hunks[1].text, " 15\n 16\n 17\n-18\n 19\n 20\n");
}

#[test]
fn a_diff_of_a_large_text_takes_no_time_to_speak_of() {
    let old: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
    let new = old.replace("line 100000\n", "changed\n");
    assert_eq!(diff_of(&old, &new).hunks.len(), 1);
}

/// Texts of few characters, so that much repeats: every line end, characters of every width, a combining mark.
pub fn text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec!["a", "b", "ab", "\n", "\n", "\r\n", "\r", "\u{2028}", "🏍", "e\u{301}", "é"]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Applies a diff as `patch` would, on lines without their ends.
fn patched(old: &str, diff: &FileDiff) -> Vec<String> {
    let old: Vec<_> = text::lines(old).into_iter().map(text::without_end).collect();
    let mut new: Vec<String> = Vec::new();
    let mut at = 0;
    for hunk in &diff.hunks {
        let start = if hunk.old_lines == 0 { hunk.old_start } else { hunk.old_start - 1 };
        new.extend(old[at..start].iter().map(|line| (*line).to_owned()));
        assert_eq!(new.len(), if hunk.new_lines == 0 { hunk.new_start } else { hunk.new_start - 1 });
        let (before, had) = (new.len(), start);
        at = start;
        for line in hunk.text.split_terminator('\n').filter(|line| !line.starts_with('\\')) {
            let (sign, line) = line.split_at(1);
            if sign != "+" {
                assert_eq!(old[at], line);
                at += 1;
            }
            if sign != "-" {
                new.push(line.to_owned());
            }
        }
        assert_eq!((at - had, new.len() - before), (hunk.old_lines, hunk.new_lines));
    }
    new.extend(old[at..].iter().map(|line| (*line).to_owned()));
    new
}

fn edits_of(text: &str, parts: &[(usize, usize, String)]) -> Vec<TextEdit> {
    let count = text.chars().count();
    let mut at = 0;
    let mut edits = Vec::new();
    for (gap, length, new) in parts {
        let start = at + gap;
        let end = start + length;
        if end > count {
            break;
        }
        edits.push(TextEdit { range: start..end, text: new.clone() });
        at = end;
    }
    edits
}

fn parts() -> impl Strategy<Value = Vec<(usize, usize, String)>> {
    let new = prop::sample::select(vec!["", "x", "a", "\n", "\r", "\r\n", "x\ny", "🏍"]).prop_map(str::to_owned);
    prop::collection::vec((0..12usize, 0..6usize, new), 0..5)
}

proptest! {
    #[test]
    fn changes_turn_one_text_into_the_other(old in text(), new in text()) {
        let (old, new) = (Rope::from_str(&old), Rope::from_str(&new));
        let changes = changes(&old, &new);
        prop_assert_eq!(make(&old, &changes), new);
        prop_assert!(changes.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start));
    }

    #[test]
    fn whole_lines_turn_one_text_into_the_other_but_for_line_ends(old in text(), new in text()) {
        let rope = Rope::from_str(&old);
        let made = make(&rope, &line_edits(&rope, &new)).to_string();
        prop_assert_eq!(
            text::lines(&made).into_iter().map(text::without_end).collect::<Vec<_>>(),
            text::lines(&new).into_iter().map(text::without_end).collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_minimal_edit_does_the_same_at_places_with_a_name(text in text(), parts in parts()) {
        let rope = Rope::from_str(&text);
        let edits = edits_of(&text, &parts);
        let minimal = minimal(&rope, &edits);
        prop_assert_eq!(make(&rope, &minimal), make(&rope, &edits));
        prop_assert!(minimal.windows(2).all(|pair| pair[0].range.end < pair[1].range.start));
        for edit in &minimal {
            for index in [edit.range.start, edit.range.end] {
                for encoding in [PositionEncoding::Utf8, PositionEncoding::Utf16, PositionEncoding::Utf32] {
                    prop_assert_eq!(encoding.to_char(&rope, encoding.to_position(&rope, index)), index);
                }
            }
        }
    }

    #[test]
    fn a_diff_of_edits_is_what_they_do(text in text(), mut parts in parts()) {
        // Without `\r`: one at the end of a block and a `\n` after it would be one line end only in the whole.
        let text = text.replace('\r', "");
        parts.iter_mut().for_each(|(_, _, new)| *new = new.replace('\r', "é"));
        let rope = Rope::from_str(&text);
        let edits = edits_of(&text, &parts);
        let location = Location { path: PathBuf::from("/a"), inside: true, shown: "a".to_owned() };
        let (diff, pieces) = plan::pieces(&location, &rope, &edits);
        let made = make(&rope, &edits);
        let new = made.to_string();
        let expected: Vec<_> = text::lines(&new).into_iter().map(text::without_end).collect();
        prop_assert_eq!(patched(&text, &diff), expected);
        let pieces: Vec<_> = pieces.into_iter().map(|piece| piece.edit).collect();
        prop_assert_eq!(make(&rope, &pieces), made);
    }

    #[test]
    fn a_diff_of_texts_is_what_differs(old in text(), new in text()) {
        let expected: Vec<_> = text::lines(&new).into_iter().map(text::without_end).collect();
        prop_assert_eq!(patched(&old, &diff_of(&old, &new)), expected);
    }

    #[test]
    fn a_moved_range_holds_what_it_held(old in text(), parts in parts(), start in 0..40usize, length in 0..9usize) {
        let changes = edits_of(&old, &parts);
        let rope = Rope::from_str(&old);
        let range = start.min(rope.len_chars())..(start + length).min(rope.len_chars());
        if let Some(moved) = shift_by(&range, &changes) {
            let new = make(&rope, &changes);
            prop_assert_eq!(new.slice(moved), rope.slice(range));
        } else {
            let touches = |change: &TextEdit| change.range.start < range.end && range.start < change.range.end;
            prop_assert!(changes.iter().any(touches));
        }
    }

    #[test]
    fn positions_round_trip(text in text(), at in 0..60usize) {
        let rope = Rope::from_str(&text);
        let at = at.min(rope.len_chars());
        prop_assume!(!(at > 0 && at < rope.len_chars() && rope.char(at) == '\n' && rope.char(at - 1) == '\r'));
        for encoding in [PositionEncoding::Utf8, PositionEncoding::Utf16, PositionEncoding::Utf32] {
            let position = encoding.to_position(&rope, at);
            prop_assert_eq!(position, super::editor::position(&text, at, encoding));
            prop_assert_eq!(encoding.to_char(&rope, position), at);
        }
    }

    #[test]
    fn any_position_means_what_a_plain_count_says(text in text(), line in 0..9u32, column in 0..12u32) {
        let position = Position { line, column };
        for encoding in [PositionEncoding::Utf8, PositionEncoding::Utf16, PositionEncoding::Utf32] {
            let expected = super::editor::index(&text, position, encoding);
            prop_assert_eq!(encoding.to_char(&Rope::from_str(&text), position), expected);
        }
    }
}
