//! From bytes to text.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// How many bytes are searched for a page's own word for its encoding, as browsers do.
const SEARCHED: usize = 1024;

/// The text of a body of which the end may be missing: then a character that is cut off is left out.
pub fn decode(bytes: &[u8], charset: Option<&str>, is_html: bool, is_cut: bool) -> String {
    let (encoding, skipped) = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => (encoding, length),
        None => (
            named(charset).or_else(|| declared(bytes).filter(|_| is_html)).unwrap_or_else(|| guessed(bytes, is_cut)),
            0,
        ),
    };
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let bytes = &bytes[skipped..];
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len()));
    // Without `last`, what the end leaves open is not replaced.
    let _ = decoder.decode_to_string(bytes, &mut text, !is_cut);
    text
}

fn named(label: Option<&str>) -> Option<&'static Encoding> {
    Encoding::for_label(label?.trim().trim_matches(['"', '\'']).as_bytes())
}

/// What stands in a `<meta>` of a page.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(SEARCHED)];
    let start = String::from_utf8_lossy(start).to_ascii_lowercase();
    let metas = start.split("<meta").skip(1).map(|rest| rest.split('>').next().unwrap_or_default());
    let encoding = metas.filter_map(|meta| {
        let value = meta.split("charset").nth(1)?.trim_start().strip_prefix('=')?.trim_start();
        let value = value.trim_start_matches(['"', '\'']);
        named(value.split(['"', '\'', ';', '/', ' ', '\t', '\n']).next())
    });
    // A page that could be read so far is in no such encoding, whatever it says.
    encoding.map(|encoding| if encoding.is_ascii_compatible() { encoding } else { UTF_8 }).next()
}

fn guessed(bytes: &[u8], is_cut: bool) -> &'static Encoding {
    match std::str::from_utf8(bytes) {
        Ok(_) => UTF_8,
        // The rest of the character was cut off.
        Err(error) if is_cut && error.error_len().is_none() => UTF_8,
        Err(_) => WINDOWS_1252,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_fetch_cuts_at_a_split_character_without_a_panic() {
        let text = "é🏍".repeat(10);
        for length in 0..text.len() {
            let decoded = decode(&text.as_bytes()[..length], None, false, true);
            assert!(text.starts_with(&decoded) && !decoded.contains('\u{fffd}'), "{length}");
            assert!(length - decoded.len() < 4);
        }
        let japanese = encoding_rs::SHIFT_JIS.encode("日本語").0;
        assert_eq!(decode(&japanese[..3], Some("Shift_JIS"), false, true), "日");
    }

    #[test]
    fn the_encoding_is_what_the_header_the_page_or_the_bytes_say() {
        let check = |bytes: &[u8], charset, is_html, expected: &str| {
            assert_eq!(decode(bytes, charset, is_html, false), expected);
        };
        check(b"caf\xe9", Some("ISO-8859-1"), false, "café");
        check(b"caf\xe9", Some("\"latin1\""), false, "café");
        check(b"caf\xc3\xa9", None, false, "café");
        check(b"caf\xe9", None, false, "café");
        check(b"\xef\xbb\xbfcaf\xc3\xa9", Some("latin1"), false, "café");
        check(b"<meta charset=latin1>\xc3\xa9", None, true, "<meta charset=latin1>Ã©");
        check(b"<meta charset=latin1>\xc3\xa9", None, false, "<meta charset=latin1>é");
        let old = b"<META http-equiv=Content-Type content=\"text/html; charset=koi8-r\">\xd4";
        assert!(decode(old, None, true, false).ends_with('т'));
        check(b"<meta charset=utf-16>\xc3\xa9", None, true, "<meta charset=utf-16>é");
        check(b"\xff\xfea\0", None, false, "a");
    }
}
