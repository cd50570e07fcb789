//! Writes a whole file.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Class, Context, Output, Proposal, ToolError, Typed, arms, changed, stopped};
use crate::workspace::{Location, Plan, ReadError};

pub struct Write;

/// Writes a file, new or in place of all its text. Folders that are missing are made.
///
/// The whole of an existing file must have been read before, as it is now. To change a part of a file, use edit.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// The file: absolute, or relative to the first root of the workspace.
    path: String,
    /// The whole new text.
    content: String,
}

#[async_trait]
impl Typed for Write {
    const NAME: &'static str = "write";
    type Input = Input;

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let (location, plan, is_new) = plan(input, context).await?;
        let proposal = Proposal {
            class: Class::Edit,
            title: format!("{} {}", if is_new { "Create" } else { "Write" }, location.shown),
            paths: vec![location.path.clone()],
            outside: !location.inside,
            command: None,
            host: None,
            diff: Some(plan.diff().clone()),
            risk: arms::risk(&location, context),
            alone: false,
        };
        context.prepared.keep(plan);
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        let plan = match context.prepared.take::<Plan>() {
            Some(plan) => plan,
            None => plan(&input, context).await?.1,
        };
        let location = plan.location().clone();
        let applied = changed::apply(plan, context).await.map_err(|error| match error {
            Some(error) => ToolError::new(error.to_string()),
            None => changed::unknown(&location),
        })?;
        let whole = context.hunks.is_none() && !applied.rebased;
        context.seen.note(&location, &applied.snapshot, whole);
        let done = format!("Wrote {}.", location.shown);
        Ok(changed::output(done, applied, context))
    }
}

/// The plan, and whether the file is a new one.
async fn plan(input: &Input, context: &Context) -> Result<(Location, Plan, bool), ToolError> {
    let workspace = &context.workspace;
    let failed = |error: &dyn std::error::Error| ToolError::new(error.to_string());
    let location = workspace.resolve(&input.path).map_err(|error| failed(&error))?;
    let base = match workspace.read(&location).await {
        Ok(base) => Some(base),
        Err(ReadError::NotFound(_)) => None,
        Err(error) => return Err(failed(&error)),
    };
    if let Some(base) = &base {
        let shown = &location.shown;
        if base.text.len_chars() > 0 && !context.seen.has_whole(&location, base) {
            return Err(ToolError::new(format!(
                "{shown} has text that you have not read as it is now. Nothing was written. \
                 Read all of it first, or use edit to change a part"
            )));
        }
        if base.text == input.content.as_str() {
            return Err(ToolError::new(format!("{shown} has this very text already. Nothing was written")));
        }
    }
    let plan = workspace.plan_write(&location, base.as_ref(), &input.content).await.map_err(|error| failed(&error))?;
    Ok((location, plan, base.is_none()))
}
