//! What turns changed, in the protocol's words.

use crate::{
    protocol::{
        ChangeHunk, ChangeKind, ChangeRevertResponse, ChangeState, DiagnosticPosition, DiagnosticRange, FileChange,
        RefusedChange, RevertedChange,
    },
    workspace,
};

impl From<workspace::Reviewed> for FileChange {
    fn from(change: workspace::Reviewed) -> Self {
        let workspace::Reviewed { turn_id, calls, uri, from, kind, state, hunks } = change;
        let hunks = hunks.into_iter().map(Into::into).collect();
        Self { turn_id, call_ids: calls, uri, kind: kind.into(), state: state.into(), from, hunks }
    }
}

impl From<workspace::ReviewedHunk> for ChangeHunk {
    fn from(hunk: workspace::ReviewedHunk) -> Self {
        let workspace::ReviewedHunk { id, range, old, new, state } = hunk;
        let position = |at: workspace::Position| DiagnosticPosition { line: at.line, character: at.column };
        let range = range.map(|range| DiagnosticRange { start: position(range.start), end: position(range.end) });
        Self { id, range, old, new, state: state.into() }
    }
}

impl From<workspace::ChangeKind> for ChangeKind {
    fn from(kind: workspace::ChangeKind) -> Self {
        match kind {
            workspace::ChangeKind::Edit => Self::Edit,
            workspace::ChangeKind::Create => Self::Create,
            workspace::ChangeKind::Delete => Self::Delete,
            workspace::ChangeKind::Move => Self::Move,
        }
    }
}

impl From<workspace::ChangeState> for ChangeState {
    fn from(state: workspace::ChangeState) -> Self {
        match state {
            workspace::ChangeState::Kept => Self::Kept,
            workspace::ChangeState::Reverted => Self::Reverted,
            workspace::ChangeState::ChangedSince => Self::ChangedSince,
        }
    }
}

impl From<workspace::Reverted> for ChangeRevertResponse {
    fn from(reverted: workspace::Reverted) -> Self {
        let workspace::Reverted { reverted, refused } = reverted;
        let undone = |undone: workspace::Undone| {
            let workspace::Undone { turn_id, uri, hunks } = undone;
            RevertedChange { turn_id, uri, hunks }
        };
        let refusal = |refusal: workspace::Refusal| {
            let workspace::Refusal { turn_id, uri, hunk, reason } = refusal;
            RefusedChange { turn_id, uri, hunk, reason }
        };
        Self {
            reverted: reverted.into_iter().map(undone).collect(),
            refused: refused.into_iter().map(refusal).collect(),
        }
    }
}
