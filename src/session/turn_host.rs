//! What the agent's loop asks of a session, carried to the hub.

use std::{
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Attachment, Hub, Prompting, Signal};
use crate::{
    agent::{self, Answer, ApprovalRequest, Host, NoticeLevel, Point, QuestionRequest},
    permission::Policy,
    protocol::{ContentBlock, convert},
    tool::{Answered, Terminals},
    transcript::{Message, StopReason, Usage},
    workspace::Ledger,
};

/// How many events of one turn may wait for the hub. Few, so that a cancel is never behind many; chosen by taste.
const IN_FLIGHT: usize = 4;

/// A turn's way to the hub.
pub struct TurnHost {
    pub session_id: Arc<str>,
    pub turn_id: Arc<str>,
    pub hub: Hub,
    pub gate: Arc<Gate>,
    pub cancel: CancellationToken,
    pub policy: Arc<RwLock<Policy>>,
    pub steering: Arc<Mutex<Vec<Vec<ContentBlock>>>>,
    pub(super) prompting: Prompting,
    pub(super) ledger: Ledger,
    terminals: Option<Arc<dyn Terminals>>,
    in_flight: Arc<Semaphore>,
}

/// How long a turn that others watch waits for one that is attached from elsewhere and does not read: it may be suspended,
/// and the others know nothing of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Open while every client that watches keeps up.
#[derive(Default)]
pub struct Gate(Mutex<Arc<[Arc<dyn Attachment>]>>);

impl Gate {
    pub fn set(&self, watchers: Vec<Arc<dyn Attachment>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watchers.into();
    }

    /// Waits for the slowest client. One that detaches meanwhile resolves its own wait. Where others watch too, one that
    /// can be let go is not waited for without end.
    pub async fn pass(&self) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for watcher in watchers.iter().filter(|watcher| !watcher.is_ready()) {
            let ready = watcher.ready();
            tokio::pin!(ready);
            if watchers.len() > 1 && (tokio::time::timeout(PATIENCE, &mut ready).await.is_ok() || watcher.let_go()) {
                continue;
            }
            ready.await;
        }
    }
}

impl TurnHost {
    pub fn new(session: &super::Session, turn: &super::Turn, prompting: Prompting, hub: Hub) -> Self {
        Self {
            session_id: session.id.clone(),
            turn_id: turn.id.as_str().into(),
            hub,
            gate: session.gate.clone(),
            cancel: turn.cancel.clone(),
            policy: session.policy.clone(),
            steering: turn.steering.clone(),
            prompting,
            ledger: session.scope.ledger.clone(),
            terminals: session.watchers.iter().find_map(|watcher| watcher.attachment.terminals(&session.id)),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
        }
    }

    /// Makes the turn's prompt the transcript's next message. `None` if the turn is over because it cannot be said.
    pub async fn open(&self, prompt: &[ContentBlock]) -> Option<Message> {
        let resolved = tokio::select! {
            biased;
            () = self.cancel.cancelled() => None,
            resolved = self.prompting.resolve(prompt) => Some(resolved),
        };
        let (message, warnings) = match resolved {
            Some(Ok(resolved)) => (resolved.message, resolved.warnings),
            Some(Err(error)) => {
                let (stop_reason, error) = (StopReason::Error, Some(error.to_string()));
                self.emit(agent::Event::TurnEnded { stop_reason, usage: Usage::default(), error }).await;
                return None;
            }
            None => (convert::unresolved_prompt(prompt), Vec::new()),
        };
        self.emit(agent::Event::Message(message.clone())).await;
        for warning in warnings {
            self.notice(NoticeLevel::Warning, warning).await;
        }
        Some(message)
    }

    pub(super) async fn tell(&self, event: agent::Event) {
        // After a cancel nothing waits: what is left is a handful of closing events.
        let permit = tokio::select! {
            biased;
            () = self.cancel.cancelled() => None,
            permit = async {
                self.gate.pass().await;
                self.in_flight.clone().acquire_owned().await.ok()
            } => permit,
        };
        let (session_id, turn_id) = (self.session_id.clone(), self.turn_id.clone());
        self.hub.tell(Signal::Turn { session_id, turn_id, event, permit });
    }

    async fn notice(&self, level: NoticeLevel, message: String) {
        self.emit(agent::Event::Notice { level, message }).await;
    }
}

/// Takes back what was asked when nobody waits for its answer any more. Made before the way back is, to outlive it.
struct Withdrawal<'a>(&'a TurnHost);

impl Drop for Withdrawal<'_> {
    fn drop(&mut self) {
        let (session_id, turn_id) = (self.0.session_id.clone(), self.0.turn_id.clone());
        self.0.hub.tell(Signal::Withdrawn { session_id, turn_id });
    }
}

#[async_trait]
impl Host for TurnHost {
    async fn emit(&self, event: agent::Event) {
        let event = match event {
            agent::Event::TurnEnded { stop_reason, usage, error } => {
                let stop_reason = self.close(stop_reason).await;
                agent::Event::TurnEnded { stop_reason, usage, error }
            }
            event => event,
        };
        self.tell(event).await;
    }

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        let _withdrawal = Withdrawal(self);
        let (answer, answered) = oneshot::channel();
        let (session_id, turn_id) = (self.session_id.clone(), self.turn_id.clone());
        self.hub.tell(Signal::Ask { session_id, turn_id, request: Box::new(request), answer });
        answered.await.unwrap_or(Answer::CancelTurn)
    }

    async fn ask(&self, request: QuestionRequest) -> Answered {
        let _withdrawal = Withdrawal(self);
        let (answer, answered) = oneshot::channel();
        let (session_id, turn_id) = (self.session_id.clone(), self.turn_id.clone());
        self.hub.tell(Signal::Question { session_id, turn_id, request, answer });
        answered.await.unwrap_or(Answered::Declined)
    }

    fn terminals(&self) -> Option<Arc<dyn Terminals>> {
        self.terminals.clone()
    }

    fn policy(&self) -> Policy {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn interject(&self, _: Point) -> Vec<Message> {
        let steering = || self.steering.lock().unwrap_or_else(PoisonError::into_inner);
        let said = steering().clone();
        let (mut messages, mut notices) = (Vec::new(), Vec::new());
        for prompt in &said {
            match self.prompting.resolve(prompt).await {
                Ok(resolved) => {
                    messages.push(resolved.message);
                    notices.extend(resolved.warnings.into_iter().map(|warning| (NoticeLevel::Warning, warning)));
                }
                Err(error) => notices.push((NoticeLevel::Error, error.to_string())),
            }
        }
        for (level, message) in notices {
            self.notice(level, message).await;
        }
        // Only now, in one step with the return: what was given up half way stays for the next turn.
        let mut waiting = steering();
        let taken = said.len().min(waiting.len());
        waiting.drain(..taken);
        messages
    }
}
