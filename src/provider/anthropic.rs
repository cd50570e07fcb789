//! Anthropic's Messages API (<https://docs.anthropic.com/en/api/messages>), and servers that speak it.

mod fold;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;

use super::{Provider, ProviderError, Request, StreamEvent, http, http::Endpoint};

/// The version of the API whose events and fields this is written for.
const VERSION: &str = "2023-06-01";

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
        let body = request::body(&request).to_string().into_bytes();
        let headers = vec![("anthropic-version", VERSION.to_owned())];
        // Their own clients take the address without the version, and people give either.
        let versioned = self.endpoint.base_url.trim_end_matches('/').ends_with("/v1");
        let path = if versioned { "messages" } else { "v1/messages" };
        http::stream(self.endpoint.clone(), path, headers, body, fold::Messages::default())
    }
}
