//! What an editor without a plugin can offer where the cursor is: code actions, code lenses, hovers.
//!
//! All of it is computed from the buffers and from what waits, when the editor asks; nothing is kept. Parameters are
//! read leniently, as those of [documents](super::documents) are.

use ropey::Rope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    commands,
    documents::Range,
    handshake::Abilities,
    plain::{Changed, Plain, detail, has_rule, headline},
};
use crate::{
    context::{PromptComment, comments},
    protocol::{Approval, Question},
    sidecar::Inquiry,
    workspace::{Position, PositionEncoding, Workspace},
};

/// What kinds of code actions there are.
pub(super) const KINDS: [&str; 3] = [QUICK_FIX, REFACTOR, REWRITE];
const QUICK_FIX: &str = "quickfix";
const REFACTOR: &str = "refactor";
const REWRITE: &str = "refactor.rewrite";

/// How many problems are offered to be fixed one by one. Chosen: a menu is read, not searched.
const MOST_PROBLEMS: usize = 5;
/// Characters of a prompt or a message in a title. Chosen.
const TITLE_MAX: usize = 60;

/// What can be done with a selection: its title, its kind, and what the model is told.
const SELECTION: [(&str, &str, &str); 4] = [
    ("Explain with Pillion", REFACTOR, "Explain what this code does and why it is written so. Change nothing."),
    ("Fix with Pillion", REWRITE, "Find what is wrong with this code, and fix it."),
    ("Document with Pillion", REWRITE, "Write the documentation of this code, in the manner of the files around it."),
    (
        "Test with Pillion",
        REFACTOR,
        "Write tests for this code, where and how this project has its tests, and run them.",
    ),
];

/// The requests that [`answer`] answers.
pub(super) const OFFERS: [&str; 3] = [CODE_ACTION, CODE_LENS, HOVER];
pub(super) const CODE_ACTION: &str = "textDocument/codeAction";
const CODE_LENS: &str = "textDocument/codeLens";
const HOVER: &str = "textDocument/hover";

/// The document that one of them is about.
pub(super) fn document_of(params: &Value) -> Option<&str> {
    params["textDocument"]["uri"].as_str()
}

/// What there is of it. Looks through a whole document.
pub(super) fn answer(method: &str, params: &Value, ground: &Ground) -> Value {
    let read = || serde_json::from_value::<Params>(params.clone()).ok();
    let document = || {
        let params = read()?;
        let buffers = ground.workspace.buffers();
        let buffer = buffers.into_iter().find(|buffer| buffer.uri == params.text_document.uri)?;
        let path = buffer.location.path.to_string_lossy().into_owned();
        Some((params, Document { uri: buffer.uri, path, text: buffer.text, ground }))
    };
    match method {
        CODE_ACTION => document().map_or(json!([]), |(params, document)| document.actions(&params)),
        CODE_LENS => document().map_or(json!([]), |(_, document)| document.lenses()),
        _ => document().and_then(|(params, document)| document.hover(params.position?.into())).unwrap_or_default(),
    }
}

/// What an offer is made from.
pub(super) struct Ground {
    pub(super) workspace: std::sync::Arc<Workspace>,
    pub(super) plain: Plain,
    pub(super) abilities: Abilities,
    pub(super) encoding: PositionEncoding,
    /// What can be taken back of the document.
    pub(super) change: Option<Changed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params {
    text_document: Named,
    #[serde(default)]
    range: Option<Range>,
    #[serde(default)]
    position: Option<super::documents::Place>,
    #[serde(default)]
    context: Context,
}

#[derive(Deserialize)]
struct Named {
    uri: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    diagnostics: Vec<Value>,
    only: Option<Vec<String>>,
}

/// An open document.
struct Document<'a> {
    uri: String,
    path: String,
    text: Rope,
    ground: &'a Ground,
}

/// A thing to do, by a command.
struct Offer {
    title: String,
    kind: &'static str,
    command: &'static str,
    arguments: Value,
    /// What it would get rid of.
    diagnostic: Option<Value>,
}

impl Offer {
    fn new(title: impl Into<String>, kind: &'static str, command: &'static str, arguments: Value) -> Self {
        Self { title: title.into(), kind, command, arguments, diagnostic: None }
    }

    fn command(&self) -> Value {
        json!({ "title": self.title, "command": self.command, "arguments": [self.arguments] })
    }

    fn action(&self, has_literals: bool) -> Value {
        if !has_literals {
            return self.command();
        }
        let mut action = json!({ "title": self.title, "kind": self.kind, "command": self.command() });
        if let Some(diagnostic) = &self.diagnostic {
            action["diagnostics"] = json!([diagnostic]);
        }
        action
    }

    /// Whether it is of a kind that is asked for.
    fn is_wanted(&self, only: Option<&[String]>) -> bool {
        let covers = |kind: &String| {
            kind.is_empty()
                || self
                    .kind
                    .strip_prefix(kind.as_str())
                    .is_some_and(|rest| matches!(rest.bytes().next(), None | Some(b'.')))
        };
        only.is_none_or(|only| only.iter().any(covers))
    }
}

impl Document<'_> {
    fn actions(&self, params: &Params) -> Value {
        let Some(range) = &params.range else { return json!([]) };
        let (start, end): (Position, Position) = (range.start.into(), range.end.into());
        let lines = start.line as usize..end.line as usize + 1;
        let mut offers = Vec::new();
        // What is about this very place comes first.
        let mut waiting = self.ground.plain.waiting();
        waiting.sort_by_key(|inquiry| !self.lines_of(inquiry).iter().any(|line| lines.contains(line)));
        waiting.iter().for_each(|inquiry| offers.extend(verdicts(inquiry)));
        let here = |comment: &PromptComment| comment.lines.start < lines.end && lines.start < comment.lines.end;
        offers.extend(comments(&self.text).iter().filter(|comment| here(comment)).map(|comment| self.run(comment)));
        if self.ground.plain.works_on(&self.uri) {
            offers.push(Offer::new("Stop Pillion", QUICK_FIX, commands::STOP, json!({})));
        }
        if let Some(change) = &self.ground.change {
            let arguments = json!({ "sessionId": change.session_id, "turnId": change.turn_id, "uri": self.uri });
            offers.push(Offer::new("Take back what Pillion changed here", REFACTOR, commands::REVERT, arguments));
        }
        offers.extend(params.context.diagnostics.iter().take(MOST_PROBLEMS).map(|problem| self.fix(problem)));
        if self.is_selected(start, end) {
            let place = json!({ "start": start.line + 1, "end": self.last_line(start, end) });
            offers.extend(SELECTION.iter().map(|(title, kind, prompt)| {
                let arguments = json!({ "prompt": prompt, "uri": self.uri, "lines": place });
                Offer::new(*title, kind, commands::ASK, arguments)
            }));
        }
        let only = params.context.only.as_deref();
        let has_literals = self.ground.abilities.action_literals;
        offers.iter().filter(|offer| offer.is_wanted(only)).map(|offer| offer.action(has_literals)).collect()
    }

    fn lenses(&self) -> Value {
        let lens = |line: usize, offer: &Offer| {
            let place = json!({ "line": line, "character": 0 });
            json!({ "range": { "start": place, "end": place }, "command": offer.command() })
        };
        let mut lenses: Vec<Value> = Vec::new();
        for comment in comments(&self.text) {
            lenses.push(lens(comment.lines.start, &self.run(&comment)));
        }
        for inquiry in self.ground.plain.waiting() {
            if let Some(line) = self.lines_of(&inquiry).first() {
                lenses.extend(verdicts(&inquiry).iter().map(|offer| lens(*line, offer)));
            }
        }
        json!(lenses)
    }

    /// What waits for the person here, else what they were answered here.
    fn hover(&self, position: Position) -> Option<Value> {
        let line = position.line as usize;
        let waiting = self.ground.plain.waiting();
        let asked = waiting.iter().find_map(|inquiry| match inquiry {
            Inquiry::Approval(approval) if self.lines_of(inquiry).contains(&line) => Some(described(approval)),
            Inquiry::Approval(_) | Inquiry::Question(_) => None,
        });
        let text = asked.or_else(|| self.ground.plain.answer_at(&self.uri, &self.text, line))?;
        Some(json!({ "contents": { "kind": "markdown", "value": text } }))
    }

    fn run(&self, comment: &PromptComment) -> Offer {
        let title = format!("Pillion: {}", shortened(&comment.words));
        let line = comment.lines.start + 1;
        let arguments = json!({ "prompt": comment.words, "uri": self.uri, "comment": line });
        Offer::new(title, QUICK_FIX, commands::ASK, arguments)
    }

    fn fix(&self, problem: &Value) -> Offer {
        let message = problem["message"].as_str().unwrap_or_default();
        let line = problem["range"]["start"]["line"].as_u64().unwrap_or_default();
        let arguments = json!({ "prompt": "Fix this problem.", "uri": self.uri, "problem": {
            "line": line + 1,
            "severity": problem["severity"],
            "message": message,
            "source": problem["source"],
            "code": problem["code"],
        } });
        let offer =
            Offer::new(format!("Fix with Pillion: {}", shortened(message)), QUICK_FIX, commands::ASK, arguments);
        Offer { diagnostic: Some(problem.clone()), ..offer }
    }

    /// Whether this is more than a cursor, which some editors show as one selected character.
    fn is_selected(&self, start: Position, end: Position) -> bool {
        let place = |position| self.ground.encoding.to_char(&self.text, position);
        place(end).saturating_sub(place(start)) > 1
    }

    /// From 1. A selection of whole lines ends at the start of the next one.
    fn last_line(&self, start: Position, end: Position) -> u32 {
        if end.column == 0 && end.line > start.line { end.line } else { end.line + 1 }
    }

    /// The lines of this document, from 0, that an approval would change.
    fn lines_of(&self, inquiry: &Inquiry) -> Vec<usize> {
        let Inquiry::Approval(Approval { diff: Some(diff), .. }) = inquiry else { return Vec::new() };
        if diff.path != self.path && diff.path != self.uri {
            return Vec::new();
        }
        let lines = diff.hunks.iter().flat_map(|hunk| {
            // The lines of context around it are not changed.
            let lead = hunk.text.lines().take_while(|line| line.starts_with(' ')).count();
            let tail = hunk.text.lines().rev().take_while(|line| line.starts_with(' ')).count();
            let first = hunk.old_start.max(1) - 1 + lead;
            first..(hunk.old_start.max(1) - 1 + hunk.old_lines).saturating_sub(tail).max(first + 1)
        });
        lines.collect()
    }
}

/// The ways to answer what waits.
fn verdicts(inquiry: &Inquiry) -> Vec<Offer> {
    match inquiry {
        Inquiry::Approval(approval) => {
            let id = &approval.approval_id;
            let what = shortened(&approval.title);
            let mut offers = vec![Offer::new(
                format!("Pillion: allow: {what}"),
                QUICK_FIX,
                commands::APPROVE,
                json!({ "approvalId": id }),
            )];
            if has_rule(approval) {
                let arguments = json!({ "approvalId": id, "scope": "session" });
                let title = format!("Pillion: allow for this session: {what}");
                offers.push(Offer::new(title, QUICK_FIX, commands::APPROVE, arguments));
            }
            let arguments = json!({ "approvalId": id });
            offers.push(Offer::new(format!("Pillion: deny: {what}"), QUICK_FIX, commands::DENY, arguments.clone()));
            offers.push(Offer::new(format!("Pillion: show: {what}"), QUICK_FIX, commands::SHOW, arguments));
            offers
        }
        Inquiry::Question(Question { question_id, text, choices, .. }) => {
            let choice = |(index, label): (usize, &str)| {
                let title = format!("Pillion asks: {} {label}", shortened(text));
                let arguments = json!({ "questionId": question_id, "choice": index });
                Offer::new(title, QUICK_FIX, commands::APPROVE, arguments)
            };
            choices.iter().map(|choice| choice.label.as_str()).enumerate().map(choice).collect()
        }
    }
}

/// An approval as Markdown.
pub(super) fn described(approval: &Approval) -> String {
    let language = if approval.diff.is_some() { "diff" } else { "" };
    // Longer than any fence in it.
    let detail = detail(approval);
    let longest = detail.split(|char| char != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{}\n\n{fence}{language}\n{detail}\n{fence}\n", headline(approval))
}

fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    super::plain::clip(&line, TITLE_MAX)
}
