//! Writes a whole file.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Output, Proposal, ToolError, Typed, changed, stopped};
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
        let location = locate(input, context)?;
        let title = |does| format!("{does} {}", location.shown);
        let planned = Planned::new(&location, input, context).await;
        let proposal = match &planned {
            Ok(Planned { plan, is_new }) => {
                let title = title(if *is_new { "Create" } else { "Write" });
                let diff = Some(plan.diff().clone());
                Proposal { diff, ..changed::proposal(title, &[&location], context) }
            }
            Err(error) => changed::withheld(error, title("Write"), &[&location], context)?,
        };
        context.prepared.keep(planned);
        Ok(proposal)
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        if context.cancel.is_cancelled() {
            return Err(stopped());
        }
        let prepare = async { Planned::new(&locate(&input, context)?, &input, context).await };
        let Planned { plan, .. } = changed::prepared(context, prepare).await?;
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

fn locate(input: &Input, context: &Context) -> Result<Location, ToolError> {
    context.workspace.resolve(&input.path).map_err(failed)
}

struct Planned {
    plan: Plan,
    is_new: bool,
}

impl Planned {
    async fn new(location: &Location, input: &Input, context: &Context) -> Result<Self, ToolError> {
        let workspace = &context.workspace;
        let base = match workspace.read(location).await {
            Ok(base) => Some(base),
            Err(ReadError::NotFound(_)) => None,
            Err(error) => return Err(failed(error)),
        };
        if let Some(base) = &base {
            let shown = &location.shown;
            if base.text.len_chars() > 0 && !context.seen.has_whole(location, base) {
                return Err(ToolError::new(format!(
                    "{shown} has text that you have not read as it is now. Nothing was written. \
                     Read all of it first, or use edit to change a part"
                )));
            }
            if base.text == input.content.as_str() {
                return Err(ToolError::new(format!("{shown} has this very text already. Nothing was written")));
            }
        }
        let plan = workspace.plan_write(location, base.as_ref(), &input.content).await.map_err(failed)?;
        Ok(Self { plan, is_new: base.is_none() })
    }
}

fn failed(error: impl std::error::Error) -> ToolError {
    ToolError::new(error.to_string())
}
