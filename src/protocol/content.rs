use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of a prompt. What it points to is looked up when the turn begins, in the open buffers first; the event
/// `turnStarted` shows it as it was sent.
///
/// A `path` is absolute, relative to the first root, or a `file:` or `untitled:` URI. A file outside the roots is shown
/// to the model this once, since the person has named it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ContentBlock {
    /// Plain text. If the first text of a prompt begins with a slash and a name, it is a command: `/name arguments`. A
    /// backslash before the slash makes it plain.
    Text { text: String },
    /// A comment of a file that begins with `pillion:` and is the prompt, or a part of it. It is taken out of the file by the
    /// turn's first edit there, as one undo step, or at the end of the turn by an edit of its own if there was none. If
    /// the person wrote over it meanwhile, or refused that edit, it stays.
    Comment {
        path: String,
        /// Where it begins, from 1.
        line: u32,
        /// What it says after `pillion:`, line by line, without what makes it a comment.
        text: String,
    },
    /// A prompt command, by the name that `command/list` gives it.
    Command {
        name: String,
        #[serde(default)]
        arguments: String,
    },
    /// A whole file, or what is in a folder. A file with an image is shown as one.
    File { path: String },
    /// Lines of a file.
    Range {
        path: String,
        /// From 1.
        start_line: u32,
        /// From 1, inclusive.
        end_line: u32,
    },
    /// Lines of a file that have a name: a function, a type.
    Symbol {
        path: String,
        name: String,
        /// From 1.
        start_line: u32,
        /// From 1, inclusive.
        end_line: u32,
    },
    /// What is in a folder, two levels deep.
    Folder { path: String },
    /// What compilers and linters say.
    Diagnostics { problems: Vec<Problem> },
    /// An address on the web. The model is told of it; fetching it is a tool's, which asks.
    Url { url: String },
    /// A text that is in no file or buffer.
    Resource {
        /// How to name it to the model.
        uri: String,
        text: String,
    },
    /// An image, base64-encoded: PNG, JPEG, GIF or WebP, as its first bytes say, of at most 3,750,000 bytes.
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

impl ContentBlock {
    /// What the person wrote, without what they point to.
    pub fn words(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text { text } | Self::Comment { text, .. } => Some(Cow::Borrowed(text)),
            Self::Command { name, arguments } => Some(Cow::Owned(format!("/{name} {arguments}"))),
            _ => None,
        }
    }
}

/// What a compiler or a linter says about a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    pub path: String,
    /// From 1.
    pub line: u32,
    pub severity: ProblemSeverity,
    pub message: String,
    /// Who says so, for example `rustc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What it is called there, for example `E0308`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProblemSeverity {
    Error,
    Warning,
    Information,
    Hint,
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
    /// What it cost; absent if that is not known, or nothing was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// Money, in whole nano-dollars (a thousand-millionth of a US dollar), so that sums are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cost {
    pub nano_dollars: u64,
    /// True if this is only the known part of it: some of what was called has no known price.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub at_least: bool,
}

/// How full the model's context is after a model call: the whole conversation as it would go into the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContextUse {
    /// As the provider counted them, or estimated where it did not.
    pub tokens: u64,
    /// The most tokens that a prompt may have; absent if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// `tokens / window`, from 0; above 1 what comes next does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
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
