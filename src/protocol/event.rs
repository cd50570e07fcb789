use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Approval, ApprovalScope, CommandInfo, ContentBlock, ContextUse, FileDiff, Limits, Mode, Question, QuestionOutcome,
    Task, ToolClass, Usage,
};

/// A fact in a session's log, as clients get it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEventNotification {
    pub session_id: String,
    /// From 1, without gaps.
    pub seq: u64,
    /// Where adjacent deltas were joined for a subscriber that fell behind: the number of the first of them. `seq` is that
    /// of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_seq: Option<u64>,
    pub event: SessionEvent,
}

/// What happened. The last event of a turn is `turnEnded`, exactly once, and nothing of the turn follows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[allow(clippy::large_enum_variant, reason = "events are told one by one, and none is kept")]
pub enum SessionEvent {
    /// A turn began with this prompt.
    TurnStarted {
        turn_id: String,
        prompt: Vec<ContentBlock>,
        /// What the client that sent it calls itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// As in `turn/start`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        output_schema: Option<Value>,
    },
    /// The person said this to the running turn.
    TurnSteered {
        prompt: Vec<ContentBlock>,
        /// What the client that sent it calls itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
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
    /// What one model call took, and the turn so far. Each model call that came to its end has one, after all it said.
    Usage {
        round: Usage,
        turn: Usage,
        /// Absent in logs of an older Pillion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        context: Option<ContextUse>,
    },
    /// What the model said since the turn's last `usage`, or since its start, is withdrawn, `messageDelta` and
    /// `reasoningDelta` alike: its answer broke off and begins anew. Take it off the screen.
    Superseded,
    /// The model is writing a call of this tool, which comes whole as `toolCall`. Now and then, not for every piece.
    ToolPreparing {
        tool: String,
        /// How much of its input there is.
        bytes: u64,
    },
    /// A model call failed and will be tried again.
    Retry {
        /// The number of the try that comes next, from 2.
        attempt: u32,
        delay_ms: u64,
        /// What failed.
        error: String,
    },
    /// The model asks the person something.
    QuestionAsked { question: Question },
    /// It waits no more: close what shows it.
    QuestionResolved { question_id: String, outcome: QuestionOutcome },
    /// A command goes on in the background. It may outlive the turn.
    TaskStarted { task: Task },
    /// A background task ended. The model is told before its next call, in this turn or the next.
    TaskEnded {
        task: Task,
        /// What it printed, clipped, and how it ended.
        text: String,
    },
    /// A model was too busy to answer, and for the rest of the turn another one is asked.
    Fallback {
        /// `provider/model`.
        from: String,
        /// `provider/model`.
        to: String,
        /// What failed.
        error: String,
    },
    /// What this turn changed in these files or folders is other than it was: more was changed, or something was taken
    /// back, maybe long after the turn. `change/list` has it.
    Changes { turn_id: String, uris: Vec<String> },
    /// What is to do, as the model sees it now: the whole list each time.
    Plan { items: Vec<PlanItem> },
    /// What happens in a sub-agent's turn, which works for this call. It comes between the call and its result.
    Nested { call_id: String, event: Box<SessionEvent> },
    /// The person gave the session another title.
    SessionRenamed { title: String },
    /// The session's settings changed.
    SessionConfigured { model: String, mode: Mode, limits: Limits },
    /// The prompt commands are others than when they were last listed for this session. Looked for when a turn begins and
    /// when they are listed.
    CommandsChanged { commands: Vec<CommandInfo> },
    /// The model is offered other tools from its next call on: an MCP server is ready, has changed what it offers, or is
    /// gone. By name, sorted.
    ToolsChanged { added: Vec<String>, removed: Vec<String> },
    /// Something the person should know.
    Notice { level: NoticeLevel, message: String },
    /// The conversation was made shorter for the model; the events before it stay as they are. Comes between turns too,
    /// when a client asked for it.
    Compaction {
        reason: CompactionReason,
        /// What the whole prompt took, estimated.
        tokens_before: u64,
        /// What it takes now, estimated.
        tokens_after: u64,
        /// What was done, in order: `dropThinking`, `dropFailedResults`, `clipOutputs`, `summarise`, `keepRecent`.
        strategies: Vec<String>,
    },
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

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanItem {
    pub text: String,
    pub status: PlanStatus,
}

/// How far something to do is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PlanStatus {
    Pending,
    InProgress,
    Completed,
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
    /// It was not run because nobody could be asked.
    Nobody { reason: String },
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

/// Why a conversation was made shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum CompactionReason {
    /// The model's context was nearly full.
    Share,
    /// There were many messages.
    Messages,
    /// The provider said that the prompt is too long.
    Rejected,
    /// A client asked for it by `session/compact`.
    ByHand,
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
