//! The one loop: rounds of a model call and the tool calls it asked for, until the model is done.

mod hooked;
mod model_call;

use std::{
    any::Any,
    collections::{HashSet, VecDeque},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures::FutureExt;
use tokio::select;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    Agent, CallStatus, Event, Host, OpenCall, OpenTurn, Point, Scope, Settled, batch,
    instruct::{self, Occasion},
    mutate::{self, Staged},
    nested, observe, span,
};
use crate::{
    provider::{ProviderError, Request, fallback::Models},
    tool::{self, Catalogue, Class},
    transcript::{Content, Message, Role, StopReason, ToolResult, Usage, lost_calls},
};

/// How a turn ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the turn added; what the [`Event::Message`]s said.
    pub messages: Vec<Message>,
    /// What the history and `messages` together became, if a [`Mutator`](super::Mutator) changed them or a
    /// [`Hook`](super::Hook) took out what the person said.
    pub replaced: Option<Vec<Message>>,
    /// The sum over all model calls that told theirs, those of nested agents too.
    pub usage: Usage,
    pub stop_reason: StopReason,
    /// Present exactly if `stop_reason` is [`StopReason::Error`].
    pub error: Option<TurnError>,
}

/// Why a turn failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TurnError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// A mistake in this program or in its host; the transcript is whole nevertheless.
    #[error(
        "the turn broke off because of a mistake in the program ({0}). What was done until then is kept; please report this."
    )]
    Panic(String),
    /// A [`Hook`](super::Hook) denied its beginning, for this reason.
    #[error("the turn was not begun: a hook denied it: {0}")]
    Hook(String),
}

/// Runs one turn: from what the person said, at the end of the history or [interjected](Host::interject) at once, to the
/// model's last word.
///
/// Never panics, and always ends with one [`Event::TurnEnded`]. A history that is not
/// [whole](crate::transcript::is_whole) is sent [repaired](crate::transcript::repair). When `cancel` is cancelled, the model's
/// stream is dropped, running tools get the agent's grace to end what they started, and what was said so far is kept.
/// Dropping the future cancels too, and says nothing.
pub async fn run(
    agent: &Agent,
    scope: &Scope,
    history: Vec<Message>,
    host: &dyn Host,
    cancel: CancellationToken,
) -> Outcome {
    play(agent, scope, history, None, host, cancel).await
}

/// Goes on with a turn that was left, by a restart for example: `history` ends with the message whose calls are open, or
/// with what the model is to answer.
///
/// Nothing is told twice: no [`Event::TurnStarted`], no call and no result that was told before. A call that has its
/// result does not run again; one that was running ends as interrupted, unless it only reads; one that the person was
/// being asked about is asked about again, under the same id. [`Outcome::messages`] is what comes after `history`.
pub async fn resume(
    agent: &Agent,
    scope: &Scope,
    history: Vec<Message>,
    open: OpenTurn,
    host: &dyn Host,
    cancel: CancellationToken,
) -> Outcome {
    play(agent, scope, history, Some(open), host, cancel).await
}

async fn play(
    agent: &Agent,
    scope: &Scope,
    history: Vec<Message>,
    open: Option<OpenTurn>,
    host: &dyn Host,
    cancel: CancellationToken,
) -> Outcome {
    let span = span::turn(agent);
    let outcome = play_out(agent, scope, history, open, host, cancel).instrument(span.clone()).await;
    span::turn_ended(&span, &outcome);
    outcome
}

async fn play_out(
    agent: &Agent,
    scope: &Scope,
    history: Vec<Message>,
    open: Option<OpenTurn>,
    host: &dyn Host,
    cancel: CancellationToken,
) -> Outcome {
    let cancel = cancel.child_token();
    let _cancelled_when_dropped = cancel.clone().drop_guard();
    let is_new = open.is_none();
    let tools = agent.setup.tools.catalogue();
    let (models, spent) = (agent.models(), Mutex::default());
    let ground = Ground { agent, models: &models, tools: &tools, scope, host, cancel: &cancel, spent: &spent };
    let mut turn = Turn::new(ground, history, open.unwrap_or_default());

    let ended = AssertUnwindSafe(turn.play(is_new)).catch_unwind().await;
    let (stop_reason, error) = match ended {
        Ok(Ok(stop_reason)) => (stop_reason, None),
        Ok(Err(error)) => (StopReason::Error, Some(error)),
        Err(panic) => (StopReason::Error, Some(TurnError::Panic(said_by(&*panic)))),
    };
    let why = if stop_reason == StopReason::Cancelled {
        (CallStatus::Cancelled, "not run: the turn was cancelled")
    } else {
        (CallStatus::Failed, "the turn broke off before this call returned. Whether it had an effect is not known.")
    };
    turn.close_round(why);
    turn.usage += *spent.lock().unwrap_or_else(PoisonError::into_inner);
    let error_text = error.as_ref().map(ToString::to_string);
    turn.unsaid.push_back(Event::TurnEnded { stop_reason, usage: turn.usage, error: error_text });
    for event in std::mem::take(&mut turn.unsaid) {
        let _ = AssertUnwindSafe(turn.ground.emit(event)).catch_unwind().await;
    }
    let usage = turn.usage;
    let (messages, replaced) = turn.into_messages();
    Outcome { messages, replaced, usage, stop_reason, error }
}

/// What a panic said.
pub(super) fn said_by(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// What a turn stands on.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub agent: &'a Agent,
    /// Who is asked.
    pub models: &'a Models,
    /// The tools of this round: a change takes effect at the next model call.
    pub tools: &'a Catalogue,
    pub scope: &'a Scope,
    pub host: &'a dyn Host,
    pub cancel: &'a CancellationToken,
    /// Usage of nested agents.
    pub spent: &'a Mutex<Usage>,
}

impl Ground<'_> {
    pub async fn emit(self, event: Event) {
        observe::tell(&self.agent.setup.observers, &event);
        self.host.emit(event).await;
    }

    /// A model call with these messages.
    pub fn request(self, messages: Vec<Message>) -> Request {
        let agent = &self.agent.setup;
        Request {
            model: agent.model.clone(),
            system: agent.system.clone(),
            messages,
            tools: self.tools.specs(),
            max_tokens: agent.max_tokens,
            temperature: agent.temperature,
            stop_sequences: agent.stop_sequences.clone(),
            thinking: agent.thinking,
            output_schema: agent.output_schema.clone(),
            cache: agent.cache.clone(),
        }
    }
}

struct Turn<'a> {
    ground: Ground<'a>,
    /// The next model call; its messages are the history and, from `given` on, what the turn added since the history was
    /// replaced.
    request: Arc<Request>,
    given: usize,
    /// What the turn had added when the history was replaced.
    added_before: Option<Vec<Message>>,
    usage: Usage,
    /// How many model calls it has made.
    rounds: u32,
    /// The calls of the last message while their results are not in the transcript.
    open: Vec<OpenCall>,
    /// What the host is to be told of the transcript's end. Kept here, so that a host that panics in between still gets
    /// the rest.
    unsaid: VecDeque<Event>,
    /// The ids of all calls so far.
    ids: HashSet<String>,
    /// How often a hook has kept it from ending.
    vetoes: u32,
}

impl<'a> Turn<'a> {
    fn new(ground: Ground<'a>, mut messages: Vec<Message>, mut open: OpenTurn) -> Self {
        open.fit(&mut messages);
        let OpenTurn { calls: open, usage, rounds } = open;
        let given = messages.len();
        let ids = messages.iter().flat_map(Message::tool_calls).map(|call| call.id.clone()).collect();
        let mut request = ground.request(messages);
        if let Some(cache) = ground.scope.next_cache() {
            request.cache = cache;
        }
        Self {
            ground,
            request: Arc::new(request),
            given,
            added_before: None,
            usage,
            rounds,
            open,
            unsaid: VecDeque::new(),
            ids,
            vetoes: 0,
        }
    }

    async fn play(&mut self, is_new: bool) -> Result<StopReason, TurnError> {
        if is_new {
            self.ground.emit(Event::TurnStarted).await;
        }
        let is_answered = self.request.messages.last().is_some_and(|last| last.role == Role::Assistant);
        if is_new || !is_answered && self.may_go_on() {
            self.gather(Point::BeforeModelCall).await;
            self.hear_start().await?;
        }
        self.instruct(if is_new { Occasion::Begins } else { Occasion::GoesOn }).await;
        let played = self.rounds(is_new).await;
        let stop_reason = match self.hear_end(played).await? {
            // Asking for tools without a call is an end like any other.
            StopReason::ToolCalls => StopReason::EndTurn,
            stop_reason => stop_reason,
        };
        if stop_reason != StopReason::Cancelled {
            self.mutate(Point::AfterTurnEnded).await;
        }
        Ok(stop_reason)
    }

    async fn rounds(&mut self, is_new: bool) -> Result<StopReason, ProviderError> {
        let Ground { agent, cancel, .. } = self.ground;
        let is_answered = self.request.messages.last().is_some_and(|last| last.role == Role::Assistant);
        if !is_new
            && is_answered
            && let Some(ended) = self.run_calls(self.ground.tools, StopReason::ToolCalls).await
        {
            return Ok(ended);
        }
        while self.may_go_on() {
            self.mutate(Point::BeforeModelCall).await;
            if cancel.is_cancelled() {
                return Ok(StopReason::Cancelled);
            }
            self.rounds += 1;
            let tools = agent.setup.tools.catalogue();
            let specs = tools.specs();
            if specs != self.request.tools {
                Arc::make_mut(&mut self.request).tools = specs;
            }
            let completion = match self.ask().await {
                Ok(completion) => completion,
                Err(interrupted) => {
                    self.answered(interrupted.content).await;
                    return interrupted.error.map_or(Ok(StopReason::Cancelled), Err);
                }
            };
            self.answered(completion.content).await;

            let stop_reason = completion.stop_reason.unwrap_or(StopReason::EndTurn);
            match stop_reason {
                StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolCalls | StopReason::Pause => {}
                StopReason::MaxTokens
                | StopReason::Refusal
                | StopReason::TurnLimit
                | StopReason::Cancelled
                | StopReason::Error => {
                    let why = match stop_reason {
                        StopReason::MaxTokens => {
                            "not run: the answer was cut at the token limit, so this call may not be all that was meant"
                        }
                        _ => "not run: the model's answer was stopped",
                    };
                    self.end_round((CallStatus::Failed, why)).await;
                    return Ok(stop_reason);
                }
            }
            if let Some(ended) = self.run_calls(&tools, stop_reason).await {
                return Ok(ended);
            }
        }
        Ok(StopReason::TurnLimit)
    }

    /// Whether it may call the model once more.
    fn may_go_on(&self) -> bool {
        self.rounds < self.ground.agent.setup.turn_limit
    }

    /// The round's calls, and what comes between it and the next. `Some` if there is none.
    async fn run_calls(&mut self, tools: &Catalogue, stop_reason: StopReason) -> Option<StopReason> {
        let cancel = self.ground.cancel;
        // Some servers say the model had ended although it asks for tools.
        let goes_on = !self.open.is_empty() || stop_reason == StopReason::Pause;
        batch::run(Ground { tools, ..self.ground }, &mut self.open).await;
        self.end_round((CallStatus::Cancelled, "not run: the turn was cancelled")).await;
        let point = if goes_on { Point::AfterToolResult } else { Point::AfterTurnEnded };
        if goes_on && !cancel.is_cancelled() {
            self.instruct(Occasion::Round).await;
            self.mutate(point).await;
        }
        if cancel.is_cancelled() {
            return Some(StopReason::Cancelled);
        }
        // What is not asked for stays with the host, for the next turn.
        let was_steered = self.may_go_on() && self.steer(point).await;
        if goes_on || was_steered {
            return None;
        }
        let is_vetoed = self.hear_veto(stop_reason).await;
        // Hooks may take minutes, in which the person speaks on.
        let was_steered = self.is_heard() && self.may_go_on() && self.steer(point).await;
        if cancel.is_cancelled() {
            return Some(StopReason::Cancelled);
        }
        (!is_vetoed && !was_steered).then_some(stop_reason)
    }

    /// Tells the model what people wrote for it and it does not know yet.
    async fn instruct(&mut self, occasion: Occasion) {
        let Ground { agent, scope, cancel, .. } = self.ground;
        let Some(places) = &agent.setup.instructions else { return };
        let looking = instruct::look(agent, scope, places, &self.request.messages, occasion);
        let told = select! {
            biased;
            () = cancel.cancelled() => return,
            told = looking => told,
        };
        Arc::make_mut(&mut self.request).system.extend(told.system);
        if let Some(message) = told.message {
            self.append(message).await;
        }
        for event in told.notices {
            self.ground.emit(event).await;
        }
    }

    async fn mutate(&mut self, point: Point) {
        let staged = self.stage(point).await;
        self.keep(staged).await;
    }

    async fn stage(&mut self, point: Point) -> Staged {
        let staged = mutate::stage(self.ground, point, &self.request, self.given).await;
        if staged.usage != Usage::default() {
            let tokens = self.ground.scope.estimator.request(&self.request);
            self.add(staged.usage, tokens).await;
        }
        staged
    }

    /// Puts what the mutators made in the transcript's place.
    async fn keep(&mut self, staged: Staged) {
        let Staged { messages: Some(messages), events, .. } = staged else { return };
        self.ground.scope.seen.forget(&lost_calls(&self.request.messages, &messages));
        let request = Arc::make_mut(&mut self.request);
        let added = request.messages.split_off(self.given);
        self.added_before.get_or_insert_default().extend(added);
        request.messages.clone_from(&messages);
        self.given = messages.len();
        self.ground.emit(Event::Replaced(messages)).await;
        for event in events {
            self.ground.emit(event).await;
        }
    }

    /// Appends what the model said and opens the round of its calls.
    async fn answered(&mut self, mut content: Vec<Content>) {
        // Providers refuse blank texts and an answer of reasoning alone.
        content.retain(|part| !matches!(part, Content::Text { text } if text.trim().is_empty()));
        if content.iter().all(|part| matches!(part, Content::Thinking { .. })) {
            return;
        }
        for part in &mut content {
            if let Content::ToolCall(call) = part {
                self.make_unique(&mut call.id);
                self.open.push(OpenCall::new(call.clone()));
            }
        }
        self.append(Message { role: Role::Assistant, content }).await;
    }

    fn make_unique(&mut self, id: &mut String) {
        if id.is_empty() {
            id.push_str("call");
        }
        if self.ids.contains(id.as_str()) {
            let unique = (2_u64..).map(|number| format!("{id}_{number}")).find(|id| !self.ids.contains(id));
            *id = unique.unwrap_or_default();
        }
        self.ids.insert(id.clone());
    }

    async fn end_round(&mut self, why: (CallStatus, &str)) {
        self.close_round(why);
        while let Some(event) = self.unsaid.pop_front() {
            self.ground.emit(event).await;
        }
    }

    /// Appends the results of the open calls, filling in those that have none.
    fn close_round(&mut self, (status, why): (CallStatus, &str)) {
        let mut content = Vec::new();
        for OpenCall { call, class, settled, told, .. } in self.open.drain(..) {
            let is_settled = settled.is_some();
            let settled = settled.unwrap_or_else(|| {
                let result = ToolResult::text(&call.id, why, true);
                Settled { result, status, diff: None }
            });
            if class.is_none() {
                let title = tool::title(&call.name, &call.input);
                self.unsaid.push_back(Event::ToolCall { call, class: Class::Read, title });
            }
            if !is_settled {
                self.unsaid.push_back(Event::Settled(settled.clone()));
            }
            let Settled { result, status, diff } = settled;
            if !told {
                self.unsaid.push_back(Event::ToolResult { result: result.clone(), status, diff });
            }
            content.push(Content::ToolResult(result));
        }
        if !content.is_empty() {
            let message = Message { role: Role::User, content };
            Arc::make_mut(&mut self.request).messages.push(message.clone());
            self.unsaid.push_back(Event::Message(message));
        }
    }

    /// Appends what came of background tasks that ended meanwhile.
    async fn hear_of_tasks(&mut self) -> bool {
        let scope = self.ground.scope;
        let news = scope.tasks.news(scope.within());
        for (task, text) in &news {
            self.append(nested::news(task, text)).await;
        }
        !news.is_empty()
    }

    /// Takes in what the person said to the running turn, and what else is new. Whether the model has anything to answer.
    async fn steer(&mut self, point: Point) -> bool {
        let since = self.request.messages.len();
        let (is_said, is_news) = self.gather(point).await;
        let may_be_read = is_said && self.hear_steering(since).await;
        may_be_read || is_news
    }

    /// Appends what the person said meanwhile, and what came of background tasks. Which of the two there was.
    async fn gather(&mut self, point: Point) -> (bool, bool) {
        let said = select! {
            biased;
            said = self.ground.host.interject(point) => said,
            () = self.ground.cancel.cancelled() => return (false, false),
        };
        let is_news = self.hear_of_tasks().await;
        let mut is_said = false;
        for mut message in said {
            message.content.retain(|part| !matches!(part, Content::ToolCall(_) | Content::ToolResult(_)));
            if message.role == Role::User && !message.content.is_empty() {
                self.append(message).await;
                is_said = true;
            }
        }
        (is_said, is_news)
    }

    async fn append(&mut self, message: Message) {
        Arc::make_mut(&mut self.request).messages.push(message.clone());
        self.ground.emit(Event::Message(message)).await;
    }

    /// What the turn added, and the whole if it is another than the history and that.
    fn into_messages(self) -> (Vec<Message>, Option<Vec<Message>>) {
        let mut messages = Arc::unwrap_or_clone(self.request).messages;
        match self.added_before {
            None => (messages.split_off(self.given), None),
            Some(mut added) => {
                added.extend_from_slice(&messages[self.given..]);
                (added, Some(messages))
            }
        }
    }
}
