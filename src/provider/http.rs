//! One model call over HTTP: send, decode the answer as it comes, and close the connection when nobody listens.

mod client;

use std::{collections::VecDeque, error::Error as _, future::poll_fn, io, task::Poll, time::Duration};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream, stream::BoxStream};
use reqwest::{
    Request, Response, Url,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

pub use self::client::warm;
use self::client::{client, is_local};
use super::{
    Completion, ErrorClass, ProviderError, StreamEvent,
    answer::Answer,
    error::{Failure, shorten},
    key::{Key, KeySource},
    sse,
};

/// The largest answer taken that is not a stream, in bytes. Chosen to be far above any real one.
const LARGEST_BODY: usize = 64 * 1024 * 1024;
/// How much of a stream is taken at once if it is there, in bytes. Chosen to be what one read of a socket gives.
const GATHERED: usize = 16 * 1024;
/// How much of an error's body is read, in bytes, and how long it is waited for.
const LARGEST_ERROR: usize = 64 * 1024;
const ERROR_WAIT: Duration = Duration::from_secs(10);
/// How long the rest of an answer is waited for once its end was announced: the usage, and the end of the body, which
/// leaves the connection usable for the next call. Chosen.
const LINGER: Duration = Duration::from_secs(5);

/// Where a provider is, and how it is asked.
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
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    fold: impl Fold,
) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
    let exchange =
        Box::new(Exchange { endpoint, key: None, ended: None, phase: Phase::Unsent { path, headers, body }, fold });
    let batches = stream::unfold(exchange, |mut exchange| async move { Some((exchange.next().await?, exchange)) });
    batches.flat_map(|batch| stream::iter(batch.events.into_iter().map(Ok).chain(batch.end))).boxed()
}

/// What comes out of one piece of an answer.
struct Batch {
    events: VecDeque<StreamEvent>,
    end: Option<Result<StreamEvent, ProviderError>>,
}

struct Exchange<F> {
    endpoint: Endpoint,
    key: Option<Key>,
    /// How the body ended, if that was seen before it was asked for.
    ended: Option<Result<(), reqwest::Error>>,
    phase: Phase,
    fold: F,
}

enum Phase {
    Unsent { path: &'static str, headers: Vec<(&'static str, String)>, body: Vec<u8> },
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
                Phase::Unsent { path, headers, body } => match Box::pin(self.send(path, headers, body)).await {
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
                    Err(self.error(failure, partial))
                }
            };
            return Some(Batch { events: std::mem::take(&mut self.fold.answer().events), end: Some(end) });
        }
    }

    fn error(&self, mut failure: Failure, partial: Completion) -> ProviderError {
        if let KeySource::Environment(name) = &self.endpoint.key
            && matches!(failure.status, Some(401 | 403))
        {
            failure.advice = format!("Check the key in `{name}`, and that it may use this model.").into();
        }
        let mut error = failure.into_error(&self.endpoint.name, partial);
        if let Some(key) = &self.key {
            error.message = key.redact(&error.message);
        }
        error
    }

    async fn send(
        &mut self,
        path: &'static str,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    ) -> Result<Response, Failure> {
        let url = Url::parse(&format!("{}/{path}", self.endpoint.base_url.trim_end_matches('/'))).map_err(|error| {
            let what = format!("`base_url` is `{}`, which is no URL: {error}", self.endpoint.base_url);
            Failure::new(ErrorClass::BadRequest, what)
        })?;
        let client = client(&url, self.endpoint.limits.connect)?;
        let local = is_local(&url);
        let mut request = Request::new(reqwest::Method::POST, url);
        *request.headers_mut() = self.headers(headers)?;
        *request.body_mut() = Some(body.into());

        let mut asked_again = false;
        loop {
            self.authorize(&mut request, local).await?;
            let Some(again) = request.try_clone() else {
                return Err(Failure::new(ErrorClass::BadRequest, "the request cannot be sent twice"));
            };
            let sent = tokio::time::timeout(self.endpoint.limits.idle, client.execute(again)).await;
            let response = match sent {
                Err(_) => return Err(self.silence()),
                // The server may have closed an idle connection in the moment when it was taken out of the pool.
                Ok(Err(error)) if !asked_again && error.is_request() && !error.is_connect() && !error.is_timeout() => {
                    asked_again = true;
                    continue;
                }
                Ok(Err(error)) => return Err(broken(&error, false)),
                Ok(Ok(response)) => response,
            };
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            if status == reqwest::StatusCode::UNAUTHORIZED
                && !std::mem::replace(&mut asked_again, true)
                && let Some(key) = &self.key
                && self.endpoint.key.refused(key).await
            {
                continue;
            }
            return Err(refusal(response).await);
        }
    }

    /// All headers but the key's.
    fn headers(&self, own: Vec<(&'static str, String)>) -> Result<HeaderMap, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        // A proxy that compresses holds the stream back.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let configured = self.endpoint.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.iter().map(|(name, value)| (*name, value.as_str())).chain(configured) {
            let (Ok(header), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) else {
                let what = format!("`{name}`, or its value, cannot be an HTTP header");
                return Err(Failure::new(ErrorClass::BadRequest, what));
            };
            headers.insert(header, value);
        }
        Ok(headers)
    }

    async fn authorize(&mut self, request: &mut Request, local: bool) -> Result<(), Failure> {
        let unavailable =
            |what: String, advice: String| Failure { advice: advice.into(), ..Failure::new(ErrorClass::Auth, what) };
        self.key = self.endpoint.key.key().await.map_err(|error| {
            unavailable(
                format!("the command that should print its key failed: {error}"),
                "Correct `api_key_command`.".into(),
            )
        })?;
        let (name, scheme) = match self.endpoint.auth {
            Auth::Bearer => ("authorization", "Bearer "),
            Auth::Header(name) => (name, ""),
        };
        let Some(key) = &self.key else {
            if !self.endpoint.needs_key || local || request.headers().contains_key(name) {
                return Ok(());
            }
            let advice = match &self.endpoint.key {
                KeySource::Environment(variable) => {
                    format!("Set `{variable}`, or give `api_key` or `api_key_command` in the configuration.")
                }
                _ => "Give `api_key` or `api_key_command` in the configuration.".into(),
            };
            return Err(unavailable("there is no key for it".into(), advice));
        };
        let mut value = HeaderValue::try_from(format!("{scheme}{}", key.expose())).map_err(|_| {
            let advice = "Copy it again, in one line and without quotes.".into();
            unavailable("its key has characters that no HTTP header may have".into(), advice)
        })?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
        Ok(())
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
        let limit = if whole { LINGER.min(self.endpoint.limits.idle) } else { self.endpoint.limits.idle };
        let chunk = match self.ended.take() {
            Some(end) => Ok(end.map(|()| None)),
            None => tokio::time::timeout(limit, response.chunk()).await,
        };
        match chunk {
            Ok(Ok(chunk)) => Ok(chunk),
            _ if whole => Ok(None),
            Ok(Err(error)) => Err(broken(&error, true)),
            Err(_) => Err(self.silence()),
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

    fn silence(&self) -> Failure {
        Failure {
            advice: "Try again; if its model needs longer to begin, raise the idle limit.".into(),
            ..Failure::new(ErrorClass::Network, format!("it was silent for {:?}", self.endpoint.limits.idle))
        }
    }
}

fn malformed(what: &str) -> Failure {
    Failure::new(ErrorClass::Malformed, what)
}

async fn refusal(mut response: Response) -> Failure {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    let all = async {
        while let Ok(Some(bytes)) = response.chunk().await {
            body.extend_from_slice(&bytes);
            if body.len() > LARGEST_ERROR {
                break;
            }
        }
    };
    // What has come by then is enough.
    let _ = tokio::time::timeout(ERROR_WAIT, all).await;
    Failure::from_response(status, &headers, &body)
}

/// Puts a broken connection into words. `answering` says whether the answer had begun.
fn broken(error: &reqwest::Error, answering: bool) -> Failure {
    let mut root: &dyn std::error::Error = error;
    let mut cut = false;
    while let Some(source) = root.source() {
        root = source;
        cut |= root.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
    }
    // The outermost error names the URL, which may hold a key.
    let root = if error.source().is_none() { "the request failed".to_owned() } else { root.to_string() };
    if answering && cut {
        return Failure::new(ErrorClass::Truncated, "the connection was closed");
    }
    let what = match error.is_connect() {
        true => format!("no connection: {}", shorten(&root)),
        false => format!("the connection broke: {}", shorten(&root)),
    };
    Failure::new(ErrorClass::Network, what)
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

/// Folds the data of events as a call would, up to the end of the stream.
#[cfg(test)]
pub(super) fn replay(mut fold: impl Fold, events: &[&str]) -> Result<Completion, Box<(Failure, Completion)>> {
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
