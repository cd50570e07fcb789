//! Clients without a plugin: a turn, an approval and an answer by what every LSP client has.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{editor::PERSON_LIMIT, handshake::Abilities};
use crate::{
    protocol::{
        Approval, ApprovalDecision, ApprovalScope, Choice, ContentBlock, NoticeLevel, Question, QuestionAnswer,
        SessionEvent, TurnStopReason,
    },
    rpc::Peer,
    sidecar::LoggedEvent,
};

/// Between two reports of one turn's progress: as often as an eye follows.
const REPORT_EVERY: Duration = Duration::from_millis(100);
const CREATE_LIMIT: Duration = Duration::from_secs(5);
/// Of the final answer in `window/showMessage`, in characters; a popup holds no more.
const ANSWER_MAX: usize = 8_000;
/// Of a command or a diff in a question, in characters.
const DETAIL_MAX: usize = 2_000;

const ALLOW: &str = "Allow";
const ALLOW_SESSION: &str = "Allow for this session";
const DENY: &str = "Deny";
const STOP: &str = "Stop the turn";
const DECLINE: &str = "Decide yourself";

/// What a client without a plugin is shown.
#[derive(Clone)]
pub(super) struct Plain {
    peer: Peer,
    abilities: Abilities,
    /// The running turns, by session.
    turns: Arc<Mutex<HashMap<Arc<str>, Turn>>>,
}

struct Turn {
    /// What `$/progress` calls it.
    token: String,
    /// The answer since the last tool call.
    answer: String,
    /// How much of `answer` cannot be withdrawn any more.
    stands: usize,
    /// What it is doing, in a line. Dropped at its end.
    status: watch::Sender<String>,
}

/// LSP's `MessageType`.
#[derive(Clone, Copy)]
enum Level {
    Error = 1,
    Warning = 2,
    Info = 3,
}

impl Plain {
    pub(super) fn new(peer: Peer, abilities: Abilities) -> Self {
        Self { peer, abilities, turns: Arc::default() }
    }

    /// The session whose turn the editor shows under this token.
    pub(super) fn session(&self, token: &Value) -> Option<Arc<str>> {
        let turns = self.turns();
        turns.iter().find(|(_, turn)| token == turn.token.as_str()).map(|(session_id, _)| session_id.clone())
    }

    pub(super) fn event(&self, logged: &LoggedEvent) {
        match &logged.event {
            SessionEvent::TurnStarted { turn_id, prompt } => self.start(&logged.session_id, turn_id, prompt),
            SessionEvent::MessageDelta { text } => {
                if let Some(turn) = self.turns().get_mut(&logged.session_id) {
                    if turn.answer.len() < ANSWER_MAX * 4 {
                        turn.answer.push_str(text);
                    }
                    let line = turn.answer.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
                    turn.status.send_replace(clip(line, 100));
                }
            }
            SessionEvent::Superseded => {
                if let Some(turn) = self.turns().get_mut(&logged.session_id) {
                    turn.answer.truncate(turn.stands);
                }
            }
            SessionEvent::Usage { .. } => {
                if let Some(turn) = self.turns().get_mut(&logged.session_id) {
                    turn.stands = turn.answer.len();
                }
            }
            SessionEvent::ToolPreparing { tool, .. } => self.set_status(logged, format!("Prepares {tool}")),
            SessionEvent::ToolCall { title, .. } => {
                if let Some(turn) = self.turns().get_mut(&logged.session_id) {
                    turn.answer.clear();
                    turn.stands = 0;
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
                self.peer.notify("window/logMessage", &json!({ "type": Level::Info as u8, "message": message }));
            }
            SessionEvent::Notice { level: NoticeLevel::Warning, message } => self.show(Level::Warning, message),
            SessionEvent::Notice { level: NoticeLevel::Error, message } => self.show(Level::Error, message),
            SessionEvent::TurnEnded { stop_reason, error, .. } => {
                let answer = self.turns().remove(&logged.session_id).map(|turn| turn.answer).unwrap_or_default();
                self.end(&answer, *stop_reason, error.as_deref());
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
            | SessionEvent::SessionConfigured { .. } => {}
        }
    }

    /// Asks by `window/showMessageRequest`. A question that is closed without a choice is a refusal; `None` if the
    /// editor cannot ask.
    pub(super) async fn ask(&self, approval: &Approval) -> Option<ApprovalDecision> {
        let (question, is_whole) = question(approval);
        // A rule for a command that nobody has seen whole is not to be had here.
        let has_rule = !approval.rules.is_empty() && (is_whole || approval.command.is_none());
        let mut actions = vec![ALLOW, ALLOW_SESSION, DENY, STOP];
        actions.retain(|action| *action != ALLOW_SESSION || has_rule);
        let actions: Vec<_> = actions.iter().map(|title| json!({ "title": title })).collect();
        let is_risky = approval.risk.is_some() || approval.outside || !is_whole;
        let level = if is_risky { Level::Warning } else { Level::Info };
        let params = json!({ "type": level as u8, "message": question, "actions": actions });
        let answer = match self.peer.call::<Value>("window/showMessageRequest", &params, PERSON_LIMIT).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "an approval could not be shown");
                self.unanswered(approval);
                return None;
            }
        };
        let allow = |scope| ApprovalDecision::Allow { scope, input: None, hunks: None };
        Some(match answer["title"].as_str() {
            Some(ALLOW) => allow(ApprovalScope::Once),
            Some(ALLOW_SESSION) => allow(ApprovalScope::Session),
            Some(STOP) => ApprovalDecision::CancelTurn,
            Some(DENY) => ApprovalDecision::Deny { reason: None },
            _ => ApprovalDecision::Deny { reason: Some("The question was closed without an answer.".to_owned()) },
        })
    }

    /// Asks by `window/showMessageRequest`, which can offer choices and nothing else. `None` if that will not do.
    pub(super) async fn ask_question(&self, question: &Question) -> Option<QuestionAnswer> {
        if question.choices.is_empty() {
            return None;
        }
        let mut message = format!("Pillion asks: {}", clip(question.text.trim(), DETAIL_MAX));
        for Choice { label, description } in &question.choices {
            if let Some(description) = description {
                message.push_str(&format!("\n- {label}: {}", clip(description, DETAIL_MAX / 10)));
            }
        }
        let labels = question.choices.iter().map(|choice| choice.label.as_str());
        let actions: Vec<_> = labels.chain([DECLINE]).map(|title| json!({ "title": title })).collect();
        let params = json!({ "type": Level::Info as u8, "message": message, "actions": actions });
        let answer = self.peer.call::<Value>("window/showMessageRequest", &params, PERSON_LIMIT).await;
        let answer = answer.inspect_err(|error| tracing::warn!(%error, "a question could not be shown")).ok()?;
        let chosen = question.choices.iter().position(|choice| answer["title"] == choice.label.as_str());
        Some(chosen.map_or(QuestionAnswer::Decline, |index| QuestionAnswer::Choice { index }))
    }

    /// Says that an approval is still open, though nobody sees it.
    pub(super) fn unanswered(&self, approval: &Approval) {
        let message = format!(
            "Pillion waits for an approval that this editor did not show or answer: {}. Answer it with approval/respond \
             or the plugin's list of approvals, or stop the turn with the command pillion.stop.",
            approval.title
        );
        self.show(Level::Warning, &message);
    }

    fn start(&self, session_id: &Arc<str>, turn_id: &str, prompt: &[ContentBlock]) {
        let token = format!("pillion/{turn_id}");
        let (status, statuses) = watch::channel("Thinks".to_owned());
        if self.abilities.progress {
            let title = format!("Pillion: {}", clip(&first_words(prompt), 60));
            tokio::spawn(show_progress(self.peer.clone(), token.clone(), title, statuses));
        }
        self.turns().insert(session_id.clone(), Turn { token, answer: String::new(), stands: 0, status });
    }

    fn end(&self, answer: &str, stop_reason: TurnStopReason, error: Option<&str>) {
        match (stop_reason, error) {
            (TurnStopReason::Cancelled, _) => self.show(Level::Info, "Pillion was stopped."),
            (_, Some(error)) => self.show(Level::Error, error),
            (TurnStopReason::TurnLimit, None) => {
                self.show(Level::Warning, "Pillion used up the model calls of one turn. Ask again to go on from here.");
            }
            (TurnStopReason::MaxTokens, None) => {
                self.show(Level::Warning, &format!("{answer}\n\n(The answer was cut at the token limit.)"));
            }
            (TurnStopReason::Refusal, None) => self.show(Level::Warning, "The model declined."),
            (_, None) if answer.trim().is_empty() => self.show(Level::Info, "Pillion is done."),
            (_, None) => self.show(Level::Info, answer),
        }
    }

    fn show(&self, level: Level, message: &str) {
        let message = clip(message.trim(), ANSWER_MAX);
        self.peer.notify("window/showMessage", &json!({ "type": level as u8, "message": message }));
    }

    fn set_status(&self, logged: &LoggedEvent, status: String) {
        if let Some(turn) = self.turns().get(&logged.session_id) {
            turn.status.send_replace(clip(&status, 100));
        }
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<Arc<str>, Turn>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows one turn until its status is dropped. Only the latest status counts, so a slow editor costs nothing.
async fn show_progress(peer: Peer, token: String, title: String, mut statuses: watch::Receiver<String>) {
    let created = peer.request("window/workDoneProgress/create", &json!({ "token": token }), CREATE_LIMIT).await;
    if let Err(error) = created {
        tracing::info!(%error, "the editor shows no progress");
        return;
    }
    let report = |value: Value| peer.notify("$/progress", &json!({ "token": token, "value": value }));
    let status = statuses.borrow_and_update().clone();
    report(json!({ "kind": "begin", "title": title, "message": status, "cancellable": true }));
    while statuses.changed().await.is_ok() {
        peer.writable().await;
        let status = statuses.borrow_and_update().clone();
        report(json!({ "kind": "report", "message": status, "cancellable": true }));
        tokio::time::sleep(REPORT_EVERY).await;
    }
    report(json!({ "kind": "end" }));
}

/// What the person is asked, and whether it shows the whole command or diff.
fn question(approval: &Approval) -> (String, bool) {
    let who = approval.agent.as_ref().map(|agent| format!("'s agent {}", agent.name)).unwrap_or_default();
    let mut question = format!("Pillion{who} wants to: {}", approval.title);
    if approval.outside {
        question.push_str("\nThis is outside the workspace.");
    }
    if let Some(risk) = &approval.risk {
        question.push('\n');
        question.push_str(risk);
    }
    let input = approval.telling_input();
    let detail = approval.diff.as_ref().map(|diff| diff.unified.as_str()).or(approval.command.as_deref());
    let detail = detail.or(input.as_deref()).map(str::trim_end).unwrap_or_default();
    if !detail.is_empty() {
        question.push_str("\n\n");
    }
    match ends(detail, DETAIL_MAX / 2) {
        None => question.push_str(detail),
        Some((head, hidden, tail)) => {
            question.push_str(&format!("{head}\n[{hidden} characters are not shown]\n{tail}"));
            return (question, false);
        }
    }
    (question, true)
}

/// So many characters of both ends, and how many stand between them; `None` if none do.
fn ends(text: &str, each: usize) -> Option<(&str, usize, &str)> {
    let hidden = text.chars().count().checked_sub(2 * each).filter(|hidden| *hidden > 0)?;
    let (head_end, _) = text.char_indices().nth(each)?;
    let (tail_start, _) = text.char_indices().nth(each + hidden)?;
    Some((&text[..head_end], hidden, &text[tail_start..]))
}

fn first_words(prompt: &[ContentBlock]) -> String {
    let text = prompt.iter().filter_map(ContentBlock::words).find_map(|words| {
        let line = words.lines().map(str::trim).find(|line| !line.is_empty());
        line.map(str::to_owned)
    });
    text.unwrap_or_else(|| "a turn".to_owned())
}

/// At most so many characters, with a sign where more were.
fn clip(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
