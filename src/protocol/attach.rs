//! How one Pillion attaches to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ClientCapabilities;

/// The first request on the private socket.
pub const ATTACH: &str = "attach";

/// Introduces who attaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachParams {
    /// Of the protocol; any other than the server's own is refused.
    pub protocol_version: u32,
    /// Of Pillion.
    pub version: String,
    /// What the events call it, for example `terminal`.
    pub name: String,
    /// Only `approvalRequest` and `questionRequest` matter.
    #[serde(default)]
    pub capabilities: ClientCapabilities,
}

/// Introduces whom it attaches to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachResponse {
    pub protocol_version: u32,
    /// Of Pillion.
    pub version: String,
    pub process_id: u32,
    /// The folders it works in, as absolute paths.
    pub roots: Vec<String>,
}
