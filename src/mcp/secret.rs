//! What of a server's settings must not show, whoever says it.

use std::{error::Error, sync::Arc};

use reqwest::Url;
use rmcp::transport::streamable_http_client::StreamableHttpError;

use super::{Reach, Spec};
use crate::{
    process::{Expected, Held, names_secret},
    provider::http::{broken, secrets_of},
};

/// Shorter ones are words like `true`, and hiding those would only garble the text.
const SECRET_CHARS: usize = 8;

/// The values that a server is given with its settings.
#[derive(Clone)]
pub struct Secrets(Arc<[String]>);

impl Spec {
    /// What its settings hold that looks like a secret, by its place or its name.
    pub fn secrets(&self) -> Vec<String> {
        match &self.reach {
            Reach::Program { arguments, variables, .. } => {
                let named = variables.iter().filter(|(name, _)| names_secret(name));
                let mut expected = Expected::Any;
                let behind_options = arguments.iter().filter_map(|argument| {
                    let (held, next) = expected.look(argument);
                    expected = next;
                    match held {
                        Held::Secret(start) => Some(argument[start..].trim_start().to_owned()),
                        Held::Nothing | Held::Value(_) | Held::Address(_) => None,
                    }
                });
                behind_options.chain(named.map(|(_, value)| value.clone())).collect()
            }
            Reach::Http { url, headers, .. } => {
                // `Bearer KEY` is quoted with and without its first word.
                let words = headers.iter().flat_map(|(_, value)| value.split_whitespace().chain([value.as_str()]));
                words.map(str::to_owned).chain(secrets_of(url)).collect()
            }
        }
    }
}

impl Secrets {
    /// Beside what looks like a secret, all that is set in variables and in the path: what the server says is not much
    /// the worse for it.
    pub fn of(spec: &Spec) -> Self {
        let mut values = spec.secrets();
        match &spec.reach {
            Reach::Program { variables, .. } => values.extend(variables.iter().map(|(_, value)| value.clone())),
            Reach::Http { url, .. } => {
                let url = Url::parse(url).ok();
                values.extend(url.iter().filter_map(Url::path_segments).flatten().map(str::to_owned));
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
