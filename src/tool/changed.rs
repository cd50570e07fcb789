//! What write and edit have in common once they have a plan.

use std::time::Duration;

use super::{Context, Output, ToolError};
use crate::{
    transcript::ResultContent,
    workspace::{Applied, EditError, Location, Plan},
};

/// How long an edit that is under way is waited for after a cancellation, so that what is said of it is true. A file is
/// written by then; an editor may take longer.
const GRACE: Duration = Duration::from_millis(200);

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
    let text = text.trim_end().to_owned();
    Output { content: vec![ResultContent::Text { text }], diff: Some(applied.diff) }
}
