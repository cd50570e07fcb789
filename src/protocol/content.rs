use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ContentBlock {
    /// Plain text.
    Text { text: String },
    /// An image, base64-encoded.
    Image {
        /// For example `image/png`.
        media_type: String,
        /// Standard base64 with padding.
        data: String,
    },
    /// Lines of a file or buffer that the person pointed at, as they are on the screen.
    Selection {
        /// A path or a `file:` or `untitled:` URI.
        path: String,
        /// From 1.
        start_line: u32,
        /// From 1, inclusive.
        end_line: u32,
        text: String,
    },
}

/// Tokens, summed over what it stands for. A count that the provider did not give is absent, which is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// Prompt tokens that were neither read from nor written to a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Generated tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Prompt tokens read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Prompt tokens written to the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// The part of `outputTokens` that was reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

/// A change of one file, as text for people and in pieces to choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileDiff {
    /// Absolute path, or the URI of an untitled buffer.
    pub path: String,
    /// Unified diff with three lines of context and `a/`, `b/` headers.
    pub unified: String,
    /// In the order of the file. An approval may allow some of them by index, from 0.
    pub hunks: Vec<Hunk>,
}

/// One contiguous piece of a diff. Lines are counted from 1, as in a unified diff's header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hunk {
    pub old_start: usize,
    pub old_lines: usize,
    pub new_start: usize,
    pub new_lines: usize,
    /// The hunk's lines, each with its ` `, `-` or `+`.
    pub text: String,
}
