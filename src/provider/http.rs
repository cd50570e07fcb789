//! One model call over HTTP: send, decode the answer as it comes, and close the connection when nobody listens.

mod caller;
mod client;
mod route;
mod secret;

use std::{collections::VecDeque, future::poll_fn, task::Poll, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream, stream::BoxStream};
pub(super) use reqwest::{Method, Response};

pub(crate) use self::caller::broken;
pub(super) use self::caller::{Call, Caller};
pub(crate) use self::client::client;
pub use self::{
    client::{is_on_this_machine, warm},
    route::{Certificates, Proxy, Route},
    secret::{secrets_of, without_secrets},
};
use super::{ErrorClass, ProviderError, StreamEvent, answer::Answer, error::Failure, key::KeySource, sse};

/// The largest answer taken that is not a stream, in bytes. Chosen to be far above any real one.
const LARGEST_BODY: usize = 64 * 1024 * 1024;
/// How much of a stream is taken at once if it is there, in bytes. Chosen to be what one read of a socket gives.
const GATHERED: usize = 16 * 1024;
/// How long the rest of an answer is waited for once its end was announced: the usage, and the end of the body, which
/// leaves the connection usable for the next call. Chosen.
const LINGER: Duration = Duration::from_secs(5);

/// Where a provider is, and how it is asked.
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// use pillion::provider::{
///     http::{Auth, Endpoint, Limits, Proxy, Route},
///     key::{Key, KeyCommand, KeySource},
///     openai::{OpenAi, Quirks},
/// };
///
/// // Asked for a key when one is needed first, and anew when the server refuses it.
/// let asked = Arc::new(AtomicU32::new(0));
/// let counted = asked.clone();
/// let command = KeyCommand::new(move || {
///     counted.fetch_add(1, Ordering::Relaxed);
///     Box::pin(async { Key::new("a key of today").ok_or_else(|| "the vault is empty".to_owned()) })
/// });
/// let endpoint = Endpoint {
///     name: "work".into(),
///     base_url: "https://models.example/v1".into(),
///     key: KeySource::Command(command),
///     needs_key: true,
///     auth: Auth::Bearer,
///     headers: vec![("X-Team".into(), "bread".into())],
///     limits: Limits::default(),
///     route: Route { proxy: Proxy::parse("http://proxy.example:3128")?, certificates: None },
/// };
/// assert!(!format!("{endpoint:?}").contains("a key of today"));
/// let provider = OpenAi::new(endpoint, Quirks::default());
/// assert_eq!(asked.load(Ordering::Relaxed), 0);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The name people know it by, for messages.
    pub name: String,
    /// For example `https://api.anthropic.com/v1`; a slash at the end makes no difference.
    pub base_url: String,
    pub key: KeySource,
    /// True if calls without a key are known to be refused. A server on this machine is always asked.
    pub needs_key: bool,
    pub auth: Auth,
    /// Sent with each call, after our own and instead of ours where the names are the same.
    pub headers: Vec<(String, String)>,
    pub limits: Limits,
    pub route: Route,
}

/// The header that carries the key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer ...`
    #[default]
    Bearer,
    /// A header of this name with the bare key.
    Header(&'static str),
}

/// How long silence is borne. There is no limit on a whole call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until there is a connection.
    pub connect: Duration,
    /// Between two pieces of an answer, and until the first: a model may read a long prompt for minutes.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(15), idle: Duration::from_secs(300) }
    }
}

/// How a wire format is folded into an answer.
pub(super) trait Fold: Send + Sync + 'static {
    fn answer(&mut self) -> &mut Answer;

    /// Takes one event of a stream; true if it was the last.
    ///
    /// # Errors
    /// What the provider reported, or that this was no event of its wire format.
    fn event(&mut self, event: sse::Event<'_>) -> Result<bool, Failure>;

    /// Takes an answer that came as one JSON body.
    ///
    /// # Errors
    /// As for [`Self::event`].
    fn whole(&mut self, body: &[u8]) -> Result<(), Failure>;

    /// True once an end mark was seen: what came until then is the answer, even if the connection breaks now.
    fn is_whole(&self) -> bool;

    /// Completes the answer: calls become events, and the stop reason gets its meaning.
    ///
    /// # Errors
    /// If the stop reason says that the provider failed.
    fn finish(&mut self) -> Result<(), Failure>;

    /// Leaves in the answer what can be kept of one that was broken off.
    fn break_off(&mut self);
}

/// Sends `body` to `path` below the endpoint's base URL and folds what comes back.
pub(super) fn stream(
    endpoint: Endpoint,
    path: impl Into<String>,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    fold: impl Fold,
) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
    let call = Call { method: Method::POST, path: path.into(), headers, body: body.into(), once: false };
    let exchange = Box::new(Exchange { caller: Caller::new(endpoint), ended: None, phase: Phase::Unsent(call), fold });
    let batches = stream::unfold(exchange, |mut exchange| async move { Some((exchange.next().await?, exchange)) });
    batches.flat_map(|batch| stream::iter(batch.events.into_iter().map(Ok).chain(batch.end))).boxed()
}

/// What comes out of one piece of an answer.
struct Batch {
    events: VecDeque<StreamEvent>,
    end: Option<Result<StreamEvent, ProviderError>>,
}

struct Exchange<F> {
    caller: Caller,
    /// How the body ended, if that was seen before it was asked for.
    ended: Option<Result<(), reqwest::Error>>,
    phase: Phase,
    fold: F,
}

enum Phase {
    Unsent(Call),
    Reading { response: Response, body: Body },
    Over,
}

enum Body {
    /// Only white space so far: it is not known yet what it will be.
    Blank,
    Events(Box<sse::Decoder>),
    Whole(Vec<u8>),
}

impl<F: Fold> Exchange<F> {
    async fn next(&mut self) -> Option<Batch> {
        loop {
            let end = match std::mem::replace(&mut self.phase, Phase::Over) {
                Phase::Unsent(call) => match Box::pin(self.caller.send(call)).await {
                    Ok(response) => {
                        self.phase = Phase::Reading { response, body: Body::Blank };
                        continue;
                    }
                    Err(failure) => Err(failure),
                },
                Phase::Reading { mut response, mut body } => match self.read(&mut response, &mut body).await {
                    Ok(false) => {
                        self.phase = Phase::Reading { response, body };
                        let events = std::mem::take(&mut self.fold.answer().events);
                        if events.is_empty() {
                            continue;
                        }
                        return Some(Batch { events, end: None });
                    }
                    Ok(true) => {
                        let_go(response);
                        self.fold.finish()
                    }
                    // The response goes out of scope, which closes the connection at once.
                    Err(failure) => Err(failure),
                },
                Phase::Over => return None,
            };
            let end = match end {
                Ok(()) => Ok(StreamEvent::Done(std::mem::take(&mut self.fold.answer().completion))),
                Err(failure) => {
                    self.fold.break_off();
                    let partial = std::mem::take(&mut self.fold.answer().completion);
                    Err(self.caller.error(failure, partial))
                }
            };
            return Some(Batch { events: std::mem::take(&mut self.fold.answer().events), end: Some(end) });
        }
    }

    /// Takes the next piece of the answer; true at its end.
    async fn read(&mut self, response: &mut Response, body: &mut Body) -> Result<bool, Failure> {
        let Some(bytes) = self.chunk(response).await? else { return self.end(body).map(|()| true) };
        self.push(&bytes, response, body)?;
        // The connection's task hands out one chunk at a time. Let it hand out all that it has read, so that whoever takes
        // our events can take them together.
        let mut gathered = bytes.len();
        while gathered < GATHERED {
            step_aside().await;
            match response.chunk().now_or_never() {
                Some(Ok(Some(bytes))) => {
                    gathered += bytes.len();
                    self.push(&bytes, response, body)?;
                }
                Some(end) => {
                    self.ended = Some(end.map(drop));
                    break;
                }
                None => break,
            }
        }
        if let Body::Events(decoder) = body {
            while let Some(event) = decoder.next_event().map_err(|error| malformed(&error.to_string()))? {
                if self.fold.event(event)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The next bytes of the body, or `None` at its end.
    async fn chunk(&mut self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        let whole = self.fold.is_whole();
        let limit = if whole { LINGER.min(self.caller.endpoint.limits.idle) } else { self.caller.endpoint.limits.idle };
        let chunk = match self.ended.take() {
            Some(end) => Ok(end.map(|()| None)),
            None => tokio::time::timeout(limit, response.chunk()).await,
        };
        match chunk {
            Ok(Ok(chunk)) => Ok(chunk),
            _ if whole => Ok(None),
            Ok(Err(error)) => Err(broken(&error, true)),
            Err(_) => Err(self.caller.silence()),
        }
    }

    /// Finds out from the first byte what kind of body it is: the content type that servers give cannot be relied on.
    fn push(&self, bytes: &Bytes, response: &Response, body: &mut Body) -> Result<(), Failure> {
        match body {
            Body::Events(decoder) => decoder.push(bytes),
            Body::Whole(whole) => {
                if whole.len() + bytes.len() > LARGEST_BODY {
                    return Err(malformed(&format!("the answer is larger than {LARGEST_BODY} bytes")));
                }
                whole.extend_from_slice(bytes);
            }
            Body::Blank => {
                if let Some(encoding) = response.headers().get("content-encoding")
                    && encoding != "identity"
                {
                    return Err(malformed("it is compressed, which was not asked for"));
                }
                match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
                    None => {}
                    Some(b'{' | b'[' | b'<') => *body = Body::Whole(bytes.to_vec()),
                    Some(_) => {
                        let mut decoder = Box::<sse::Decoder>::default();
                        decoder.push(bytes);
                        *body = Body::Events(decoder);
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, body: &mut Body) -> Result<(), Failure> {
        match body {
            Body::Blank => Err(Failure::new(ErrorClass::Truncated, "the answer is empty")),
            Body::Whole(whole) => self.fold.whole(whole),
            Body::Events(decoder) => {
                if let Some(event) = decoder.finish() {
                    match self.fold.event(event) {
                        // Half an event at the end is a cut, not a mistake of the server.
                        Err(Failure { class: ErrorClass::Malformed | ErrorClass::Truncated, .. }) => {}
                        outcome => drop(outcome?),
                    }
                }
                if self.fold.is_whole() {
                    Ok(())
                } else {
                    Err(Failure::new(ErrorClass::Truncated, "the connection was closed"))
                }
            }
        }
    }
}

fn malformed(what: &str) -> Failure {
    Failure::new(ErrorClass::Malformed, what)
}

/// Reads the rest of a finished answer in the background, which is as a rule the mark that ends the body: after it the
/// connection serves the next call, and that call saves a handshake.
fn let_go(mut response: Response) {
    tokio::spawn(tokio::time::timeout(LINGER, async move { while let Ok(Some(_)) = response.chunk().await {} }));
}

/// Lets the tasks run that are ready. `yield_now` would ask the operating system for news as well, which costs more than
/// the rest of a delta.
async fn step_aside() {
    let mut aside = false;
    poll_fn(|context| {
        if std::mem::replace(&mut aside, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What is told of the inputs of calls while these events come: by the number of the call, all pieces joined.
#[cfg(test)]
pub(super) fn inputs(mut fold: impl Fold, events: &[&str]) -> Vec<(String, String)> {
    let mut told: Vec<(String, String)> = Vec::new();
    for data in events {
        let _ = fold.event(sse::Event { name: b"", data: data.as_bytes() });
    }
    for event in &fold.answer().events {
        if let StreamEvent::ToolInput { index, tool, fragment } = event {
            told.resize(told.len().max(index + 1), Default::default());
            told[*index].0.clone_from(tool);
            told[*index].1.push_str(fragment);
        }
    }
    told
}

/// Folds the data of events as a call would, up to the end of the stream.
#[cfg(test)]
pub(super) fn replay(
    mut fold: impl Fold,
    events: &[&str],
) -> Result<super::Completion, Box<(Failure, super::Completion)>> {
    let outcome = events
        .iter()
        .try_fold(false, |end, data| Ok(end || fold.event(sse::Event { name: b"", data: data.as_bytes() })?))
        .and_then(|_| if fold.is_whole() { fold.finish() } else { Err(Failure::new(ErrorClass::Truncated, "")) });
    match outcome {
        Ok(()) => Ok(std::mem::take(&mut fold.answer().completion)),
        Err(failure) => {
            fold.break_off();
            Err(Box::new((failure, std::mem::take(&mut fold.answer().completion))))
        }
    }
}
