//! What a driver begins with, and what is left of it when it is put away.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::{ApprovalRequest, Observer, OpenTurn, Scope};
use crate::{
    permission::Policy,
    tool::{Tasks, TasksSnapshot},
    transcript::{Message, Usage},
};

/// What a [`Driver`](super::Driver) begins with; see [`Agent::start`](super::Agent::start).
#[derive(Clone, Default)]
pub struct SessionConfig {
    pub(super) history: Vec<Message>,
    pub(super) input: Vec<Message>,
    pub(super) scope: Scope,
    pub(super) policy: Option<Policy>,
    pub(super) observers: Vec<Arc<dyn Observer>>,
    pub(super) stops_after_tool_results: bool,
    pub(super) turn: Option<OpenTurn>,
    pub(super) approvals: Vec<ApprovalRequest>,
    pub(super) usage: Usage,
}

/// A [`Driver`](super::Driver) as data, to be kept and [taken up again](super::Agent::restore), in another process too.
///
/// Of a turn that ran, it has all but what the model was saying, which it says anew, and what a sub-agent was doing,
/// whose call ends as interrupted. Of the conversation, it has neither who observes it nor
/// [where it stops](SessionConfig::stop_after_tool_results), and of its [`Scope`] the background tasks alone: what the
/// model had read it has to read again before it writes over it, and `read_output` finds none of the long outputs any
/// more. A [`SessionConfig`] of the snapshot takes what is to be there again:
///
/// ```
/// # use std::sync::Arc;
/// # use pillion::agent::{Agent, Event, Observer, SessionConfig, Step};
/// # use pillion::{provider::scripted::Scripted, transcript::Message};
/// # struct Log;
/// # impl Observer for Log {
/// #     fn observe(&self, _: &Event) {}
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// # let model = Arc::new(Scripted::parse(r#"["Left."]"#)?);
/// # let agent = Agent::builder().provider(model).model("any").build()?;
/// let driver = agent.start(SessionConfig::default().input([Message::user("Which way?")]).observer(Arc::new(Log)));
/// let snapshot = driver.snapshot();
/// drop(driver);
///
/// let again = SessionConfig::from(snapshot).observer(Arc::new(Log)).stop_after_tool_results(true);
/// let Step::Finished(result) = agent.start(again).next().await else { panic!("no tool is called") };
/// assert_eq!(result?.text, "Left.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// The transcript. It may end with calls whose results are in `turn`.
    pub history: Vec<Message>,
    /// What was submitted and is not in the transcript.
    pub input: Vec<Message>,
    /// The turn that ran, with its calls: their results so far and which of them waited for the person.
    pub turn: Option<OpenTurn>,
    /// What waited for the person, as they were shown it. It is asked again, and may be answered before.
    pub approvals: Vec<ApprovalRequest>,
    /// What may run unasked, if that was said for this conversation; what the agent says without.
    pub policy: Option<Policy>,
    /// Over all turns that ended.
    pub usage: Usage,
    /// What ran in the background. It ends with the process; taken up elsewhere, the model is told so.
    pub tasks: TasksSnapshot,
}

impl SessionConfig {
    /// The conversation so far; none without.
    pub fn history(self, history: impl Into<Vec<Message>>) -> Self {
        Self { history: history.into(), ..self }
    }

    /// What the person has said already: with it, the first step begins a turn. Of messages that
    /// [`Driver::submit`](super::Driver::submit) refuses, nothing is taken, and the log says so.
    pub fn input(self, input: impl Into<Vec<Message>>) -> Self {
        Self { input: input.into(), ..self }
    }

    /// What belongs to the conversation besides its messages; a new one without.
    pub fn scope(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// What may run unasked; the agent's policy without.
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Adds someone who sees every event of this conversation.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observers.push(observer);
        self
    }

    /// Whether [`Interrupt::AfterToolResult`](crate::agent::Interrupt::AfterToolResult) is wanted.
    pub fn stop_after_tool_results(self, stops_after_tool_results: bool) -> Self {
        Self { stops_after_tool_results, ..self }
    }
}

impl From<Snapshot> for SessionConfig {
    fn from(Snapshot { history, input, turn, approvals, policy, usage, tasks }: Snapshot) -> Self {
        let scope = Scope { tasks: Arc::new(Tasks::restored(tasks)), ..Scope::default() };
        Self { history, input, turn, approvals, policy, usage, scope, ..Self::default() }
    }
}
