//! A very small editor: one buffer, typing, and undo.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::workspace::uri_of;

/// An open buffer that counts columns in UTF-8 bytes.
pub struct Buffer {
    path: PathBuf,
    text: String,
    version: i64,
    /// The text before each edit that came from Pillion.
    undo: Vec<String>,
}

impl Buffer {
    pub fn new(path: PathBuf, text: &str) -> Self {
        Self { path, text: text.to_owned(), version: 1, undo: Vec::new() }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn edits_by_pillion(&self) -> usize {
        self.undo.len()
    }

    /// The text that one undo gives back.
    pub fn undone(&self) -> Option<String> {
        self.undo.last().cloned()
    }

    pub fn did_open(&self) -> Value {
        json!({"textDocument": {
            "uri": uri_of(&self.path), "languageId": "shellscript", "version": self.version, "text": self.text,
        }})
    }

    pub fn did_save(&self) -> Value {
        json!({"textDocument": {"uri": uri_of(&self.path)}})
    }

    /// Types a line before line `line` (from 0).
    pub fn insert(&mut self, line: usize, text: &str) -> Value {
        let at = self.offset(line, 0);
        self.text.insert_str(at, text);
        let place = json!({"line": line, "character": 0});
        self.did_change(vec![json!({"range": {"start": place, "end": place}, "text": text})])
    }

    /// Applies a workspace edit as one undo step, if it is for the buffer as it is.
    pub fn apply(&mut self, edit: &Value) -> Result<Value, String> {
        let document = &edit["documentChanges"][0];
        if document["textDocument"]["version"].as_i64() != Some(self.version) {
            return Err("the buffer has changed meanwhile".to_owned());
        }
        let edits = document["edits"].as_array().ok_or("no edits")?;
        let before = self.text.clone();
        // From the last to the first, so that the positions stay those of the text before any of them.
        let mut changes = Vec::new();
        for edit in edits.iter().rev() {
            let (start, end) = (self.place(&edit["range"]["start"])?, self.place(&edit["range"]["end"])?);
            let new = edit["newText"].as_str().ok_or("an edit without text")?;
            self.text.replace_range(start..end, new);
            changes.push(json!({"range": edit["range"], "text": new}));
        }
        self.undo.push(before);
        Ok(self.did_change(changes))
    }

    fn did_change(&mut self, changes: Vec<Value>) -> Value {
        self.version += 1;
        json!({"textDocument": {"uri": uri_of(&self.path), "version": self.version}, "contentChanges": changes})
    }

    fn place(&self, position: &Value) -> Result<usize, String> {
        let number = |name: &str| position[name].as_u64().and_then(|number| usize::try_from(number).ok());
        let (Some(line), Some(column)) = (number("line"), number("character")) else {
            return Err(format!("not a position: {position}"));
        };
        Ok(self.offset(line, column))
    }

    fn offset(&self, line: usize, column: usize) -> usize {
        let start: usize = self.text.split_inclusive('\n').take(line).map(str::len).sum();
        (start + column).min(self.text.len())
    }
}
