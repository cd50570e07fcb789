//! What the editor's language servers and linters say.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Output, Proposal, ToolError, Typed, files, shortened, stopped};
use crate::workspace::{Diagnosis, Diagnostic, Location, Severity};

/// How many are shown. Chosen: more than are mended in one go.
const SHOWN: usize = 100;

pub struct Diagnostics;

/// Asks the person's editor for its diagnostics: errors and warnings of language servers and linters, of the text as it is on
/// the screen. Use it after edits, where it is quicker than a build. It waits a moment for checkers that are at work, and
/// says which files they have not looked at since they changed.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The files: all that the editor knows something about if absent.
    #[serde(default)]
    paths: Vec<String>,
}

#[async_trait]
impl Typed for Diagnostics {
    const NAME: &'static str = "diagnostics";
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let locations = locations(input, context)?;
        let of = match locations.as_slice() {
            [] => String::new(),
            [one] => format!(" of {}", one.shown),
            many => format!(" of {} files", many.len()),
        };
        Ok(files::proposal(format!("Diagnostics{of}"), &locations))
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let locations = locations(&input, context)?;
        let wanted = Some(locations.as_slice()).filter(|locations| !locations.is_empty());
        let diagnosis = tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            diagnosis = context.workspace.diagnostics(wanted) => diagnosis,
        };
        match diagnosis.map_err(|error| ToolError::new(error.to_string()))? {
            Some(diagnosis) => Ok(Output::text(said(&diagnosis, &locations))),
            None => Err(ToolError::new(
                "no editor that gives diagnostics is attached; run the project's own checks with bash instead",
            )),
        }
    }
}

fn locations(input: &Input, context: &Context) -> Result<Vec<Location>, ToolError> {
    let resolve = |path: &String| context.workspace.resolve(path).map_err(|error| ToolError::new(error.to_string()));
    input.paths.iter().map(resolve).collect()
}

fn said(diagnosis: &Diagnosis, wanted: &[Location]) -> String {
    let mut lines = Vec::new();
    let mut left = SHOWN;
    for (location, items) in &diagnosis.files {
        match items.as_slice() {
            [] if wanted.is_empty() => {}
            [] => lines.push(format!("{}: nothing wrong", location.shown)),
            items => {
                lines.push(format!("{}:", location.shown));
                lines.extend(items.iter().take(left).map(line));
                let hidden = items.len().saturating_sub(left);
                if hidden > 0 {
                    lines.push(format!("  ({hidden} more; ask for this file alone)"));
                }
                left = left.saturating_sub(items.len()).max(1);
            }
        }
    }
    for location in &diagnosis.stale {
        lines.push(format!(
            "{}: not fresh yet, it has changed and was not checked since. Ask again in a moment.",
            location.shown
        ));
    }
    let is_known = |wanted: &&Location| {
        let known = diagnosis.files.iter().map(|(location, _)| location).chain(&diagnosis.stale);
        known.into_iter().all(|location| location.path != wanted.path)
    };
    for location in wanted.iter().filter(is_known) {
        lines.push(format!("{}: the editor knows nothing about it; it may not be open there", location.shown));
    }
    if lines.is_empty() { "Nothing wrong in all that the editor has checked.".to_owned() } else { lines.join("\n") }
}

fn line(item: &Diagnostic) -> String {
    let Diagnostic { start, severity, message, source, code, .. } = item;
    let kind = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Information => "information",
        Severity::Hint => "hint",
    };
    let code = code.as_ref().map(|code| format!("[{code}]")).unwrap_or_default();
    let source = source.as_ref().map(|source| format!(" ({source})")).unwrap_or_default();
    // Some say it over many lines, the first of which is what it is.
    let message = shortened(message, 500);
    format!("  {}:{} {kind}{code}{source}: {message}", start.line + 1, start.column + 1)
}
