//! What the agent's loop asks of a session, carried to the hub.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use async_trait::async_trait;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use super::{Attachment, Hub, Signal};
use crate::{
    agent::{self, Answer, ApprovalRequest, Host},
    permission::Policy,
    transcript::Message,
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
    pub steering: Arc<Mutex<Vec<Message>>>,
    in_flight: Arc<Semaphore>,
}

/// Open while every client that watches keeps up.
#[derive(Default)]
pub struct Gate(Mutex<Arc<[Arc<dyn Attachment>]>>);

impl Gate {
    pub fn set(&self, watchers: Vec<Arc<dyn Attachment>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watchers.into();
    }

    /// Waits for the slowest client. One that detaches meanwhile resolves its own wait.
    pub async fn pass(&self) {
        let watchers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for watcher in watchers.iter().filter(|watcher| !watcher.is_ready()) {
            watcher.ready().await;
        }
    }
}

impl TurnHost {
    pub fn new(session: &super::Session, turn: &super::Turn, hub: Hub) -> Self {
        Self {
            session_id: session.id.clone(),
            turn_id: turn.id.as_str().into(),
            hub,
            gate: session.gate.clone(),
            cancel: turn.cancel.clone(),
            policy: session.policy.clone(),
            steering: turn.steering.clone(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT)),
        }
    }
}

#[async_trait]
impl Host for TurnHost {
    async fn emit(&self, event: agent::Event) {
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

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        let (answer, answered) = oneshot::channel();
        let (session_id, turn_id) = (self.session_id.clone(), self.turn_id.clone());
        self.hub.tell(Signal::Ask { session_id, turn_id, request: Box::new(request), answer });
        answered.await.unwrap_or(Answer::CancelTurn)
    }

    fn policy(&self) -> Policy {
        self.policy.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn steering(&self) -> Vec<Message> {
        std::mem::take(&mut self.steering.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
