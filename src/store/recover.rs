//! Where a session stood when its log ended, and what closes what was left open.

use std::{
    io::BufRead,
    path::{Path, PathBuf},
};

use serde_json::{Value, value::RawValue};

use super::{
    StoreError,
    lines::Lines,
    record::{Record, Settings, State, VERSION, tag},
};
use crate::{
    agent::{self, OpenCall, OpenTurn, Settled},
    protocol::{
        Approval, ApprovalOutcome, ContentBlock, QuestionOutcome, SessionEvent, ToolClass, ToolStatus, TurnStopReason,
        Usage, convert,
    },
    tool::{self, Task, TaskStatus, TasksSnapshot},
    transcript::{self, Content, Message, Role, ToolCall, ToolResult},
    workspace::Landed,
};

const INTERRUPTED: &str = "Pillion ended in the middle of this turn. What it had done until then is kept.";
const CALL_INTERRUPTED: &str =
    "interrupted: Pillion ended before this call returned. Whether it had an effect is not known.";
const TASK_LOST: &str = "It ended with Pillion; what it had printed is lost.";

/// A session as its log tells it.
///
/// A log that ends in the middle of a turn leaves things open. The caller appends `repairs` and `closing` to the log,
/// in this order, and then everything is as after a turn that was stopped; or it goes on with the turn where there is
/// `waiting`.
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
    /// The turn, if it can be gone on with: when the log ended, it was waiting for a person.
    pub waiting: Option<WaitingTurn>,
    /// The background tasks that ran, and those that the model was not told the end of.
    pub tasks: TasksSnapshot,
    /// What tools changed and the person took back, in order.
    pub landed: Vec<Landed>,
    /// Lines that could not be read and were passed over.
    pub damaged: usize,
}

/// A turn that a person has to say something to.
#[derive(Clone, Debug, PartialEq)]
pub struct WaitingTurn {
    pub id: String,
    /// Its calls, which are those of the transcript's last message.
    pub open: OpenTurn,
    /// What it waits for; each is about one of the calls.
    pub approvals: Vec<Approval>,
    /// Questions of calls that run again, by their ids.
    pub questions: Vec<String>,
    /// What the person said that it has not taken yet.
    pub steering: Vec<Vec<ContentBlock>>,
    /// The shape that its answer is to have.
    pub output_schema: Option<Value>,
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
    let Closed { messages, repairs, closing, tasks, landed, waiting } = fold.close();
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
        waiting,
        tasks,
        landed,
        damaged,
    };
    Ok((recovered, state, end))
}

/// What a log that ends here leaves to do.
struct Closed {
    messages: Vec<Message>,
    /// What the transcript lacks.
    repairs: Vec<Message>,
    closing: Vec<SessionEvent>,
    tasks: TasksSnapshot,
    landed: Vec<Landed>,
    waiting: Option<WaitingTurn>,
}

/// What is known at a place in the log.
#[derive(Default)]
struct Fold {
    messages: Vec<Message>,
    tasks: TasksSnapshot,
    landed: Vec<Landed>,
    turn: Option<Turn>,
}

/// What is open of the running turn.
#[derive(Clone, Default)]
struct Turn {
    id: String,
    /// The prompt, until it is a message.
    prompt: Option<Vec<ContentBlock>>,
    /// What else the person said, until it is a message.
    steering: Vec<Vec<ContentBlock>>,
    output_schema: Option<Value>,
    /// What the model said since its last message.
    text: String,
    /// Calls that clients know of.
    announced: Vec<String>,
    /// Calls that clients know the end of.
    ended: Vec<String>,
    /// The calls of the last message, and what was spent.
    open: OpenTurn,
    approvals: Vec<Approval>,
    questions: Vec<String>,
}

impl Fold {
    fn take(&mut self, record: Record<'_>, state: &mut State) {
        match record {
            Record::Event { seq, event } => {
                state.note(seq, event);
                self.event(event);
            }
            Record::Message(message) => self.message(message),
            Record::Transcript(messages) => self.messages = messages,
            Record::Settled(settled) => {
                if let Some(turn) = &mut self.turn {
                    turn.open.take(&agent::Event::Settled(settled));
                }
            }
            Record::Landed(landed) => self.landed.push(landed),
            Record::Settings(settings) => state.settings = settings,
            Record::State(_) | Record::Meta(_) | Record::Unknown => {}
        }
    }

    fn message(&mut self, message: Message) {
        self.tasks.open.retain(|(task, _)| !tells_of(&message, task));
        if let Some(turn) = &mut self.turn {
            turn.open.message(&message);
            let holds = |said: &Vec<ContentBlock>| convert::holds_prompt(&message, said);
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
        if let SessionEvent::TurnStarted { turn_id, prompt, output_schema, .. } = event {
            self.turn = Some(Turn { id: turn_id, prompt: Some(prompt), output_schema, ..Turn::default() });
            return;
        }
        // Background tasks outlive turns.
        match event {
            SessionEvent::TaskStarted { task } => {
                self.tasks.count += 1;
                self.tasks.open.push((task.into(), String::new()));
                return;
            }
            SessionEvent::TaskEnded { task, text } => {
                let known = self.tasks.open.iter_mut().find(|(known, _)| known.id == task.task_id);
                if let Some(known) = known {
                    *known = (task.into(), text);
                }
                return;
            }
            _ => {}
        }
        let Some(turn) = &mut self.turn else { return };
        match event {
            SessionEvent::TurnSteered { prompt, .. } => turn.steering.push(prompt),
            SessionEvent::MessageDelta { text } => turn.text.push_str(&text),
            SessionEvent::Superseded => turn.text.clear(),
            SessionEvent::ToolCall { call_id, class, .. } => {
                if let Some(open) = turn.open(&call_id) {
                    open.class = Some(class.into());
                }
                turn.announced.push(call_id);
            }
            SessionEvent::ToolResult { call_id, status, text, .. } => {
                if let Some(open) = turn.open(&call_id) {
                    open.told = true;
                    // A log of an older Pillion has no more than this.
                    open.settled.get_or_insert_with(|| Settled {
                        result: ToolResult::text(&call_id, text, status != ToolStatus::Ok),
                        status: status.into(),
                        diff: None,
                    });
                }
                turn.ended.push(call_id);
            }
            SessionEvent::ApprovalRequested { approval } => turn.asked(approval),
            SessionEvent::ApprovalResolved { approval_id, .. } => turn.resolved(&approval_id),
            SessionEvent::QuestionAsked { question } => turn.questions.push(question.question_id),
            SessionEvent::QuestionResolved { question_id, .. } => turn.questions.retain(|open| *open != question_id),
            SessionEvent::Nested { event, .. } => {
                if let Some(sum) = turn_usage(&event) {
                    turn.open.usage = sum.into();
                }
            }
            SessionEvent::Usage { turn: usage, .. } => turn.open.usage = usage.into(),
            SessionEvent::TurnEnded { .. } => self.turn = None,
            SessionEvent::TurnStarted { .. }
            | SessionEvent::ReasoningDelta { .. }
            | SessionEvent::ToolProgress { .. }
            | SessionEvent::ToolPreparing { .. }
            | SessionEvent::Retry { .. }
            | SessionEvent::Fallback { .. }
            | SessionEvent::Plan { .. }
            | SessionEvent::Compaction { .. }
            | SessionEvent::ToolsChanged { .. }
            | SessionEvent::Changes { .. }
            | SessionEvent::TaskStarted { .. }
            | SessionEvent::TaskEnded { .. }
            | SessionEvent::SessionConfigured { .. }
            | SessionEvent::SessionRenamed { .. }
            | SessionEvent::CommandsChanged { .. }
            | SessionEvent::Notice { .. } => {}
        }
    }

    /// What comes of it all.
    fn close(self) -> Closed {
        let Self { mut messages, turn, mut tasks, landed } = self;
        let waiting = turn.as_ref().and_then(|turn| turn.waiting(&messages));
        let logged = messages.len();
        let mut closing = turn.map(|turn| turn.close(&mut messages)).unwrap_or_default();
        for (task, text) in tasks.open.iter_mut().filter(|(task, _)| task.status == TaskStatus::Running) {
            task.status = TaskStatus::Lost;
            TASK_LOST.clone_into(text);
            closing.push(SessionEvent::TaskEnded { task: task.clone().into(), text: text.clone() });
        }
        if !transcript::is_whole(&messages) {
            // Lines in the middle are damaged.
            let mut whole = messages.clone();
            transcript::repair(&mut whole);
            if !whole.starts_with(&messages[..logged]) {
                // No appending helps: what is left is made whole anew each time it is read.
                return Closed { messages: whole, repairs: Vec::new(), closing, tasks, landed, waiting: None };
            }
            messages = whole;
        }
        let repairs = messages.split_off(logged);
        Closed { messages, repairs, closing, tasks, landed, waiting }
    }
}

impl Turn {
    fn open(&mut self, call_id: &str) -> Option<&mut OpenCall> {
        self.open.calls.iter_mut().find(|open| open.call.id == call_id)
    }

    fn asked(&mut self, approval: Approval) {
        if let Some(known) = self.approvals.iter_mut().find(|known| known.approval_id == approval.approval_id) {
            // Asked again after a restart, with what it shows now.
            *known = approval;
            return;
        }
        let turn_id = self.id.clone();
        // A nested agent's calls may have the same ids, and are none of this turn's.
        if let Some(open) = self.open(&approval.call_id)
            && approval.approval_id == Approval::id(&turn_id, &agent::approval_id(&open.call.id, open.asks + 1))
        {
            open.asks += 1;
            open.asking = Some(approval.input.clone());
        }
        self.approvals.push(approval);
    }

    fn resolved(&mut self, approval_id: &str) {
        let Some(index) = self.approvals.iter().position(|open| open.approval_id == approval_id) else { return };
        let approval = self.approvals.remove(index);
        if let Some(open) = self.open(&approval.call_id) {
            open.asking = None;
        }
    }

    /// The turn, if it waits for a person and for nothing else that a restart broke.
    fn waiting(&self, messages: &[Message]) -> Option<WaitingTurn> {
        let calls = &self.open.calls;
        let (last, before) = messages.split_last()?;
        let is_theirs =
            |approval: &Approval| calls.iter().any(|open| open.call.id == approval.call_id && open.asking.is_some());
        let waits = !self.approvals.is_empty()
            && self.approvals.iter().all(is_theirs)
            && !calls.iter().any(OpenCall::is_broken)
            && last.tool_calls().eq(calls.iter().map(|open| &open.call))
            && transcript::is_whole(before);
        let Self { id, open, approvals, questions, steering, output_schema, .. } = self.clone();
        waits.then_some(WaitingTurn { id, open, approvals, questions, steering, output_schema })
    }

    /// Appends what the transcript lacks; gives the events that close what is open.
    fn close(mut self, messages: &mut Vec<Message>) -> Vec<SessionEvent> {
        let approvals = self.approvals.drain(..);
        let mut closing: Vec<SessionEvent> = approvals
            .map(|approval| SessionEvent::ApprovalResolved {
                approval_id: approval.approval_id,
                outcome: ApprovalOutcome::Cancelled,
            })
            .collect();
        closing.extend(
            self.questions
                .drain(..)
                .map(|question_id| SessionEvent::QuestionResolved { question_id, outcome: QuestionOutcome::Cancelled }),
        );
        let calls: Vec<ToolCall> = messages.last().into_iter().flat_map(Message::tool_calls).cloned().collect();
        messages.extend(self.prompt.take().as_deref().map(convert::unresolved_prompt));
        if calls.is_empty() && !self.text.trim().is_empty() {
            messages.push(Message::assistant(std::mem::take(&mut self.text)));
        }
        let results: Vec<Content> = calls.into_iter().map(|call| self.end_call(call, &mut closing)).collect();
        if !results.is_empty() {
            messages.push(Message { role: Role::User, content: results });
        }
        messages.extend(self.steering.iter().map(|said| convert::unresolved_prompt(said)));
        // Calls that were shown and never became part of a message.
        let mut unended = std::mem::take(&mut self.announced);
        unended.retain(|call| !self.ended.contains(call));
        closing.extend(unended.into_iter().map(cancelled));
        closing.push(SessionEvent::TurnEnded {
            turn_id: self.id,
            stop_reason: TurnStopReason::Interrupted,
            usage: self.open.usage.into(),
            error: Some(INTERRUPTED.to_owned()),
        });
        closing
    }

    /// The call's result: what the log tells of it, or that it was interrupted. Clients are told what they do not know.
    fn end_call(&mut self, call: ToolCall, closing: &mut Vec<SessionEvent>) -> Content {
        let ToolCall { id, name, input } = call;
        let known = self.open(&id).and_then(|open| open.settled.take());
        if !self.announced.contains(&id) {
            let (title, class) = (tool::title(&name, &input), ToolClass::Read);
            closing.push(SessionEvent::ToolCall { call_id: id.clone(), tool: name, input, class, title });
        }
        if !self.ended.contains(&id) {
            closing.push(known.as_ref().map_or_else(|| cancelled(id.clone()), result_event));
            self.ended.push(id.clone());
        }
        let known = known.map(|settled| settled.result);
        Content::ToolResult(known.unwrap_or_else(|| ToolResult::text(id, CALL_INTERRUPTED, true)))
    }
}

fn result_event(settled: &Settled) -> SessionEvent {
    let Settled { result, status, diff } = settled.clone();
    SessionEvent::ToolResult {
        text: convert::plain_text(&result.content),
        call_id: result.call_id,
        status: status.into(),
        diff: diff.map(Into::into),
    }
}

/// What the turn had used until then, as an event of a nested turn says, however deep.
fn turn_usage(event: &SessionEvent) -> Option<Usage> {
    match event {
        SessionEvent::Usage { turn, .. } => Some(*turn),
        SessionEvent::Nested { event, .. } => turn_usage(event),
        _ => None,
    }
}

/// Whether a message is the one by which the model was told of a task's end.
fn tells_of(message: &Message, task: &Task) -> bool {
    message.role == Role::User && message.text().starts_with(&agent::task_news_title(task))
}

fn cancelled(call_id: String) -> SessionEvent {
    let text = CALL_INTERRUPTED.to_owned();
    SessionEvent::ToolResult { call_id, status: ToolStatus::Cancelled, text, diff: None }
}
