//! The hub: owns the sessions, who watches them, and what waits for a person.
//!
//! A face attaches a client, hands over its requests and forgets them: the hub answers through the [`Reply`] and tells
//! what happens through the [`Attachment`], both in one order, so that the answer to `turn/start` comes before the
//! turn's first event. The hub is one task, one loop over one [`Event`]; nothing in it waits for a client, a model or
//! a disk that can be slow.

mod agents;
mod compact;
mod hub;
mod prompt;
mod replay;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::{Value, value::RawValue};
use tokio::sync::{mpsc, oneshot};

pub use self::replay::read_event;
pub use crate::session::{Attachment, AttachmentId, Inquiry, LoggedEvent, Verdict};
use crate::{
    agent::compaction::Compacted, protocol, session::Signal, store::Store, tool::Changed, workspace::Workspace,
};

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
        client: AttachmentId,
        /// Which watch of it.
        number: u64,
        seq: u64,
    },
    /// A conversation was made shorter; `None` if that was stopped.
    Compacted {
        session_id: Arc<str>,
        compacted: Option<Compacted>,
    },
    /// A rule that the person gave could not be kept.
    RuleNotStored {
        session_id: Arc<str>,
        error: String,
    },
    /// A session's model will be offered other tools.
    ToolsChanged {
        session_id: Arc<str>,
        changed: Changed,
    },
    /// An MCP server of a session offers something else.
    OffersChanged {
        session_id: Arc<str>,
    },
    /// An MCP server has failed: one of a session, or one of the settings'.
    ServerFailed {
        session_id: Option<Arc<str>>,
        message: String,
    },
    /// A turn wants another model than the session's, for a sub-agent.
    Model {
        model: String,
        answer: oneshot::Sender<Result<agents::Asked, String>>,
    },
    /// What is wrong with files that are read anew for each turn.
    Warnings {
        session_id: Arc<str>,
        warnings: Vec<String>,
    },
    /// A turn says or asks something, or a client has answered.
    Session(Signal),
    /// Start nothing new; answered when what this is about has ended.
    ShutDown {
        ending: Ending,
        done: oneshot::Sender<()>,
    },
}

/// What an end is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Everything, which is cancelled.
    All,
    /// What nobody watches but this client, which is cancelled.
    Of(Option<AttachmentId>),
    /// What others watch, which goes on to its end.
    Others,
}

/// A handle to the hub. Its methods enqueue and return.
#[derive(Clone)]
pub struct Sidecar {
    hub: mpsc::UnboundedSender<Event>,
    workspace: Arc<Workspace>,
    store: Store,
    next_attachment: Arc<AtomicU64>,
}

impl Sidecar {
    /// Starts the hub on the current runtime.
    pub fn start(workspace: Arc<Workspace>, store: Store) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let hub = hub::Hub::new(workspace.clone(), store.clone(), sender.clone());
        tokio::spawn(hub.run(receiver));
        Self { hub: sender, workspace, store, next_attachment: Arc::default() }
    }

    /// A handle whose hub the caller plays.
    #[cfg(test)]
    pub(crate) fn without_hub(workspace: Arc<Workspace>, store: Store) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { hub: sender, workspace, store, next_attachment: Arc::default() }, receiver)
    }

    /// The editors' buffers over the disk. Faces apply document changes to it directly, in their readers.
    pub fn workspace(&self) -> &Arc<Workspace> {
        &self.workspace
    }

    /// Where sessions are kept, and what else outlives the process.
    pub fn store(&self) -> &Store {
        &self.store
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
        self.end(Ending::All).await;
    }

    /// The editor leaves, or has left: nothing new is started, and what nobody else watches is cancelled. Returns when that
    /// has ended. The others are told.
    pub async fn leave(&self, editor: Option<AttachmentId>) {
        self.end(Ending::Of(editor)).await;
    }

    /// Returns when nothing runs any more that anybody watches.
    pub async fn finish(&self) {
        self.end(Ending::Others).await;
    }

    async fn end(&self, ending: Ending) {
        let (done, finished) = oneshot::channel();
        self.send(Event::ShutDown { ending, done });
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
    /// The client took it back.
    pub const CANCELLED: i64 = -32800;
    /// The process that was asked has ended.
    pub const GONE: i64 = -32007;
    /// Something has to be configured first.
    pub const NOT_CONFIGURED: i64 = -32004;

    pub fn new(code: i64, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
