//! A session as one client knows it.

use std::{collections::VecDeque, sync::Arc};

use agent_client_protocol_schema::v1::{
    ContentBlock, ContentChunk, LoadSessionResponse, MessageId, NewSessionResponse, PromptResponse,
    ResumeSessionResponse, SessionConfigOption, SessionNotification, SessionUpdate, StopReason, TextContent,
};

use super::{
    calls::Calls,
    client::Client,
    home::{Baggage, Home, Notes},
    options::Settings,
    roots::Roots,
};
use crate::{
    protocol::{
        self, CommandListParams, CommandListResponse, ContextUse, Cost, Request, SessionInfo, TurnCancelParams,
        TurnCancelResponse, TurnStartParams, TurnStartResponse, TurnStopReason,
    },
    rpc::{Error, Id, Reply},
    sidecar::{LoggedEvent, RequestError},
};

/// What a client was told of a session, and what it waits for.
pub(super) struct Talk {
    pub(super) id: Arc<str>,
    stage: Stage,
    pub(super) home: Arc<Home>,
    /// What it was opened with.
    pub(super) baggage: Baggage,
    /// Of the last event that was told.
    pub(super) last_seq: u64,
    /// It was there before, where others may have it open too: what this client cannot ask, they may.
    pub(super) is_shared: bool,
    pub(super) roots: Roots,
    pub(super) settings: Settings,
    pub(super) title: String,
    /// What was said and has no answer. The first is being served, the others wait for it.
    prompts: VecDeque<Prompt>,
    /// Called once none is left: the session is to be closed.
    then: Vec<Then>,
    /// The client has said something to the turn that runs, which it need not be told.
    pub(super) has_steered: bool,
    /// The turn that runs.
    pub(super) turn: Option<Arc<str>>,
    /// Counts the messages of the turn.
    pub(super) message: u32,
    pub(super) calls: Calls,
    /// Over all turns, as far as it is known.
    pub(super) cost: Option<Cost>,
    pub(super) context: Option<ContextUse>,
    /// What the person should know, for a client without notices: told with the next turn.
    pub(super) untold: Vec<String>,
}

/// How much of a session the client knows.
enum Stage {
    /// Not even its id: what happens waits.
    Unknown(Vec<LoggedEvent>),
    /// It is shown the past, up to this event; then its request is answered.
    Past {
        until: u64,
        reply: Reply,
        notes: Notes,
    },
    Live,
}

/// A prompt without an answer.
struct Prompt {
    reply: Reply,
    words: Vec<protocol::ContentBlock>,
    /// The hub was asked to begin its turn.
    is_asked: bool,
    /// Once it has begun.
    turn_id: Option<String>,
    is_cancelled: bool,
}

pub(super) type Then = Box<dyn FnOnce(&Client) + Send>;

/// How a client came to a session.
pub(super) enum Way {
    New,
    Load,
    Resume,
}

/// A session that a client wants opened.
pub(super) struct Opening {
    pub(super) way: Way,
    pub(super) home: Arc<Home>,
    pub(super) baggage: Baggage,
    pub(super) notes: Notes,
    pub(super) reply: Reply,
}

/// Where the process that ran a turn has ended.
const INTERRUPTED: &str = "The Pillion that ran this turn has ended before the turn did. What was said and done until \
    then is kept, and the session goes on: say what is to be done now.";

impl Talk {
    pub(super) fn unknown(id: Arc<str>, home: Arc<Home>) -> Self {
        Self {
            calls: Calls::new(id.clone()),
            id,
            stage: Stage::Unknown(Vec::new()),
            home,
            baggage: Baggage::default(),
            last_seq: 0,
            is_shared: false,
            roots: Roots::default(),
            settings: Settings::default(),
            title: String::new(),
            prompts: VecDeque::new(),
            then: Vec::new(),
            has_steered: false,
            turn: None,
            message: 0,
            cost: None,
            context: None,
            untold: Vec::new(),
        }
    }

    /// The session is there: answers the request that wanted it, if need be after its past, and tells what waited.
    pub(super) fn open(&mut self, client: &Client, info: &SessionInfo, opening: Opening) {
        let Opening { way, home, baggage, notes, reply } = opening;
        self.is_shared = home.is_of_editor() && !matches!(way, Way::New);
        (self.home, self.baggage) = (home, baggage);
        self.roots = Roots::new(&info.roots);
        self.settings = Settings::from(info);
        self.title.clone_from(&info.title);
        match way {
            Way::New => {
                let response = NewSessionResponse::new(self.id.clone()).modes(self.settings.modes());
                reply.send(Ok(response.config_options(self.options())));
            }
            Way::Resume => {
                self.last_seq = info.last_seq;
                self.cost = info.usage.cost;
                self.turn = info.turn_id.as_deref().map(Into::into);
                let response = ResumeSessionResponse::new().modes(self.settings.modes());
                reply.send(Ok(response.config_options(self.options())));
            }
            Way::Load if info.last_seq == 0 => self.loaded(reply),
            // Each number comes once, whatever the log is like.
            Way::Load => {
                // The past tells both again.
                (self.cost, self.context) = (None, None);
                let past = Stage::Past { until: info.last_seq, reply, notes };
                let waited = std::mem::replace(&mut self.stage, past);
                return self.catch_up(client, waited);
            }
        }
        let waited = std::mem::replace(&mut self.stage, Stage::Live);
        self.tell_notes(client, notes);
        self.list_commands(client);
        self.catch_up(client, waited);
    }

    /// It lives elsewhere now, and goes on from the last event that was told.
    pub(super) fn moved(&mut self, client: &Client, home: &Arc<Home>, info: &SessionInfo, notes: Notes) {
        self.home = home.clone();
        self.tell_settings(client, Settings::from(info));
        self.tell_notes(client, notes);
        self.list_commands(client);
        if self.prompts.front().is_some_and(|prompt| prompt.is_cancelled) {
            self.cancel_first(client);
        }
        self.ask_next(client);
    }

    /// It cannot be had any more.
    pub(super) fn lost(self, client: &Client, error: &Error) {
        for prompt in self.prompts {
            prompt.reply.refuse(error.clone());
        }
        if let Stage::Past { reply, .. } = self.stage {
            reply.refuse(error.clone());
        }
        self.then.into_iter().for_each(|then| then(client));
    }

    fn tell_notes(&mut self, client: &Client, notes: Notes) {
        for (level, note) in notes {
            self.notify(client, level, note, None);
        }
    }

    pub(super) fn options(&self) -> Vec<SessionConfigOption> {
        self.settings.options(&self.home.models())
    }

    /// The past is told.
    fn loaded(&self, reply: Reply) {
        let response = LoadSessionResponse::new().modes(self.settings.modes());
        reply.send(Ok(response.config_options(self.options())));
    }

    /// Tells what waited for the session to be opened, and answers the request that had opened it before.
    fn catch_up(&mut self, client: &Client, waited: Stage) {
        match waited {
            Stage::Unknown(events) => events.iter().for_each(|event| self.take(client, event)),
            // The rest of that past is not told: the client has asked for another part of it, or for none.
            Stage::Past { reply, notes, .. } => {
                self.loaded(reply);
                self.tell_notes(client, notes);
            }
            Stage::Live => {}
        }
    }

    /// An event of the session.
    pub(super) fn take(&mut self, client: &Client, logged: &LoggedEvent) {
        let is_past = match &mut self.stage {
            Stage::Unknown(waiting) => return waiting.push(logged.clone()),
            Stage::Past { .. } => true,
            Stage::Live => false,
        };
        self.last_seq = logged.seq;
        self.tell(client, logged, is_past);
        let is_over = matches!(&self.stage, Stage::Past { until, .. } if logged.seq >= *until);
        if is_over && let Stage::Past { reply, notes, .. } = std::mem::replace(&mut self.stage, Stage::Live) {
            self.tell_usage(client);
            self.loaded(reply);
            self.tell_notes(client, notes);
            self.list_commands(client);
        }
    }

    /// Has the client told of the commands; a change of them comes as an event.
    fn list_commands(&self, client: &Client) {
        let request = Request::CommandList(CommandListParams { session_id: Some(self.id.to_string()) });
        let id = self.id.clone();
        client.ask(&self.home, request, move |client, listed: Result<CommandListResponse, Error>| match listed {
            Ok(listed) => {
                client.with(&id, |talk| talk.tell_commands(client, &listed.commands));
            }
            Err(error) => tracing::warn!(%error, "the commands of a session are not known"),
        });
    }

    pub(super) fn update(&self, client: &Client, update: SessionUpdate) {
        client.peer.notify("session/update", &SessionNotification::new(self.id.clone(), update));
    }

    /// A piece of a message. What has the same `message` belongs together.
    pub(super) fn chunk(&self, text: impl Into<String>, message: MessageId) -> ContentChunk {
        ContentChunk::new(ContentBlock::Text(TextContent::new(text))).message_id(message)
    }

    pub(super) fn is_running(&self) -> bool {
        self.turn.is_some()
    }

    /// Takes what the client says. It is served once what was said before has its answer.
    pub(super) fn say(&mut self, client: &Client, words: Vec<protocol::ContentBlock>, reply: Reply) {
        self.prompts.push_back(Prompt { reply, words, is_asked: false, turn_id: None, is_cancelled: false });
        self.ask_next(client);
    }

    /// Has the turn of the first prompt begin, behind those that others have running.
    fn ask_next(&mut self, client: &Client) {
        let Some(prompt) = self.prompts.front_mut().filter(|prompt| !prompt.is_asked) else { return };
        prompt.is_asked = true;
        let (serial, session_id) = (prompt.reply.serial(), self.id.to_string());
        let params = TurnStartParams { session_id, prompt: prompt.words.clone(), queue: true, output_schema: None };
        let (id, home) = (self.id.clone(), self.home.clone());
        client.ask(&self.home, Request::TurnStart(params), move |client, begun: Result<TurnStartResponse, Error>| {
            client.with(&id, |talk| talk.begun(client, serial, &home, begun));
        });
    }

    /// The turn of a prompt has begun, or could not.
    fn begun(&mut self, client: &Client, serial: u64, asked: &Arc<Home>, begun: Result<TurnStartResponse, Error>) {
        let Some(prompt) = self.prompts.front_mut().filter(|prompt| prompt.reply.serial() == serial) else { return };
        match begun {
            Ok(begun) => {
                prompt.turn_id = Some(begun.turn_id);
                // It was waiting for something else when it was cancelled. What was said since then is not.
                if prompt.is_cancelled {
                    self.cancel_first(client);
                }
            }
            Err(_) if prompt.is_cancelled => self.answer(client, Ok(StopReason::Cancelled)),
            // It is asked again as soon as the session lives elsewhere.
            Err(error) if error.code == RequestError::GONE => {
                prompt.is_asked = false;
                if !Arc::ptr_eq(asked, &self.home) {
                    self.ask_next(client);
                }
            }
            Err(error) => self.answer(client, Err(error)),
        }
    }

    /// Whether the turn is that of a prompt of this client.
    pub(super) fn is_ours(&self, turn_id: &str) -> bool {
        self.prompts.front().is_some_and(|prompt| prompt.turn_id.as_deref() == Some(turn_id))
    }

    /// Stops the turn of the first prompt, or without one what runs, and takes back what waits. The end of a turn is the
    /// answer to its prompt.
    pub(super) fn cancel(&mut self, client: &Client) {
        while self.prompts.len() > 1
            && let Some(prompt) = self.prompts.pop_back()
        {
            prompt.reply.send(Ok(PromptResponse::new(StopReason::Cancelled)));
        }
        self.cancel_first(client);
    }

    fn cancel_first(&mut self, client: &Client) {
        let mut waiting_only = false;
        if let Some(prompt) = self.prompts.front_mut() {
            prompt.is_cancelled = true;
            // What runs is somebody else's, and if its own begins after all, that is stopped then.
            waiting_only = prompt.turn_id.is_none();
        }
        let cancel = TurnCancelParams { session_id: self.id.to_string(), background: false, waiting_only };
        client.ask(&self.home, Request::TurnCancel(cancel), |_, outcome: Result<TurnCancelResponse, Error>| {
            if let Err(error) = outcome {
                tracing::info!(%error, "there was nothing to cancel");
            }
        });
    }

    /// Stops one prompt. False if it is none of this session's.
    pub(super) fn give_up(&mut self, client: &Client, request: &Id) -> bool {
        match self.prompts.iter().position(|prompt| prompt.reply.id() == request) {
            None => return false,
            Some(0) => self.cancel_first(client),
            Some(waiting) => {
                if let Some(prompt) = self.prompts.remove(waiting) {
                    prompt.reply.send(Ok(PromptResponse::new(StopReason::Cancelled)));
                }
            }
        }
        true
    }

    /// Has the session closed: what runs and what waits is cancelled, and answered, before.
    pub(super) fn close(&mut self, client: &Client, then: Then) {
        if self.prompts.is_empty() {
            return then(client);
        }
        self.then.push(then);
        self.cancel(client);
    }

    /// A turn is over: the last that is told of it is the answer to its prompt.
    pub(super) fn end(&mut self, client: &Client, turn_id: &str, reason: TurnStopReason, error: Option<&str>) {
        self.turn = None;
        self.calls.clear();
        let Some(prompt) = self.prompts.front().filter(|_| self.is_ours(turn_id)) else { return };
        let reason = match reason {
            _ if prompt.is_cancelled => Ok(StopReason::Cancelled),
            TurnStopReason::EndTurn | TurnStopReason::StopSequence => Ok(StopReason::EndTurn),
            TurnStopReason::MaxTokens => Ok(StopReason::MaxTokens),
            TurnStopReason::TurnLimit => Ok(StopReason::MaxTurnRequests),
            TurnStopReason::Refusal => Ok(StopReason::Refusal),
            TurnStopReason::Cancelled => Ok(StopReason::Cancelled),
            TurnStopReason::Interrupted => Err(Error::internal(INTERRUPTED)),
            TurnStopReason::Error => Err(Error::internal(error.unwrap_or("the turn failed"))),
        };
        self.answer(client, reason);
    }

    fn answer(&mut self, client: &Client, outcome: Result<StopReason, Error>) {
        let Some(prompt) = self.prompts.pop_front() else { return };
        prompt.reply.send(outcome.map(PromptResponse::new));
        self.ask_next(client);
        if self.prompts.is_empty() {
            self.then.drain(..).for_each(|then| then(client));
        }
    }
}
