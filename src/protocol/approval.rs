use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{FileDiff, Question};

/// What a call may touch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ToolClass {
    /// Looks, changes nothing.
    Read,
    /// Changes files or buffers, in a way that can be undone.
    Edit,
    /// Runs a program.
    Execute,
    /// Reaches the network.
    Network,
}

/// A call that waits for the person. It has an id, outlives a reconnect, and the first answer wins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    pub approval_id: String,
    pub session_id: String,
    pub turn_id: String,
    pub call_id: String,
    pub tool: String,
    /// What the tool would be given.
    pub input: Value,
    pub class: ToolClass,
    /// One line for a person, for example `Edit src/main.rs`.
    pub title: String,
    /// The command line, if it would run one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Absolute paths it would touch.
    pub paths: Vec<String>,
    /// True if one of them lies outside the session's roots.
    pub outside: bool,
    /// Why this one deserves a closer look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<String>,
    /// What would change, if it would edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<FileDiff>,
    /// The rules that would silence this call, as they would be stored by `scope` `session`, `project` or `user`.
    pub rules: Vec<String>,
    /// The sub-agent that asks; absent if it is the session's own agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Asker>,
}

/// A sub-agent that wants something of the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Asker {
    /// The session's own call that it works for; the call that asks is one of those nested in it.
    pub call_id: String,
    /// Its name, after those of the sub-agents around it: `reviewer > sub-agent`.
    pub name: String,
}

impl Approval {
    /// The input in full, where neither a command nor a change says what the call would do: a tool of an MCP server does
    /// what its input says.
    pub fn telling_input(&self) -> Option<String> {
        let is_told = self.command.is_some() || self.diff.is_some() || !self.paths.is_empty();
        let is_open = matches!(self.class, ToolClass::Execute | ToolClass::Network);
        (is_open && !is_told).then(|| serde_json::to_string_pretty(&self.input).unwrap_or_default())
    }
}

impl Approval {
    /// The id of a turn's approval, from the id that the turn has for it. The same question has the same id after a restart.
    pub fn id(turn_id: &str, request_id: &str) -> String {
        format!("{turn_id}-{request_id}")
    }
}

/// The request that puts an [`Approval`] before the person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequestParams {
    pub approval: Approval,
}

/// What the person says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ApprovalDecision {
    /// Run it.
    Allow {
        #[serde(default)]
        scope: ApprovalScope,
        /// Run it with this input instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        input: Option<Value>,
        /// Only these hunks of the diff, by index from 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hunks: Option<Vec<usize>>,
        /// Keep these rules for `scope`, instead of those that the approval shows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rules: Option<Vec<String>>,
    },
    /// Do not run it. The model reads the reason.
    Deny {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Nobody can be asked here, so it is not run: for clients without a person, or that cannot show it.
    Nobody {
        /// Why not, for the model and the person.
        reason: String,
    },
    /// Do not run it, and stop the turn.
    CancelTurn,
}

/// How long an allowance lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ApprovalScope {
    /// This call only.
    #[default]
    Once,
    /// Calls that match the approval's rules, until the session is closed.
    Session,
    /// The same, kept for this project in the user's configuration folder.
    Project,
    /// The same, kept for all projects of this user.
    User,
}

/// Asks for what waits for the person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApprovalListParams {
    /// Only in this session; in all that are open when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// What waits for the person, in each session in the order in which it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalListResponse {
    pub approvals: Vec<Approval>,
    pub questions: Vec<Question>,
}

/// Answers an approval that any client was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRespondParams {
    pub approval_id: String,
    pub decision: ApprovalDecision,
}

/// Whether this answer was the first. If not, the approval had been resolved before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRespondResponse {
    pub accepted: bool,
}
