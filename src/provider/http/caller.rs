//! Sending one request to a provider: its address, its key, its headers, and what a refusal means.

use std::{error::Error as _, io, time::Duration};

use bytes::Bytes;
use reqwest::{
    Method, Request, Response, Url,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};

use super::{
    Auth, Endpoint,
    client::{client, is_local},
};
use crate::provider::{
    Completion, ErrorClass, ProviderError,
    error::{Failure, shorten},
    key::{Key, KeySource},
};

/// How much of an error's body is read, in bytes, and how long it is waited for.
const LARGEST_ERROR: usize = 64 * 1024;
const ERROR_WAIT: Duration = Duration::from_secs(10);
/// What the slowest line is supposed to carry, in bytes a second: a long body gets the time it needs. Chosen.
const SLOWEST_UPLOAD: usize = 50_000;

/// One request.
pub struct Call {
    pub method: Method,
    /// Below the endpoint's base URL.
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// True if it must not reach the server twice: then it is not sent again when the connection breaks.
    pub once: bool,
}

/// Who calls an endpoint.
pub struct Caller {
    pub endpoint: Endpoint,
    key: Option<Key>,
}

impl Caller {
    pub fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, key: None }
    }

    /// The failure as whoever called gets it.
    pub fn error(&self, mut failure: Failure, partial: Completion) -> ProviderError {
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

    /// Sends the call and gives its answer, if that is a success. Asks for the key, and once more if it is refused.
    ///
    /// # Errors
    /// What the server said instead, or how the connection failed.
    pub async fn send(&mut self, call: Call) -> Result<Response, Failure> {
        let Call { method, path, headers, body, once } = call;
        let url = Url::parse(&format!("{}/{path}", self.endpoint.base_url.trim_end_matches('/'))).map_err(|error| {
            let what = format!("`base_url` is `{}`, which is no URL: {error}", self.endpoint.base_url);
            Failure::new(ErrorClass::BadRequest, what)
        })?;
        let client = client(&url, self.endpoint.limits.connect, &self.endpoint.route)?;
        let local = is_local(&url);
        let mut request = Request::new(method, url);
        *request.headers_mut() = self.headers(headers)?;
        let time = self.endpoint.limits.idle + Duration::from_secs((body.len() / SLOWEST_UPLOAD) as u64);
        if !body.is_empty() {
            *request.body_mut() = Some(body.into());
        }

        let (mut sent_again, mut asked_again) = (false, false);
        loop {
            self.authorize(&mut request, local).await?;
            let Some(again) = request.try_clone() else {
                return Err(Failure::new(ErrorClass::BadRequest, "the request cannot be sent twice"));
            };
            let sent = tokio::time::timeout(time, client.execute(again)).await;
            let response = match sent {
                Err(_) => return Err(self.silence()),
                // The server may have closed an idle connection in the moment when it was taken out of the pool.
                Ok(Err(error))
                    if !sent_again && !once && error.is_request() && !error.is_connect() && !error.is_timeout() =>
                {
                    sent_again = true;
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
            const GIVE: &str =
                "`api_key` or `api_key_command` in the settings (in a program of your own, `Settings::key`)";
            let advice = match &self.endpoint.key {
                KeySource::Environment(variable) => format!("Set `{variable}`, or give {GIVE}."),
                _ => format!("Give {GIVE}."),
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

    pub fn silence(&self) -> Failure {
        Failure {
            advice: "Try again; if its model needs longer to begin, raise the idle limit.".into(),
            ..Failure::new(ErrorClass::Network, format!("it was silent for {:?}", self.endpoint.limits.idle))
        }
    }
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
pub fn broken(error: &reqwest::Error, answering: bool) -> Failure {
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
