//! Google's Gemini API (<https://ai.google.dev/api/generate-content>), and Vertex AI, which speaks it too.
//!
//! The model's thoughts come with signatures on parts of every kind, and go back on the same parts.

mod fold;
mod request;
mod schema;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use futures::stream::BoxStream;

use super::{Provider, ProviderError, Request, StreamEvent, cache::Caching, http, http::Endpoint, refused};

/// It keeps prompts by itself; what it is told to keep would have to be sent apart from the call.
const CACHING: Caching = Caching::Implicit;

/// A server that speaks the Gemini API.
#[derive(Clone, Debug)]
pub struct Gemini {
    endpoint: Endpoint,
}

impl Gemini {
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint }
    }
}

impl Provider for Gemini {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let name = &self.endpoint.name;
        if let Err(failure) = request.cache.check(CACHING.ability(&request.model), &request.messages) {
            return refused(name, failure);
        }
        let body = request::body(&request, name).to_string().into_bytes();
        http::stream(self.endpoint.clone(), path(&request.model), Vec::new(), body, fold::Chunks::new(name))
    }
}

/// The model is a part of the path. Tuned models bring their own folder.
fn path(model: &str) -> String {
    let folder = if model.contains('/') { "" } else { "models/" };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/@".contains(&byte);
    let escape = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let model: String = model.replace("..", "").bytes().map(escape).collect();
    format!("{folder}{model}:streamGenerateContent?alt=sse")
}
