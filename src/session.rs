//! A conversation: its transcript, its numbered log, who watches it, and the turn that runs.
//!
//! Everything here happens in the hub's loop, with `&mut Session`. An event is written to the log before any client
//! sees it, so that what was shown is never lost.

mod signal;
mod turn_host;
mod watch;

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::value::to_raw_value;
pub use signal::{Hub, Signal};
use tokio::task::AbortHandle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
pub use turn_host::{Gate, TurnHost};
pub use watch::{Attachment, AttachmentId, LoggedEvent};

use crate::{
    agent::{self, Answer, Scope},
    permission::{Policy, Rule},
    protocol::{
        Approval, ApprovalOutcome, ContentBlock, Limits, Mode, NoticeLevel, SessionEvent, SessionInfo, TurnStopReason,
        Usage, convert::plain_text,
    },
    store::{Log, Recovered, Settings},
    transcript::{self, Message},
    workspace::Workspace,
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
    pub watchers: Vec<Watcher>,
    watches: u64,
    /// What the person allowed in this session, over what is stored.
    own_rules: Vec<Rule>,
    pub log: Log,
    /// The turn waits here while a client does not keep up.
    pub gate: Arc<Gate>,
    /// Set after the first failed write, so that the person is told once.
    log_failed: bool,
}

/// The turn that runs.
pub struct Turn {
    pub id: String,
    pub cancel: CancellationToken,
    /// What the person said meanwhile, for the next model call.
    pub steering: Arc<Mutex<Vec<Message>>>,
    pub usage: transcript::Usage,
    pub approvals: Vec<OpenApproval>,
}

/// A call that waits for a person.
pub struct OpenApproval {
    pub approval: Approval,
    pub answer: tokio::sync::oneshot::Sender<Answer>,
    /// What asks each client; aborting one withdraws its question.
    pub asking: Vec<(AttachmentId, AbortHandle)>,
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
            watchers: Vec::new(),
            watches: 0,
            own_rules: Vec::new(),
            log,
            gate: Arc::default(),
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
        for open in self.turn.iter_mut().flat_map(|turn| &mut turn.approvals) {
            open.asking.retain(|(asked, handle)| {
                if *asked == id {
                    handle.abort();
                }
                *asked != id
            });
        }
        self.watchers.is_empty()
    }

    /// Resolves an open approval: the call goes on, the log has it, and every client closes what showed it. False if
    /// it was resolved before.
    pub fn resolve(&mut self, approval_id: &str, answer: Answer, outcome: ApprovalOutcome) -> bool {
        let Some(turn) = &mut self.turn else { return false };
        let Some(index) = turn.approvals.iter().position(|open| open.approval.approval_id == approval_id) else {
            return false;
        };
        let open = turn.approvals.remove(index);
        for (_, handle) in open.asking {
            handle.abort();
        }
        self.append(SessionEvent::ApprovalResolved { approval_id: approval_id.to_owned(), outcome });
        self.log.sync();
        // The receiver is gone only if the turn was cancelled meanwhile, which has its own way out.
        let _ = open.answer.send(answer);
        true
    }

    /// Cancels the running turn: its token first, then everything that waits for a person. False if none runs.
    pub fn cancel(&mut self) -> bool {
        let Some(turn) = &self.turn else { return false };
        turn.cancel.cancel();
        self.cancel_approvals();
        true
    }

    fn cancel_approvals(&mut self) {
        while let Some(id) =
            self.turn.as_ref().and_then(|turn| turn.approvals.first()).map(|open| open.approval.approval_id.clone())
        {
            self.resolve(&id, Answer::CancelTurn, ApprovalOutcome::Cancelled);
        }
    }

    /// Takes what the turn's loop says and puts it into the log in the protocol's words.
    pub fn take(&mut self, event: agent::Event) {
        let Some(turn) = &mut self.turn else { return };
        match event {
            agent::Event::Text(text) => self.append(SessionEvent::MessageDelta { text }),
            agent::Event::Thinking(text) => self.append(SessionEvent::ReasoningDelta { text }),
            agent::Event::ToolCall { call, class, title } => self.append(SessionEvent::ToolCall {
                call_id: call.id,
                tool: call.name,
                input: call.input,
                class: class.into(),
                title,
            }),
            agent::Event::ToolProgress { call_id, offset, text } => {
                self.append(SessionEvent::ToolProgress { call_id, offset, text });
            }
            agent::Event::ToolResult { result, status, diff } => self.append(SessionEvent::ToolResult {
                text: plain_text(&result.content),
                call_id: result.call_id,
                status: status.into(),
                diff: diff.map(Into::into),
            }),
            agent::Event::Usage(round) => {
                turn.usage += round;
                self.usage += round;
                let turn = turn.usage.into();
                self.append(SessionEvent::Usage { round: round.into(), turn });
            }
            agent::Event::Retry { attempt, delay, error } => {
                let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                self.append(SessionEvent::Retry { attempt, delay_ms, error });
            }
            agent::Event::Message(message) => self.push(message),
            agent::Event::TurnEnded { stop_reason, usage, error } => {
                self.end_turn(stop_reason.into(), usage.into(), error);
            }
        }
    }

    /// Closes the running turn. What comes from it afterwards finds no turn and is dropped.
    pub fn end_turn(&mut self, stop_reason: TurnStopReason, usage: Usage, error: Option<String>) {
        self.cancel_approvals();
        let Some(turn) = self.turn.take() else { return };
        turn.cancel.cancel();
        // Said too late for a last model call: the next turn's model reads it.
        for message in std::mem::take(&mut *turn.steering.lock().unwrap_or_else(PoisonError::into_inner)) {
            self.push(message);
        }
        self.append(SessionEvent::TurnEnded { turn_id: turn.id, stop_reason, usage, error });
        self.log.sync();
    }

    /// Takes up where the log left off, and closes in it what the process that wrote it left open.
    pub fn restore(&mut self, recovered: Recovered) {
        self.title = recovered.title;
        self.created_at = recovered.created_at;
        self.updated_at = recovered.updated_at;
        self.usage = recovered.usage;
        self.last_seq = recovered.last_seq;
        self.messages = recovered.messages;
        for message in recovered.repairs {
            self.push(message);
        }
        for event in recovered.closing {
            self.append(event);
        }
    }

    /// Names the session after its first prompt.
    pub fn name_after(&mut self, prompt: &[ContentBlock]) {
        if self.title.is_empty() {
            self.title = title(prompt);
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

    pub fn is_asking(&self, approval_id: &str) -> bool {
        self.open_approval(approval_id).is_some()
    }

    /// Puts an open approval before one client; its answer comes to the hub.
    pub fn put(&mut self, approval: &Approval, client: AttachmentId, hub: &Hub) {
        let Some(watcher) = self.watchers.iter().find(|watcher| watcher.id == client) else { return };
        let Some(turn) = &mut self.turn else { return };
        let Some(open) = turn.approvals.iter_mut().find(|open| open.approval.approval_id == approval.approval_id)
        else {
            return;
        };
        open.asking.retain(|(_, handle)| !handle.is_finished());
        if open.asking.iter().any(|(asked, _)| *asked == client) {
            return;
        }
        let answer = watcher.attachment.ask(approval.clone());
        let (session_id, approval_id, hub) = (self.id.clone(), approval.approval_id.clone(), hub.clone());
        let asking = tokio::spawn(async move {
            let decision = answer.await;
            hub.tell(Signal::Answered { session_id, approval_id, decision });
        });
        open.asking.push((client, asking.abort_handle()));
    }

    /// The rules an approval offers, as the person saw them.
    pub fn rules_of(&self, approval_id: &str) -> Vec<Rule> {
        let rules = self.open_approval(approval_id).into_iter().flat_map(|open| &open.approval.rules);
        rules.filter_map(|rule| rule.parse().ok()).collect()
    }

    pub fn add_rules(&mut self, rules: &[Rule]) {
        self.own_rules.extend_from_slice(rules);
        self.policy.write().unwrap_or_else(PoisonError::into_inner).rules.extend_from_slice(rules);
    }

    /// Takes the stored rules as they are now, for the roots as they are now.
    pub fn set_stored_rules(&mut self, mut rules: Vec<Rule>) {
        rules.extend_from_slice(&self.own_rules);
        self.policy.write().unwrap_or_else(PoisonError::into_inner).rules = rules;
    }

    fn open_approval(&self, approval_id: &str) -> Option<&OpenApproval> {
        let mut open = self.turn.iter().flat_map(|turn| &turn.approvals);
        open.find(|open| open.approval.approval_id == approval_id)
    }

    pub fn notice(&mut self, level: NoticeLevel, message: impl Into<String>) {
        self.append(SessionEvent::Notice { level, message: message.into() });
    }

    fn note_write(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written
            && !self.log_failed
        {
            self.log_failed = true;
            tracing::error!(session = %self.id, %error, "the session's log cannot be written");
            self.notice(
                NoticeLevel::Error,
                format!(
                    "This conversation cannot be saved: {error}. It goes on, but what follows is lost when Pillion \
                     ends. Check the space and the permissions of the state folder."
                ),
            );
        }
    }
}

/// The first words of a prompt, on one line.
pub fn title(prompt: &[ContentBlock]) -> String {
    /// Fits a picker's line; chosen by taste.
    const LONGEST: usize = 80;
    let text = prompt.iter().find_map(|block| match block {
        ContentBlock::Text { text } => Some(text.as_str()),
        ContentBlock::Image { .. } | ContentBlock::Selection { .. } => None,
    });
    let words = text.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &words[..cut]),
        None => words,
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
