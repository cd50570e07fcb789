//! How one Pillion attaches to another.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ClientCapabilities;

/// The first request on the private socket.
pub const ATTACH: &str = "attach";
/// Asks who attaches for a file as it shows it.
pub const FILE_READ: &str = "file/read";
/// Puts a text in the place of what it shows.
pub const FILE_WRITE: &str = "file/write";

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
    /// It answers `file/read` with `FileReadParams`, about files that no editor has open.
    #[serde(default)]
    pub reads_files: bool,
    /// It answers `file/write` with `FileWriteParams`, too.
    #[serde(default)]
    pub writes_files: bool,
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

/// What does who attaches show of a file?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileReadParams {
    /// Absolute, without symlinks.
    pub path: String,
}

/// The answer to `file/read`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileReadResponse {
    /// Saved or not; absent if it has no say about this file, and then the disk counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A text to be shown in the place of another. Answered with an empty object once it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileWriteParams {
    /// Absolute, without symlinks.
    pub path: String,
    pub text: String,
}
