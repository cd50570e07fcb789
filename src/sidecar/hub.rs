//! The hub's loop and what it does for each [`Event`].

mod asking;
mod changes;
mod commands;
mod configuring;
mod ending;
mod keeping;
mod queue;
mod servers;
mod sessions;
mod turns;

use std::{
    collections::{HashMap, VecDeque},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde::Serialize;
use serde_json::{Value, value::to_raw_value};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{Attachment, AttachmentId, Ending, Event, Reply, RequestError};
use crate::{
    agent::{self, Agent},
    config::{Config, Providers},
    mcp::Servers,
    protocol::{
        ApprovalRespondResponse, Empty, ModelListResponse, NoticeLevel, QuestionRespondResponse, Request, SessionEvent,
        TaskCancelResponse, TaskListResponse, TaskReadResponse, TurnBackgroundResponse, TurnCancelParams,
        TurnStartParams,
    },
    session::{self, Session, Signal, Verdict},
    store::Store,
    tool::{Registry, TaskChange},
    workspace::{EditorId, Workspace},
};

pub use self::sessions::Loaded;

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
    /// As what those are known to the workspace who are asked for files.
    showing: HashMap<AttachmentId, EditorId>,
    pub(super) sessions: HashMap<Arc<str>, Session>,
    loading: HashMap<Arc<str>, Vec<Deferred>>,
    /// Turns that wait for their session's compaction.
    pub(super) compacting: HashMap<Arc<str>, Vec<Deferred>>,
    /// Turns that wait for their session's turn to end, in the order in which they came.
    queued: HashMap<Arc<str>, VecDeque<Deferred>>,
    /// Sessions that are to be deleted once they have ended.
    deleting: Vec<(String, Reply)>,
    next_question: u64,
    /// Mistakes in the configuration that nobody was told of yet.
    warnings: Vec<String>,
    /// Rules on their way to the disk.
    storing: JoinSet<()>,
    /// Nothing new is started any more.
    is_ending: bool,
    /// Those who wait for the last turn to end.
    shutting_down: Vec<(Ending, oneshot::Sender<()>)>,
}

impl Hub {
    pub fn new(workspace: Arc<Workspace>, store: Store, sender: mpsc::UnboundedSender<Event>) -> Self {
        let (config, _) = Config::load(&workspace.roots(), None);
        Self {
            providers: Providers::new(&config),
            config,
            editor_settings: None,
            mcp: servers::servers(None, workspace.clone(), sender.clone(), None),
            workspace,
            store,
            sender,
            tools: Registry::standard(),
            attachments: HashMap::new(),
            showing: HashMap::new(),
            sessions: HashMap::new(),
            loading: HashMap::new(),
            compacting: HashMap::new(),
            queued: HashMap::new(),
            deleting: Vec::new(),
            next_question: 1,
            warnings: Vec::new(),
            storing: JoinSet::new(),
            is_ending: false,
            shutting_down: Vec::new(),
        }
    }

    pub async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        while let Some(event) = events.recv().await {
            // A mistake in one costs its sender an answer, not everybody the process.
            if catch_unwind(AssertUnwindSafe(|| self.handle(event))).is_err() {
                tracing::error!("a request or an event broke off because of a mistake in Pillion; please report this");
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Attached { id, attachment } => {
                if let Some(files) = attachment.files() {
                    self.showing.insert(id, self.workspace.attach_files(files));
                }
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
            Event::ShutDown { ending, done } => self.shut_down(ending, done),
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
                    self.start_queued(&session_id);
                    self.note_end();
                }
            }
            Signal::Ask { session_id, turn_id, request, answer } => {
                self.ask(&session_id, &turn_id, request, answer);
                self.let_in(&session_id);
            }
            Signal::Question { session_id, turn_id, request, answer } => {
                self.ask_question(&session_id, &turn_id, request, answer);
            }
            Signal::Withdrawn { session_id, turn_id } => {
                if let Some(session) = self.running(&session_id, &turn_id) {
                    session.withdraw_unwanted();
                }
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
            Signal::Landed { session_id, landed } => {
                if let Some(session) = self.sessions.get_mut(&session_id) {
                    session.keep(&landed);
                }
            }
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

    /// Serves requests that had to wait, but for those of clients that are gone.
    pub(super) fn serve_deferred(&mut self, deferred: Vec<Deferred>) {
        for Deferred { from, request, reply } in deferred {
            if self.attachments.contains_key(&from) {
                self.request(from, request, reply);
            } else {
                reply(Err(RequestError::new(RequestError::NOT_FOUND, "This client is gone.")));
            }
        }
    }

    pub(super) fn request(&mut self, from: AttachmentId, request: Request, reply: Reply) {
        if !self.stops_reopening(&request)
            && let Some(waiting) = session_of(&request).and_then(|id| self.loading.get_mut(id))
        {
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
                if let Some(session_id) = session_id {
                    self.tell_warnings(&session_id);
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
            Request::SessionDelete(params) => self.delete(params, reply),
            Request::SessionRename(params) => self.rename(params, reply),
            Request::SessionFork(params) => self.fork(params, reply),
            Request::SessionConfigure(params) => self.configure_session(params, reply),
            Request::SessionCompact(params) => self.compact(params, reply),
            Request::TurnStart(params) => self.start_turn(from, params, reply),
            Request::TurnSteer(params) => self.steer(from, params, reply),
            Request::TurnCancel(params) => {
                self.unqueue(Some(&params.session_id), from);
                self.cancel_turn(&params, reply);
            }
            Request::EventList(params) => self.list_events(params, reply),
            Request::ApprovalList(params) => answer(reply, self.list_inquiries(&params)),
            Request::ApprovalRespond(params) => {
                let owner = self.sessions.values().find(|session| session.approval(&params.approval_id).is_some());
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
                let owner = self.sessions.values().find(|session| session.question(&params.question_id).is_some());
                let accepted = match owner.map(|session| session.id.clone()) {
                    Some(session_id) => self.answer_question(&session_id, &params.question_id, params.answer),
                    None => Ok(false),
                };
                answer(reply, accepted.map(|accepted| QuestionRespondResponse { accepted }));
            }
            Request::ChangeList(params) => self.list_changes(params, reply),
            Request::ChangeText(params) => self.change_text(params, reply),
            Request::ChangeRevert(params) => self.revert(params, reply),
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

    /// Whether it cancels a turn that is being taken up again, which it does at once, whatever that turn waits for.
    /// Where others are to begin first, it is about them, too.
    fn stops_reopening(&self, request: &Request) -> bool {
        let Request::TurnCancel(TurnCancelParams { session_id, .. }) = request else { return false };
        let mut waiting = self.loading.get(session_id.as_str()).into_iter().flatten();
        self.sessions.get(session_id.as_str()).is_some_and(|session| session.turn.is_some())
            && !waiting.any(|deferred| matches!(deferred.request, Request::TurnStart(_)))
    }

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
        Request::SessionDelete(params) => Some(&params.session_id),
        Request::SessionRename(params) => Some(&params.session_id),
        Request::SessionConfigure(params) => Some(&params.session_id),
        Request::SessionCompact(params) => Some(&params.session_id),
        Request::TurnStart(params) => Some(&params.session_id),
        Request::TurnSteer(params) => Some(&params.session_id),
        Request::TurnCancel(params) => Some(&params.session_id),
        Request::EventList(params) => Some(&params.session_id),
        Request::ApprovalList(params) => params.session_id.as_deref(),
        Request::CommandList(params) => params.session_id.as_deref(),
        Request::McpList(params) => params.session_id.as_deref(),
        Request::TurnBackground(params) => Some(&params.session_id),
        Request::ChangeList(params) => Some(&params.session_id),
        Request::ChangeText(params) => Some(&params.session_id),
        Request::ChangeRevert(params) => Some(&params.session_id),
        Request::TaskList(params) => Some(&params.session_id),
        Request::TaskRead(params) => Some(&params.session_id),
        Request::TaskCancel(params) => Some(&params.session_id),
        Request::SessionNew(_)
        | Request::SessionList(_)
        | Request::SessionFork(_)
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

fn not_configured(hint: &str) -> RequestError {
    RequestError::new(RequestError::NOT_CONFIGURED, hint)
}
