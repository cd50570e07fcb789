use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ContentBlock;

/// Starts a turn. Answers at once; what happens arrives as `session/event`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnStartParams {
    pub session_id: String,
    pub prompt: Vec<ContentBlock>,
    /// If a turn runs, wait for its end, behind those that wait already: the answer comes when the turn begins. Without it,
    /// the request is refused with -32003.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub queue: bool,
    /// A JSON Schema of an object that the last answer is to be, as JSON. Providers do what they can, so it has to be
    /// checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<serde_json::Value>,
}

/// The turn that was started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnStartResponse {
    pub turn_id: String,
}

/// Says something to the running turn. It reaches the model before its next call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnSteerParams {
    pub session_id: String,
    pub prompt: Vec<ContentBlock>,
}

/// Stops the running turn, its processes and its approvals. `turnEnded` follows within a second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnCancelParams {
    pub session_id: String,
    /// Whether to end what runs in the background of the session, too.
    #[serde(default)]
    pub background: bool,
    /// Whether only to take back what this client has waiting (see `queue` of `turn/start`): what runs goes on.
    #[serde(default)]
    pub waiting_only: bool,
}

/// Whether there was a turn to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnCancelResponse {
    pub cancelled: bool,
}
