//! OpenAI's chat completions (<https://platform.openai.com/docs/api-reference/chat>), which most other providers and
//! local servers speak too, each with [`Quirks`] of its own.

mod chunk;
mod fold;
pub(super) mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;

use super::{Provider, ProviderError, Request, StreamEvent, cache::Caching, http, http::Endpoint, refused};

/// A server that speaks OpenAI's chat completions.
#[derive(Clone, Debug)]
pub struct OpenAi {
    endpoint: Endpoint,
    quirks: Quirks,
}

/// In what a server differs from the most common behaviour, which is the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    pub limit: LimitField,
    /// It refuses `stream_options`, or tells the usage without being asked.
    pub no_stream_options: bool,
    pub reasoning: ReasoningField,
    pub give_back: GiveBack,
    pub caching: Caching,
    /// Ids of calls must be nine letters or digits.
    pub short_call_ids: bool,
}

/// The name of the limit on generated tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitField {
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models insist on.
    MaxCompletionTokens,
}

/// How a server is asked to reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReasoningField {
    /// It is not: the model does or does not.
    #[default]
    None,
    /// `reasoning_effort`: low, medium or high.
    Effort,
    /// `reasoning: {max_tokens}`, OpenRouter's.
    Budget,
}

/// What a server needs to see again of its model's reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GiveBack {
    #[default]
    Nothing,
    /// `reasoning_content`, with messages that have tool calls; an empty one where nothing was reasoned, or another
    /// model did: a server that wants it refuses a call without.
    Content,
    /// `reasoning_details`, unchanged.
    Details,
    /// `extra_content` of calls, unchanged: Google's.
    CallExtras,
}

impl OpenAi {
    pub fn new(endpoint: Endpoint, quirks: Quirks) -> Self {
        Self { endpoint, quirks }
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let ability = self.quirks.caching.ability(&request.model);
        if let Err(failure) = request.cache.check(ability, &request.messages) {
            return refused(&self.endpoint.name, failure);
        }
        let body = request::body(&request, &self.quirks).to_string().into_bytes();
        http::stream(self.endpoint.clone(), "chat/completions", Vec::new(), body, fold::Chat::default())
    }
}
