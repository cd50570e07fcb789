//! Moves and renames.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Output, Proposal, ToolError, Typed, changed, stopped};
use crate::workspace::{Location, Moved};

pub struct Move;

/// Moves or renames a file or a folder, with what the editor shows of it.
///
/// Nothing is ever overwritten. Folders that are missing are made. Changes that are not saved move along, or nothing moves.
/// Use this in place of mv in bash.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The file or folder: absolute, or relative to the first root of the workspace.
    from: String,
    /// Its new path with its new name; not just the folder to move it into.
    to: String,
}

struct Prepared {
    from: Location,
    to: Location,
}

#[async_trait]
impl Typed for Move {
    const NAME: &'static str = "move";
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let Prepared { from, to } = prepare(input, context)?;
        let title = format!("Move {} to {}", from.shown, to.shown);
        let checked = context.workspace.check_move(&from, &to).map_err(failed);
        let proposal = match &checked {
            Ok(()) => changed::proposal(title, &[&from, &to], context),
            Err(error) => changed::withheld(error, title, &[&from, &to], context)?,
        };
        context.prepared.keep(checked.map(|()| Prepared { from, to }));
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        let prepare = async { prepare(&input, context) };
        let Prepared { from, to } = changed::prepared(context, prepare).await?;
        // Once it has begun, what is said of it must be true.
        let Moved { left_behind, rescued } = context.workspace.relocate(&from, &to).await.map_err(failed)?;
        context.seen.moved(&from.path, &to.path);
        context.ledger.note_move(&from, &to).await;
        let mut text = format!("Moved {} to {}.", from.shown, to.shown);
        if !left_behind.is_empty() {
            text += &format!(
                " The editor still has {} open under the old name; saving there would make the old file anew. Tell the \
                 person to open the new one.",
                names(&left_behind)
            );
        }
        if !rescued.is_empty() {
            let these = names(&rescued);
            text += &format!(" The editor gave up changes of {these} that were not saved; they are saved now.");
        }
        Ok(Output::text(text))
    }
}

fn prepare(input: &Input, context: &Context) -> Result<Prepared, ToolError> {
    let from = context.workspace.resolve_entry(&input.from).map_err(failed)?;
    let to = context.workspace.resolve_name(&input.to).map_err(failed)?;
    if !to.path.is_absolute() {
        return Err(ToolError::new(format!("{} is not the path of a file", to.shown)));
    }
    Ok(Prepared { from, to })
}

fn failed(error: impl std::error::Error) -> ToolError {
    ToolError::new(error.to_string())
}

pub(super) fn names(locations: &[Location]) -> String {
    let names: Vec<&str> = locations.iter().map(|location| location.shown.as_str()).collect();
    names.join(", ")
}
