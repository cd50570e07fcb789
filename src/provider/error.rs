//! What went wrong, told apart from a provider's status, body and in-stream errors, and put into words.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::{Completion, ErrorClass, ProviderError};

/// The most of a provider's own words that go into a message, in characters. Chosen to fill a few lines.
const LONGEST_DETAIL: usize = 600;

impl ErrorClass {
    /// True if the same call may well succeed a little later.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimit | Self::Overloaded | Self::Network | Self::Truncated => true,
            Self::Auth | Self::ContextLength | Self::BadRequest | Self::ContentFilter | Self::Malformed => false,
        }
    }
}

/// A failure inside a provider, before it knows who it tells it to.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub class: ErrorClass,
    /// What happened, in the provider's words where it had any; no full stop.
    pub what: String,
    /// What it means and what to do.
    pub advice: Cow<'static, str>,
    pub status: Option<u16>,
    pub retry_after: Option<Duration>,
}

impl Failure {
    pub fn new(class: ErrorClass, what: impl Into<String>) -> Self {
        Self { class, what: what.into(), advice: advice(class).into(), status: None, retry_after: None }
    }

    /// A failure that a provider reports in `value`, an error's JSON in any of the shapes in use, or `None` if that is no
    /// error at all. `status` is the HTTP status, unless that said that all was well.
    pub fn reported(status: Option<u16>, value: &Value) -> Option<Self> {
        let report = Report::of(value)?;
        let status = status.or(report.status);
        let (class, advice) = classify(status, &report.words, &report.message);
        let retry_after = retry_delay(value);
        Some(Self { status, advice: advice.into(), retry_after, ..Self::new(class, shorten(&report.message)) })
    }

    /// The failure that an event or body of an answer reports instead of being a part of one. What makes no sense at all
    /// is malformed, or truncated if it is the beginning of something.
    pub fn in_answer(data: &[u8]) -> Self {
        let excerpt = || shorten(&plain(&String::from_utf8_lossy(data)));
        match serde_json::from_slice::<Value>(data) {
            Ok(value) => Self::reported(None, &value).unwrap_or_else(|| Self::new(ErrorClass::Malformed, excerpt())),
            Err(error) if error.is_eof() => Self::new(ErrorClass::Truncated, "the last piece is cut in two"),
            Err(_) => Self::new(ErrorClass::Malformed, excerpt()),
        }
    }

    /// A failure from an HTTP answer that is no success.
    pub fn from_response(status: u16, headers: &HeaderMap, body: &[u8]) -> Self {
        let value = serde_json::from_slice::<Value>(body).ok();
        let reported = value.as_ref().and_then(|value| Self::reported(Some(status), value));
        let mut failure = reported.unwrap_or_else(|| {
            let text = plain(&String::from_utf8_lossy(body));
            let (class, advice) = classify(Some(status), "", &text);
            Self { status: Some(status), advice: advice.into(), ..Self::new(class, shorten(&text)) }
        });
        if (300..400).contains(&status)
            && let Some(target) = headers.get("location").and_then(|target| target.to_str().ok())
        {
            failure.what = format!("it redirects to {}", shorten(target));
            failure.advice = "Set `base_url` to the address it redirects to, without the API's own path.".into();
        }
        failure.retry_after = retry_after(headers, SystemTime::now()).or(failure.retry_after);
        failure
    }

    /// The error as the caller of the provider `name` gets it.
    pub fn into_error(self, name: &str, partial: Completion) -> ProviderError {
        let head = match self.class {
            ErrorClass::Auth => "refused access",
            ErrorClass::RateLimit => "limits how often it may be asked",
            ErrorClass::Overloaded => "could not answer",
            ErrorClass::ContextLength => "says that the conversation is too long for the model",
            ErrorClass::BadRequest => "did not accept the request",
            ErrorClass::ContentFilter => "stopped the answer with its content filter",
            ErrorClass::Network => "could not be reached",
            ErrorClass::Malformed => "sent an answer that cannot be understood",
            ErrorClass::Truncated => "stopped in the middle of its answer",
        };
        let status = self.status.map(|status| format!(" ({status})")).unwrap_or_default();
        let what = if self.what.is_empty() { String::new() } else { format!(": {}", self.what) };
        let end = if self.what.ends_with(['.', '!', '?']) { "" } else { "." };
        ProviderError {
            class: self.class,
            message: format!("{name} {head}{status}{what}{end} {}", self.advice),
            status: self.status,
            retry_after: self.retry_after,
            partial: Box::new(partial),
        }
    }
}

fn advice(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Auth => "Check the key, and that it may use this model.",
        ErrorClass::RateLimit => "Wait a little, or choose another model or a plan with a higher limit.",
        ErrorClass::Overloaded => "The fault is on its side; try again, or choose another model.",
        ErrorClass::ContextLength => "Shorten or compact the conversation, or choose a model with a larger window.",
        ErrorClass::BadRequest => "Trying again will not help; check the model's name and the provider's settings.",
        ErrorClass::ContentFilter => "Say it in other words, or choose another model.",
        ErrorClass::Network => "Check the connection, and that `base_url` is right and its server runs.",
        ErrorClass::Malformed => {
            "Check that `base_url` leads to the API and not to a web page or another kind of server."
        }
        ErrorClass::Truncated => "The text above may be incomplete; try again.",
    }
}

/// Finds the class, and with it what to do. `words` are the provider's types and codes; what it says in plain `text`
/// counts where those are too coarse, which is the rule and not the exception.
fn classify(status: Option<u16>, words: &str, text: &str) -> (ErrorClass, &'static str) {
    let words = words.to_ascii_lowercase();
    let text = text.to_ascii_lowercase();
    let word = |candidates: &[&str]| candidates.iter().any(|candidate| words.contains(candidate));
    let says = |candidates: &[&str]| candidates.iter().any(|candidate| text.contains(candidate));

    if word(&["context_length", "too_many_prompt_tokens", "request_too_large", "context_window", "exceed_context_size"])
        || says(TOO_LONG)
        || status == Some(413)
    {
        return (ErrorClass::ContextLength, advice(ErrorClass::ContextLength));
    }
    if status == Some(402)
        || word(&["insufficient_quota", "billing", "insufficient_balance", "insufficient_credits", "credit_balance"])
        || says(&["insufficient balance", "insufficient credits", "credit balance is too low", "requires more credits"])
    {
        return (ErrorClass::Auth, "The account has no credit left: top it up, or choose another provider.");
    }
    if word(&["content_filter", "content_policy", "moderation", "responsible_ai", "data_inspection_failed"])
        || says(&[
            "content management policy",
            "content filter",
            "content policy",
            "flagged by moderation",
            "input was flagged",
        ])
    {
        return (ErrorClass::ContentFilter, advice(ErrorClass::ContentFilter));
    }
    let key = says(&["api key", "api_key", "x-api-key", "apikey"]);
    if matches!(status, Some(401 | 403))
        || word(&[
            "authentication",
            "invalid_api_key",
            "permission",
            "unauthorized",
            "unauthenticated",
            "invalid_token",
        ])
        || (status == Some(400) && key && says(&["invalid", "incorrect", "not valid", "missing", "expired"]))
    {
        return (ErrorClass::Auth, advice(ErrorClass::Auth));
    }
    if status == Some(429) || word(&["rate_limit", "too_many_requests", "resource_exhausted", "quota", "throttl"]) {
        return (ErrorClass::RateLimit, advice(ErrorClass::RateLimit));
    }
    // llama.cpp and others report what they cannot do as a fault of the server.
    let cannot = says(&["not supported", "unsupported", "does not support", "param requires"]);
    match status {
        Some(408 | 504 | 524) => (ErrorClass::Overloaded, "It took too long; try again, or choose another model."),
        Some(409 | 425) => (ErrorClass::Overloaded, advice(ErrorClass::Overloaded)),
        Some(404) => (ErrorClass::BadRequest, "Check the model's name, and that `base_url` is right."),
        Some(300..500 | 501 | 505) => (ErrorClass::BadRequest, advice(ErrorClass::BadRequest)),
        Some(500..) if cannot => (ErrorClass::BadRequest, advice(ErrorClass::BadRequest)),
        Some(_) => (ErrorClass::Overloaded, advice(ErrorClass::Overloaded)),
        None if word(&[
            "invalid_request",
            "bad_request",
            "invalid_argument",
            "not_found",
            "tool_use_failed",
            "invalid_model",
        ]) || cannot =>
        {
            (ErrorClass::BadRequest, advice(ErrorClass::BadRequest))
        }
        None => (ErrorClass::Overloaded, advice(ErrorClass::Overloaded)),
    }
}

/// How providers say that a prompt does not fit.
const TOO_LONG: &[&str] = &[
    "context length",
    "context window",
    "context size",
    "context limit",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "input token count",
    "maximum prompt length",
    "messages is too long",
    "too large for model",
    "request too large for",
    "reduce the length of",
    "exceeds the maximum number of tokens",
];

/// What an error's JSON says, whatever its shape.
#[derive(Debug, Default, PartialEq)]
struct Report {
    message: String,
    words: String,
    status: Option<u16>,
}

impl Report {
    fn of(value: &Value) -> Option<Self> {
        let object = match value {
            Value::Array(items) => return items.iter().find_map(Self::of),
            Value::Object(object) => object,
            _ => return None,
        };
        let error = object.get("error").filter(|error| is_said(error));
        let errors = object.get("errors").and_then(Value::as_array).and_then(|errors| errors.first());
        let mut report = Self::default();
        match error.or(errors).or(object.get("detail").filter(|detail| is_said(detail))) {
            Some(Value::String(message)) => {
                report.message.clone_from(message);
                report.note(value);
            }
            Some(Value::Array(details)) => report.message = details.first().map(message_of).unwrap_or_default(),
            Some(inner @ Value::Object(_)) => {
                report.note(value);
                report.note(inner);
                report.message = message_of(inner);
            }
            Some(_) | None => {
                let named = ["object", "type"].iter().any(|key| object.get(*key) == Some(&Value::from("error")));
                let bare = object.get("choices").is_none() && object.get("content").is_none();
                report.message = message_of(value);
                if error.is_none() && !named && (!bare || report.message.is_empty()) {
                    return None;
                }
                report.note(value);
            }
        }
        Some(report)
    }

    /// Collects the types and codes of an object; a code that can be an HTTP status is one.
    fn note(&mut self, value: &Value) {
        for key in ["type", "code", "status", "error_code", "status_code", "raw_status_code", "http_status_code"] {
            let Some(code) = value.get(key) else { continue };
            let number = code.as_u64().or_else(|| code.as_str().and_then(|code| code.parse().ok()));
            match number {
                Some(number @ 400..600) => self.status = Some(number as u16),
                _ => {
                    if let Some(word) = code.as_str() {
                        self.words.push_str(word);
                        self.words.push(' ');
                    }
                }
            }
        }
    }
}

/// False for the ways in which servers say that there is no error.
pub fn is_said(error: &Value) -> bool {
    match error {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn message_of(value: &Value) -> String {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut message = ["message", "msg", "detail", "error_description", "title"]
        .iter()
        .map(|key| text(value, key))
        .find(|message| !message.is_empty())
        .or_else(|| value.as_str().map(str::to_owned))
        .unwrap_or_default();
    // A router's own words are "Provider returned error"; what the provider behind it said is beside them.
    if let Some(metadata) = value.get("metadata") {
        let (behind, raw) = (text(metadata, "provider_name"), text(metadata, "raw"));
        if !behind.is_empty() || !raw.is_empty() {
            message = format!(
                "{message} ({})",
                [behind, raw].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
            );
        }
    }
    message
}

/// A page's title or a body's text, on one line.
fn plain(body: &str) -> String {
    let title = body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title);
    title.unwrap_or(body).split_whitespace().collect::<Vec<_>>().join(" ")
}

pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_DETAIL) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// The wait that an answer's headers ask for: milliseconds, seconds, or the time of a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    if let Some(milliseconds) = header("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let text = header("retry-after")?;
    match number(text) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

/// The wait that Google asks for in an error's JSON: `google.rpc.RetryInfo`, a number of seconds with an `s`.
fn retry_delay(value: &Value) -> Option<Duration> {
    if let Value::Array(items) = value {
        return items.iter().find_map(retry_delay);
    }
    let mut details = value.get("error")?.get("details")?.as_array()?.iter();
    let delay = details.find_map(|detail| detail.get("retryDelay")?.as_str()?.strip_suffix('s'))?;
    Duration::try_from_secs_f64(delay.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(status: u16, body: Value, class: ErrorClass, says: &str) {
        let failure = Failure::from_response(status, &HeaderMap::new(), body.to_string().as_bytes());
        let error = failure.into_error("example", Completion::default());
        assert_eq!(error.class, class, "{error}");
        assert!(error.message.contains(says), "{error}");
        assert_eq!(error.status, Some(status));
    }

    #[test]
    fn classes() {
        use ErrorClass::*;
        check(
            401,
            json!({"type": "error", "error": {"type": "authentication_error", "message": "bad key"}}),
            Auth,
            "bad key",
        );
        check(401, json!({"detail": "Invalid API Key"}), Auth, "Invalid API Key");
        check(
            400,
            json!([{"error": {"message": "API key not valid.", "status": "INVALID_ARGUMENT"}}]),
            Auth,
            "not valid",
        );
        check(
            429,
            json!({"error": {"type": "insufficient_quota", "message": "You exceeded your quota"}}),
            Auth,
            "no credit",
        );
        check(402, json!({"error": {"message": "Insufficient Balance"}}), Auth, "no credit");
        check(429, json!({"error": {"code": 429, "message": "Slow down"}}), RateLimit, "Slow down");
        check(
            529,
            json!({"error": {"type": "overloaded_error", "message": "Overloaded"}}),
            Overloaded,
            "(529): Overloaded",
        );
        check(503, json!({"error": "Service Unavailable"}), Overloaded, "Service Unavailable");
        check(500, json!({"error": {"message": "image input is not supported"}}), BadRequest, "image input");
        check(400, json!({"error": {"code": "context_length_exceeded", "message": "x"}}), ContextLength, "compact");
        check(
            400,
            json!({"error": {"message": "prompt is too long: 210000 tokens > 200000"}}),
            ContextLength,
            "210000",
        );
        check(413, json!({"error": {"type": "request_too_large", "message": "x"}}), ContextLength, "compact");
        check(400, json!({"error": {"code": "content_filter", "message": "x"}}), ContentFilter, "other words");
        check(404, json!({"error": {"message": "no such model"}}), BadRequest, "model's name");
        check(422, json!({"detail": [{"loc": ["body"], "msg": "field required"}]}), BadRequest, "field required");
        check(400, json!({"object": "error", "message": "bad", "type": "invalid_model"}), BadRequest, "bad");
    }

    #[test]
    fn errors_inside_an_answer_that_went_well() {
        let class = |value: Value| Failure::reported(None, &value).map(|failure| failure.class);
        assert_eq!(class(json!({"choices": [], "error": null})), None);
        assert_eq!(class(json!({"choices": [{}], "message": "x"})), None);
        assert_eq!(class(json!({"error": {"code": 429, "message": "x"}})), Some(ErrorClass::RateLimit));
        assert_eq!(class(json!({"error": {"type": "overloaded_error"}})), Some(ErrorClass::Overloaded));
        assert_eq!(class(json!({"error": {"type": "invalid_request_error"}})), Some(ErrorClass::BadRequest));
        assert_eq!(class(json!({"error": "broken"})), Some(ErrorClass::Overloaded));
        assert_eq!(class(json!({"object": "error", "code": 400})), Some(ErrorClass::BadRequest));
    }

    #[test]
    fn a_router_tells_what_the_provider_behind_it_said() {
        let body = json!({"error": {"code": 429, "message": "Provider returned error",
            "metadata": {"provider_name": "Somebody", "raw": "try later"}}});
        check(429, body, ErrorClass::RateLimit, "Provider returned error (Somebody: try later)");
    }

    #[test]
    fn web_pages_and_redirects() {
        let page = b"<html><head><title>502 Bad\n Gateway</title></head></html>";
        let failure = Failure::from_response(502, &HeaderMap::new(), page);
        assert_eq!((failure.class, &*failure.what), (ErrorClass::Overloaded, "502 Bad Gateway"));
        let mut headers = HeaderMap::new();
        headers.insert("location", "https://example.com/v1".parse().unwrap());
        let failure = Failure::from_response(301, &headers, b"");
        assert_eq!(failure.class, ErrorClass::BadRequest);
        assert!(failure.what.contains("https://example.com/v1"));
    }

    #[test]
    fn waits() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            retry_after(&headers, now)
        };
        assert_eq!(wait("retry-after", "7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("retry-after", "1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after", "-3"), None);
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "1e300"), None);
    }

    #[test]
    fn waits_in_the_body() {
        let wait = |delay: Value, headers: &HeaderMap| {
            let details = json!([
                {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
            ]);
            let error = json!({"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "x", "details": details});
            let [one, list] = [json!({"error": error}), json!([{"error": error}])]
                .map(|body| Failure::from_response(429, headers, body.to_string().as_bytes()).retry_after);
            assert_eq!(one, list);
            one
        };
        let none = HeaderMap::new();
        assert_eq!(wait(json!("38s"), &none), Some(Duration::from_secs(38)));
        assert_eq!(wait(json!("0.250s"), &none), Some(Duration::from_millis(250)));
        for nonsense in [json!("soon"), json!("-1s"), json!("1e300s"), json!("NaNs"), json!(38), json!(null)] {
            assert_eq!(wait(nonsense, &none), None);
        }
        // A header is for this very answer.
        let headers = HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, "7".parse().unwrap())]);
        assert_eq!(wait(json!("38s"), &headers), Some(Duration::from_secs(7)));
    }
}
