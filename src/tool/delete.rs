//! Deletes, with a way back.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Output, Proposal, ToolError, Typed, changed, relocate::names, stopped};
use crate::workspace::{Bins, Holdings, Location};

pub struct Delete {
    pub bins: Bins,
}

/// Deletes a file or a folder: it goes to the trash, or is kept elsewhere, so that the person can have it back.
///
/// A folder that is not empty needs `recursive`. Files with changes that are not saved in the editor are never deleted. Use
/// this in place of rm in bash.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The file or folder: absolute, or relative to the first root of the workspace.
    path: String,
    /// Whether a folder goes with all that is in it.
    recursive: Option<bool>,
}

struct Prepared {
    entry: Location,
    holdings: Holdings,
}

#[async_trait]
impl Typed for Delete {
    const NAME: &'static str = "delete";
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let entry = locate(input, context)?;
        let title = |kind| format!("Delete {kind}{}", entry.shown);
        let prepared = Prepared::new(entry.clone(), input, context).await;
        let proposal = match &prepared {
            Ok(Prepared { holdings, .. }) => {
                let title = title(if holdings.is_folder { "folder " } else { "" });
                let proposal = changed::proposal(title, &[&entry], context);
                let risks: Vec<String> = [told(holdings), proposal.risk].into_iter().flatten().collect();
                Proposal { risk: (!risks.is_empty()).then(|| risks.join(" ")), ..proposal }
            }
            Err(error) => changed::withheld(error, title(""), &[&entry], context)?,
        };
        context.prepared.keep(prepared);
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        let prepare = async { Prepared::new(locate(&input, context)?, &input, context).await };
        let Prepared { entry, holdings } = changed::prepared(context, prepare).await?;
        let gone = context.workspace.discard(&entry, &holdings, &self.bins).await.map_err(failed)?;
        context.ledger.note_delete(&entry, &gone).await;
        let mut text = match &gone.kept {
            None => format!("Deleted {}: it is in the trash, where the person can restore it.", entry.shown),
            Some(kept) => {
                format!("Deleted {0}. It is kept as {1}; to have it back, move it.", entry.shown, kept.display())
            }
        };
        if !gone.open.is_empty() {
            text += &format!(" The editor still shows {}; saving there would bring it back.", names(&gone.open));
        }
        Ok(Output::text(text))
    }
}

fn locate(input: &Input, context: &Context) -> Result<Location, ToolError> {
    context.workspace.resolve_entry(&input.path).map_err(failed)
}

impl Prepared {
    async fn new(entry: Location, input: &Input, context: &Context) -> Result<Self, ToolError> {
        let holdings = context.workspace.holdings(&entry).await.map_err(failed)?;
        let is_empty = holdings.files == 0 && holdings.folders == 0;
        if !is_empty && !input.recursive.unwrap_or(false) {
            return Err(ToolError::new(format!(
                "{} is a folder with {} in it. Nothing was deleted. If all of it is to go, set `recursive`",
                entry.shown,
                counted(&holdings)
            )));
        }
        Ok(Self { entry, holdings })
    }
}

/// What the person should know of what goes; nothing if it is just the file they see.
fn told(holdings: &Holdings) -> Option<String> {
    if holdings.files == 0 && holdings.folders == 0 {
        return None;
    }
    let mut text = format!("It deletes {} ({} bytes)", counted(holdings), holdings.bytes);
    let names: Vec<String> = holdings.first.iter().map(|path| path.display().to_string()).collect();
    if !names.is_empty() {
        text += &format!(": {}", names.join(", "));
    }
    if holdings.files > names.len() {
        text += &format!(" and {} more", holdings.files - names.len());
    }
    text.push('.');
    if holdings.has_history {
        text += " The history of a git repository is among them.";
    }
    Some(text)
}

fn counted(holdings: &Holdings) -> String {
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    match (holdings.files, holdings.folders) {
        (files, 0) => count(files, "file"),
        (0, folders) => count(folders, "folder"),
        (files, folders) => format!("{} and {}", count(files, "file"), count(folders, "folder")),
    }
}

fn failed(error: impl std::error::Error) -> ToolError {
    ToolError::new(error.to_string())
}
