//! How a running tool asks whoever runs its turn.
//!
//! A tool runs in a task of its own and knows neither the loop nor its host. What it needs of them it puts on the
//! [`Desk`] of its [`Context`](super::Context) and waits; the loop serves it for as long as the call runs, so nothing
//! that a tool asked for can happen after its result.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::{Registry, ToolError};
use crate::{provider::Provider, transcript::StopReason};

/// The way from a running call to whoever runs its turn, and what is known there. Served for as long as the call runs: nothing
/// that a tool asks for happens after its result.
///
/// ```
/// use pillion::tool::{Answered, Desk, Question};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let (desk, mut wishes) = Desk::new(Default::default());
/// let asked = tokio::spawn(async move { desk.ask(Question::free("Which colour?")).await });
/// match wishes.recv().await {
///     Some(pillion::tool::Wish::Ask { question, answer }) => {
///         assert_eq!(question.text, "Which colour?");
///         let _ = answer.send(Answered::Text("green".into()));
///     }
///     _ => unreachable!("it only asks"),
/// }
/// assert_eq!(asked.await.unwrap(), Answered::Text("green".into()));
/// assert_eq!(Desk::unattended().ask(Question::free("Anybody?")).await, Answered::Nobody);
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Desk {
    /// Each wish is waited for, so no more of them wait here than the tool has branches.
    wishes: Option<mpsc::UnboundedSender<Wish>>,
    tools: Arc<Registry>,
}

/// What a tool wants of the loop, with the way back. Whoever drops the way back leaves the wish unfulfilled.
pub enum Wish {
    /// Tell everyone the list of what is to do.
    Plan {
        items: Vec<PlanItem>,
        told: oneshot::Sender<()>,
    },
    Ask {
        question: Question,
        answer: oneshot::Sender<Answered>,
    },
    Spawn {
        errand: Errand,
        report: oneshot::Sender<Result<Report, ToolError>>,
    },
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanItem {
    pub text: String,
    pub status: PlanStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanStatus {
    Pending,
    InProgress,
    Completed,
}

/// A question to the person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub text: String,
    pub choices: Vec<Choice>,
    /// Whether words of the person's own will do; always so where there are no choices.
    pub allows_text: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub label: String,
    /// What it means, if the label does not say it all.
    pub description: Option<String>,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The choice, by its index from 0.
    Choice(usize),
    Text(String),
    /// The person does not want to answer.
    Declined,
    /// There is nobody who could be asked.
    Nobody,
}

/// Work for an agent of its own, inside the turn of the call that asks for it.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// All that the nested agent is told.
    pub task: String,
    /// Who it is; without one it is as the agent that asks.
    pub profile: Option<Arc<Profile>>,
    /// Only tools that change nothing.
    pub read_only: bool,
    /// Nothing of the agent that asks but its model: no system text, instruction files, hooks or tools.
    pub is_bare: bool,
}

/// An agent with a name, that work can be given to.
#[derive(Clone, Default)]
pub struct Profile {
    pub name: String,
    /// What it is for; the model that chooses reads this.
    pub description: String,
    /// System text that follows the parent's.
    pub instructions: String,
    /// Another model, with its provider.
    pub model: Option<(Arc<dyn Provider>, String)>,
    /// Of the parent's tools, only these.
    pub tools: Option<Vec<String>>,
    /// The most model calls; never more than the parent's.
    pub turn_limit: Option<u32>,
}

/// How an errand ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The last that the nested agent said.
    pub text: String,
    pub stop_reason: StopReason,
    /// What failed, exactly if the stop reason is [`StopReason::Error`].
    pub error: Option<String>,
}

impl Desk {
    /// A desk, and what is put on it. `tools` are those of the agent whose call it is.
    pub fn new(tools: Arc<Registry>) -> (Self, mpsc::UnboundedReceiver<Wish>) {
        let (wishes, receiver) = mpsc::unbounded_channel();
        (Self { wishes: Some(wishes), tools }, receiver)
    }

    /// A desk that reaches nobody: for a call that is not run by a turn.
    pub fn unattended() -> Self {
        Self { wishes: None, tools: Arc::default() }
    }

    /// Tells the host the whole list of what is to do. Returns when it was told.
    pub async fn plan(&self, items: Vec<PlanItem>) {
        self.put(|told| Wish::Plan { items, told }).await;
    }

    /// Asks the person, and waits for as long as they take. A cancel of the turn ends it with [`Answered::Declined`].
    pub async fn ask(&self, question: Question) -> Answered {
        self.put(|answer| Wish::Ask { question, answer }).await.unwrap_or(Answered::Nobody)
    }

    /// Runs a nested agent to its end.
    ///
    /// # Errors
    /// If none can be run here; its own failure is a [`Report`].
    pub async fn spawn(&self, errand: Errand) -> Result<Report, ToolError> {
        let report = self.put(|report| Wish::Spawn { errand, report }).await;
        report.unwrap_or_else(|| Err(ToolError::new("no sub-agent can be run here; do the work yourself")))
    }

    /// Whether these of the agent's tools change nothing; what it does not have counts for nothing.
    pub fn are_reading(&self, tools: &[String]) -> bool {
        tools.iter().filter_map(|name| self.tools.get(name)).all(|tool| tool.reads_only())
    }

    async fn put<T>(&self, wish: impl FnOnce(oneshot::Sender<T>) -> Wish) -> Option<T> {
        let (way_back, answer) = oneshot::channel();
        self.wishes.as_ref()?.send(wish(way_back)).ok()?;
        answer.await.ok()
    }
}

impl Question {
    /// One that is answered in words.
    pub fn free(text: impl Into<String>) -> Self {
        Self { text: text.into(), choices: Vec::new(), allows_text: true }
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Profile")
            .field("name", &self.name)
            .field("model", &self.model.as_ref().map(|(provider, model)| (provider.name(), model)))
            .field("tools", &self.tools)
            .field("turn_limit", &self.turn_limit)
            .finish_non_exhaustive()
    }
}
