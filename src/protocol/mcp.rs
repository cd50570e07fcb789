use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An MCP server that the client brings for one session. It is started unasked: name only what the person has set for
/// themselves, never what a repository says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum McpServer {
    /// A program, spoken to over its standard input and output.
    Stdio {
        /// Stands in the names of its tools: `mcp__name__tool`.
        name: String,
        command: String,
        #[serde(default)]
        args: Vec<String>,
        /// Set for it, beside Pillion's own environment without its secrets.
        #[serde(default)]
        env: Vec<NamedValue>,
    },
    /// Streamable HTTP.
    Http {
        /// Stands in the names of its tools: `mcp__name__tool`.
        name: String,
        url: String,
        #[serde(default)]
        headers: Vec<NamedValue>,
    },
}

/// A variable or a header.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedValue {
    pub name: String,
    pub value: String,
}

/// Lists MCP servers and what has become of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct McpListParams {
    /// Lists the servers that were brought for this session, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct McpListResponse {
    pub servers: Vec<McpServerInfo>,
}

/// An MCP server as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct McpServerInfo {
    pub name: String,
    pub state: McpServerState,
    /// How many of its tools the model is offered.
    pub tools: u32,
    /// What failed, while it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What has become of an MCP server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum McpServerState {
    /// For the first time, or again after it ended.
    Starting,
    Ready,
    /// Given up; it is tried again when the settings are read again.
    Failed,
    /// Switched off in the settings.
    Disabled,
}

/// Without what may be a secret.
impl std::fmt::Debug for McpServer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Stdio { name, .. } | Self::Http { name, .. }) = self;
        formatter.debug_tuple("McpServer").field(name).finish()
    }
}
