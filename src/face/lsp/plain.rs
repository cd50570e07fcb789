//! Clients without a plugin: a turn, an approval and an answer by what every LSP client has.

mod answer;
mod progress;
mod waiting;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ropey::Rope;
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle};

use self::answer::{Answers, Place};
pub(super) use self::waiting::{detail, has_rule, headline};
use super::handshake::Abilities;
use crate::{
    protocol::{ContentBlock, NoticeLevel, SessionEvent, TurnStopReason},
    rpc::Peer,
    sidecar::{Inquiry, LoggedEvent, Sidecar},
    store::Store,
    workspace::Workspace,
};

const REFRESH_LIMIT: Duration = Duration::from_secs(5);
/// How long the end of a turn waits for that of its progress, which an editor may not have taken up.
const PROGRESS_END_LIMIT: Duration = Duration::from_secs(1);
/// Of the final answer in `window/showMessage`, in characters; a popup holds no more.
const ANSWER_MAX: usize = 8_000;
/// What a client without a plugin is shown.
#[derive(Clone)]
pub(super) struct Plain {
    peer: Peer,
    abilities: Abilities,
    documents: Store,
    workspace: Arc<Workspace>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The running turns, by session.
    turns: HashMap<Arc<str>, Turn>,
    /// What the person is asked.
    waiting: Vec<Inquiry>,
    answers: Answers,
    /// What turns changed, the latest last.
    changes: Vec<Changed>,
}

/// A file that a turn changed.
#[derive(Clone)]
pub(super) struct Changed {
    pub(super) session_id: String,
    pub(super) turn_id: String,
    uri: String,
}

struct Turn {
    /// What `$/progress` calls it.
    token: String,
    /// What was asked, in a line, and where.
    title: String,
    place: Option<Place>,
    /// What was said last, before or after tool calls.
    answer: String,
    /// There were tool calls since.
    acts: bool,
    /// How much of `answer` cannot be withdrawn any more.
    stands: usize,
    /// What it is doing, in a line. Dropped at its end.
    status: watch::Sender<String>,
    /// What shows it.
    progress: Option<JoinHandle<()>>,
}

impl Turn {
    /// What is said after a tool call takes the place of what was said before it.
    fn say(&mut self, text: &str) {
        if std::mem::take(&mut self.acts) {
            self.answer.clear();
            self.stands = 0;
        }
        if self.answer.len() < ANSWER_MAX * 4 {
            self.answer.push_str(text);
        }
        let line = self.answer.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        self.status.send_replace(clip(line, 100));
    }
}

/// LSP's `MessageType`.
#[derive(Clone, Copy)]
enum Level {
    Error = 1,
    Warning = 2,
    Info = 3,
}

impl Plain {
    pub(super) fn new(peer: Peer, abilities: Abilities, sidecar: &Sidecar) -> Self {
        let (documents, workspace) = (sidecar.store().clone(), sidecar.workspace().clone());
        Self { peer, abilities, documents, workspace, state: Arc::default() }
    }

    /// The answer that belongs to this line of a document, as Markdown.
    pub(super) fn answer_at(&self, uri: &str, now: &Rope, line: usize) -> Option<String> {
        self.state().answers.at(uri, now, line)
    }

    /// The latest answer, as Markdown.
    pub(super) fn last_answer(&self) -> Option<String> {
        self.state().answers.last()
    }

    /// The latest change of this document.
    pub(super) fn change_of(&self, uri: &str) -> Option<Changed> {
        self.state().changes.iter().rev().find(|change| change.uri == uri).cloned()
    }

    /// The session and the turn that changed something last.
    pub(super) fn latest_change(&self) -> Option<(String, String)> {
        self.state().changes.last().map(|change| (change.session_id.clone(), change.turn_id.clone()))
    }

    /// Whether a turn runs that was asked for in this document.
    pub(super) fn works_on(&self, uri: &str) -> bool {
        self.state().turns.values().any(|turn| turn.place.as_ref().is_some_and(|place| place.is_in(uri)))
    }

    /// The session whose turn the editor shows under this token.
    pub(super) fn session(&self, token: &Value) -> Option<Arc<str>> {
        let state = self.state();
        state.turns.iter().find(|(_, turn)| token == turn.token.as_str()).map(|(session_id, _)| session_id.clone())
    }

    pub(super) fn event(&self, logged: &LoggedEvent) {
        match &logged.event {
            SessionEvent::TurnStarted { turn_id, prompt, .. } => self.start(&logged.session_id, turn_id, prompt),
            SessionEvent::MessageDelta { text } => {
                if let Some(turn) = self.state().turns.get_mut(&logged.session_id) {
                    turn.say(text);
                }
            }
            SessionEvent::Superseded => {
                if let Some(turn) = self.state().turns.get_mut(&logged.session_id) {
                    turn.answer.truncate(turn.stands);
                }
            }
            SessionEvent::Usage { .. } => {
                if let Some(turn) = self.state().turns.get_mut(&logged.session_id) {
                    turn.stands = turn.answer.len();
                }
            }
            SessionEvent::ToolPreparing { tool, .. } => self.set_status(logged, format!("Prepares {tool}")),
            SessionEvent::ToolCall { title, .. } => {
                if let Some(turn) = self.state().turns.get_mut(&logged.session_id) {
                    turn.acts = true;
                    turn.status.send_replace(clip(title, 100));
                }
            }
            SessionEvent::Nested { event, .. } => {
                if let SessionEvent::ToolCall { title, .. } = &**event {
                    self.set_status(logged, title.clone());
                }
            }
            SessionEvent::ApprovalRequested { approval } => {
                self.set_status(logged, format!("Waits for you: {}", approval.title));
            }
            SessionEvent::Retry { error, .. } => self.set_status(logged, format!("Tries again: {error}")),
            SessionEvent::Fallback { from, to, error } => {
                self.set_status(logged, format!("Asks {to} instead of {from}: {error}"));
            }
            SessionEvent::QuestionAsked { question } => {
                self.set_status(logged, format!("Asks you: {}", question.text));
            }
            SessionEvent::ToolResult { .. }
            | SessionEvent::ApprovalResolved { .. }
            | SessionEvent::QuestionResolved { .. } => {
                self.set_status(logged, "Thinks".to_owned());
            }
            SessionEvent::Notice { level: NoticeLevel::Info, message } => {
                self.log(Level::Info, message);
            }
            SessionEvent::Notice { level: NoticeLevel::Warning, message } => self.show(Level::Warning, message),
            SessionEvent::Notice { level: NoticeLevel::Error, message } => self.show(Level::Error, message),
            SessionEvent::TurnEnded { stop_reason, error, .. } => {
                let turn = self.state().turns.remove(&logged.session_id);
                self.end(turn, *stop_reason, error.as_deref());
                self.refresh();
            }
            SessionEvent::Changes { turn_id, uris } => {
                let mut state = self.state();
                let session_id = logged.session_id.to_string();
                state.changes.retain(|change| change.turn_id != *turn_id || !uris.contains(&change.uri));
                let changed = uris.iter().map(|uri| Changed {
                    session_id: session_id.clone(),
                    turn_id: turn_id.clone(),
                    uri: uri.clone(),
                });
                state.changes.extend(changed);
            }
            SessionEvent::TurnSteered { .. }
            | SessionEvent::ReasoningDelta { .. }
            | SessionEvent::ToolProgress { .. }
            | SessionEvent::Compaction { .. }
            | SessionEvent::Plan { .. }
            | SessionEvent::ToolsChanged { .. }
            | SessionEvent::TaskStarted { .. }
            | SessionEvent::TaskEnded { .. }
            | SessionEvent::CommandsChanged { .. }
            | SessionEvent::SessionConfigured { .. }
            | SessionEvent::SessionRenamed { .. } => {}
        }
    }

    fn start(&self, session_id: &Arc<str>, turn_id: &str, prompt: &[ContentBlock]) {
        let token = format!("pillion/{turn_id}");
        let (status, statuses) = watch::channel("Thinks".to_owned());
        let title = clip(&first_words(prompt), 60);
        let progress = if self.abilities.progress {
            let title = format!("Pillion: {title}");
            Some(tokio::spawn(progress::show(self.peer.clone(), token.clone(), title, statuses)))
        } else {
            self.log(Level::Info, &format!("Pillion works on: {title}"));
            None
        };
        let turn = Turn {
            token,
            title,
            place: Place::of(prompt),
            answer: String::new(),
            acts: false,
            stands: 0,
            status,
            progress,
        };
        self.state().turns.insert(session_id.clone(), turn);
        self.refresh();
    }

    fn end(&self, turn: Option<Turn>, stop_reason: TurnStopReason, error: Option<&str>) {
        let Some(Turn { title, place, mut answer, progress, .. }) = turn else {
            return self.show_end("", "", stop_reason, error);
        };
        if stop_reason == TurnStopReason::MaxTokens {
            answer.push_str("\n\n(The answer was cut at the token limit.)");
        }
        if !answer.trim().is_empty() {
            let now = place.as_ref().and_then(|place| place.text(&self.workspace));
            self.state().answers.keep(title.clone(), answer.clone(), place, now.as_ref());
        }
        let Some(progress) = progress else { return self.show_end(&title, &answer, stop_reason, error) };
        let (plain, error) = (self.clone(), error.map(str::to_owned));
        tokio::spawn(async move {
            // Some editors show both on one line, and clear it when progress ends.
            let _ = tokio::time::timeout(PROGRESS_END_LIMIT, progress).await;
            plain.show_end(&title, &answer, stop_reason, error.as_deref());
        });
    }

    fn show_end(&self, title: &str, answer: &str, stop_reason: TurnStopReason, error: Option<&str>) {
        match (stop_reason, error) {
            (TurnStopReason::Cancelled, _) => self.show(Level::Info, "Pillion was stopped."),
            (_, Some(error)) => self.show(Level::Error, error),
            (TurnStopReason::TurnLimit, None) => {
                self.show(Level::Warning, "Pillion used up the model calls of one turn. Ask again to go on from here.");
            }
            (TurnStopReason::Refusal, None) => self.show(Level::Warning, "The model declined."),
            (_, None) if answer.trim().is_empty() => self.show(Level::Info, "Pillion is done."),
            (_, None) => self.show_answer(title, answer),
        }
    }

    /// Says something about what the person has just done.
    pub(super) fn tell(&self, message: &str) {
        self.show(Level::Info, message);
    }

    /// Says why a command was not done: most clients put a command's error where nobody looks.
    pub(super) fn tell_failure(&self, message: &str) {
        if self.abilities.is_plain() {
            self.show(Level::Error, message);
        }
    }

    fn show(&self, level: Level, message: &str) {
        self.say("window/showMessage", level, message);
    }

    fn log(&self, level: Level, message: &str) {
        self.say("window/logMessage", level, message);
    }

    fn say(&self, method: &str, level: Level, message: &str) {
        let message = clip(message.trim(), ANSWER_MAX);
        self.peer.notify(method, &json!({ "type": level as u8, "message": message }));
    }

    /// Has the editor ask for code lenses again: there are others now.
    fn refresh(&self) {
        if self.abilities.lens_refresh && self.abilities.is_plain() {
            let asking = self.peer.request("workspace/codeLens/refresh", &Value::Null, REFRESH_LIMIT);
            tokio::spawn(async move {
                if let Err(error) = asking.await {
                    tracing::debug!(%error, "the editor did not ask for code lenses again");
                }
            });
        }
    }

    fn set_status(&self, logged: &LoggedEvent, status: String) {
        if let Some(turn) = self.state().turns.get(&logged.session_id) {
            turn.status.send_replace(clip(&status, 100));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn first_words(prompt: &[ContentBlock]) -> String {
    let text = prompt.iter().filter_map(ContentBlock::words).find_map(|words| {
        let line = words.lines().map(str::trim).find(|line| !line.is_empty());
        line.map(str::to_owned)
    });
    text.unwrap_or_else(|| "a turn".to_owned())
}

/// At most so many characters, with a sign where more were.
pub(super) fn clip(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
