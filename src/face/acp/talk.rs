//! A session as one client knows it.

use std::sync::Arc;

use agent_client_protocol_schema::v1::{
    ContentBlock, ContentChunk, LoadSessionResponse, MessageId, NewSessionResponse, PromptResponse,
    ResumeSessionResponse, SessionNotification, SessionUpdate, StopReason, TextContent,
};

use super::{calls::Calls, client::Client, options::Settings, roots::Roots};
use crate::{
    protocol::{
        CommandListParams, CommandListResponse, ContextUse, Cost, Request, SessionInfo, TurnCancelParams,
        TurnCancelResponse, TurnStopReason,
    },
    rpc::{Error, Reply},
    sidecar::LoggedEvent,
};

/// What a client was told of a session, and what it waits for.
pub(super) struct Talk {
    pub(super) id: Arc<str>,
    stage: Stage,
    pub(super) roots: Roots,
    pub(super) settings: Settings,
    pub(super) title: String,
    pub(super) prompt: Option<Prompt>,
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
    },
    Live,
}

/// A prompt without an answer.
pub(super) struct Prompt {
    pub(super) reply: Reply,
    /// Once it has begun.
    pub(super) turn_id: Option<String>,
    pub(super) is_cancelled: bool,
    /// Called once it is answered: the session is to be closed.
    pub(super) then: Option<Then>,
}

pub(super) type Then = Box<dyn FnOnce(&Client) + Send>;

/// How a client came to a session.
pub(super) enum Way {
    New,
    Load,
    Resume,
}

impl Talk {
    pub(super) fn unknown(id: Arc<str>) -> Self {
        Self {
            calls: Calls::new(id.clone()),
            id,
            stage: Stage::Unknown(Vec::new()),
            roots: Roots::default(),
            settings: Settings::default(),
            title: String::new(),
            prompt: None,
            turn: None,
            message: 0,
            cost: None,
            context: None,
            untold: Vec::new(),
        }
    }

    /// The session is there: answers the request that wanted it, if need be after its past, and tells what waited.
    pub(super) fn open(&mut self, client: &Client, info: &SessionInfo, way: &Way, reply: Reply) {
        self.roots = Roots::new(&info.roots, client.sidecar.workspace());
        self.settings = Settings::from(info);
        self.title.clone_from(&info.title);
        match way {
            Way::New => {
                let response = NewSessionResponse::new(self.id.clone()).modes(self.settings.modes());
                reply.send(Ok(response.config_options(self.settings.options(&client.models()))));
            }
            Way::Resume => {
                self.cost = info.usage.cost;
                self.turn = info.turn_id.as_deref().map(Into::into);
                let response = ResumeSessionResponse::new().modes(self.settings.modes());
                reply.send(Ok(response.config_options(self.settings.options(&client.models()))));
            }
            Way::Load if info.last_seq == 0 => self.loaded(client, reply),
            // Each number comes once, whatever the log is like.
            Way::Load => {
                let past = Stage::Past { until: info.last_seq, reply };
                let waited = std::mem::replace(&mut self.stage, past);
                return self.catch_up(client, waited);
            }
        }
        let waited = std::mem::replace(&mut self.stage, Stage::Live);
        self.list_commands(client);
        self.catch_up(client, waited);
    }

    /// The past is told.
    fn loaded(&self, client: &Client, reply: Reply) {
        let response = LoadSessionResponse::new().modes(self.settings.modes());
        reply.send(Ok(response.config_options(self.settings.options(&client.models()))));
    }

    fn catch_up(&mut self, client: &Client, waited: Stage) {
        if let Stage::Unknown(events) = waited {
            for event in events {
                self.take(client, &event);
            }
        }
    }

    /// An event of the session.
    pub(super) fn take(&mut self, client: &Client, logged: &LoggedEvent) {
        let is_past = match &mut self.stage {
            Stage::Unknown(waiting) => return waiting.push(logged.clone()),
            Stage::Past { .. } => true,
            Stage::Live => false,
        };
        self.tell(client, logged, is_past);
        let is_over = matches!(&self.stage, Stage::Past { until, .. } if logged.seq >= *until);
        if is_over && let Stage::Past { reply, .. } = std::mem::replace(&mut self.stage, Stage::Live) {
            self.tell_usage(client);
            self.loaded(client, reply);
            self.list_commands(client);
        }
    }

    /// Has the client told of the commands; a change of them comes as an event.
    fn list_commands(&self, client: &Client) {
        let request = Request::CommandList(CommandListParams { session_id: Some(self.id.to_string()) });
        let id = self.id.clone();
        client.ask(request, move |client, listed: Result<CommandListResponse, Error>| match listed {
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

    /// The turn of a prompt has begun, or could not.
    pub(super) fn prompted(&mut self, client: &Client, begun: Result<String, Error>) {
        let Some(prompt) = &mut self.prompt else { return };
        match begun {
            Ok(turn_id) => {
                prompt.turn_id = Some(turn_id);
                // It was waiting for something else when it was cancelled.
                if prompt.is_cancelled {
                    self.cancel(client);
                }
            }
            Err(_) if prompt.is_cancelled => self.answer(client, Ok(StopReason::Cancelled)),
            Err(error) => self.answer(client, Err(error)),
        }
    }

    /// Stops what runs. Its end is the answer to the prompt.
    pub(super) fn cancel(&mut self, client: &Client) {
        if let Some(prompt) = &mut self.prompt {
            prompt.is_cancelled = true;
        }
        let cancel = TurnCancelParams { session_id: self.id.to_string(), background: false };
        client.ask(Request::TurnCancel(cancel), |_, outcome: Result<TurnCancelResponse, Error>| {
            if let Err(error) = outcome {
                tracing::info!(%error, "there was nothing to cancel");
            }
        });
    }

    /// A turn is over: the last that is told of it is the answer to its prompt.
    pub(super) fn end(&mut self, client: &Client, turn_id: &str, reason: TurnStopReason, error: Option<&str>) {
        self.turn = None;
        self.calls.clear();
        let is_ours = |prompt: &Prompt| prompt.turn_id.as_deref() == Some(turn_id);
        let Some(prompt) = self.prompt.as_ref().filter(|prompt| is_ours(prompt)) else { return };
        let reason = match reason {
            _ if prompt.is_cancelled => Ok(StopReason::Cancelled),
            TurnStopReason::EndTurn | TurnStopReason::StopSequence => Ok(StopReason::EndTurn),
            TurnStopReason::MaxTokens => Ok(StopReason::MaxTokens),
            TurnStopReason::TurnLimit => Ok(StopReason::MaxTurnRequests),
            TurnStopReason::Refusal => Ok(StopReason::Refusal),
            TurnStopReason::Cancelled | TurnStopReason::Interrupted => Ok(StopReason::Cancelled),
            TurnStopReason::Error => Err(Error::internal(error.unwrap_or("the turn failed"))),
        };
        self.answer(client, reason);
    }

    fn answer(&mut self, client: &Client, outcome: Result<StopReason, Error>) {
        let Some(prompt) = self.prompt.take() else { return };
        prompt.reply.send(outcome.map(PromptResponse::new));
        if let Some(then) = prompt.then {
            then(client);
        }
    }
}
