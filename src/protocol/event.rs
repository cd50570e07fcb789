use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Approval, ApprovalScope, ContentBlock, FileDiff, Limits, Mode, ToolClass, Usage};

/// A fact in a session's log, as clients get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEventNotification {
    pub session_id: String,
    /// From 1, without gaps.
    pub seq: u64,
    pub event: SessionEvent,
}

/// What happened. The last event of a turn is `turnEnded`, exactly once, and nothing of the turn follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SessionEvent {
    /// A turn began with this prompt.
    TurnStarted { turn_id: String, prompt: Vec<ContentBlock> },
    /// The person said this to the running turn.
    TurnSteered { prompt: Vec<ContentBlock> },
    /// More of the model's answer. Adjacent pieces may arrive as one.
    MessageDelta { text: String },
    /// More of the model's reasoning.
    ReasoningDelta { text: String },
    /// The model asked for a tool. Whole, never partial JSON.
    ToolCall { call_id: String, tool: String, input: Value, class: ToolClass, title: String },
    /// A call waits for the person.
    ApprovalRequested { approval: Approval },
    /// It waits no more: close what shows it.
    ApprovalResolved { approval_id: String, outcome: ApprovalOutcome },
    /// More of a running call's output.
    ToolProgress {
        call_id: String,
        /// Where `text` begins, in bytes of the call's whole output.
        offset: u64,
        text: String,
    },
    /// A call ended.
    ToolResult {
        call_id: String,
        status: ToolStatus,
        /// What the model reads; images are left out.
        text: String,
        /// What changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<FileDiff>,
    },
    /// One model call's tokens, and the turn's so far.
    Usage { round: Usage, turn: Usage },
    /// A model call failed before any output was shown and will be tried again.
    Retry {
        /// The number of the try that comes next, from 2.
        attempt: u32,
        delay_ms: u64,
        /// What failed.
        error: String,
    },
    /// The session's settings changed.
    SessionConfigured { model: String, mode: Mode, limits: Limits },
    /// Something the person should know.
    Notice { level: NoticeLevel, message: String },
    /// The turn is over.
    TurnEnded {
        turn_id: String,
        stop_reason: TurnStopReason,
        /// Summed over the turn.
        usage: Usage,
        /// What failed, and what to do.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

/// How an approval was resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ApprovalOutcome {
    /// The person allowed it.
    Allowed { scope: ApprovalScope },
    /// The person refused.
    Denied {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The turn ended before anybody answered.
    Cancelled,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ToolStatus {
    Ok,
    Failed,
    Denied,
    Cancelled,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NoticeLevel {
    Info,
    Warning,
    Error,
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TurnStopReason {
    /// The model had said what it wanted to say.
    EndTurn,
    /// The answer was cut at the token limit.
    MaxTokens,
    StopSequence,
    /// The model, or a filter of the provider, declined.
    Refusal,
    /// The turn used up its model calls; a new prompt goes on from here.
    TurnLimit,
    /// The person stopped it.
    Cancelled,
    /// It failed; `error` says how.
    Error,
    /// The process ended in the middle of it.
    Interrupted,
}
