//! Looking after what runs in the background.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Output, Proposal, Task, TaskStatus, TimeLimit, ToolError, Typed, stopped};

/// The longest that a call waits for a task.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

pub struct TaskTool;

/// Lists, reads and cancels the commands that run in the background. You are told by yourself when one ends, so do not ask
/// again and again: go on with something else, or wait for it with `wait_ms`.
#[derive(Deserialize, JsonSchema)]
pub struct Input {
    /// `list` shows all, `read` what one has printed so far, `cancel` ends one.
    action: Action,
    /// Which, like `task-1`; not for `list`.
    id: Option<String>,
    /// For `read`: wait for its end at most so many milliseconds (0 if absent, at most 600000).
    wait_ms: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
enum Action {
    List,
    Read,
    Cancel,
}

#[async_trait]
impl Typed for TaskTool {
    const NAME: &'static str = "tasks";
    type Input = Input;

    fn time_limit(&self) -> TimeLimit {
        // It is told how long to wait.
        TimeLimit::Unlimited
    }

    async fn propose(&self, input: &Input, context: &Context) -> Result<Proposal, ToolError> {
        let title = match input.action {
            Action::List => "List background tasks".to_owned(),
            Action::Read => format!("Look at {}", known(input, context)?.title()),
            Action::Cancel => format!("Cancel {}", known(input, context)?.title()),
        };
        Ok(Proposal { alone: input.action == Action::Cancel, ..Proposal::harmless(title) })
    }

    async fn run(&self, input: Input, context: &Context) -> Result<Output, ToolError> {
        if input.action == Action::List {
            let tasks: Vec<String> = context.tasks.list().iter().map(line).collect();
            let none = || "Nothing runs in the background, and nothing did.".to_owned();
            return Ok(Output::text(if tasks.is_empty() { none() } else { tasks.join("\n") }));
        }
        let task = known(&input, context)?;
        let wait = match input.action {
            Action::Cancel => {
                context.tasks.cancel(&task.id);
                LONGEST_WAIT
            }
            _ => Duration::from_millis(input.wait_ms.unwrap_or(0)).min(LONGEST_WAIT),
        };
        tokio::select! {
            biased;
            () = context.cancel.cancelled() => return Err(stopped()),
            () = context.tasks.ended(&task.id) => {}
            () = tokio::time::sleep(wait) => {}
        }
        let (task, text) = context.tasks.read(&task.id).ok_or_else(|| unknown(&task.id, context))?;
        let text = if text.is_empty() { "(it has printed nothing yet)" } else { &text };
        Ok(Output::text(format!("{}\n{text}", line(&task))))
    }
}

impl Task {
    fn title(&self) -> String {
        format!("{} ({})", self.id, self.title)
    }
}

fn known(input: &Input, context: &Context) -> Result<Task, ToolError> {
    let id = input.id.as_deref().unwrap_or_default().trim();
    context.tasks.list().into_iter().find(|task| task.id == id).ok_or_else(|| unknown(id, context))
}

fn unknown(id: &str, context: &Context) -> ToolError {
    let ids: Vec<String> = context.tasks.list().into_iter().map(|task| task.id).collect();
    let known = if ids.is_empty() { "there are none".to_owned() } else { format!("there are: {}", ids.join(", ")) };
    ToolError::new(format!("there is no task `{id}`; {known}"))
}

fn line(task: &Task) -> String {
    let Task { id, call_id, title, status, started_at, ended_at } = task;
    let time = match (status, ended_at) {
        (TaskStatus::Running, _) | (_, None) => String::new(),
        (_, Some(ended_at)) => format!(" after {} s", ended_at.saturating_sub(*started_at)),
    };
    format!("{id}: {title} — {status}{time} (call {call_id})")
}
