//! Texts that are too long, cut where a person would.

/// The beginning of a text, at most `most` bytes, cut after a line or at least between characters. What is left out is
/// said by what `note` makes of the number of the first line that is not whole, from 1.
pub fn clip(text: &str, most: usize, note: impl FnOnce(usize) -> String) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let cut = (0..=most).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    let kept = &text[..cut];
    let kept = kept.rfind('\n').map_or(kept, |end| &kept[..end + 1]);
    let next = kept.matches('\n').count() + 1;
    let line_end = if kept.ends_with('\n') { "" } else { "\n" };
    format!("{kept}{line_end}[{}]", note(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_after_a_line_or_between_characters() {
        let check = |text: &str, most, expected: &str| {
            assert_eq!(clip(text, most, |line| format!("on from {line}")), expected, "{text:?}");
        };
        check("a\nb\n", 4, "a\nb\n");
        check("aa\nbb\ncc\n", 7, "aa\nbb\n[on from 3]");
        check("ééé", 3, "é\n[on from 1]");
        check("🏍", 3, "\n[on from 1]");
    }
}
