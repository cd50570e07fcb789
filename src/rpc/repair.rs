//! Making what editors really send readable.
//!
//! Editors hold text that is no Unicode: JavaScript strings with half a surrogate pair, buffers with bytes that are no
//! UTF-8. A message must not be lost to one such character, so it reads as U+FFFD.

use std::borrow::Cow;

use memchr::memmem;

/// The body as JSON text: without a byte order mark, every lone surrogate escape and invalid byte replaced by U+FFFD.
pub(super) fn repair(body: &mut [u8]) -> Cow<'_, str> {
    replace_lone_surrogates(body);
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    if matches!(text, Cow::Owned(_)) {
        tracing::warn!("a message held bytes that are no UTF-8; they read as U+FFFD");
    }
    text
}

/// In place: `\ud800` and `\ufffd` take the same room.
fn replace_lone_surrogates(body: &mut [u8]) {
    let mut from = 0;
    while let Some(offset) = memmem::find(&body[from..], b"\\u") {
        let start = from + offset;
        from = start + 2;
        let backslashes = body[..start].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 1 {
            continue;
        }
        match escaped_unit(body, start) {
            Some(0xD800..=0xDBFF) => {
                if matches!(escaped_unit(body, start + 6), Some(0xDC00..=0xDFFF)) {
                    from = start + 12;
                    continue;
                }
            }
            Some(0xDC00..=0xDFFF) => {}
            _ => continue,
        }
        body[start + 2..start + 6].copy_from_slice(b"fffd");
    }
}

/// The UTF-16 unit that `\uXXXX` at `start` stands for.
fn escaped_unit(body: &[u8], start: usize) -> Option<u16> {
    let digits = body.get(start..start + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use super::repair;

    fn check(body: &[u8], expect: &str) {
        assert_eq!(repair(&mut body.to_vec()), expect);
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_and_pairs_kept() {
        check(br#""\ud83d\ude00""#, r#""\ud83d\ude00""#);
        check(br#""\ud83d""#, r#""\ufffd""#);
        check(br#""\uDE00 \uD83D\ud83d\ude00\ud83dx""#, r#""\ufffd \ufffd\ud83d\ude00\ufffdx""#);
        check(br#""\ud83d\u0041\ud83"#, r#""\ufffd\u0041\ud83"#);
    }

    #[test]
    fn an_escaped_backslash_starts_no_escape() {
        check(br#""\\ud83d""#, r#""\\ud83d""#);
        check(br#""\\\ud83d""#, r#""\\\ufffd""#);
    }

    #[test]
    fn bytes_that_are_no_utf8_are_replaced() {
        check(b"\"caf\xe9\"", "\"caf\u{fffd}\"");
        check(b"\xEF\xBB\xBF{}", "{}");
    }
}
