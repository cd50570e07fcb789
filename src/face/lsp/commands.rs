//! `workspace/executeCommand`: what a person without a plugin does with Pillion.
//!
//! A command answers at once, since some editors stand still until it has: what takes longer, a choice of the person's
//! for example, goes on by itself.

mod arguments;
mod changes;
mod choices;
mod sessions;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::arguments::Arguments;
pub(super) use self::sessions::Sessions;
use super::{offers::described, plain::Plain};
use crate::{
    protocol::{
        Approval, ApprovalDecision, ApprovalRespondParams, ApprovalRespondResponse, QuestionAnswer,
        QuestionRespondParams, QuestionRespondResponse, Request, TurnCancelParams, TurnCancelResponse,
    },
    rpc::Error,
    sidecar::{AttachmentId, Inquiry, Sidecar},
};

/// Runs a prompt: in one or more strings, or as [`Arguments`]. Answers `{ sessionId, turnId }` when the turn has begun.
pub(super) const ASK: &str = "pillion.ask";
/// Stops what `pillion.ask` started: `{ "sessionId": string }`, or all of it. Answers `{ cancelled: number }`.
pub(super) const STOP: &str = "pillion.stop";
/// Allows what waits: `{ "approvalId"?: string, "scope"?: "once" | "session" | "project" | "user" }`, the longest
/// waiting if none is named; or answers a question: `{ "questionId": string, "choice": number }`. Answers `{ accepted:
/// bool }`.
pub(super) const APPROVE: &str = "pillion.approve";
/// Refuses what waits: `{ "approvalId"?: string, "reason"?: string }`. Answers `{ accepted: bool }`.
pub(super) const DENY: &str = "pillion.deny";
/// Shows what waits in full, `{ "approvalId"?: string }`, else the latest answer.
pub(super) const SHOW: &str = "pillion.show";
/// Lists the sessions of the first folder, or goes on with one: `{ "sessionId": string }`. What is asked from then on
/// goes on in it.
const SESSIONS: &str = "pillion.sessions";
/// What is asked from now on begins a new session.
const NEW: &str = "pillion.new";
/// Sets the mode, one of `ask`, `acceptEdits`, `plan`, `auto`, now and for what is asked later.
const MODE: &str = "pillion.mode";
/// Sets the model, `provider/model`, now and for what is asked later.
const MODEL: &str = "pillion.model";
/// Shows what the latest turn changed: `{ "sessionId"?: string, "turnId"?: string }`. Answers as `change/list` does.
const CHANGES: &str = "pillion.changes";
/// Takes back what the latest turn changed, or less: `{ "sessionId"?, "turnId"?, "uri"?, "hunks"? }`. Answers as
/// `change/revert` does.
pub(super) const REVERT: &str = "pillion.revert";

pub(super) const ALL: [&str; 11] = [ASK, STOP, APPROVE, DENY, SHOW, CHANGES, REVERT, SESSIONS, NEW, MODE, MODEL];

/// Whom a command is run for.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) sidecar: Sidecar,
    pub(super) attachment: AttachmentId,
    pub(super) plain: Plain,
    pub(super) sessions: Sessions,
}

impl Caller {
    pub(super) async fn run(&self, command: &str, arguments: Vec<Value>) -> Result<Value, Error> {
        let arguments = Arguments::read(arguments)?;
        match command {
            ASK => self.ask(arguments).await,
            STOP => self.stop(arguments).await,
            APPROVE => self.approve(arguments).await,
            DENY => {
                let reason = arguments.reason.or(Some(arguments.words).filter(|words| !words.is_empty()));
                let id = self.waiting_approval(arguments.approval_id)?.approval_id;
                self.respond(id, ApprovalDecision::Deny { reason }).await
            }
            SHOW => self.show(arguments),
            CHANGES => self.changes(arguments).await,
            REVERT => self.revert(arguments).await,
            SESSIONS => self.list_or_resume(arguments.session_id).await,
            NEW => Ok(self.begin_anew()),
            MODE => self.mode(&arguments.words).await,
            MODEL => self.model(&arguments.words).await,
            _ => Err(Error::invalid_params(format!("there is no command `{command}`, only {}", ALL.join(", ")))),
        }
    }

    async fn stop(&self, arguments: Arguments) -> Result<Value, Error> {
        let cancel =
            |session_id| Request::TurnCancel(TurnCancelParams { session_id, background: false, waiting_only: false });
        if let Some(session_id) = arguments.session_id {
            let response: TurnCancelResponse = self.request(cancel(session_id)).await?;
            return Ok(json!({ "cancelled": u32::from(response.cancelled) }));
        }
        let mut cancelled = self.sessions.stop_beginning();
        for session_id in self.sessions.all() {
            // One that was closed meanwhile has nothing to stop, and keeps the others from nothing.
            let response = self.request::<TurnCancelResponse>(cancel(session_id)).await;
            cancelled += usize::from(response.is_ok_and(|response| response.cancelled));
        }
        Ok(json!({ "cancelled": cancelled }))
    }

    async fn approve(&self, arguments: Arguments) -> Result<Value, Error> {
        if let Some((question_id, index)) = arguments.question_id.zip(arguments.choice) {
            let answer = QuestionAnswer::Choice { index };
            let request = Request::QuestionRespond(QuestionRespondParams { question_id, answer });
            let response: QuestionRespondResponse = self.request(request).await?;
            return Ok(json!({ "accepted": response.accepted }));
        }
        let id = self.waiting_approval(arguments.approval_id)?.approval_id;
        let scope = arguments.scope.unwrap_or_default();
        self.respond(id, ApprovalDecision::Allow { scope, input: None, hunks: None, rules: None }).await
    }

    async fn respond(&self, approval_id: String, decision: ApprovalDecision) -> Result<Value, Error> {
        let request = Request::ApprovalRespond(ApprovalRespondParams { approval_id, decision });
        let response: ApprovalRespondResponse = self.request(request).await?;
        Ok(json!({ "accepted": response.accepted }))
    }

    fn show(&self, arguments: Arguments) -> Result<Value, Error> {
        let text = match self.waiting_approval(arguments.approval_id) {
            Ok(approval) => described(&approval),
            Err(nothing_waits) => self.plain.last_answer().ok_or(nothing_waits)?,
        };
        let plain = self.plain.clone();
        tokio::spawn(async move { plain.show_markdown(text).await });
        Ok(Value::Null)
    }

    /// The approval with this id, or the one that has waited longest.
    fn waiting_approval(&self, id: Option<String>) -> Result<Approval, Error> {
        let mut approvals = self.plain.waiting().into_iter().filter_map(|inquiry| match inquiry {
            Inquiry::Approval(approval) => Some(approval),
            Inquiry::Question(_) => None,
        });
        let found = match &id {
            None => approvals.next(),
            Some(id) => approvals.find(|approval| approval.approval_id == *id),
        };
        found.ok_or_else(|| Error::invalid_params("nothing waits for an answer here any more"))
    }

    /// One of our own requests, from inside.
    async fn request<T: DeserializeOwned>(&self, request: Request) -> Result<T, Error> {
        let (sender, receiver) = oneshot::channel();
        let reply = Box::new(move |outcome| {
            // The command may have been given up meanwhile.
            let _ = sender.send(outcome);
        });
        self.sidecar.request(self.attachment, request, reply);
        let outcome = receiver.await.map_err(|_| Error::internal("the request was dropped without an answer"))?;
        let result = outcome.map_err(|error| Error::new(error.code, error.message))?;
        serde_json::from_str(result.get()).map_err(|error| Error::internal(error.to_string()))
    }
}
