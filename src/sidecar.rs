//! The hub: owns the sessions, who watches them, and what waits for a person.
//!
//! A face attaches a client, hands over its requests and forgets them: the hub answers through the [`Reply`] and tells
//! what happens through the [`Attachment`], both in one order, so that the answer to `turn/start` comes before the
//! turn's first event.

use std::{path::PathBuf, sync::Arc};

use futures::future::BoxFuture;
use serde_json::value::RawValue;

use crate::protocol::{Approval, ApprovalDecision, SessionEvent};

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

/// An event of a session's log.
pub struct LoggedEvent {
    pub session_id: Arc<str>,
    /// From 1, without gaps.
    pub seq: u64,
    pub event: SessionEvent,
    /// `event` as JSON, encoded once for the log and all clients.
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

/// A handle to the hub. Its methods enqueue and return. (The loop behind it comes with the next commit; faces are
/// written against this.)
#[derive(Clone)]
pub struct Sidecar {}

impl RequestError {
    pub const INVALID_PARAMS: i64 = -32602;
    pub const INTERNAL: i64 = -32603;
    /// The session, turn or approval does not exist.
    pub const NOT_FOUND: i64 = -32001;
    /// The session is busy with a turn, or another process holds it.
    pub const BUSY: i64 = -32003;
    /// Something has to be configured first.
    pub const NOT_CONFIGURED: i64 = -32004;
}

#[allow(unused)]
fn shape(_: PathBuf) {}
// pub fn attach(&self, attachment: Arc<dyn Attachment>) -> AttachmentId
// pub fn detach(&self, id: AttachmentId)                          its sessions' turns are cancelled when nobody else watches
// pub fn request(&self, from: AttachmentId, request: protocol::Request, reply: Reply)
// pub async fn shut_down(&self)                                    cancels all turns, waits until processes and logs are done
// pub fn workspace(&self) -> &Arc<Workspace>
// pub fn start(config: Config, workspace: Arc<Workspace>, store: Store, ...) -> Sidecar
