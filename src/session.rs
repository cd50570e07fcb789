//! A conversation: its transcript, its numbered log, who watches it, and the turn that runs.
//!
//! Everything here happens in the hub's loop, with `&mut Session`. An event is written to the log before any client
//! sees it, so that what was shown is never lost.

mod closing;
mod prompting;
mod signal;
mod turn_host;
mod waiting;
mod watch;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

pub use prompting::Prompting;
use serde_json::value::to_raw_value;
pub use signal::{Hub, Signal};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
pub use turn_host::{Gate, TurnHost};
pub use waiting::{Inquiry, Verdict, Waiting};
pub use watch::{Attachment, AttachmentId, LoggedEvent};

use crate::{
    agent::{self, Scope},
    mcp::Servers,
    permission::{Policy, Rule},
    protocol::{
        Approval, ApprovalOutcome, CommandInfo, ContentBlock, Limits, Mode, NoticeLevel, SessionEvent, SessionInfo,
        TurnStopReason, Usage,
        convert::{self, plain_text},
    },
    store::{self, Log, Recovered, Settings},
    tool::Tasks,
    transcript::{self, Message},
    workspace::{Deed, Landed, Ledger, Workspace},
};

/// A conversation over one set of roots.
pub struct Session {
    pub id: Arc<str>,
    pub title: String,
    pub model: String,
    pub limits: Limits,
    pub workspace: Arc<Workspace>,
    /// Shared with the running turn, which asks it anew for each call.
    pub policy: Arc<RwLock<Policy>>,
    pub messages: Vec<Message>,
    /// What the model has read, and outputs kept for reading back; it lasts as long as the session is open.
    pub scope: Scope,
    pub usage: transcript::Usage,
    pub last_seq: u64,
    pub created_at: u64,
    pub updated_at: u64,
    pub turn: Option<Turn>,
    /// The compaction that runs between two turns.
    pub compacting: Option<Compacting>,
    pub watchers: Vec<Watcher>,
    watches: u64,
    /// What the person allowed in this session, over what is stored, with the roots that they allowed it in.
    own_rules: Vec<(Rule, Vec<PathBuf>)>,
    /// The commands as clients were last told of them.
    commands: Option<Vec<CommandInfo>>,
    /// What the person was warned of that is found again each time commands are listed.
    warned: HashSet<String>,
    pub log: Log,
    /// The turn waits here while a client does not keep up.
    pub gate: Arc<Gate>,
    /// MCP servers that its client brought.
    pub mcp: Option<Arc<Servers>>,
    /// Tells of tools that come and go.
    pub watching_tools: Option<AbortOnDropHandle<()>>,
    /// The log could not be written the last time, which the person was told.
    log_failed: bool,
}

/// The turn that runs.
pub struct Turn {
    pub id: String,
    pub cancel: CancellationToken,
    /// What the person said meanwhile, for the next model call.
    pub steering: Arc<Mutex<Vec<Vec<ContentBlock>>>>,
    pub usage: transcript::Usage,
    pub waiting: Vec<Waiting>,
    /// Approvals that were open when an earlier process died; the turn that was taken up is about to ask for them again.
    pub reopening: Vec<Approval>,
    /// How much of which call's input clients were told of.
    preparing: Option<(usize, usize)>,
}

impl Turn {
    pub fn new(id: String) -> Self {
        Self {
            id,
            cancel: CancellationToken::new(),
            steering: Arc::default(),
            usage: transcript::Usage::default(),
            waiting: Vec::new(),
            reopening: Vec::new(),
            preparing: None,
        }
    }

    /// Whether this very approval was open when an earlier process died. One that shows something else now takes its place.
    fn reopens(&mut self, approval: &Approval) -> bool {
        let index = self.reopening.iter().position(|known| known.approval_id == approval.approval_id);
        index.map(|index| self.reopening.remove(index)).as_ref() == Some(approval)
    }

    /// Whether clients are to be told of so much of a call's input.
    fn tells_of(&mut self, index: usize, bytes: usize) -> bool {
        /// Of input between two events; chosen: a long file is some dozens of them.
        const STEP: usize = 2048;
        let is_due = self.preparing.is_none_or(|(last, told)| last != index || bytes >= told + STEP);
        if is_due {
            self.preparing = Some((index, bytes));
        }
        is_due
    }
}

/// A compaction between two turns.
pub struct Compacting {
    pub cancel: CancellationToken,
    /// How many messages it is about; what came since stays behind them.
    pub messages: usize,
}

/// A client that watches.
pub struct Watcher {
    pub id: AttachmentId,
    pub attachment: Arc<dyn Attachment>,
    /// Tells this watch from an earlier or later one of the same client.
    pub number: u64,
    /// What shows it the past, while live events wait for it in the log. Ends with the watch.
    pub replay: Option<AbortOnDropHandle<()>>,
}

impl Watcher {
    /// False while it is shown the past.
    pub fn is_live(&self) -> bool {
        self.replay.is_none()
    }
}

impl Session {
    pub fn new(
        id: Arc<str>,
        workspace: Arc<Workspace>,
        model: String,
        limits: Limits,
        policy: Policy,
        log: Log,
    ) -> Self {
        let now = unix_seconds();
        Self {
            id,
            title: String::new(),
            model,
            limits,
            workspace,
            policy: Arc::new(RwLock::new(policy)),
            messages: Vec::new(),
            scope: Scope::default(),
            usage: transcript::Usage::default(),
            last_seq: 0,
            created_at: now,
            updated_at: now,
            turn: None,
            compacting: None,
            watchers: Vec::new(),
            watches: 0,
            own_rules: Vec::new(),
            commands: None,
            warned: HashSet::new(),
            log,
            gate: Arc::default(),
            mcp: None,
            watching_tools: None,
            log_failed: false,
        }
    }

    pub fn info(&self) -> SessionInfo {
        SessionInfo {
            session_id: self.id.to_string(),
            title: self.title.clone(),
            roots: self.workspace.roots().iter().map(|root| root.to_string_lossy().into_owned()).collect(),
            model: self.model.clone(),
            mode: self.mode(),
            limits: self.limits,
            last_seq: self.last_seq,
            turn_id: self.turn.as_ref().map(|turn| turn.id.clone()),
            created_at: self.created_at,
            updated_at: self.updated_at,
            usage: self.usage.into(),
        }
    }

    pub fn mode(&self) -> Mode {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).mode.into()
    }

    /// Numbers an event, writes it to the log, and tells everyone who watches.
    pub fn append(&mut self, event: SessionEvent) {
        self.last_seq += 1;
        self.updated_at = unix_seconds();
        let json = match to_raw_value(&event) {
            Ok(json) => json,
            Err(error) => {
                // No type of the protocol can fail to encode; a log without gaps matters more than this event.
                tracing::error!(%error, "an event could not be encoded");
                serde_json::value::RawValue::NULL.to_owned()
            }
        };
        let written = self.log.append_event(self.last_seq, &json);
        let logged = LoggedEvent { session_id: self.id.clone(), seq: self.last_seq, event, json };
        for watcher in self.watchers.iter().filter(|watcher| watcher.is_live()) {
            watcher.attachment.event(&logged);
        }
        self.note_write(written);
    }

    /// Adds a message to the transcript and its log. Clients see events, not messages.
    pub fn push(&mut self, message: Message) {
        let written = self.log.append_message(&message);
        self.messages.push(message);
        self.note_write(written);
    }

    /// Puts another transcript in the place of the one so far, of which the log keeps both.
    pub fn replace(&mut self, messages: Vec<Message>) {
        let written = self.log.append_transcript(&messages);
        self.messages = messages;
        self.note_write(written);
    }

    /// Adds a client, which sees live events from now on unless it is shown the past first. Returns the number of the
    /// watch.
    pub fn watch(&mut self, id: AttachmentId, attachment: Arc<dyn Attachment>) -> u64 {
        self.watchers.retain(|watcher| watcher.id != id);
        self.watches += 1;
        self.watchers.push(Watcher { id, attachment, number: self.watches, replay: None });
        self.gate.set(self.watchers.iter().map(|watcher| watcher.attachment.clone()).collect());
        self.watches
    }

    /// Removes a client, with what it is being asked. True if nobody watches any more.
    pub fn unwatch(&mut self, id: AttachmentId) -> bool {
        self.watchers.retain(|watcher| watcher.id != id);
        self.gate.set(self.watchers.iter().map(|watcher| watcher.attachment.clone()).collect());
        for waiting in self.turn.iter_mut().flat_map(|turn| &mut turn.waiting) {
            waiting.withdraw(id);
        }
        self.give_up_questions();
        self.watchers.is_empty()
    }

    /// Cancels the running turn: its token first, then everything that waits for a person. False if none runs.
    pub fn cancel(&mut self) -> bool {
        if let Some(compacting) = &self.compacting {
            compacting.cancel.cancel();
        }
        let Some(turn) = &self.turn else { return self.compacting.is_some() };
        turn.cancel.cancel();
        self.cancel_inquiries();
        true
    }

    /// Cancels the turn and what runs in the background: nobody is there any more.
    pub fn cancel_all(&mut self) {
        self.cancel();
        self.scope.tasks.cancel_all();
    }

    /// Keeps what was changed, and tells clients that there is something to look at.
    pub fn keep(&mut self, landed: &Landed) {
        let written = self.log.append_landed(landed);
        let mut uris = vec![self.workspace.uri_of(&landed.path)];
        if let Deed::Move { to } = &landed.deed {
            uris.push(self.workspace.uri_of(to));
        }
        self.append(SessionEvent::Changes { turn_id: landed.turn_id.clone(), uris });
        self.note_write(written);
    }

    /// Whether a turn or a compaction runs, or something in the background.
    pub fn is_running(&self) -> bool {
        self.turn.is_some() || self.compacting.is_some() || !self.scope.tasks.is_idle()
    }

    /// Has the hub told of the background tasks, and of what is changed.
    pub fn listen(&self, hub: Hub) {
        let session_id = self.id.clone();
        let (of, way) = (session_id.clone(), hub.clone());
        self.scope.ledger.listen(move |landed| way.tell(Signal::Landed { session_id: of.clone(), landed }));
        self.scope.tasks.listen(move |change| hub.tell(Signal::Task { session_id: session_id.clone(), change }));
    }

    /// Takes what the turn's loop says and puts it into the log in the protocol's words.
    pub fn take(&mut self, event: agent::Event) {
        let Some(turn) = &self.turn else { return };
        match event {
            agent::Event::Message(message) => {
                // The calls of the next answer are others.
                if let Some(turn) = &mut self.turn {
                    turn.preparing = None;
                }
                self.push(message);
            }
            agent::Event::Replaced(messages) => self.replace(messages),
            agent::Event::Settled(settled) => {
                let written = self.log.append_settled(&settled);
                self.note_write(written);
                self.forget_reopening(&settled.result.call_id);
            }
            agent::Event::ToolInput { index, tool, bytes, .. } => {
                if self.turn.as_mut().is_some_and(|turn| turn.tells_of(index, bytes)) {
                    self.append(SessionEvent::ToolPreparing { tool, bytes: bytes as u64 });
                }
            }
            agent::Event::TurnEnded { stop_reason, usage, error } => {
                self.end_turn(stop_reason.into(), usage.into(), error);
            }
            event => {
                let turn_id = turn.id.clone();
                if let Some(event) = self.words_for(event, &turn_id) {
                    self.append(event);
                }
            }
        }
    }

    /// A call has ended without asking again for what it had asked for before a restart.
    fn forget_reopening(&mut self, call_id: &str) {
        let Some(turn) = &mut self.turn else { return };
        let (forgotten, kept) = turn.reopening.drain(..).partition(|approval| approval.call_id == call_id);
        turn.reopening = kept;
        let forgotten: Vec<Approval> = forgotten;
        for Approval { approval_id, .. } in forgotten {
            self.append(SessionEvent::ApprovalResolved { approval_id, outcome: ApprovalOutcome::Cancelled });
        }
    }

    /// What an event of a turn, or of one nested in it, is in the protocol's words; `None` for what clients do not see.
    fn words_for(&mut self, event: agent::Event, turn_id: &str) -> Option<SessionEvent> {
        Some(match event {
            agent::Event::Text(text) => SessionEvent::MessageDelta { text },
            agent::Event::Thinking(text) => SessionEvent::ReasoningDelta { text },
            agent::Event::ToolCall { call, class, title } => SessionEvent::ToolCall {
                call_id: call.id,
                tool: call.name,
                input: call.input,
                class: class.into(),
                title,
            },
            agent::Event::ToolProgress { call_id, offset, text } => {
                SessionEvent::ToolProgress { call_id, offset, text }
            }
            agent::Event::ToolResult { result, status, diff } => SessionEvent::ToolResult {
                text: plain_text(&result.content),
                call_id: result.call_id,
                status: status.into(),
                diff: diff.map(Into::into),
            },
            agent::Event::Usage { round, context } => {
                self.usage += round;
                let turn = self.turn.as_mut()?;
                turn.usage += round;
                SessionEvent::Usage { round: round.into(), turn: turn.usage.into(), context: Some(context.into()) }
            }
            agent::Event::Retry { attempt, delay, error } => {
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                SessionEvent::Retry { attempt, delay_ms, error }
            }
            agent::Event::Fallback { from, to, error } => SessionEvent::Fallback { from, to, error },
            agent::Event::Superseded => {
                self.turn.as_mut()?.preparing = None;
                SessionEvent::Superseded
            }
            agent::Event::Notice { level, message } => SessionEvent::Notice { level: level.into(), message },
            agent::Event::Compaction(report) => report.into(),
            agent::Event::Plan(items) => SessionEvent::Plan { items: items.into_iter().map(Into::into).collect() },
            agent::Event::Nested { call_id, event } => {
                let event = self.words_for(*event, &format!("{turn_id}.{call_id}"))?;
                SessionEvent::Nested { call_id, event: Box::new(event) }
            }
            // The hub says how the session's own turn starts, with its prompt. A nested one starts where its call says so.
            agent::Event::TurnStarted
            | agent::Event::Message(_)
            | agent::Event::ToolInput { .. }
            | agent::Event::Settled(_)
            | agent::Event::Replaced(_) => return None,
            // Of a nested turn: the session's own has an end of its own.
            agent::Event::TurnEnded { stop_reason, usage, error } => SessionEvent::TurnEnded {
                turn_id: turn_id.to_owned(),
                stop_reason: stop_reason.into(),
                usage: usage.into(),
                error,
            },
        })
    }

    /// Closes the running turn. What comes from it afterwards finds no turn and is dropped.
    pub fn end_turn(&mut self, stop_reason: TurnStopReason, usage: Usage, error: Option<String>) {
        self.cancel_inquiries();
        let Some(mut turn) = self.turn.take() else { return };
        turn.cancel.cancel();
        for Approval { approval_id, .. } in std::mem::take(&mut turn.reopening) {
            self.append(SessionEvent::ApprovalResolved { approval_id, outcome: ApprovalOutcome::Cancelled });
        }
        // Said too late for a last model call: the next turn's model reads it.
        for prompt in std::mem::take(&mut *turn.steering.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.push(convert::unresolved_prompt(&prompt));
        }
        self.append(SessionEvent::TurnEnded { turn_id: turn.id, stop_reason, usage, error });
        self.log.sync();
    }

    /// Takes up where the log left off, and closes in it what the process that wrote it left open, unless `goes_on`.
    pub fn restore(&mut self, recovered: Recovered, goes_on: bool) {
        self.title = recovered.title;
        self.created_at = recovered.created_at;
        self.updated_at = recovered.updated_at;
        self.usage = recovered.usage;
        self.last_seq = recovered.last_seq;
        self.messages = recovered.messages;
        self.scope.tasks = Arc::new(Tasks::restored(recovered.tasks));
        self.scope.ledger = Ledger::restored(recovered.landed);
        if goes_on {
            for event in recovered.closing.into_iter().filter(|event| matches!(event, SessionEvent::TaskEnded { .. })) {
                self.append(event);
            }
            return;
        }
        for message in recovered.repairs {
            self.push(message);
        }
        for event in recovered.closing {
            self.append(event);
        }
    }

    /// Takes the commands as they are now: clients are told if they were listed before and were others.
    pub fn note_commands(&mut self, commands: Vec<CommandInfo>, warnings: Vec<String>) {
        for warning in warnings {
            if self.warned.insert(warning.clone()) {
                self.notice(NoticeLevel::Warning, warning);
            }
        }
        let known = self.commands.replace(commands.clone());
        if known.is_some_and(|known| known != commands) {
            self.append(SessionEvent::CommandsChanged { commands });
        }
    }

    /// Names the session after its first prompt.
    pub fn name_after(&mut self, prompt: &[ContentBlock]) {
        if self.title.is_empty() {
            self.title = store::title(prompt);
        }
    }

    /// Puts the settings as they are now into the log and before the clients.
    pub fn append_settings(&mut self) {
        let settings = Settings { model: self.model.clone(), mode: self.mode(), limits: self.limits };
        let written = self.log.append_settings(&settings);
        self.note_write(written);
        let Settings { model, mode, limits } = settings;
        self.append(SessionEvent::SessionConfigured { model, mode, limits });
    }

    /// Allows such calls from now on. Gives the open approvals, by their ids, that would not be asked for any more.
    pub fn add_rules(&mut self, rules: &[Rule]) -> Vec<String> {
        let allowed_before = self.allowed();
        let roots = self.workspace.roots();
        self.own_rules.extend(rules.iter().map(|rule| (rule.clone(), roots.clone())));
        self.policy.write().unwrap_or_else(PoisonError::into_inner).rules.extend_from_slice(rules);
        let mut silenced = self.allowed();
        silenced.retain(|approval_id| !allowed_before.contains(approval_id));
        silenced
    }

    /// Takes the stored rules as they are now, for the roots as they are now. Of what was allowed in this session, that
    /// holds which was allowed in each of them.
    pub fn set_stored_rules(&mut self, mut rules: Vec<Rule>) {
        let roots = self.workspace.roots();
        let holds = |given_in: &[PathBuf]| {
            given_in.is_empty() == roots.is_empty() && roots.iter().all(|root| given_in.contains(root))
        };
        rules.extend(self.own_rules.iter().filter(|(_, given_in)| holds(given_in)).map(|(rule, _)| rule.clone()));
        self.policy.write().unwrap_or_else(PoisonError::into_inner).rules = rules;
    }

    /// Has the session work in other folders from its next turn on, under the rules that are stored for them.
    pub fn move_to(&mut self, workspace: Arc<Workspace>, stored_rules: Vec<Rule>) {
        self.workspace = workspace;
        self.set_stored_rules(stored_rules);
        let roots: Vec<_> = self.workspace.roots().iter().map(|root| root.display().to_string()).collect();
        let place = if roots.is_empty() { "no folder".to_owned() } else { roots.join(", ") };
        self.notice(
            NoticeLevel::Info,
            format!("This session works in {place} now. What was allowed elsewhere asks here."),
        );
    }

    pub fn notice(&mut self, level: NoticeLevel, message: impl Into<String>) {
        self.append(SessionEvent::Notice { level, message: message.into() });
    }

    /// Warns the person, once of each.
    pub fn warn(&mut self, warnings: Vec<String>) {
        for warning in warnings {
            if self.warned.insert(warning.clone()) {
                self.notice(NoticeLevel::Warning, warning);
            }
        }
    }

    fn note_write(&mut self, written: std::io::Result<()>) {
        let had_failed = std::mem::replace(&mut self.log_failed, written.is_err());
        match written {
            Err(error) if !had_failed => {
                tracing::error!(session = %self.id, %error, "the session's log cannot be written");
                self.notice(
                    NoticeLevel::Error,
                    format!(
                        "This conversation cannot be saved: {error}. It goes on, but what follows is lost if Pillion \
                         ends before it can be. Check the space and the permissions of the state folder."
                    ),
                );
            }
            Ok(()) if had_failed => self.notice(NoticeLevel::Info, "This conversation is saved again."),
            Ok(()) | Err(_) => {}
        }
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
