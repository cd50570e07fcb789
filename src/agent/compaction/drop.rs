//! What can go without being missed.

use async_trait::async_trait;
use serde_json::Value;

use super::{Strategy, Why, clip::first_characters, rounds};
use crate::{
    agent::{Cursor, MutationError, said},
    transcript::{Content, Message, ResultContent, Role},
};

/// Drops the model's reasoning of former turns. That of the running turn stays: providers want it back while the
/// model's tools run.
#[derive(Clone, Copy, Debug)]
pub struct DropThinking;

/// Drops what failed calls said but for its first line, and long texts of their inputs: nothing came of them. The calls
/// stay, and so does why each failed or was denied, so that the model does not try it again.
#[derive(Clone, Copy, Debug)]
pub struct DropFailedResults {
    /// The last model calls whose failures stay as they are.
    pub keep_rounds: usize,
}

/// What is left of a failure's text, and of each text of its call's input, in characters. Chosen: a sentence or two.
const FAILURE: usize = 300;

#[async_trait]
impl Strategy for DropThinking {
    fn name(&self) -> &'static str {
        "dropThinking"
    }

    async fn apply(&self, messages: &mut Vec<Message>, _: &Why, _: &mut Cursor<'_>) -> Result<(), MutationError> {
        let last_prompt = messages.iter().rposition(said::is_prompt).unwrap_or(0);
        for message in &mut messages[..last_prompt] {
            let is_thinking = |part: &Content| matches!(part, Content::Thinking { .. });
            // No provider takes an empty message.
            if message.role == Role::Assistant && !message.content.iter().all(is_thinking) {
                message.content.retain(|part| !is_thinking(part));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Strategy for DropFailedResults {
    fn name(&self) -> &'static str {
        "dropFailedResults"
    }

    async fn apply(&self, messages: &mut Vec<Message>, _: &Why, _: &mut Cursor<'_>) -> Result<(), MutationError> {
        let end = rounds::recent(messages, self.keep_rounds);
        for index in 1..end {
            let (before, rest) = messages.split_at_mut(index);
            let (asking, answering) = (&mut before[index - 1], &mut rest[0]);
            let mut failed = Vec::new();
            for part in &mut answering.content {
                if let Content::ToolResult(result) = part
                    && result.is_error
                {
                    shorten(&mut result.content);
                    failed.push(result.call_id.clone());
                }
            }
            for part in &mut asking.content {
                if let Content::ToolCall(call) = part
                    && failed.contains(&call.id)
                {
                    shorten_texts(&mut call.input);
                }
            }
        }
        Ok(())
    }
}

fn shorten(content: &mut Vec<ResultContent>) {
    const NOTE: &str = " [the rest was left out]";
    let texts = content.iter().filter_map(|part| match part {
        ResultContent::Text { text } => Some(text.as_str()),
        ResultContent::Image(_) => None,
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    let line = text.trim().lines().next().unwrap_or_default();
    let line = first_characters(line, FAILURE);
    let is_whole =
        line.len() == text.trim().len() && !content.iter().any(|part| matches!(part, ResultContent::Image(_)));
    if !is_whole && !line.ends_with(NOTE) && line.len() + NOTE.len() < text.len() {
        *content = vec![ResultContent::Text { text: format!("{line}{NOTE}") }];
    }
}

fn shorten_texts(value: &mut Value) {
    match value {
        Value::String(text) => {
            let short = first_characters(text, FAILURE);
            if short.len() + '…'.len_utf8() < text.len() {
                *text = format!("{short}…");
            }
        }
        Value::Array(values) => values.iter_mut().for_each(shorten_texts),
        Value::Object(members) => members.values_mut().for_each(shorten_texts),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
