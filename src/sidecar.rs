//! The hub: owns the sessions, who watches them, and what waits for a person.
//!
//! A face attaches a client, hands over its requests and forgets them: the hub answers through the [`Reply`] and tells
//! what happens through the [`Attachment`], both in one order, so that the answer to `turn/start` comes before the
//! turn's first event. The hub is one task, one loop over one [`Event`]; nothing in it waits for a client, a model or
//! a disk that can be slow.

mod hub;
mod prompt;
mod replay;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use crate::{
    agent::{self, Answer, ApprovalRequest},
    protocol::{self, Approval, ApprovalDecision, SessionEvent},
    store::Store,
    workspace::Workspace,
};

/// A client, as the hub sees it. Implemented by each face. No method waits.
pub trait Attachment: Send + Sync + 'static {
    /// Takes an event of a watched session.
    fn event(&self, event: &LoggedEvent);

    /// Whether the client keeps up. While it does not, turns it watches hold their next delta back.
    fn is_ready(&self) -> bool;

    /// Resolves when [`Attachment::is_ready`] is true, or the client is gone.
    fn ready(&self) -> BoxFuture<'static, ()>;

    /// Puts an approval before the person. Resolves with the decision, or with `None` if this client cannot show it or
    /// did not answer. Dropping the future withdraws the question.
    fn ask(&self, approval: Approval) -> BoxFuture<'static, Option<ApprovalDecision>>;
}

/// An event of a session's log. It encodes as the params of `session/event`.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedEvent {
    pub session_id: Arc<str>,
    /// From 1, without gaps.
    pub seq: u64,
    #[serde(skip)]
    pub event: SessionEvent,
    /// `event` as JSON, encoded once for the log and all clients.
    #[serde(rename = "event")]
    pub json: Box<RawValue>,
}

/// How a request is answered: called once, in the hub's loop.
pub type Reply = Box<dyn FnOnce(Result<Box<RawValue>, RequestError>) + Send>;

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// A JSON-RPC error code.
    pub code: i64,
    /// What happened and what to do.
    pub message: String,
}

/// A client attached to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttachmentId(pub u64);

/// Everything that reaches the hub.
pub enum Event {
    Attached {
        id: AttachmentId,
        attachment: Arc<dyn Attachment>,
    },
    Detached {
        id: AttachmentId,
    },
    /// The editor's settings, or the roots, are known or have changed.
    Configure {
        editor: Option<Value>,
    },
    Request {
        from: AttachmentId,
        request: protocol::Request,
        reply: Reply,
    },
    /// A stored session was read.
    Loaded {
        id: Arc<str>,
        loaded: Result<Box<hub::Loaded>, RequestError>,
    },
    /// A client has been shown the past up to this event.
    CaughtUp {
        session_id: Arc<str>,
        attachment: AttachmentId,
        seq: u64,
    },
    /// A running turn says something. The permit goes back when it was taken.
    Turn {
        session_id: Arc<str>,
        turn_id: Arc<str>,
        event: agent::Event,
        permit: Option<OwnedSemaphorePermit>,
    },
    /// A running turn needs the person's word.
    Ask {
        session_id: Arc<str>,
        turn_id: Arc<str>,
        request: Box<ApprovalRequest>,
        answer: oneshot::Sender<Answer>,
    },
    /// A client that was asked has answered; `None` if it cannot.
    Answered {
        session_id: Arc<str>,
        approval_id: String,
        decision: Option<ApprovalDecision>,
    },
    /// Cancel everything; answered when no turn runs any more.
    ShutDown {
        done: oneshot::Sender<()>,
    },
}

/// A handle to the hub. Its methods enqueue and return.
#[derive(Clone)]
pub struct Sidecar {
    hub: mpsc::UnboundedSender<Event>,
    workspace: Arc<Workspace>,
    next_attachment: Arc<AtomicU64>,
}

impl Sidecar {
    /// Starts the hub on the current runtime.
    pub fn start(workspace: Arc<Workspace>, store: Store) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let hub = hub::Hub::new(workspace.clone(), store, sender.clone());
        tokio::spawn(hub.run(receiver));
        Self { hub: sender, workspace, next_attachment: Arc::default() }
    }

    /// A handle whose hub the caller plays.
    #[cfg(test)]
    pub(crate) fn without_hub(workspace: Arc<Workspace>) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { hub: sender, workspace, next_attachment: Arc::default() }, receiver)
    }

    /// The editors' buffers over the disk. Faces apply document changes to it directly, in their readers.
    pub fn workspace(&self) -> &Arc<Workspace> {
        &self.workspace
    }

    pub fn attach(&self, attachment: Arc<dyn Attachment>) -> AttachmentId {
        let id = AttachmentId(self.next_attachment.fetch_add(1, Ordering::Relaxed));
        self.send(Event::Attached { id, attachment });
        id
    }

    /// The client is gone. Turns that nobody else watches are cancelled.
    pub fn detach(&self, id: AttachmentId) {
        self.send(Event::Detached { id });
    }

    /// Reads the configuration anew, with these editor settings on top.
    pub fn configure(&self, editor: Option<Value>) {
        self.send(Event::Configure { editor });
    }

    pub fn request(&self, from: AttachmentId, request: protocol::Request, reply: Reply) {
        self.send(Event::Request { from, request, reply });
    }

    /// Cancels all turns and returns when they have ended.
    pub async fn shut_down(&self) {
        let (done, finished) = oneshot::channel();
        self.send(Event::ShutDown { done });
        let _ = finished.await;
    }

    fn send(&self, event: Event) {
        // The hub ends only with the runtime, when there is nobody left to answer.
        let _ = self.hub.send(event);
    }
}

impl RequestError {
    pub const INVALID_PARAMS: i64 = -32602;
    pub const INTERNAL: i64 = -32603;
    /// The session, turn or approval does not exist.
    pub const NOT_FOUND: i64 = -32001;
    /// The session is busy with a turn, or another process holds it.
    pub const BUSY: i64 = -32003;
    /// Something has to be configured first.
    pub const NOT_CONFIGURED: i64 = -32004;

    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
