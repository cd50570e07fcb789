//! What waits for the person, in an editor without a plugin.
//!
//! It is put before them by `window/showMessageRequest`. Some editors refuse that, some never answer it, some answer
//! with something else. So whatever waits can be answered by code actions and commands as well, from the first moment;
//! and an editor that has neither is not waited for.

use std::{future::pending, time::Duration};

use serde_json::{Value, json};
use tokio::select;

use super::{Level, Plain, clip};
use crate::{
    face::PERSON_LIMIT,
    protocol::{Approval, ApprovalDecision, ApprovalScope, Choice, Question, QuestionAnswer},
    rpc::CallError,
    sidecar::Inquiry,
};

/// How long a question may be open before the person is told of the other ways to answer it. Chosen: who sees a popup
/// has answered or is reading it.
const REMIND_AFTER: Duration = Duration::from_secs(10);
/// Of a command or a diff in a question, in characters.
const DETAIL_MAX: usize = 2_000;

const ALLOW: &str = "Allow";
const ALLOW_SESSION: &str = "Allow for this session";
const DENY: &str = "Deny";
const STOP: &str = "Stop the turn";
const DECLINE: &str = "Decide yourself";

/// What came of a popup.
enum Popup {
    /// The title of what was chosen; none if it was closed.
    Chosen(Option<String>),
    /// The editor cannot show it, or said nothing that makes sense.
    Failed,
    /// There is no editor any more.
    Gone,
}

/// Lists what waits as long as it does.
struct Listed<'a> {
    plain: &'a Plain,
    id: String,
}

impl<'a> Listed<'a> {
    fn new(plain: &'a Plain, inquiry: Inquiry) -> Self {
        let id = inquiry.id().to_owned();
        plain.state().waiting.push(inquiry);
        plain.refresh();
        Self { plain, id }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.plain.state().waiting.retain(|inquiry| inquiry.id() != self.id);
        self.plain.refresh();
    }
}

impl Plain {
    /// Puts an approval before the person. A question that is closed without a choice is a refusal, and so is an editor
    /// that can show nothing at all; `None` if it is gone.
    pub(in crate::face::lsp) async fn ask(&self, approval: &Approval) -> Option<ApprovalDecision> {
        let _listed = Listed::new(self, Inquiry::Approval(approval.clone()));
        let (question, is_whole) = question(approval);
        let mut actions = vec![ALLOW, ALLOW_SESSION, DENY, STOP];
        actions.retain(|action| *action != ALLOW_SESSION || has_rule(approval));
        let is_risky = approval.risk.is_some() || approval.outside || !is_whole;
        let level = if is_risky { Level::Warning } else { Level::Info };
        let allow = |scope| ApprovalDecision::Allow { scope, input: None, hunks: None, rules: None };
        let chosen = match self.popup(level, &question, &actions, &approval.title).await {
            Popup::Chosen(chosen) => chosen,
            Popup::Gone => return None,
            Popup::Failed if self.has_other_ways() => {
                self.tell_other_ways(&approval.title);
                return pending().await;
            }
            Popup::Failed => {
                let reason = "this editor shows no questions, and has no code actions and no commands to answer them \
                              with. The person can allow it by a laxer `mode` or by a rule.";
                let title = &approval.title;
                self.log(Level::Warning, &format!("Not done, because nobody could be asked: {title}: {reason}"));
                return Some(ApprovalDecision::Nobody { reason: reason.to_owned() });
            }
        };
        Some(match chosen.as_deref() {
            Some(ALLOW) => allow(ApprovalScope::Once),
            Some(ALLOW_SESSION) => allow(ApprovalScope::Session),
            Some(STOP) => ApprovalDecision::CancelTurn,
            Some(DENY) => ApprovalDecision::Deny { reason: None },
            _ => ApprovalDecision::Deny { reason: Some("The question was closed without an answer.".to_owned()) },
        })
    }

    /// Puts a question before the person, if it has choices: words cannot be asked for. `None` if that will not do.
    pub(in crate::face::lsp) async fn ask_question(&self, question: &Question) -> Option<QuestionAnswer> {
        if question.choices.is_empty() {
            return None;
        }
        let _listed = Listed::new(self, Inquiry::Question(question.clone()));
        let mut message = format!("Pillion asks: {}", clip(question.text.trim(), DETAIL_MAX));
        for Choice { label, description } in &question.choices {
            if let Some(description) = description {
                message.push_str(&format!("\n- {label}: {}", clip(description, DETAIL_MAX / 10)));
            }
        }
        let mut labels: Vec<_> = question.choices.iter().map(|choice| choice.label.as_str()).collect();
        labels.push(DECLINE);
        let chosen = match self.popup(Level::Info, &message, &labels, &question.text).await {
            Popup::Chosen(chosen) => chosen,
            Popup::Failed if self.has_other_ways() => {
                self.tell_other_ways(&question.text);
                return pending().await;
            }
            Popup::Failed | Popup::Gone => return None,
        };
        let index = question.choices.iter().position(|choice| chosen.as_deref() == Some(choice.label.as_str()));
        Some(index.map_or(QuestionAnswer::Decline, |index| QuestionAnswer::Choice { index }))
    }

    /// Says that an approval is still open, though nobody sees it.
    pub(in crate::face::lsp) fn unanswered(&self, approval: &Approval) {
        let message = format!(
            "Pillion waits for an approval that this editor did not show or answer: {}. Answer it with approval/respond \
             or the plugin's list of approvals, or stop the turn.",
            approval.title
        );
        self.show(Level::Warning, &message);
    }

    /// Offers choices. `None` if they cannot be shown, and in it `None` if nothing was chosen.
    pub(in crate::face::lsp) async fn choose(&self, message: &str, titles: &[&str]) -> Option<Option<String>> {
        match self.message_request(Level::Info, message, titles).await {
            Popup::Chosen(chosen) => Some(chosen),
            Popup::Failed | Popup::Gone => None,
        }
    }

    /// What waits, in the order in which it came.
    pub(in crate::face::lsp) fn waiting(&self) -> Vec<Inquiry> {
        self.state().waiting.clone()
    }

    async fn popup(&self, level: Level, message: &str, titles: &[&str], what: &str) -> Popup {
        let mut asking = std::pin::pin!(self.message_request(level, message, titles));
        select! {
            biased;
            answer = &mut asking => answer,
            () = tokio::time::sleep(REMIND_AFTER) => {
                if self.has_other_ways() {
                    self.tell_other_ways(what);
                }
                asking.await
            }
        }
    }

    async fn message_request(&self, level: Level, message: &str, titles: &[&str]) -> Popup {
        let actions: Vec<_> = titles.iter().map(|title| json!({ "title": title })).collect();
        let params = json!({ "type": level as u8, "message": message, "actions": actions });
        match self.peer.call::<Value>("window/showMessageRequest", &params, PERSON_LIMIT).await {
            Ok(Value::Null) => Popup::Chosen(None),
            Ok(answer) => match answer["title"].as_str().filter(|title| titles.contains(title)) {
                Some(title) => Popup::Chosen(Some(title.to_owned())),
                None => {
                    tracing::warn!(%answer, "the editor answered a question with what was not offered");
                    Popup::Failed
                }
            },
            Err(CallError::Closed { .. }) => Popup::Gone,
            Err(error) => {
                tracing::warn!(%error, "a question could not be shown");
                Popup::Failed
            }
        }
    }

    fn has_other_ways(&self) -> bool {
        self.abilities.code_actions || self.abilities.commands
    }

    fn tell_other_ways(&self, what: &str) {
        let message = format!(
            "Pillion waits for you: {}. Answer by a code action (anywhere in a file), or by the command pillion.approve \
             or pillion.deny.",
            clip(what, 200)
        );
        self.show(Level::Warning, &message);
    }
}

/// What an approval is about, in full.
pub(in crate::face::lsp) fn detail(approval: &Approval) -> String {
    let diff = approval.diff.as_ref().map(|diff| diff.unified.clone());
    let detail = diff.or_else(|| approval.command.clone()).or_else(|| approval.telling_input());
    detail.unwrap_or_default().trim_end().to_owned()
}

/// Whether a rule for the session is to be had here. For a command that nobody has seen whole it is not.
pub(in crate::face::lsp) fn has_rule(approval: &Approval) -> bool {
    let is_whole = ends(&detail(approval), DETAIL_MAX / 2).is_none();
    !approval.rules.is_empty() && (is_whole || approval.command.is_none())
}

/// What the person is asked, and whether it shows the whole command or diff.
fn question(approval: &Approval) -> (String, bool) {
    let mut question = headline(approval);
    let detail = detail(approval);
    if !detail.is_empty() {
        question.push_str("\n\n");
    }
    match ends(&detail, DETAIL_MAX / 2) {
        None => question.push_str(&detail),
        Some((head, hidden, tail)) => {
            question.push_str(&format!("{head}\n[{hidden} characters are not shown]\n{tail}"));
            return (question, false);
        }
    }
    (question, true)
}

/// Who wants what, and what is risky about it.
pub(in crate::face::lsp) fn headline(approval: &Approval) -> String {
    let who = approval.agent.as_ref().map(|agent| format!("'s agent {}", agent.name)).unwrap_or_default();
    let mut headline = format!("Pillion{who} wants to: {}", approval.title);
    if approval.outside {
        headline.push_str("\nThis is outside the workspace.");
    }
    if let Some(risk) = &approval.risk {
        headline.push('\n');
        headline.push_str(risk);
    }
    headline
}

/// So many characters of both ends, and how many stand between them; `None` if none do.
fn ends(text: &str, each: usize) -> Option<(&str, usize, &str)> {
    let hidden = text.chars().count().checked_sub(2 * each).filter(|hidden| *hidden > 0)?;
    let (head_end, _) = text.char_indices().nth(each)?;
    let (tail_start, _) = text.char_indices().nth(each + hidden)?;
    Some((&text[..head_end], hidden, &text[tail_start..]))
}
