//! What of LSP is neither a document nor ours: the handshake, settings, commands, the end.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use serde_json::Value;
use tower_lsp::{
    LanguageServer,
    jsonrpc::{self, ErrorCode},
    ls_types::{
        DidChangeConfigurationParams, ExecuteCommandParams, InitializeParams, InitializeResult, InitializedParams,
    },
};

use super::{
    commands::{Caller, Sessions},
    editor::Editor,
    handshake::{self, Handshake},
};
use crate::{
    rpc,
    sidecar::{AttachmentId, Sidecar},
    workspace::EditorId,
};

/// What the answer to `shutdown` waits at most for turns to end. Their processes are gone within a second.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(3);

/// An editor that has introduced itself.
pub(super) struct Connected {
    pub(super) handshake: Handshake,
    pub(super) editor: Arc<Editor>,
    pub(super) attachment: AttachmentId,
    pub(super) buffers: EditorId,
}

impl Connected {
    pub(super) fn caller(&self, sidecar: &Sidecar, sessions: &Sessions) -> Caller {
        let (sidecar, sessions) = (sidecar.clone(), sessions.clone());
        Caller { sidecar, attachment: self.attachment, plain: self.editor.plain().clone(), sessions }
    }
}

/// The handlers behind tower-lsp's service.
pub(super) struct Server {
    pub(super) sidecar: Sidecar,
    pub(super) connected: Arc<OnceLock<Connected>>,
    /// Those that commands have begun.
    pub(super) sessions: Sessions,
}

impl LanguageServer for Server {
    /// The parameters were read before this is called: see [`Handshake`].
    async fn initialize(&self, _: InitializeParams) -> jsonrpc::Result<InitializeResult> {
        self.connected.get().map(|connected| connected.handshake.answer()).ok_or_else(jsonrpc::Error::internal_error)
    }

    async fn initialized(&self, _: InitializedParams) {
        if let Some(connected) = self.connected.get() {
            let (editor, sidecar) = (connected.editor.clone(), self.sidecar.clone());
            tokio::spawn(async move {
                editor.watch_settings().await;
                if let Some(settings) = editor.settings().await {
                    sidecar.configure(Some(settings));
                }
            });
        }
    }

    async fn did_change_configuration(&self, params: DidChangeConfigurationParams) {
        if let Some(settings) = handshake::settings(&params.settings) {
            self.sidecar.configure(Some(settings));
        } else if let Some(connected) = self.connected.get() {
            let (editor, sidecar) = (connected.editor.clone(), self.sidecar.clone());
            tokio::spawn(async move {
                let settings = editor.settings().await;
                sidecar.configure(settings);
            });
        }
    }

    async fn execute_command(&self, params: ExecuteCommandParams) -> jsonrpc::Result<Option<Value>> {
        let connected = self.connected.get().ok_or_else(jsonrpc::Error::internal_error)?;
        let caller = connected.caller(&self.sidecar, &self.sessions);
        let outcome = caller.run(&params.command, params.arguments).await;
        if let Err(error) = &outcome {
            connected.editor.plain().tell_failure(&error.message);
        }
        outcome.map(Some).map_err(to_tower)
    }

    async fn shutdown(&self) -> jsonrpc::Result<()> {
        let editor = self.connected.get().map(|connected| connected.attachment);
        if tokio::time::timeout(SHUTDOWN_LIMIT, self.sidecar.leave(editor)).await.is_err() {
            tracing::warn!("some turns did not end in time");
        }
        Ok(())
    }
}

fn to_tower(error: rpc::Error) -> jsonrpc::Error {
    jsonrpc::Error { code: ErrorCode::from(error.code), message: error.message.into(), data: error.data }
}

pub(super) fn from_tower(error: jsonrpc::Error) -> rpc::Error {
    rpc::Error { code: error.code.code(), message: error.message.into_owned(), data: error.data }
}
