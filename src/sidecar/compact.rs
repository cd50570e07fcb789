//! Making an idle session's conversation shorter.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{
    Event, Reply, RequestError,
    hub::{Hub, answer, built},
};
use crate::{
    agent::compaction::Compacted,
    protocol::{Empty, NoticeLevel, SessionCompactParams, SessionEvent},
    session::{Compacting, Session},
    transcript::Usage,
};

impl Hub {
    /// Begins it and answers. It goes on beside the hub; turns that are started meanwhile wait.
    pub(super) fn compact(&mut self, params: SessionCompactParams, reply: Reply) {
        let SessionCompactParams { session_id, instructions } = params;
        let prepared = self.idle(&session_id).and_then(|_| {
            let (agent, compaction) = self.agent(&session_id)?;
            let agent = built(agent)?;
            let session = self.session(&session_id)?;
            if session.compacting.is_some() {
                let message = "This session's conversation is being made shorter already. Wait for its event, or stop it \
                               with turn/cancel.";
                return Err(RequestError::new(RequestError::BUSY, message));
            }
            Ok((agent, compaction, session))
        });
        let (agent, compaction, session) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return reply(Err(error)),
        };
        answer(reply, Ok(Empty {}));
        let cancel = CancellationToken::new();
        session.compacting = Some(Compacting { cancel: cancel.clone(), messages: session.messages.len() });
        let (id, scope, history) = (session.id.clone(), session.scope.clone(), session.messages.clone());
        self.compacting.insert(id.clone(), Vec::new());
        let instructions = instructions.filter(|text| !text.trim().is_empty());
        let running =
            tokio::spawn(async move { agent.compact(&scope, &history, &compaction, instructions, cancel).await });
        let hub = self.sender.clone();
        tokio::spawn(async move {
            // Should it break off, the session must not stay busy.
            let compacted = running.await.unwrap_or_else(|broken| {
                tracing::error!(%broken, "a compaction broke off");
                let trouble = vec!["The compaction broke off because of a mistake in Pillion.".to_owned()];
                Some(Compacted { done: None, usage: Usage::default(), trouble })
            });
            let _ = hub.send(Event::Compacted { session_id: id, compacted });
        });
    }

    pub(super) fn compacted(&mut self, session_id: &Arc<str>, compacted: Option<Compacted>) {
        let waiting = self.compacting.remove(session_id).unwrap_or_default();
        if let Some(session) = self.sessions.get_mut(session_id) {
            let about = session.compacting.take().map_or(0, |compacting| compacting.messages);
            match compacted {
                None => session.notice(NoticeLevel::Info, "Stopped: the conversation stays as it was."),
                Some(compacted) => take(session, compacted, about),
            }
        }
        self.serve_deferred(waiting);
        self.note_end();
    }
}

/// Puts what came of the first `about` messages in their place.
fn take(session: &mut Session, compacted: Compacted, about: usize) {
    let Compacted { done, usage, trouble } = compacted;
    for message in trouble {
        session.notice(NoticeLevel::Warning, message);
    }
    if usage != Usage::default() {
        session.usage += usage;
        session.append(SessionEvent::Usage { round: usage.into(), turn: usage.into(), context: None });
    }
    match done {
        Some((mut messages, report)) => {
            messages.extend(session.messages.drain(about..));
            session.replace(messages);
            session.append(report.into());
        }
        None => session.notice(NoticeLevel::Info, "There is nothing in this conversation to make shorter."),
    }
    session.log.sync();
}
