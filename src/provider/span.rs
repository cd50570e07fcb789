//! Spans of model calls, in the words of OpenTelemetry's conventions for generative AI
//! (<https://opentelemetry.io/docs/specs/semconv/gen-ai/>): for whoever collects `tracing` spans. They tell what took how
//! long and how much, and nothing of what was said. Without a collector they cost next to nothing.

use tracing::{Span, field::Empty};

use super::{Completion, ErrorClass, ProviderError, Request, StreamEvent};
use crate::transcript::{StopReason, Usage};

/// The target of all spans that follow those conventions.
pub const TARGET: &str = "gen_ai";

/// One call of a model, with all its tries.
pub(super) fn chat(provider: &str, request: &Request) -> Span {
    tracing::info_span!(
        target: TARGET,
        "chat",
        gen_ai.operation.name = "chat",
        gen_ai.provider.name = provider_name(provider),
        gen_ai.request.model = request.model.as_str(),
        gen_ai.conversation.id = request.cache.key.as_deref(),
        gen_ai.response.model = Empty,
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        error.type = Empty,
    )
}

/// Notes what an event says of the call's end.
pub(super) fn hear(span: &Span, event: &Result<StreamEvent, ProviderError>) {
    match event {
        Ok(StreamEvent::Done(Completion { model, stop_reason, usage, .. })) => {
            span.record("gen_ai.response.model", model.as_deref());
            span.record("gen_ai.response.finish_reasons", stop_reason.map(finish_reason));
            record_usage(span, usage);
        }
        Ok(_) => {}
        Err(error) => {
            span.record("error.type", error.class.name());
            record_usage(span, &error.partial.usage);
        }
    }
}

pub fn record_usage(span: &Span, usage: &Usage) {
    // There, what a cache held is a part of the input.
    span.record("gen_ai.usage.input_tokens", usage.prompt_tokens());
    span.record("gen_ai.usage.output_tokens", usage.output_tokens);
    span.record("gen_ai.usage.cache_read.input_tokens", usage.cache_read_tokens);
    span.record("gen_ai.usage.cache_creation.input_tokens", usage.cache_write_tokens);
}

/// A provider as the conventions call it.
pub fn provider_name(name: &str) -> &str {
    match name {
        "azure" => "azure.ai.openai",
        "gemini" | "gemini-chat" => "gcp.gemini",
        "mistral" => "mistral_ai",
        "moonshot" => "moonshot_ai",
        "openai-chat" => "openai",
        "xai" => "x_ai",
        name => name,
    }
}

/// A reason as the conventions call it.
pub fn finish_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::EndTurn | StopReason::StopSequence => "stop",
        StopReason::ToolCalls => "tool_call",
        StopReason::MaxTokens => "length",
        StopReason::Refusal => "content_filter",
        StopReason::Pause => "pause",
        StopReason::TurnLimit => "turn_limit",
        StopReason::Cancelled => "cancelled",
        StopReason::Error => "error",
    }
}

impl ErrorClass {
    /// For machines, in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::Overloaded => "overloaded",
            Self::Auth => "auth",
            Self::ContextLength => "context_length",
            Self::BadRequest => "bad_request",
            Self::ContentFilter => "content_filter",
            Self::Network => "network",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
        }
    }
}
