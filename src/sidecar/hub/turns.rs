//! Turns: what one begins with and the agent that runs it.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::{Hub, answer, built, commands, not_configured};
use crate::{
    agent::{self, Agent, OpenTurn, compaction::Compaction},
    protocol::{
        ContentBlock, Empty, QuestionOutcome, SessionEvent, TurnCancelParams, TurnCancelResponse, TurnStartParams,
        TurnStartResponse, TurnSteerParams,
    },
    provider::{Cache, OutputSchema},
    session::{Prompting, Signal, Turn, TurnHost},
    sidecar::{AttachmentId, Reply, RequestError, agents::with_agents, prompt},
    store::WaitingTurn,
    transcript::{StopReason, Usage},
};

/// How a turn begins.
enum Beginning {
    Prompt(Vec<ContentBlock>),
    /// It goes on where an earlier process left it.
    Open(OpenTurn),
}

impl Beginning {
    /// The tools that it begins with.
    fn tools(&self) -> Vec<String> {
        match self {
            Self::Prompt(_) => Vec::new(),
            Self::Open(open) => {
                let unsettled = open.calls.iter().filter(|open| open.settled.is_none());
                unsettled.map(|open| open.call.name.clone()).collect()
            }
        }
    }
}

impl Hub {
    pub(super) fn start_turn(&mut self, from: AttachmentId, params: TurnStartParams, reply: Reply) {
        if params.queue && !self.is_ending && self.is_busy(&params.session_id) {
            return self.queue(from, params, reply);
        }
        let started = self.prepare_turn(&params);
        let (turn_id, agent) = match started {
            Ok(started) => started,
            Err(error) => return reply(Err(error)),
        };
        answer(reply, Ok(TurnStartResponse { turn_id: turn_id.clone() }));
        let by = self.name_of(from);
        let Ok(session) = self.session(&params.session_id) else { return };
        session.turn = Some(Turn::new(turn_id.clone()));
        session.name_after(&params.prompt);
        let (prompt, output_schema) = (params.prompt.clone(), params.output_schema);
        session.append(SessionEvent::TurnStarted { turn_id, prompt, by, output_schema });
        session.log.sync();
        let session_id = session.id.clone();
        self.run_turn(&session_id, agent, Beginning::Prompt(params.prompt));
    }

    fn name_of(&self, client: AttachmentId) -> Option<String> {
        self.attachments.get(&client).and_then(|attachment| attachment.name())
    }

    pub(super) fn steer(&mut self, from: AttachmentId, params: TurnSteerParams, reply: Reply) {
        if params.prompt.iter().all(is_blank) {
            return reply(Err(empty_prompt()));
        }
        let by = self.name_of(from);
        let session = match self.session(&params.session_id) {
            Ok(session) => session,
            Err(error) => return reply(Err(error)),
        };
        let Some(turn) = &session.turn else {
            return reply(Err(RequestError::new(
                RequestError::NOT_FOUND,
                "No turn runs in this session, so there is nothing to steer. Start one with turn/start.",
            )));
        };
        turn.steering.lock().unwrap_or_else(PoisonError::into_inner).push(params.prompt.clone());
        answer(reply, Ok(Empty {}));
        session.append(SessionEvent::TurnSteered { prompt: params.prompt, by });
    }

    pub(super) fn cancel_turn(&mut self, params: &TurnCancelParams, reply: Reply) {
        let session = match self.session(&params.session_id) {
            Ok(session) => session,
            Err(error) => return reply(Err(error)),
        };
        if params.waiting_only {
            return answer(reply, Ok(TurnCancelResponse { cancelled: false }));
        }
        let cancelled = session.turn.is_some() || session.compacting.is_some();
        answer(reply, Ok(TurnCancelResponse { cancelled }));
        session.cancel();
        if params.background {
            session.scope.tasks.cancel_all();
        }
    }

    /// Takes up a turn of an earlier process.
    pub(super) fn go_on(&mut self, session_id: &Arc<str>, turn: WaitingTurn) {
        let WaitingTurn { id, open, approvals, questions, steering, output_schema } = turn;
        let agent = self.agent_for(session_id).and_then(|agent| shaped(agent, output_schema.as_ref()));
        let (Ok(agent), Some(session)) = (agent, self.sessions.get_mut(session_id)) else { return };
        let mut turn = Turn::new(id);
        (turn.steering, turn.usage, turn.reopening) = (Arc::new(Mutex::new(steering)), open.usage, approvals);
        session.turn = Some(turn);
        // Whoever asked runs again and asks anew.
        for question_id in questions {
            session.append(SessionEvent::QuestionResolved { question_id, outcome: QuestionOutcome::Cancelled });
        }
        self.run_turn(session_id, agent, Beginning::Open(open));
    }

    /// Has the session's turn run.
    fn run_turn(&mut self, session_id: &Arc<str>, agent: Agent, beginning: Beginning) {
        let (hub, sender) = (self.way_back(), self.sender.clone());
        let tools_are_there = self.tools_are_there(session_id, beginning.tools());
        let places = self.config.places.clone();
        let Some(workspace) = self.sessions.get(session_id).map(|session| session.workspace.clone()) else { return };
        let commands = self.commands(self.sessions.get(session_id));
        let Some(session) = self.sessions.get(session_id) else { return };
        let Some(turn) = &session.turn else { return };
        tracing::debug!(session = %session.id, turn = turn.id, model = session.model, "a turn begins");
        session.scope.ledger.begin_turn(&turn.id);
        tokio::spawn(commands::list(commands.clone(), session_id.clone(), hub.clone()));
        let prompting = Prompting { workspace: workspace.clone(), seen: session.scope.seen.clone(), commands };
        let (host, cancel) = (TurnHost::new(session, turn, prompting, hub.clone()), turn.cancel.clone());
        let (mut history, scope) = (session.messages.clone(), session.scope.clone());
        let (session_id, turn_id) = (host.session_id.clone(), host.turn_id.clone());
        let running = tokio::spawn(async move {
            if let Beginning::Prompt(prompt) = &beginning {
                let Some(prompt) = host.open(prompt).await else { return };
                history.push(prompt);
            }
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                () = tools_are_there => {}
            }
            let agent = tokio::select! {
                biased;
                () = cancel.cancelled() => agent,
                agent = with_agents(agent.clone(), &places, &workspace, &host.session_id, &sender) => agent,
            };
            match beginning {
                Beginning::Prompt(_) => agent::turn::run(&agent, &scope, history, &host, cancel).await,
                Beginning::Open(open) => agent::turn::resume(&agent, &scope, history, open, &host, cancel).await,
            };
        });
        tokio::spawn(async move {
            // The loop ends every turn itself; should it break off nevertheless, the session must not stay busy.
            if let Err(broken) = running.await {
                let (stop_reason, error) = (StopReason::Error, Some(broken.to_string()));
                let event = agent::Event::TurnEnded { stop_reason, usage: Usage::default(), error };
                hub.tell(Signal::Turn { session_id, turn_id, event, permit: None });
            }
        });
    }

    fn prepare_turn(&mut self, params: &TurnStartParams) -> Result<(String, Agent), RequestError> {
        if params.prompt.iter().all(is_blank) {
            return Err(empty_prompt());
        }
        let turn_id = self.idle(&params.session_id)?;
        let agent = shaped(self.agent_for(&params.session_id)?, params.output_schema.as_ref())?;
        Ok((turn_id, agent))
    }

    /// The agent for a turn of this session, as all is set now.
    pub(super) fn agent_for(&self, session_id: &str) -> Result<Agent, RequestError> {
        let (agent, compaction) = self.agent(session_id)?;
        let agent = if self.config.compaction.at.is_some() { agent.mutator(Arc::new(compaction)) } else { agent };
        built(agent)
    }

    /// The id of a turn that begins now, or why none can.
    pub(in crate::sidecar) fn idle(&mut self, session_id: &str) -> Result<String, RequestError> {
        if self.is_ending {
            return Err(RequestError::new(RequestError::BUSY, "Pillion is shutting down and starts nothing new."));
        }
        let session = self.session(session_id)?;
        if session.turn.is_some() {
            return Err(RequestError::new(
                RequestError::BUSY,
                "A turn is still running in this session. Steer it with turn/steer, stop it with turn/cancel, or wait \
                 for its turnEnded.",
            ));
        }
        Ok(format!("{}-t{}", session.id, session.last_seq + 1))
    }

    /// The agent of a session as it is set up now, and how its conversation is made shorter.
    pub(in crate::sidecar) fn agent(&self, session_id: &str) -> Result<(agent::Builder, Compaction), RequestError> {
        let session = self.sessions.get(session_id);
        let session = session.ok_or_else(|| RequestError::new(RequestError::INTERNAL, "the session is gone"))?;
        let (model, limits, workspace) = (session.model.clone(), session.limits, session.workspace.clone());
        let (provider, model) = self.providers.get(&model).map_err(|error| not_configured(&error.to_string()))?;
        let config = &self.config;
        let thinking = limits.thinking().or(config.thinking);
        let mut agent = Agent::builder()
            .provider(provider)
            .model(model)
            .tools(self.tools_of(session_id))
            .instructions(config.places.clone())
            .retry(config.retry)
            .tool_input_events(true)
            .cache(Cache { key: Some(session_id.to_owned()), ..config.cache.clone() })
            .catalog(config.catalog.clone())
            .turn_limit(limits.turn_limit.unwrap_or(config.turn_limit))
            .max_tokens(limits.max_tokens.or(config.max_tokens))
            .temperature(limits.temperature.or(config.temperature))
            .thinking(thinking)
            .output_budget(config.tooling.budget());
        for (tool, budget) in config.tooling.budgets() {
            agent = agent.output_budget_of(tool, budget);
        }
        for hook in config.tooling.hooks(&workspace.roots(), &config.secret_variables()) {
            agent = agent.hook(hook);
        }
        for fallback in &config.fallback {
            // What one lacks was told when the settings were read.
            if let Ok((provider, model)) = self.providers.get(fallback) {
                agent = agent.fallback(provider, model);
            }
        }
        for block in prompt::system(&workspace.roots()) {
            agent = agent.system(block);
        }
        // What it lacks was told, too; the session's own model does it as well.
        let summariser = config.compaction.model.as_ref().and_then(|model| self.providers.get(model).ok());
        let compaction = Compaction::standard(config.compaction.keep_recent, summariser).at_share(config.compaction.at);
        Ok((agent.workspace(workspace), compaction))
    }
}

/// An agent whose answer has this shape, if there is one.
fn shaped(agent: Agent, schema: Option<&Value>) -> Result<Agent, RequestError> {
    let Some(schema) = schema else { return Ok(agent) };
    if !schema.is_object() {
        let message = "`outputSchema` must be a JSON Schema: an object.";
        return Err(RequestError::new(RequestError::INVALID_PARAMS, message));
    }
    built(agent.to_builder().output_schema(OutputSchema { name: "answer".to_owned(), schema: schema.clone() }))
}

fn is_blank(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Text { text } | ContentBlock::Comment { text, .. } if text.trim().is_empty())
}

fn empty_prompt() -> RequestError {
    RequestError::new(RequestError::INVALID_PARAMS, "The prompt is empty. Say what to do.")
}
