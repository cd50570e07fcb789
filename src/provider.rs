//! Talking to a model: one trait, one stream of events, one set of error classes.
//!
//! A provider owns its wire format and nothing else. Retries are [`retry`]'s, the turn is [`crate::agent`]'s.

pub mod anthropic;
pub mod openai;
pub mod scripted;

pub mod presets;
pub mod retry;

pub mod http;
pub mod key;
pub mod sse;

mod answer;
mod error;
mod json;
mod think;

use std::{sync::Arc, time::Duration};

use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::transcript::{Content, Message, StopReason, ToolCall, Usage};

/// A source of model answers.
pub trait Provider: Send + Sync + 'static {
    /// The name under which configuration knows it, for example `anthropic`.
    fn name(&self) -> &str;

    /// Starts one model call. The stream yields deltas as they come and ends with exactly one [`StreamEvent::Done`] or
    /// one error; nothing follows either. Dropping it closes the connection.
    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>>;
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

/// How much the model may reason before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinking {
    /// In tokens; 1,024 is the least that Anthropic takes.
    pub budget_tokens: u32,
}

/// How long the provider is asked to keep the prompt's prefix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    Off,
    /// Five minutes, refreshed by each use.
    #[default]
    Short,
    /// One hour for the system text and the tools; the moving end of the transcript stays at five minutes.
    Long,
}

/// What a model call yields.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamEvent {
    Text(String),
    Thinking(String),
    /// A whole call. The same call is part of [`Completion::content`].
    ToolCall(ToolCall),
    /// A try failed before any output was shown; number `attempt`, from 2, follows after `delay`.
    Retry {
        /// The number of the try that follows, from 2.
        attempt: u32,
        delay: Duration,
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

/// 0.2 as a 32-bit number would otherwise be sent as 0.20000000298.
fn round(number: f32) -> f64 {
    (f64::from(number) * 1e4).round() / 1e4
}
