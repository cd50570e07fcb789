//! What a person does with the sessions they have: give one another title, branch off, delete one.

use super::{Hub, answer, sessions::store_error};
use crate::{
    protocol::{Empty, SessionDeleteParams, SessionEvent, SessionForkParams, SessionRenameParams},
    sidecar::{Reply, RequestError},
    store::title_of,
};

impl Hub {
    pub(super) fn rename(&mut self, params: SessionRenameParams, reply: Reply) {
        let SessionRenameParams { session_id, title } = params;
        let title = title_of(&title);
        if title.is_empty() {
            let message = "A session's title must have at least one character that can be seen.";
            return reply(Err(RequestError::new(RequestError::INVALID_PARAMS, message)));
        }
        if let Some(session) = self.sessions.get_mut(session_id.as_str()) {
            answer(reply, Ok(Empty {}));
            session.title.clone_from(&title);
            session.append(SessionEvent::SessionRenamed { title });
            return;
        }
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            answer(reply, store.rename(&session_id, title).map(|()| Empty {}).map_err(store_error));
        });
    }

    /// The disk is read and written on another thread; the session may be open here meanwhile, or anywhere else.
    pub(super) fn fork(&self, params: SessionForkParams, reply: Reply) {
        let SessionForkParams { session_id, turn_id } = params;
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            answer(reply, store.fork(&session_id, turn_id.as_deref()).map_err(store_error));
        });
    }

    /// Deletes a session's log. One that was just let go may still be ending, and is waited for.
    pub(super) fn delete(&mut self, params: SessionDeleteParams, reply: Reply) {
        let SessionDeleteParams { session_id } = params;
        match self.sessions.get(session_id.as_str()) {
            Some(session) if session.watchers.is_empty() => self.deleting.push((session_id, reply)),
            Some(_) => {
                let message =
                    format!("Session {session_id} is open. Close it with session/close before it is deleted.");
                reply(Err(RequestError::new(RequestError::BUSY, message)));
            }
            None => {
                let store = self.store.clone();
                tokio::task::spawn_blocking(move || {
                    answer(reply, store.delete(&session_id).map(|()| Empty {}).map_err(store_error));
                });
            }
        }
    }
}
