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

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    permission::{self, Policy},
    tool::{Answered, Class, PlanItem, Question, Terminals},
    transcript::{Message, StopReason, ToolCall, ToolResult, Usage},
    workspace::FileDiff,
};

mod build;

mod run;

mod driver;

pub mod hook;

mod observe;

mod mutate;

mod open;

pub mod turn;

mod answer;

mod batch;

mod call;

mod instruct;

mod nested;

mod progress;

mod said;

mod span;

pub mod compaction;

pub mod estimate;

mod output;

pub use build::{Agent, BuildError, Builder, Scope};
use compaction::Report;
pub use driver::{
    Driver, Interrupt, NotInput, NothingToRetry, SessionConfig, Snapshot, Step, TurnResult, UnknownApproval,
};
pub use estimate::ContextUse;
pub use hook::Hook;
pub use mutate::{Cursor, MutationError, Mutator, Point};
pub use nested::task_news_title;
pub use observe::{Observer, TranscriptObserver};
pub use open::{OpenCall, OpenTurn, approval_id};
pub use output::{OutputError, fitting};
pub use run::{RunError, RunResult, RunStream};
pub use turn::{Outcome, TurnError};

/// What happens in a turn, in order. The first is [`Event::TurnStarted`] and the last [`Event::TurnEnded`], each exactly
/// once, also when the turn fails.
#[derive(Clone, Debug)]
pub enum Event {
    TurnStarted,
    Text(String),
    Thinking(String),
    /// The model is writing the input of a call; told only where [`Builder::tool_input_events`] asks for it.
    ToolInput {
        /// The how manyth call of this answer it is, from 0. Its id is known when it is whole.
        index: usize,
        tool: String,
        /// How much of the input has come so far.
        bytes: usize,
        /// What came of it now: a piece of JSON.
        fragment: String,
    },
    /// All that this model call said so far (text, thinking, inputs of calls: what came since the last [`Event::Usage`] of
    /// this turn or since its start) is withdrawn: it broke off and is made again.
    Superseded,
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
    /// A call has its result, which is told as soon as it is there, in any order. For whoever keeps what a turn needs to
    /// go on after a restart; the same comes in its place as [`Event::ToolResult`].
    Settled(Settled),
    /// What one model call took, with its cost, and how full the model's context is after it. Each call that came to its
    /// end has one, after all that it said.
    Usage {
        round: Usage,
        context: ContextUse,
    },
    Retry {
        attempt: u32,
        delay: Duration,
        error: String,
    },
    /// A model was too busy to answer; for the rest of the turn the next of [`Builder::fallback`] is asked.
    Fallback {
        /// `provider/model`.
        from: String,
        to: String,
        error: String,
    },
    /// The transcript grew by this message. A message with calls comes before they run, and their results in the next
    /// one, after the last [`Event::ToolResult`]. So a message with calls may be the last that a host stored before its
    /// process was killed; [`repair`](crate::transcript::repair) makes such a transcript whole.
    Message(Message),
    /// The whole transcript, the history and what the turn added, is this now.
    Replaced(Vec<Message>),
    /// The conversation was made shorter: why, and by how much. Follows [`Event::Replaced`].
    Compaction(Report),
    /// Something that the person should know.
    Notice {
        level: NoticeLevel,
        message: String,
    },
    /// The list of what is to do, whole, as the model sees it now.
    Plan(Vec<PlanItem>),
    /// What happens in a nested agent's turn, which works for this call. Between the call's own
    /// [`Event::ToolCall`] and [`Event::ToolResult`]; its messages are not part of this turn's transcript.
    Nested {
        call_id: String,
        event: Box<Event>,
    },
    TurnEnded {
        stop_reason: StopReason,
        usage: Usage,
        error: Option<String>,
    },
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NoticeLevel {
    Info,
    Warning,
    Error,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallStatus {
    Ok,
    Failed,
    Denied,
    Cancelled,
}

/// A call's result, with what the person is shown of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settled {
    pub result: ToolResult,
    pub status: CallStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<FileDiff>,
}

/// A call that waits for a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalRequest {
    /// The call's id, with the calls of nested agents around it, and how often it has been asked about: no other question
    /// of the conversation has it, and it is the same when the question is asked again after a restart.
    pub id: String,
    pub call: ToolCall,
    pub class: Class,
    pub title: String,
    pub paths: Vec<PathBuf>,
    pub command: Option<String>,
    /// As in [`Proposal::host`](crate::tool::Proposal::host).
    pub host: Option<String>,
    pub outside: bool,
    pub risk: Option<String>,
    pub diff: Option<FileDiff>,
    /// Which nested agent asks; none if it is the one the person talks to.
    pub agent: Option<Asker>,
}

impl ApprovalRequest {
    /// The call as the policy sees it.
    pub fn at_the_gate<'a>(&'a self, roots: &'a [PathBuf]) -> permission::Call<'a> {
        permission::Call {
            tool: &self.call.name,
            class: self.class,
            paths: &self.paths,
            outside: self.outside,
            command: self.command.as_deref(),
            host: self.host.as_deref(),
            roots,
        }
    }
}

/// A nested agent that asks for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asker {
    /// The call of the outermost agent that it works for.
    pub call_id: String,
    /// Its name, after those of the agents that it works for: `reviewer > sub-agent`.
    pub name: String,
}

/// A question of a running call to the person.
#[derive(Clone, Debug, PartialEq)]
pub struct QuestionRequest {
    pub call_id: String,
    pub question: Question,
    /// Which nested agent asks.
    pub agent: Option<Asker>,
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
    /// There is nobody to ask, for this reason.
    Nobody {
        reason: String,
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

    /// Where commands run, if it is not here.
    fn terminals(&self) -> Option<Arc<dyn Terminals>> {
        None
    }

    /// Puts a question of a tool before the person. Dropped when the turn is cancelled.
    async fn ask(&self, _request: QuestionRequest) -> Answered {
        Answered::Nobody
    }

    /// What the person said since the last time, to go before the next model call: messages of the user, without tool
    /// results.
    ///
    /// Asked at [`Point::BeforeModelCall`] of a turn's first call, and of the next one of a turn that is taken up; at
    /// [`Point::AfterToolResult`], when the results of a round are in the transcript and another model call follows; and at
    /// [`Point::AfterTurnEnded`], when the model has ended its turn, which then goes on, and once more when hooks were asked
    /// about that end. What is not asked for stays with the host, for the next turn. When the turn is cancelled meanwhile,
    /// it is not waited for.
    async fn interject(&self, point: Point) -> Vec<Message> {
        let _ = point;
        Vec::new()
    }
}

#[cfg(test)]
mod tests;
