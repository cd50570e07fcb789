//! Showing a client the past, from the log on disk, as fast as it reads and in bounded memory.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{Attachment, AttachmentId, Event, LoggedEvent};
use crate::{protocol::SessionEvent, store::Store};

/// Events read ahead of the client; few, since each may be large.
const READ_AHEAD: usize = 16;

/// Sends the events `from..=to` of a session to one client, then tells the hub.
pub fn replay(
    store: Store,
    session_id: Arc<str>,
    (from, to): (u64, u64),
    (id, attachment): (AttachmentId, Arc<dyn Attachment>),
    hub: mpsc::UnboundedSender<Event>,
) {
    let (read, mut events) = mpsc::channel::<(u64, Box<RawValue>)>(READ_AHEAD);
    let log_of = session_id.clone();
    tokio::task::spawn_blocking(move || match store.replay(&log_of, from..=to) {
        Ok(past) => {
            for entry in past {
                if read.blocking_send(entry).is_err() {
                    break;
                }
            }
        }
        Err(error) => tracing::error!(session = %log_of, %error, "the past of a session cannot be read"),
    });
    tokio::spawn(async move {
        while let Some((seq, json)) = events.recv().await {
            attachment.ready().await;
            match serde_json::from_str::<SessionEvent>(json.get()) {
                Ok(event) => attachment.event(&LoggedEvent { session_id: session_id.clone(), seq, event, json }),
                Err(error) => tracing::warn!(seq, %error, "an event of another version of Pillion was skipped"),
            }
        }
        let _ = hub.send(Event::CaughtUp { session_id, attachment: id, seq: to });
    });
}
