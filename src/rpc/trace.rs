//! Writing down what goes over a connection, so that a bug report is a file that can be played again.
//!
//! One message a line: `{"from": "client", "message": {...}}`, in the order in which they went by. Secrets are left out:
//! whatever the trace was told to hide, what stands in fields and arguments that are named after one, all headers and
//! variables, and of addresses the user and the query.

use std::{
    io::{self, Write},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;

/// Where messages are written down. Clones write to the same place.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<State>>);

struct State {
    /// `None` once a write has failed.
    out: Option<Box<dyn Write + Send>>,
    hide: Box<dyn Fn(String) -> String + Send>,
    framing: Framing,
}

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Server,
}

/// A stream whose messages are written down as they go by.
pub struct Traced<S> {
    stream: S,
    side: Side,
    trace: Option<Trace>,
    /// What has gone by and is no whole message yet.
    begun: Vec<u8>,
}

impl Trace {
    /// `hide` takes secrets out of a text.
    pub fn new(out: Box<dyn Write + Send>, framing: Framing, hide: impl Fn(String) -> String + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(State { out: Some(out), hide: Box::new(hide), framing })))
    }

    fn take(&self, side: Side, begun: &mut Vec<u8>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(message) = cut(state.framing, begun) {
            let Ok(mut message) = serde_json::from_slice::<Value>(&message) else { continue };
            strip(&mut message);
            let from = match side {
                Side::Client => "client",
                Side::Server => "server",
            };
            let line = (state.hide)(json!({"from": from, "message": message}).to_string()) + "\n";
            let written = state.out.as_mut().map(|out| out.write_all(line.as_bytes()).and_then(|()| out.flush()));
            if let Some(Err(error)) = written {
                tracing::error!(%error, "the trace cannot be written, and ends here");
                state.out = None;
            }
        }
    }
}

impl<S> Traced<S> {
    /// Without a trace it is the stream itself.
    pub fn new(stream: S, side: Side, trace: Option<Trace>) -> Self {
        Self { stream, side, trace, begun: Vec::new() }
    }

    fn pass(&mut self, bytes: &[u8]) {
        if let Some(trace) = &self.trace {
            self.begun.extend_from_slice(bytes);
            trace.take(self.side, &mut self.begun);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Traced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_ready() {
            self.pass(&buffer.filled()[before..]);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Traced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = &written {
            self.pass(&bytes[..*count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What is longer before an empty line is no head of a frame, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// Takes the first whole message out. What is no frame goes with the bytes it came in.
fn cut(framing: Framing, begun: &mut Vec<u8>) -> Option<Vec<u8>> {
    match framing {
        Framing::Lines => {
            let end = memchr::memchr(b'\n', begun)?;
            Some(begun.drain(..=end).collect())
        }
        Framing::ContentLength => {
            let Some(head) = memchr::memmem::find(begun, b"\r\n\r\n") else {
                if begun.len() > HEAD_MAX {
                    begun.clear();
                }
                return None;
            };
            let length = std::str::from_utf8(&begun[..head]).ok().and_then(|head| {
                let mut lines = head.lines().filter_map(|line| line.split_once(':'));
                let (_, length) = lines.find(|(name, _)| name.trim().eq_ignore_ascii_case("content-length"))?;
                length.trim().parse::<usize>().ok()
            });
            let Some(length) = length else {
                begun.clear();
                return None;
            };
            let start = head + 4;
            if begun.len() < start.saturating_add(length) {
                return None;
            }
            let message = begun[start..start + length].to_vec();
            begun.drain(..start + length);
            Some(message)
        }
    }
}

/// Empties what holds secrets: what is named after one, all headers and variables, and of addresses the user and the query.
fn strip(value: &mut Value) {
    match value {
        Value::String(text) => hide_in_address(text),
        Value::Array(items) => {
            let mut next = Next::Any;
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
                    Value::String(text) => _ = strip_argument(text, Next::Pair),
                    _ => pair.get_mut("value").into_iter().for_each(strip_pairs),
                }
            }
        }
        _ => {}
    }
}

/// What an argument is, as the one before it says.
#[derive(Clone, Copy, PartialEq)]
enum Next {
    Any,
    /// A secret.
    Secret,
    /// A header or a variable: `Name: value` or `NAME=value`.
    Pair,
}

/// Empties an argument, or what it holds behind a name. Returns what the next one is.
fn strip_argument(text: &mut String, this: Next) -> Next {
    if this == Next::Secret {
        hide(text);
        return Next::Any;
    }
    let mut is_pair = this == Next::Pair;
    let mut start = 0;
    // `--header=Authorization: Bearer ...`: a name may stand behind another.
    while let Some(length) = text[start..].find(['=', ':']) {
        let end = start + length;
        let name = text[start..end].trim_start_matches('-');
        if name.contains(char::is_whitespace) {
            return Next::Any;
        }
        if text[end..].starts_with("://") {
            let mut address = text.split_off(start);
            hide_in_address(&mut address);
            *text += &address;
            return Next::Any;
        }
        if is_pair || names_secret(name) {
            text.truncate(end + 1);
            *text += HIDDEN;
            return Next::Any;
        }
        is_pair = names_pair(name);
        start = end + 1;
    }
    match text.strip_prefix('-').map(|option| option.trim_start_matches('-')) {
        Some(option) if start == 0 && names_secret(option) => Next::Secret,
        Some(option) if start == 0 && names_pair(option) => Next::Pair,
        _ => Next::Any,
    }
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

const HIDDEN: &str = "***";

fn hide(text: &mut String) {
    HIDDEN.clone_into(text);
}

/// Whether an option is followed by a header or a variable.
fn names_pair(option: &str) -> bool {
    matches!(option, "header" | "headers" | "H" | "env" | "e")
}

/// As [`names_secret`], but for what LSP calls the number of a progress.
fn names_secret_member(name: &str) -> bool {
    names_secret(name) && !matches!(name, "token" | "workDoneToken" | "partialResultToken")
}

fn names_secret(name: &str) -> bool {
    /// Anywhere in a name, without what stands between its words.
    const PARTS: &[&str] =
        &["apikey", "accesskey", "authorization", "password", "passwd", "secret", "bearer", "credential", "cookie"];
    let plain = name.to_ascii_lowercase().replace(['-', '_'], "");
    PARTS.iter().any(|part| plain.contains(part))
        || plain.ends_with("token")
        || ["_KEY", "_PAT"].iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Out(Arc<Mutex<Vec<u8>>>);

    impl Write for Out {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

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

    #[tokio::test]
    async fn messages_are_written_whole_however_they_arrive_and_without_secrets() {
        use tokio::io::AsyncReadExt;
        let said = [r#"{"id":1,"params":{"api_key":"sk-1","text":"sk-hidden é"}}"#, "no JSON", r#"{"id":2}"#];
        let wire: String = said.iter().map(|text| format!("Content-Length: {}\r\n\r\n{text}", text.len())).collect();
        for size in [1, 7, 1000] {
            let out = Out::default();
            let hide = |text: String| text.replace("sk-hidden", "***");
            let trace = Trace::new(Box::new(out.clone()), Framing::ContentLength, hide);
            let mut stream = Traced::new(wire.as_bytes(), Side::Client, Some(trace));
            let mut buffer = vec![0; size];
            while stream.read(&mut buffer).await.unwrap() > 0 {}
            let written = String::from_utf8(out.0.lock().unwrap().clone()).unwrap();
            let expect = "{\"from\":\"client\",\"message\":{\"id\":1,\"params\":{\"api_key\":\"***\",\"text\":\"*** é\"}}}\n\
                          {\"from\":\"client\",\"message\":{\"id\":2}}\n";
            assert_eq!(written, expect, "{size} bytes at a time");
        }
    }
}
