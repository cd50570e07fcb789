//! A request's id.

use std::{fmt, sync::Arc};

use serde_json::value::RawValue;

/// A request's id: a string, a number or null, kept as its JSON text, so that it goes back exactly as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Id(Arc<str>);

/// Real ids take a few bytes; longer ones would let a peer park memory here.
const LENGTH_MAX: usize = 4 << 10;

impl Id {
    /// What an answer carries when the request's id could not be read.
    pub fn null() -> Self {
        Self(Arc::from("null"))
    }

    /// `None` for what cannot be an id: an object, an array, a boolean, a text of more than 4 KiB.
    pub fn read(raw: &RawValue) -> Option<Self> {
        let text = raw.get();
        let is_id = text == "null" || matches!(text.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9'));
        (is_id && text.len() <= LENGTH_MAX).then(|| Self(Arc::from(text)))
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
