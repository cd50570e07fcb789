//! The loop as a library call: a stream of events, and the same collected.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use async_trait::async_trait;
use futures::{FutureExt, Stream, StreamExt, future::BoxFuture};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Agent, Answer, ApprovalRequest, Event, Host, QuestionRequest, Scope,
    turn::{self, Outcome, TurnError},
};
use crate::{
    permission::Policy,
    tool::Answered,
    transcript::{Message, Role, StopReason, Usage},
};

/// What a turn gave.
#[derive(Clone, Debug, PartialEq)]
pub struct RunResult {
    /// What the turn added; together with the history it is [whole](crate::transcript::is_whole) if the history was.
    pub messages: Vec<Message>,
    /// What the history and `messages` together became, if a [`Mutator`](super::Mutator) changed them or a
    /// [`Hook`](super::Hook) took out what the person said.
    pub replaced: Option<Vec<Message>>,
    /// The text of the last answer.
    pub text: String,
    /// The sum over all model calls that told theirs.
    pub usage: Usage,
    pub stop_reason: StopReason,
}

/// A turn that failed, with what it gave until then.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct RunError {
    pub source: TurnError,
    pub partial: Box<RunResult>,
}

/// A turn as its events come. Works only while it is read; dropping it cancels the turn.
///
/// ```
/// use std::sync::Arc;
///
/// use futures::StreamExt;
/// use pillion::{
///     agent::{Agent, Event},
///     provider::scripted::Scripted,
///     transcript::{Message, StopReason},
/// };
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let model = Arc::new(Scripted::parse(r#"["Once upon a time."]"#)?);
/// let agent = Agent::builder().provider(model).model("any").build()?;
///
/// let mut stream = agent.stream(&[Message::user("Tell me a story.")]);
/// while let Some(event) = stream.next().await {
///     if let Event::Text(text) = event {
///         assert!("Once upon a time.".starts_with(&text));
///         break;
///     }
/// }
/// // Seen enough, but not done: what is left of the turn is run, and its result is that of the whole.
/// let result = stream.into_result().await?;
/// assert_eq!((result.text.as_str(), result.stop_reason), ("Once upon a time.", StopReason::EndTurn));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RunStream {
    turn: Option<BoxFuture<'static, Outcome>>,
    events: mpsc::Receiver<Event>,
    outcome: Option<Outcome>,
}

impl Agent {
    /// Runs one turn to its end. Being cancelled or cut short is a [`StopReason`], not an error.
    ///
    /// The turn is a conversation of its own: what its model has read and its long outputs are forgotten with it, and what
    /// it started in the background is ended. Where others follow, [`Agent::run_in`] is for all of them.
    pub async fn run(&self, history: &[Message]) -> Result<RunResult, RunError> {
        self.stream(history).into_result().await
    }

    /// [`Agent::run`] within a conversation of several turns, which share the scope, and with a way to cancel. What runs
    /// in the background ends when the last clone of the scope is dropped.
    pub async fn run_in(
        &self,
        scope: &Scope,
        history: &[Message],
        cancel: CancellationToken,
    ) -> Result<RunResult, RunError> {
        self.stream_in(scope, history, cancel).into_result().await
    }

    /// Runs one turn and gives its events, the last of them [`Event::TurnEnded`]. It is a conversation of its own, as with
    /// [`Agent::run`]; [`Agent::stream_in`] is for one of several turns.
    pub fn stream(&self, history: &[Message]) -> RunStream {
        self.stream_in(&Scope::default(), history, CancellationToken::new())
    }

    /// [`Agent::stream`] within a conversation of several turns, and with a way to cancel.
    pub fn stream_in(&self, scope: &Scope, history: &[Message], cancel: CancellationToken) -> RunStream {
        // Few, so that a reader that pauses soon pauses the model; more than one, so that a flood is not one wake each.
        let (sender, events) = mpsc::channel(16);
        let (agent, scope, history) = (self.clone(), scope.clone(), history.to_vec());
        let turn = async move {
            let host = Unattended { agent: &agent, events: sender };
            turn::run(&agent, &scope, history, &host, cancel).await
        };
        RunStream { turn: Some(turn.boxed()), events, outcome: None }
    }
}

impl RunResult {
    /// Makes the given history what it is after the turn. What is done with it decides what comes next:
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use pillion::{agent::Agent, provider::scripted::Scripted, transcript::Message};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let model = Arc::new(Scripted::parse(r#"["Left.", "Then right.", "Straight on.", "Right."]"#)?);
    /// let agent = Agent::builder().provider(model).model("any").build()?;
    ///
    /// let mut history = vec![Message::user("Which way?")];
    /// agent.run(&history).await?.apply(&mut history);
    ///
    /// // Resume: what was said goes on.
    /// history.push(Message::user("And then?"));
    /// let before = history.clone();
    /// agent.run(&history).await?.apply(&mut history);
    /// assert_eq!(history.len(), 4);
    ///
    /// // Fork: another way from the same place; the first stays as it is.
    /// let mut fork = before.clone();
    /// agent.run(&fork).await?.apply(&mut fork);
    /// assert_eq!((history[3].text(), fork[3].text()), ("Then right.".into(), "Straight on.".into()));
    ///
    /// // Retry: the same again, without what came of it.
    /// history = before;
    /// agent.run(&history).await?.apply(&mut history);
    /// assert_eq!(history[3].text(), "Right.");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(self, history: &mut Vec<Message>) {
        match self.replaced {
            Some(replaced) => *history = replaced,
            None => history.extend(self.messages),
        }
    }
}

impl RunStream {
    /// Runs what is left of the turn and gives its result, whatever was read before.
    pub async fn into_result(mut self) -> Result<RunResult, RunError> {
        while self.next().await.is_some() {}
        match self.outcome.take() {
            Some(outcome) => outcome.into_result(),
            None => unreachable!("the stream ends after the outcome is there"),
        }
    }
}

impl Outcome {
    pub(super) fn into_result(self) -> Result<RunResult, RunError> {
        let Self { messages, replaced, usage, stop_reason, error } = self;
        let last_answer = messages.iter().rfind(|message| message.role == Role::Assistant);
        let text = last_answer.map(Message::text).unwrap_or_default();
        let result = RunResult { messages, replaced, text, usage, stop_reason };
        match error {
            None => Ok(result),
            Some(source) => Err(RunError { source, partial: Box::new(result) }),
        }
    }
}

impl Stream for RunStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Poll::Ready(event) = self.events.poll_recv(context) {
                return Poll::Ready(event);
            }
            let Some(turn) = &mut self.turn else {
                return Poll::Pending;
            };
            match turn.poll_unpin(context) {
                Poll::Ready(outcome) => {
                    self.outcome = Some(outcome);
                    self.turn = None;
                }
                // It may have said something before it went to wait.
                Poll::Pending => return self.events.poll_recv(context),
            }
        }
    }
}

/// The host when there is no other.
struct Unattended<'a> {
    agent: &'a Agent,
    events: mpsc::Sender<Event>,
}

#[async_trait]
impl Host for Unattended<'_> {
    async fn emit(&self, event: Event) {
        // The receiver is dropped only together with this.
        let _ = self.events.send(event).await;
    }

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        match &self.agent.setup.approver {
            Some(approver) => approver(request).await,
            None => Answer::Nobody { reason: "this agent has no approver, and its policy does not allow it".into() },
        }
    }

    fn policy(&self) -> Policy {
        self.agent.setup.policy.clone()
    }

    async fn ask(&self, request: QuestionRequest) -> Answered {
        match &self.agent.setup.asker {
            Some(asker) => asker(request).await,
            None => Answered::Nobody,
        }
    }
}
