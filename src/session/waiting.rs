//! What waits for a person: calls at the gate, and questions.

use std::sync::PoisonError;

use tokio::{sync::oneshot, task::AbortHandle};

use super::{AttachmentId, Hub, Session, Signal};
use crate::{
    agent::{Answer, ApprovalRequest},
    permission::{self, Decision, Rule},
    protocol::{Approval, ApprovalDecision, ApprovalOutcome, Question, QuestionAnswer, QuestionOutcome, SessionEvent},
    tool::Answered,
};

/// What is put before a person.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a person is asked a few things at a time")]
pub enum Inquiry {
    Approval(Approval),
    Question(Question),
}

/// What the person says to an [`Inquiry`] of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Approval(ApprovalDecision),
    Question(QuestionAnswer),
}

/// An inquiry that nobody has answered yet. Its turn goes on when it is resolved.
pub struct Waiting {
    pub inquiry: Inquiry,
    way_back: WayBack,
    /// What asks each client; aborting one withdraws it.
    asking: Vec<(AttachmentId, AbortHandle)>,
}

enum WayBack {
    /// With what the policy is asked about.
    Approval(Box<ApprovalRequest>, oneshot::Sender<Answer>),
    Question(oneshot::Sender<Answered>),
}

impl Inquiry {
    pub fn id(&self) -> &str {
        match self {
            Self::Approval(approval) => &approval.approval_id,
            Self::Question(question) => &question.question_id,
        }
    }
}

impl Waiting {
    pub fn approval(approval: Approval, request: Box<ApprovalRequest>, answer: oneshot::Sender<Answer>) -> Self {
        Self { inquiry: Inquiry::Approval(approval), way_back: WayBack::Approval(request, answer), asking: Vec::new() }
    }

    pub fn question(question: Question, answer: oneshot::Sender<Answered>) -> Self {
        Self { inquiry: Inquiry::Question(question), way_back: WayBack::Question(answer), asking: Vec::new() }
    }

    /// Withdraws what asks this client.
    pub(super) fn withdraw(&mut self, client: AttachmentId) {
        self.asking.retain(|(asked, handle)| {
            if *asked == client {
                handle.abort();
            }
            *asked != client
        });
    }
}

impl Session {
    /// Opens an inquiry: the log has it, and every client that is up to date is asked.
    pub fn open(&mut self, waiting: Waiting, hub: &Hub) {
        let Some(turn) = self.turn.as_mut().filter(|turn| !turn.cancel.is_cancelled()) else { return };
        let id = waiting.inquiry.id().to_owned();
        let event = match waiting.inquiry.clone() {
            // Who saw it before a restart need not see it again, unless it shows something else now.
            Inquiry::Approval(approval) if turn.reopens(&approval) => None,
            Inquiry::Approval(approval) => Some(SessionEvent::ApprovalRequested { approval }),
            Inquiry::Question(question) => Some(SessionEvent::QuestionAsked { question }),
        };
        turn.waiting.push(waiting);
        if let Some(event) = event {
            self.append(event);
            self.log.sync();
        }
        let live: Vec<_> = self.watchers.iter().filter(|watcher| watcher.is_live()).map(|watcher| watcher.id).collect();
        for client in live {
            self.put(&id, client, hub);
        }
    }

    /// Puts an open inquiry before one client; its answer comes to the hub.
    pub fn put(&mut self, id: &str, client: AttachmentId, hub: &Hub) {
        let Some(watcher) = self.watchers.iter().find(|watcher| watcher.id == client) else { return };
        let waiting =
            self.turn.iter_mut().flat_map(|turn| &mut turn.waiting).find(|waiting| waiting.inquiry.id() == id);
        let Some(waiting) = waiting else { return };
        waiting.asking.retain(|(_, handle)| !handle.is_finished());
        if waiting.asking.iter().any(|(asked, _)| *asked == client) {
            return;
        }
        let answer = watcher.attachment.ask(waiting.inquiry.clone());
        let (session_id, id, hub) = (self.id.clone(), id.to_owned(), hub.clone());
        let asking = tokio::spawn(async move {
            let verdict = answer.await;
            hub.tell(Signal::Answered { session_id, id, client, verdict });
        });
        waiting.asking.push((client, asking.abort_handle()));
    }

    /// What waits, in the order in which it came.
    pub fn inquiries(&self) -> impl Iterator<Item = &Inquiry> {
        self.turn.iter().flat_map(|turn| &turn.waiting).map(|waiting| &waiting.inquiry)
    }

    /// An approval that is open.
    pub fn approval(&self, approval_id: &str) -> Option<&Approval> {
        self.inquiries().find_map(|inquiry| match inquiry {
            Inquiry::Approval(approval) if approval.approval_id == approval_id => Some(approval),
            Inquiry::Approval(_) | Inquiry::Question(_) => None,
        })
    }

    /// The rules an approval offers, as the person saw them.
    pub fn rules_of(&self, approval_id: &str) -> Vec<Rule> {
        let rules = self.approval(approval_id).into_iter().flat_map(|approval| &approval.rules);
        rules.filter_map(|rule| rule.parse().ok()).collect()
    }

    /// The open approvals, by their ids, of calls that the policy allows as it is now.
    pub(super) fn allowed(&self) -> Vec<String> {
        let policy = self.policy.read().unwrap_or_else(PoisonError::into_inner);
        let roots = self.workspace.resolved_roots();
        let waiting = self.turn.iter().flat_map(|turn| &turn.waiting);
        let allowed = waiting.filter(|waiting| match &waiting.way_back {
            WayBack::Approval(request, _) => {
                permission::decide(&policy, &request.at_the_gate(&roots)) == Decision::Allow
            }
            WayBack::Question(_) => false,
        });
        allowed.map(|waiting| waiting.inquiry.id().to_owned()).collect()
    }

    /// The choices of an open question.
    pub fn question(&self, question_id: &str) -> Option<&Question> {
        self.inquiries().find_map(|inquiry| match inquiry {
            Inquiry::Question(question) if question.question_id == question_id => Some(question),
            Inquiry::Approval(_) | Inquiry::Question(_) => None,
        })
    }

    /// Resolves an open approval: the call goes on, the log has it, and every client closes what showed it. False if
    /// it was resolved before.
    pub fn resolve(&mut self, approval_id: &str, answer: Answer, outcome: ApprovalOutcome) -> bool {
        let Some(WayBack::Approval(_, way_back)) = self.close(approval_id, |way| matches!(way, WayBack::Approval(..)))
        else {
            return false;
        };
        self.append(SessionEvent::ApprovalResolved { approval_id: approval_id.to_owned(), outcome });
        self.log.sync();
        // The receiver is gone only if the turn was cancelled meanwhile, which has its own way out.
        let _ = way_back.send(answer);
        true
    }

    /// Resolves an open question in the same way.
    pub fn resolve_question(&mut self, question_id: &str, outcome: QuestionOutcome) -> bool {
        let Some(WayBack::Question(way_back)) = self.close(question_id, |way| matches!(way, WayBack::Question(_)))
        else {
            return false;
        };
        let answered = match &outcome {
            QuestionOutcome::Answered { answer } => answer.clone().into(),
            QuestionOutcome::Nobody => Answered::Nobody,
            QuestionOutcome::Cancelled => Answered::Declined,
        };
        self.append(SessionEvent::QuestionResolved { question_id: question_id.to_owned(), outcome });
        self.log.sync();
        let _ = way_back.send(answered);
        true
    }

    /// Takes an inquiry off the list and withdraws it everywhere.
    fn close(&mut self, id: &str, is_kind: impl Fn(&WayBack) -> bool) -> Option<WayBack> {
        let waiting = &mut self.turn.as_mut()?.waiting;
        let at = waiting.iter().position(|waiting| waiting.inquiry.id() == id && is_kind(&waiting.way_back))?;
        let Waiting { way_back, asking, .. } = waiting.remove(at);
        for (_, handle) in asking {
            handle.abort();
        }
        Some(way_back)
    }

    /// A client cannot put this before a person. An approval stays open for whoever may still answer; a question that
    /// nobody is asked any more is the model's to decide.
    pub fn cannot_ask(&mut self, id: &str, client: AttachmentId) {
        let waiting =
            self.turn.iter_mut().flat_map(|turn| &mut turn.waiting).find(|waiting| waiting.inquiry.id() == id);
        if let Some(waiting) = waiting {
            waiting.asking.retain(|(asked, _)| *asked != client);
        }
        self.give_up_questions();
    }

    /// Resolves the questions that no client shows. One that is still being shown the past will be asked; without any, the
    /// turn is cancelled.
    pub(super) fn give_up_questions(&mut self) {
        if self.watchers.is_empty() || self.watchers.iter().any(|watcher| !watcher.is_live()) {
            return;
        }
        let waiting = self.turn.iter().flat_map(|turn| &turn.waiting);
        let unasked =
            waiting.filter(|waiting| waiting.asking.is_empty()).filter_map(|waiting| match &waiting.inquiry {
                Inquiry::Question(question) => Some(question.question_id.clone()),
                Inquiry::Approval(_) => None,
            });
        for question_id in unasked.collect::<Vec<_>>() {
            self.resolve_question(&question_id, QuestionOutcome::Nobody);
        }
    }

    pub(super) fn cancel_inquiries(&mut self) {
        self.cancel_those(|_| true);
    }

    /// Closes what nobody waits for any more: its call has ended.
    pub fn withdraw_unwanted(&mut self) {
        self.cancel_those(|waiting| match &waiting.way_back {
            WayBack::Approval(_, answer) => answer.is_closed(),
            WayBack::Question(answer) => answer.is_closed(),
        });
    }

    fn cancel_those(&mut self, which: impl Fn(&Waiting) -> bool) {
        let waiting = self.turn.iter().flat_map(|turn| &turn.waiting);
        let these: Vec<Inquiry> = waiting.filter(|one| which(one)).map(|one| one.inquiry.clone()).collect();
        for inquiry in these {
            match inquiry {
                Inquiry::Approval(approval) => {
                    self.resolve(&approval.approval_id, Answer::CancelTurn, ApprovalOutcome::Cancelled)
                }
                Inquiry::Question(question) => self.resolve_question(&question.question_id, QuestionOutcome::Cancelled),
            };
        }
    }
}
