//! Places in a text, between an editor's lines and columns and a rope's characters.
//!
//! Lines break at `\n`, `\r\n` and `\r` only. A line past the end means the end of the text, a column past the end of
//! its line means the end of that line before its break, and a column inside a character means that character's start.
//! Every look-up is logarithmic in the size of the text, also inside one very long line.

use ropey::Rope;

use super::{Position, PositionEncoding};

impl PositionEncoding {
    /// The index of the character at `position`.
    pub fn to_char(self, text: &Rope, position: Position) -> usize {
        let line = position.line as usize;
        if line >= text.len_lines() {
            return text.len_chars();
        }
        let start = text.line_to_char(line);
        let end = line_end(text, line);
        let column = position.column as usize;
        match self {
            Self::Utf8 => {
                let byte = text.char_to_byte(start) + column;
                if byte >= text.char_to_byte(end) { end } else { text.byte_to_char(byte) }
            }
            Self::Utf16 => {
                let unit = text.char_to_utf16_cu(start) + column;
                if unit >= text.char_to_utf16_cu(end) { end } else { text.utf16_cu_to_char(unit) }
            }
            Self::Utf32 => (start + column).min(end),
        }
    }

    /// The position of the character at `index`. Between `\r` and `\n` there is none: it is that of the line's end.
    pub fn to_position(self, text: &Rope, index: usize) -> Position {
        let index = index.min(text.len_chars());
        let line = text.char_to_line(index);
        let start = text.line_to_char(line);
        let index = index.min(line_end(text, line));
        let column = match self {
            Self::Utf8 => text.char_to_byte(index) - text.char_to_byte(start),
            Self::Utf16 => text.char_to_utf16_cu(index) - text.char_to_utf16_cu(start),
            Self::Utf32 => index - start,
        };
        Position { line: saturate(line), column: saturate(column) }
    }
}

/// The index after the last character of the line that is not part of its break.
fn line_end(text: &Rope, line: usize) -> usize {
    if line + 1 >= text.len_lines() {
        return text.len_chars();
    }
    let end = text.line_to_char(line + 1) - 1;
    if end > text.line_to_char(line) && text.char(end) == '\n' && text.char(end - 1) == '\r' { end - 1 } else { end }
}

fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(encoding: PositionEncoding, text: &str, position: (u32, u32), index: usize) {
        let position = Position { line: position.0, column: position.1 };
        assert_eq!(encoding.to_char(&Rope::from_str(text), position), index, "{encoding:?} {text:?} {position:?}");
    }

    #[test]
    fn columns_count_in_the_negotiated_unit() {
        // `é` is 2 bytes and 1 unit, `🏍` is 4 bytes and 2 units.
        for (encoding, column) in
            [(PositionEncoding::Utf8, 7), (PositionEncoding::Utf16, 4), (PositionEncoding::Utf32, 3)]
        {
            check(encoding, "x\na🏍éb", (1, column), 5);
            let text = Rope::from_str("x\na🏍éb");
            assert_eq!(encoding.to_position(&text, 5), Position { line: 1, column });
        }
    }

    #[test]
    fn columns_inside_a_character_mean_its_start() {
        check(PositionEncoding::Utf16, "a🏍b", (0, 2), 1);
        for column in 2..5 {
            check(PositionEncoding::Utf8, "a🏍b", (0, column), 1);
        }
    }

    #[test]
    fn places_past_the_end_are_clamped_before_the_line_break() {
        for encoding in [PositionEncoding::Utf8, PositionEncoding::Utf16, PositionEncoding::Utf32] {
            check(encoding, "ab\r\ncd", (0, 99), 2);
            check(encoding, "ab\ncd", (0, u32::MAX), 2);
            check(encoding, "ab\rcd", (0, 3), 2);
            check(encoding, "ab\r\ncd", (1, 99), 6);
            check(encoding, "ab\r\ncd", (7, 0), 6);
            check(encoding, "", (0, 5), 0);
            check(encoding, "a\n", (1, 5), 2);
        }
    }

    #[test]
    fn only_three_line_breaks_count() {
        let text = Rope::from_str("a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f\ng\rh\r\ni");
        assert_eq!(text.len_lines(), 4, "a dependency switched ropey's `unicode_lines` on");
        check(PositionEncoding::Utf32, "a\u{2028}b\nc", (1, 0), 4);
    }

    #[test]
    fn between_carriage_return_and_line_feed_is_the_line_end() {
        let text = Rope::from_str("ab\r\nc");
        assert_eq!(PositionEncoding::Utf16.to_position(&text, 3), Position { line: 0, column: 2 });
    }
}
