//! Approvals and questions: put before the person, and what came of them.

use std::sync::{Arc, Mutex};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::Hub;
use crate::{
    agent::{Answer, ApprovalRequest, QuestionRequest},
    config::{RuleScope, Rules},
    permission::{self, Rule},
    protocol::{
        Approval, ApprovalDecision, ApprovalListParams, ApprovalListResponse, ApprovalOutcome, ApprovalScope,
        NoticeLevel, Question, QuestionAnswer, QuestionOutcome,
    },
    session::{Session, Waiting},
    sidecar::{AttachmentId, Event, Inquiry, RequestError},
    tool::Answered,
};

impl Hub {
    pub(super) fn list_inquiries(&mut self, params: &ApprovalListParams) -> Result<ApprovalListResponse, RequestError> {
        if let Some(session_id) = &params.session_id {
            self.session(session_id)?;
        }
        let is_meant = |session: &&Session| params.session_id.as_deref().is_none_or(|id| id == &*session.id);
        let (mut approvals, mut questions) = (Vec::new(), Vec::new());
        for inquiry in self.sessions.values().filter(is_meant).flat_map(Session::inquiries) {
            match inquiry.clone() {
                Inquiry::Approval(approval) => approvals.push(approval),
                Inquiry::Question(question) => questions.push(question),
            }
        }
        Ok(ApprovalListResponse { approvals, questions })
    }

    pub(super) fn ask(
        &mut self,
        session_id: &str,
        turn_id: &str,
        mut request: Box<ApprovalRequest>,
        answer: oneshot::Sender<Answer>,
    ) {
        let hub = self.way_back();
        let Some(session) = self.running(session_id, turn_id) else { return };
        let rules = permission::suggest(&request.at_the_gate(&session.workspace.resolved_roots()));
        let diff = request.diff.take();
        let ApprovalRequest { id, call, class, title, paths, command, outside, risk, agent, .. } = (*request).clone();
        let approval = Approval {
            approval_id: Approval::id(turn_id, &id),
            session_id: session.id.to_string(),
            turn_id: turn_id.to_owned(),
            call_id: call.id,
            tool: call.name,
            input: call.input,
            class: class.into(),
            title,
            command,
            paths: paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            outside,
            risk,
            diff: diff.map(Into::into),
            rules: rules.iter().map(Rule::to_string).collect(),
            agent: agent.map(Into::into),
        };
        session.open(Waiting::approval(approval, request, answer), &hub);
    }

    pub(super) fn ask_question(
        &mut self,
        session_id: &str,
        turn_id: &str,
        request: QuestionRequest,
        answer: oneshot::Sender<Answered>,
    ) {
        let number = self.next_question;
        let hub = self.way_back();
        let Some(session) = self.running(session_id, turn_id) else { return };
        let QuestionRequest { call_id, question, agent } = request;
        let question = Question {
            question_id: format!("{}-q{}-{number}", session.id, session.last_seq + 1),
            session_id: session.id.to_string(),
            turn_id: turn_id.to_owned(),
            call_id,
            agent: agent.map(Into::into),
            text: question.text,
            choices: question.choices.into_iter().map(Into::into).collect(),
            allows_text: question.allows_text,
        };
        session.open(Waiting::question(question, answer), &hub);
        self.next_question += 1;
    }

    /// Takes an answer to a question. False if another one came before, or there is no such question.
    ///
    /// # Errors
    /// If it is no answer to this question, which stays open.
    pub(super) fn answer_question(
        &mut self,
        session_id: &str,
        question_id: &str,
        answer: QuestionAnswer,
    ) -> Result<bool, RequestError> {
        let Some(session) = self.sessions.get_mut(session_id) else { return Ok(false) };
        let Some(question) = session.question(question_id) else { return Ok(false) };
        let wrong = match &answer {
            QuestionAnswer::Choice { index } if *index >= question.choices.len() => {
                Some(format!("There is no choice {index}: there are {}, counted from 0.", question.choices.len()))
            }
            QuestionAnswer::Text { .. } if !question.allows_text => {
                Some("This question wants one of its choices, not words.".to_owned())
            }
            QuestionAnswer::Choice { .. } | QuestionAnswer::Text { .. } | QuestionAnswer::Decline => None,
        };
        match wrong {
            Some(wrong) => Err(RequestError::new(RequestError::INVALID_PARAMS, wrong)),
            None => Ok(session.resolve_question(question_id, QuestionOutcome::Answered { answer })),
        }
    }

    pub(super) fn cannot_ask(&mut self, session_id: &str, id: &str, client: AttachmentId) {
        if let Some(session) = self.sessions.get_mut(session_id) {
            session.cannot_ask(id, client);
        }
    }

    /// Puts what waits before a client that has just come.
    pub(super) fn ask_again(&mut self, session_id: &str, id: AttachmentId) {
        let hub = self.way_back();
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let waiting: Vec<String> = session.inquiries().map(|inquiry| inquiry.id().to_owned()).collect();
        for inquiry in waiting {
            session.put(&inquiry, id, &hub);
        }
    }

    pub(super) fn decide(&mut self, session_id: &str, approval_id: &str, decision: ApprovalDecision) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        // What comes too late changes nothing, and its rules are not kept either.
        if session.approval(approval_id).is_none() {
            return;
        }
        let mut silenced = Vec::new();
        let (answer, outcome) = match decision {
            ApprovalDecision::Allow { scope, input, hunks, rules } => {
                let rules = match rules {
                    Some(rules) if scope != ApprovalScope::Once => understood(session, &rules),
                    _ => session.rules_of(approval_id),
                };
                if scope != ApprovalScope::Once {
                    silenced = session.add_rules(&rules);
                }
                let kept_in = match scope {
                    ApprovalScope::Once | ApprovalScope::Session => None,
                    ApprovalScope::Project => Some(RuleScope::Project(session.workspace.roots())),
                    ApprovalScope::User => Some(RuleScope::User),
                };
                if let Some(kept_in) = kept_in {
                    store_rules(&mut self.storing, session.id.clone(), kept_in, rules, self.sender.clone());
                }
                (Answer::Allow { input, hunks }, ApprovalOutcome::Allowed { scope })
            }
            ApprovalDecision::Deny { reason } => {
                (Answer::Deny { reason: reason.clone() }, ApprovalOutcome::Denied { reason })
            }
            ApprovalDecision::Nobody { reason } => {
                (Answer::Nobody { reason: reason.clone() }, ApprovalOutcome::Nobody { reason })
            }
            ApprovalDecision::CancelTurn => (Answer::CancelTurn, ApprovalOutcome::Cancelled),
        };
        let cancel = answer == Answer::CancelTurn;
        if session.resolve(approval_id, answer, outcome.clone()) && cancel {
            session.cancel();
        }
        // Among them is the one that was answered, which is closed by now.
        for other in silenced {
            session.resolve(&other, Answer::Allow { input: None, hunks: None }, outcome.clone());
        }
    }
}

/// The rules that the person wrote. One that makes no sense is kept nowhere, which they are told.
fn understood(session: &mut Session, written: &[String]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for rule in written {
        match rule.parse() {
            Ok(rule) => rules.push(rule),
            Err(error) => session.notice(NoticeLevel::Warning, format!("A rule was not kept: {error}")),
        }
    }
    rules
}

/// Keeps rules on a thread of its own: the disk may be slow, and the hub waits for none.
fn store_rules(
    storing: &mut JoinSet<()>,
    session_id: Arc<str>,
    scope: RuleScope,
    rules: Vec<Rule>,
    hub: mpsc::UnboundedSender<Event>,
) {
    /// Adding one reads, changes and writes a file.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    while storing.try_join_next().is_some() {}
    storing.spawn_blocking(move || {
        let _alone = ONE_AT_A_TIME.lock();
        if let Err(error) = rules.iter().try_for_each(|rule| Rules::add(&scope, &rule.to_string())) {
            let _ = hub.send(Event::RuleNotStored { session_id, error: error.to_string() });
        }
    });
}
