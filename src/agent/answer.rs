//! Hearing one answer of the model to its end.

use std::{collections::HashMap, pin::pin};

use futures::{FutureExt, StreamExt, stream::BoxStream};
use tokio::select;

use super::{Event, turn::Ground};
use crate::{
    provider::{Completion, ErrorClass, ProviderError, StreamEvent},
    transcript::{Content, Usage},
};

/// What was heard of a model call.
pub(super) struct Heard {
    pub ended: Result<Completion, Interrupted>,
    /// What the tries used that were withdrawn.
    pub superseded: Vec<Usage>,
    /// Whether the host was told anything that still stands.
    pub shown: bool,
}

/// An answer that did not come to its end.
pub(super) struct Interrupted {
    /// What of it may stay in the transcript: text, and the reasoning before it that its provider can check.
    pub content: Vec<Content>,
    pub usage: Usage,
    /// `None` if the turn was cancelled.
    pub error: Option<ProviderError>,
}

/// Deltas that have come already are one event up to this many bytes. Measured: with single deltas, the queues behind
/// the host are what a flood costs.
const EVENT_BYTES: usize = 2048;

type Answers = BoxStream<'static, Result<StreamEvent, ProviderError>>;

/// Reads `answers` and tells the host, one event at a time: while it does not take one, nothing is read.
pub(super) async fn hear(answers: Answers, ground: Ground<'_>) -> Heard {
    let mut hearing = Hearing { said: String::new(), inputs: HashMap::new(), superseded: Vec::new(), shown: false };
    let ended = hearing.out(answers, ground).await;
    Heard { ended, superseded: hearing.superseded, shown: hearing.shown }
}

/// What was heard so far.
struct Hearing {
    said: String,
    /// The bytes of each call's input.
    inputs: HashMap<usize, usize>,
    superseded: Vec<Usage>,
    shown: bool,
}

impl Hearing {
    async fn out(&mut self, mut answers: Answers, ground: Ground<'_>) -> Result<Completion, Interrupted> {
        let mut cancelled = pin!(ground.cancel.cancelled());
        let mut read_ahead = None;
        loop {
            let item = select! {
                biased;
                () = &mut cancelled => return Err(self.hung_up()),
                item = take_or_read(&mut read_ahead, &mut answers) => item,
            };
            let event = match item {
                Some(Ok(StreamEvent::Text(mut text))) => {
                    read_ahead = gather(&mut answers, &mut text, &Kind::Text);
                    self.said.push_str(&text);
                    Event::Text(text)
                }
                Some(Ok(StreamEvent::Thinking(mut text))) => {
                    read_ahead = gather(&mut answers, &mut text, &Kind::Thinking);
                    Event::Thinking(text)
                }
                Some(Ok(StreamEvent::ToolInput { .. })) if !ground.agent.setup.tool_input_events => continue,
                Some(Ok(StreamEvent::ToolInput { index, tool, mut fragment })) => {
                    read_ahead = gather(&mut answers, &mut fragment, &Kind::ToolInput(index));
                    let bytes = self.inputs.entry(index).or_default();
                    *bytes += fragment.len();
                    Event::ToolInput { index, tool, bytes: *bytes, fragment }
                }
                Some(Ok(StreamEvent::Superseded { usage })) => {
                    self.superseded.push(usage);
                    self.said.clear();
                    self.inputs.clear();
                    if !std::mem::take(&mut self.shown) {
                        continue;
                    }
                    Event::Superseded
                }
                Some(Ok(StreamEvent::Retry { attempt, delay, error })) => Event::Retry { attempt, delay, error },
                Some(Ok(StreamEvent::Fallback { from, to, error })) => Event::Fallback { from, to, error },
                // It comes again, in its place, with the whole answer.
                Some(Ok(StreamEvent::ToolCall(_))) => continue,
                Some(Ok(StreamEvent::Done(completion))) => return Ok(completion),
                Some(Err(error)) => return Err(failed(error, std::mem::take(&mut self.said))),
                None => return Err(failed(ended_early(), std::mem::take(&mut self.said))),
            };
            self.shown |= matches!(event, Event::Text(_) | Event::Thinking(_) | Event::ToolInput { .. });
            let mut emitting = pin!(ground.emit(event));
            select! {
                biased;
                () = &mut emitting => {}
                () = &mut cancelled => {
                    drop(answers);
                    emitting.await;
                    return Err(self.hung_up());
                }
            }
        }
    }

    fn hung_up(&mut self) -> Interrupted {
        let text = std::mem::take(&mut self.said);
        Interrupted { content: vec![Content::Text { text }], usage: Usage::default(), error: None }
    }
}

type Item = Option<Result<StreamEvent, ProviderError>>;

async fn take_or_read(read_ahead: &mut Option<Item>, answers: &mut Answers) -> Item {
    match read_ahead.take() {
        Some(item) => item,
        None => answers.next().await,
    }
}

enum Kind {
    Text,
    Thinking,
    ToolInput(usize),
}

/// Appends the deltas of this kind that need no waiting for; gives the first thing that is none.
fn gather(answers: &mut Answers, text: &mut String, kind: &Kind) -> Option<Item> {
    while text.len() < EVENT_BYTES {
        match (answers.next().now_or_never()?, kind) {
            (Some(Ok(StreamEvent::Text(more))), Kind::Text) => text.push_str(&more),
            (Some(Ok(StreamEvent::Thinking(more))), Kind::Thinking) => text.push_str(&more),
            (Some(Ok(StreamEvent::ToolInput { index, fragment, .. })), Kind::ToolInput(of)) if index == *of => {
                text.push_str(&fragment);
            }
            (other, _) => return Some(other),
        }
    }
    None
}

fn failed(mut error: ProviderError, text: String) -> Interrupted {
    let partial = std::mem::take(&mut *error.partial);
    let usage = partial.usage;
    let mut content = partial.content;
    content.retain(|part| match part {
        Content::Text { .. } | Content::Image(_) => true,
        // Without its proof a provider does not take reasoning back.
        Content::Thinking { signature, redacted, .. } => signature.is_some() || redacted.is_some(),
        Content::ToolCall(_) | Content::ToolResult(_) => false,
    });
    // Reasoning is followed by what it led to, or is not kept.
    let is_thinking = |part: &Content| matches!(part, Content::Thinking { .. });
    content.truncate(content.iter().rposition(|part| !is_thinking(part)).map_or(0, |last| last + 1));
    if content.is_empty() {
        content.push(Content::Text { text });
    }
    Interrupted { content, usage, error: Some(error) }
}

pub(super) fn ended_early() -> ProviderError {
    ProviderError {
        class: ErrorClass::Truncated,
        message: "The model's answer broke off: its stream ended without saying so. Send the prompt again.".into(),
        status: None,
        retry_after: None,
        partial: Box::default(),
    }
}
