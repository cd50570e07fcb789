//! What the tools that change files have in common.

use std::time::Duration;

use super::{Class, Context, Output, Proposal, ToolError, arms};
use crate::{
    transcript::ResultContent,
    workspace::{Applied, EditError, Location, Plan},
};

/// How long an edit that is under way is waited for after a cancellation, so that what is said of it is true. A file is
/// written by then; an editor may take longer.
const GRACE: Duration = Duration::from_millis(200);

/// Of a change of these files.
pub(super) fn proposal(title: String, locations: &[&Location], context: &Context) -> Proposal {
    Proposal {
        class: Class::Edit,
        paths: locations.iter().map(|location| location.path.clone()).collect(),
        outside: locations.iter().any(|location| !location.inside),
        risk: locations.iter().find_map(|location| arms::risk(location, context)),
        ..Proposal::harmless(title)
    }
}

/// Of a change that cannot be made. Outside the roots, why not tells of files that nobody may look at unasked: the call
/// is proposed all the same, and the error is for its run, which comes after the gate.
///
/// # Errors
/// The error itself, if it is of files inside the roots.
pub(super) fn withheld(
    error: &ToolError,
    title: String,
    locations: &[&Location],
    context: &Context,
) -> Result<Proposal, ToolError> {
    let proposal = proposal(title, locations, context);
    if !proposal.outside {
        return Err(error.clone());
    }
    let risk =
        "It cannot be done. Allowing it changes nothing, and tells the model why, perhaps with text of the file.";
    Ok(Proposal { risk: Some(risk.to_owned()), ..proposal })
}

/// What the proposal found out, also where that is an error; found out now if there was none.
pub(super) async fn prepared<T: Send + 'static>(
    context: &Context,
    prepare: impl Future<Output = Result<T, ToolError>>,
) -> Result<T, ToolError> {
    match context.prepared.take::<Result<T, ToolError>>() {
        Some(prepared) => prepared,
        None => prepare.await,
    }
}

/// Makes the edits, those of the chosen hunks. `Err(None)` if the call was cancelled meanwhile.
pub(super) async fn apply(plan: Plan, context: &Context) -> Result<Applied, Option<EditError>> {
    let applying = async {
        let location = plan.location().clone();
        let applied = context.workspace.apply(plan, context.hunks.as_deref()).await?;
        context.ledger.note_edit(&location, &applied).await;
        Ok(applied)
    };
    let cancelled = async {
        context.cancel.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        biased;
        applied = applying => applied.map_err(Some),
        () = cancelled => Err(None),
    }
}

/// What is said of an edit that was cancelled.
pub(super) fn unknown(location: &Location) -> ToolError {
    ToolError::new(format!("cancelled. {0} may have been changed or not: read it again", location.shown))
}

/// Says what was done, and more where that is not what the model asked for.
pub(super) fn output(done: String, applied: Applied, context: &Context) -> Output {
    let mut text = done;
    let is_unchanged = applied.diff.hunks.is_empty();
    // A new file without text has no hunks to choose from.
    let is_partial = context.hunks.is_some() && !(applied.created && is_unchanged);
    if is_partial && is_unchanged {
        text = "The person chose none of the changes. Nothing was written.".to_owned();
    } else if is_partial {
        text += " The person chose only a part of the changes; what was made is:\n\n";
        text += &applied.diff.unified;
    } else if applied.rebased {
        text += " The text has changed elsewhere since you read it; what was made is:\n\n";
        text += &applied.diff.unified;
    }
    let mut text = text.trim_end().to_owned();
    if applied.snapshot.overtaken {
        text += "\n[Someone else has written the file meanwhile, and the editor does not show that: this edit is in the \
                 editor's text alone, and commands see the other. Tell the person, who has to bring the two together.]";
    }
    Output { content: vec![ResultContent::Text { text }], diff: Some(applied.diff) }
}
