//! An answer as it grows out of deltas.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::{Completion, ErrorClass, StreamEvent, error::Failure};
use crate::transcript::{Content, StopReason, ToolCall};

/// What has arrived, and the events that nobody has taken yet.
#[derive(Debug, Default)]
pub struct Answer {
    pub completion: Completion,
    pub events: VecDeque<StreamEvent>,
}

impl Answer {
    /// More visible text.
    pub fn text(&mut self, more: &str) {
        if more.is_empty() {
            return;
        }
        match self.completion.content.last_mut() {
            Some(Content::Text { text }) => text.push_str(more),
            _ => self.completion.content.push(Content::Text { text: more.to_owned() }),
        }
        self.events.push_back(StreamEvent::Text(more.to_owned()));
    }

    /// More reasoning.
    pub fn thinking(&mut self, more: &str) {
        if more.is_empty() {
            return;
        }
        match self.completion.content.last_mut() {
            Some(Content::Thinking { text, signature: None, redacted: None }) => text.push_str(more),
            _ => self.completion.content.push(Content::Thinking {
                text: more.to_owned(),
                signature: None,
                redacted: None,
            }),
        }
        self.events.push_back(StreamEvent::Thinking(more.to_owned()));
    }

    /// More of the input of call number `index`, from 0. The input itself is kept by whoever puts the call together.
    pub fn tool_input(&mut self, index: usize, tool: &str, fragment: &str) {
        let (tool, fragment) = (tool.to_owned(), fragment.to_owned());
        self.events.push_back(StreamEvent::ToolInput { index, tool, fragment });
    }

    /// A whole call, told of at once.
    pub fn call(&mut self, call: ToolCall) {
        self.completion.content.push(Content::ToolCall(call.clone()));
        self.events.push_back(StreamEvent::ToolCall(call));
    }

    /// True if the provider says that it stopped at a limit and not at the answer's end.
    pub fn was_cut(&self) -> bool {
        stop_reason(self.completion.raw_stop_reason.as_deref(), false) == Some(StopReason::MaxTokens)
    }

    /// Finds out why a whole answer ended, and tells of its calls. `begun` counts them before those were dropped that
    /// were cut in two.
    ///
    /// # Errors
    /// If the provider's word for the end means that it failed.
    pub fn conclude(&mut self, begun: usize) -> Result<(), Failure> {
        let calls = self.completion.content.iter().filter_map(|part| match part {
            Content::ToolCall(call) => Some(StreamEvent::ToolCall(call.clone())),
            _ => None,
        });
        let calls: Vec<_> = calls.collect();
        let word = self.completion.raw_stop_reason.as_deref();
        let Some(reason) = stop_reason(word, !calls.is_empty()) else {
            let what = format!("it ended the answer with `{}`", word.unwrap_or_default());
            return Err(Failure::new(ErrorClass::Overloaded, what));
        };
        // Some servers say `tool_calls` where they ran into their limit in the middle of one.
        let reason = if calls.len() < begun { StopReason::MaxTokens } else { reason };
        self.completion.stop_reason = Some(reason);
        self.events.extend(calls);
        Ok(())
    }
}

/// The input of a call whose arguments have all arrived, or `None` if they were cut in two. `cut` says that the answer
/// was: then nothing at all is a cut too, and not a call without arguments.
///
/// Text that is broken, not cut, becomes a JSON string: the tool will refuse it in words that the model can act on.
pub fn input(arguments: &str, cut: bool) -> Option<Value> {
    let arguments = arguments.trim();
    if arguments.is_empty() {
        return (!cut).then(|| Value::Object(Map::new()));
    }
    match serde_json::from_str(arguments) {
        Ok(Value::Null) => Some(Value::Object(Map::new())),
        Ok(value) => Some(value),
        Err(error) if cut || error.is_eof() => None,
        Err(_) => Some(Value::String(arguments.to_owned())),
    }
}

/// What a provider's word for the end of an answer means, `None` if it means that the provider failed.
fn stop_reason(word: Option<&str>, has_calls: bool) -> Option<StopReason> {
    let unless_calls = |reason| Some(if has_calls { StopReason::ToolCalls } else { reason });
    match word.unwrap_or_default().to_ascii_lowercase().as_str() {
        "length" | "max_tokens" | "model_length" | "max_output_tokens" | "model_context_window_exceeded" => {
            Some(StopReason::MaxTokens)
        }
        "content_filter"
        | "refusal"
        | "safety"
        | "recitation"
        | "guardrail_intervened"
        | "blocklist"
        | "prohibited_content"
        | "sensitive"
        | "spii"
        | "language"
        | "image_safety" => Some(StopReason::Refusal),
        "pause_turn" | "compaction" => Some(StopReason::Pause),
        "stop_sequence" => unless_calls(StopReason::StopSequence),
        "error"
        | "abort"
        | "network_error"
        | "insufficient_system_resource"
        | "malformed_function_call"
        | "malformed_response"
        | "unexpected_tool_call"
        | "too_many_tool_calls"
        | "missing_thought_signature" => None,
        _ => unless_calls(StopReason::EndTurn),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments() {
        assert_eq!(input(r#" {"a":1} "#, true), Some(json!({"a": 1})));
        assert_eq!(input("", false), Some(json!({})));
        assert_eq!(input("", true), None);
        assert_eq!(input("null", false), Some(json!({})));
        assert_eq!(input(r#"{"a":"#, false), None);
        assert_eq!(input(r#"{"a":"#, true), None);
        assert_eq!(input("not json", false), Some(json!("not json")));
        assert_eq!(input("not json", true), None);
    }

    #[test]
    fn deltas_of_one_kind_make_one_part() {
        let mut answer = Answer::default();
        answer.thinking("a");
        answer.thinking("b");
        answer.text("");
        answer.text("c");
        answer.text("d");
        let thinking = Content::Thinking { text: "ab".into(), signature: None, redacted: None };
        assert_eq!(answer.completion.content, [thinking, Content::Text { text: "cd".into() }]);
        assert_eq!(answer.events.len(), 4);
    }
}
