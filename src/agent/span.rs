//! Spans of turns and of what tools do, as [`provider::span`](crate::provider::span) has those of model calls.

use tracing::{Span, field::Empty};

use super::{Agent, CallStatus, Outcome, TurnError};
use crate::{
    provider::span::{TARGET, finish_reason, provider_name, record_usage},
    transcript::ToolCall,
};

/// A turn of an agent.
pub(super) fn turn(agent: &Agent) -> Span {
    tracing::info_span!(
        target: TARGET,
        "invoke_agent",
        gen_ai.operation.name = "invoke_agent",
        gen_ai.agent.name = &*agent.setup.name,
        gen_ai.provider.name = provider_name(agent.provider.name()),
        gen_ai.request.model = agent.setup.model.as_str(),
        gen_ai.conversation.id = agent.setup.cache.key.as_deref(),
        gen_ai.response.finish_reasons = Empty,
        gen_ai.usage.input_tokens = Empty,
        gen_ai.usage.output_tokens = Empty,
        gen_ai.usage.cache_read.input_tokens = Empty,
        gen_ai.usage.cache_creation.input_tokens = Empty,
        error.type = Empty,
    )
}

pub(super) fn turn_ended(span: &Span, outcome: &Outcome) {
    record_usage(span, &outcome.usage);
    span.record("gen_ai.response.finish_reasons", finish_reason(outcome.stop_reason));
    let error = outcome.error.as_ref().map(|error| match error {
        TurnError::Provider(error) => error.class.name(),
        TurnError::Panic(_) => "panic",
        TurnError::Hook(_) => "hook",
    });
    span.record("error.type", error);
}

/// A call that runs: it does not count what the person takes to allow it.
pub(super) fn call(call: &ToolCall) -> Span {
    tracing::info_span!(
        target: TARGET,
        "execute_tool",
        gen_ai.operation.name = "execute_tool",
        gen_ai.tool.name = call.name.as_str(),
        gen_ai.tool.call.id = call.id.as_str(),
        gen_ai.tool.type = "function",
        error.type = Empty,
    )
}

pub(super) fn call_ended(span: &Span, status: CallStatus) {
    let error = match status {
        CallStatus::Ok => None,
        CallStatus::Failed => Some("failed"),
        CallStatus::Denied => Some("denied"),
        CallStatus::Cancelled => Some("cancelled"),
    };
    span.record("error.type", error);
}
