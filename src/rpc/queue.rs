//! The one outgoing queue: responses, requests and notifications, in the order they were said.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use memchr::memchr_iter;
use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};

use super::{Framing, Settings, Trace, UNREAD_FACTOR, trace::Side};

/// Bytes on their way to the writer, framed and ready. Whoever pushes never waits. What keeps it small is that
/// producers of events wait for [`Queue::writable`] first, and that past `settings.unread_max` a connection whose other
/// side does not read is given up.
pub(super) struct Queue {
    state: Mutex<State>,
    trace: Option<Trace>,
    framing: Framing,
    high_water: usize,
    unread_max: usize,
    stall: Duration,
    /// The writer waits here for something to write.
    filled: Notify,
    /// Producers wait here for room.
    drained: Notify,
}

#[derive(Default)]
struct State {
    buffer: Vec<u8>,
    /// Where a message is encoded before its length is known.
    scratch: Vec<u8>,
    /// Bytes that the writer took and the transport has not.
    in_flight: usize,
    /// When the transport last took something, or what it should take came into the empty queue.
    taken: Option<Instant>,
    ended: Option<Ended>,
}

/// Why nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Closed,
    /// The other side left so many bytes unread.
    Overflow(usize),
}

/// A buffer that grew beyond this is given back once it is empty.
const KEEP_SIZE: usize = 256 << 10;

impl Queue {
    pub(super) fn new(settings: &Settings, trace: Option<Trace>) -> Self {
        Self {
            state: Mutex::default(),
            trace,
            framing: settings.framing,
            high_water: settings.high_water,
            unread_max: settings.unread_max,
            stall: settings.stall,
            filled: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// Where messages are written down.
    pub(super) fn trace(&self) -> Option<&Trace> {
        self.trace.as_ref()
    }

    /// Appends what `encode` writes as one message; nothing if it fails, or if the queue has ended.
    pub(super) fn push(&self, encode: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>) -> serde_json::Result<()> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.ended.is_some() {
            return Ok(());
        }
        let unread = state.unread();
        let is_stuck = || state.taken.is_some_and(|taken| taken.elapsed() >= self.stall);
        if unread > self.unread_max && (is_stuck() || unread > UNREAD_FACTOR.saturating_mul(self.unread_max)) {
            state.ended = Some(Ended::Overflow(unread));
            drop(guard);
            self.wake();
            return Ok(());
        }
        state.scratch.clear();
        encode(&mut state.scratch)?;
        if let Some(trace) = &self.trace {
            trace.take(Side::Server, &state.scratch);
        }
        let was_empty = state.buffer.is_empty();
        if unread == 0 {
            state.taken = Some(Instant::now());
        }
        self.framing.append(&state.scratch, &mut state.buffer);
        give_back(&mut state.scratch);
        drop(guard);
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// True while events may be pushed.
    pub(super) fn is_writable(&self) -> bool {
        let state = self.lock();
        state.unread() < self.high_water || state.ended.is_some()
    }

    /// Waits until [`Self::is_writable`].
    pub(super) async fn writable(&self) {
        loop {
            let drained = self.drained.notified();
            if self.is_writable() {
                return;
            }
            drained.await;
        }
    }

    /// Waits until there may be something to write, or the queue has ended.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Moves all that is queued into `outgoing`, which must be empty.
    pub(super) fn take(&self, outgoing: &mut Vec<u8>) {
        let mut state = self.lock();
        give_back(outgoing);
        mem::swap(&mut state.buffer, outgoing);
        state.in_flight = outgoing.len();
    }

    /// Says that the transport took so many bytes of what was moved out.
    pub(super) fn sent(&self, count: usize) {
        let mut state = self.lock();
        let before = state.unread();
        state.in_flight -= count;
        state.taken = Some(Instant::now());
        let has_room = before >= self.high_water && state.unread() < self.high_water;
        drop(state);
        if has_room {
            self.drained.notify_waiters();
        }
    }

    /// Takes nothing more. What is queued may still be written.
    pub(super) fn end(&self) {
        self.lock().ended.get_or_insert(Ended::Closed);
        self.wake();
    }

    /// Takes nothing more, since the other side left `unread` bytes unread.
    pub(super) fn overflow(&self, unread: usize) {
        self.lock().ended.get_or_insert(Ended::Overflow(unread));
        self.wake();
    }

    pub(super) fn ended(&self) -> Option<Ended> {
        self.lock().ended
    }

    fn wake(&self) {
        self.filled.notify_one();
        self.drained.notify_waiters();
    }

    /// A panic while a message was encoded leaves the buffer whole: it is appended to only afterwards.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unread(&self) -> usize {
        self.buffer.len() + self.in_flight
    }
}

impl Framing {
    fn append(self, message: &[u8], buffer: &mut Vec<u8>) {
        match self {
            Self::ContentLength => {
                buffer.extend_from_slice(b"Content-Length: ");
                buffer.extend_from_slice(message.len().to_string().as_bytes());
                buffer.extend_from_slice(b"\r\n\r\n");
                buffer.extend_from_slice(message);
            }
            Self::Lines => {
                let start = buffer.len();
                buffer.extend_from_slice(message);
                // A raw value may be pretty-printed. A line break in JSON is white space: in strings it is escaped.
                for line_break in memchr_iter(b'\n', message) {
                    buffer[start + line_break] = b' ';
                }
                buffer.push(b'\n');
            }
        }
    }
}

/// Empties it, and frees it if it is larger than worth keeping.
fn give_back(buffer: &mut Vec<u8>) {
    if buffer.capacity() > KEEP_SIZE {
        *buffer = Vec::new();
    } else {
        buffer.clear();
    }
}
