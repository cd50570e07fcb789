//! What a running call asks for: the loop fulfils it with its host, and runs nested agents inside the turn.

use std::{
    pin::pin,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use futures::{FutureExt, future::BoxFuture};
use tokio::select;
use tokio_util::sync::CancellationToken;

use super::{
    Agent, Answer, ApprovalRequest, Asker, Event, Host, QuestionRequest, Scope,
    turn::{self, Ground, Outcome},
};
use crate::{
    permission::Policy,
    tool::{Answered, Collision, Errand, Registry, Report, Source, Task, TaskStatus, Terminals, ToolError, Wish},
    transcript::{Message, Role, ToolCall, Usage},
};

/// What news of a background task ends its first line with.
const NEWS: &str = "The person did not say this: it is the result of what you started.";
const NEWS_OF_LOSS: &str = "Start it again if it is still needed.";

/// The tool that spawns, which those that may spawn no more do not get.
pub(super) const SPAWNER: &str = "sub_agent";

/// How an agent is called that was given no name.
const NAMELESS: &str = "sub-agent";

const INSTRUCTIONS: &str = "\
You are a sub-agent: another agent gave you the task below, and your last message is all that it gets of your work. Do \
the whole task without asking back, and end with what was asked for, complete and brief. Say what you could not do.";

impl<'a> Ground<'a> {
    /// Fulfils a wish of a call. Boxed, since a nested agent serves its own calls the same way.
    /// `over` is cancelled when the call has ended.
    pub fn serve(self, call: &'a ToolCall, wish: Wish, over: CancellationToken) -> BoxFuture<'a, ()> {
        async move {
            // Nobody waits for an answer whose receiver is gone.
            match wish {
                Wish::Plan { items, told } => {
                    self.emit(Event::Plan(items)).await;
                    let _ = told.send(());
                }
                Wish::Ask { question, mut answer } => {
                    let request = QuestionRequest { call_id: call.id.clone(), question, agent: None };
                    let answered = select! {
                        biased;
                        () = over.cancelled() => Answered::Declined,
                        // Whoever asked does not want to know any more.
                        () = answer.closed() => return,
                        answered = self.host.ask(request) => answered,
                    };
                    let _ = answer.send(answered);
                }
                Wish::Spawn { errand, mut report } => {
                    let mut spawned = pin!(self.spawn(call, errand, &over));
                    let ended = select! {
                        biased;
                        ended = &mut spawned => ended,
                        () = report.closed() => {
                            over.cancel();
                            spawned.await
                        }
                    };
                    let _ = report.send(ended);
                }
            }
        }
        .boxed()
    }

    async fn spawn(self, call: &ToolCall, errand: Errand, over: &CancellationToken) -> Result<Report, ToolError> {
        let agent = self.nested(&errand)?;
        let name = errand.profile.as_ref().map_or(NAMELESS, |profile| profile.name.as_str());
        let host = Nested { parent: self, call_id: &call.id, name };
        let scope = self.scope.nested(&call.id);
        let _its_own_tasks = scope.tasks.begin_nested(&scope.within);
        let history = vec![Message::user(errand.task)];
        let outcome = turn::run(&agent, &scope, history, &host, over.clone()).await;
        let Outcome { messages, stop_reason, error, .. } = outcome;
        let last = messages.iter().rfind(|message| message.role == Role::Assistant && !message.text().is_empty());
        let text = last.map(Message::text).unwrap_or_default();
        Ok(Report { text, stop_reason, error: error.map(|error| error.to_string()) })
    }

    /// The agent for an errand: the one that asks, with what the profile changes.
    fn nested(self, errand: &Errand) -> Result<Agent, ToolError> {
        let parent = &self.agent.setup;
        let depth = parent.depth + 1;
        if depth > parent.sub_agent_depth {
            return Err(ToolError::new("sub-agents of sub-agents end here; do the work yourself"));
        }
        let profile = errand.profile.as_deref();
        let wanted = profile.and_then(|profile| profile.tools.clone());
        let (may_spawn, read_only, is_bare) = (depth < parent.sub_agent_depth, errand.read_only, errand.is_bare);
        let shared = Registry::clone(&parent.tools).filtered(move |tool| {
            let name = &tool.spec().name;
            let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(name));
            !is_bare && is_wanted && (may_spawn || name != SPAWNER) && (!read_only || tool.reads_only())
        });
        let mut tools = Registry::new();
        tools.add_source(shared, Collision::Refuse).map_err(|duplicate| ToolError::new(duplicate.to_string()))?;
        let mut nested = self.agent.to_builder().tools(tools);
        // The shape of the parent's answer.
        nested.output_schema = None;
        if is_bare {
            (nested.system, nested.instructions, nested.stop_sequences) = (Vec::new(), None, Vec::new());
            (nested.hooks, nested.mutators) = (Vec::new(), Vec::new());
        } else {
            nested = nested.system(INSTRUCTIONS);
        }
        nested.depth = depth;
        nested = nested.name(profile.map_or(NAMELESS, |profile| profile.name.as_str()));
        // Those who observe the parent are told what happens in here, too, as what is nested.
        nested.observers = Vec::new();
        nested.sub_agents = None;
        // It has to have ended its own calls before the call that it works for is given up.
        nested.cancel_grace = parent.cancel_grace * 3 / 4;
        if let Some(profile) = profile {
            if !profile.instructions.trim().is_empty() {
                nested = nested.system(profile.instructions.clone());
            }
            if let Some((provider, model)) = &profile.model {
                nested = nested.provider(provider.clone()).model(model.clone());
            }
            nested = nested.turn_limit(profile.turn_limit.unwrap_or(u32::MAX).min(parent.turn_limit));
        }
        nested.build().map_err(|error| ToolError::new(error.to_string()))
    }
}

/// The host of a nested turn: all goes to the parent's, marked with the call it is for.
struct Nested<'a> {
    parent: Ground<'a>,
    call_id: &'a str,
    name: &'a str,
}

impl Nested<'_> {
    fn asker(&self, deeper: Option<Asker>) -> Asker {
        let name = match deeper {
            Some(deeper) => format!("{} > {}", self.name, deeper.name),
            None => self.name.to_owned(),
        };
        Asker { call_id: self.call_id.to_owned(), name }
    }
}

#[async_trait]
impl Host for Nested<'_> {
    async fn emit(&self, event: Event) {
        if let Some(usage) = usage_of(&event) {
            *self.parent.spent.lock().unwrap_or_else(PoisonError::into_inner) += usage;
        }
        self.parent.emit(Event::Nested { call_id: self.call_id.to_owned(), event: Box::new(event) }).await;
    }

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        let agent = Some(self.asker(request.agent));
        // Its calls may have the ids of the parent's.
        let id = format!("{}.{}", self.call_id, request.id);
        let answer = self.parent.host.approve(ApprovalRequest { id, agent, ..request }).await;
        if answer == Answer::CancelTurn {
            // The person means the turn that they see.
            self.parent.cancel.cancel();
        }
        answer
    }

    fn policy(&self) -> Policy {
        self.parent.host.policy()
    }

    fn terminals(&self) -> Option<Arc<dyn Terminals>> {
        self.parent.host.terminals()
    }

    async fn ask(&self, request: QuestionRequest) -> Answered {
        let agent = Some(self.asker(request.agent));
        self.parent.host.ask(QuestionRequest { agent, ..request }).await
    }
}

/// What an event says was spent, however deep.
pub(super) fn usage_of(event: &Event) -> Option<Usage> {
    match event {
        Event::Usage { round, .. } => Some(*round),
        Event::Nested { event, .. } => usage_of(event),
        _ => None,
    }
}

/// Tells the model what came of a background task.
pub(super) fn news(task: &Task, text: &str) -> Message {
    let note = if task.status == TaskStatus::Lost { NEWS_OF_LOSS } else { NEWS };
    Message::user(format!("{}: {}. {note}]\n{text}", task_news_title(task), task.status))
}

/// Whether a message with this text is such news.
pub(super) fn is_news(text: &str) -> bool {
    text.starts_with("[task-") && [NEWS, NEWS_OF_LOSS].iter().any(|note| text.contains(&format!(". {note}]\n")))
}

/// How a message begins that tells the model of a background task's end.
pub fn task_news_title(task: &Task) -> String {
    format!("[{} (`{}`)", task.id, task.title)
}

impl Scope {
    /// Of a nested agent for this call: it has read nothing yet and may have a model of its own; outputs and
    /// tasks are everyone's.
    fn nested(&self, call_id: &str) -> Self {
        Self {
            seen: Arc::default(),
            estimator: Arc::default(),
            compacted: Arc::default(),
            next_cache: Arc::default(),
            within: self.own(call_id),
            ..self.clone()
        }
    }

    pub(super) fn within(&self) -> &str {
        &self.within
    }

    /// A call's id as it is known to all agents of the conversation: nested agents may use the same ids.
    pub(super) fn own(&self, call_id: &str) -> String {
        if self.within.is_empty() { call_id.to_owned() } else { format!("{}.{call_id}", self.within) }
    }
}
