//! Anthropic's Messages API (<https://docs.anthropic.com/en/api/messages>), and servers that speak it.

mod fold;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;

pub(super) use self::request::body;
use super::{
    Completion, Provider, ProviderError, Request, StreamEvent,
    batch::Batches,
    cache::Ability,
    error::Failure,
    http::{self, Endpoint, Fold},
    refused,
};

/// The version of the API whose events and fields this is written for.
const VERSION: &str = "2023-06-01";

/// What it can be asked to keep of a prompt.
const CACHE: Ability = Ability { keeps: true, breakpoints: 4, extended: true };

/// A server that speaks Anthropic's Messages API.
#[derive(Clone, Debug)]
pub struct Anthropic {
    endpoint: Endpoint,
}

impl Anthropic {
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Provider for Anthropic {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        if let Err(failure) = request.cache.check(CACHE, &request.messages) {
            return refused(&self.endpoint.name, failure);
        }
        let path = path(&self.endpoint, "messages");
        let name = &self.endpoint.name;
        let body = body(&request, name).to_string().into_bytes();
        http::stream(self.endpoint.clone(), path, vec![version()], body, fold::Messages::new(name))
    }

    fn batches(&self) -> Option<Batches> {
        Some(Batches::new(self.endpoint.clone()))
    }
}

/// The header without which nothing is answered.
pub(super) fn version() -> (&'static str, String) {
    ("anthropic-version", VERSION.to_owned())
}

/// The path below the endpoint's base URL. Their own clients take the address without the version, and people give
/// either.
pub(super) fn path(endpoint: &Endpoint, name: &str) -> String {
    let versioned = endpoint.base_url.trim_end_matches('/').ends_with("/v1");
    if versioned { name.to_owned() } else { format!("v1/{name}") }
}

/// Reads a whole message of the provider of this name.
pub(super) fn completion(message: &[u8], name: &str) -> Result<Completion, Failure> {
    let mut fold = fold::Messages::new(name);
    fold.whole(message)?;
    fold.finish()?;
    Ok(std::mem::take(&mut fold.answer().completion))
}
