//! The end of the hub, or of what its editor leaves behind.

use tokio::sync::oneshot;

use super::Hub;
use crate::{protocol::NoticeLevel, session::Session, sidecar::Ending};

/// Said in what others still watch when the editor has left.
const EDITOR_GONE: &str = "The editor has left. From here on files are read and changed as they are on the disk; what was \
    not saved there is not seen any more.";

impl Hub {
    pub(super) fn shut_down(&mut self, ending: Ending, done: oneshot::Sender<()>) {
        let was_ending = std::mem::replace(&mut self.is_ending, true);
        for session in self.sessions.values_mut() {
            if ending.cancels(session) {
                session.cancel_all();
            } else if !was_ending && session.is_running() {
                session.notice(NoticeLevel::Warning, EDITOR_GONE);
            }
        }
        self.shutting_down.push((ending, done));
        self.note_end();
    }

    /// Something has ended, which somebody may wait for.
    pub(in crate::sidecar) fn note_end(&mut self) {
        let sessions = &self.sessions;
        let is_over =
            |ending: Ending| !sessions.values().any(|session| session.is_running() && ending.is_about(session));
        let (over, waiting): (Vec<_>, _) =
            std::mem::take(&mut self.shutting_down).into_iter().partition(|(ending, _)| is_over(*ending));
        self.shutting_down = waiting;
        if over.iter().any(|(ending, _)| *ending == Ending::All) {
            let ended = self.end_servers();
            let mut storing = std::mem::take(&mut self.storing);
            tokio::spawn(async move {
                ended.await;
                while storing.join_next().await.is_some() {}
                for (_, done) in over {
                    let _ = done.send(());
                }
            });
        } else {
            for (_, done) in over {
                let _ = done.send(());
            }
        }
        self.drop_idle();
    }
}

impl Ending {
    fn is_about(self, session: &Session) -> bool {
        match self {
            Self::All => true,
            Self::Of(client) => session.watchers.iter().all(|watcher| Some(watcher.id) == client),
            Self::Others => !session.watchers.is_empty(),
        }
    }

    fn cancels(self, session: &Session) -> bool {
        self != Self::Others && self.is_about(session)
    }
}
