//! Anthropic's events, folded into an answer.

use serde::Deserialize;
use serde_json::Value;

use crate::{
    provider::{
        answer::{self, Answer},
        error::Failure,
        http::Fold,
        json::{self, Count, Text, or_default},
        opaque, sse,
    },
    transcript::{Content, ToolCall, Usage},
};

/// An answer of the Messages API as it grows. Content is kept by block until the end, so that it is in the order of the
/// blocks whatever the order of their deltas.
pub struct Messages {
    answer: Answer,
    /// The provider's name, for what goes back to it alone.
    name: String,
    blocks: Vec<Block>,
    stopped: bool,
}

struct Block {
    index: u64,
    closed: bool,
    part: Part,
}

enum Part {
    Text(String),
    Thinking {
        text: String,
        signature: String,
    },
    Redacted(String),
    Call {
        id: String,
        name: String,
        given: Option<Value>,
        arguments: String,
    },
    /// What a tool of the provider's own did. Nothing of it is ours to run or to send back.
    Other,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(default)]
    index: u64,
    #[serde(borrow, default, deserialize_with = "or_default")]
    delta: Delta<'a>,
    #[serde(borrow)]
    content_block: Option<RawBlock<'a>>,
    #[serde(borrow)]
    message: Option<RawMessage<'a>>,
    #[serde(default, deserialize_with = "or_default")]
    usage: RawUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta<'a> {
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    partial_json: Text<'a>,
    #[serde(borrow)]
    stop_reason: Text<'a>,
}

#[derive(Deserialize)]
struct RawMessage<'a> {
    #[serde(borrow, default)]
    model: Text<'a>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    content: Vec<RawBlock<'a>>,
    #[serde(borrow, default)]
    stop_reason: Text<'a>,
    #[serde(default, deserialize_with = "or_default")]
    usage: RawUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawBlock<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    thinking: Text<'a>,
    #[serde(borrow)]
    signature: Text<'a>,
    #[serde(borrow)]
    data: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    input: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawUsage {
    input_tokens: Count,
    output_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    #[serde(deserialize_with = "or_default")]
    cache_creation: CacheCreation,
    #[serde(deserialize_with = "or_default")]
    output_tokens_details: OutputDetails,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

impl Messages {
    /// An answer of the provider of this name.
    pub fn new(name: &str) -> Self {
        Self { answer: Answer::default(), name: name.to_owned(), blocks: Vec::new(), stopped: false }
    }

    /// Later counts are totals and replace earlier ones.
    fn usage(&mut self, raw: &RawUsage) {
        let usage = &mut self.answer.completion.usage;
        let known = |count: Count, before: Option<u64>| count.or(Count(before)).0;
        *usage = Usage {
            input_tokens: known(raw.input_tokens, usage.input_tokens),
            output_tokens: known(raw.output_tokens, usage.output_tokens),
            cache_read_tokens: known(raw.cache_read_input_tokens, usage.cache_read_tokens),
            cache_write_tokens: known(raw.cache_creation_input_tokens, usage.cache_write_tokens),
            cache_write_long_tokens: known(raw.cache_creation.ephemeral_1h_input_tokens, usage.cache_write_long_tokens),
            reasoning_tokens: known(raw.output_tokens_details.thinking_tokens, usage.reasoning_tokens),
            cost: None,
        };
    }

    fn stop(&mut self, word: &Text<'_>) {
        if let Some(word) = word.some() {
            self.answer.completion.raw_stop_reason = Some(word.to_owned());
        }
    }

    fn open(&mut self, index: u64, raw: RawBlock<'_>) {
        let part = match &*raw.kind.0 {
            "text" => Part::Text(String::new()),
            "thinking" => Part::Thinking { text: String::new(), signature: raw.signature.0.into_owned() },
            "redacted_thinking" => Part::Redacted(raw.data.0.into_owned()),
            "tool_use" => Part::Call {
                id: raw.id.0.into_owned(),
                name: raw.name.0.into_owned(),
                given: raw.input,
                arguments: String::new(),
            },
            _ => Part::Other,
        };
        self.blocks.push(Block { index, closed: false, part });
        self.grow(index, &Delta { text: raw.text, thinking: raw.thinking, ..Delta::default() });
    }

    fn grow(&mut self, index: u64, delta: &Delta<'_>) {
        // The last one: nothing but a mistake of a proxy uses an index again.
        let Some(place) = self.blocks.iter().rposition(|block| block.index == index) else { return };
        let calls_before = self.blocks[..place].iter().filter(|block| matches!(block.part, Part::Call { .. })).count();
        match &mut self.blocks[place].part {
            Part::Text(text) => {
                text.push_str(&delta.text.0);
                self.answer.text(&delta.text.0);
            }
            Part::Thinking { text, signature } => {
                text.push_str(&delta.thinking.0);
                signature.push_str(&delta.signature.0);
                self.answer.thinking(&delta.thinking.0);
            }
            Part::Call { name, arguments, .. } => {
                arguments.push_str(&delta.partial_json.0);
                self.answer.tool_input(calls_before, name, &delta.partial_json.0);
            }
            Part::Redacted(_) | Part::Other => {}
        }
    }

    fn message(&mut self, message: RawMessage<'_>, whole: bool) {
        if let Some(model) = message.model.some() {
            self.answer.completion.model = Some(model.to_owned());
        }
        self.usage(&message.usage);
        self.stop(&message.stop_reason);
        for (index, block) in message.content.into_iter().enumerate() {
            self.open(index as u64, block);
        }
        for block in &mut self.blocks {
            block.closed |= whole;
        }
    }

    /// Puts the answer together from its blocks, and counts the calls among them, those that were cut in two included.
    /// `cut` says that the answer did not come to its own end.
    fn assemble(&mut self, cut: bool) -> usize {
        let mut content = Vec::new();
        let mut calls = 0;
        let keep = |proof: String| opaque::keep(&self.name, &proof.into());
        for block in std::mem::take(&mut self.blocks) {
            let part = match block.part {
                Part::Text(text) => (!text.is_empty()).then_some(Content::Text { text }),
                Part::Thinking { text, signature } => {
                    let signature = (!signature.is_empty()).then(|| keep(signature));
                    let said = !text.is_empty() || signature.is_some();
                    said.then_some(Content::Thinking { text, signature, redacted: None })
                }
                Part::Redacted(data) => {
                    Some(Content::Thinking { text: String::new(), signature: None, redacted: Some(keep(data)) })
                }
                Part::Call { id, name, given, arguments } => {
                    calls += 1;
                    let given = given.filter(|given| given.as_object().is_some_and(|fields| !fields.is_empty()));
                    let input = match given {
                        Some(given) if arguments.is_empty() => Some(given),
                        _ => answer::input(&arguments, cut || !block.closed),
                    };
                    input.map(|input| Content::ToolCall(ToolCall { id, name, input }))
                }
                Part::Other => None,
            };
            content.extend(part);
        }
        self.answer.completion.content = content;
        calls
    }
}

impl Fold for Messages {
    fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }

    fn event(&mut self, event: sse::Event<'_>) -> Result<bool, Failure> {
        if event.name == b"error" {
            return Err(Failure::in_answer(event.data));
        }
        if !event.data.trim_ascii_start().starts_with(b"{") {
            return Ok(false);
        }
        let mut scratch = Vec::new();
        let parsed: Event<'_> = json::read(event.data, &mut scratch).map_err(|_| Failure::in_answer(event.data))?;
        let kind = parsed.kind.some().unwrap_or(str::from_utf8(event.name).unwrap_or_default());
        match kind {
            "content_block_delta" => self.grow(parsed.index, &parsed.delta),
            "content_block_start" => {
                if let Some(block) = parsed.content_block {
                    self.open(parsed.index, block);
                }
            }
            "content_block_stop" => {
                for block in self.blocks.iter_mut().filter(|block| block.index == parsed.index) {
                    block.closed = true;
                }
            }
            "message_start" => {
                if let Some(message) = parsed.message {
                    self.message(message, false);
                }
            }
            "message_delta" => {
                self.usage(&parsed.usage);
                self.stop(&parsed.delta.stop_reason);
            }
            "message_stop" => self.stopped = true,
            "ping" => {}
            "error" => return Err(Failure::in_answer(event.data)),
            // The API's versioning policy says that new kinds may come at any time.
            _ => {
                if let Ok(value) = serde_json::from_slice(event.data)
                    && let Some(failure) = Failure::reported(None, &value)
                {
                    return Err(failure);
                }
            }
        }
        Ok(self.stopped)
    }

    fn whole(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut scratch = Vec::new();
        let message: RawMessage<'_> = json::read(body, &mut scratch).map_err(|_| Failure::in_answer(body))?;
        if message.content.is_empty() && message.stop_reason.some().is_none() {
            return Err(Failure::in_answer(body));
        }
        self.message(message, true);
        self.stopped = true;
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.stopped
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let cut = self.answer.was_cut();
        let calls = self.assemble(cut);
        self.answer.conclude(calls)
    }

    fn break_off(&mut self) {
        if !self.blocks.is_empty() {
            self.assemble(true);
        }
    }
}
