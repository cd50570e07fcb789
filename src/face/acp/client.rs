//! The client at the other end, as the hub sees it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
};

use futures::{FutureExt, future::BoxFuture};
use serde::de::DeserializeOwned;

use super::{handshake::Abilities, permission, question, talk::Talk, terminals::ClientTerminals};
use crate::{
    protocol::{ModelInfo, ModelListParams, ModelListResponse, Request},
    rpc::{Error, Peer},
    sidecar::{Attachment, AttachmentId, Inquiry, LoggedEvent, RequestError, Sidecar, Verdict},
    tool::Terminals,
};

/// A client, its sessions and what it can do.
pub(super) struct Client {
    pub(super) peer: Peer,
    pub(super) sidecar: Sidecar,
    pub(super) abilities: Abilities,
    me: Weak<Self>,
    attachment: OnceLock<AttachmentId>,
    talks: Mutex<HashMap<Arc<str>, Talk>>,
    models: Mutex<Vec<ModelInfo>>,
}

impl Client {
    pub(super) fn attach(peer: Peer, sidecar: Sidecar, abilities: Abilities) -> Arc<Self> {
        let client = Arc::new_cyclic(|me| Self {
            peer,
            sidecar,
            abilities,
            me: me.clone(),
            attachment: OnceLock::new(),
            talks: Mutex::default(),
            models: Mutex::default(),
        });
        let attachment = client.sidecar.attach(client.clone());
        client.attachment.get_or_init(|| attachment);
        client
    }

    pub(super) fn detach(&self) {
        if let Some(attachment) = self.attachment.get() {
            self.sidecar.detach(*attachment);
        }
    }

    pub(super) fn weak(&self) -> Weak<Self> {
        self.me.clone()
    }

    /// One of Pillion's own requests. `then` is called in the hub's loop, before anything that happened later is told.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        request: Request,
        then: impl FnOnce(&Self, Result<T, Error>) + Send + 'static,
    ) {
        let Some(attachment) = self.attachment.get() else { return };
        let me = self.me.clone();
        let reply = move |outcome: Result<Box<serde_json::value::RawValue>, RequestError>| {
            let Some(client) = me.upgrade() else { return };
            let result = outcome.map_err(refusal).and_then(|result| {
                serde_json::from_str(result.get()).map_err(|error| Error::internal(error.to_string()))
            });
            then(&client, result);
        };
        self.sidecar.request(*attachment, request, Box::new(reply));
    }

    /// Has the models known that what is asked next may name.
    pub(super) fn learn_models(&self) {
        self.ask(Request::ModelList(ModelListParams {}), |client, models: Result<ModelListResponse, _>| {
            if let Ok(models) = models {
                *client.models.lock().unwrap_or_else(PoisonError::into_inner) = models.models;
            }
        });
    }

    pub(super) fn models(&self) -> Vec<ModelInfo> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn talks(&self) -> MutexGuard<'_, HashMap<Arc<str>, Talk>> {
        self.talks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with an open session.
    pub(super) fn with<T>(&self, session_id: &str, act: impl FnOnce(&mut Talk) -> T) -> Option<T> {
        self.talks().get_mut(session_id).map(act)
    }

    /// The session that a file is asked for in, and the file's path as the client spells it: one that works on it now, or
    /// else one that could.
    pub(super) fn session_of(&self, path: &Path) -> Option<(Arc<str>, PathBuf)> {
        let talks = self.talks();
        let rank = |talk: &&Talk| (talk.is_running(), talk.roots.spelled(path).is_some());
        let talk = talks.values().max_by_key(rank)?;
        Some((talk.id.clone(), talk.roots.spelled(path).unwrap_or_else(|| path.to_path_buf())))
    }
}

impl Attachment for Client {
    fn event(&self, event: &LoggedEvent) {
        let mut talks = self.talks();
        // An event of a session whose id the client does not know yet waits for the answer that says it.
        let talk = talks.entry(event.session_id.clone()).or_insert_with(|| Talk::unknown(event.session_id.clone()));
        talk.take(self, event);
    }

    fn is_ready(&self) -> bool {
        self.peer.is_writable()
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let peer = self.peer.clone();
        async move { peer.writable().await }.boxed()
    }

    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        match inquiry {
            Inquiry::Approval(approval) => permission::ask(self, &approval),
            Inquiry::Question(question) => question::ask(self, question),
        }
    }

    fn terminals(&self, session_id: &str) -> Option<Arc<dyn Terminals>> {
        let terminals = || Arc::new(ClientTerminals::new(self.weak(), session_id)) as Arc<dyn Terminals>;
        self.abilities.terminals.then(terminals)
    }
}

/// The hub's errors in the protocol's words.
fn refusal(error: RequestError) -> Error {
    /// The protocol's own codes.
    const AUTH_REQUIRED: i64 = -32000;
    const RESOURCE_NOT_FOUND: i64 = -32002;
    let code = match error.code {
        RequestError::NOT_FOUND => RESOURCE_NOT_FOUND,
        RequestError::NOT_CONFIGURED => AUTH_REQUIRED,
        RequestError::BUSY => Error::INVALID_REQUEST,
        code => code,
    };
    Error::new(code, error.message)
}
