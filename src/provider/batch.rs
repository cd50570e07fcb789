//! Anthropic's Message Batches (<https://docs.anthropic.com/en/api/creating-message-batches>): many requests handed over at
//! once and answered within a day, for work that outgrows one machine.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use futures::StreamExt;
//! use pillion::{
//!     provider::{Provider, Request, batch::{Item, Outcome}, presets::{Settings, open}},
//!     transcript::Message,
//! };
//!
//! # async fn work() -> Result<(), Box<dyn std::error::Error>> {
//! let provider = open(Settings { name: "anthropic".into(), ..Settings::default() })?;
//! let batches = provider.batches().ok_or("this provider has no batches")?;
//! let ask = |text: &str| Request {
//!     model: "claude-haiku-4-5".into(),
//!     messages: vec![Message::user(text)],
//!     ..Request::default()
//! };
//! let items = [Item::new("sun", &ask("How far is the sun?")), Item::new("moon", &ask("How far is the moon?"))];
//! let batch = batches.create(&items).await?;
//!
//! while !batches.retrieve(&batch.id).await?.has_ended() {
//!     tokio::time::sleep(std::time::Duration::from_secs(60)).await;
//! }
//! let mut answers = batches.results(&batch.id).await?;
//! while let Some(answer) = answers.next().await {
//!     let answer = answer?;
//!     if let Outcome::Succeeded(completion) = answer.outcome {
//!         println!("{}: {:?}", answer.id, completion.content);
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod check;
mod results;
#[cfg(test)]
mod tests;
mod wire;

use futures::stream::BoxStream;
use serde_json::Value;

pub use self::check::{BadBatch, LARGEST_BATCH, LONGEST_ID, MOST_ITEMS, check_id};
use super::{
    Completion, ErrorClass, ProviderError, Request, anthropic,
    error::Failure,
    http::{Call, Caller, Endpoint, Method, Response, broken},
};

/// The most of an answer that is no stream of results, in bytes. Chosen: a page of batches is far below.
const LARGEST_ANSWER: usize = 4 * 1024 * 1024;
/// How many batches a page has: the most the API gives.
const PAGE: u32 = 1000;

/// The batches of one account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Batches {
    endpoint: Endpoint,
}

/// One request of a batch, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    id: String,
    /// As it goes over the wire.
    json: String,
}

/// A batch as the provider describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub id: String,
    pub status: Status,
    pub counts: Counts,
    /// RFC 3339.
    pub created_at: Option<String>,
    /// True once its results were thrown away, which happens 29 days after it was created.
    pub is_archived: bool,
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    InProgress,
    Canceling,
    Ended,
}

/// What became of a batch's requests. All are `processing` until the whole batch has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub processing: u64,
    pub succeeded: u64,
    pub errored: u64,
    pub cancelled: u64,
    pub expired: u64,
}

/// A page of batches, the latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub batches: Vec<Batch>,
    /// What to ask the next page for; `None` if this is the last.
    pub next: Option<String>,
}

/// What became of one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub id: String,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Succeeded(Completion),
    Errored {
        class: ErrorClass,
        message: String,
    },
    /// The batch was cancelled before it was its turn.
    Cancelled,
    /// A day went by before it was its turn.
    Expired,
}

/// Why one line of the results gives no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResultError {
    /// The lines after it are read nevertheless.
    #[error("Line {line} of the results cannot be read: {reason}")]
    BadLine {
        /// From 1.
        line: u64,
        reason: String,
    },
    /// The connection broke. Nothing follows; ask for the results again.
    #[error(transparent)]
    Broken(ProviderError),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum BatchError {
    /// Nothing was sent.
    #[error(transparent)]
    Bad(#[from] BadBatch),
    #[error("There is no batch `{id}` in this account. Check the id, and that the key is of the account that made it.")]
    NotFound { id: String },
    /// It exists and has not ended: ask again later.
    #[error("The batch `{}` has not ended yet ({} requests are being worked on). Ask again later.", batch.id, batch.counts.processing)]
    NotReady { batch: Batch },
    #[error("The results of the batch `{id}` are gone: they are kept for 29 days. Submit it again.")]
    Archived { id: String },
    #[error(transparent)]
    Provider(ProviderError),
}

impl Item {
    /// A request under an id of your own, see [`check_id`]. It is put as a live call would be, but that the reasoning of
    /// earlier answers is left out: it could be checked by the provider alone that gave it, and which one this will go to
    /// is not said.
    pub fn new(id: impl Into<String>, request: &Request) -> Self {
        let id = id.into();
        let mut params = anthropic::body(request, "");
        if let Some(fields) = params.as_object_mut() {
            // A batch does not stream.
            fields.remove("stream");
        }
        let json = format!("{{\"custom_id\":{},\"params\":{params}}}", Value::from(id.as_str()));
        Self { id, json }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// In bytes on the wire, with what separates it from the next.
    pub fn size(&self) -> usize {
        self.json.len() + 1
    }
}

impl Batch {
    pub fn has_ended(&self) -> bool {
        self.status == Status::Ended
    }
}

impl Counts {
    pub fn total(self) -> u64 {
        let Self { processing, succeeded, errored, cancelled, expired } = self;
        processing + succeeded + errored + cancelled + expired
    }
}

impl Batches {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }

    /// Hands over a batch. What can be wrong with it is found before anything is sent. It is sent once: after an error of
    /// class `Network`, and after some others, [`Batches::page`] says whether it arrived.
    ///
    /// # Errors
    /// [`BatchError::Bad`], or what the provider says.
    pub async fn create(&self, items: &[Item]) -> Result<Batch, BatchError> {
        check::check(items)?;
        let mut body = String::with_capacity(items.iter().map(Item::size).sum::<usize>() + 16);
        body.push_str("{\"requests\":[");
        for (index, item) in items.iter().enumerate() {
            body.push_str(if index == 0 { "" } else { "," });
            body.push_str(&item.json);
        }
        body.push_str("]}");
        self.batch(Method::POST, String::new(), body).await
    }

    /// # Errors
    /// [`BatchError::NotFound`], or what the provider says.
    pub async fn retrieve(&self, id: &str) -> Result<Batch, BatchError> {
        self.batch(Method::GET, path(id, "")?, String::new()).await
    }

    /// Asks for a batch's end. What was answered until then stays.
    ///
    /// # Errors
    /// [`BatchError::NotFound`], or what the provider says, for example that it has ended.
    pub async fn cancel(&self, id: &str) -> Result<Batch, BatchError> {
        self.batch(Method::POST, path(id, "/cancel")?, String::new()).await
    }

    /// The account's batches, a page at a time; `after` is [`Page::next`] of the page before.
    ///
    /// # Errors
    /// What the provider says.
    pub async fn page(&self, after: Option<&str>) -> Result<Page, BatchError> {
        let after = after.map(|id| format!("&after_id={id}")).unwrap_or_default();
        let (mut caller, response) = self.send(Method::GET, format!("?limit={PAGE}{after}"), String::new()).await?;
        let body = read(&mut caller, response).await?;
        wire::page(&body).map_err(|failure| provider_error(&caller, failure))
    }

    /// The answers of a batch that has ended, in any order, as they come. A line that cannot be read is an item of its own.
    ///
    /// # Errors
    /// [`BatchError::NotReady`], [`BatchError::NotFound`] and [`BatchError::Archived`] are told apart.
    pub async fn results(&self, id: &str) -> Result<BoxStream<'static, Result<Answer, ResultError>>, BatchError> {
        let batch = self.retrieve(id).await?;
        if !batch.has_ended() {
            return Err(BatchError::NotReady { batch });
        }
        if batch.is_archived {
            return Err(BatchError::Archived { id: id.to_owned() });
        }
        let (caller, response) = self.send(Method::GET, path(id, "/results")?, String::new()).await?;
        Ok(results::stream(caller, response))
    }

    async fn batch(&self, method: Method, path: String, body: String) -> Result<Batch, BatchError> {
        let (mut caller, response) = self.send(method, path, body).await?;
        let body = read(&mut caller, response).await?;
        wire::batch(&body).map_err(|failure| provider_error(&caller, failure))
    }

    async fn send(&self, method: Method, path: String, body: String) -> Result<(Caller, Response), BatchError> {
        let mut caller = Caller::new(self.endpoint.clone());
        let id = path.trim_start_matches('/').split('/').next().unwrap_or_default().to_owned();
        let root = anthropic::path(&self.endpoint, "messages/batches");
        let once = method == Method::POST;
        let headers = vec![anthropic::version()];
        let call = Call { method, path: format!("{root}{path}"), headers, body: body.into(), once };
        match caller.send(call).await {
            Ok(response) => Ok((caller, response)),
            Err(failure) if failure.status == Some(404) && path.starts_with('/') => Err(BatchError::NotFound { id }),
            Err(failure) => Err(provider_error(&caller, failure)),
        }
    }
}

/// The path of one batch. Ids are never anything that could lead elsewhere.
fn path(id: &str, rest: &str) -> Result<String, BatchError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.is_empty() || !id.chars().all(is_plain) {
        return Err(BatchError::NotFound { id: id.to_owned() });
    }
    Ok(format!("/{id}{rest}"))
}

fn provider_error(caller: &Caller, failure: Failure) -> BatchError {
    BatchError::Provider(caller.error(failure, Completion::default()))
}

async fn read(caller: &mut Caller, mut response: Response) -> Result<Vec<u8>, BatchError> {
    let mut body = Vec::new();
    let failure = loop {
        match tokio::time::timeout(caller.endpoint.limits.idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) if body.len() + bytes.len() <= LARGEST_ANSWER => body.extend_from_slice(&bytes),
            Ok(Ok(Some(_))) => break Failure::new(ErrorClass::Malformed, "its answer is far too long"),
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(error)) => break broken(&error, true),
            Err(_) => break caller.silence(),
        }
    };
    Err(provider_error(caller, failure))
}
