//! What the person has before them.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Output, Proposal, ToolError, Typed, files, stopped};
use crate::workspace::{Active, Focus, Location, Position, Selected, Visible};

/// How many files are named. Chosen: more than a person looks after.
const NAMED: usize = 100;

pub struct Editor;

/// What the person has before them: the active file, the cursor, what is selected, which files are visible and open. Ask
/// when they say `this` or `here`.
#[derive(Deserialize, JsonSchema)]
pub struct Input {}

#[async_trait]
impl Typed for Editor {
    const NAME: &'static str = "editor";
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, _: &Input, _: &Context) -> Result<Proposal, ToolError> {
        Ok(files::proposal("Look at the editor".to_owned(), &[]))
    }

    async fn run(&self, _: Input, context: &Context) -> Result<Output, ToolError> {
        let said = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            said = context.workspace.focus() => said,
        };
        let said = said.map_err(|error| {
            ToolError::new(format!(
                "{error} What the person has before them is not known; go by their words, or ask them."
            ))
        })?;
        match said.as_slice() {
            [] => Err(ToolError::new(
                "no editor that says what it shows is attached; go by the person's words, or ask them which file they mean",
            )),
            [one] => Ok(Output::text(shown(one))),
            many => {
                let numbered = many.iter().enumerate();
                let each = numbered.map(|(at, one)| format!("Editor {} of {}\n{}", at + 1, many.len(), shown(one)));
                Ok(Output::text(each.collect::<Vec<_>>().join("\n\n")))
            }
        }
    }
}

/// The selected text comes last: it may be long.
fn shown(Focus { active, visible, open }: &Focus<Location>) -> String {
    let mut lines = Vec::new();
    match active {
        Some(Active { document, cursor, has_moved, .. }) => {
            let moved = if *has_moved { " (it has changed since; look where that is now)" } else { "" };
            lines.push(format!("Active: {}, the cursor at {}{moved}", document.shown, place(cursor)));
        }
        None => lines.push("No file is active.".to_owned()),
    }
    let window = |Visible { document, first, last }: &Visible<Location>| {
        format!("{} (lines {} to {})", document.shown, u64::from(*first) + 1, u64::from(*last) + 1)
    };
    lines.extend(listed("Visible", visible.iter().map(window)));
    lines.extend(listed("Open", open.iter().map(|document| document.shown.clone())));
    if let Some(Active { selection: Some(Selected { start, end, text }), .. }) = active {
        lines.push(format!("Selected, from {} to {}:\n{text}", place(start), place(end)));
    }
    lines.join("\n")
}

fn listed(title: &str, names: impl ExactSizeIterator<Item = String>) -> Option<String> {
    let hidden = names.len().saturating_sub(NAMED);
    let mut names: Vec<String> = names.take(NAMED).collect();
    if hidden > 0 {
        names.push(format!("and {hidden} more"));
    }
    (!names.is_empty()).then(|| format!("{title}: {}", names.join(", ")))
}

/// As editors count for people.
fn place(at: &Position) -> String {
    format!("{}:{}", u64::from(at.line) + 1, u64::from(at.column) + 1)
}
