//! What write and edit have in common once they have a plan.

use super::{Context, Output};
use crate::{
    transcript::ResultContent,
    workspace::{Applied, EditError, Plan},
};

pub(super) async fn apply(plan: Plan, context: &Context) -> Result<Applied, EditError> {
    // Not raced against the cancellation: an edit that is on its way to an editor is waited for, so that what is said of it
    // is true. Each of its steps has a time limit.
    context.workspace.apply(plan, context.hunks.as_deref()).await
}

/// Says what was done, and more where that is not what the model asked for.
pub(super) fn output(done: String, applied: Applied, context: &Context) -> Output {
    let mut text = done;
    let is_partial = context.hunks.is_some();
    if is_partial && applied.diff.hunks.is_empty() {
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
