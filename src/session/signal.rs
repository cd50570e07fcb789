//! What reaches the hub from a session's tasks.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{AttachmentId, Verdict};
use crate::{
    agent::{self, Answer, ApprovalRequest, QuestionRequest},
    protocol::CommandInfo,
    tool::{Answered, TaskChange},
    workspace::Landed,
};

/// A turn says or asks something, or a client that was asked has answered.
pub enum Signal {
    /// A running turn says something. The permit goes back when it was taken.
    Turn { session_id: Arc<str>, turn_id: Arc<str>, event: agent::Event, permit: Option<OwnedSemaphorePermit> },
    /// A running turn needs the person's word.
    Ask { session_id: Arc<str>, turn_id: Arc<str>, request: Box<ApprovalRequest>, answer: oneshot::Sender<Answer> },
    /// The prompt commands were listed.
    Commands { session_id: Arc<str>, commands: Vec<CommandInfo>, warnings: Vec<String> },
    /// A running turn has a question to the person.
    Question { session_id: Arc<str>, turn_id: Arc<str>, request: QuestionRequest, answer: oneshot::Sender<Answered> },
    /// A running turn may not wait for all its answers any more.
    Withdrawn { session_id: Arc<str>, turn_id: Arc<str> },
    /// A client has answered; `None` if it cannot.
    Answered { session_id: Arc<str>, id: String, client: AttachmentId, verdict: Option<Verdict> },
    /// Something was changed, or taken back.
    Landed { session_id: Arc<str>, landed: Landed },
    /// A background task has begun or ended.
    Task { session_id: Arc<str>, change: TaskChange },
}

/// The way to the hub. Never waits.
#[derive(Clone)]
pub struct Hub(Arc<dyn Fn(Signal) + Send + Sync>);

impl Hub {
    pub fn new(tell: impl Fn(Signal) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub fn tell(&self, signal: Signal) {
        (self.0)(signal);
    }
}
