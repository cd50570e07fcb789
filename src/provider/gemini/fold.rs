//! Chunks of the Gemini API, folded into an answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    provider::{
        ErrorClass,
        answer::Answer,
        error::{Failure, is_said, shorten},
        http::Fold,
        json::{self, Count, Text, or_default},
        opaque, sse,
    },
    transcript::{Content, ToolCall, Usage},
};

/// An answer as it grows. Parts are in their order in the stream.
pub struct Chunks {
    answer: Answer,
    /// The provider's name, for what goes back to it alone.
    name: String,
    /// The last text came with a signature: what follows is a part of its own.
    sealed: bool,
    /// Calls that came in pieces, which we never ask for.
    pieces: usize,
    /// What the provider says of the end besides its word for it.
    end_message: String,
}

/// What a signature came with.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub enum On {
    /// The thought whose signature it is.
    Thought,
    /// The part that follows.
    Next,
    /// A part of its own, with nothing in it.
    Nothing,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    prompt_feedback: Feedback<'a>,
    usage_metadata: Option<RawUsage>,
    #[serde(borrow, default)]
    model_version: Text<'a>,
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(deserialize_with = "or_default")]
    index: u64,
    #[serde(borrow, deserialize_with = "or_default")]
    content: RawContent<'a>,
    #[serde(borrow)]
    finish_reason: Text<'a>,
    #[serde(borrow)]
    finish_message: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawContent<'a> {
    #[serde(borrow, deserialize_with = "or_default")]
    parts: Vec<Part<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(deserialize_with = "or_default")]
    thought: bool,
    #[serde(borrow)]
    thought_signature: Text<'a>,
    #[serde(borrow)]
    function_call: Option<Call<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Call<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    args: Option<Value>,
    #[serde(deserialize_with = "or_default")]
    will_continue: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback<'a> {
    #[serde(borrow)]
    block_reason: Text<'a>,
    #[serde(borrow)]
    block_reason_message: Text<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawUsage {
    prompt_token_count: Count,
    candidates_token_count: Count,
    cached_content_token_count: Count,
    thoughts_token_count: Count,
}

impl RawUsage {
    /// These counts in our terms: the prompt includes what came from a cache, the candidates leave out the thoughts.
    fn usage(&self, before: &Usage) -> Usage {
        let read = self.cached_content_token_count.0;
        let thoughts = self.thoughts_token_count.0;
        let prompt = self.prompt_token_count.0;
        let output = match (self.candidates_token_count.0, thoughts) {
            (None, None) => None,
            (said, thought) => Some(said.unwrap_or(0).saturating_add(thought.unwrap_or(0))),
        };
        // Each chunk counts what has been until then, and some leave out what others said.
        Usage {
            input_tokens: prompt
                .map(|prompt| prompt.checked_sub(read.unwrap_or(0)).unwrap_or(prompt))
                .or(before.input_tokens),
            output_tokens: output.or(before.output_tokens),
            cache_read_tokens: read.or(before.cache_read_tokens),
            reasoning_tokens: thoughts.or(before.reasoning_tokens),
            ..Usage::default()
        }
    }
}

impl Chunks {
    pub fn new(name: &str) -> Self {
        Self { answer: Answer::default(), name: name.to_owned(), sealed: false, pieces: 0, end_message: String::new() }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, data: &[u8]) -> Result<(), Failure> {
        if let Some(model) = chunk.model_version.some() {
            self.answer.completion.model = Some(model.to_owned());
        }
        if let Some(usage) = &chunk.usage_metadata {
            self.answer.completion.usage = usage.usage(&self.answer.completion.usage);
        }
        if let Some(error) = chunk.error.filter(is_said) {
            let reported = Failure::reported(None, &json!({ "error": error }));
            return Err(reported.unwrap_or_else(|| Failure::in_answer(data)));
        }
        if let Some(reason) = chunk.prompt_feedback.block_reason.some() {
            let message = chunk.prompt_feedback.block_reason_message.some();
            let message = message.map(|message| format!(" ({message})")).unwrap_or_default();
            let what = format!("the prompt was blocked: {reason}{message}");
            return Err(Failure::new(ErrorClass::ContentFilter, what));
        }
        if chunk.candidates.is_none()
            && let Some(failure) = serde_json::from_slice(data).ok().and_then(|value| Failure::reported(None, &value))
        {
            return Err(failure);
        }
        // We ask for one answer; a server that gives several is taken by its first.
        for candidate in chunk.candidates.into_iter().flatten().filter(|candidate| candidate.index == 0) {
            for part in candidate.content.parts {
                self.part(part);
            }
            if let Some(word) = candidate.finish_reason.some() {
                self.answer.completion.raw_stop_reason = Some(word.to_owned());
                self.end_message = candidate.finish_message.0.into_owned();
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Part<'_>) {
        let signature = part.thought_signature.some();
        match (part.function_call, part.text) {
            (Some(call), _) => self.call(call, signature),
            (None, Some(text)) if part.thought => self.thought(&text.0, signature),
            (None, Some(text)) => self.text(&text.0, signature),
            // What a tool of the provider's own did, and media that we have no use for.
            (None, None) => {}
        }
    }

    fn signature(&self, on: On, signature: &str) -> Option<String> {
        Some(opaque::keep(&self.name, &json!({"on": on, "signature": signature})))
    }

    /// Keeps a signature beside the part that it came with.
    fn note(&mut self, on: On, signature: &str) {
        let signature = self.signature(on, signature);
        self.answer.completion.content.push(Content::Thinking { text: String::new(), signature, redacted: None });
    }

    fn thought(&mut self, text: &str, signature: Option<&str>) {
        self.answer.thinking(text);
        let Some(signature) = signature else { return };
        let kept = self.signature(On::Thought, signature);
        match self.answer.completion.content.last_mut() {
            Some(Content::Thinking { signature: open @ None, .. }) => *open = kept,
            _ => self.note(On::Thought, signature),
        }
    }

    fn text(&mut self, text: &str, signature: Option<&str>) {
        let of_its_own = match signature {
            // The last part of all is often nothing but a signature.
            Some(signature) if text.trim().is_empty() => {
                self.answer.text(text);
                return self.note(On::Nothing, signature);
            }
            Some(signature) => {
                self.note(On::Next, signature);
                self.sealed = true;
                true
            }
            None => !text.is_empty() && std::mem::take(&mut self.sealed),
        };
        if of_its_own {
            self.answer.completion.content.push(Content::Text { text: String::new() });
        }
        self.answer.text(text);
    }

    fn call(&mut self, call: Call<'_>, signature: Option<&str>) {
        // What has no name goes on with the call before.
        let Some(name) = call.name.some() else { return };
        if call.will_continue {
            self.pieces += 1;
            return;
        }
        if let Some(signature) = signature {
            self.note(On::Next, signature);
        }
        let id = match call.id.some() {
            Some(id) => id.to_owned(),
            None => format!("call_{:016x}", fastrand::u64(..)),
        };
        let input = call.args.filter(|args| !args.is_null()).unwrap_or_else(|| Value::Object(Map::new()));
        self.answer.completion.content.push(Content::ToolCall(ToolCall { id, name: name.to_owned(), input }));
    }
}

impl Fold for Chunks {
    fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }

    fn event(&mut self, event: sse::Event<'_>) -> Result<bool, Failure> {
        let data = event.data.trim_ascii();
        if event.name == b"error" {
            return Err(Failure::in_answer(data));
        }
        if data.starts_with(b"{") || data.starts_with(b"[") {
            let mut scratch = Vec::new();
            let chunk = json::read(data, &mut scratch).map_err(|_| Failure::in_answer(data))?;
            self.chunk(chunk, data)?;
        }
        Ok(false)
    }

    /// An answer at once, or, where a server passes over `alt=sse`, a list of all chunks.
    fn whole(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut scratch = Vec::new();
        let chunks: Vec<Chunk<'_>> = if body.trim_ascii_start().starts_with(b"[") {
            json::read(body, &mut scratch)
        } else {
            json::read(body, &mut scratch).map(|chunk| vec![chunk])
        }
        .map_err(|_| Failure::in_answer(body))?;
        let is_list = chunks.len() > 1;
        let mut answered = false;
        for chunk in chunks {
            answered |= chunk.candidates.is_some();
            self.chunk(chunk, body)?;
        }
        if !answered || (is_list && !self.is_whole()) {
            return Err(Failure::in_answer(body));
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.answer.completion.raw_stop_reason.is_some()
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let calls = self.answer.completion.content.iter().filter(|part| matches!(part, Content::ToolCall(_))).count();
        let ended_for_no_reason = self.answer.completion.raw_stop_reason.as_deref() == Some("OTHER");
        if ended_for_no_reason && self.answer.completion.content.is_empty() {
            let what = format!("it ended the answer with `OTHER` before it said anything {}", self.end_message);
            return Err(Failure::new(ErrorClass::Overloaded, what.trim_end()));
        }
        self.answer.conclude(calls + self.pieces).map_err(|failure| match &*self.end_message {
            "" => failure,
            said => Failure { what: format!("{}: {}", failure.what, shorten(said)), ..failure },
        })
    }

    fn break_off(&mut self) {}
}
