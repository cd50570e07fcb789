//! Writing down what models answer, as a script that [`scripted`](super::scripted) plays again: so that a bug report is a
//! file.
//!
//! Nothing of a request is written but its model and how its last text from the user begins; of the answers, everything.
//! Whatever [`Tape::hide`] was told is replaced by `***` wherever it shows.
//!
//! ```
//! use std::sync::Arc;
//!
//! use futures::StreamExt;
//! use pillion::provider::{Provider, Request, key::Key, record::{Recording, Tape}, scripted::Scripted};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let file = tempfile::NamedTempFile::new()?;
//! let tape = Arc::new(Tape::new(Box::new(file.reopen()?), false));
//! tape.hide(Key::new("sk-a-secret"));
//! let model = Recording::new(Arc::new(Scripted::parse(r#""The key is sk-a-secret.""#)?), tape);
//! let said: Vec<_> = model.stream(Arc::new(Request::default())).map(Result::unwrap).collect().await;
//!
//! let script = std::fs::read_to_string(file.path())?;
//! assert!(script.contains("The key is ***."));
//! let again: Vec<_> = Scripted::parse(&script)?.stream(Arc::default()).map(Result::unwrap).collect().await;
//! assert_eq!(again.len(), said.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod held;

use std::{
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, stream, stream::BoxStream};
use serde_json::{Value, json};
use tokio::time::Instant;

use self::held::{Held, Kind, Piece};
use super::{
    Completion, Provider, ProviderError, Request, StreamEvent,
    answer::Answer,
    batch::Batches,
    key::{Hidden, Key},
    scripted::{Ended, Fault, Fragment, Step},
};
use crate::transcript::Role;

/// How much of the last text from the user is written, in characters. Chosen: enough to tell prompts apart.
const BEGINNING: usize = 200;
/// Pauses that are shorter are not written. Chosen.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// Where answers are written, by any number of providers.
pub struct Tape {
    /// `None` once a write has failed.
    out: Mutex<Option<Box<dyn Write + Send>>>,
    secrets: Mutex<Hidden>,
    calls: AtomicU64,
    keeps_time: bool,
}

/// A provider whose answers are written down.
pub struct Recording {
    inner: Arc<dyn Provider>,
    tape: Arc<Tape>,
}

impl Tape {
    /// Each step is written as it comes, a line in one piece. With `keeps_time`, the pauses between them are too.
    pub fn new(out: Box<dyn Write + Send>, keeps_time: bool) -> Self {
        Self { out: Mutex::new(Some(out)), secrets: Mutex::default(), calls: AtomicU64::new(1), keeps_time }
    }

    /// Hides these from now on. Keys of fewer than eight characters are placeholders and show.
    pub fn hide(&self, secrets: impl IntoIterator<Item = Key>) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).add(secrets);
    }

    fn secrets(&self) -> Vec<Key> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).keys().to_vec()
    }

    fn begin(&self, provider: &str, request: &Request) -> u64 {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let secrets = self.secrets();
        let users = request.messages.iter().rev().filter(|message| message.role == Role::User);
        let said = users.map(|message| message.text()).find(|text| !text.is_empty()).unwrap_or_default();
        let beginning: String = redact(&secrets, &said).chars().take(BEGINNING).collect();
        // What was hidden will not be there when it is compared.
        let beginning = beginning.split("***").next().unwrap_or_default();
        let mut line = json!({"call": call, "asked": format!("{provider}/{}", request.model)});
        if !beginning.is_empty() {
            line["prefer"] = beginning.into();
        }
        self.line(&line);
        call
    }

    fn step(&self, call: u64, step: &Step) {
        match serde_json::to_value(step) {
            Ok(step) => self.line(&json!({"call": call, "step": step})),
            Err(error) => tracing::error!(%error, "a step of a recording could not be encoded"),
        }
    }

    fn line(&self, line: &Value) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = out.as_mut() else { return };
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.flush()) {
            tracing::error!(%error, "the recording ends here: it cannot be written");
            *out = None;
        }
    }
}

impl Recording {
    pub fn new(inner: Arc<dyn Provider>, tape: Arc<Tape>) -> Self {
        Self { inner, tape }
    }
}

impl Provider for Recording {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn stream(&self, request: Arc<Request>) -> BoxStream<'static, Result<StreamEvent, ProviderError>> {
        let reel = Reel {
            call: self.tape.begin(self.name(), &request),
            tape: self.tape.clone(),
            held: Held::default(),
            said: Answer::default(),
            before: Instant::now(),
            is_over: false,
        };
        let answer = self.inner.stream(request);
        let playing = stream::unfold((answer, reel), |(mut answer, mut reel)| async move {
            let event = answer.next().await?;
            reel.take(&event);
            Some((event, (answer, reel)))
        });
        playing.boxed()
    }

    fn batches(&self) -> Option<Batches> {
        self.inner.batches()
    }
}

/// One answer that is being written down.
struct Reel {
    tape: Arc<Tape>,
    call: u64,
    held: Held,
    /// What a player makes of the steps so far.
    said: Answer,
    before: Instant,
    is_over: bool,
}

impl Reel {
    fn take(&mut self, event: &Result<StreamEvent, ProviderError>) {
        let pause = std::mem::replace(&mut self.before, Instant::now()).elapsed();
        let pause = if self.tape.keeps_time { pause } else { Duration::ZERO };
        let secrets = self.tape.secrets();
        let (kind, text) = match event {
            Ok(StreamEvent::Text(text)) => (Kind::Text, text),
            Ok(StreamEvent::Thinking(text)) => (Kind::Thinking, text),
            Ok(StreamEvent::ToolInput { index, tool, fragment }) => (Kind::ToolInput(*index, tool.clone()), fragment),
            other => {
                let pieces = self.held.all(&secrets);
                self.write(pieces);
                self.pause(pause);
                self.other(other, &secrets);
                return;
            }
        };
        let pieces = self.held.push(kind, text, pause, &secrets);
        self.write(pieces);
    }

    fn other(&mut self, event: &Result<StreamEvent, ProviderError>, secrets: &[Key]) {
        let step = match event {
            Ok(StreamEvent::ToolCall(call)) => {
                let mut called = call.clone();
                called.input = redacted(secrets, called.input);
                self.said.call(called.clone());
                Step::Called { called }
            }
            Ok(StreamEvent::Done(completion)) => {
                self.is_over = true;
                Step::Done { done: self.ended(completion, secrets) }
            }
            Err(error) => {
                self.is_over = true;
                Step::Error {
                    error: Fault {
                        class: error.class,
                        message: redact(secrets, &error.message),
                        status: error.status,
                        retry_after_ms: error.retry_after.map(|wait| wait.as_millis().try_into().unwrap_or(u64::MAX)),
                        partial: Some(self.ended(&error.partial, secrets)),
                    },
                }
            }
            // Not from a provider: these are what tries and other models make of several answers.
            Ok(StreamEvent::Retry { .. } | StreamEvent::Superseded { .. } | StreamEvent::Fallback { .. }) => return,
            Ok(StreamEvent::Text(_) | StreamEvent::Thinking(_) | StreamEvent::ToolInput { .. }) => return,
        };
        self.tape.step(self.call, &step);
    }

    fn ended(&self, completion: &Completion, secrets: &[Key]) -> Ended {
        let Completion { content, stop_reason, raw_stop_reason, usage, model } = completion.clone();
        let said = serde_json::to_value(&self.said.completion.content).unwrap_or_default();
        let content = redacted(secrets, serde_json::to_value(content).unwrap_or_default());
        let content = if content == said { None } else { serde_json::from_value(content).ok() };
        Ended { content, stop_reason, raw_stop_reason, usage, model }
    }

    fn write(&mut self, pieces: Vec<Piece>) {
        for Piece { kind, text, pause } in pieces {
            self.pause(pause);
            let step = match kind {
                Kind::Text => {
                    self.said.text(&text);
                    Step::text(text)
                }
                Kind::Thinking => {
                    self.said.thinking(&text);
                    Step::Thinking { thinking: text, signature: None }
                }
                Kind::ToolInput(index, tool) => {
                    Step::ToolInput { tool_input: Fragment { index, tool, fragment: text } }
                }
            };
            self.tape.step(self.call, &step);
        }
        // Only what they add up to is looked at.
        self.said.events.clear();
    }

    fn pause(&self, pause: Duration) {
        if pause >= SHORTEST_PAUSE {
            let delay_ms = pause.as_millis().try_into().unwrap_or(u64::MAX);
            self.tape.step(self.call, &Step::Delay { delay_ms });
        }
    }
}

impl Drop for Reel {
    /// Nobody wanted to hear more: whoever plays this stands there too.
    fn drop(&mut self) {
        if !self.is_over {
            let pieces = self.held.all(&self.tape.secrets());
            self.write(pieces);
            self.tape.step(self.call, &Step::Hang { hang: true });
        }
    }
}

fn redact(secrets: &[Key], text: &str) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| secret.redact(&text))
}

/// The same for all texts of a value.
fn redacted(secrets: &[Key], value: Value) -> Value {
    match value {
        Value::String(text) => redact(secrets, &text).into(),
        Value::Array(items) => items.into_iter().map(|item| redacted(secrets, item)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (redact(secrets, &key), redacted(secrets, value)));
            Value::Object(fields.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests;
