//! One subscription to a session's events: an attachment of its own, with a bounded queue.
//!
//! A turn never waits for a subscriber. One that falls behind gets adjacent deltas joined, and when even that is too much,
//! what is queued is the last it gets, and the number from which it may resume.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{FutureExt, future::BoxFuture};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::Notify;

use super::{keeper::Keeper, metrics::Metrics};
use crate::{
    face::link::Link,
    protocol::SessionEvent,
    sidecar::{Attachment, AttachmentId, Inquiry, LoggedEvent, Verdict},
};

/// Deltas are joined when more events than these wait. Chosen: a client that keeps up has a few in the worst moment.
const JOIN_FROM: usize = 32;
/// The most that may wait. Measured: 40,000 deltas of a fast model, joined, are some 100 KiB.
const EVENTS_MAX: usize = 1024;
/// In bytes. A single event may be larger.
const BYTES_MAX: usize = 1 << 20;

/// A subscription. Dropped, it watches no more.
pub struct Subscriber {
    link: Link,
    keeper: Arc<Keeper>,
    metrics: Arc<Metrics>,
    session_id: Arc<str>,
    id: AttachmentId,
    queue: Queue,
}

/// What a subscriber gets next.
pub enum Next {
    Event(Queued),
    /// Nothing more: it did not keep up. The first event that it missed has this number.
    Lagged {
        seq: u64,
    },
}

/// An event on its way. It encodes as a `SessionEventNotification`.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    session_id: Arc<str>,
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_seq: Option<u64>,
    event: Box<RawValue>,
}

impl Subscriber {
    pub fn attach(link: &Link, keeper: &Arc<Keeper>, metrics: &Arc<Metrics>, session_id: &str) -> Self {
        let queue = metrics.subscribed();
        let id = link.attach(Arc::new(queue.clone()));
        keeper.count(session_id, true);
        let (link, keeper, metrics) = (link.clone(), keeper.clone(), metrics.clone());
        Self { link, keeper, metrics, session_id: session_id.into(), id, queue }
    }

    pub fn id(&self) -> AttachmentId {
        self.id
    }

    /// True if there is nothing to send now.
    pub fn is_empty(&self) -> bool {
        let state = self.queue.lock();
        state.waiting.is_empty() && state.lagged.is_none()
    }

    pub async fn next(&self) -> Next {
        loop {
            let filled = self.queue.0.filled.notified();
            if let Some(next) = self.queue.take() {
                return next;
            }
            filled.await;
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.link.detach(self.id);
        self.keeper.count(&self.session_id, false);
        self.queue.close();
        self.metrics.unsubscribed(&self.queue);
    }
}

/// What waits for a subscriber to take it. Cheap to clone.
#[derive(Clone, Default)]
pub struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// The subscriber waits here for something to send.
    filled: Notify,
    /// A replay waits here for room.
    drained: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// The first event that found no room.
    lagged: Option<u64>,
    closed: bool,
}

struct Waiting {
    logged: LoggedEvent,
    /// Differs from its own number if others were joined into it.
    first_seq: u64,
    /// In bytes, what came to it.
    joined: usize,
}

impl Waiting {
    fn size(&self) -> usize {
        self.logged.json.get().len() + self.joined
    }
}

impl Queue {
    /// How many events wait, and how many bytes they take.
    pub fn depth(&self) -> (usize, usize) {
        let state = self.lock();
        (state.waiting.len(), state.bytes)
    }

    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn take(&self) -> Option<Next> {
        let mut state = self.lock();
        let Some(first) = state.waiting.pop_front() else {
            return state.lagged.map(|seq| Next::Lagged { seq });
        };
        state.bytes -= first.size();
        let has_room = state.has_room();
        drop(state);
        if has_room {
            self.0.drained.notify_waiters();
        }
        let Waiting { logged: LoggedEvent { session_id, seq, event, json }, first_seq, .. } = first;
        if first_seq == seq {
            return Some(Next::Event(Queued { session_id, seq, first_seq: None, event: json }));
        }
        // No type of the protocol can fail to encode.
        let joined = to_raw_value(&event).unwrap_or(json);
        Some(Next::Event(Queued { session_id, seq, first_seq: Some(first_seq), event: joined }))
    }

    fn close(&self) {
        self.lock().closed = true;
        self.0.drained.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, logged: &LoggedEvent) {
        if self.lagged.is_some() || self.closed {
            return;
        }
        if self.waiting.len() >= JOIN_FROM
            && self.bytes < BYTES_MAX
            && let Some(last) = self.waiting.back_mut()
            && let Some(added) = join(&mut last.logged.event, &logged.event)
        {
            last.logged.seq = logged.seq;
            last.joined += added;
            self.bytes += added;
            return;
        }
        let is_full = self.waiting.len() >= EVENTS_MAX || self.bytes + logged.json.get().len() > BYTES_MAX;
        if is_full && !self.waiting.is_empty() {
            self.lagged = Some(logged.seq);
            return;
        }
        let waiting = Waiting { logged: logged.clone(), first_seq: logged.seq, joined: 0 };
        self.bytes += waiting.size();
        self.waiting.push_back(waiting);
    }

    /// Whether a replay may go on: half of it is free.
    fn has_room(&self) -> bool {
        self.closed || (self.waiting.len() < EVENTS_MAX / 2 && self.bytes < BYTES_MAX / 2)
    }
}

/// Appends a delta to the one before it, if they are of one kind, and returns how many bytes came to it.
fn join(last: &mut SessionEvent, next: &SessionEvent) -> Option<usize> {
    match (last, next) {
        (SessionEvent::MessageDelta { text: last }, SessionEvent::MessageDelta { text: next })
        | (SessionEvent::ReasoningDelta { text: last }, SessionEvent::ReasoningDelta { text: next }) => {
            last.push_str(next);
            Some(next.len())
        }
        (
            SessionEvent::ToolProgress { call_id: of_last, offset, text: last },
            SessionEvent::ToolProgress { call_id, offset: then, text: next },
        ) if of_last == call_id && *offset + last.len() as u64 == *then => {
            last.push_str(next);
            Some(next.len())
        }
        (SessionEvent::Nested { call_id: of_last, event: last }, SessionEvent::Nested { call_id, event: next })
            if of_last == call_id =>
        {
            join(last, next)
        }
        _ => None,
    }
}

impl Attachment for Queue {
    fn event(&self, event: &LoggedEvent) {
        self.lock().push(event);
        self.0.filled.notify_one();
    }

    /// A turn never waits for a subscriber.
    fn is_ready(&self) -> bool {
        true
    }

    /// A replay does.
    fn ready(&self) -> BoxFuture<'static, ()> {
        let queue = self.clone();
        async move {
            loop {
                let drained = queue.0.drained.notified();
                if queue.lock().has_room() {
                    return;
                }
                drained.await;
            }
        }
        .boxed()
    }

    /// Subscribers see the event, and answer by `approval/respond` or `question/respond`.
    fn ask(&self, _: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        futures::future::pending().boxed()
    }
}
