//! Talking to a model: one trait, one stream of events, one set of error classes.
//!
//! A provider owns its wire format and nothing else. Retries are [`retry`]'s, the turn is [`crate::agent`]'s.

pub mod anthropic;
pub mod gemini;
pub mod openai;
pub mod responses;
pub mod scripted;

pub mod catalog;
pub mod presets;

pub mod batch;
pub mod fallback;
pub mod record;
pub mod retry;

pub mod cache;

pub mod http;
pub mod key;
pub mod span;
pub mod sse;

mod answer;
mod call;
mod error;
mod json;
mod opaque;
pub(crate) mod schema;
mod think;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, stream, stream::BoxStream};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::batch::Batches;
pub use self::cache::Cache;
use crate::transcript::{Content, Message, StopReason, ToolCall, Usage};

/// A source of model answers.
pub trait Provider: Send + Sync + 'static {
    /// The name under which configuration knows it, for example `anthropic`.
    fn name(&self) -> &str;

    /// Starts one model call. The stream yields deltas as they come and ends with exactly one [`StreamEvent::Done`] or
    /// one error; nothing follows either. Dropping it closes the connection.
    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>>;

    /// Its batches, where it has some.
    fn batches(&self) -> Option<Batches> {
        None
    }
}

/// One model call.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The provider's own name of the model.
    pub model: String,
    /// System text, in blocks, most stable first.
    pub system: Vec<String>,
    pub messages: Vec<Message>,
    /// Sorted by name, so that the prefix stays the same from call to call.
    pub tools: Vec<ToolSpec>,
    /// The most tokens to generate; the provider's default when absent.
    pub max_tokens: Option<u32>,
    pub temperature: Option<f32>,
    pub stop_sequences: Vec<String>,
    pub thinking: Option<Thinking>,
    /// The shape that the text of the answer must have; free text when absent.
    pub output_schema: Option<OutputSchema>,
    /// What is asked to be kept of it.
    pub cache: Cache,
}

/// A tool as the model sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    pub name: String,
    pub description: String,
    /// A JSON Schema of an object.
    pub input_schema: Value,
}

/// How much the model may reason before it answers. A model that is asked in the other way gets the counterpart, see
/// [`Thinking::budget`] and [`Thinking::effort`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thinking {
    /// In tokens; 1,024 is the least that Anthropic takes. 0 is none at all, or the least of a model that always thinks.
    Budget(u32),
    Effort(Effort),
}

/// How hard the model is asked to think. Where a model knows fewer levels, it gets the nearest it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    Max,
}

/// The JSON that the model is asked to answer with, and nothing around it.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputSchema {
    /// What the answer is, for providers that want a name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// A JSON Schema of an object. Each provider takes a part of JSON Schema; what it does not take is left out of what
    /// it is told, so an answer has to be checked.
    pub schema: Value,
}

/// What a model call yields.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    Text(String),
    Thinking(String),
    /// A piece of a call's input, as it comes; its call follows when it is whole.
    ToolInput {
        /// The how manyth call of the answer it is, from 0.
        index: usize,
        tool: String,
        fragment: String,
    },
    /// A whole call. The same call is part of [`Completion::content`].
    ToolCall(ToolCall),
    /// What was yielded so far is withdrawn; a [`StreamEvent::Retry`] follows. From [`retry`] only.
    Superseded {
        /// What the try used.
        usage: Usage,
    },
    /// A try failed; number `attempt`, from 2, follows after `delay`. From [`retry`] only.
    Retry {
        /// The number of the try that follows, from 2.
        attempt: u32,
        delay: Duration,
        error: String,
    },
    /// Nothing was said by one model, which is too busy, and the next one is asked; see [`fallback`].
    Fallback {
        /// `provider/model`.
        from: String,
        to: String,
        error: String,
    },
    Done(Completion),
}

/// A finished (or, inside an error, an interrupted) answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// In the order the model gave it. Holds no tool call that was cut off.
    pub content: Vec<Content>,
    /// `None` in an interrupted answer.
    pub stop_reason: Option<StopReason>,
    /// The provider's own word for it.
    pub raw_stop_reason: Option<String>,
    pub usage: Usage,
    /// The model that answered, as the provider names it.
    pub model: Option<String>,
}

/// A failed model call, with what had arrived.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    pub class: ErrorClass,
    /// What happened, what it means and what to do, for a person.
    pub message: String,
    /// The HTTP status, where there was one.
    pub status: Option<u16>,
    /// What the provider asked us to wait before the next try.
    pub retry_after: Option<Duration>,
    pub partial: Box<Completion>,
}

/// What kind of failure it was, and with it what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorClass {
    /// The key is missing, wrong, or not allowed to do this.
    Auth,
    RateLimit,
    /// The provider is too busy or broken on its side.
    Overloaded,
    /// The prompt does not fit the model's window.
    ContextLength,
    BadRequest,
    ContentFilter,
    /// No connection, or it broke or fell silent.
    Network,
    /// The answer was not what the protocol says.
    Malformed,
    /// The answer stopped in the middle.
    Truncated,
}

/// An answer that fails before anything is sent.
fn refused(name: &str, failure: error::Failure) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
    stream::iter([Err(failure.into_error(name, Completion::default()))]).boxed()
}

impl Thinking {
    /// In tokens. The numbers for efforts are chosen so that [`Thinking::effort`] leads back to them.
    pub fn budget(self) -> u32 {
        match self {
            Self::Budget(tokens) => tokens,
            Self::Effort(Effort::Minimal) => 1024,
            Self::Effort(Effort::Low) => 2048,
            Self::Effort(Effort::Medium) => 8192,
            Self::Effort(Effort::High) => 16_384,
            Self::Effort(Effort::Max) => 32_768,
        }
    }

    /// The thresholds are chosen between the budgets that people give for a little, some and much.
    pub fn effort(self) -> Effort {
        match self {
            Self::Effort(effort) => effort,
            Self::Budget(..2048) => Effort::Minimal,
            Self::Budget(2048..4096) => Effort::Low,
            Self::Budget(4096..16_384) => Effort::Medium,
            Self::Budget(16_384..32_768) => Effort::High,
            Self::Budget(32_768..) => Effort::Max,
        }
    }
}

/// 0.2 as a 32-bit number would otherwise be sent as 0.20000000298.
fn round(number: f32) -> f64 {
    (f64::from(number) * 1e4).round() / 1e4
}
