//! Changing what was said: to make it shorter, to take something out, to put something in.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use futures::{FutureExt, StreamExt};
use tokio::select;
use tokio_util::sync::CancellationToken;

use super::{
    Event, NoticeLevel, Scope,
    answer::ended_early,
    turn::{Ground, said_by},
};
use crate::{
    provider::{
        Completion, Provider, ProviderError, Request, StreamEvent,
        catalog::Facts,
        fallback::{Choice, Models},
    },
    transcript::{self, Message, Usage},
};

/// A place in a turn where the host may say something and mutators may change the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A model call follows, the first of the turn or another. The host is asked before the first one, and
    /// before that of a turn that is taken up.
    BeforeModelCall,
    /// A round is over: the results of its calls are in the transcript, and a model call follows unless the turn has
    /// used up its own.
    AfterToolResult,
    /// The model has said what it wanted to say. A host that says something now lets the turn go on; mutators come when
    /// it really ends, and not when it was cancelled or failed.
    AfterTurnEnded,
    /// The provider refused the model call because the prompt is too long. What mutators make of it is sent instead and
    /// kept only if the provider takes it; otherwise the transcript stays as it was and the turn ends with the
    /// provider's first error. No tool runs again for it.
    ContextLengthRejected,
}

/// Changes the transcript of a running turn.
///
/// What it leaves must be fit for a provider: [whole](transcript::is_whole), beginning with a user's message and ending
/// with a message of the same role as before. If it is not, or if the mutator fails or panics, the transcript stays as
/// it was and an [`Event::Notice`] says why. When the turn is cancelled, the mutator is dropped.
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use pillion::{
///     agent::{Agent, Cursor, MutationError, Mutator, Point},
///     provider::scripted::Scripted,
///     transcript::Message,
/// };
///
/// /// Keeps the last message only.
/// struct Forgetful;
///
/// #[async_trait]
/// impl Mutator for Forgetful {
///     async fn mutate(&self, point: Point, cursor: &mut Cursor<'_>) -> Result<(), MutationError> {
///         if point == Point::BeforeModelCall {
///             let last = cursor.messages().len() - 1;
///             cursor.edit().drain(..last);
///         }
///         Ok(())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let model = Arc::new(Scripted::parse(r#"["Who are you?"]"#)?);
/// let agent = Agent::builder().provider(model).model("any").mutator(Arc::new(Forgetful)).build()?;
///
/// let mut history = vec![Message::user("I am Ada."), Message::assistant("Hello, Ada."), Message::user("Who am I?")];
/// let result = agent.run(&history).await?;
/// assert!(result.replaced.is_some());
/// result.apply(&mut history);
/// assert_eq!(history, [Message::user("Who am I?"), Message::assistant("Who are you?")]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait Mutator: Send + Sync + 'static {
    async fn mutate(&self, point: Point, cursor: &mut Cursor<'_>) -> Result<(), MutationError>;
}

/// Why a mutation did not come about, for the person.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct MutationError {
    pub message: String,
    /// Whether the same may well succeed a little later.
    pub may_pass: bool,
}

impl MutationError {
    /// One that will not pass by itself.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), may_pass: false }
    }
}

impl From<ProviderError> for MutationError {
    fn from(error: ProviderError) -> Self {
        Self { may_pass: error.class.is_retryable(), message: error.to_string() }
    }
}

/// The transcript in the hands of a [`Mutator`]: read as it is, copied by the first change.
pub struct Cursor<'a> {
    ground: Ground<'a>,
    request: &'a Request,
    before: &'a [Message],
    given: usize,
    changed: Option<Vec<Message>>,
    usage: Usage,
    kept_events: Vec<Event>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(ground: Ground<'a>, request: &'a Request) -> Self {
        let (before, given) = (request.messages.as_slice(), request.messages.len());
        Self { ground, request, before, given, changed: None, usage: Usage::default(), kept_events: Vec::new() }
    }

    /// What its model calls took.
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    /// What is known of the agent's model.
    pub fn facts(&self) -> Facts {
        self.ground.agent.facts()
    }

    /// What is known of another model.
    pub fn facts_of(&self, provider: &str, model: &str) -> Facts {
        self.ground.agent.setup.catalog.facts(provider, model)
    }

    /// The model that is asked now, and those that are asked when it is too busy.
    pub fn choices(&self) -> &[Choice] {
        self.ground.models.left()
    }

    /// The whole transcript as it is now, with this mutator's changes.
    pub fn messages(&self) -> &[Message] {
        self.changed.as_deref().unwrap_or(self.before)
    }

    /// How many messages there were when the turn began, as long as nothing was changed.
    pub fn given(&self) -> usize {
        self.given
    }

    /// The transcript to be changed in any way.
    pub fn edit(&mut self) -> &mut Vec<Message> {
        let before = self.before;
        self.changed.get_or_insert_with(|| before.to_vec())
    }

    pub fn replace(&mut self, messages: Vec<Message>) {
        self.changed = Some(messages);
    }

    /// Puts a message before the one at `index`, or at the end if there is none.
    pub fn insert(&mut self, index: usize, message: Message) {
        let messages = self.edit();
        messages.insert(index.min(messages.len()), message);
    }

    /// Drops the messages that `keep` does not want.
    pub fn retain(&mut self, mut keep: impl FnMut(&Message) -> bool) {
        if !self.messages().iter().all(&mut keep) {
            self.edit().retain(keep);
        }
    }

    /// Whether the transcript is another than before.
    pub fn is_changed(&self) -> bool {
        self.changed.as_ref().is_some_and(|changed| changed != self.before)
    }

    /// The model call that follows or just failed: its model, system text, tools and limits. Its messages are those
    /// before any mutator came.
    pub fn request(&self) -> &Request {
        self.request
    }

    pub fn scope(&self) -> &Scope {
        self.ground.scope
    }

    /// Cancelled when the turn is.
    pub fn cancel(&self) -> &CancellationToken {
        self.ground.cancel
    }

    /// Tells the host at once.
    pub async fn emit(&self, event: Event) {
        self.ground.emit(event).await;
    }

    /// Tells the host after [`Event::Replaced`], and only if the change is kept.
    pub fn emit_if_kept(&mut self, event: Event) {
        self.kept_events.push(event);
    }

    /// Asks the model that the turn asks now, whatever model `request` names. The call is tried again, and made to another
    /// model when that one is too busy, like any of the turn, and counted with it. Nobody hears what the model says but the
    /// mutator.
    ///
    /// # Errors
    /// What the last provider says after the last try.
    pub async fn complete(&mut self, request: Request) -> Result<Completion, ProviderError> {
        self.ask(self.ground.models, request).await
    }

    /// Asks this provider, for the model that `request` names, and nobody in its place.
    ///
    /// # Errors
    /// What the provider says after the last try.
    pub async fn complete_by(
        &mut self,
        provider: Arc<dyn Provider>,
        request: Request,
    ) -> Result<Completion, ProviderError> {
        let model = request.model.clone();
        self.ask(&Models::new([Choice { provider, model }]), request).await
    }

    async fn ask(&mut self, models: &Models, request: Request) -> Result<Completion, ProviderError> {
        let agent = self.ground.agent;
        let facts = || models.now().map_or_else(Facts::default, |choice| agent.facts_of(choice));
        let priced = |usage: Usage, facts: &Facts| Usage { cost: Some(facts.cost(&usage)), ..usage };
        let mut asked = facts();
        let mut answer = models.ask(Arc::new(request), agent.setup.retry);
        // If this is dropped in the middle, nobody knows what it cost.
        let before = self.usage;
        self.usage += priced(Usage::default(), &asked);
        let mut spent = Usage::default();
        let ended = loop {
            match answer.next().await {
                Some(Ok(StreamEvent::Done(completion))) => {
                    spent += priced(completion.usage, &asked);
                    break Ok(completion);
                }
                Some(Ok(StreamEvent::Superseded { usage })) => spent += priced(usage, &asked),
                Some(Ok(StreamEvent::Fallback { from, to, error })) => {
                    asked = facts();
                    self.emit(Event::Fallback { from, to, error }).await;
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    // What was refused before it began costs nothing.
                    if *error.partial != Completion::default() {
                        spent += priced(error.partial.usage, &asked);
                    }
                    break Err(error);
                }
                None => break Err(ended_early()),
            }
        };
        self.usage = before + spent;
        ended
    }
}

/// What the mutators made of a transcript, not yet in its place.
#[derive(Default)]
pub(super) struct Staged {
    /// `None` if nothing was changed.
    pub messages: Option<Vec<Message>>,
    /// What their own model calls used.
    pub usage: Usage,
    /// To be told once the change is kept.
    pub events: Vec<Event>,
}

/// Has each mutator make its change, in the order in which they were added. A wrong one is told of and left out.
pub(super) async fn stage(ground: Ground<'_>, point: Point, request: &Request, given: usize) -> Staged {
    let mut staged = Staged::default();
    for mutator in &ground.agent.setup.mutators {
        let before = staged.messages.as_deref().unwrap_or(&request.messages);
        let (changed, usage, kept_events) = (None, Usage::default(), Vec::new());
        let mut cursor = Cursor { ground, request, before, given, changed, usage, kept_events };
        let mutation = AssertUnwindSafe(mutator.mutate(point, &mut cursor)).catch_unwind();
        let ended = select! {
            biased;
            () = ground.cancel.cancelled() => None,
            ended = mutation => Some(ended),
        };
        let wrong = match ended {
            // What was half changed is let go with the cursor.
            None => return Staged { usage: staged.usage + cursor.usage, ..Staged::default() },
            Some(Ok(Ok(()))) if !cursor.is_changed() => None,
            Some(Ok(Ok(()))) => fault(before, cursor.messages()),
            Some(Ok(Err(MutationError { message, .. }))) => Some(message),
            Some(Err(panic)) => Some(format!("it panicked ({})", said_by(&*panic))),
        };
        staged.usage += cursor.usage;
        let (is_changed, changed, events) = (cursor.is_changed(), cursor.changed.take(), cursor.kept_events);
        match wrong {
            None if is_changed => {
                staged.messages = changed;
                staged.events.extend(events);
            }
            None => {}
            Some(wrong) => {
                let message = format!("A change of the conversation was refused, so it stays as it was: {wrong}.");
                ground.emit(Event::Notice { level: NoticeLevel::Warning, message }).await;
            }
        }
    }
    staged
}

/// What makes the changed transcript unfit for the next model call, if anything.
pub(super) fn fault(before: &[Message], after: &[Message]) -> Option<String> {
    let (Some(first), Some(last)) = (after.first(), after.last()) else {
        return Some("no message is left of it".into());
    };
    if before.first().is_some_and(|before| before.role != first.role) {
        return Some(format!("it would begin with a message of the {}", first.role));
    }
    if before.last().is_some_and(|before| before.role != last.role) {
        return Some(format!("it would end with a message of the {}", last.role));
    }
    transcript::fault(after)
}
