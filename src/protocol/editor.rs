use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Asks the editor to save these buffers, because a command is about to read the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditorSaveParams {
    pub uris: Vec<String>,
}

/// Which buffers could not be saved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EditorSaveResponse {
    pub failed: Vec<String>,
}

/// Asks the editor what its language servers, compilers and linters say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EditorDiagnosticsParams {
    /// Only of these documents; of all that the editor knows something about when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uris: Option<Vec<String>>,
}

/// What the editor knows now. A document that was asked for and has nothing wrong is there with no items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EditorDiagnosticsResponse {
    pub files: Vec<DocumentDiagnostics>,
}

/// What is wrong in one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DocumentDiagnostics {
    pub uri: String,
    /// The version of the open document that all of them are for. Absent if that is not known; older than the document's
    /// if something has not been checked again since it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    pub items: Vec<Diagnostic>,
}

/// As LSP has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostic {
    pub range: DiagnosticRange,
    /// 1 error, 2 warning, 3 information, 4 hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<u8>,
    pub message: String,
    /// Who says so, for example `rustc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// A number or a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticRange {
    pub start: DiagnosticPosition,
    pub end: DiagnosticPosition,
}

/// Both from 0; characters in the negotiated position encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosticPosition {
    pub line: u32,
    pub character: u32,
}

/// Asks what the person has before them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EditorContextParams {}

/// What the person has before them now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct EditorContextResponse {
    /// The document that the person is in, or was in last. Pillion's own windows are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<ActiveDocument>,
    /// Those that are shown in a window, once for each window.
    pub visible: Vec<VisibleDocument>,
    /// The URIs of all that are open, shown or not.
    pub open: Vec<String>,
}

/// The document that the person is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActiveDocument {
    pub uri: String,
    /// The version of the open document that the places are in, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    pub cursor: EditorPosition,
    /// Absent if nothing is selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<EditorSelection>,
}

/// Both from 0; columns in the negotiated position encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditorPosition {
    pub line: u32,
    pub column: u32,
}

/// What is selected, by places as that of the cursor; the end is right behind the last character.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EditorSelection {
    pub start_line: u32,
    pub start_column: u32,
    pub end_line: u32,
    pub end_column: u32,
    pub text: String,
}

/// What a window shows of a document: lines from 0, both included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VisibleDocument {
    pub uri: String,
    pub start_line: u32,
    pub end_line: u32,
}
