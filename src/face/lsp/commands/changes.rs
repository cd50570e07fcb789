//! What turns changed, to look at and to take back.

use serde_json::Value;

use super::{Arguments, Caller};
use crate::{
    face::lsp::plain::Changed,
    protocol::{
        ChangeHunk, ChangeKind, ChangeListParams, ChangeListResponse, ChangeRevertParams, ChangeRevertResponse,
        ChangeState, FileChange, Request,
    },
    rpc::Error,
};

impl Caller {
    /// Shows what the latest turn that changed anything has changed, or the turn that is named.
    pub(super) async fn changes(&self, arguments: Arguments) -> Result<Value, Error> {
        let (session_id, turn_id) = self.changed_by(arguments.session_id, arguments.turn_id)?;
        let request = Request::ChangeList(ChangeListParams { session_id, turn_id });
        let listed: ChangeListResponse = self.request(request).await?;
        let text = format!("# Changes\n\n{}", listed.changes.iter().map(shown).collect::<String>());
        let plain = self.plain.clone();
        tokio::spawn(async move { plain.show_markdown(text).await });
        serde_json::to_value(&listed).map_err(|error| Error::internal(error.to_string()))
    }

    /// Takes it back, all or what is named of it.
    pub(super) async fn revert(&self, arguments: Arguments) -> Result<Value, Error> {
        let Arguments { session_id, turn_id, uri, hunks, .. } = arguments;
        let (session_id, turn_id) = self.changed_by(session_id, turn_id)?;
        let params = ChangeRevertParams { session_id, turn_id, uri, hunks };
        let outcome: ChangeRevertResponse = self.request(Request::ChangeRevert(params)).await?;
        let reasons = outcome.refused.iter().map(|refused| format!("\n{}: {}", refused.uri, refused.reason));
        let said = format!("Taken back: {}.{}", outcome.reverted.len(), reasons.collect::<String>());
        self.plain.tell(&said);
        serde_json::to_value(&outcome).map_err(|error| Error::internal(error.to_string()))
    }

    /// The latest change of this document, if there is anything left of it to take back.
    pub(in crate::face::lsp) async fn kept_change(&self, uri: &str) -> Option<Changed> {
        let change = self.plain.change_of(uri)?;
        let (session_id, turn_id) = (change.session_id.clone(), Some(change.turn_id.clone()));
        let request = Request::ChangeList(ChangeListParams { session_id, turn_id });
        let listed = self.request::<ChangeListResponse>(request).await.ok()?;
        let is_kept = |file: &FileChange| file.uri == uri && file.state == ChangeState::Kept;
        listed.changes.iter().any(is_kept).then_some(change)
    }

    fn changed_by(
        &self,
        session_id: Option<String>,
        turn_id: Option<String>,
    ) -> Result<(String, Option<String>), Error> {
        match session_id {
            Some(session_id) => Ok((session_id, turn_id)),
            None => {
                let (session_id, latest) = self
                    .plain
                    .latest_change()
                    .ok_or_else(|| Error::invalid_params("nothing was changed that could be taken back"))?;
                Ok((session_id, turn_id.or(Some(latest))))
            }
        }
    }
}

/// A file's change as Markdown.
fn shown(change: &FileChange) -> String {
    let kind = match (change.kind, &change.from) {
        (ChangeKind::Edit, _) => "edited".to_owned(),
        (ChangeKind::Create, _) => "made".to_owned(),
        (ChangeKind::Delete, _) => "deleted".to_owned(),
        (ChangeKind::Move, None) => "moved".to_owned(),
        (ChangeKind::Move, Some(from)) => format!("moved from {from}"),
    };
    let hunks = change.hunks.iter().map(|hunk| format!("\n`{}`{}:\n\n{}", hunk.id, state(hunk.state), diff(hunk)));
    format!("## {}\n\n{kind}{}\n{}\n", change.uri, state(change.state), hunks.collect::<String>())
}

fn state(state: ChangeState) -> &'static str {
    match state {
        ChangeState::Kept => "",
        ChangeState::Reverted => ", taken back",
        ChangeState::ChangedSince => ", changed since",
    }
}

/// As a code block by indentation, which no text can end.
fn diff(hunk: &ChangeHunk) -> String {
    let lines = |sign: char, text: &str| text.lines().map(|line| format!("    {sign}{line}\n")).collect::<String>();
    lines('-', &hunk.old) + &lines('+', &hunk.new)
}
