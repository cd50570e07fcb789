use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Lists the prompt commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CommandListParams {
    /// Those of this session's roots; of the editor's workspace folders when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// The commands, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandListResponse {
    pub commands: Vec<CommandInfo>,
}

/// A text that a prompt can name, as `/name arguments` or by a block `command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandInfo {
    /// Without the slash.
    pub name: String,
    /// One line.
    pub description: String,
    /// What may follow the name, for a person: `<issue> [priority]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// `user`, `project`, or the name of what else has it.
    pub source: String,
}
