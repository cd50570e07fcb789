//! Anthropic's Messages API (<https://docs.anthropic.com/en/api/messages>), and servers that speak it.

mod fold;
mod request;

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
        http::stream(self.endpoint.clone(), "messages", headers, body, fold::Messages::default())
    }
}
