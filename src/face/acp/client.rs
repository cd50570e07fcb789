//! The client at the other end, and its sessions.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{
    handshake::Abilities,
    home::{Ear, Home},
    talk::Talk,
};
use crate::{
    protocol::Request,
    rpc::{Error, Peer},
    sidecar::{LoggedEvent, RequestError, Sidecar},
};

/// A client, its sessions and what it can do.
pub(super) struct Client {
    pub(super) peer: Peer,
    pub(super) abilities: Abilities,
    /// What others are told that it is called.
    pub(super) name: String,
    /// Whether sessions live with the editor that is open in their folders.
    pub(super) joins_editors: bool,
    me: Weak<Self>,
    own: Arc<Home>,
    /// Those of editors.
    joined: Mutex<Vec<Arc<Home>>>,
    talks: Mutex<HashMap<Arc<str>, Talk>>,
}

impl Client {
    pub(super) fn new(
        peer: Peer,
        sidecar: Sidecar,
        (abilities, name): (Abilities, String),
        joins_editors: bool,
    ) -> Arc<Self> {
        Arc::new_cyclic(|me| {
            let ear = Ear { client: me.clone(), peer: peer.clone(), abilities, name: name.clone() };
            Self {
                own: Arc::new(Home::own(sidecar, ear)),
                peer,
                abilities,
                name,
                joins_editors,
                me: me.clone(),
                joined: Mutex::default(),
                talks: Mutex::default(),
            }
        })
    }

    /// The client leaves.
    pub(super) fn detach(&self) {
        self.own.detach();
        self.joined().drain(..).for_each(|home| home.detach());
    }

    pub(super) fn weak(&self) -> Weak<Self> {
        self.me.clone()
    }

    /// Where sessions live that live with no editor, and what is about no session.
    pub(super) fn own(&self) -> &Arc<Home> {
        &self.own
    }

    pub(super) fn joined(&self) -> MutexGuard<'_, Vec<Arc<Home>>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where this session lives, if it is open.
    pub(super) fn known_home(&self, session_id: &str) -> Option<Arc<Home>> {
        self.talks().get(session_id).map(|talk| talk.home.clone())
    }

    /// Whom to ask about a session, open or not.
    pub(super) fn home_of(&self, session_id: &str) -> Arc<Home> {
        self.known_home(session_id).unwrap_or_else(|| self.own.clone())
    }

    pub(super) fn ear(&self) -> Ear {
        let (client, peer) = (self.me.clone(), self.peer.clone());
        Ear { client, peer, abilities: self.abilities, name: self.name.clone() }
    }

    /// One of Pillion's own requests. `then` is called once this has returned, before anything that happened later is told.
    pub(super) fn ask<T: DeserializeOwned>(
        &self,
        home: &Home,
        request: Request,
        then: impl FnOnce(&Self, Result<T, Error>) + Send + 'static,
    ) {
        let me = self.me.clone();
        let reply = move |outcome: Result<Box<RawValue>, RequestError>| {
            let Some(client) = me.upgrade() else { return };
            let result = outcome.map_err(refusal).and_then(|result| {
                serde_json::from_str(result.get()).map_err(|error| Error::internal(error.to_string()))
            });
            then(&client, result);
        };
        home.request(request, Box::new(reply));
    }

    /// An event of one of its sessions.
    pub(super) fn take(&self, event: &LoggedEvent) {
        let mut talks = self.talks();
        // An event of a session whose id the client does not know yet waits for the answer that says it.
        let unknown = || Talk::unknown(event.session_id.clone(), self.own.clone());
        talks.entry(event.session_id.clone()).or_insert_with(unknown).take(self, event);
    }

    pub(super) fn talks(&self) -> MutexGuard<'_, HashMap<Arc<str>, Talk>> {
        self.talks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with an open session.
    pub(super) fn with<T>(&self, session_id: &str, act: impl FnOnce(&mut Talk) -> T) -> Option<T> {
        self.talks().get_mut(session_id).map(act)
    }

    /// The session that a file is asked for in, and the file's path as the client spells it: one that works now. Others who
    /// work beside it do not need the client for that, and it cannot hold them up.
    pub(super) fn session_of(&self, path: &Path) -> Option<(Arc<str>, PathBuf)> {
        let talks = self.talks();
        let running = talks.values().filter(|talk| talk.is_running());
        let talk = running.max_by_key(|talk| talk.roots.spelled(path).is_some())?;
        Some((talk.id.clone(), talk.roots.spelled(path).unwrap_or_else(|| path.to_path_buf())))
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
