//! Turns that wait for the one that runs.

use std::{collections::VecDeque, sync::Arc};

use super::{Deferred, Hub};
use crate::{
    protocol::{Request, TurnStartParams},
    sidecar::{AttachmentId, Reply, RequestError},
};

/// How many prompts may wait in one session. Chosen: more than a person lines up.
const QUEUED_MAX: usize = 32;

impl Hub {
    pub(super) fn is_busy(&self, session_id: &str) -> bool {
        self.sessions.get(session_id).is_some_and(|session| session.turn.is_some())
    }

    pub(super) fn queue(&mut self, from: AttachmentId, params: TurnStartParams, reply: Reply) {
        let queue = self.queued.entry(params.session_id.as_str().into()).or_default();
        if queue.len() >= QUEUED_MAX {
            let full = format!("{QUEUED_MAX} prompts wait already. Say it again when some of them have been answered.");
            return reply(Err(RequestError::new(RequestError::BUSY, full)));
        }
        queue.push_back(Deferred { from, request: Request::TurnStart(params), reply });
    }

    /// The turn has ended: the next that waits begins.
    pub(super) fn start_queued(&mut self, session_id: &Arc<str>) {
        while let Some(Deferred { from, request, reply }) =
            self.queued.get_mut(session_id).and_then(VecDeque::pop_front)
        {
            match self.sessions.get(session_id) {
                Some(session) if !session.watchers.is_empty() => self.request(from, request, reply),
                _ => reply(Err(RequestError::new(RequestError::NOT_FOUND, "The session was closed meanwhile."))),
            }
            if self.is_busy(session_id) {
                return;
            }
        }
        self.queued.remove(session_id);
    }

    /// Takes back what a client has waiting, in one session or in all.
    pub(super) fn unqueue(&mut self, session_id: Option<&str>, client: AttachmentId) {
        let concerned = |of: &str| session_id.is_none_or(|session_id| session_id == of);
        let mut gone = Vec::new();
        for (_, queue) in self.queued.iter_mut().filter(|(of, _)| concerned(of)) {
            let (taken, kept): (VecDeque<_>, _) = queue.drain(..).partition(|deferred| deferred.from == client);
            *queue = kept;
            gone.extend(taken);
        }
        for (_, waiting) in self.compacting.iter_mut().filter(|(of, _)| concerned(of)) {
            gone.extend(waiting.extract_if(.., |deferred| deferred.from == client));
        }
        self.queued.retain(|_, queue| !queue.is_empty());
        for Deferred { reply, .. } in gone {
            reply(Err(RequestError::new(RequestError::CANCELLED, "This prompt was still waiting and was taken back.")));
        }
    }
}
