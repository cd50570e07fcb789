//! A turn's answer: a message if it is short, a Markdown document if it is long and the editor opens documents, and on
//! hover where it was asked for.

use std::{collections::VecDeque, path::PathBuf, time::Duration};

use ropey::Rope;
use serde_json::{Value, json};

use super::{Level, Plain};
use crate::{
    protocol::ContentBlock,
    workspace::{Workspace, uri_of},
};

const DOCUMENT_LIMIT: Duration = Duration::from_secs(5);
/// More than this is read more easily in a document: lines, and characters. Chosen.
const SHORT: (usize, usize) = (4, 400);
/// How many answers are kept for hovering. Chosen.
const KEPT: usize = 20;

/// Where a turn was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    uri: String,
    /// From 0.
    line: usize,
}

impl Place {
    /// What the prompt points at first.
    pub(super) fn of(prompt: &[ContentBlock]) -> Option<Self> {
        prompt.iter().find_map(|block| {
            let (path, line) = match block {
                ContentBlock::Comment { path, line, .. } => (path, *line),
                ContentBlock::Selection { path, start_line, .. } => (path, *start_line),
                _ => return None,
            };
            Some(Self { uri: path.clone(), line: line.saturating_sub(1) as usize })
        })
    }

    pub(super) fn is_in(&self, uri: &str) -> bool {
        self.uri == uri
    }

    /// The text of its document.
    pub(super) fn text(&self, workspace: &Workspace) -> Option<Rope> {
        workspace.buffers().into_iter().find(|buffer| buffer.uri == self.uri).map(|buffer| buffer.text)
    }
}

/// An answer, for hovering.
pub(super) struct Answer {
    /// What was asked, in a line.
    title: String,
    text: String,
    place: Option<Place>,
    /// The text of its line, which finds it again when lines come and go above it.
    line: String,
}

/// The latest answers, the newest last.
#[derive(Default)]
pub(super) struct Answers(VecDeque<Answer>);

impl Answers {
    pub(super) fn keep(&mut self, title: String, text: String, place: Option<Place>, now: Option<&Rope>) {
        let line = place.as_ref().zip(now).map(|(place, now)| line_of(now, place.line)).unwrap_or_default();
        self.0.push_back(Answer { title, text, place, line });
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    /// What was answered for this line of a document.
    pub(super) fn at(&self, uri: &str, now: &Rope, line: usize) -> Option<String> {
        let is_here = |answer: &&Answer| {
            answer.place.as_ref().is_some_and(|place| place.uri == uri && found(answer, place.line, now) == Some(line))
        };
        self.0.iter().rev().find(is_here).map(Answer::document)
    }

    pub(super) fn last(&self) -> Option<String> {
        self.0.back().map(Answer::document)
    }
}

impl Answer {
    fn document(&self) -> String {
        format!("# {}\n\n{}\n", self.title, self.text.trim())
    }
}

/// The line that is what the answer's was, next to where it was.
fn found(answer: &Answer, was: usize, now: &Rope) -> Option<usize> {
    let same = (0..now.len_lines()).filter(|line| line_of(now, *line) == answer.line);
    same.min_by_key(|line| line.abs_diff(was))
}

fn line_of(text: &Rope, line: usize) -> String {
    text.get_line(line).map(|line| line.to_string().trim().to_owned()).unwrap_or_default()
}

impl Plain {
    /// Shows a text that has come to its end.
    pub(super) fn show_answer(&self, title: &str, answer: &str) {
        let is_short = answer.lines().count() <= SHORT.0 && answer.chars().count() <= SHORT.1;
        if is_short || !self.abilities.show_document {
            return self.show(Level::Info, answer);
        }
        let (plain, answer, document) = (self.clone(), answer.to_owned(), format!("# {title}\n\n{answer}\n"));
        tokio::spawn(async move {
            if !plain.open_document(document).await {
                plain.show(Level::Info, &answer);
            }
        });
    }

    /// Shows Markdown as a document, or as a message where that cannot be done.
    pub(in crate::face::lsp) async fn show_markdown(&self, text: String) {
        if !self.abilities.show_document || !self.open_document(text.clone()).await {
            self.show(Level::Info, &text);
        }
    }

    async fn open_document(&self, text: String) -> bool {
        let kept = self.documents.clone();
        let path: Option<PathBuf> = tokio::task::spawn_blocking(move || {
            kept.keep_answer(&text).inspect_err(|error| tracing::warn!(%error, "no document is shown")).ok()
        })
        .await
        .ok()
        .flatten();
        let Some(path) = path else { return false };
        let params = json!({ "uri": uri_of(&path), "external": false, "takeFocus": false });
        match self.peer.call::<Value>("window/showDocument", &params, DOCUMENT_LIMIT).await {
            Ok(answer) => answer["success"] == true,
            Err(error) => {
                tracing::info!(%error, "the editor shows no document");
                false
            }
        }
    }
}
