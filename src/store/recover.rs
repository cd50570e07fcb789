//! Where a session stood when its log ended, and what closes what was left open.

use std::{
    io::BufRead,
    path::{Path, PathBuf},
};

use serde_json::value::RawValue;

use super::{
    StoreError,
    lines::Lines,
    record::{Record, Settings, State, VERSION, tag},
};
use crate::{
    protocol::{ApprovalOutcome, SessionEvent, ToolClass, ToolStatus, TurnStopReason, Usage, convert},
    transcript::{self, Content, Message, Role, ToolCall, ToolResult},
};

const INTERRUPTED: &str = "Pillion ended in the middle of this turn. What it had done until then is kept.";
const CALL_INTERRUPTED: &str =
    "interrupted: Pillion ended before this call returned. Whether it had an effect is not known.";

/// A session as its log tells it.
///
/// A log that ends in the middle of a turn leaves things open. The caller appends `repairs` and `closing` to the log,
/// in this order, and then everything is as after a turn that was stopped.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    pub title: String,
    pub roots: Vec<PathBuf>,
    pub settings: Settings,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub created_at: u64,
    /// When the log last grew, in seconds since 1970-01-01T00:00:00Z.
    pub updated_at: u64,
    /// Over all turns.
    pub usage: transcript::Usage,
    /// The number of the last event; 0 if there was none.
    pub last_seq: u64,
    /// The transcript. With `repairs` after it, it is [whole](transcript::is_whole).
    pub messages: Vec<Message>,
    /// What the transcript lacks: the prompt of a turn that had hardly begun, results for calls (what the log tells of
    /// them, or that they were interrupted), what the model was saying, what the person said to the turn.
    pub repairs: Vec<Message>,
    /// Events that close calls, approvals and the turn; their numbers follow `last_seq`.
    pub closing: Vec<SessionEvent>,
    /// Lines that could not be read and were passed over.
    pub damaged: usize,
}

/// Where the log ends, for the next append.
pub struct End {
    pub offset: u64,
    /// The last record lacks nothing but its line end.
    pub without_line_end: bool,
}

/// Reads a whole log. `updated_at` is left for the caller.
pub fn read(reader: impl BufRead, path: &Path) -> Result<(Recovered, State, End), StoreError> {
    let mut lines = Lines::new(reader, 0);
    let mut end = End { offset: 0, without_line_end: false };
    let mut damaged = 0;
    let mut begun = None;
    loop {
        let line = lines.next_line();
        let line = line.map_err(|source| StoreError::Io { path: path.to_owned(), what: "read", source })?;
        let Some(line) = line else { break };
        let record = Record::parse(line.bytes);
        if !line.whole && record.is_none() {
            break;
        }
        end = End {
            offset: line.offset + line.bytes.len() as u64 + u64::from(line.whole),
            without_line_end: !line.whole,
        };
        match (&mut begun, record) {
            (None, Some(Record::Meta(meta))) if meta.version > VERSION => {
                return Err(StoreError::Newer { id: meta.session_id });
            }
            (None, Some(Record::Meta(meta))) => {
                let state = State::new(meta.settings.clone());
                begun = Some((meta, state, Fold::default()));
            }
            (None, _) => return Err(StoreError::Damaged { path: path.to_owned() }),
            (Some((_, state, fold)), Some(record)) => fold.take(record, state),
            (Some(_), None) => damaged += 1,
        }
    }
    let Some((meta, state, fold)) = begun else { return Err(StoreError::Damaged { path: path.to_owned() }) };
    if damaged > 0 {
        tracing::warn!(path = %path.display(), damaged, "lines of a session's log cannot be read and are passed over");
    }
    let (messages, repairs, closing) = fold.close();
    let recovered = Recovered {
        title: state.title.clone(),
        roots: meta.roots.into_iter().map(PathBuf::from).collect(),
        settings: state.settings.clone(),
        created_at: meta.created_at,
        updated_at: 0,
        usage: state.usage,
        last_seq: state.last_seq,
        messages,
        repairs,
        closing,
        damaged,
    };
    Ok((recovered, state, end))
}

/// What is known at a place in the log.
#[derive(Default)]
struct Fold {
    messages: Vec<Message>,
    turn: Option<Turn>,
}

/// What is open of the running turn.
#[derive(Default)]
struct Turn {
    id: String,
    usage: Usage,
    /// The prompt, until it is a message.
    prompt: Option<Message>,
    /// What else the person said, until it is a message.
    steering: Vec<Message>,
    /// What the model said since its last message.
    text: String,
    /// Calls that clients know of.
    announced: Vec<String>,
    /// Calls that clients know the end of.
    ended: Vec<String>,
    /// Results since the last message of results.
    results: Vec<ToolResult>,
    approvals: Vec<String>,
}

impl Fold {
    fn take(&mut self, record: Record<'_>, state: &mut State) {
        match record {
            Record::Event { seq, event } => {
                state.note(seq, event);
                self.event(event);
            }
            Record::Message(message) => self.message(message),
            Record::Settings(settings) => state.settings = settings,
            Record::State(_) | Record::Meta(_) | Record::Unknown => {}
        }
    }

    fn message(&mut self, message: Message) {
        if let Some(turn) = &mut self.turn {
            let holds = |said: &Message| said.content.iter().all(|part| message.content.contains(part));
            match message.role {
                Role::Assistant => {
                    turn.prompt = None;
                    turn.text.clear();
                }
                Role::User if turn.prompt.as_ref().is_some_and(holds) => turn.prompt = None,
                Role::User => {
                    if let Some(index) = turn.steering.iter().position(holds) {
                        turn.steering.remove(index);
                    }
                    if message.tool_results().next().is_some() {
                        turn.results.clear();
                    }
                }
            }
        }
        self.messages.push(message);
    }

    fn event(&mut self, event: &RawValue) {
        // Output of commands may be most of a log, and nothing of it is needed here.
        if tag(event) == Some("toolProgress") {
            return;
        }
        // An event of a newer Pillion is kept for clients and means nothing here.
        let Ok(event) = serde_json::from_str::<SessionEvent>(event.get()) else { return };
        if let SessionEvent::TurnStarted { turn_id, prompt } = event {
            let prompt = Some(convert::prompt_message(&prompt));
            self.turn = Some(Turn { id: turn_id, prompt, ..Turn::default() });
            return;
        }
        let Some(turn) = &mut self.turn else { return };
        match event {
            SessionEvent::TurnSteered { prompt } => turn.steering.push(convert::prompt_message(&prompt)),
            SessionEvent::MessageDelta { text } => turn.text.push_str(&text),
            SessionEvent::ToolCall { call_id, .. } => turn.announced.push(call_id),
            SessionEvent::ToolResult { call_id, status, text, .. } => {
                turn.ended.push(call_id.clone());
                turn.results.push(ToolResult::text(call_id, text, status != ToolStatus::Ok));
            }
            SessionEvent::ApprovalRequested { approval } => turn.approvals.push(approval.approval_id),
            SessionEvent::ApprovalResolved { approval_id, .. } => turn.approvals.retain(|open| *open != approval_id),
            SessionEvent::Usage { turn: usage, .. } => turn.usage = usage,
            SessionEvent::TurnEnded { .. } => self.turn = None,
            SessionEvent::TurnStarted { .. }
            | SessionEvent::ReasoningDelta { .. }
            | SessionEvent::ToolProgress { .. }
            | SessionEvent::Retry { .. }
            | SessionEvent::SessionConfigured { .. }
            | SessionEvent::Notice { .. } => {}
        }
    }

    /// The transcript, what it lacks, and the events that close what is open.
    fn close(self) -> (Vec<Message>, Vec<Message>, Vec<SessionEvent>) {
        let Self { mut messages, turn } = self;
        let logged = messages.len();
        let closing = turn.map(|turn| turn.close(&mut messages)).unwrap_or_default();
        if !transcript::is_whole(&messages) {
            // Lines in the middle are damaged.
            let mut whole = messages.clone();
            transcript::repair(&mut whole);
            if !whole.starts_with(&messages[..logged]) {
                // No appending helps: what is left is made whole anew each time it is read.
                return (whole, Vec::new(), closing);
            }
            messages = whole;
        }
        let repairs = messages.split_off(logged);
        (messages, repairs, closing)
    }
}

impl Turn {
    /// Appends what the transcript lacks; gives the events that close what is open.
    fn close(mut self, messages: &mut Vec<Message>) -> Vec<SessionEvent> {
        let approvals = self.approvals.drain(..);
        let mut closing: Vec<SessionEvent> = approvals
            .map(|approval_id| SessionEvent::ApprovalResolved { approval_id, outcome: ApprovalOutcome::Cancelled })
            .collect();
        let calls: Vec<ToolCall> = messages.last().into_iter().flat_map(Message::tool_calls).cloned().collect();
        messages.extend(self.prompt.take());
        if calls.is_empty() && !self.text.trim().is_empty() {
            messages.push(Message::assistant(std::mem::take(&mut self.text)));
        }
        let results: Vec<Content> = calls.into_iter().map(|call| self.end_call(call, &mut closing)).collect();
        if !results.is_empty() {
            messages.push(Message { role: Role::User, content: results });
        }
        messages.append(&mut self.steering);
        // Calls that were shown and never became part of a message.
        let mut unended = std::mem::take(&mut self.announced);
        unended.retain(|call| !self.ended.contains(call));
        closing.extend(unended.into_iter().map(cancelled));
        closing.push(SessionEvent::TurnEnded {
            turn_id: self.id,
            stop_reason: TurnStopReason::Interrupted,
            usage: self.usage,
            error: Some(INTERRUPTED.to_owned()),
        });
        closing
    }

    /// The call's result: what the log tells of it, or that it was interrupted. Clients are told what they do not know.
    fn end_call(&mut self, call: ToolCall, closing: &mut Vec<SessionEvent>) -> Content {
        let ToolCall { id, name, input } = call;
        let known = self.results.iter().position(|result| result.call_id == id).map(|at| self.results.remove(at));
        if !self.announced.contains(&id) {
            let (title, class) = (name.clone(), ToolClass::Read);
            closing.push(SessionEvent::ToolCall { call_id: id.clone(), tool: name, input, class, title });
        }
        if !self.ended.contains(&id) {
            closing.push(cancelled(id.clone()));
            self.ended.push(id.clone());
        }
        Content::ToolResult(known.unwrap_or_else(|| ToolResult::text(id, CALL_INTERRUPTED, true)))
    }
}

fn cancelled(call_id: String) -> SessionEvent {
    let text = CALL_INTERRUPTED.to_owned();
    SessionEvent::ToolResult { call_id, status: ToolStatus::Cancelled, text, diff: None }
}
