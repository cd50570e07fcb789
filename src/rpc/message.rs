//! One message: what a frame's text says.

use std::borrow::Cow;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};
use serde_json::{error::Category, value::RawValue};

use super::{Error, Id};

/// More than any client sends at once; a frame of 64 MiB could hold 32 million.
const BATCH_MAX: usize = 1_000;

/// A message, borrowed from the frame it came in. Parameters and results stay text until someone wants them: nothing
/// here recurses, so no depth of nesting is dangerous.
pub(super) enum Message<'a> {
    Request { id: Id, method: Cow<'a, str>, params: Option<&'a RawValue> },
    Notification { method: Cow<'a, str>, params: Option<&'a RawValue> },
    Response { id: &'a RawValue, outcome: Result<&'a RawValue, Error> },
}

/// What stands in a frame.
pub(super) enum Body<'a> {
    Single(&'a str),
    Batch(Vec<&'a RawValue>),
}

/// Something that is no message, with the id to answer to as far as it could be read.
pub(super) struct Malformed {
    pub(super) id: Id,
    pub(super) error: Error,
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// Tells `null` from nothing.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

impl<'a> Body<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Malformed> {
        if !text.trim_start().starts_with('[') {
            return Ok(Self::Single(text));
        }
        let Elements(elements) = serde_json::from_str(text).map_err(malformed)?;
        if elements.is_empty() {
            return Err(Malformed { id: Id::null(), error: Error::invalid_request("the batch is empty") });
        }
        Ok(Self::Batch(elements))
    }
}

impl<'a> Message<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Malformed> {
        let fields: Fields<'a> = serde_json::from_str(text).map_err(malformed)?;
        let id = match fields.id {
            None => None,
            Some(raw) => Some(Id::read(raw).ok_or_else(|| {
                let error = Error::invalid_request("an id must be a string, a number or null");
                Malformed { id: Id::null(), error }
            })?),
        };
        if let Some(method) = fields.method {
            let refuse = |message: &str| {
                let id = id.clone().unwrap_or_else(Id::null);
                Malformed { id, error: Error::invalid_request(message) }
            };
            if fields.jsonrpc.is_none_or(|version| version.get() != "\"2.0\"") {
                return Err(refuse("`jsonrpc` must be \"2.0\""));
            }
            let method = read_string(method).ok_or_else(|| refuse("`method` must be a string"))?;
            return Ok(match id {
                Some(id) => Self::Request { id, method, params: fields.params },
                None => Self::Notification { method, params: fields.params },
            });
        }
        // Some peers send `"error": null` beside a result, or `"result": null` beside an error. An error that says
        // something counts.
        let outcome = match (fields.result, fields.error) {
            (_, Some(error)) => Err(read_error(error)),
            (Some(result), None) => Ok(result),
            (None, None) => {
                let error = Error::invalid_request("neither a request, a notification nor a response");
                return Err(Malformed { id: id.unwrap_or_else(Id::null), error });
            }
        };
        match fields.id {
            Some(id) => Ok(Self::Response { id, outcome }),
            None => Err(Malformed { id: Id::null(), error: Error::invalid_request("a response without an id") }),
        }
    }
}

fn malformed(error: serde_json::Error) -> Malformed {
    let code = if error.classify() == Category::Data { Error::INVALID_REQUEST } else { Error::PARSE };
    Malformed { id: Id::null(), error: Error::new(code, format!("the message cannot be read: {error}")) }
}

fn read_string(raw: &RawValue) -> Option<Cow<'_, str>> {
    match raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
    }
}

fn read_error(raw: &RawValue) -> Error {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| Error::internal(raw.get()))
}

/// The elements of a batch, so many at most.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Vec<&'de RawValue>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                write!(formatter, "a batch of at most {BATCH_MAX} messages")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = sequence.next_element()? {
                    if elements.len() == BATCH_MAX {
                        return Err(de::Error::invalid_length(elements.len() + 1, &self));
                    }
                    elements.push(element);
                }
                Ok(elements)
            }
        }
        deserializer.deserialize_seq(Bounded).map(Elements)
    }
}
