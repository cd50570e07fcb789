//! Showing a client the past, from the log on disk, as fast as it reads and in bounded memory.

use std::{ops::RangeInclusive, sync::Arc};

use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Attachment, AttachmentId, Event, LoggedEvent};
use crate::{
    protocol::{EventListResponse, NoticeLevel, SessionEvent, SessionEventNotification},
    store::{self, Store, StoreError},
};

/// Events read ahead of the client; few, since each may be large.
const READ_AHEAD: usize = 16;

/// The most that one answer to `event/list` holds, in bytes of its events, but for a single one that is larger.
const PAGE_BYTES: usize = 8 << 20;

/// Reads an event. One of a newer Pillion reaches a client that may know it; a face of this one sees a notice.
pub fn read_event(seq: u64, json: &RawValue) -> SessionEvent {
    serde_json::from_str(json.get()).unwrap_or_else(|_| SessionEvent::Notice {
        level: NoticeLevel::Info,
        message: format!("Event {seq} was written by another version of Pillion."),
    })
}

/// Reads these events of a session, or as many of them as fit. Waits for the disk.
pub fn page(
    store: &Store,
    session_id: &str,
    seqs: RangeInclusive<u64>,
    held_back: Vec<u8>,
) -> Result<EventListResponse, StoreError> {
    let mut next_seq = *seqs.start();
    if seqs.is_empty() {
        return Ok(EventListResponse { events: Vec::new(), next_seq });
    }
    let (mut events, mut bytes) = (Vec::new(), 0);
    for (seq, json) in store.replay_with(session_id, seqs, held_back)? {
        bytes += json.get().len();
        if bytes > PAGE_BYTES && !events.is_empty() {
            break;
        }
        let event = read_event(seq, &json);
        events.push(SessionEventNotification { session_id: session_id.to_owned(), seq, first_seq: None, event });
        next_seq = seq + 1;
    }
    Ok(EventListResponse { events, next_seq })
}

/// One watch of one client.
pub struct Watch {
    pub session_id: Arc<str>,
    pub client: AttachmentId,
    pub attachment: Arc<dyn Attachment>,
    pub number: u64,
}

/// Sends these events of a session to one client, every number of them, then tells the hub. Of its log, some may be
/// held back. Ends when the handle is dropped.
pub fn replay(
    store: Store,
    watch: Watch,
    seqs: RangeInclusive<u64>,
    held_back: Vec<u8>,
    hub: mpsc::UnboundedSender<Event>,
) -> AbortOnDropHandle<()> {
    let Watch { session_id, client, attachment, number } = watch;
    let (read, mut events) = mpsc::channel::<(u64, Box<RawValue>)>(READ_AHEAD);
    let (log_of, wanted) = (session_id.clone(), seqs.clone());
    tokio::task::spawn_blocking(move || match store.replay_with(&log_of, wanted, held_back) {
        Ok(past) => {
            for entry in past {
                if read.blocking_send(entry).is_err() {
                    break;
                }
            }
        }
        Err(error) => tracing::error!(session = %log_of, %error, "the past of a session cannot be read"),
    });
    AbortOnDropHandle::new(tokio::spawn(async move {
        for seq in seqs.clone() {
            // A log that cannot be read, or ends early, still gives every number.
            let json = events.recv().await.map(|(_, json)| json).or_else(|| store::missing(seq));
            let Some(json) = json else { continue };
            attachment.ready().await;
            let event = read_event(seq, &json);
            attachment.event(&LoggedEvent { session_id: session_id.clone(), seq, event, json });
        }
        let _ = hub.send(Event::CaughtUp { session_id, client, number, seq: *seqs.end() });
    }))
}
