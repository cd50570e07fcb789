//! JSON as providers really send it: a strict and borrowing parse first, and a forgiving one where that fails.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// Parses JSON. Where that fails, tries again on a copy, left in `scratch`, in which what no JSON parser takes but some
/// servers send is mended: invalid UTF-8, lone surrogates, raw control characters, `NaN`, a key given twice.
///
/// # Errors
/// Those of the first try.
pub fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], scratch: &'a mut Vec<u8>) -> Result<T, serde_json::Error> {
    serde_json::from_slice(bytes).or_else(|error| {
        let Ok(value) = serde_json::from_slice::<Value>(&mend(bytes)) else { return Err(error) };
        let Ok(mended) = serde_json::to_vec(&value) else { return Err(error) };
        *scratch = mended;
        serde_json::from_slice(scratch).map_err(|_| error)
    })
}

fn mend(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    let mut inside = false;
    while let Some(character) = rest.chars().next() {
        let mut length = character.len_utf8();
        match character {
            '"' => {
                inside = !inside;
                out.push('"');
            }
            '\\' if inside => match surrogates(rest) {
                Some((taken, whole)) => {
                    length = taken;
                    out.push_str(if whole { &rest[..taken] } else { "\u{FFFD}" });
                }
                None => {
                    length = rest.chars().take(2).map(char::len_utf8).sum();
                    out.push_str(&rest[..length]);
                }
            },
            control if inside && control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            _ if !inside
                && let Some(word) = ["NaN", "-Infinity", "Infinity"].iter().find(|w| rest.starts_with(**w)) =>
            {
                length = word.len();
                out.push_str("null");
            }
            other => out.push(other),
        }
        rest = &rest[length..];
    }
    out.into_bytes()
}

/// The bytes that a `\u` escape of a surrogate takes, and whether it is a whole pair.
fn surrogates(text: &str) -> Option<(usize, bool)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0).filter(|unit| (0xD800..0xE000).contains(unit))?;
    let pair = first < 0xDC00 && unit(6).is_some_and(|second| (0xDC00..0xE000).contains(&second));
    Some(if pair { (12, true) } else { (6, false) })
}

/// `null` and an absent field are the same to us.
pub fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A text, borrowed where it has no escapes. Anything that is no text or number reads as empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text<'a>(pub Cow<'a, str>);

impl Text<'_> {
    /// The text, unless it is empty.
    pub fn some(&self) -> Option<&str> {
        (!self.0.is_empty()).then_some(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(number.to_string())))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text<'de>, A::Error> {
                while list.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::default())
            }
        }
        deserializer.deserialize_any(Texts)
    }
}

/// A count of tokens. Some servers write it as `12.0`; what is no number at all counts as not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub Option<u64>);

impl Count {
    /// This count, or the other where this one was not said.
    pub fn or(self, other: Self) -> Self {
        Self(self.0.or(other.0))
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        // `as` saturates, and nobody counts past 2^53.
        let float = || value.as_f64().filter(|number| *number >= 0.0).map(|number| number as u64);
        Ok(Self(value.as_u64().or_else(float)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Sample<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        #[serde(default)]
        count: Count,
    }

    #[track_caller]
    fn check(json: &[u8], text: &str, count: Option<u64>) {
        let mut scratch = Vec::new();
        let sample: Sample = read(json, &mut scratch).unwrap();
        assert_eq!((&*sample.text.0, sample.count.0), (text, count));
    }

    #[test]
    fn texts_are_borrowed_where_they_can_be() {
        let mut scratch = Vec::new();
        let sample: Sample = read(br#"{"text":"plain"}"#, &mut scratch).unwrap();
        assert!(matches!(sample.text.0, Cow::Borrowed("plain")));
    }

    #[test]
    fn odd_types() {
        check(br#"{"text":null,"count":null}"#, "", None);
        check(br#"{"text":429,"count":12.0}"#, "429", Some(12));
        check(br#"{"text":{"a":[1]},"count":"7"}"#, "", None);
        check(br#"{"text":["x"],"count":1e3}"#, "", Some(1000));
        check(br#"{"text":"x","count":-1}"#, "x", None);
    }

    #[test]
    fn mends_what_is_no_json() {
        check(br#"{"text":"a","text":"b"}"#, "b", None);
        check(br#"{"text":"x","stats":[NaN,-Infinity,Infinity]}"#, "x", None);
        check(br#"{"text":"NaN \ud83d","count":1}"#, "NaN \u{FFFD}", Some(1));
        check(br#"{"text":"\ud83e\udd80 \udd80","count":NaN}"#, "\u{1F980} \u{FFFD}", None);
        check(b"{\"text\":\"tab\there \\\" \xff\"}", "tab\there \" \u{FFFD}", None);
    }

    #[test]
    fn keeps_the_first_error() {
        let mut scratch = Vec::new();
        assert!(read::<Sample>(br#"{"text":"#, &mut scratch).unwrap_err().is_eof());
    }
}
