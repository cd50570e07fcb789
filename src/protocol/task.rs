use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command that runs in the background, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// `task-1` and so on, counted in its session.
    pub task_id: String,
    /// The call that started it; of a sub-agent's call, with the calls around it: `call_1.call_7`.
    pub call_id: String,
    /// One line for a person: the command.
    pub title: String,
    pub status: TaskStatus,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub started_at: u64,
    /// Seconds since 1970-01-01T00:00:00Z, once it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<u64>,
}

/// Whether a task runs, and how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TaskStatus {
    Running,
    /// By itself; what it said last tells whether well.
    Ended,
    /// It ran into its time limit.
    TimedOut,
    Cancelled,
    /// It ended with the process that ran it.
    Lost,
}

/// Lists a session's background tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskListParams {
    pub session_id: String,
}

/// In the order in which they were started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskListResponse {
    pub tasks: Vec<Task>,
}

/// Reads what a task has printed until now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskReadParams {
    pub session_id: String,
    pub task_id: String,
}

/// What a task has printed: head and tail, if it was much.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskReadResponse {
    pub task: Task,
    pub text: String,
}

/// Ends a task. Answers at once; `taskEnded` follows when its processes are gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskCancelParams {
    pub session_id: String,
    pub task_id: String,
}

/// Whether it was running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskCancelResponse {
    pub cancelled: bool,
}

/// Moves a running command into the background, so that the turn goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnBackgroundParams {
    pub session_id: String,
    /// The call that runs it; of a sub-agent's call, with the calls around it: `call_1.call_7`.
    pub call_id: String,
}

/// Whether there was a command to move. If so, `taskStarted` follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TurnBackgroundResponse {
    pub moved: bool,
}
