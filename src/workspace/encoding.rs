//! What a file's bytes mean, and how to write them back the way they were.

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// How a file encodes its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf8Bom,
    Utf16Le,
    Utf16Be,
    /// ISO 8859-1: each byte is the character of that number.
    Latin1,
    /// UTF-8 but for some bytes, each of which is a character of [`STRAY`].
    Mixed,
    /// Latin 1 with typographic characters in place of the second block of control characters.
    Windows1252,
}

/// Stands for the bytes from 0x80 to 0xFF in a text that is UTF-8 otherwise. For private use, so that no text means them.
const STRAY: std::ops::RangeInclusive<char> = '\u{10FE80}'..='\u{10FEFF}';

/// The bytes are no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binary;

impl Encoding {
    /// The text without its byte order mark. UTF-16 is known by that mark. What is no UTF-8, but has neither NUL nor other
    /// control characters that no text has, is UTF-8 with a few wrong bytes where more of it speaks for that than against
    /// it, and else Latin 1.
    pub fn decode(bytes: &[u8]) -> Result<(Self, String), Binary> {
        let utf16 = |encoding: &'static encoding_rs::Encoding| {
            encoding.decode_without_bom_handling_and_without_replacement(&bytes[2..]).ok_or(Binary).map(String::from)
        };
        match bytes {
            [0xEF, 0xBB, 0xBF, rest @ ..] => match std::str::from_utf8(rest) {
                Ok(text) => Ok((Self::Utf8Bom, text.to_owned())),
                Err(_) => Err(Binary),
            },
            [0xFF, 0xFE, ..] => Ok((Self::Utf16Le, utf16(UTF_16LE)?)),
            [0xFE, 0xFF, ..] => Ok((Self::Utf16Be, utf16(UTF_16BE)?)),
            _ if memchr::memchr(0, bytes).is_some() => Err(Binary),
            _ => match std::str::from_utf8(bytes) {
                Ok(text) => Ok((Self::Utf8, text.to_owned())),
                Err(_) if bytes.iter().any(|byte| matches!(byte, 0x00..=0x07 | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F)) => {
                    Err(Binary)
                }
                Err(_) if is_mostly_utf8(bytes) => Ok((Self::Mixed, with_strays(bytes)?)),
                Err(_) if bytes.iter().any(|byte| matches!(byte, 0x80..=0x9F)) => {
                    Ok((Self::Windows1252, WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned()))
                }
                Err(_) => Ok((Self::Latin1, bytes.iter().map(|byte| char::from(*byte)).collect())),
            },
        }
    }

    /// The bytes of `text` in this encoding, with the mark it stands for; the character it cannot hold if there is one.
    pub fn encode(self, text: &str) -> Result<Vec<u8>, char> {
        match self {
            Self::Utf8 => Ok(text.as_bytes().to_vec()),
            Self::Utf8Bom => Ok([b"\xEF\xBB\xBF", text.as_bytes()].concat()),
            Self::Utf16Le => {
                Ok(b"\xFF\xFE".iter().copied().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect())
            }
            Self::Utf16Be => {
                Ok(b"\xFE\xFF".iter().copied().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect())
            }
            Self::Mixed => {
                let mut bytes = Vec::with_capacity(text.len());
                for char in text.chars() {
                    match STRAY.contains(&char) {
                        // The last byte of its number.
                        true => bytes.push(u32::from(char) as u8),
                        false => bytes.extend(char.encode_utf8(&mut [0; 4]).bytes()),
                    }
                }
                Ok(bytes)
            }
            Self::Latin1 => text.chars().map(|char| u8::try_from(char).map_err(|_| char)).collect(),
            Self::Windows1252 => {
                let (bytes, _, unmappable) = WINDOWS_1252.encode(text);
                if !unmappable {
                    return Ok(bytes.into_owned());
                }
                let alone = |char: &char| WINDOWS_1252.encode(char.encode_utf8(&mut [0; 4])).2;
                Err(text.chars().find(alone).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
        }
    }

    /// Whether the bytes may mean another text as well.
    pub fn is_guessed(self) -> bool {
        matches!(self, Self::Latin1 | Self::Mixed | Self::Windows1252)
    }

    /// Its name for the model and the person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Bom => "UTF-8",
            Self::Utf16Le | Self::Utf16Be => "UTF-16",
            Self::Mixed => "UTF-8 with other bytes",
            Self::Latin1 => "Latin-1",
            Self::Windows1252 => "Windows-1252",
        }
    }

    /// What whoever reads the text should know of it. `None` for UTF-8.
    pub fn remark(self) -> Option<&'static str> {
        match self {
            Self::Utf8 | Self::Utf8Bom => None,
            Self::Utf16Le | Self::Utf16Be => Some("the file is UTF-16, and edits keep it so"),
            Self::Latin1 => Some("the file is not UTF-8 but Latin-1 as it seems, and edits keep it so"),
            Self::Windows1252 => Some("the file is not UTF-8 but Windows-1252 as it seems, and edits keep it so"),
            Self::Mixed => Some(
                "some bytes of the file are not UTF-8, as the rest is: each is shown as one character from U+10FE80 to \
                 U+10FEFF, and edits of other places keep it",
            ),
        }
    }
}

/// Whether at least as many characters of more than one byte are UTF-8 as there are bytes that are not. By chance, few
/// are.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut right, mut wrong) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        right += chunk.valid().chars().filter(|char| !char.is_ascii()).count();
        wrong += chunk.invalid().len();
    }
    right > 0 && right >= wrong
}

fn with_strays(bytes: &[u8]) -> Result<String, Binary> {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        // It would come back as another byte than it was.
        if chunk.valid().contains(|char| STRAY.contains(&char)) {
            return Err(Binary);
        }
        text += chunk.valid();
        let stray = |byte: &u8| char::from_u32(0x0010_FE00 + u32::from(*byte)).ok_or(Binary);
        for byte in chunk.invalid() {
            text.push(stray(byte)?);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], encoding: Encoding, text: &str) {
        assert_eq!(Encoding::decode(bytes), Ok((encoding, text.to_owned())));
        assert_eq!(encoding.encode(text).as_deref(), Ok(bytes));
    }

    #[test]
    fn texts_come_back_as_the_bytes_they_were() {
        check(b"", Encoding::Utf8, "");
        check("é🏍\r\n".as_bytes(), Encoding::Utf8, "é🏍\r\n");
        check(b"\xEF\xBB\xBFa", Encoding::Utf8Bom, "a");
        check(b"\xFF\xFEa\0=\xD8\xCD\xDF", Encoding::Utf16Le, "a\u{1f7cd}");
        check(b"\xFE\xFF\0a", Encoding::Utf16Be, "a");
        check(b"caf\xE9\n", Encoding::Latin1, "café\n");
        check(b"\x93caf\xE9\x94", Encoding::Windows1252, "“café”");
        check(b"\xC3\xAF caf\xE9", Encoding::Mixed, "ï caf\u{10FEE9}");
        check(b"\xC3\xAF caf\xE9 \xE9", Encoding::Latin1, "Ã¯ café é");
    }

    #[test]
    fn every_high_byte_survives() {
        let bytes: Vec<u8> = (0x80..=0xFF).collect();
        let (encoding, text) = Encoding::decode(&bytes).unwrap();
        assert_eq!(encoding.encode(&text), Ok(bytes));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        assert_eq!(Encoding::decode(b"a\0b"), Err(Binary));
        assert_eq!(Encoding::decode(b"\x01\xFF"), Err(Binary));
        assert_eq!(Encoding::decode(b"\xFF\xFEa"), Err(Binary), "half a unit");
        assert_eq!(Encoding::decode(b"\xFF\xFE\x00\xD8"), Err(Binary), "half a pair");
        assert_eq!(Encoding::decode(b"\xEF\xBB\xBF\xFF"), Err(Binary));
        assert_eq!(Encoding::decode(b"\xF4\x8F\xBB\xA9 \xE9"), Err(Binary), "it has what would stand for the byte");
    }

    #[test]
    fn a_character_the_encoding_cannot_hold_is_named() {
        assert_eq!(Encoding::Latin1.encode("é→"), Err('→'));
        assert_eq!(Encoding::Latin1.encode("€"), Err('€'));
        assert_eq!(Encoding::Windows1252.encode("€→"), Err('→'));
    }
}
