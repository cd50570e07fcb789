//! The agent: a model, its tools, and the one loop that runs them.
//!
//! Nothing here knows an editor, JSON-RPC or a session. What the loop needs from above it asks of a [`Host`].

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    permission::Policy,
    tool::Class,
    transcript::{Message, StopReason, ToolCall, ToolResult, Usage},
    workspace::FileDiff,
};

/// What happens in a turn, in order. The last is [`Event::TurnEnded`], exactly once.
#[derive(Clone, Debug)]
pub enum Event {
    Text(String),
    Thinking(String),
    /// A whole call that the model asked for, before the gate.
    ToolCall {
        call: ToolCall,
        class: Class,
        title: String,
    },
    ToolProgress {
        call_id: String,
        offset: u64,
        text: String,
    },
    ToolResult {
        result: ToolResult,
        status: CallStatus,
        diff: Option<FileDiff>,
    },
    /// Usage of one model call.
    Usage(Usage),
    Retry {
        attempt: u32,
        delay: Duration,
        error: String,
    },
    /// The transcript grew by this message. Calls and their results are appended together, so that a transcript made of
    /// these messages never holds a call without its result.
    Message(Message),
    TurnEnded {
        stop_reason: StopReason,
        usage: Usage,
        error: Option<String>,
    },
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStatus {
    Ok,
    Failed,
    Denied,
    Cancelled,
}

/// A call that waits for a person.
#[derive(Clone, Debug)]
pub struct ApprovalRequest {
    pub call: ToolCall,
    pub class: Class,
    pub title: String,
    pub paths: Vec<PathBuf>,
    pub command: Option<String>,
    pub outside: bool,
    pub risk: Option<String>,
    pub diff: Option<FileDiff>,
}

/// What the person said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Run it, with another input or only some hunks of the diff if given.
    Allow {
        input: Option<Value>,
        hunks: Option<Vec<usize>>,
    },
    Deny {
        reason: Option<String>,
    },
    /// Deny it and end the turn.
    CancelTurn,
}

/// What the loop needs from whoever runs it.
#[async_trait]
pub trait Host: Send + Sync {
    /// Takes an event. Waits while whoever listens is not keeping up, which in turn leaves the model's socket unread.
    async fn emit(&self, event: Event);

    /// Asks the person. Never called for a call that the policy decides.
    async fn approve(&self, request: ApprovalRequest) -> Answer;

    /// The policy as it is now; asked anew for each call.
    fn policy(&self) -> Policy;

    /// What the person said since the last time, to go before the next model call.
    fn steering(&self) -> Vec<Message> {
        Vec::new()
    }
}
