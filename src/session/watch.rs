//! Those who watch a session, as it sees them.

use std::sync::Arc;

use futures::{
    FutureExt,
    future::{self, BoxFuture},
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Inquiry, Verdict};
use crate::{protocol::SessionEvent, tool::Terminals, workspace::Files};

/// A client, as the hub sees it. Implemented by each face. No method waits.
pub trait Attachment: Send + Sync + 'static {
    /// What the client calls itself, for others to see who said what.
    fn name(&self) -> Option<String> {
        None
    }

    /// Takes an event of a watched session.
    fn event(&self, event: &LoggedEvent);

    /// Whether the client keeps up. While it does not, turns it watches hold their next delta back.
    fn is_ready(&self) -> bool {
        true
    }

    /// Resolves when the client can take more of the past, for which [`Attachment::is_ready`] is true, or is gone.
    fn ready(&self) -> BoxFuture<'static, ()> {
        future::ready(()).boxed()
    }

    /// Lets a client go that has not kept up for long, if its end harms nobody else; false if it has to be waited for.
    fn let_go(&self) -> bool {
        false
    }

    /// Puts something before the person. Resolves with what they say, or with `None` if this client cannot show it or
    /// did not answer. Dropping the future withdraws it.
    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>>;

    /// Files as the client shows them, if it is to be asked for them. Asked once, when it is attached.
    fn files(&self) -> Option<Arc<dyn Files>> {
        None
    }

    /// Where commands of this session's turns run, if the client runs them.
    fn terminals(&self, session_id: &str) -> Option<Arc<dyn Terminals>> {
        let _ = session_id;
        None
    }
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

/// A client attached to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttachmentId(pub u64);
