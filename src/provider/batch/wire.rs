//! What the API says of batches and their results, read.

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, value::RawValue};

use super::{Answer, Batch, Counts, Outcome, Page, Status};
use crate::provider::{
    ErrorClass, anthropic,
    error::Failure,
    json::{self, Count, Text, or_default},
};

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    processing_status: Text<'a>,
    #[serde(default, deserialize_with = "or_default")]
    request_counts: RawCounts,
    #[serde(borrow, default)]
    created_at: Text<'a>,
    #[serde(default)]
    archived_at: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawCounts {
    processing: Count,
    succeeded: Count,
    errored: Count,
    canceled: Count,
    expired: Count,
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    data: Vec<RawBatch<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    has_more: bool,
}

#[derive(Deserialize)]
struct RawLine<'a> {
    custom_id: String,
    #[serde(borrow)]
    result: RawResult<'a>,
}

#[derive(Deserialize)]
struct RawResult<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    error: Option<Value>,
}

impl RawBatch<'_> {
    fn read(self) -> Option<Batch> {
        let count = |count: Count| count.0.unwrap_or(0);
        let counts = self.request_counts;
        Some(Batch {
            id: self.id.some()?.to_owned(),
            status: match &*self.processing_status.0 {
                "ended" => Status::Ended,
                "canceling" => Status::Canceling,
                _ => Status::InProgress,
            },
            counts: Counts {
                processing: count(counts.processing),
                succeeded: count(counts.succeeded),
                errored: count(counts.errored),
                cancelled: count(counts.canceled),
                expired: count(counts.expired),
            },
            created_at: self.created_at.some().map(str::to_owned),
            is_archived: self.archived_at.is_some(),
        })
    }
}

pub fn batch(body: &[u8]) -> Result<Batch, Failure> {
    let mut scratch = Vec::new();
    let raw: Option<RawBatch<'_>> = json::read(body, &mut scratch).ok();
    raw.and_then(RawBatch::read).ok_or_else(|| Failure::in_answer(body))
}

pub fn page(body: &[u8]) -> Result<Page, Failure> {
    let mut scratch = Vec::new();
    let raw: RawPage<'_> = json::read(body, &mut scratch).map_err(|_| Failure::in_answer(body))?;
    let batches: Vec<Batch> = raw.data.into_iter().filter_map(RawBatch::read).collect();
    // The API gives the id as `last_id` too.
    let next = batches.last().map(|last| last.id.clone()).filter(|_| raw.has_more);
    Ok(Page { batches, next })
}

/// A line of the results of the provider of this name.
///
/// # Errors
/// Says why this is no line of results.
pub fn line(line: &[u8], name: &str) -> Result<Answer, String> {
    let RawLine { custom_id: id, result } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let outcome = match &*result.kind.0 {
        "succeeded" => {
            let message = result.message.ok_or("it says `succeeded` and has no message")?;
            match anthropic::completion(message.get().as_bytes(), name) {
                Ok(completion) => Outcome::Succeeded(completion),
                Err(failure) => return Err(format!("its message is none: {}", failure.what)),
            }
        }
        "errored" => {
            let error = result.error.unwrap_or_default();
            let failure = Failure::reported(None, &error)
                .unwrap_or_else(|| Failure::new(ErrorClass::BadRequest, format!("no reason was given: {error}")));
            Outcome::Errored { class: failure.class, message: failure.what }
        }
        "canceled" => Outcome::Cancelled,
        "expired" => Outcome::Expired,
        other => return Err(format!("`{other}` is no known outcome")),
    };
    Ok(Answer { id, outcome })
}
