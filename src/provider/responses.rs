//! OpenAI's Responses API (<https://platform.openai.com/docs/api-reference/responses>), and servers that speak it.
//!
//! Nothing is kept there: each request brings the whole conversation. Reasoning comes encrypted and goes back unchanged,
//! so that the model finds its thoughts again after a tool's result.

mod fold;
mod request;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;

use super::{
    ErrorClass, Provider, ProviderError, Request, StreamEvent, cache::Caching, error::Failure, http, http::Endpoint,
    refused,
};

/// A server that speaks OpenAI's Responses API.
#[derive(Clone, Debug)]
pub struct Responses {
    endpoint: Endpoint,
    caching: Caching,
}

impl Responses {
    pub fn new(endpoint: Endpoint, caching: Caching) -> Self {
        Self { endpoint, caching }
    }
}

impl Provider for Responses {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let name = &self.endpoint.name;
        if let Err(failure) = self.check(&request) {
            return refused(name, failure);
        }
        let body = request::body(&request, name, self.caching).to_string().into_bytes();
        http::stream(self.endpoint.clone(), "responses", Vec::new(), body, fold::Items::new(name))
    }
}

impl Responses {
    fn check(&self, request: &Request) -> Result<(), Failure> {
        if !request.stop_sequences.is_empty() {
            return Err(Failure {
                advice: "Leave them out, or set `kind = \"openai\"` to speak chat completions, which has them.".into(),
                ..Failure::new(ErrorClass::BadRequest, "the Responses API takes no stop sequences")
            });
        }
        request.cache.check(self.caching.ability(&request.model), &request.messages)
    }
}
