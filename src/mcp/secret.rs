//! What of a server's settings must not show, whoever says it.

use std::{error::Error, sync::Arc};

use reqwest::Url;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use super::{Reach, Spec};
use crate::provider::http::broken;

/// Shorter ones are words like `true`, and hiding those would only garble the text.
const SECRET_CHARS: usize = 8;

/// The values that a server is given with its settings.
#[derive(Clone)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    pub fn of(spec: &Spec) -> Self {
        let mut values = Vec::new();
        match &spec.reach {
            Reach::Program { variables, .. } => values.extend(variables.iter().map(|(_, value)| value.clone())),
            Reach::Http { url, headers, .. } => {
                // `Bearer KEY` is quoted with and without its first word.
                let words = headers.iter().flat_map(|(_, value)| value.split_whitespace().chain([value.as_str()]));
                values.extend(words.map(str::to_owned));
                if let Ok(url) = Url::parse(url) {
                    values.extend(url.password().map(str::to_owned));
                    values.extend(url.path_segments().into_iter().flatten().map(str::to_owned));
                    values.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
                    let encoded = url.query().into_iter().flat_map(|query| query.split(['&', '=']));
                    values.extend(encoded.map(str::to_owned));
                }
            }
        }
        values.retain(|value| value.chars().count() >= SECRET_CHARS);
        // One may hold another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values.into())
    }

    /// The text without them.
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| text.replace(value, "***"))
    }
}

/// A failure of the transport in words, without the address, which the outermost error of HTTP names.
pub fn told(error: &(dyn Error + 'static)) -> String {
    if let Some(StreamableHttpError::Client(error)) = error.downcast_ref::<StreamableHttpError<reqwest::Error>>() {
        return broken(error, false).what;
    }
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}
