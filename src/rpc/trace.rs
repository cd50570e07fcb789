//! Writing down what goes over a connection, so that a bug report is a file that can be played again.
//!
//! One message a line: `{"from": "client", "message": {...}}`, in the order in which they went by. Secrets are left out:
//! whatever the trace was told to hide, what stands in fields and arguments that are named after one, all headers and
//! variables, and of addresses the user and the query.

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::{Value, json};

use crate::process::{Expected, HIDDEN, Held, names_secret};

/// Where messages are written down. Clones write to the same place.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<State>>);

struct State {
    /// `None` once a write has failed.
    out: Option<Box<dyn Write + Send>>,
    hide: Box<dyn Fn(String) -> String + Send>,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Trace {
    /// `hide` takes secrets out of a text.
    pub fn new(out: Box<dyn Write + Send>, hide: impl Fn(String) -> String + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State { out: Some(out), hide: Box::new(hide) })))
    }

    /// Writes a message down. What is no JSON is none.
    pub(super) fn take(&self, side: Side, message: &[u8]) {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = &mut *guard;
        let Some(out) = &mut state.out else { return };
        let Ok(mut message) = serde_json::from_slice::<Value>(message) else { return };
        strip(&mut message);
        let from = match side {
            Side::Client => "client",
            Side::Server => "server",
        };
        let line = (state.hide)(json!({"from": from, "message": message}).to_string()) + "\n";
        if let Err(error) = out.write_all(line.as_bytes()).and_then(|()| out.flush()) {
            tracing::error!(%error, "the trace cannot be written, and ends here");
            state.out = None;
        }
    }
}

/// Empties what holds secrets: what is named after one, all headers and variables, and of addresses the user and the query.
fn strip(value: &mut Value) {
    match value {
        Value::String(text) => hide_in_address(text),
        Value::Array(items) => {
            let mut next = Expected::Any;
            for item in items {
                match item {
                    Value::String(text) => next = strip_argument(text, next),
                    _ => strip(item),
                }
            }
        }
        Value::Object(members) => {
            // `{"name": "GITHUB_TOKEN", "value": ...}`, as variables and headers of servers come.
            let is_pair = members.get("name").and_then(Value::as_str).is_some_and(names_secret);
            for (name, value) in members {
                match value {
                    Value::String(text) if names_secret_member(name) || (is_pair && name == "value") => hide(text),
                    _ if matches!(name.as_str(), "headers" | "env") => strip_pairs(value),
                    _ => strip(value),
                }
            }
        }
        _ => {}
    }
}

/// Empties headers or variables, in each form they come in: what they hold is nobody's business.
fn strip_pairs(value: &mut Value) {
    match value {
        Value::String(text) => hide(text),
        Value::Object(pairs) => pairs.values_mut().for_each(strip_pairs),
        Value::Array(pairs) => {
            for pair in pairs {
                match pair {
                    Value::String(text) => _ = strip_argument(text, Expected::Pair),
                    _ => pair.get_mut("value").into_iter().for_each(strip_pairs),
                }
            }
        }
        _ => {}
    }
}

/// Empties an argument, or what it holds behind a name. Returns what the next one is.
fn strip_argument(text: &mut String, this: Expected) -> Expected {
    let (held, next) = this.look(text);
    match held {
        Held::Nothing => {}
        Held::Secret(start) | Held::Value(start) => text.replace_range(start.., HIDDEN),
        Held::Address(start) => {
            let mut address = text.split_off(start);
            hide_in_address(&mut address);
            *text += &address;
        }
    }
    next
}

/// Hides who asks, and the query, in `scheme://user:password@host/path?query#part`. Files have neither.
fn hide_in_address(text: &mut String) {
    let Some(start) = text.find("://").map(|end| end + 3) else { return };
    let is_address = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text[..start - 3].chars().all(|char| char.is_ascii_alphanumeric() || "+-.".contains(char))
        && !text.starts_with("file:")
        && !text.contains(char::is_whitespace);
    if !is_address {
        return;
    }
    let part = text.find('#').unwrap_or(text.len());
    if let Some(query) = text[..part].find('?') {
        text.replace_range(query + 1..part, HIDDEN);
    }
    let host = text[start..].find(['/', '?', '#']).map_or(text.len(), |end| start + end);
    if let Some(at) = text[start..host].rfind('@') {
        text.replace_range(start..start + at, HIDDEN);
    }
}

fn hide(text: &mut String) {
    HIDDEN.clone_into(text);
}

/// As [`names_secret`], but for what LSP calls the number of a progress.
fn names_secret_member(name: &str) -> bool {
    names_secret(name) && !matches!(name, "token" | "workDoneToken" | "partialResultToken")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_after_a_secret_is_emptied() {
        let mut message = json!({
            "workDoneToken": "1", "token": "2", "inputTokens": 3, "access_token": "x", "title": "a secret", "key": "k",
            "mcpServers": [{
                "name": "hub", "command": "hub", "args": ["--token", "x", "--api-key=x", "--port", "80", "token"],
                "env": [{"name": "GITHUB_TOKEN", "value": "x"}, {"name": "TZ", "value": "x"}],
                "headers": [{"name": "Authorization", "value": "Bearer x"}, {"name": "X-Custom", "value": "x"}],
            }],
            "mcp": {"hub": {"env": {"GITHUB_PAT": "x", "HOME": "x"}, "headers": {"X-Auth": "x"}}},
            "pair": {"name": "HUB_KEY", "value": "x"}, "container": {"env": ["DB=x"]},
        });
        strip(&mut message);
        let expect = json!({
            "workDoneToken": "1", "token": "2", "inputTokens": 3, "access_token": "***", "title": "a secret", "key": "k",
            "mcpServers": [{
                "name": "hub", "command": "hub", "args": ["--token", "***", "--api-key=***", "--port", "80", "token"],
                "env": [{"name": "GITHUB_TOKEN", "value": "***"}, {"name": "TZ", "value": "***"}],
                "headers": [{"name": "Authorization", "value": "***"}, {"name": "X-Custom", "value": "***"}],
            }],
            "mcp": {"hub": {"env": {"GITHUB_PAT": "***", "HOME": "***"}, "headers": {"X-Auth": "***"}}},
            "pair": {"name": "HUB_KEY", "value": "***"}, "container": {"env": ["DB=***"]},
        });
        assert_eq!(message, expect);
    }

    #[test]
    fn arguments_with_a_name_and_addresses_are_emptied() {
        let check = |argument: &str, expect: &str| {
            let mut arguments = json!(argument.split('|').collect::<Vec<_>>());
            strip(&mut arguments);
            assert_eq!(arguments, json!(expect.split('|').collect::<Vec<_>>()));
        };
        check("--header|Authorization: Bearer x", "--header|Authorization:***");
        check("--header=X-Custom: x|-y", "--header=X-Custom:***|-y");
        check("-e|GITHUB_TOKEN=x|--env|DB=x|--env=DB=x", "-e|GITHUB_TOKEN=***|--env|DB=***|--env=DB=***");
        check("GITHUB_TOKEN=x|API-Key: x|MODE=fast|a: b", "GITHUB_TOKEN=***|API-Key:***|MODE=fast|a: b");
        check("let token = 1|-p|8080:80|--|-", "let token = 1|-p|8080:80|--|-");
        check("https://u:x@h:1/p?k=x#part", "https://***@h:1/p?***#part");
        check("--url=https://h/p?k=x|https://h/p@v2", "--url=https://h/p?***|https://h/p@v2");
        check("postgres://u:x@h", "postgres://***@h");
        check("file:///home/ada/a?b@c|see https://u@h/?a", "file:///home/ada/a?b@c|see https://u@h/?a");
        let mut settings = json!({ "base_url": "https://u:x@h/v1?k=x", "text": "let url = \"https://h/?a\";" });
        strip(&mut settings);
        assert_eq!(settings, json!({ "base_url": "https://***@h/v1?***", "text": "let url = \"https://h/?a\";" }));
    }
}
