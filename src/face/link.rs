//! The hub that a face speaks to.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

#[cfg(unix)]
use super::attach::Remote;
use crate::{
    protocol::Request,
    sidecar::{Attachment, AttachmentId, Reply, RequestError, Sidecar},
};

/// A hub. Its methods enqueue and return, but for those that wait for an answer. Cheap to clone.
#[derive(Clone)]
pub enum Link {
    /// This process's own.
    Own(Sidecar),
    /// That of another process.
    #[cfg(unix)]
    Other(Remote),
}

impl Link {
    /// The hub, if it is this process's own.
    pub fn own(&self) -> Option<&Sidecar> {
        match self {
            Self::Own(sidecar) => Some(sidecar),
            #[cfg(unix)]
            Self::Other(_) => None,
        }
    }

    pub fn attach(&self, attachment: Arc<dyn Attachment>) -> AttachmentId {
        match self {
            Self::Own(sidecar) => sidecar.attach(attachment),
            #[cfg(unix)]
            Self::Other(remote) => remote.attach(attachment),
        }
    }

    /// The client is gone.
    pub fn detach(&self, id: AttachmentId) {
        match self {
            Self::Own(sidecar) => sidecar.detach(id),
            #[cfg(unix)]
            Self::Other(remote) => remote.detach(id),
        }
    }

    /// The answer comes in order with what the attachment is told.
    pub fn request(&self, from: AttachmentId, request: Request, reply: Reply) {
        match self {
            Self::Own(sidecar) => sidecar.request(from, request, reply),
            #[cfg(unix)]
            Self::Other(remote) => remote.request(from, request, reply),
        }
    }

    /// One request, answered.
    pub async fn call<T: DeserializeOwned>(&self, from: AttachmentId, request: Request) -> Result<T, RequestError> {
        let (reply, answered) = oneshot::channel();
        self.request(from, request, Box::new(move |result| drop(reply.send(result))));
        let gone = || RequestError::new(RequestError::INTERNAL, "Pillion's hub has ended.");
        let result = answered.await.map_err(|_| gone())??;
        serde_json::from_str(result.get()).map_err(|error| RequestError::new(RequestError::INTERNAL, error.to_string()))
    }

    /// Resolves when a hub of another process is there no more; never for our own.
    pub async fn ended(&self) {
        match self {
            Self::Own(_) => std::future::pending().await,
            #[cfg(unix)]
            Self::Other(remote) => remote.ended().await,
        }
    }

    /// Ends all turns of a hub of our own, and returns when they have ended. Another's goes on.
    pub async fn shut_down(&self) {
        match self {
            Self::Own(sidecar) => sidecar.shut_down().await,
            #[cfg(unix)]
            Self::Other(_) => {}
        }
    }
}
