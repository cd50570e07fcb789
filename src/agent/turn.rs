//! The one loop: rounds of a model call and the tool calls it asked for, until the model is done.

use std::{
    any::Any,
    collections::{HashSet, VecDeque},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures::FutureExt;
use tokio_util::sync::CancellationToken;

use super::{Agent, CallStatus, Event, Host, Scope, answer, batch};
use crate::{
    provider::{ProviderError, Request},
    tool::Class,
    transcript::{self, Content, Message, Role, StopReason, ToolCall, ToolResult, Usage},
};

/// How a turn ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the history grew by; what the [`Event::Message`]s said.
    pub messages: Vec<Message>,
    /// The sum over all model calls that told theirs.
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
}

/// Runs one turn: from a history that ends with what the person said to the model's last word.
///
/// Never panics, and always ends with one [`Event::TurnEnded`]. A history that is not
/// [whole](transcript::is_whole) is sent [repaired](transcript::repair). When `cancel` is cancelled, the model's
/// stream is dropped, running tools get the agent's grace to end what they started, and what was said so far is kept.
/// Dropping the future cancels too, and says nothing.
pub async fn run(
    agent: &Agent,
    scope: &Scope,
    history: Vec<Message>,
    host: &dyn Host,
    cancel: CancellationToken,
) -> Outcome {
    let cancel = cancel.child_token();
    let _cancelled_when_dropped = cancel.clone().drop_guard();
    let mut turn = Turn::new(Ground { agent, scope, host, cancel: &cancel }, history);

    let ended = AssertUnwindSafe(turn.rounds()).catch_unwind().await;
    let (stop_reason, error) = match ended {
        Ok(Ok(stop_reason)) => (stop_reason, None),
        Ok(Err(error)) => (StopReason::Error, Some(error.into())),
        Err(panic) => (StopReason::Error, Some(TurnError::Panic(said_by(&*panic)))),
    };
    let why = if stop_reason == StopReason::Cancelled {
        (CallStatus::Cancelled, "not run: the turn was cancelled")
    } else {
        (CallStatus::Failed, "the turn broke off before this call returned. Whether it had an effect is not known.")
    };
    turn.close_round(why);
    let error_text = error.as_ref().map(ToString::to_string);
    turn.unsaid.push_back(Event::TurnEnded { stop_reason, usage: turn.usage, error: error_text });
    for event in std::mem::take(&mut turn.unsaid) {
        let _ = AssertUnwindSafe(host.emit(event)).catch_unwind().await;
    }
    Outcome { usage: turn.usage, messages: turn.into_messages(), stop_reason, error }
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
    pub scope: &'a Scope,
    pub host: &'a dyn Host,
    pub cancel: &'a CancellationToken,
}

/// A call of the round that is being run.
pub(super) struct OpenCall {
    pub call: ToolCall,
    /// Whether the host has been told of it.
    pub announced: bool,
    pub result: Option<ToolResult>,
}

struct Turn<'a> {
    ground: Ground<'a>,
    /// The next model call; its messages are the history and, from `given` on, what the turn added.
    request: Arc<Request>,
    given: usize,
    usage: Usage,
    /// The calls of the last message while their results are not in the transcript.
    open: Vec<OpenCall>,
    /// What the host is to be told of the transcript's end. Kept here, so that a host that panics in between still gets
    /// the rest.
    unsaid: VecDeque<Event>,
    /// The ids of all calls so far.
    ids: HashSet<String>,
}

impl<'a> Turn<'a> {
    fn new(ground: Ground<'a>, mut messages: Vec<Message>) -> Self {
        transcript::repair(&mut messages);
        let agent = &ground.agent.setup;
        let given = messages.len();
        let ids = messages.iter().flat_map(Message::tool_calls).map(|call| call.id.clone()).collect();
        let request = Request {
            model: agent.model.clone(),
            system: agent.system.clone(),
            messages,
            tools: agent.tools.specs(),
            max_tokens: agent.max_tokens,
            temperature: agent.temperature,
            stop_sequences: agent.stop_sequences.clone(),
            thinking: agent.thinking,
            cache: agent.cache,
        };
        Self {
            ground,
            request: Arc::new(request),
            given,
            usage: Usage::default(),
            open: Vec::new(),
            unsaid: VecDeque::new(),
            ids,
        }
    }

    async fn rounds(&mut self) -> Result<StopReason, ProviderError> {
        let Ground { agent, host, cancel, .. } = self.ground;
        for rounds_left in (0..agent.setup.turn_limit).rev() {
            if cancel.is_cancelled() {
                return Ok(StopReason::Cancelled);
            }
            let answers = agent.ask(&self.request);
            let completion = match answer::hear(answers, host, cancel).await {
                Ok(completion) => completion,
                Err(interrupted) => {
                    self.count(interrupted.usage).await;
                    self.answered(interrupted.content).await;
                    return interrupted.error.map_or(Ok(StopReason::Cancelled), Err);
                }
            };
            self.count(completion.usage).await;
            self.answered(completion.content).await;

            let stop_reason = completion.stop_reason.unwrap_or(StopReason::EndTurn);
            let goes_on = match stop_reason {
                // Some servers say the model had ended although it asks for tools.
                StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolCalls => !self.open.is_empty(),
                StopReason::Pause => true,
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
            };
            batch::run(self.ground, &mut self.open).await;
            self.end_round((CallStatus::Cancelled, "not run: the turn was cancelled")).await;
            if cancel.is_cancelled() {
                return Ok(StopReason::Cancelled);
            }
            // What is not asked for stays with the host, for the next turn.
            let was_steered = rounds_left > 0 && self.steer().await;
            if !goes_on && !was_steered {
                // Asking for tools without a call is an end like any other.
                return Ok(if stop_reason == StopReason::ToolCalls { StopReason::EndTurn } else { stop_reason });
            }
        }
        Ok(StopReason::TurnLimit)
    }

    async fn count(&mut self, usage: Usage) {
        if usage != Usage::default() {
            self.usage += usage;
            self.ground.host.emit(Event::Usage(usage)).await;
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
                self.open.push(OpenCall { call: call.clone(), announced: false, result: None });
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
            self.ground.host.emit(event).await;
        }
    }

    /// Appends the results of the open calls, filling in those that have none.
    fn close_round(&mut self, (status, why): (CallStatus, &str)) {
        let mut content = Vec::new();
        for OpenCall { call, announced, result } in self.open.drain(..) {
            let result = result.unwrap_or_else(|| {
                let result = ToolResult::text(&call.id, why, true);
                if !announced {
                    let title = call.name.clone();
                    self.unsaid.push_back(Event::ToolCall { call, class: Class::Read, title });
                }
                self.unsaid.push_back(Event::ToolResult { result: result.clone(), status, diff: None });
                result
            });
            content.push(Content::ToolResult(result));
        }
        if !content.is_empty() {
            let message = Message { role: Role::User, content };
            Arc::make_mut(&mut self.request).messages.push(message.clone());
            self.unsaid.push_back(Event::Message(message));
        }
    }

    /// Appends what the person said meanwhile.
    async fn steer(&mut self) -> bool {
        let mut any = false;
        for mut message in self.ground.host.steering() {
            message.content.retain(|part| !matches!(part, Content::ToolCall(_) | Content::ToolResult(_)));
            if message.role == Role::User && !message.content.is_empty() {
                self.append(message).await;
                any = true;
            }
        }
        any
    }

    async fn append(&mut self, message: Message) {
        Arc::make_mut(&mut self.request).messages.push(message.clone());
        self.ground.host.emit(Event::Message(message)).await;
    }

    fn into_messages(self) -> Vec<Message> {
        let mut messages = Arc::unwrap_or_clone(self.request).messages;
        messages.split_off(self.given)
    }
}
