//! Work given to an agent of its own.

use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Errand, Output, Profile, Proposal, TimeLimit, ToolError, Typed, shortened};
use crate::transcript::StopReason;

/// Gives tasks to agents that start with an empty conversation; `profiles` are those with a name.
pub struct SubAgent {
    pub profiles: Vec<Arc<Profile>>,
}

/// Gives a task to another agent, which works on it by itself and reports back once. It has your tools and none of your
/// conversation. Use it for what would fill your context with things that you need only the result of: a search through
/// many files, a review, a self-contained change. The person sees its work and is asked for what it may not do unasked.
///
/// Several calls in one answer run at the same time if they only read.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// All it has to know: what to do, where to look, what is known already, and what to report.
    task: String,
    /// The name of the agent to give it to; one like you if absent.
    agent: Option<String>,
    /// Whether it only looks and changes nothing (false if absent).
    read_only: Option<bool>,
}

#[async_trait]
impl Typed for SubAgent {
    const NAME: &'static str = "sub_agent";
    const DOES: &'static str = "sub-agent:";
    type Input = Input;

    fn notes(&self) -> String {
        let line = |profile: &Arc<Profile>| format!("- {}: {}", profile.name, profile.description.trim());
        let lines: Vec<String> = self.profiles.iter().map(line).collect();
        if lines.is_empty() { String::new() } else { format!("Agents with a name:\n{}", lines.join("\n")) }
    }

    fn time_limit(&self) -> TimeLimit {
        // Its model calls and its tools have limits of their own.
        TimeLimit::Unlimited
    }

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let errand = self.errand(input, context)?;
        let to = errand.profile.as_ref().map(|profile| format!(" {}", profile.name)).unwrap_or_default();
        let title = format!("Sub-agent{to}: {}", shortened(&input.task, 100));
        // What it does is asked for one by one, so to begin with it needs no word.
        Ok(Proposal { alone: !errand.read_only, ..Proposal::harmless(title) })
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        // A cancel ends the nested turn, which then reports; it is not raced here, so that its own calls get their ends.
        let report = context.desk.spawn(self.errand(&input, context)?).await?;
        let so_far =
            |text: &str| if text.is_empty() { String::new() } else { format!(" The last that it said:\n{text}") };
        let text = report.text;
        match report.stop_reason {
            StopReason::Error => {
                let error = report.error.unwrap_or_default();
                Err(ToolError::new(format!("The sub-agent failed: {error}{}", so_far(&text))))
            }
            StopReason::Cancelled => Err(ToolError::new(format!("The sub-agent was cancelled.{}", so_far(&text)))),
            StopReason::Refusal => Err(ToolError::new(format!("The sub-agent's model declined.{}", so_far(&text)))),
            StopReason::TurnLimit => Ok(Output::text(format!(
                "The sub-agent used up its model calls before it was done; what it changed stays.{}",
                so_far(&text)
            ))),
            StopReason::MaxTokens => {
                Ok(Output::text(format!("The sub-agent's answer was cut at the token limit:\n{text}")))
            }
            StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolCalls | StopReason::Pause => {
                Ok(Output::text(if text.is_empty() { "The sub-agent ended without a word.".to_owned() } else { text }))
            }
        }
    }
}

impl SubAgent {
    fn errand(&self, input: &Input, context: &Context) -> Result<Errand, ToolError> {
        if input.task.trim().is_empty() {
            return Err(ToolError::new("the task is empty: the sub-agent knows nothing but what it says"));
        }
        let profile = match input.agent.as_deref().filter(|name| !name.trim().is_empty()) {
            None => None,
            Some(name) => {
                let known = self.profiles.iter().find(|profile| profile.name == name.trim()).cloned();
                Some(known.ok_or_else(|| self.unknown(name))?)
            }
        };
        let only_reads = profile.as_ref().and_then(|profile| profile.tools.as_deref());
        let read_only =
            input.read_only.unwrap_or(false) || only_reads.is_some_and(|tools| context.desk.are_reading(tools));
        Ok(Errand { task: input.task.clone(), profile, read_only, is_bare: false })
    }

    fn unknown(&self, name: &str) -> ToolError {
        let names: Vec<&str> = self.profiles.iter().map(|profile| profile.name.as_str()).collect();
        let known = match names.as_slice() {
            [] => "there are none with a name; leave `agent` out".to_owned(),
            names => format!("there are: {}", names.join(", ")),
        };
        ToolError::new(format!("there is no agent `{name}`; {known}"))
    }
}
