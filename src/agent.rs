//! The agent: a model, its tools, and the one loop that runs them.
//!
//! Nothing here knows an editor, JSON-RPC or a session. What the loop needs from above it asks of a [`Host`].
//!
//! The caller owns the history: [`Agent::run`] takes it and gives back what to append, so that resuming, forking and
//! trying again are a matter of what is passed in.
//!
//! ```
//! use std::sync::Arc;
//!
//! use pillion::{
//!     agent::Agent,
//!     provider::scripted::Scripted,
//!     transcript::{Message, StopReason},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let model = Scripted::parse(r#"["Hold on tight."]"#)?;
//! let agent = Agent::builder().provider(Arc::new(model)).model("any").build()?;
//!
//! let mut history = vec![Message::user("Any advice?")];
//! let result = agent.run(&history).await?;
//! assert_eq!(result.text, "Hold on tight.");
//! assert_eq!(result.stop_reason, StopReason::EndTurn);
//!
//! history.extend(result.messages);
//! assert_eq!(history.len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{path::PathBuf, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    permission::Policy,
    tool::Class,
    transcript::{Message, StopReason, ToolCall, ToolResult, Usage},
    workspace::FileDiff,
};

mod build;

mod run;

pub mod turn;

mod answer;

mod batch;

mod call;

mod progress;

pub use build::{Agent, BuildError, Builder, Scope};
pub use run::{RunError, RunResult, RunStream};
pub use turn::{Outcome, TurnError};

/// What happens in a turn, in order. The last is [`Event::TurnEnded`], exactly once.
#[derive(Clone, Debug)]
pub enum Event {
    Text(String),
    Thinking(String),
    /// A whole call that the model asked for, before the gate. Each call of the transcript has one of these, and after
    /// it one [`Event::ToolResult`]; both come in the order of the calls. A call that cannot run (an unknown tool, a wrong
    /// input) touches nothing and is of class `Read`.
    ToolCall {
        call: ToolCall,
        class: Class,
        title: String,
    },
    /// What a running call has printed. Never after its result. Bytes between one event's end and the next one's
    /// `offset` were left out because nobody kept up.
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
    /// The transcript grew by this message. A message with calls comes before they run, and their results in the next
    /// one, after the last [`Event::ToolResult`]. So a message with calls may be the last that a host stored before its
    /// process was killed; [`repair`](crate::transcript::repair) makes such a transcript whole.
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

    /// What the person said since the last time, to go before the next model call: messages of the user, without tool
    /// results. Asked only when there is a next call, or when the model has ended its turn, which then goes on.
    fn steering(&self) -> Vec<Message> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
