//! What was said: messages, their content, and the counts and reasons that come with them.
//!
//! These types know no provider. Each provider turns them into its own wire format and back, and what a provider needs
//! to see again (a thinking block's signature) is kept here untouched.

use serde::{Deserialize, Serialize};
use serde_json::Value;

mod cost;
mod lost;
mod whole;

pub use cost::Cost;
pub use lost::lost_calls;
pub use whole::{fault, is_whole, repair};

/// Who a message is from. Tool results travel in user messages, as Anthropic's API has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    User,
    Assistant,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    pub role: Role,
    pub content: Vec<Content>,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Content {
    Text {
        text: String,
    },
    /// The model's reasoning. `signature` is the provider's opaque proof of it, with whose it is, and goes back to that
    /// provider alone; a block that the provider sent encrypted has empty `text` and its payload in `redacted`.
    Thinking {
        text: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        redacted: Option<String>,
    },
    Image(Image),
    ToolCall(ToolCall),
    ToolResult(ToolResult),
}

/// An image, base64-encoded as providers take it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// For example `image/png`.
    pub media_type: String,
    /// Standard base64 with padding.
    pub data: String,
}

/// A call the model asked for. `input` is whole JSON, never a fragment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    pub input: Value,
}

/// The one answer to a [`ToolCall`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    pub call_id: String,
    pub content: Vec<ResultContent>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
}

/// A part of a tool's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ResultContent {
    Text { text: String },
    Image(Image),
}

/// What one model call took, or the sum over several (`+=`). `None` means that nobody said, which is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Generated tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// The part of `cache_write_tokens` that is kept for an hour, where the provider tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_long_tokens: Option<u64>,
    /// The part of `output_tokens` that was reasoning, where the provider tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// In money; filled in by the loop, which knows the model. `None` if no call was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// Why a model call or a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StopReason {
    /// The model had said what it wanted to say.
    EndTurn,
    /// The model waits for tool results. Never the reason of a whole turn.
    ToolCalls,
    /// The answer was cut at the token limit; a tool call cut in two was not run.
    MaxTokens,
    StopSequence,
    /// The model, or a filter of the provider, declined.
    Refusal,
    /// The provider paused a long call and expects to be called again.
    Pause,
    /// The turn used up its rounds.
    TurnLimit,
    /// The person stopped it.
    Cancelled,
    /// It failed; the error says how.
    Error,
}

impl Message {
    /// A user message of one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self { role: Role::User, content: vec![Content::Text { text: text.into() }] }
    }

    /// An assistant message of one text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self { role: Role::Assistant, content: vec![Content::Text { text: text.into() }] }
    }

    /// All text parts, joined.
    pub fn text(&self) -> String {
        self.content
            .iter()
            .filter_map(|part| if let Content::Text { text } = part { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The tool calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.content.iter().filter_map(|part| if let Content::ToolCall(call) = part { Some(call) } else { None })
    }

    /// The tool results, in order.
    pub fn tool_results(&self) -> impl Iterator<Item = &ToolResult> {
        self.content.iter().filter_map(|part| if let Content::ToolResult(result) = part { Some(result) } else { None })
    }
}

impl Usage {
    /// The tokens of the whole prompt, from a cache or not; `None` if the provider did not say.
    pub fn prompt_tokens(&self) -> Option<u64> {
        let cached = [self.cache_read_tokens, self.cache_write_tokens].into_iter().flatten();
        let fresh = self.input_tokens?;
        Some(cached.fold(fresh, u64::saturating_add))
    }
}

impl ToolResult {
    /// A result of one text.
    pub fn text(call_id: impl Into<String>, text: impl Into<String>, is_error: bool) -> Self {
        Self { call_id: call_id.into(), content: vec![ResultContent::Text { text: text.into() }], is_error }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        })
    }
}

impl std::ops::Add for Usage {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        let add = |left: &mut Option<u64>, right: Option<u64>| {
            if let Some(right) = right {
                *left = Some(left.unwrap_or(0).saturating_add(right));
            }
        };
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(&mut self.cache_read_tokens, other.cache_read_tokens);
        add(&mut self.cache_write_tokens, other.cache_write_tokens);
        add(&mut self.cache_write_long_tokens, other.cache_write_long_tokens);
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
        self.cost = match (self.cost, other.cost) {
            (Some(left), Some(right)) => Some(left + right),
            (left, right) => left.or(right),
        };
    }
}
