//! What comes with a command, from a code action of our own or from a person's hand.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    protocol::{ApprovalScope, ContentBlock, Problem, ProblemSeverity},
    rpc::Error,
    workspace::Workspace,
};

/// Lines around a problem that go with it.
const AROUND: u32 = 20;

/// All that a command may have. In place of the object, plain strings are `words`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Arguments {
    #[serde(alias = "prompt", alias = "mode", alias = "model")]
    pub words: String,
    pub session_id: Option<String>,
    pub turn_id: Option<String>,
    pub hunks: Option<Vec<String>>,
    /// The document that the rest is about.
    pub uri: Option<String>,
    /// The line, from 1, of the comment that the prompt is.
    comment: Option<u32>,
    lines: Option<Lines>,
    problem: Option<Reported>,
    pub approval_id: Option<String>,
    pub scope: Option<ApprovalScope>,
    pub reason: Option<String>,
    pub question_id: Option<String>,
    pub choice: Option<usize>,
}

/// From 1, both included.
#[derive(Deserialize)]
struct Lines {
    start: u32,
    end: u32,
}

/// A problem as the editor reported it.
#[derive(Deserialize)]
struct Reported {
    line: u32,
    #[serde(default)]
    severity: Value,
    message: String,
    #[serde(default)]
    source: Value,
    #[serde(default)]
    code: Value,
}

impl Arguments {
    pub fn read(arguments: Vec<Value>) -> Result<Self, Error> {
        if let [object @ Value::Object(_)] = arguments.as_slice() {
            return serde_json::from_value(object.clone()).map_err(|error| Error::invalid_params(error.to_string()));
        }
        let words: Option<Vec<_>> = arguments.iter().map(Value::as_str).collect();
        let words = words.ok_or_else(|| Error::invalid_params("arguments are strings, or one object"))?;
        Ok(Self { words: words.join(" "), ..Self::default() })
    }

    /// The prompt, with what it points to.
    pub fn prompt(self, workspace: &Workspace) -> Vec<ContentBlock> {
        let Self { words, uri, comment, lines, problem, .. } = self;
        let text = ContentBlock::Text { text: words.clone() };
        let Some(path) = uri else { return vec![text] };
        if let Some(line) = comment {
            let comment = ContentBlock::Comment { path: path.clone(), line, text: words };
            return vec![comment, ContentBlock::File { path }];
        }
        if let Some(Lines { start, end }) = lines {
            return vec![text, selection(workspace, path, start, end)];
        }
        if let Some(problem) = problem {
            let (start_line, end_line) = (problem.line.saturating_sub(AROUND).max(1), problem.line + AROUND);
            let problems = vec![problem.of(&path)];
            return vec![
                text,
                ContentBlock::Diagnostics { problems },
                ContentBlock::Range { path, start_line, end_line },
            ];
        }
        vec![text, ContentBlock::File { path }]
    }
}

impl Reported {
    fn of(self, path: &str) -> Problem {
        let severity = match self.severity.as_u64() {
            Some(2) => ProblemSeverity::Warning,
            Some(3) => ProblemSeverity::Information,
            Some(4) => ProblemSeverity::Hint,
            _ => ProblemSeverity::Error,
        };
        let name = |value: Value| match value {
            Value::String(name) => Some(name),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let (source, code) = (name(self.source), name(self.code));
        Problem { path: path.to_owned(), line: self.line, severity, message: self.message, source, code }
    }
}

/// These lines as they are now.
fn selection(workspace: &Workspace, path: String, start_line: u32, end_line: u32) -> ContentBlock {
    let text = workspace.buffers().into_iter().find(|buffer| buffer.uri == path).map(|buffer| {
        let first = start_line.saturating_sub(1) as usize;
        let count = (end_line as usize).saturating_sub(first);
        buffer.text.lines().skip(first).take(count).map(|line| line.to_string()).collect::<String>()
    });
    match text {
        Some(text) => ContentBlock::Selection { path, start_line, end_line, text },
        // Not open.
        None => ContentBlock::Range { path, start_line, end_line },
    }
}
