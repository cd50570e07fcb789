//! Replaces text in a file.

mod nearest;
mod replacing;

use async_trait::async_trait;
use ropey::Rope;
use schemars::JsonSchema;
use serde::Deserialize;

use self::replacing::{Miss, Replacing};
use super::{Context, Output, Proposal, ToolError, Typed, changed, lines, stopped};
use crate::workspace::{EditError, FileDiff, Hunk, Location, Plan, ReadError, Snapshot, TextEdit};

pub struct Edit;

/// Replaces text in a file, exactly and in place.
///
/// `old_string` must be the file's text to the letter, indentation included, without the line numbers that read shows, and
/// must occur once: take in lines around it until it does, or set `replace_all`. Give several `edits` of one file in one
/// call; each is for the text as the ones before it leave it, and either all are made or none. With an empty `old_string`
/// a new file is made.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The file: absolute, or relative to the first root of the workspace.
    path: String,
    /// The replacements, in order. For a single one its fields may stand beside `path` instead.
    #[serde(default)]
    edits: Vec<Replacement>,
    /// The text to replace.
    old_string: Option<String>,
    /// The text to put in its place.
    new_string: Option<String>,
    /// Whether to replace it wherever it occurs.
    replace_all: Option<bool>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
struct Replacement {
    /// The text to replace.
    old_string: String,
    /// The text to put in its place.
    new_string: String,
    /// Whether to replace it wherever it occurs.
    #[serde(default)]
    replace_all: bool,
}

#[async_trait]
impl Typed for Edit {
    const NAME: &'static str = "edit";
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let location = input.location(context)?;
        let title = |does| format!("{does} {}", location.shown);
        let planned = Planned::new(location.clone(), input.replacements()?, context).await;
        let proposal = match &planned {
            Ok(Planned { base, plan, .. }) => {
                let title = title(if base.is_some() { "Edit" } else { "Create" });
                let diff = Some(plan.diff().clone());
                Proposal { diff, ..changed::proposal(title, &[&location], context) }
            }
            Err(error) => changed::withheld(error, title("Edit"), &[&location], context)?,
        };
        context.prepared.keep(planned);
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        let prepare = async { Planned::new(input.location(context)?, input.replacements()?, context).await };
        let Planned { location, base, plan, count } = changed::prepared(context, prepare).await?;
        let proposed = plan.diff().clone();
        let applied = match changed::apply(plan, context).await {
            Ok(applied) => applied,
            Err(Some(error)) => return Err(failed(error, base.as_ref(), &proposed, context, &location)),
            Err(None) => return Err(changed::unknown(&location)),
        };
        // Who had seen all of it before has seen all of it now, unless someone else changed it, too.
        if context.hunks.is_none() && !applied.rebased {
            context.seen.note_edit(&location, base.as_ref(), &applied.snapshot);
        } else {
            context.seen.note(&location, &applied.snapshot, false);
        }
        let lines = applied.diff.hunks.iter().map(|hunk| (hunk.new_start + leading(&hunk.text)).to_string());
        let lines = lines.collect::<Vec<_>>().join(", ");
        let done = match count {
            _ if context.hunks.is_some() => format!("Edited {}.", location.shown),
            1 => format!("Edited {}: 1 replacement, at line {lines}.", location.shown),
            _ => format!("Edited {}: {count} replacements, from lines {lines}.", location.shown),
        };
        Ok(changed::output(done, applied, context))
    }
}

/// How many lines of a hunk come before its first change.
fn leading(hunk: &str) -> usize {
    hunk.lines().take_while(|line| !line.starts_with(['-', '+'])).count()
}

impl Input {
    fn location(&self, context: &Context) -> Result<Location, ToolError> {
        context.workspace.resolve(&self.path).map_err(|error| ToolError::new(error.to_string()))
    }

    fn replacements(&self) -> Result<Vec<Replacement>, ToolError> {
        let replacements = match (&self.old_string, &self.new_string) {
            (None, None) => self.edits.clone(),
            (Some(_), Some(_)) if !self.edits.is_empty() => {
                return Err(ToolError::new("give either `edits` or `old_string` and `new_string`, not both"));
            }
            (Some(old), Some(new)) => vec![Replacement {
                old_string: old.clone(),
                new_string: new.clone(),
                replace_all: self.replace_all.unwrap_or(false),
            }],
            (None, Some(_)) => return Err(ToolError::new("`old_string` is missing: the text to replace")),
            (Some(_), None) => return Err(ToolError::new("`new_string` is missing: the text to put in its place")),
        };
        if replacements.is_empty() {
            return Err(ToolError::new("there is nothing to do: give `edits`, or `old_string` and `new_string`"));
        }
        Ok(replacements)
    }
}

/// The replacements as one anchored edit.
struct Planned {
    location: Location,
    /// `None` for a new file.
    base: Option<Snapshot>,
    plan: Plan,
    /// How many places it replaces.
    count: usize,
}

impl Planned {
    async fn new(location: Location, replacements: Vec<Replacement>, context: &Context) -> Result<Self, ToolError> {
        let workspace = &context.workspace;
        let shown = location.shown.clone();
        let base = match workspace.read(&location).await {
            Ok(base) => Some(base),
            Err(ReadError::NotFound(_)) if replacements[0].old_string.is_empty() => None,
            Err(error @ ReadError::NotFound(_)) => {
                return Err(ToolError::new(format!("{error}. An empty `old_string` would make it a new file")));
            }
            Err(error) => return Err(ToolError::new(error.to_string())),
        };
        let text = base.as_ref().map(|base| base.text.clone()).unwrap_or_default();
        // Where a text is long, finding what is most like one that is not there takes a while.
        let replacing = tokio::task::spawn_blocking(move || replaced(&text, &replacements, &shown));
        let Replaced { edits, text, count } = replacing.await.map_err(|_| stopped())??;
        let plan = match &base {
            Some(base) => workspace.plan(&location, base, edits).await,
            None => workspace.plan_write(&location, None, &text).await,
        };
        let plan = plan.map_err(|error| ToolError::new(error.to_string()))?;
        Ok(Self { location, base, plan, count })
    }
}

/// Replacements that fit a text.
struct Replaced {
    edits: Vec<TextEdit>,
    /// The text after them.
    text: String,
    count: usize,
}

fn replaced(text: &Rope, replacements: &[Replacement], shown: &str) -> Result<Replaced, ToolError> {
    let mut replacing = Replacing::new(text);
    let mut count = 0;
    for (index, Replacement { old_string, new_string, replace_all }) in replacements.iter().enumerate() {
        count += replacing.replace(old_string, new_string, *replace_all).map_err(|miss| {
            let which = match replacements.len() {
                1 => String::new(),
                total => format!("Edit {} of {total}: ", index + 1),
            };
            ToolError::new(format!("{which}{} Nothing was written.{}", explained(&miss, shown), shown_near(&miss)))
        })?;
    }
    let edits = replacing.edits();
    if edits.is_empty() {
        return Err(ToolError::new("taken together, the edits change nothing. Nothing was written."));
    }
    Ok(Replaced { edits, text: replacing.text().to_owned(), count })
}

fn explained(miss: &Miss, shown: &str) -> String {
    match miss {
        Miss::Same => "`old_string` and `new_string` are the same.".to_owned(),
        Miss::Empty => format!("`old_string` is empty, but {shown} has text: give the text to replace."),
        Miss::Several { lines } => {
            let count = lines.len();
            let mut places: Vec<String> = lines.iter().take(20).map(usize::to_string).collect();
            if count > places.len() {
                places.push("...".to_owned());
            }
            let places = places.join(", ");
            format!(
                "`old_string` occurs {count} times in {shown}, on lines {places}: take in lines around the one you mean, \
                 or set `replace_all`."
            )
        }
        Miss::None { numbered: true, .. } => {
            format!("`old_string` is not in {shown}: leave out the line numbers and tabs that read shows.")
        }
        Miss::None { .. } => format!("`old_string` is not in {shown}."),
    }
}

fn shown_near(miss: &Miss) -> String {
    match miss {
        Miss::None { nearest: Some(nearest), .. } => format!(" The nearest text is:\n\n{}", nearest.trim_end()),
        _ => String::new(),
    }
}

/// The error; for a conflict with the text as it is now where the edit should have been.
fn failed(
    error: EditError,
    base: Option<&Snapshot>,
    proposed: &FileDiff,
    context: &Context,
    location: &Location,
) -> ToolError {
    let (EditError::Conflict { fresh, shown }, Some(base)) = (&error, base) else {
        return ToolError::new(error.to_string());
    };
    let moved = context.workspace.diff(location, &base.text, &fresh.text);
    let meets = |hunk: &&Hunk| {
        let lines = hunk.old_start..=hunk.old_start + hunk.old_lines;
        proposed
            .hunks
            .iter()
            .any(|edit| *lines.start() <= edit.old_start + edit.old_lines && edit.old_start <= *lines.end())
    };
    let near: Vec<String> = moved
        .hunks
        .iter()
        .filter(meets)
        .map(|hunk| {
            lines::excerpt(&fresh.text, hunk.new_start.max(1) - 1, (hunk.new_start + hunk.new_lines).max(2) - 2, 0)
        })
        .collect();
    ToolError::new(format!(
        "{shown} was changed at the place of this edit since it was proposed. Nothing was written. \
         Make the edit for the text as it is now. Around there it is:\n\n{}",
        near.join("\n").trim_end()
    ))
}
