//! What an editor says about itself in `initialize`, and what we answer.
//!
//! It is read leniently. LSP's own types refuse a whole handshake for one URI with a bracket in it or one symbol kind
//! they do not know, and what an editor leaves out or says oddly must only cost what hangs on it.

use serde_json::{Value, json};
use tower_lsp::ls_types::{
    CodeActionKind, CodeActionOptions, CodeActionProviderCapability, CodeLensOptions, ExecuteCommandOptions,
    HoverProviderCapability, InitializeResult, OneOf, PositionEncodingKind, SaveOptions, ServerCapabilities,
    ServerInfo, TextDocumentSyncCapability, TextDocumentSyncKind, TextDocumentSyncOptions, TextDocumentSyncSaveOptions,
    WorkspaceFoldersServerCapabilities, WorkspaceServerCapabilities,
};

use super::{commands, offers};
use crate::{
    protocol::{self, Direction},
    workspace::PositionEncoding,
};

/// What matters of `initialize`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Handshake {
    /// The editor's own process.
    pub(super) process_id: Option<u32>,
    /// Folders, as URIs or paths.
    pub(super) folders: Vec<String>,
    pub(super) encoding: PositionEncoding,
    pub(super) settings: Option<Value>,
    /// What the editor calls itself.
    pub(super) name: Option<String>,
    pub(super) abilities: Abilities,
}

/// What the editor can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Abilities {
    /// Our own requests and notifications.
    pub(super) pillion: protocol::ClientCapabilities,
    pub(super) apply_edit: bool,
    /// Edits may name the version they are for.
    pub(super) document_changes: bool,
    /// Edits may move files.
    pub(super) renames: bool,
    pub(super) progress: bool,
    /// It has code actions, and as literals rather than as bare commands.
    pub(super) code_actions: bool,
    pub(super) action_literals: bool,
    /// Its people can run commands.
    pub(super) commands: bool,
    pub(super) lens_refresh: bool,
    pub(super) show_document: bool,
    pub(super) configuration: bool,
    /// It tells of changed settings only when asked to.
    pub(super) dynamic_configuration: bool,
}

impl Handshake {
    pub(super) fn read(params: &Value) -> Self {
        let capabilities = &params["capabilities"];
        let has = |pointer: &str| capabilities.pointer(pointer).is_some_and(Value::is_object);
        let is_on = |pointer: &str| capabilities.pointer(pointer).and_then(Value::as_bool).unwrap_or(false);
        let operations = capabilities.pointer("/workspace/workspaceEdit/resourceOperations").and_then(Value::as_array);
        let renames = operations.is_some_and(|operations| operations.iter().any(|operation| operation == "rename"));
        let pillion = capabilities.pointer("/experimental/pillion").cloned().unwrap_or_default();
        Self {
            process_id: params["processId"].as_u64().and_then(|id| u32::try_from(id).ok()),
            folders: folders(params),
            encoding: encoding(&capabilities["general"]["positionEncodings"]),
            settings: settings(&params["initializationOptions"]),
            name: params["clientInfo"]["name"].as_str().map(str::to_owned),
            abilities: Abilities {
                pillion: serde_json::from_value(pillion).unwrap_or_default(),
                apply_edit: is_on("/workspace/applyEdit"),
                document_changes: is_on("/workspace/workspaceEdit/documentChanges"),
                renames: renames && is_on("/workspace/applyEdit"),
                progress: is_on("/window/workDoneProgress"),
                code_actions: has("/textDocument/codeAction"),
                action_literals: has("/textDocument/codeAction/codeActionLiteralSupport"),
                commands: has("/workspace/executeCommand"),
                lens_refresh: is_on("/workspace/codeLens/refreshSupport"),
                show_document: is_on("/window/showDocument/support"),
                configuration: is_on("/workspace/configuration"),
                dynamic_configuration: is_on("/workspace/didChangeConfiguration/dynamicRegistration"),
            },
        }
    }

    pub(super) fn answer(&self) -> InitializeResult {
        let is_plain = self.abilities.is_plain();
        let methods = protocol::METHODS.iter().filter(|method| method.direction == Direction::ToServer);
        let methods: Vec<_> = methods.map(|method| method.name).collect();
        InitializeResult {
            capabilities: ServerCapabilities {
                position_encoding: Some(match self.encoding {
                    PositionEncoding::Utf8 => PositionEncodingKind::UTF8,
                    PositionEncoding::Utf16 => PositionEncodingKind::UTF16,
                    PositionEncoding::Utf32 => PositionEncodingKind::UTF32,
                }),
                text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
                    open_close: Some(true),
                    change: Some(TextDocumentSyncKind::INCREMENTAL),
                    save: Some(TextDocumentSyncSaveOptions::SaveOptions(SaveOptions { include_text: Some(false) })),
                    ..TextDocumentSyncOptions::default()
                })),
                workspace: Some(WorkspaceServerCapabilities {
                    workspace_folders: Some(WorkspaceFoldersServerCapabilities {
                        supported: Some(true),
                        change_notifications: Some(OneOf::Left(true)),
                    }),
                    file_operations: None,
                }),
                execute_command_provider: is_plain.then(|| ExecuteCommandOptions {
                    commands: commands::ALL.map(str::to_owned).to_vec(),
                    ..ExecuteCommandOptions::default()
                }),
                code_action_provider: is_plain.then(|| {
                    CodeActionProviderCapability::Options(CodeActionOptions {
                        code_action_kinds: Some(offers::KINDS.map(CodeActionKind::from).to_vec()),
                        ..CodeActionOptions::default()
                    })
                }),
                code_lens_provider: is_plain.then_some(CodeLensOptions { resolve_provider: Some(false) }),
                hover_provider: is_plain.then_some(HoverProviderCapability::Simple(true)),
                experimental: Some(json!({
                    "pillion": { "protocolVersion": protocol::VERSION, "methods": methods },
                })),
                ..ServerCapabilities::default()
            },
            server_info: Some(ServerInfo {
                name: "pillion".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
            offset_encoding: None,
        }
    }
}

impl Abilities {
    /// It shows sessions by what every client has. One that shows them itself has commands and menus of its own.
    pub(super) fn is_plain(self) -> bool {
        !self.pillion.session_event
    }
}

/// Pillion's part of an editor's settings: what stands under `pillion`, or all of it if nothing does.
pub(super) fn settings(value: &Value) -> Option<Value> {
    let section = value.get("pillion").unwrap_or(value);
    section.is_object().then(|| section.clone())
}

fn folders(params: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let named = params["workspaceFolders"].as_array().map(Vec::as_slice).unwrap_or_default();
    let folders: Vec<_> = named.iter().filter_map(|folder| text(&folder["uri"])).collect();
    if !folders.is_empty() {
        return folders;
    }
    text(&params["rootUri"]).or_else(|| text(&params["rootPath"])).into_iter().collect()
}

fn encoding(offered: &Value) -> PositionEncoding {
    let offers = |name: &str| offered.as_array().is_some_and(|names| names.iter().any(|offer| offer == name));
    // The ropes are UTF-8. UTF-16 is what LSP requires of everyone, so no other choice is left but by its absence.
    if offers("utf-8") {
        PositionEncoding::Utf8
    } else if offers("utf-32") && !offers("utf-16") {
        PositionEncoding::Utf32
    } else {
        PositionEncoding::Utf16
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Abilities, Handshake, PositionEncoding, encoding, folders, settings};
    use crate::protocol::ClientCapabilities;

    #[test]
    fn utf8_is_preferred_and_utf16_the_default() {
        let check = |offered: Value, expect| assert_eq!(encoding(&offered), expect, "{offered}");
        check(json!(["utf-16", "utf-8"]), PositionEncoding::Utf8);
        check(json!(["utf-32", "utf-16"]), PositionEncoding::Utf16);
        check(json!(["utf-32"]), PositionEncoding::Utf32);
        check(json!(["ebcdic"]), PositionEncoding::Utf16);
        check(json!([]), PositionEncoding::Utf16);
        check(json!(null), PositionEncoding::Utf16);
    }

    #[test]
    fn folders_come_from_the_newest_field_that_has_any() {
        let check = |params: Value, expect: &[&str]| assert_eq!(folders(&params), expect, "{params}");
        let folder = |uri: &str| json!({ "uri": uri, "name": "x" });
        check(
            json!({ "workspaceFolders": [folder("file:///a [1]"), folder("file:///b")], "rootUri": "file:///c" }),
            &["file:///a [1]", "file:///b"],
        );
        check(json!({ "workspaceFolders": null, "rootUri": "file:///c", "rootPath": "/d" }), &["file:///c"]);
        check(json!({ "workspaceFolders": [], "rootUri": null, "rootPath": "/d" }), &["/d"]);
        check(json!({ "rootUri": "" }), &[]);
    }

    #[test]
    fn what_an_editor_says_oddly_costs_only_itself() {
        let params = json!({
            "processId": -1,
            "capabilities": {
                "workspace": { "applyEdit": true, "workspaceEdit": "yes" },
                "textDocument": { "completion": { "completionItemKind": { "valueSet": ["new"] } } },
                "experimental": { "pillion": { "approvalRequest": true, "other": 1 } },
            },
        });
        let handshake = Handshake::read(&params);
        let pillion = ClientCapabilities { approval_request: true, ..ClientCapabilities::default() };
        assert_eq!(handshake.abilities, Abilities { pillion, apply_edit: true, ..Abilities::default() });
        assert_eq!((handshake.process_id, handshake.settings), (None, None));
        assert!(Handshake::read(&Value::Null).folders.is_empty());
    }

    #[test]
    fn settings_stand_under_their_name_or_alone() {
        assert_eq!(settings(&json!({ "pillion": { "model": "a/b" }, "other": {} })), Some(json!({ "model": "a/b" })));
        assert_eq!(settings(&json!({ "model": "a/b" })), Some(json!({ "model": "a/b" })));
        assert_eq!(settings(&json!(null)), None);
        assert_eq!(settings(&json!({ "pillion": null })), None);
    }
}
