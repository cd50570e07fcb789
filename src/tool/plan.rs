//! The list of what is to do, for the person to follow.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Output, PlanItem, PlanStatus, Proposal, ToolError, Typed};

/// The most that a person reads. Chosen by taste.
const LONGEST: usize = 100;

pub struct Plan;

/// Shows the person the list of what you are going to do and how far you are. Give the whole list each time: it replaces
/// the one before. Use it for work of three steps or more; have one step `inProgress` at a time, and mark each one
/// `completed` as soon as it is, not all of them in the end.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// All steps, in order.
    items: Vec<Item>,
}

#[derive(Deserialize, JsonSchema)]
struct Item {
    /// What is to be done, in a few words.
    text: String,
    status: Status,
}

#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Status {
    Pending,
    InProgress,
    Completed,
}

#[async_trait]
impl Typed for Plan {
    const NAME: &'static str = "plan";
    const READS_ONLY: bool = true;
    type Input = Input;

    async fn propose(&self, input: &Input, _: &Context) -> Result<Proposal, ToolError> {
        if let Some(blank) = input.items.iter().position(|item| item.text.trim().is_empty()) {
            return Err(ToolError::new(format!("`items[{blank}].text` is empty: say what is to be done")));
        }
        if input.items.len() > LONGEST {
            return Err(ToolError::new(format!(
                "{} items are more than a person follows: keep to {LONGEST}, and leave details out",
                input.items.len()
            )));
        }
        // In order with what came before it, so that the list never goes back.
        Ok(Proposal { alone: true, ..Proposal::harmless(format!("Plan: {}", progress(&input.items))) })
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        let mut said = format!("The person sees the plan: {}.", progress(&input.items));
        let open = input.items.iter().filter(|item| item.status == Status::InProgress).count();
        if open > 1 {
            said += &format!(" {open} steps are in progress; the person can follow one at a time better.");
        }
        let item = |Item { text, status }| PlanItem {
            text,
            status: match status {
                Status::Pending => PlanStatus::Pending,
                Status::InProgress => PlanStatus::InProgress,
                Status::Completed => PlanStatus::Completed,
            },
        };
        context.desk.plan(input.items.into_iter().map(item).collect()).await;
        Ok(Output::text(said))
    }
}

fn progress(items: &[Item]) -> String {
    let done = items.iter().filter(|item| item.status == Status::Completed).count();
    format!("{done} of {} done", items.len())
}
