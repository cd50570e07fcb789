//! The loop step by step: who drives it decides when it goes on, and answers what it asks.

mod config;

mod stage;

use std::{
    collections::VecDeque,
    future::{self, Future},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use futures::{FutureExt, future::BoxFuture};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use self::stage::{Restored, Stage, State};
use super::{
    Agent, Answer, ApprovalRequest, OpenTurn, RunError, RunResult, Scope,
    turn::{self, Outcome},
};
use crate::{
    permission::Policy,
    transcript::{self, Content, Message, Role, Usage},
};
pub use config::{SessionConfig, Snapshot};

/// A conversation with an agent, driven by [`Driver::next`]. Nothing of it happens while nobody calls that, but for tools
/// that run already. Dropping it cancels the turn.
///
/// ```
/// use std::sync::Arc;
///
/// use pillion::{
///     agent::{Agent, Interrupt, SessionConfig, Step},
///     provider::scripted::Scripted,
///     transcript::Message,
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let model = Arc::new(Scripted::parse(r#"["Which way?", "Left, then."]"#)?);
/// let agent = Agent::builder().provider(model).model("any").build()?;
///
/// let mut driver = agent.start(SessionConfig::default().input([Message::user("Let's go.")]));
/// let mut answers = vec!["Left."];
/// let mut said = Vec::new();
/// loop {
///     match driver.next().await {
///         Step::Finished(result) => said.push(result?.text),
///         Step::Interrupt(Interrupt::AwaitingInput) => match answers.pop() {
///             Some(answer) => driver.submit(Message::user(answer))?,
///             None => break,
///         },
///         Step::Interrupt(Interrupt::ApprovalRequest(request)) => driver.approve(&request.id)?,
///         Step::Interrupt(Interrupt::AfterToolResult) => {}
///     }
/// }
/// assert_eq!(said, ["Which way?", "Left, then."]);
/// assert_eq!(driver.history().len(), 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Driver {
    agent: Agent,
    scope: Scope,
    stage: Arc<Stage>,
    turn: Option<BoxFuture<'static, Outcome>>,
    /// Of the turn that runs or will be the next.
    cancel: CancellationToken,
}

/// How far a [`Driver`] went.
#[derive(Debug)]
pub enum Step {
    /// A turn has ended. The next call begins another one, or asks for input.
    Finished(TurnResult),
    /// Nothing happens until something is done about it, or the driver is told to go on nevertheless.
    Interrupt(Interrupt),
}

/// How a driven turn ended.
pub type TurnResult = Result<RunResult, RunError>;

/// Why a [`Driver`] stopped before the end of a turn.
#[derive(Clone, Debug)]
pub enum Interrupt {
    /// No turn runs and nobody has said anything: [`Driver::submit`], or [`Driver::retry`] after one that failed.
    AwaitingInput,
    /// A call waits for the person: [`Driver::approve`], [`Driver::deny`], [`Driver::answer`], by the request's id. Others
    /// may wait too. Each comes as soon as it waits, and again and again, once no call runs any more, until it is answered.
    ApprovalRequest(Box<ApprovalRequest>),
    /// The results of a round are in the transcript, and a model call follows. What is [submitted](Driver::submit) now goes
    /// before it. Comes only if [asked for](SessionConfig::stop_after_tool_results).
    AfterToolResult,
}

/// No such approval is open: it was answered before, its turn has ended, or there never was one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no approval {0:?} is open: it was answered before, its turn has ended, or there never was one")]
pub struct UnknownApproval(pub String);

/// A message that a person cannot have said.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "this cannot be submitted, and nothing was: what a person says is a message of the user, with a text that is not \
     blank or an image, and with nothing else"
)]
pub struct NotInput(pub Message);

/// There is no answer to be given anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is nothing to try again: a turn is under way, which goes on with the next step, or the transcript has \
     nothing that the model could answer"
)]
pub struct NothingToRetry;

impl Agent {
    /// Begins a conversation, or goes on with one: what a [`Snapshot`] was made of is a configuration too. One agent
    /// serves any number of them.
    pub fn start(&self, config: SessionConfig) -> Driver {
        let SessionConfig { mut history, mut input, scope, policy, observers, .. } = config;
        let SessionConfig { stops_after_tool_results, mut turn, mut approvals, usage, .. } = config;
        let agent = observers.into_iter().fold(self.to_builder(), |builder, observer| builder.observer(observer));
        let agent = Agent { provider: self.provider.clone(), setup: Arc::new(agent) };
        match &mut turn {
            Some(turn) => turn.fit(&mut history),
            None => drop(transcript::repair(&mut history)),
        }
        input.retain(|message| {
            let is_input = is_input(message);
            if !is_input {
                tracing::warn!("{}", NotInput(message.clone()));
            }
            is_input
        });
        approvals.retain(|request| turn.as_ref().is_some_and(|turn| turn.is_asking(&request.id)));
        let state = State {
            history,
            input: input.into(),
            turn,
            usage,
            policy,
            restored: approvals.into_iter().map(|request| Restored { request, answer: None }).collect(),
            approvals: VecDeque::new(),
            pause: None,
            retracts: false,
        };
        let stage = Stage::new(state, stops_after_tool_results, agent.setup.clone());
        Driver { agent, scope, stage, turn: None, cancel: CancellationToken::new() }
    }

    /// Goes on where the snapshot was taken. Approvals that were open are so again, under the same ids; no call that has
    /// its result runs again, and one that was running ends as interrupted, unless it only reads. A sub-agent's call was
    /// running, also where the sub-agent waited for an approval. What else is not taken up, [`Snapshot`] says.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{
    ///     agent::{Agent, Interrupt, SessionConfig, Snapshot, Step},
    ///     provider::scripted::Scripted,
    ///     tool::Registry,
    ///     transcript::Message,
    ///     workspace::Workspace,
    /// };
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let model = Scripted::parse(
    ///     r#"[{"steps": [{"toolCall": {"name": "bash", "input": {"command": "make clean"}}}]}, "Good that I asked."]"#,
    /// )?;
    /// let agent = Agent::builder()
    ///     .provider(Arc::new(model))
    ///     .model("any")
    ///     .tools(Registry::standard())
    ///     .workspace(Workspace::new(vec![std::env::temp_dir()]))
    ///     .build()?;
    ///
    /// let mut driver = agent.start(SessionConfig::default().input([Message::user("Tidy up.")]));
    /// let Step::Interrupt(Interrupt::ApprovalRequest(asked)) = driver.next().await else { panic!() };
    /// let kept = serde_json::to_string(&driver.snapshot())?;
    /// drop(driver);
    ///
    /// let mut driver = agent.restore(serde_json::from_str(&kept)?);
    /// assert_eq!(driver.approvals()[0].id, asked.id);
    /// driver.deny(&asked.id, Some("not that".into()))?;
    /// let Step::Finished(result) = driver.next().await else { panic!() };
    /// assert_eq!(result?.text, "Good that I asked.");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(&self, snapshot: Snapshot) -> Driver {
        self.start(snapshot.into())
    }
}

impl Driver {
    /// Goes on until a turn has ended or something is wanted. The future may be dropped; nothing is lost by it.
    pub async fn next(&mut self) -> Step {
        if self.turn.is_none() && !self.begin() {
            return Step::Interrupt(Interrupt::AwaitingInput);
        }
        self.stage.lock().go_on();
        // Whoever leaves an approval open and asks again and again must not keep the tools from running.
        tokio::task::yield_now().await;
        let stage = self.stage.clone();
        let outcome = future::poll_fn(|context| {
            let Some(turn) = &mut self.turn else { return Poll::Ready(Err(Interrupt::AwaitingInput)) };
            if let Poll::Ready(outcome) = Pin::new(turn).poll(context) {
                return Poll::Ready(Ok(outcome));
            }
            stage.lock().interrupt().map_or(Poll::Pending, |interrupt| Poll::Ready(Err(interrupt)))
        })
        .await;
        match outcome {
            Ok(outcome) => Step::Finished(self.end(outcome)),
            Err(interrupt) => Step::Interrupt(interrupt),
        }
    }

    /// Says something. While a turn runs, it is said to that before its next model call, or when it would end.
    ///
    /// # Errors
    /// If no person can have said it: it is not the user's, has a call or a result in it, or says nothing.
    pub fn submit(&mut self, message: Message) -> Result<(), NotInput> {
        if !is_input(&message) {
            return Err(NotInput(message));
        }
        self.stage.lock().input.push_back(message);
        Ok(())
    }

    /// Has the model try again, with the next step, though nobody has said anything new: after a turn that failed or was
    /// cut short, or where a history ends with what nobody has answered. What it said last is taken back; calls that were
    /// made stay made. A snapshot of before that step does not know of it.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{
    ///     agent::{Agent, SessionConfig, Step},
    ///     provider::scripted::Scripted,
    ///     transcript::Message,
    /// };
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let model = Scripted::parse(
    ///     r#"[{"steps": [{"text": "It"}, {"error": {"class": "badRequest", "message": "No money."}}]}, "It is far."]"#,
    /// )?;
    /// let agent = Agent::builder().provider(Arc::new(model)).model("any").build()?;
    /// let mut driver = agent.start(SessionConfig::default().input([Message::user("How far is it?")]));
    /// let Step::Finished(Err(error)) = driver.next().await else { panic!("it fails") };
    /// assert_eq!(error.to_string(), "No money.");
    ///
    /// driver.retry()?;
    /// let Step::Finished(result) = driver.next().await else { panic!("nothing else to wait for") };
    /// assert_eq!(result?.text, "It is far.");
    /// assert_eq!(driver.history(), [Message::user("How far is it?"), Message::assistant("It is far.")]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If a turn is under way, or the transcript has nothing that could be answered.
    pub fn retry(&mut self) -> Result<(), NothingToRetry> {
        let mut state = self.stage.lock();
        // Calls have their results after them, so that a last message of the model is an answer.
        let given =
            state.history.len() - usize::from(state.history.last().is_some_and(|last| last.role == Role::Assistant));
        let is_open = self.turn.is_some() || state.turn.is_some();
        if is_open || !state.history[..given].last().is_some_and(|last| last.role == Role::User) {
            return Err(NothingToRetry);
        }
        state.retracts = given < state.history.len();
        state.history.truncate(given);
        drop(state);
        self.play(None);
        Ok(())
    }

    /// The open approvals, in the order in which they were asked for. Those of a snapshot are as they were shown.
    pub fn approvals(&self) -> Vec<ApprovalRequest> {
        self.stage.lock().waiting().cloned().collect()
    }

    /// Runs the call.
    ///
    /// # Errors
    /// If no such approval is open.
    pub fn approve(&mut self, id: &str) -> Result<(), UnknownApproval> {
        self.answer(id, Answer::Allow { input: None, hunks: None })
    }

    /// Runs the call with this input instead. What comes of it may have to be approved once more.
    ///
    /// # Errors
    /// If no such approval is open.
    pub fn approve_with(&mut self, id: &str, input: Value) -> Result<(), UnknownApproval> {
        self.answer(id, Answer::Allow { input: Some(input), hunks: None })
    }

    /// Does not run the call. The model reads the reason.
    ///
    /// # Errors
    /// If no such approval is open.
    pub fn deny(&mut self, id: &str, reason: Option<String>) -> Result<(), UnknownApproval> {
        self.answer(id, Answer::Deny { reason })
    }

    /// Answers an approval, in any order. One of a snapshot may be answered before the next step asks for it again; if
    /// the call would do something else by then, it is not what was allowed, and the step asks for it nevertheless.
    ///
    /// # Errors
    /// If no such approval is open.
    pub fn answer(&mut self, id: &str, answer: Answer) -> Result<(), UnknownApproval> {
        let is_known = self.stage.lock().answer(id, answer);
        if is_known { Ok(()) } else { Err(UnknownApproval(id.to_owned())) }
    }

    /// Cancels the turn that runs, or that the next step would begin or go on with: that step is its end. What was
    /// submitted for it is in the transcript then. Without one, nothing happens.
    pub fn cancel(&self) {
        if self.turn.is_some() || self.stage.lock().is_due() {
            self.cancel.cancel();
        }
    }

    /// What may run unasked from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.stage.lock().policy = Some(policy);
    }

    /// The transcript as it is now. While a turn runs, it may end with calls.
    pub fn history(&self) -> Vec<Message> {
        self.stage.lock().history.clone()
    }

    /// The sum over all turns that ended.
    pub fn usage(&self) -> Usage {
        self.stage.lock().usage
    }

    /// What [`Agent::restore`] goes on with; [`Snapshot`] says what is in it and what is not. May be taken at any time.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.stage.lock();
        let asked = state.restored.iter().map(|open| &open.request);
        let asked = asked.chain(state.approvals.iter().map(|open| &open.request));
        Snapshot {
            history: state.history.clone(),
            input: state.input.iter().cloned().collect(),
            turn: state.turn.clone(),
            // A sub-agent's call does not go on, so that it asks for nothing any more.
            approvals: asked.filter(|request| request.agent.is_none()).cloned().collect(),
            policy: state.policy.clone(),
            usage: state.usage,
            tasks: self.scope.tasks.snapshot(),
        }
    }

    /// Begins a turn, or takes up the one of a snapshot. False if there is nothing to begin with.
    fn begin(&mut self) -> bool {
        let state = self.stage.lock();
        let (is_due, open) = (state.is_due(), state.turn.clone());
        drop(state);
        if is_due {
            self.play(open);
        }
        is_due
    }

    fn play(&mut self, open: Option<OpenTurn>) {
        let history = self.stage.lock().history.clone();
        let (agent, scope) = (self.agent.clone(), self.scope.clone());
        let (stage, cancel) = (self.stage.clone(), self.cancel.clone());
        let turn = async move {
            match open {
                None => turn::run(&agent, &scope, history, &*stage, cancel).await,
                Some(open) => turn::resume(&agent, &scope, history, open, &*stage, cancel).await,
            }
        };
        self.turn = Some(turn.boxed());
    }

    fn end(&mut self, outcome: Outcome) -> TurnResult {
        self.turn = None;
        self.cancel = CancellationToken::new();
        let mut state = self.stage.lock();
        state.turn = None;
        state.restored.clear();
        state.approvals.clear();
        state.pause = None;
        state.usage += outcome.usage;
        drop(state);
        outcome.into_result()
    }
}

/// Whether a person can have said this.
fn is_input(Message { role, content }: &Message) -> bool {
    let says_something = |part: &Content| match part {
        Content::Text { text } => !text.trim().is_empty(),
        part => matches!(part, Content::Image(_)),
    };
    let is_said = |part: &Content| matches!(part, Content::Text { .. } | Content::Image(_));
    *role == Role::User && content.iter().all(is_said) && content.iter().any(says_something)
}
