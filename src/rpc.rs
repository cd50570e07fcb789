//! A JSON-RPC 2.0 peer over any byte stream.
//!
//! A face implements [`Service`] and hands it to [`Connection::serve`], which is one loop over one stream:
//!
//! - What comes in is handled in the order it came, each message before the next is looked at; a service translates,
//!   passes on and returns.
//! - What goes out (answers, notifications, our own requests) shares one queue, so it arrives in the order it was said.
//!   Reading never waits for it. A peer that stops reading costs [`Settings::high_water`] bytes for events, whose
//!   producers wait for [`Peer::writable`], and at most [`Settings::unread_max`] for the rest; then the connection ends.
//! - A bad frame costs an error and the next frame is read.
//! - Every request gets exactly one answer: [`Reply`] owns that fact.

#[cfg(unix)]
mod descriptor;
mod error;
mod framing;
mod id;
mod message;
mod peer;
mod queue;
mod repair;
mod trace;

pub mod parent;
pub mod stdio;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub use self::{
    error::Error,
    framing::Framing,
    id::Id,
    peer::{Call, CallError, Peer, Reply},
    trace::Trace,
};
use self::{
    framing::{Decoder, Frame},
    message::{Body, Malformed, Message},
    peer::Batch,
    queue::Ended,
    trace::Side,
};

/// So many times [`Settings::unread_max`] may wait for a side that does read, however large its questions are.
const UNREAD_FACTOR: usize = 16;

/// What a connection does and how much it takes. Sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub framing: Framing,
    /// The longest message that is read; a longer one is skipped and answered with an error.
    pub message_max: usize,
    /// With this much queued, producers of events wait.
    pub high_water: usize,
    /// With more than this unread by the other side, which has taken nothing for [`Self::stall`], the connection ends;
    /// and in any case with 16 times as much.
    pub unread_max: usize,
    /// How long the other side may take nothing while much waits for it.
    pub stall: Duration,
    /// How many requests of the other side may be without an answer.
    pub in_flight_max: usize,
    /// The notification that gives up a request of ours, and what its parameter with the request's id is called.
    pub cancel: Option<(&'static str, &'static str)>,
    /// How long the last answers may take to be written after the end of input or [`Peer::close`].
    pub linger: Duration,
}

impl Settings {
    /// LSP. The largest message is that of a buffer of some hundred megabytes, opened or replaced.
    pub const LSP: Self = Self {
        framing: Framing::ContentLength,
        message_max: 256 << 20,
        // Some 300 deltas: what stands between a cancel and its effect on the screen.
        high_water: 64 << 10,
        unread_max: 16 << 20,
        // Long for a program that reads, and short for what can be asked for meanwhile.
        stall: Duration::from_secs(10),
        in_flight_max: 4_096,
        cancel: Some(("$/cancelRequest", "id")),
        linger: Duration::from_secs(1),
    };

    /// The Agent Client Protocol.
    pub const ACP: Self = Self { cancel: Some(("$/cancel_request", "requestId")), ..Self::LINES };

    /// One message a line.
    pub const LINES: Self = Self { framing: Framing::Lines, message_max: 64 << 20, cancel: None, ..Self::LSP };
}

/// What answers. Both methods run in the reader: they return at once, and what they do has taken effect when they do.
/// A panic inside one is logged and answered as an internal error.
pub trait Service {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>);

    fn notification(&mut self, method: &str, params: Option<&RawValue>);
}

/// Why a connection ended.
#[derive(Debug)]
pub enum End {
    /// Someone called [`Peer::close`].
    Closed,
    /// The input ended, between two messages or inside one.
    Eof { inside_message: bool },
    /// The other side left so many bytes unread.
    Unread(usize),
    /// The transport failed.
    Broken(io::Error),
}

/// Reads parameters. Absent ones read as an empty object.
///
/// # Errors
///
/// -32602, with what is wrong where.
pub fn read_params<T: DeserializeOwned>(params: Option<&RawValue>) -> Result<T, Error> {
    serde_json::from_str(params.map_or("{}", RawValue::get)).map_err(|error| Error::invalid_params(error.to_string()))
}

/// A connection that is not served yet. Its [`Peer`] may be given away before.
pub struct Connection {
    peer: Peer,
    settings: Settings,
}

impl Connection {
    pub fn new(settings: Settings) -> Self {
        Self::traced(settings, None)
    }

    /// One whose messages are written down in `trace`: what comes in when it is handled, what goes out when it is said.
    pub fn traced(settings: Settings, trace: Option<Trace>) -> Self {
        Self { peer: Peer::new(settings, trace), settings }
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Serves until the input ends, the transport breaks, or someone calls [`Peer::close`]. Dropping the future ends the
    /// connection too. After it nothing waits: calls fail, and who waits for room goes on.
    pub async fn serve<R, W, S>(self, mut reader: R, mut writer: W, service: &mut S) -> End
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
        S: Service + ?Sized,
    {
        let _ended = EndGuard(&self.peer);
        let queue = &self.peer.0.queue;
        let mut decoder = Decoder::new(self.settings.framing, self.settings.message_max);
        let mut outgoing = Outgoing::default();
        let mut eof = None;
        let linger = tokio::time::sleep(Duration::MAX);
        tokio::pin!(linger);

        loop {
            if outgoing.is_written() {
                outgoing.refill(queue);
            }
            let ended = queue.ended();
            if let Some(unread) = ended.and_then(Ended::unread) {
                tracing::error!(unread, "the other side does not read; the connection ends");
                return End::Unread(unread);
            }
            if ended.is_some() && outgoing.is_flushed() {
                return eof.unwrap_or(End::Closed);
            }
            let is_reading = ended.is_none();
            if !is_reading && linger.deadline() > tokio::time::Instant::now() + self.settings.linger {
                linger.as_mut().reset(tokio::time::Instant::now() + self.settings.linger);
            }
            // Not biased: neither a flood of input nor one of output keeps the other from moving.
            tokio::select! {
                step = outgoing.step(&mut writer), if !outgoing.is_flushed() => match step {
                    Ok(count) => queue.sent(count),
                    Err(error) => return End::Broken(error),
                },
                () = queue.filled() => {}
                read = reader.read_buf(decoder.space()), if is_reading => match read {
                    Ok(0) => {
                        let inside_message = self.finish(&mut decoder, service);
                        eof = Some(End::Eof { inside_message });
                        queue.end();
                    }
                    Ok(_) => self.take_frames(&mut decoder, service),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return End::Broken(error),
                },
                () = &mut linger, if !is_reading => {
                    tracing::warn!("the other side did not read the last messages");
                    return eof.unwrap_or(End::Closed);
                }
            }
        }
    }

    fn take_frames<S: Service + ?Sized>(&self, decoder: &mut Decoder, service: &mut S) {
        while !self.peer.is_closed()
            && let Some(frame) = decoder.next()
        {
            self.take_frame(frame, service);
        }
    }

    /// The input has ended. True if it did inside a message.
    fn finish<S: Service + ?Sized>(&self, decoder: &mut Decoder, service: &mut S) -> bool {
        if let Some(frame) = decoder.finish() {
            self.take_frame(frame, service);
        }
        !decoder.is_at_boundary()
    }

    fn take_frame<S: Service + ?Sized>(&self, frame: Frame<'_>, service: &mut S) {
        let body = match frame {
            Frame::Body(body) => body,
            Frame::Bad(error) => return self.refuse(None, &Malformed { id: Id::null(), error }),
        };
        let text = repair::repair(body);
        if let Some(trace) = self.peer.0.queue.trace() {
            trace.take(Side::Client, text.as_bytes());
        }
        match Body::read(&text) {
            Ok(Body::Single(text)) => self.take_message(Message::read(text), None, service),
            Ok(Body::Batch(elements)) => {
                let messages: Vec<_> = elements.into_iter().map(|element| Message::read(element.get())).collect();
                let is_answered =
                    |message: &&Result<Message, Malformed>| matches!(message, Ok(Message::Request { .. }) | Err(_));
                let batch = Arc::new(Batch::new(messages.iter().filter(is_answered).count()));
                for message in messages {
                    self.take_message(message, Some(&batch), service);
                }
            }
            Err(malformed) => self.refuse(None, &malformed),
        }
    }

    fn take_message<S: Service + ?Sized>(
        &self,
        message: Result<Message<'_>, Malformed>,
        batch: Option<&Arc<Batch>>,
        service: &mut S,
    ) {
        match message {
            Ok(Message::Request { id, method, params }) => match self.peer.accept(id.clone(), batch.cloned()) {
                Ok(reply) => guarded(&method, || service.request(reply, &method, params)),
                Err(error) => self.refuse(batch, &Malformed { id, error }),
            },
            Ok(Message::Notification { method, params }) => {
                guarded(&method, || service.notification(&method, params));
            }
            Ok(Message::Response { id, outcome }) => self.peer.settle(id, outcome),
            Err(malformed) => self.refuse(batch, &malformed),
        }
    }

    fn refuse(&self, batch: Option<&Arc<Batch>>, malformed: &Malformed) {
        tracing::warn!(id = %malformed.id, error = %malformed.error, "a message was refused");
        self.peer.refuse(&malformed.id, batch.map(Arc::as_ref), &malformed.error);
    }
}

/// Runs a handler. If it panics, its [`Reply`] is dropped on the way, which answers.
fn guarded(method: &str, handle: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(handle)).is_err() {
        tracing::error!(method, "a handler panicked");
    }
}

struct EndGuard<'a>(&'a Peer);

impl Drop for EndGuard<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What was taken off the queue and is being written.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
    needs_flush: bool,
}

impl Outgoing {
    fn is_written(&self) -> bool {
        self.written == self.bytes.len()
    }

    fn is_flushed(&self) -> bool {
        self.is_written() && !self.needs_flush
    }

    fn refill(&mut self, queue: &queue::Queue) {
        queue.take(&mut self.bytes);
        self.written = 0;
        self.needs_flush |= !self.bytes.is_empty();
    }

    /// One write, or the flush after the last. Returns how many bytes went; dropped half-way, it has done nothing.
    async fn step(&mut self, writer: &mut (impl AsyncWrite + Unpin)) -> io::Result<usize> {
        if self.is_written() {
            writer.flush().await?;
            self.needs_flush = false;
            return Ok(0);
        }
        let count = writer.write(&self.bytes[self.written..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += count;
        Ok(count)
    }
}
