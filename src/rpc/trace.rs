//! Writing down what goes over a connection, so that a bug report is a file that can be played again.
//!
//! One message a line: `{"from": "client", "message": {...}}`, in the order in which they went by. Secrets are left out:
//! whatever [`Trace::hide`] was told, and what stands in fields that are named after one.

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

/// Empties what is named after a secret: members, values of pairs, and options of commands.
fn strip(value: &mut Value) {
    match value {
        Value::Array(items) => {
            let mut is_secret = false;
            for item in items {
                match item {
                    Value::String(text) => is_secret = strip_argument(text, is_secret),
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
                    _ => strip(value),
                }
            }
        }
        _ => {}
    }
}

/// An argument after one that may have named it; whether it names the next.
fn strip_argument(text: &mut String, is_secret: bool) -> bool {
    if is_secret {
        hide(text);
        return false;
    }
    let Some(option) = text.strip_prefix('-') else { return false };
    match option.split_once('=') {
        None => names_secret(option),
        Some((name, _)) => {
            if names_secret(name) {
                text.truncate(text.find('=').map_or(0, |at| at + 1));
                text.push_str(HIDDEN);
            }
            false
        }
    }
}

const HIDDEN: &str = "***";

fn hide(text: &mut String) {
    HIDDEN.clone_into(text);
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
                "env": [{"name": "GITHUB_TOKEN", "value": "x"}, {"name": "HUB_KEY", "value": "x"}, {"name": "TZ", "value": "UTC"}],
                "headers": [{"name": "Authorization", "value": "Bearer x"}],
            }],
            "env": {"GITHUB_PAT": "x", "HOME": "/home/ada"},
        });
        strip(&mut message);
        let expect = json!({
            "workDoneToken": "1", "token": "2", "inputTokens": 3, "access_token": "***", "title": "a secret", "key": "k",
            "mcpServers": [{
                "name": "hub", "command": "hub", "args": ["--token", "***", "--api-key=***", "--port", "80", "token"],
                "env": [
                    {"name": "GITHUB_TOKEN", "value": "***"}, {"name": "HUB_KEY", "value": "***"},
                    {"name": "TZ", "value": "UTC"},
                ],
                "headers": [{"name": "Authorization", "value": "***"}],
            }],
            "env": {"GITHUB_PAT": "***", "HOME": "/home/ada"},
        });
        assert_eq!(message, expect);
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
