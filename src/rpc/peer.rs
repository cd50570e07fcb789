//! The outgoing side: notifications, requests, and the answers to the other side's requests.

use std::{
    collections::HashMap,
    io::Write,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::{sync::oneshot, time::Sleep};

use super::{
    Error, Id, Settings, Trace, UNREAD_FACTOR,
    queue::{Ended, Queue},
};

/// One end of a connection, for whoever has something to say. Cheap to clone. Nothing here ever waits but
/// [`Peer::writable`] and a [`Call`]; everything said goes out in the order it was said. Once the connection has ended,
/// what is said goes nowhere.
#[derive(Clone)]
pub struct Peer(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) queue: Queue,
    settings: Settings,
    next_serial: AtomicU64,
    calls: Mutex<Calls>,
}

/// The requests without an answer, in both directions.
#[derive(Default)]
struct Calls {
    incoming: HashMap<Id, u64>,
    outgoing: HashMap<u64, OnAnswer>,
    ended: bool,
}

/// Takes the answer to a request of ours, in the reader.
type OnAnswer = Box<dyn FnOnce(Result<Box<RawValue>, Error>) + Send>;

/// Why a [`Call`] has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    #[error("no answer to `{method}` within {limit:?}")]
    Timeout { method: String, limit: Duration },
    #[error("the connection ended before `{method}` was answered")]
    Closed { method: String },
    #[error("`{method}` was refused: {error}")]
    Remote { method: String, error: Error },
    #[error("the answer to `{method}` is not what the protocol says: {problem}")]
    Malformed { method: String, problem: String },
}

impl Peer {
    pub(super) fn new(settings: Settings, trace: Option<Trace>) -> Self {
        Self(Arc::new(Shared {
            queue: Queue::new(&settings, trace),
            settings,
            next_serial: AtomicU64::new(1),
            calls: Mutex::default(),
        }))
    }

    /// Says it, however much is queued. Who may say much waits for [`Peer::writable`] first.
    pub fn notify(&self, method: &str, params: &impl Serialize) {
        let pushed = self.0.queue.push(|out| {
            out.extend_from_slice(br#"{"jsonrpc":"2.0","method":"#);
            serde_json::to_writer(&mut *out, method)?;
            write_params(out, params)
        });
        if let Err(error) = pushed {
            tracing::error!(method, %error, "a notification could not be encoded");
        }
    }

    /// Waits until fewer bytes than the high-water mark are queued, or the connection has ended.
    pub async fn writable(&self) {
        self.0.queue.writable().await;
    }

    pub fn is_writable(&self) -> bool {
        self.0.queue.is_writable()
    }

    /// True once nothing more goes out.
    pub fn is_closed(&self) -> bool {
        self.0.queue.ended().is_some()
    }

    /// Ends the connection, once what is queued is written.
    pub fn close(&self) {
        self.0.queue.end();
    }

    /// Asks the other side. Sent at once, whether the call is polled or not; given up when `limit` is over or the call is
    /// dropped, and then the other side is told.
    pub fn request(&self, method: &str, params: &impl Serialize, limit: Duration) -> Call {
        let (sender, receiver) = oneshot::channel();
        let serial = self.ask(method, params, move |answer| drop(sender.send(answer)));
        Call {
            peer: self.clone(),
            serial,
            method: method.to_owned(),
            limit,
            receiver,
            sleep: Box::pin(tokio::time::sleep(limit)),
        }
    }

    /// Asks the other side. `on_answer` is called in the reader, in order with all else that comes; if the connection ends
    /// before, it is dropped. Returns the request's number.
    pub fn ask(
        &self,
        method: &str,
        params: &impl Serialize,
        on_answer: impl FnOnce(Result<Box<RawValue>, Error>) + Send + 'static,
    ) -> u64 {
        let serial = self.next_serial();
        let mut calls = self.0.calls();
        // After the end nobody would remove it again; dropped here, it says that it is closed.
        if !calls.ended {
            calls.outgoing.insert(serial, Box::new(on_answer));
        }
        drop(calls);
        let pushed = self.0.queue.push(|out| {
            write!(out, r#"{{"jsonrpc":"2.0","id":{serial},"method":"#).map_err(serde_json::Error::io)?;
            serde_json::to_writer(&mut *out, method)?;
            write_params(out, params)
        });
        if let Err(error) = pushed {
            self.0.settle(serial, Err(Error::internal(format!("the request could not be encoded: {error}"))));
        }
        serial
    }

    /// [`Peer::request`] with a typed result.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        params: &impl Serialize,
        limit: Duration,
    ) -> Result<T, CallError> {
        let result = self.request(method, params, limit).await?;
        serde_json::from_str(result.get())
            .map_err(|error| CallError::Malformed { method: method.to_owned(), problem: error.to_string() })
    }

    /// The [`Reply::serial`] of the request with this id, while it has no answer.
    pub fn serial(&self, id: &Id) -> Option<u64> {
        self.0.calls().incoming.get(id).copied()
    }

    /// Notes that a request came, and gives the right to answer it.
    pub(super) fn accept(&self, id: Id, batch: Option<Arc<Batch>>) -> Result<Reply, Error> {
        let mut calls = self.0.calls();
        if calls.incoming.contains_key(&id) {
            return Err(Error::invalid_request(format!("the id {id} belongs to a request that has no answer yet")));
        }
        if calls.incoming.len() >= self.0.settings.in_flight_max {
            let count = calls.incoming.len();
            return Err(Error::invalid_request(format!("{count} requests have no answer yet: wait for some of them")));
        }
        let serial = self.next_serial();
        calls.incoming.insert(id.clone(), serial);
        drop(calls);
        Ok(Reply { peer: self.clone(), id, serial, batch, is_open: true })
    }

    /// Answers what never became a request.
    pub(super) fn refuse(&self, id: &Id, batch: Option<&Batch>, error: &Error) {
        self.answer::<()>(id, batch, Err(error));
    }

    /// Takes the answer to one of our requests. One that nobody waits for any more is ignored.
    pub(super) fn settle(&self, id: &RawValue, outcome: Result<&RawValue, Error>) {
        // An editor may send back `1.0` for our `1`.
        let serial = match id.get().parse::<u64>() {
            Ok(serial) => Some(serial),
            Err(_) => id.get().parse::<f64>().ok().filter(|number| number.fract() == 0.0).map(|number| number as u64),
        };
        let is_awaited = serial.is_some_and(|serial| self.0.settle(serial, outcome.map(ToOwned::to_owned)));
        if !is_awaited {
            tracing::debug!(id = id.get(), "an answer that nobody waits for");
        }
    }

    /// The connection has ended: no call is answered any more.
    pub(super) fn end(&self) {
        self.0.queue.end();
        let mut calls = self.0.calls();
        calls.ended = true;
        calls.incoming.clear();
        let unanswered = std::mem::take(&mut calls.outgoing);
        // What is dropped may say something itself.
        drop(calls);
        drop(unanswered);
    }

    fn next_serial(&self) -> u64 {
        self.0.next_serial.fetch_add(1, Ordering::Relaxed)
    }

    fn answer<T: Serialize>(&self, id: &Id, batch: Option<&Batch>, outcome: Result<&T, &Error>) {
        let encode = |out: &mut Vec<u8>| {
            write!(out, r#"{{"jsonrpc":"2.0","id":{id},"#).map_err(serde_json::Error::io)?;
            match outcome {
                Ok(result) => {
                    out.extend_from_slice(br#""result":"#);
                    serde_json::to_writer(&mut *out, result)?;
                }
                Err(error) => {
                    out.extend_from_slice(br#""error":"#);
                    serde_json::to_writer(&mut *out, error)?;
                }
            }
            out.push(b'}');
            Ok(())
        };
        let encoded = match batch {
            None => self.0.queue.push(encode),
            Some(batch) => batch.push(&self.0, encode),
        };
        if let Err(error) = encoded {
            tracing::error!(%id, %error, "an answer could not be encoded");
            self.refuse(id, batch, &Error::internal(format!("the answer could not be encoded: {error}")));
        }
    }
}

impl Shared {
    fn calls(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if someone waited for it.
    fn settle(&self, serial: u64, outcome: Result<Box<RawValue>, Error>) -> bool {
        let on_answer = self.calls().outgoing.remove(&serial);
        let is_awaited = on_answer.is_some();
        if let Some(on_answer) = on_answer {
            on_answer(outcome);
        }
        is_awaited
    }
}

fn write_params(out: &mut Vec<u8>, params: &impl Serialize) -> serde_json::Result<()> {
    out.extend_from_slice(br#","params":"#);
    serde_json::to_writer(&mut *out, params)?;
    out.push(b'}');
    Ok(())
}

/// The right to answer one request, once. Dropped without an answer, it answers with an internal error: a request is
/// never left waiting.
pub struct Reply {
    peer: Peer,
    id: Id,
    serial: u64,
    batch: Option<Arc<Batch>>,
    is_open: bool,
}

impl Reply {
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Differs from that of every other request of this connection, in both directions.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Answers. Never waits.
    pub fn send<T: Serialize>(mut self, outcome: Result<T, Error>) {
        self.answer(outcome.as_ref());
    }

    /// Answers with an error.
    pub fn refuse(self, error: Error) {
        self.send::<()>(Err(error));
    }

    fn answer<T: Serialize>(&mut self, outcome: Result<&T, &Error>) {
        self.is_open = false;
        // Before the answer goes out: who has read it may use the id again.
        self.peer.0.calls().incoming.remove(&self.id);
        self.peer.answer(&self.id, self.batch.as_deref(), outcome);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if self.is_open && !self.peer.is_closed() {
            tracing::error!(id = %self.id, "a request was dropped without an answer");
            self.answer::<()>(Err(&Error::internal("the request failed inside Pillion; its log says more")));
        }
    }
}

/// The answers to a batch, which go out as one array when the last is there.
pub(super) struct Batch(Mutex<Gathered>);

struct Gathered {
    text: Vec<u8>,
    missing: usize,
}

impl Batch {
    /// For so many answers, more than none.
    pub(super) fn new(missing: usize) -> Self {
        Self(Mutex::new(Gathered { text: vec![b'['], missing }))
    }

    fn push(
        &self,
        shared: &Shared,
        encode: impl FnOnce(&mut Vec<u8>) -> serde_json::Result<()>,
    ) -> serde_json::Result<()> {
        let mut gathered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = gathered.text.len();
        if start > UNREAD_FACTOR.saturating_mul(shared.settings.unread_max) {
            gathered.text = Vec::new();
            shared.queue.overflow(start);
        }
        if shared.queue.ended().is_some() {
            return Ok(());
        }
        if let Err(error) = encode(&mut gathered.text) {
            gathered.text.truncate(start);
            return Err(error);
        }
        gathered.missing -= 1;
        if gathered.missing > 0 {
            gathered.text.push(b',');
            return Ok(());
        }
        gathered.text.push(b']');
        shared.queue.push(|out| {
            out.append(&mut gathered.text);
            Ok(())
        })
    }
}

/// A request of ours that waits for its answer.
pub struct Call {
    peer: Peer,
    serial: u64,
    method: String,
    limit: Duration,
    receiver: oneshot::Receiver<Result<Box<RawValue>, Error>>,
    sleep: Pin<Box<Sleep>>,
}

impl Future for Call {
    type Output = Result<Box<RawValue>, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let method = self.method.clone();
        if let Poll::Ready(received) = Pin::new(&mut self.receiver).poll(context) {
            return Poll::Ready(match received {
                Ok(Ok(result)) => Ok(result),
                Ok(Err(error)) => Err(CallError::Remote { method, error }),
                Err(_) => Err(CallError::Closed { method }),
            });
        }
        match self.sleep.as_mut().poll(context) {
            Poll::Ready(()) => {
                self.give_up();
                Poll::Ready(Err(CallError::Timeout { method, limit: self.limit }))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Call {
    fn give_up(&self) {
        let is_awaited = self.peer.0.calls().outgoing.remove(&self.serial).is_some();
        if let (true, Some((method, id))) = (is_awaited, self.peer.0.settings.cancel) {
            self.peer.notify(method, &serde_json::json!({ id: self.serial }));
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Why the outgoing side ended, for the log.
impl Ended {
    pub(super) fn unread(self) -> Option<usize> {
        match self {
            Self::Closed => None,
            Self::Overflow(unread) => Some(unread),
        }
    }
}
