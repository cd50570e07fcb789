use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DiagnosticRange;

/// Lists what turns changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeListParams {
    pub session_id: String,
    /// Only of this turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
}

/// In the order in which it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeListResponse {
    pub changes: Vec<FileChange>,
}

/// What one turn did to one file, or to a folder, as it stands now. All edits of a file in a turn are one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileChange {
    pub turn_id: String,
    /// The calls that did it, in order; of a sub-agent's call, with the calls around it: `call_1.call_7`.
    pub call_ids: Vec<String>,
    /// Where it is now, as the editor that has it open calls it; where it was, if it was deleted.
    pub uri: String,
    pub kind: ChangeKind,
    pub state: ChangeState,
    /// Where it was before a `move`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Of `edit` and `create`, as they follow each other in the text; what is not in it any more comes last.
    pub hunks: Vec<ChangeHunk>,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ChangeKind {
    Edit,
    /// It was made, and perhaps edited after that.
    Create,
    Delete,
    Move,
}

/// What has become of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ChangeState {
    /// It stands and can be taken back; of a file's hunks, at least one.
    Kept,
    /// It was taken back, by `change/revert` or by hand.
    Reverted,
    /// Somebody has changed it since: it stays as it is.
    ChangedSince,
}

/// Whole lines that were put in the place of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeHunk {
    /// For `change/revert`. It holds until the same turn edits the file again.
    pub id: String,
    /// Where it stands in the text as it is now; of one that was taken back, where the old lines are. Absent if that
    /// cannot be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<DiagnosticRange>,
    /// What was there before; empty if it only brought something.
    pub old: String,
    /// What it brought; empty if it only took something away.
    pub new: String,
    pub state: ChangeState,
}

/// Asks for the texts of a file that a turn changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeTextParams {
    pub session_id: String,
    pub turn_id: String,
    /// As in `change/list`.
    pub uri: String,
}

/// Two texts for a diff editor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeTextResponse {
    /// As it would be without what is left of the turn's changes.
    pub before: String,
    /// As it is now; empty if it was deleted.
    pub after: String,
}

/// Takes back what fits all that is given. One of `turnId`, `uri` and `hunks` must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRevertParams {
    pub session_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn_id: Option<String>,
    /// As in `change/list`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// By their `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hunks: Option<Vec<String>>,
}

/// What came of it, the latest change first. What had been taken back before is in neither list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRevertResponse {
    pub reverted: Vec<RevertedChange>,
    pub refused: Vec<RefusedChange>,
}

/// Something that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevertedChange {
    pub turn_id: String,
    pub uri: String,
    /// None of a move or a deletion.
    pub hunks: Vec<String>,
}

/// Something that stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefusedChange {
    pub turn_id: String,
    pub uri: String,
    /// Absent for a move or a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hunk: Option<String>,
    /// For the person.
    pub reason: String,
}
