use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{McpServer, Usage};

/// How much happens without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Reading inside the roots is allowed, everything else asks.
    #[default]
    Ask,
    /// Edits inside the roots are allowed too, except to files that other programs run.
    AcceptEdits,
    /// Nothing that changes anything may run.
    Plan,
    /// Everything inside the roots is allowed; what leaves them asks, and so do edits to files that other programs run.
    Auto,
}

/// What a turn may use up. Absent means the configured default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// The most model calls in one turn (default 50).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_limit: Option<u32>,
    /// The most tokens of one model call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Sampling temperature, as the provider defines it: 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Tokens the model may reason with before it answers; 0 switches reasoning off, or asks for the least of a model
    /// that always reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_tokens: Option<u32>,
    /// How hard the model thinks, instead of a number of tokens; it counts more than `thinkingTokens` beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thinking_effort: Option<Effort>,
}

/// How hard the model thinks. Where it knows fewer levels, it gets the nearest it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    Max,
}

/// Starts a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionNewParams {
    /// Folders the session works in, as paths or `file:` URIs; the editor's workspace folders when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<Vec<String>>,
    /// `provider/model`; the configured default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Beside the servers of the settings, for this session alone, for as long as it is open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<McpServer>,
}

/// A session as it is now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    pub session_id: String,
    /// What the person called it, else the first words of its first prompt; empty before that.
    pub title: String,
    /// Absolute paths.
    pub roots: Vec<String>,
    /// `provider/model`.
    pub model: String,
    pub mode: Mode,
    pub limits: Limits,
    /// The number of its latest event; 0 before the first.
    pub last_seq: u64,
    /// The turn that runs now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub created_at: u64,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub updated_at: u64,
    /// Over all its turns.
    pub usage: Usage,
}

/// Lists sessions, the latest used first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SessionListParams {
    /// Only sessions that work in this folder (a path or a `file:` URI).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// `nextCursor` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// The most to return (default 50, at most 500).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of sessions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionListResponse {
    pub sessions: Vec<SessionInfo>,
    /// Present if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// Opens a stored or running session and watches it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionLoadParams {
    pub session_id: String,
    /// Replays the events from this number on (1 for all), before any new one. Without it nothing is replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_seq: Option<u64>,
    /// The folders it works in from now on, for as long as it is open; as they are when absent. All watchers get a
    /// `notice` of a move, and what was allowed elsewhere asks again. Refused while a turn runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roots: Option<Vec<String>>,
    /// As in `session/new`, which keeps none of them. Absent leaves those of a session that is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mcp_servers: Option<Vec<McpServer>>,
}

/// Stops watching a session. Its turn is cancelled when nobody watches it any more; its log stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionCloseParams {
    pub session_id: String,
}

/// Removes a session that nobody watches, for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionDeleteParams {
    pub session_id: String,
}

/// Gives a session another title. Those who watch it get `sessionRenamed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionRenameParams {
    pub session_id: String,
    /// Made one line of at most 80 characters.
    pub title: String,
}

/// Branches off from a session, which stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionForkParams {
    pub session_id: String,
    /// The last turn that the new session has; all that have ended when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
}

/// Changes a session's settings: the mode at once, the rest from the next turn on. What is absent stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionConfigureParams {
    pub session_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// Makes an idle session's conversation shorter for the model. The event `compaction` says when that is done; a `notice`
/// comes instead if there is nothing to gain or it was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionCompactParams {
    pub session_id: String,
    /// What the summary should look to above all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}

/// Nothing more to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Empty {}
