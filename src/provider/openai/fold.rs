//! Chunks of chat completions, folded into an answer.

use serde_json::{Value, json};

use super::chunk::{CallDelta, Choice, Chunk, Delta, Function, Words};
use crate::{
    provider::{
        answer::{self, Answer},
        error::{Failure, is_said},
        http::Fold,
        json, sse,
        think::{Piece, Splitter},
    },
    transcript::{Content, StopReason, ToolCall},
};

/// The type of a detail of ours: what came with a call and goes back with it (Google's proof of its reasoning).
pub const CALL_EXTRA: &str = "tool_call.extra_content";

/// An answer of chat completions as it grows.
#[derive(Default)]
pub struct Chat {
    answer: Answer,
    splitter: Splitter,
    calls: Vec<Call>,
    /// What the provider wants to see again of the reasoning, as it came.
    details: Vec<Value>,
    refused: bool,
    whole: bool,
}

#[derive(Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    extra: Option<Value>,
}

impl Chat {
    fn chunk(&mut self, chunk: Chunk<'_>, data: &[u8], streamed: bool) -> Result<(), Failure> {
        if self.answer.completion.model.is_none() {
            self.answer.completion.model = chunk.model.some().map(str::to_owned);
        }
        let (groq_usage, groq_error) = chunk.x_groq.map(|groq| (groq.usage, groq.error)).unwrap_or_default();
        if let Some(usage) = chunk.usage.or(groq_usage) {
            let before = self.answer.completion.usage;
            let mut usage = usage.usage();
            for (now, before) in [
                (&mut usage.input_tokens, before.input_tokens),
                (&mut usage.output_tokens, before.output_tokens),
                (&mut usage.cache_read_tokens, before.cache_read_tokens),
                (&mut usage.cache_write_tokens, before.cache_write_tokens),
                (&mut usage.reasoning_tokens, before.reasoning_tokens),
            ] {
                *now = now.or(before);
            }
            self.answer.completion.usage = usage;
        }
        let mut error = chunk.error.or(groq_error).filter(is_said);
        let has_choices = chunk.choices.as_ref().is_some_and(|choices| !choices.is_empty());
        // We ask for one answer; a server that gives several is taken by its first.
        for choice in chunk.choices.into_iter().flatten().filter(|choice| choice.index == 0) {
            error = error.or(self.choice(choice, streamed));
        }
        match error {
            Some(error) => {
                let reported = Failure::reported(None, &json!({ "error": error }));
                Err(reported.unwrap_or_else(|| Failure::in_answer(data)))
            }
            None if has_choices => Ok(()),
            None => match serde_json::from_slice(data).ok().and_then(|value| Failure::reported(None, &value)) {
                Some(failure) => Err(failure),
                None => Ok(()),
            },
        }
    }

    /// Takes the one choice; gives back the error it carries, if any.
    fn choice(&mut self, choice: Choice<'_>, streamed: bool) -> Option<Value> {
        let nothing_yet = self.answer.completion.content.is_empty() && self.calls.is_empty();
        match (choice.delta, choice.message) {
            (Some(delta), _) if streamed => self.delta(delta),
            // A server that answers a stream with one whole message. At the end of real deltas it only repeats them.
            (_, Some(message)) if nothing_yet => self.delta(message),
            (Some(delta), _) if nothing_yet => self.delta(delta),
            _ => {}
        }
        if let Some(word) = choice.finish_reason.some() {
            self.answer.completion.raw_stop_reason = Some(word.to_owned());
            self.whole = true;
        }
        choice.error.filter(is_said)
    }

    fn delta(&mut self, delta: Delta<'_>) {
        let reasoning = delta.reasoning_content.some().or(delta.reasoning.some());
        if let Some(reasoning) = reasoning {
            self.answer.thinking(reasoning);
        }
        if let Some(Value::Array(details)) = delta.reasoning_details {
            for detail in details {
                if reasoning.is_none() {
                    let text = detail.get("text").or(detail.get("summary")).and_then(Value::as_str);
                    self.answer.thinking(text.unwrap_or_default());
                }
                self.detail(detail);
            }
        }
        match &delta.content {
            Words::None => {}
            Words::Text(text) => self.text(text),
            Words::Parts(parts) => {
                for part in parts {
                    self.answer.thinking(&part.thinking.flat());
                    self.text(&part.text.0);
                    self.refusal(&part.refusal.0);
                }
            }
        }
        self.refusal(&delta.refusal.0);
        for call in delta.tool_calls.into_iter().flatten() {
            self.call(call);
        }
        if let Some(function) = delta.function_call {
            self.call(CallDelta { function, ..CallDelta::default() });
        }
    }

    fn text(&mut self, text: &str) {
        self.splitter.push(text, |piece| match piece {
            Piece::Text(text) => self.answer.text(text),
            Piece::Thinking(text) => self.answer.thinking(text),
        });
    }

    fn refusal(&mut self, text: &str) {
        self.refused |= !text.is_empty();
        self.answer.text(text);
    }

    /// Adds a detail; one that continues the last is joined to it.
    fn detail(&mut self, detail: Value) {
        let same = |last: &Value, key: &str| last.get(key) == detail.get(key);
        let joined = self.details.last_mut().filter(|last| same(last, "type") && same(last, "index"));
        let part = ["text", "summary"].into_iter().find(|key| detail.get(*key).is_some_and(Value::is_string));
        match (joined, &detail) {
            (Some(last), Value::Object(fields)) if part.is_some() || detail.get("signature").is_some() => {
                for (key, value) in fields {
                    match (value, last.get(key)) {
                        (Value::Null, Some(_)) => {}
                        (Value::String(more), Some(Value::String(text))) if Some(key.as_str()) == part => {
                            last[key] = format!("{text}{more}").into();
                        }
                        _ => last[key] = value.clone(),
                    }
                }
            }
            _ => self.details.push(detail),
        }
    }

    /// Adds a piece of a call. A new one begins with a new index or another id; servers that send neither begin one with
    /// a name, once the arguments before are whole.
    fn call(&mut self, delta: CallDelta<'_>) {
        let Function { name, arguments } = delta.function;
        let open = match delta.index {
            Some(index) => self.calls.iter().rposition(|call| call.index == Some(index)),
            None => self.calls.len().checked_sub(1),
        };
        let open = open.filter(|open| {
            let call = &self.calls[*open];
            match delta.id.some() {
                Some(id) if !call.id.is_empty() => id == call.id,
                _ => {
                    let begins = name.some().is_some() && arguments.0.trim_ascii_start().starts_with('{');
                    !(begins && serde_json::from_str::<serde::de::IgnoredAny>(&call.arguments).is_ok())
                }
            }
        });
        let open = open.unwrap_or_else(|| {
            self.calls.push(Call { index: delta.index, ..Call::default() });
            self.calls.len() - 1
        });
        let call = &mut self.calls[open];
        for (field, text) in [(&mut call.id, delta.id), (&mut call.name, name)] {
            if field.is_empty() {
                *field = text.0.into_owned();
            }
        }
        call.arguments.push_str(&arguments.0);
        self.answer.tool_input(open, &call.name, &arguments.0);
        call.extra = delta.extra_content.filter(is_said).or(call.extra.take());
    }

    /// Puts calls and details into the answer and counts the calls, those that were cut in two included. `cut` says that
    /// the answer did not come to its own end.
    fn assemble(&mut self, cut: bool) -> usize {
        self.splitter.finish(|piece| match piece {
            Piece::Text(text) => self.answer.text(text),
            Piece::Thinking(text) => self.answer.thinking(text),
        });
        let mut begun = 0;
        for call in std::mem::take(&mut self.calls) {
            if call.name.is_empty() && call.arguments.is_empty() {
                continue;
            }
            begun += 1;
            let Some(input) = answer::input(&call.arguments, cut) else { continue };
            // Some local servers give no ids; results need one.
            let id = if call.id.is_empty() { format!("call_{:016x}", fastrand::u64(..)) } else { call.id };
            if let Some(extra) = call.extra {
                self.details.push(json!({"type": CALL_EXTRA, "id": id, "extra_content": extra}));
            }
            self.answer.completion.content.push(Content::ToolCall(ToolCall { id, name: call.name, input }));
        }
        if !self.details.is_empty() {
            let proof = Value::Array(std::mem::take(&mut self.details)).to_string();
            let content = &mut self.answer.completion.content;
            match content.iter_mut().rev().find(|part| matches!(part, Content::Thinking { .. })) {
                Some(Content::Thinking { signature, .. }) => *signature = Some(proof),
                _ => {
                    content
                        .insert(0, Content::Thinking { text: String::new(), signature: Some(proof), redacted: None });
                }
            }
        }
        begun
    }
}

impl Fold for Chat {
    fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }

    fn event(&mut self, event: sse::Event<'_>) -> Result<bool, Failure> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            self.whole = true;
            return Ok(true);
        }
        if event.name == b"error" {
            return Err(Failure::in_answer(data));
        }
        // Anything else is a sign of life in some server's own words.
        if data.starts_with(b"{") || data.starts_with(b"[") {
            let mut scratch = Vec::new();
            let chunk = json::read(data, &mut scratch).map_err(|_| Failure::in_answer(data))?;
            self.chunk(chunk, data, true)?;
        }
        Ok(false)
    }

    fn whole(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut scratch = Vec::new();
        let answer: Chunk<'_> = json::read(body, &mut scratch).map_err(|_| Failure::in_answer(body))?;
        let empty = answer.choices.as_ref().is_none_or(Vec::is_empty);
        self.chunk(answer, body, false)?;
        self.whole = true;
        if empty { Err(Failure::in_answer(body)) } else { Ok(()) }
    }

    fn is_whole(&self) -> bool {
        self.whole
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let cut = self.answer.was_cut();
        let begun = self.assemble(cut);
        self.answer.conclude(begun)?;
        if self.refused && begun == 0 {
            self.answer.completion.stop_reason = Some(StopReason::Refusal);
        }
        Ok(())
    }

    fn break_off(&mut self) {
        self.assemble(true);
    }
}
