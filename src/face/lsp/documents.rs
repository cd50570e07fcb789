//! The editor's documents and folders: notifications that change what the person's files are.
//!
//! They are read here and not by LSP's own types, which keep a URI only if it is one by the book. A bracket or a space
//! in a path, which several editors send as it is, would lose the document; and an edit must name a document exactly as
//! the editor did. Texts go straight from the frame into the buffer.

use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::Visitor};
use serde_json::value::RawValue;

use crate::{
    rpc::{self, read_params},
    workspace::{Change, EditorId, Position, Workspace, parse_root},
};

/// Applies a document notification. `None` if it is none.
pub(super) fn apply(
    workspace: &Workspace,
    editor: EditorId,
    method: &str,
    params: Option<&RawValue>,
) -> Option<Result<(), rpc::Error>> {
    match method {
        "textDocument/didOpen" => Some(read_params(params).map(|DidOpen { text_document: document }| {
            workspace.open(editor, &document.uri, &document.language_id, document.version.into(), &document.text);
        })),
        "textDocument/didChange" => Some(read_params(params).and_then(|change: DidChange| {
            let changes: Vec<_> = change.content_changes.into_iter().map(Into::into).collect();
            let document = change.text_document;
            workspace
                .change(editor, &document.uri, document.version.into(), &changes)
                .map_err(|error| rpc::Error::invalid_params(error.to_string()))
        })),
        "textDocument/didClose" => Some(read_params(params).map(|Named { text_document: document }| {
            workspace.close(editor, &document.uri);
        })),
        "textDocument/didSave" => Some(read_params(params).map(|Named { text_document: document }| {
            workspace.saved(editor, &document.uri);
        })),
        _ => None,
    }
}

/// The folders the editor has open, as it named them.
#[derive(Default)]
pub(super) struct Folders(Vec<String>);

impl Folders {
    pub(super) fn new(folders: Vec<String>) -> Self {
        Self(folders)
    }

    /// # Errors
    ///
    /// If the parameters of `workspace/didChangeWorkspaceFolders` cannot be read.
    pub(super) fn change(&mut self, params: Option<&RawValue>) -> Result<(), rpc::Error> {
        let DidChangeFolders { event } = read_params(params)?;
        self.0.retain(|folder| event.removed.iter().all(|removed| removed.uri != *folder));
        for added in event.added {
            if !self.0.contains(&added.uri) {
                self.0.push(added.uri);
            }
        }
        Ok(())
    }

    /// As paths; what is no folder on this machine is left out.
    pub(super) fn roots(&self) -> Vec<PathBuf> {
        let roots = self.0.iter().filter_map(|folder| {
            parse_root(folder)
                .inspect_err(|error| tracing::warn!(folder, %error, "a workspace folder is left out"))
                .ok()
        });
        roots.collect()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DidOpen {
    text_document: OpenDocument,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OpenDocument {
    uri: String,
    #[serde(default)]
    language_id: String,
    #[serde(default)]
    version: Whole,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DidChange {
    text_document: Versioned,
    content_changes: Vec<ContentChange>,
}

#[derive(Deserialize)]
struct Versioned {
    uri: String,
    #[serde(default)]
    version: Whole,
}

#[derive(Deserialize)]
struct ContentChange {
    #[serde(default)]
    range: Option<Range>,
    text: String,
}

#[derive(Deserialize)]
pub(super) struct Range {
    pub(super) start: Place,
    pub(super) end: Place,
}

#[derive(Clone, Copy, Deserialize)]
pub(super) struct Place {
    line: Whole,
    character: Whole,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    text_document: Document,
}

#[derive(Deserialize)]
struct Document {
    uri: String,
}

#[derive(Deserialize)]
struct DidChangeFolders {
    event: FolderEvent,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct FolderEvent {
    added: Vec<Document>,
    removed: Vec<Document>,
}

impl From<ContentChange> for Change {
    fn from(change: ContentChange) -> Self {
        let range = change.range.map(|range| range.start.into()..range.end.into());
        Self { range, text: change.text }
    }
}

impl From<Place> for Position {
    fn from(place: Place) -> Self {
        Self { line: place.line.into(), column: place.character.into() }
    }
}

/// A whole number, which editors whose language has but one kind of number may write as `3.0`.
#[derive(Clone, Copy, Default)]
struct Whole(i64);

impl From<Whole> for i32 {
    fn from(Whole(number): Whole) -> Self {
        number.clamp(i32::MIN.into(), i32::MAX.into()) as i32
    }
}

impl From<Whole> for u32 {
    fn from(Whole(number): Whole) -> Self {
        number.clamp(0, u32::MAX.into()) as u32
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Whole;

            fn expecting(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
                formatter.write_str("a whole number")
            }

            fn visit_i64<E>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(i64::try_from(number).unwrap_or(i64::MAX)))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Whole, E> {
                Ok(Whole(number as i64))
            }

            fn visit_unit<E>(self) -> Result<Whole, E> {
                Ok(Whole(0))
            }
        }
        deserializer.deserialize_any(Number)
    }
}
