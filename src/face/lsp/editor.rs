//! The editor at the other end: what the hub and the workspace may ask of it.

use std::time::Duration;

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};

use super::{handshake::Abilities, plain::Plain};
use crate::{
    face::PERSON_LIMIT,
    protocol::{
        self, APPROVAL_REQUEST, Approval, ApprovalDecision, ApprovalRequestParams, DiagnosticPosition,
        DocumentDiagnostics, EDITOR_CONTEXT, EDITOR_DIAGNOSTICS, EDITOR_SAVE, EditorContextParams,
        EditorContextResponse, EditorDiagnosticsParams, EditorDiagnosticsResponse, EditorSaveParams,
        EditorSaveResponse, QUESTION_REQUEST, Question, QuestionAnswer, QuestionRequestParams, SESSION_EVENT,
    },
    rpc::{self, CallError, Peer},
    sidecar::{Attachment, Inquiry, LoggedEvent, Sidecar, Verdict},
    workspace::{
        self, Active, BufferEdit, BufferSink, Diagnosed, Focus, Position, Selected, Severity, SinkError, Visible,
    },
};

/// An editor may be busy for a while (a modal dialog, a slow plugin), but a turn must not hang on it.
const EDITOR_LIMIT: Duration = Duration::from_secs(15);

/// An editor, and what it can do.
pub(super) struct Editor {
    peer: Peer,
    name: Option<String>,
    abilities: Abilities,
    plain: Plain,
}

impl Editor {
    pub(super) fn new(peer: Peer, name: Option<String>, abilities: Abilities, sidecar: &Sidecar) -> Self {
        Self { name, plain: Plain::new(peer.clone(), abilities, sidecar), peer, abilities }
    }

    pub(super) fn plain(&self) -> &Plain {
        &self.plain
    }

    /// The editor's settings for Pillion, if it can be asked for them and has some.
    pub(super) async fn settings(&self) -> Option<Value> {
        if !self.abilities.configuration {
            return None;
        }
        let params = json!({ "items": [{ "section": "pillion" }] });
        match self.peer.call::<Vec<Value>>("workspace/configuration", &params, EDITOR_LIMIT).await {
            Ok(sections) => sections.into_iter().next().filter(Value::is_object),
            Err(error) => {
                tracing::warn!(%error, "the editor's settings are not known");
                None
            }
        }
    }

    /// Has the editor apply an edit; false if it refuses.
    async fn put(&self, uri: &str, params: &Value) -> Result<bool, SinkError> {
        let answer = self.peer.call::<Value>("workspace/applyEdit", params, EDITOR_LIMIT).await;
        let answer = answer.map_err(|error| SinkError(format!("The editor did not apply the edit: {error}.")))?;
        let applied = answer["applied"].as_bool().ok_or_else(|| {
            SinkError("The editor did not say whether it applied the edit: its answer has no `applied`.".to_owned())
        })?;
        if !applied {
            tracing::info!(uri, reason = %answer["failureReason"], "the editor refused an edit");
        }
        Ok(applied)
    }

    /// Asks to be told of changed settings, where that has to be asked for.
    pub(super) async fn watch_settings(&self) {
        if !self.abilities.dynamic_configuration {
            return;
        }
        let params = json!({ "registrations": [{
            "id": "pillion-settings",
            "method": "workspace/didChangeConfiguration",
            "registerOptions": { "section": "pillion" },
        }] });
        if let Err(error) = self.peer.request("client/registerCapability", &params, EDITOR_LIMIT).await {
            tracing::warn!(%error, "changed settings will not be noticed");
        }
    }
}

impl Attachment for Editor {
    fn name(&self) -> Option<String> {
        self.name.clone()
    }

    fn event(&self, event: &LoggedEvent) {
        if self.abilities.pillion.session_event {
            self.peer.notify(SESSION_EVENT, event);
        } else {
            self.plain.event(event);
        }
    }

    fn is_ready(&self) -> bool {
        self.peer.is_writable()
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let peer = self.peer.clone();
        async move { peer.writable().await }.boxed()
    }

    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        let (peer, plain, abilities) = (self.peer.clone(), self.plain.clone(), self.abilities.pillion);
        async move {
            match inquiry {
                Inquiry::Approval(approval) if !abilities.approval_request => {
                    plain.ask(&approval).await.map(Verdict::Approval)
                }
                Inquiry::Approval(approval) => ask_approval(&peer, &plain, approval).await.map(Verdict::Approval),
                Inquiry::Question(question) if !abilities.question_request => {
                    plain.ask_question(&question).await.map(Verdict::Question)
                }
                Inquiry::Question(question) => ask_question(&peer, question).await.map(Verdict::Question),
            }
        }
        .boxed()
    }
}

async fn ask_approval(peer: &Peer, plain: &Plain, approval: Approval) -> Option<ApprovalDecision> {
    let params = ApprovalRequestParams { approval };
    match peer.call::<ApprovalDecision>(APPROVAL_REQUEST, &params, PERSON_LIMIT).await {
        Ok(decision) => Some(decision),
        Err(CallError::Remote { error, .. }) if error.code == rpc::Error::METHOD_NOT_FOUND => {
            tracing::warn!("the editor declared `approvalRequest` but does not know `approval/request`");
            plain.ask(&params.approval).await
        }
        Err(error) => {
            tracing::warn!(%error, approval = params.approval.approval_id, "an approval was not answered");
            if !peer.is_closed() {
                plain.unanswered(&params.approval);
            }
            None
        }
    }
}

async fn ask_question(peer: &Peer, question: Question) -> Option<QuestionAnswer> {
    let params = QuestionRequestParams { question };
    let answer = peer.call::<QuestionAnswer>(QUESTION_REQUEST, &params, PERSON_LIMIT).await;
    answer.inspect_err(|error| tracing::warn!(%error, "a question was not answered")).ok()
}

#[async_trait]
impl BufferSink for Editor {
    async fn apply(&self, edit: BufferEdit) -> Result<bool, SinkError> {
        if !self.abilities.apply_edit {
            return Err(SinkError(
                "The editor does not take edits (it did not declare `workspace.applyEdit`), so an open buffer cannot be \
                 changed. Close the file in the editor, or use one that does."
                    .to_owned(),
            ));
        }
        self.put(&edit.uri, &edit_params(&edit, self.abilities.document_changes)).await
    }

    async fn save(&self, uris: Vec<String>) -> Result<Vec<String>, SinkError> {
        if !self.abilities.pillion.editor_save {
            return Ok(uris);
        }
        let params = EditorSaveParams { uris };
        match self.peer.call::<EditorSaveResponse>(EDITOR_SAVE, &params, EDITOR_LIMIT).await {
            Ok(response) => Ok(response.failed),
            Err(CallError::Remote { error, .. }) if error.code == rpc::Error::METHOD_NOT_FOUND => Ok(params.uris),
            Err(error) => Err(SinkError(format!("The editor did not save its buffers: {error}."))),
        }
    }

    async fn diagnostics(&self, uris: Option<Vec<String>>) -> Result<Option<Vec<Diagnosed>>, SinkError> {
        if !self.abilities.pillion.editor_diagnostics {
            return Ok(None);
        }
        let params = EditorDiagnosticsParams { uris };
        match self.peer.call::<EditorDiagnosticsResponse>(EDITOR_DIAGNOSTICS, &params, EDITOR_LIMIT).await {
            Ok(response) => Ok(Some(response.files.into_iter().map(diagnosed).collect())),
            Err(CallError::Remote { error, .. }) if error.code == rpc::Error::METHOD_NOT_FOUND => Ok(None),
            Err(error) => Err(SinkError(format!("The editor gave no diagnostics: {error}."))),
        }
    }

    async fn focus(&self) -> Result<Option<Focus<String>>, SinkError> {
        if !self.abilities.pillion.editor_context {
            return Ok(None);
        }
        let params = EditorContextParams {};
        match self.peer.call::<EditorContextResponse>(EDITOR_CONTEXT, &params, EDITOR_LIMIT).await {
            Ok(response) => Ok(Some(focus(response))),
            Err(CallError::Remote { error, .. }) if error.code == rpc::Error::METHOD_NOT_FOUND => Ok(None),
            Err(error) => Err(SinkError(format!("The editor did not say what it shows: {error}."))),
        }
    }

    fn can_rename(&self) -> bool {
        self.abilities.renames
    }

    async fn rename(&self, from: &str, to: &str) -> Result<bool, SinkError> {
        let options = json!({ "overwrite": false, "ignoreIfExists": false });
        let operation = json!({ "kind": "rename", "oldUri": from, "newUri": to, "options": options });
        self.put(from, &json!({ "label": "Move", "edit": { "documentChanges": [operation] } })).await
    }
}

fn diagnosed(document: DocumentDiagnostics) -> Diagnosed {
    let place = |place: DiagnosticPosition| Position { line: place.line, column: place.character };
    let item = |item: protocol::Diagnostic| workspace::Diagnostic {
        start: place(item.range.start),
        end: place(item.range.end),
        severity: match item.severity {
            None | Some(1) => Severity::Error,
            Some(2) => Severity::Warning,
            Some(3) => Severity::Information,
            Some(_) => Severity::Hint,
        },
        message: item.message,
        source: item.source,
        code: item.code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned)),
    };
    let DocumentDiagnostics { uri, version, items } = document;
    Diagnosed { uri, version, items: items.into_iter().map(item).collect() }
}

fn focus(EditorContextResponse { active, visible, open }: EditorContextResponse) -> Focus<String> {
    let active = active.map(|active| Active {
        document: active.uri,
        version: active.version,
        has_moved: false,
        cursor: Position { line: active.cursor.line, column: active.cursor.column },
        selection: active.selection.map(|selection| Selected {
            start: Position { line: selection.start_line, column: selection.start_column },
            end: Position { line: selection.end_line, column: selection.end_column },
            text: selection.text,
        }),
    });
    let visible =
        visible.into_iter().map(|one| Visible { document: one.uri, first: one.start_line, last: one.end_line });
    Focus { active, visible: visible.collect(), open }
}

fn edit_params(edit: &BufferEdit, has_versions: bool) -> Value {
    let place = |position: &Position| json!({ "line": position.line, "character": position.column });
    let edits: Vec<_> = edit
        .edits
        .iter()
        .map(|(range, text)| {
            json!({ "range": { "start": place(&range.start), "end": place(&range.end) }, "newText": text })
        })
        .collect();
    let edit_of_workspace = if has_versions {
        json!({ "documentChanges": [{
            "textDocument": { "uri": edit.uri, "version": edit.version },
            "edits": edits,
        }] })
    } else {
        json!({ "changes": { &edit.uri: edits } })
    };
    json!({ "label": edit.label, "edit": edit_of_workspace })
}
