//! The loop step by step: who drives it decides when it goes on, and answers what it asks.

use std::{
    collections::VecDeque,
    future::{self, Future},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
};

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{
    Agent, Answer, ApprovalRequest, Event, Host, Observer, OpenTurn, Point, QuestionRequest, RunError, RunResult,
    Scope,
    build::Asking,
    turn::{self, Outcome},
};
use crate::{
    permission::Policy,
    tool::{Answered, Tasks, TasksSnapshot},
    transcript::{self, Message, Usage},
};

/// What a [`Driver`] begins with; see [`Agent::start`].
#[derive(Clone, Default)]
pub struct SessionConfig {
    history: Vec<Message>,
    input: Vec<Message>,
    scope: Scope,
    policy: Option<Policy>,
    observers: Vec<Arc<dyn Observer>>,
    stops_after_tool_results: bool,
    turn: Option<OpenTurn>,
    usage: Usage,
}

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
///             Some(answer) => driver.submit(Message::user(answer)),
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
    /// No turn runs and nobody has said anything: [`Driver::submit`].
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

/// A [`Driver`] as data, to be kept and [taken up again](Agent::restore), in another process too.
///
/// Of a turn that ran, everything is in it but what the model was saying, which it says anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// The transcript. It may end with calls whose results are in `turn`.
    pub history: Vec<Message>,
    /// What was submitted and is not in the transcript.
    pub input: Vec<Message>,
    /// The turn that ran, with its calls: their results so far and which of them waited for the person.
    pub turn: Option<OpenTurn>,
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

    /// What the person has said already: with it, the first step begins a turn.
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

    /// Whether [`Interrupt::AfterToolResult`] is wanted.
    pub fn stop_after_tool_results(self, stops_after_tool_results: bool) -> Self {
        Self { stops_after_tool_results, ..self }
    }
}

impl From<Snapshot> for SessionConfig {
    fn from(Snapshot { history, input, turn, usage, tasks }: Snapshot) -> Self {
        let scope = Scope { tasks: Arc::new(Tasks::restored(tasks)), ..Scope::default() };
        Self { history, input, turn, usage, scope, ..Self::default() }
    }
}

impl Agent {
    /// Begins a conversation, or goes on with one: what a [`Snapshot`] was made of is a configuration too. One agent
    /// serves any number of them.
    pub fn start(&self, config: SessionConfig) -> Driver {
        let SessionConfig { mut history, input, scope, policy, observers, stops_after_tool_results, mut turn, usage } =
            config;
        let agent = observers.into_iter().fold(self.to_builder(), |builder, observer| builder.observer(observer));
        let agent = Agent { provider: self.provider.clone(), setup: Arc::new(agent) };
        let policy = policy.unwrap_or_else(|| self.setup.policy.clone());
        match &mut turn {
            Some(turn) => turn.fit(&mut history),
            None => drop(transcript::repair(&mut history)),
        }
        let (input, approvals) = (input.into(), VecDeque::new());
        let state = State { history, input, turn, usage, policy, approvals, pause: None };
        let asker = self.setup.asker.clone();
        let stage = Arc::new(Stage { state: Mutex::new(state), stops_after_tool_results, asker });
        Driver { agent, scope, stage, turn: None, cancel: CancellationToken::new() }
    }

    /// Goes on where the snapshot was taken. Approvals that were open are asked for again, under the same ids; no call
    /// that has its result runs again, and one that was running ends as interrupted, unless it only reads.
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
    /// let Step::Interrupt(Interrupt::ApprovalRequest(again)) = driver.next().await else { panic!() };
    /// assert_eq!(again.id, asked.id);
    /// driver.deny(&again.id, Some("not that".into()))?;
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
    pub fn submit(&mut self, message: Message) {
        self.stage.lock().input.push_back(message);
    }

    /// The open approvals, in the order in which they were asked for.
    pub fn approvals(&self) -> Vec<ApprovalRequest> {
        self.stage.lock().approvals.iter().map(|open| open.request.clone()).collect()
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

    /// Answers an approval, in any order.
    ///
    /// # Errors
    /// If no such approval is open.
    pub fn answer(&mut self, id: &str, answer: Answer) -> Result<(), UnknownApproval> {
        let mut state = self.stage.lock();
        let index = state.approvals.iter().position(|open| open.request.id == id);
        let open = index.and_then(|index| state.approvals.remove(index));
        let open = open.ok_or_else(|| UnknownApproval(id.to_owned()))?;
        // Nobody waits any more if the turn was cancelled meanwhile.
        let _ = open.answer.send(answer);
        Ok(())
    }

    /// Cancels the turn that runs, if one does: the next step is its end.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// What may run unasked from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.stage.lock().policy = policy;
    }

    /// The transcript as it is now. While a turn runs, it may end with calls.
    pub fn history(&self) -> Vec<Message> {
        self.stage.lock().history.clone()
    }

    /// The sum over all turns that ended.
    pub fn usage(&self) -> Usage {
        self.stage.lock().usage
    }

    /// All that [`Agent::restore`] needs. May be taken at any time.
    pub fn snapshot(&self) -> Snapshot {
        let state = self.stage.lock();
        let (history, turn) = (state.history.clone(), state.turn.clone());
        let (input, tasks) = (state.input.iter().cloned().collect(), self.scope.tasks.snapshot());
        Snapshot { history, input, turn, usage: state.usage, tasks }
    }

    /// Begins a turn, or takes up the one of a snapshot. False if there is nothing to begin with.
    fn begin(&mut self) -> bool {
        let mut state = self.stage.lock();
        let open = state.turn.clone();
        if open.is_none() {
            if state.input.is_empty() {
                return false;
            }
            state.turn = Some(OpenTurn::default());
        }
        let history = state.history.clone();
        drop(state);
        self.cancel = CancellationToken::new();
        let (agent, scope) = (self.agent.clone(), self.scope.clone());
        let (stage, cancel) = (self.stage.clone(), self.cancel.clone());
        let turn = async move {
            match open {
                None => turn::run(&agent, &scope, history, &*stage, cancel).await,
                Some(open) => turn::resume(&agent, &scope, history, open, &*stage, cancel).await,
            }
        };
        self.turn = Some(turn.boxed());
        true
    }

    fn end(&mut self, outcome: Outcome) -> TurnResult {
        self.turn = None;
        let mut state = self.stage.lock();
        state.turn = None;
        state.approvals.clear();
        state.pause = None;
        state.usage += outcome.usage;
        drop(state);
        outcome.into_result()
    }
}

/// Where the turn and who drives it meet.
struct Stage {
    state: Mutex<State>,
    stops_after_tool_results: bool,
    asker: Option<Asking>,
}

struct State {
    history: Vec<Message>,
    input: VecDeque<Message>,
    turn: Option<OpenTurn>,
    usage: Usage,
    policy: Policy,
    approvals: VecDeque<OpenApproval>,
    pause: Option<Pause>,
}

struct OpenApproval {
    request: ApprovalRequest,
    answer: oneshot::Sender<Answer>,
    /// Whether the driver has given it in this round of asking.
    was_given: bool,
}

/// The turn waits at [`Interrupt::AfterToolResult`].
struct Pause {
    go_on: oneshot::Sender<()>,
    was_given: bool,
}

impl Stage {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Lets the turn go on from a pause that the driver knows of.
    fn go_on(&mut self) {
        if let Some(pause) = self.pause.take_if(|pause| pause.was_given) {
            let _ = pause.go_on.send(());
        }
    }

    /// What the driver is to be told.
    fn interrupt(&mut self) -> Option<Interrupt> {
        // A call whose nested agent asks runs, and goes on only when that is answered.
        let nested = self.approvals.iter().any(|open| open.request.agent.is_some());
        let runs = !nested && self.turn.as_ref().is_some_and(OpenTurn::runs);
        if !runs && self.approvals.iter().all(|open| open.was_given) {
            self.approvals.iter_mut().for_each(|open| open.was_given = false);
        }
        if let Some(open) = self.approvals.iter_mut().find(|open| !open.was_given) {
            open.was_given = true;
            return Some(Interrupt::ApprovalRequest(Box::new(open.request.clone())));
        }
        let pause = self.pause.as_mut()?;
        pause.was_given = true;
        Some(Interrupt::AfterToolResult)
    }
}

/// Takes back the question when nobody waits for its answer any more.
struct Withdrawal<'a> {
    stage: &'a Stage,
    request: ApprovalRequest,
}

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        self.stage.lock().approvals.retain(|open| open.request.id != self.request.id);
    }
}

#[async_trait]
impl Host for Stage {
    async fn emit(&self, event: Event) {
        let mut state = self.lock();
        if let Some(turn) = &mut state.turn {
            turn.take(&event);
        }
        match event {
            Event::Message(message) => state.history.push(message),
            Event::Replaced(messages) => state.history = messages,
            _ => {}
        }
    }

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        let (answer, answered) = oneshot::channel();
        let withdrawal = Withdrawal { stage: self, request: request.clone() };
        {
            let mut state = self.lock();
            if let Some(turn) = &mut state.turn {
                turn.asks(&request);
            }
            state.approvals.push_back(OpenApproval { request, answer, was_given: false });
        }
        let answer = answered.await.unwrap_or(Answer::CancelTurn);
        // Only now: what was answered and not taken up is asked again after a restart.
        if let Some(turn) = &mut self.lock().turn {
            turn.answered(&withdrawal.request);
        }
        answer
    }

    fn policy(&self) -> Policy {
        self.lock().policy.clone()
    }

    async fn ask(&self, request: QuestionRequest) -> Answered {
        match &self.asker {
            Some(asker) => asker(request).await,
            None => Answered::Nobody,
        }
    }

    async fn interject(&self, point: Point) -> Vec<Message> {
        if point == Point::AfterToolResult && self.stops_after_tool_results {
            let (go_on, goes_on) = oneshot::channel();
            self.lock().pause = Some(Pause { go_on, was_given: false });
            // Dropped only when the turn is.
            let _ = goes_on.await;
        }
        self.lock().input.drain(..).collect()
    }
}
