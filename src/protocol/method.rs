use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;

/// Who calls a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// A request from the client.
    ToServer,
    /// A request from the server, sent only to clients that declared they answer it.
    ToClient,
    /// A notification from the server.
    Notification,
}

/// A row of the method table.
pub struct Method {
    pub name: &'static str,
    pub direction: Direction,
    /// What it does, for `protocol.md`.
    pub doc: &'static str,
    pub params: fn(&mut SchemaGenerator) -> Schema,
    pub result: Option<fn(&mut SchemaGenerator) -> Schema>,
}

macro_rules! methods {
    (
        to_server { $($(#[doc = $doc:literal])+ $variant:ident = $name:literal: $params:ty => $result:ty;)+ }
        to_client { $($(#[doc = $client_doc:literal])+ $client_const:ident = $client_name:literal: $client_params:ty => $client_result:ty;)+ }
        notifications { $($(#[doc = $note_doc:literal])+ $note_const:ident = $note_name:literal: $note_params:ty;)+ }
    ) => {
        /// A request from a client, parsed.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Request {
            $($(#[doc = $doc])+ $variant($params),)+
        }

        impl Request {
            /// `None` if no such method is Pillion's own.
            pub fn parse(method: &str, params: Option<&RawValue>) -> Option<Result<Self, serde_json::Error>> {
                match method {
                    $($name => Some(parse(params).map(Self::$variant)),)+
                    _ => None,
                }
            }

            /// Its parameters, as JSON.
            ///
            /// # Errors
            /// No type of the protocol can fail to encode.
            pub fn params(&self) -> Result<Box<RawValue>, serde_json::Error> {
                match self {
                    $(Self::$variant(params) => serde_json::value::to_raw_value(params),)+
                }
            }

            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }
        }

        $($(#[doc = $client_doc])+ pub const $client_const: &str = $client_name;)+
        $($(#[doc = $note_doc])+ pub const $note_const: &str = $note_name;)+

        /// Every method, in the order of `protocol.md`.
        pub const METHODS: &[Method] = &[
            $(Method {
                name: $name,
                direction: Direction::ToServer,
                doc: concat!($($doc, "\n"),+),
                params: |schemas| schemas.subschema_for::<$params>(),
                result: Some(|schemas| schemas.subschema_for::<$result>()),
            },)+
            $(Method {
                name: $client_name,
                direction: Direction::ToClient,
                doc: concat!($($client_doc, "\n"),+),
                params: |schemas| schemas.subschema_for::<$client_params>(),
                result: Some(|schemas| schemas.subschema_for::<$client_result>()),
            },)+
            $(Method {
                name: $note_name,
                direction: Direction::Notification,
                doc: concat!($($note_doc, "\n"),+),
                params: |schemas| schemas.subschema_for::<$note_params>(),
                result: None,
            },)+
        ];
    };
}

methods! {
    to_server {
        /// Starts a session and watches it.
        SessionNew = "session/new": SessionNewParams => SessionInfo;
        /// Lists stored and running sessions, the latest used first.
        SessionList = "session/list": SessionListParams => SessionListResponse;
        /// Opens a stored or running session and watches it; replays its events from `fromSeq` on. Open approvals are asked again.
        SessionLoad = "session/load": SessionLoadParams => SessionInfo;
        /// Stops watching a session. When nobody watches it any more, its turn is cancelled. Its log stays.
        SessionClose = "session/close": SessionCloseParams => Empty;
        /// Removes a session and its log for good. Refused while anybody watches it: close it first.
        SessionDelete = "session/delete": SessionDeleteParams => Empty;
        /// Gives a session another title.
        SessionRename = "session/rename": SessionRenameParams => Empty;
        /// Branches off: a new session with the same past. It is stored and not open; `session/load` opens it.
        SessionFork = "session/fork": SessionForkParams => SessionInfo;
        /// Changes model, mode or limits: the mode at once, the rest from the next turn on.
        SessionConfigure = "session/configure": SessionConfigureParams => SessionInfo;
        /// Makes the conversation of a session in which no turn runs shorter for the model. Answers at once; a turn that is started meanwhile waits for it, and `turn/cancel` stops it.
        SessionCompact = "session/compact": SessionCompactParams => Empty;
        /// Reads events of an open session, for clients that ask instead of listening.
        EventList = "event/list": EventListParams => EventListResponse;
        /// Starts a turn and answers at once. One turn runs at a time in a session.
        TurnStart = "turn/start": TurnStartParams => TurnStartResponse;
        /// Says something to the running turn.
        TurnSteer = "turn/steer": TurnSteerParams => Empty;
        /// Stops the running turn. Answers at once; its processes are gone within a second.
        TurnCancel = "turn/cancel": TurnCancelParams => TurnCancelResponse;
        /// Has a running command go on in the background.
        TurnBackground = "turn/background": TurnBackgroundParams => TurnBackgroundResponse;
        /// Answers an approval. The first answer wins.
        ApprovalRespond = "approval/respond": ApprovalRespondParams => ApprovalRespondResponse;
        /// Lists the approvals and questions that wait for the person.
        ApprovalList = "approval/list": ApprovalListParams => ApprovalListResponse;
        /// Answers a question of the model. The first answer wins.
        QuestionRespond = "question/respond": QuestionRespondParams => QuestionRespondResponse;
        /// Lists what the turns of a session changed, as it stands now.
        ChangeList = "change/list": ChangeListParams => ChangeListResponse;
        /// Gives a file as it is, and as it would be without what a turn changed.
        ChangeText = "change/text": ChangeTextParams => ChangeTextResponse;
        /// Takes changes back, by edits like any other. What the person has changed since stays.
        ChangeRevert = "change/revert": ChangeRevertParams => ChangeRevertResponse;
        /// Lists a session's background tasks.
        TaskList = "task/list": TaskListParams => TaskListResponse;
        /// Reads what a background task has printed until now.
        TaskRead = "task/read": TaskReadParams => TaskReadResponse;
        /// Ends a background task.
        TaskCancel = "task/cancel": TaskCancelParams => TaskCancelResponse;
        /// Lists the prompt commands, as they are now.
        CommandList = "command/list": CommandListParams => CommandListResponse;
        /// Lists the models that can be chosen.
        ModelList = "model/list": ModelListParams => ModelListResponse;
        /// Lists the MCP servers and what has become of them.
        McpList = "mcp/list": McpListParams => McpListResponse;
    }
    to_client {
        /// Puts a call before the person. Withdrawn by `$/cancelRequest` when it was answered elsewhere or the turn ended.
        APPROVAL_REQUEST = "approval/request": ApprovalRequestParams => ApprovalDecision;
        /// Puts a question of the model before the person. Withdrawn as `approval/request` is.
        QUESTION_REQUEST = "question/request": QuestionRequestParams => QuestionAnswer;
        /// Asks for the diagnostics that the editor has.
        EDITOR_DIAGNOSTICS = "editor/diagnostics": EditorDiagnosticsParams => EditorDiagnosticsResponse;
        /// Asks what the person has before them.
        EDITOR_CONTEXT = "editor/context": EditorContextParams => EditorContextResponse;
        /// Asks to save buffers before a command reads the disk.
        EDITOR_SAVE = "editor/save": EditorSaveParams => EditorSaveResponse;
    }
    notifications {
        /// A fact in a watched session's log.
        SESSION_EVENT = "session/event": SessionEventNotification;
    }
}

fn parse<'a, P: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<P, serde_json::Error> {
    match params {
        None => serde_json::from_str("{}"),
        Some(params) if params.get() == "null" => serde_json::from_str("{}"),
        Some(params) => serde_json::from_str(params.get()),
    }
}

/// What a client says under `capabilities.experimental.pillion` of `initialize`. What it does not declare is done by
/// standard LSP means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientCapabilities {
    /// It answers `approval/request`; else approvals are `window/showMessageRequest`.
    pub approval_request: bool,
    /// It answers `question/request`; else a question with choices is `window/showMessageRequest`, and one without reaches
    /// nobody here.
    pub question_request: bool,
    /// It answers `editor/diagnostics`; else the model is told that there are none to be had.
    pub editor_diagnostics: bool,
    /// It answers `editor/context`; else the model is told that it cannot be known.
    pub editor_context: bool,
    /// It answers `editor/save`; else commands that see stale files say so.
    pub editor_save: bool,
    /// It shows `session/event`; else turns are started and shown by what every LSP client has.
    pub session_event: bool,
}
