//! The hub's loop and what it does for each [`Event`].

mod commands;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use serde_json::{Value, value::to_raw_value};
use tokio::sync::{mpsc, oneshot};

use super::{
    Attachment, AttachmentId, Event, Reply, RequestError,
    agents::with_agents,
    prompt,
    replay::{Watch, replay},
};
use crate::{
    agent::{self, Agent, Answer, ApprovalRequest, OpenTurn, QuestionRequest, compaction::Compaction},
    config::{Config, Providers, RuleScope, Rules, TEMPERATURES},
    context::skill_tool,
    mcp::Servers,
    permission::{self, Policy, Rule},
    protocol::{
        Approval, ApprovalDecision, ApprovalOutcome, ApprovalRespondResponse, ApprovalScope, ContentBlock, Empty,
        Limits, Mode, ModelListResponse, NoticeLevel, Question, QuestionAnswer, QuestionOutcome,
        QuestionRespondResponse, Request, SessionConfigureParams, SessionEvent, SessionInfo, SessionListParams,
        SessionListResponse, SessionLoadParams, SessionNewParams, TaskCancelResponse, TaskListResponse,
        TaskReadResponse, TurnBackgroundResponse, TurnCancelResponse, TurnStartParams, TurnStartResponse,
    },
    provider::{Cache, Thinking},
    session::{self, Prompting, Session, Signal, Turn, TurnHost, Verdict, Waiting},
    store::{Log, Meta, Recovered, Settings, Store, StoreError, WaitingTurn},
    tool::{Answered, Registry, Shell, Standard, TaskChange},
    transcript::{StopReason, Usage},
    workspace::{Bins, Workspace},
};

mod servers;

/// A stored session, read and locked.
pub struct Loaded {
    log: Log,
    recovered: Recovered,
}

/// How a turn begins.
enum Beginning {
    Prompt(Vec<ContentBlock>),
    /// It goes on where an earlier process left it.
    Open(OpenTurn),
}

/// A request that came while its session was being read.
pub(super) struct Deferred {
    pub from: AttachmentId,
    pub request: Request,
    pub reply: Reply,
}

pub struct Hub {
    workspace: Arc<Workspace>,
    store: Store,
    pub(super) sender: mpsc::UnboundedSender<Event>,
    config: Config,
    editor_settings: Option<Value>,
    providers: Providers,
    tools: Registry,
    /// Those of the settings.
    mcp: Arc<Servers>,
    attachments: HashMap<AttachmentId, Arc<dyn Attachment>>,
    pub(super) sessions: HashMap<Arc<str>, Session>,
    loading: HashMap<Arc<str>, Vec<Deferred>>,
    /// Turns that wait for their session's compaction.
    pub(super) compacting: HashMap<Arc<str>, Vec<Deferred>>,
    next_question: u64,
    /// Mistakes in the configuration that nobody was told of yet.
    warnings: Vec<String>,
    /// Nothing new is started any more.
    is_ending: bool,
    /// Those who wait for the last turn to end.
    shutting_down: Vec<oneshot::Sender<()>>,
}

impl Hub {
    pub fn new(workspace: Arc<Workspace>, store: Store, sender: mpsc::UnboundedSender<Event>) -> Self {
        let (config, _) = Config::load(&workspace.roots(), None);
        Self {
            providers: Providers::new(&config),
            config,
            editor_settings: None,
            mcp: servers::servers(workspace.clone(), sender.clone(), None),
            workspace,
            store,
            sender,
            tools: Registry::standard(),
            attachments: HashMap::new(),
            sessions: HashMap::new(),
            loading: HashMap::new(),
            compacting: HashMap::new(),
            next_question: 1,
            warnings: Vec::new(),
            is_ending: false,
            shutting_down: Vec::new(),
        }
    }

    pub async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            self.handle(event);
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Attached { id, attachment } => {
                self.attachments.insert(id, attachment);
            }
            Event::Detached { id } => self.detach(id),
            Event::Configure { editor } => self.configure(editor),
            Event::Request { from, request, reply } => self.request(from, request, reply),
            Event::Loaded { id, loaded } => self.loaded(&id, loaded),
            Event::CaughtUp { session_id, client, number, seq } => self.caught_up(&session_id, client, number, seq),
            Event::Compacted { session_id, compacted } => self.compacted(&session_id, compacted),
            Event::RuleNotStored { session_id, error } => {
                if let Some(session) = self.sessions.get_mut(&session_id) {
                    let message = format!("The rule holds for this session but could not be stored: {error}");
                    session.notice(NoticeLevel::Warning, message);
                }
            }
            Event::ToolsChanged { session_id, changed } => self.tools_changed(&session_id, changed),
            Event::OffersChanged { session_id } => self.offers_changed(&session_id),
            Event::ServerFailed { session_id, message } => self.server_failed(session_id.as_deref(), message),
            Event::Model { model, answer } => {
                let _ = answer.send(self.providers.get(&model).map_err(|error| error.to_string()));
            }
            Event::Warnings { session_id, warnings } => {
                if let Some(session) = self.sessions.get_mut(&session_id) {
                    session.warn(warnings);
                }
            }
            Event::Session(signal) => self.signal(signal),
            Event::ShutDown { done } => {
                self.is_ending = true;
                self.shutting_down.push(done);
                for session in self.sessions.values_mut() {
                    session.cancel_all();
                }
                self.note_end();
            }
        }
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Turn { session_id, turn_id, event, permit } => {
                let session = self.running(&session_id, &turn_id);
                let has_ended = session.is_some_and(|session| {
                    session.take(event);
                    session.turn.is_none()
                });
                drop(permit);
                self.let_in(&session_id);
                if has_ended {
                    self.note_end();
                }
            }
            Signal::Ask { session_id, turn_id, request, answer } => {
                self.ask(&session_id, &turn_id, *request, answer);
                self.let_in(&session_id);
            }
            Signal::Question { session_id, turn_id, request, answer } => {
                self.ask_question(&session_id, &turn_id, request, answer);
            }
            Signal::Answered { session_id, id, client, verdict } => match verdict {
                Some(Verdict::Approval(decision)) => self.decide(&session_id, &id, decision),
                Some(Verdict::Question(answer)) => {
                    if let Err(error) = self.answer_question(&session_id, &id, answer) {
                        tracing::warn!(%error, "a client's answer to a question makes no sense");
                        self.cannot_ask(&session_id, &id, client);
                    }
                }
                None => self.cannot_ask(&session_id, &id, client),
            },
            Signal::Task { session_id, change } => {
                if let Some(session) = self.sessions.get_mut(&session_id) {
                    session.append(match change {
                        TaskChange::Started(task) => SessionEvent::TaskStarted { task: task.into() },
                        TaskChange::Ended(task, text) => SessionEvent::TaskEnded { task: task.into(), text },
                    });
                }
                self.note_end();
            }
            Signal::Commands { session_id, commands, warnings } => {
                if let Some(session) = self.sessions.get_mut(&session_id) {
                    session.note_commands(commands, warnings);
                }
            }
        }
    }

    /// The way for a session's tasks to come back here.
    fn way_back(&self) -> session::Hub {
        let sender = self.sender.clone();
        // The hub outlives every session but at the end of the process, when nobody is left to tell.
        session::Hub::new(move |signal| drop(sender.send(Event::Session(signal))))
    }

    pub(super) fn request(&mut self, from: AttachmentId, request: Request, reply: Reply) {
        if let Some(waiting) = session_of(&request).and_then(|id| self.loading.get_mut(id)) {
            return waiting.push(Deferred { from, request, reply });
        }
        if let Request::TurnStart(TurnStartParams { session_id, .. }) = &request
            && let Some(waiting) = self.compacting.get_mut(session_id.as_str())
        {
            return waiting.push(Deferred { from, request, reply });
        }
        match request {
            Request::SessionNew(params) => {
                let created = self.new_session(from, params);
                let session_id = created.as_ref().ok().map(|info| info.session_id.clone());
                answer(reply, created);
                if let Some(session) = session_id.and_then(|id| self.sessions.get_mut(id.as_str())) {
                    for warning in self.warnings.drain(..) {
                        session.notice(NoticeLevel::Warning, warning);
                    }
                }
            }
            Request::SessionList(params) => self.list(params, reply),
            Request::SessionLoad(params) => self.load(from, params, reply),
            Request::SessionClose(params) => {
                let closed = self.session(&params.session_id).map(|session| {
                    if session.unwatch(from) {
                        session.cancel_all();
                    }
                    Empty {}
                });
                answer(reply, closed);
                self.drop_idle();
            }
            Request::SessionConfigure(params) => self.configure_session(params, reply),
            Request::SessionCompact(params) => self.compact(params, reply),
            Request::TurnStart(params) => self.start_turn(params, reply),
            Request::TurnSteer(params) if params.prompt.iter().all(is_blank) => reply(Err(empty_prompt())),
            Request::TurnSteer(params) => {
                let steered = self.session(&params.session_id).and_then(|session| {
                    let Some(turn) = &session.turn else {
                        return Err(RequestError::new(
                            RequestError::NOT_FOUND,
                            "No turn runs in this session, so there is nothing to steer. Start one with turn/start.",
                        ));
                    };
                    turn.steering.lock().unwrap_or_else(PoisonError::into_inner).push(params.prompt.clone());
                    Ok(session)
                });
                match steered {
                    Ok(session) => {
                        answer(reply, Ok(Empty {}));
                        session.append(SessionEvent::TurnSteered { prompt: params.prompt });
                    }
                    Err(error) => reply(Err(error)),
                }
            }
            Request::TurnCancel(params) => match self.session(&params.session_id) {
                Ok(session) => {
                    let cancelled = session.turn.is_some() || session.compacting.is_some();
                    answer(reply, Ok(TurnCancelResponse { cancelled }));
                    session.cancel();
                    if params.background {
                        session.scope.tasks.cancel_all();
                    }
                }
                Err(error) => reply(Err(error)),
            },
            Request::ApprovalRespond(params) => {
                let owner = self.sessions.values().find(|session| session.is_asking(&params.approval_id));
                match owner.map(|session| session.id.clone()) {
                    Some(session_id) => {
                        answer(reply, Ok(ApprovalRespondResponse { accepted: true }));
                        self.decide(&session_id, &params.approval_id, params.decision);
                    }
                    None => answer(reply, Ok(ApprovalRespondResponse { accepted: false })),
                }
            }
            Request::McpList(params) => {
                let listed = self.list_servers(&params);
                answer(reply, listed);
            }
            Request::TurnBackground(params) => {
                let moved = self
                    .session(&params.session_id)
                    .map(|session| TurnBackgroundResponse { moved: session.scope.tasks.take_over(&params.call_id) });
                answer(reply, moved);
            }
            Request::QuestionRespond(params) => {
                let owner = self.sessions.values().find(|session| session.is_asking(&params.question_id));
                let accepted = match owner.map(|session| session.id.clone()) {
                    Some(session_id) => self.answer_question(&session_id, &params.question_id, params.answer),
                    None => Ok(false),
                };
                answer(reply, accepted.map(|accepted| QuestionRespondResponse { accepted }));
            }
            Request::TaskList(params) => answer(
                reply,
                self.session(&params.session_id).map(|session| TaskListResponse {
                    tasks: session.scope.tasks.list().into_iter().map(Into::into).collect(),
                }),
            ),
            Request::TaskRead(params) => {
                let read = self.session(&params.session_id).and_then(|session| {
                    let read = session.scope.tasks.read(&params.task_id);
                    read.ok_or_else(|| {
                        let message = format!("This session has no task {:?}; task/list shows them.", params.task_id);
                        RequestError::new(RequestError::NOT_FOUND, message)
                    })
                });
                answer(reply, read.map(|(task, text)| TaskReadResponse { task: task.into(), text }));
            }
            Request::TaskCancel(params) => {
                let cancelled = self
                    .session(&params.session_id)
                    .map(|session| TaskCancelResponse { cancelled: session.scope.tasks.cancel(&params.task_id) });
                answer(reply, cancelled);
            }
            Request::CommandList(params) => self.list_commands(params, reply),
            Request::ModelList(_) => answer(
                reply,
                Ok(ModelListResponse {
                    models: self.providers.models().into_iter().map(Into::into).collect(),
                    default: self.providers.default_model(),
                }),
            ),
        }
    }

    // ---- sessions

    fn new_session(&mut self, from: AttachmentId, params: SessionNewParams) -> Result<SessionInfo, RequestError> {
        let workspace = match params.roots {
            None => self.workspace.clone(),
            Some(roots) => self.workspace.with_roots(parse_roots(&roots)?),
        };
        let model = match params.model {
            Some(model) => model,
            None => self.providers.default_model().ok_or_else(|| not_configured(&self.providers.hint()))?,
        };
        self.providers.get(&model).map_err(|error| not_configured(&error.to_string()))?;
        let mode = params.mode.unwrap_or(self.config.mode.into());
        let limits = checked(params.limits.unwrap_or_default())?;
        let meta = Meta::new(workspace.roots(), Settings { model: model.clone(), mode, limits });
        let log = self.store.create(&meta).map_err(store_error)?;
        let policy = self.policy(&workspace, mode);
        let id: Arc<str> = meta.session_id.as_str().into();
        let mut session = Session::new(id.clone(), workspace, model, limits, policy, log);
        session.listen_to_tasks(self.way_back());
        if let Some(attachment) = self.attachments.get(&from) {
            session.watch(from, attachment.clone());
        }
        let info = session.info();
        self.sessions.insert(id.clone(), session);
        self.equip(&id, params.mcp_servers);
        Ok(info)
    }

    fn list(&self, params: SessionListParams, reply: Reply) {
        let running: Vec<SessionInfo> = self.sessions.values().map(Session::info).collect();
        let store = self.store.clone();
        let root = match params.root.as_deref().map(|root| parse_roots(std::slice::from_ref(&root.to_owned()))) {
            None => None,
            Some(Ok(roots)) => roots.into_iter().next(),
            Some(Err(error)) => return reply(Err(error)),
        };
        tokio::task::spawn_blocking(move || {
            let limit = params.limit.unwrap_or(50).clamp(1, 500) as usize;
            let listed = store.list(root.as_deref(), params.cursor.as_deref(), limit).map_err(store_error);
            answer(
                reply,
                listed.map(|mut page| {
                    for listed in &mut page.sessions {
                        if let Some(live) = running.iter().find(|live| live.session_id == listed.session_id) {
                            *listed = live.clone();
                        }
                    }
                    SessionListResponse { sessions: page.sessions, next_cursor: page.next_cursor }
                }),
            );
        });
    }

    fn load(&mut self, from: AttachmentId, params: SessionLoadParams, reply: Reply) {
        if let Some(session) = self.sessions.get_mut(params.session_id.as_str()) {
            let Some(attachment) = self.attachments.get(&from).cloned() else {
                return reply(Err(RequestError::new(RequestError::NOT_FOUND, "This client is gone.")));
            };
            let (session_id, last) = (session.id.clone(), session.last_seq);
            let first = params.from_seq.map_or(last + 1, |seq| seq.max(1));
            answer(reply, Ok(session.info()));
            session.watch(from, attachment);
            self.show_past(&session_id, from, first);
            if let Some(brought) = params.mcp_servers {
                self.equip(&session_id, brought);
            }
            return;
        }
        let id: Arc<str> = params.session_id.as_str().into();
        let deferred = Deferred { from, request: Request::SessionLoad(params), reply };
        self.loading.insert(id.clone(), vec![deferred]);
        let (store, hub, log_of) = (self.store.clone(), self.sender.clone(), id.clone());
        let reading = tokio::task::spawn_blocking(move || store.load(&log_of));
        tokio::spawn(async move {
            let loaded = match reading.await {
                Ok(loaded) => loaded.map_err(store_error),
                Err(broken) => Err(RequestError::new(RequestError::INTERNAL, broken.to_string())),
            };
            let loaded = loaded.map(|(log, recovered)| Box::new(Loaded { log, recovered }));
            let _ = hub.send(Event::Loaded { id, loaded });
        });
    }

    /// Shows a client that watches the events from `first` on, and then what is live.
    fn show_past(&mut self, session_id: &str, client: AttachmentId, first: u64) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let (session_id, last) = (session.id.clone(), session.last_seq);
        let Some(watcher) = session.watchers.iter_mut().find(|watcher| watcher.id == client) else { return };
        if first > last {
            watcher.replay = None;
            return self.ask_again(&session_id, client);
        }
        let (attachment, number) = (watcher.attachment.clone(), watcher.number);
        let watch = Watch { session_id, client, attachment, number };
        watcher.replay = Some(replay(self.store.clone(), watch, first..=last, self.sender.clone()));
    }

    fn loaded(&mut self, id: &Arc<str>, loaded: Result<Box<Loaded>, RequestError>) {
        let waiting = self.loading.remove(id).unwrap_or_default();
        match loaded {
            Ok(loaded) => {
                let Loaded { log, mut recovered } = *loaded;
                let roots = recovered.roots.clone();
                let same = roots == self.workspace.roots();
                let workspace = if same { self.workspace.clone() } else { self.workspace.with_roots(roots) };
                let settings = recovered.settings.clone();
                let policy = self.policy(&workspace, settings.mode);
                let session = Session::new(id.clone(), workspace, settings.model, settings.limits, policy, log);
                self.sessions.insert(id.clone(), session);
                // What the person was asked before this process began is asked again.
                let waiting_turn = recovered.waiting.take().filter(|_| !self.is_ending);
                let going_on = waiting_turn.and_then(|turn| Some((turn, self.agent_for(id).ok()?)));
                let hub = self.way_back();
                if let Some(session) = self.sessions.get_mut(id) {
                    session.restore(recovered, going_on.is_some());
                    session.listen_to_tasks(hub);
                }
                self.watch_tools(id);
                self.loading.insert(id.clone(), waiting);
                if let Some((turn, agent)) = going_on {
                    self.go_on(id, turn, agent);
                }
                self.let_in(id);
            }
            Err(error) => {
                for deferred in waiting {
                    (deferred.reply)(Err(error.clone()));
                }
            }
        }
        // Whoever wanted it may have gone meanwhile.
        self.drop_idle();
    }

    /// Serves the requests that waited for a session, once it is as its log says and asks what it asked.
    fn let_in(&mut self, id: &Arc<str>) {
        let is_ready = |session: &Session| session.turn.as_ref().is_none_or(|turn| turn.reopening.is_empty());
        if !self.loading.contains_key(id) || !self.sessions.get(id).is_some_and(is_ready) {
            return;
        }
        for Deferred { from, request, reply } in self.loading.remove(id).unwrap_or_default() {
            self.request(from, request, reply);
        }
    }

    fn caught_up(&mut self, session_id: &str, client: AttachmentId, number: u64, seq: u64) {
        let session = self.sessions.get(session_id);
        let mut watchers = session.into_iter().flat_map(|session| &session.watchers);
        // Another watch of the same client has a past of its own.
        if watchers.any(|watcher| watcher.id == client && watcher.number == number && !watcher.is_live()) {
            self.show_past(session_id, client, seq + 1);
        }
    }

    fn configure_session(&mut self, params: SessionConfigureParams, reply: Reply) {
        if let Some(model) = &params.model
            && let Err(error) = self.providers.get(model)
        {
            return reply(Err(not_configured(&error.to_string())));
        }
        if let Some(Err(error)) = params.limits.map(checked) {
            return reply(Err(error));
        }
        let session = match self.session(&params.session_id) {
            Ok(session) => session,
            Err(error) => return reply(Err(error)),
        };
        if let Some(model) = params.model {
            session.model = model;
        }
        if let Some(mode) = params.mode {
            session.policy.write().unwrap_or_else(PoisonError::into_inner).mode = mode.into();
        }
        if let Some(limits) = params.limits {
            session.limits = limits;
        }
        answer(reply, Ok(session.info()));
        session.append_settings();
    }

    fn detach(&mut self, id: AttachmentId) {
        self.attachments.remove(&id);
        for session in self.sessions.values_mut() {
            if session.watchers.iter().any(|watcher| watcher.id == id) && session.unwatch(id) {
                session.cancel_all();
            }
        }
        self.drop_idle();
    }

    /// Forgets sessions that nobody watches and nothing runs in, not even in the background; their logs stay.
    fn drop_idle(&mut self) {
        self.sessions.retain(|_, session| !session.watchers.is_empty() || session.is_running());
    }

    // ---- turns

    fn start_turn(&mut self, params: TurnStartParams, reply: Reply) {
        let started = self.prepare_turn(&params);
        let (turn_id, agent) = match started {
            Ok(started) => started,
            Err(error) => return reply(Err(error)),
        };
        answer(reply, Ok(TurnStartResponse { turn_id: turn_id.clone() }));
        let Ok(session) = self.session(&params.session_id) else { return };
        session.turn = Some(Turn::new(turn_id.clone()));
        session.name_after(&params.prompt);
        session.append(SessionEvent::TurnStarted { turn_id, prompt: params.prompt.clone() });
        session.log.sync();
        let session_id = session.id.clone();
        self.run_turn(&session_id, agent, Beginning::Prompt(params.prompt));
    }

    /// Takes up a turn of an earlier process.
    fn go_on(&mut self, session_id: &Arc<str>, turn: WaitingTurn, agent: Agent) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let WaitingTurn { id, open, approvals, questions, steering } = turn;
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
        let places = self.config.places.clone();
        let Some(workspace) = self.sessions.get(session_id).map(|session| session.workspace.clone()) else { return };
        let commands = self.commands(self.sessions.get(session_id));
        let Some(session) = self.sessions.get(session_id) else { return };
        let Some(turn) = &session.turn else { return };
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
        let agent = self.agent_for(&params.session_id)?;
        Ok((turn_id, agent))
    }

    /// The agent for a turn of this session, as all is set now.
    fn agent_for(&self, session_id: &str) -> Result<Agent, RequestError> {
        let (agent, compaction) = self.agent(session_id)?;
        let agent = if self.config.compaction.at.is_some() { agent.mutator(Arc::new(compaction)) } else { agent };
        built(agent)
    }

    /// The id of a turn that begins now, or why none can.
    pub(super) fn idle(&mut self, session_id: &str) -> Result<String, RequestError> {
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
    pub(super) fn agent(&self, session_id: &str) -> Result<(agent::Builder, Compaction), RequestError> {
        let session = self.sessions.get(session_id);
        let session = session.ok_or_else(|| RequestError::new(RequestError::INTERNAL, "the session is gone"))?;
        let (model, limits, workspace) = (session.model.clone(), session.limits, session.workspace.clone());
        let (provider, model) = self.providers.get(&model).map_err(|error| not_configured(&error.to_string()))?;
        let config = &self.config;
        let thinking = limits.thinking().or(config.thinking).filter(|thinking| *thinking != Thinking::Budget(0));
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
        let summariser = config.compaction.model.as_ref().and_then(|model| match self.providers.get(model) {
            Ok(found) => Some(found),
            // The session's own model does it as well.
            Err(error) => {
                tracing::warn!("{model} cannot summarise: {error}");
                None
            }
        });
        let compaction = Compaction::standard(config.compaction.keep_recent, summariser).at_share(config.compaction.at);
        Ok((agent.workspace(workspace), compaction))
    }

    pub(super) fn note_end(&mut self) {
        if !self.shutting_down.is_empty() && !self.sessions.values().any(Session::is_running) {
            let (done, ended) = (std::mem::take(&mut self.shutting_down), self.end_servers());
            tokio::spawn(async move {
                ended.await;
                for done in done {
                    let _ = done.send(());
                }
            });
        }
        self.drop_idle();
    }

    // ---- approvals

    fn ask(&mut self, session_id: &str, turn_id: &str, request: ApprovalRequest, answer: oneshot::Sender<Answer>) {
        let hub = self.way_back();
        let Some(session) = self.running(session_id, turn_id) else { return };
        let rules = permission::suggest(&permission::Call {
            tool: &request.call.name,
            class: request.class,
            paths: &request.paths,
            outside: request.outside,
            command: request.command.as_deref(),
            host: request.host.as_deref(),
            roots: &session.workspace.resolved_roots(),
        });
        let approval = Approval {
            approval_id: Approval::id(turn_id, &request.id),
            session_id: session.id.to_string(),
            turn_id: turn_id.to_owned(),
            call_id: request.call.id,
            tool: request.call.name,
            input: request.call.input,
            class: request.class.into(),
            title: request.title,
            command: request.command,
            paths: request.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            outside: request.outside,
            risk: request.risk,
            diff: request.diff.map(Into::into),
            rules: rules.iter().map(Rule::to_string).collect(),
            agent: request.agent.map(Into::into),
        };
        session.open(Waiting::approval(approval, answer), &hub);
    }

    fn ask_question(
        &mut self,
        session_id: &str,
        turn_id: &str,
        request: QuestionRequest,
        answer: oneshot::Sender<Answered>,
    ) {
        let number = self.next_question;
        let hub = self.way_back();
        let Some(session) = self.running(session_id, turn_id) else { return };
        let QuestionRequest { call_id, question, agent } = request;
        let question = Question {
            question_id: format!("{}-q{}-{number}", session.id, session.last_seq + 1),
            session_id: session.id.to_string(),
            turn_id: turn_id.to_owned(),
            call_id,
            agent: agent.map(Into::into),
            text: question.text,
            choices: question.choices.into_iter().map(Into::into).collect(),
            allows_text: question.allows_text,
        };
        session.open(Waiting::question(question, answer), &hub);
        self.next_question += 1;
    }

    /// Takes an answer to a question. False if another one came before, or there is no such question.
    ///
    /// # Errors
    /// If it is no answer to this question, which stays open.
    fn answer_question(
        &mut self,
        session_id: &str,
        question_id: &str,
        answer: QuestionAnswer,
    ) -> Result<bool, RequestError> {
        let Some(session) = self.sessions.get_mut(session_id) else { return Ok(false) };
        let Some(question) = session.question(question_id) else { return Ok(false) };
        let wrong = match &answer {
            QuestionAnswer::Choice { index } if *index >= question.choices.len() => {
                Some(format!("There is no choice {index}: there are {}, counted from 0.", question.choices.len()))
            }
            QuestionAnswer::Text { .. } if !question.allows_text => {
                Some("This question wants one of its choices, not words.".to_owned())
            }
            QuestionAnswer::Choice { .. } | QuestionAnswer::Text { .. } | QuestionAnswer::Decline => None,
        };
        match wrong {
            Some(wrong) => Err(RequestError::new(RequestError::INVALID_PARAMS, wrong)),
            None => Ok(session.resolve_question(question_id, QuestionOutcome::Answered { answer })),
        }
    }

    fn cannot_ask(&mut self, session_id: &str, id: &str, client: AttachmentId) {
        if let Some(session) = self.sessions.get_mut(session_id) {
            session.cannot_ask(id, client);
        }
    }

    /// Puts what waits before a client that has just come.
    fn ask_again(&mut self, session_id: &str, id: AttachmentId) {
        let hub = self.way_back();
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let waiting: Vec<String> = session.inquiries().map(|inquiry| inquiry.id().to_owned()).collect();
        for inquiry in waiting {
            session.put(&inquiry, id, &hub);
        }
    }

    fn decide(&mut self, session_id: &str, approval_id: &str, decision: ApprovalDecision) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let (answer, outcome) = match decision {
            ApprovalDecision::Allow { scope, input, hunks } => {
                let rules = session.rules_of(approval_id);
                if scope != ApprovalScope::Once {
                    session.add_rules(&rules);
                }
                let kept_in = match scope {
                    ApprovalScope::Once | ApprovalScope::Session => None,
                    ApprovalScope::Project => Some(RuleScope::Project(session.workspace.roots())),
                    ApprovalScope::User => Some(RuleScope::User),
                };
                if let Some(kept_in) = kept_in {
                    store_rules(session.id.clone(), kept_in, rules, self.sender.clone());
                }
                (Answer::Allow { input, hunks }, ApprovalOutcome::Allowed { scope })
            }
            ApprovalDecision::Deny { reason } => {
                (Answer::Deny { reason: reason.clone() }, ApprovalOutcome::Denied { reason })
            }
            ApprovalDecision::CancelTurn => (Answer::CancelTurn, ApprovalOutcome::Cancelled),
        };
        let cancel = answer == Answer::CancelTurn;
        if session.resolve(approval_id, answer, outcome) && cancel {
            session.cancel();
        }
    }

    // ---- configuration

    fn configure(&mut self, editor: Option<Value>) {
        if editor.is_some() {
            self.editor_settings = editor;
        }
        let (config, warnings) = Config::load(&self.workspace.roots(), self.editor_settings.as_ref());
        self.providers.configure(&config);
        // A key that has a variable of its own stays out of commands like those that every provider has.
        self.tools = Registry::standard_with(Standard {
            shell: Shell { withheld: config.secret_variables(), background_after: config.background_after },
            bins: Bins { trash: true, kept_in: Some(self.store.deleted()) },
            web: config.tooling.web(),
        });
        if let Err(error) = self.tools.add(skill_tool(config.places.clone())) {
            tracing::error!(%error, "the tool for skills is left out");
        }
        self.config = config;
        self.configure_servers();
        self.warnings = warnings.iter().map(ToString::to_string).collect();
        for fallback in &self.config.fallback {
            if let Err(error) = self.providers.get(fallback) {
                self.warnings.push(format!("The model {fallback} cannot be asked when another is too busy. {error}"));
            }
        }
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
        self.providers.warm();
        // The roots may be others now, and a rule holds only where it was given.
        for session in self.sessions.values_mut() {
            let rules = stored_rules(&session.workspace);
            session.set_stored_rules(rules);
        }
    }

    fn policy(&self, workspace: &Workspace, mode: Mode) -> Policy {
        Policy { mode: mode.into(), rules: stored_rules(workspace) }
    }

    // ---- finding things

    pub(super) fn session(&mut self, id: &str) -> Result<&mut Session, RequestError> {
        self.sessions.get_mut(id).ok_or_else(|| {
            RequestError::new(
                RequestError::NOT_FOUND,
                format!("No session {id:?} is open. Open a stored one with session/load; session/list shows them."),
            )
        })
    }

    /// The session, if this turn still runs in it: what a turn says after its end is nobody's business.
    fn running(&mut self, session_id: &str, turn_id: &str) -> Option<&mut Session> {
        let session = self.sessions.get_mut(session_id)?;
        session.turn.as_ref().is_some_and(|turn| turn.id == turn_id).then_some(session)
    }
}

pub(super) fn built(agent: agent::Builder) -> Result<Agent, RequestError> {
    agent.build().map_err(|error| RequestError::new(RequestError::INTERNAL, error.to_string()))
}

/// The stored session a request is about, if it must wait for it to be read.
fn session_of(request: &Request) -> Option<&str> {
    match request {
        Request::SessionLoad(params) => Some(&params.session_id),
        Request::SessionClose(params) => Some(&params.session_id),
        Request::SessionConfigure(params) => Some(&params.session_id),
        Request::SessionCompact(params) => Some(&params.session_id),
        Request::TurnStart(params) => Some(&params.session_id),
        Request::TurnSteer(params) => Some(&params.session_id),
        Request::TurnCancel(params) => Some(&params.session_id),
        Request::CommandList(params) => params.session_id.as_deref(),
        Request::McpList(params) => params.session_id.as_deref(),
        Request::TurnBackground(params) => Some(&params.session_id),
        Request::TaskList(params) => Some(&params.session_id),
        Request::TaskRead(params) => Some(&params.session_id),
        Request::TaskCancel(params) => Some(&params.session_id),
        Request::SessionNew(_)
        | Request::SessionList(_)
        | Request::ApprovalRespond(_)
        | Request::QuestionRespond(_)
        | Request::ModelList(_) => None,
    }
}

pub(super) fn answer<T: Serialize>(reply: Reply, result: Result<T, RequestError>) {
    reply(result.and_then(|value| {
        to_raw_value(&value).map_err(|error| RequestError::new(RequestError::INTERNAL, error.to_string()))
    }));
}

fn is_blank(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Text { text } if text.trim().is_empty())
}

fn empty_prompt() -> RequestError {
    RequestError::new(RequestError::INVALID_PARAMS, "The prompt is empty. Say what to do.")
}

fn not_configured(hint: &str) -> RequestError {
    RequestError::new(RequestError::NOT_CONFIGURED, hint)
}

/// # Errors
/// If a model could not be called with these.
fn checked(limits: Limits) -> Result<Limits, RequestError> {
    if limits.temperature.is_none_or(|temperature| TEMPERATURES.contains(&temperature)) {
        return Ok(limits);
    }
    Err(RequestError::new(RequestError::INVALID_PARAMS, "`temperature` must be a number from 0 to 2."))
}

fn stored_rules(workspace: &Workspace) -> Vec<Rule> {
    let stored = Rules::load(&workspace.roots());
    let rules = stored.iter().filter_map(|rule| {
        let parsed = rule.parse::<Rule>();
        if let Err(error) = &parsed {
            tracing::warn!("a stored permission rule is ignored: {error}");
        }
        parsed.ok()
    });
    rules.collect()
}

/// Keeps rules on a thread of its own: the disk may be slow, and the hub waits for none.
fn store_rules(session_id: Arc<str>, scope: RuleScope, rules: Vec<Rule>, hub: mpsc::UnboundedSender<Event>) {
    /// Adding one reads, changes and writes a file.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    tokio::task::spawn_blocking(move || {
        let _alone = ONE_AT_A_TIME.lock();
        if let Err(error) = rules.iter().try_for_each(|rule| Rules::add(&scope, &rule.to_string())) {
            let _ = hub.send(Event::RuleNotStored { session_id, error: error.to_string() });
        }
    });
}

fn store_error(error: StoreError) -> RequestError {
    let code = match &error {
        StoreError::NotFound { .. } => RequestError::NOT_FOUND,
        StoreError::Busy { .. } => RequestError::BUSY,
        StoreError::BadId { .. } | StoreError::BadCursor { .. } => RequestError::INVALID_PARAMS,
        _ => RequestError::INTERNAL,
    };
    RequestError::new(code, error.to_string())
}

fn parse_roots(roots: &[String]) -> Result<Vec<PathBuf>, RequestError> {
    roots
        .iter()
        .map(|root| {
            crate::workspace::parse_root(root).map_err(|error| {
                RequestError::new(RequestError::INVALID_PARAMS, format!("{root:?} cannot be a root: {error}"))
            })
        })
        .collect()
}
