//! Hearing one answer of the model to its end.

use std::pin::pin;

use futures::{FutureExt, StreamExt, stream::BoxStream};
use tokio::select;
use tokio_util::sync::CancellationToken;

use super::{Event, Host};
use crate::{
    provider::{Completion, ErrorClass, ProviderError, StreamEvent},
    transcript::{Content, Usage},
};

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
pub(super) async fn hear(
    mut answers: Answers,
    host: &dyn Host,
    cancel: &CancellationToken,
) -> Result<Completion, Interrupted> {
    let mut cancelled = pin!(cancel.cancelled());
    let mut text_so_far = String::new();
    let mut read_ahead = None;
    loop {
        let item = select! {
            biased;
            () = &mut cancelled => return Err(hung_up(text_so_far)),
            item = take_or_read(&mut read_ahead, &mut answers) => item,
        };
        let event = match item {
            Some(Ok(StreamEvent::Text(mut text))) => {
                read_ahead = gather(&mut answers, &mut text, Kind::Text);
                text_so_far.push_str(&text);
                Event::Text(text)
            }
            Some(Ok(StreamEvent::Thinking(mut text))) => {
                read_ahead = gather(&mut answers, &mut text, Kind::Thinking);
                Event::Thinking(text)
            }
            Some(Ok(StreamEvent::Retry { attempt, delay, error })) => Event::Retry { attempt, delay, error },
            // It comes again, in its place, with the whole answer.
            Some(Ok(StreamEvent::ToolCall(_))) => continue,
            Some(Ok(StreamEvent::Done(completion))) => return Ok(completion),
            Some(Err(error)) => return Err(failed(error, text_so_far)),
            None => return Err(failed(ended_early(), text_so_far)),
        };
        let mut emitting = host.emit(event);
        select! {
            biased;
            () = &mut emitting => {}
            () = &mut cancelled => {
                drop(answers);
                emitting.await;
                return Err(hung_up(text_so_far));
            }
        }
    }
}

type Item = Option<Result<StreamEvent, ProviderError>>;

async fn take_or_read(read_ahead: &mut Option<Item>, answers: &mut Answers) -> Item {
    match read_ahead.take() {
        Some(item) => item,
        None => answers.next().await,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Thinking,
}

/// Appends the deltas of this kind that need no waiting for; gives the first thing that is none.
fn gather(answers: &mut Answers, text: &mut String, kind: Kind) -> Option<Item> {
    while text.len() < EVENT_BYTES {
        match answers.next().now_or_never()? {
            Some(Ok(StreamEvent::Text(more))) if kind == Kind::Text => text.push_str(&more),
            Some(Ok(StreamEvent::Thinking(more))) if kind == Kind::Thinking => text.push_str(&more),
            other => return Some(other),
        }
    }
    None
}

fn hung_up(text: String) -> Interrupted {
    Interrupted { content: vec![Content::Text { text }], usage: Usage::default(), error: None }
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

fn ended_early() -> ProviderError {
    ProviderError {
        class: ErrorClass::Truncated,
        message: "The model's answer broke off: its stream ended without saying so. Send the prompt again.".into(),
        status: None,
        retry_after: None,
        partial: Box::default(),
    }
}
