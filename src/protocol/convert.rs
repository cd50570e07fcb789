//! Between the core's types and the wire's, by hand, so that neither binds the other.

use super::*;
use crate::{agent, config, permission, tool, transcript, workspace};

impl From<transcript::Usage> for Usage {
    fn from(usage: transcript::Usage) -> Self {
        let transcript::Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens } =
            usage;
        Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens }
    }
}

impl From<Usage> for transcript::Usage {
    fn from(usage: Usage) -> Self {
        let Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens } = usage;
        Self { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens }
    }
}

impl From<workspace::FileDiff> for FileDiff {
    fn from(diff: workspace::FileDiff) -> Self {
        let hunk = |hunk: workspace::Hunk| {
            let workspace::Hunk { old_start, old_lines, new_start, new_lines, text } = hunk;
            Hunk { old_start, old_lines, new_start, new_lines, text }
        };
        Self {
            path: diff.path.to_string_lossy().into_owned(),
            unified: diff.unified,
            hunks: diff.hunks.into_iter().map(hunk).collect(),
        }
    }
}

impl From<tool::Class> for ToolClass {
    fn from(class: tool::Class) -> Self {
        match class {
            tool::Class::Read => Self::Read,
            tool::Class::Edit => Self::Edit,
            tool::Class::Execute => Self::Execute,
            tool::Class::Network => Self::Network,
        }
    }
}

impl From<permission::Mode> for Mode {
    fn from(mode: permission::Mode) -> Self {
        match mode {
            permission::Mode::Ask => Self::Ask,
            permission::Mode::AcceptEdits => Self::AcceptEdits,
            permission::Mode::Plan => Self::Plan,
            permission::Mode::Auto => Self::Auto,
        }
    }
}

impl From<Mode> for permission::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Ask => Self::Ask,
            Mode::AcceptEdits => Self::AcceptEdits,
            Mode::Plan => Self::Plan,
            Mode::Auto => Self::Auto,
        }
    }
}

impl From<agent::CallStatus> for ToolStatus {
    fn from(status: agent::CallStatus) -> Self {
        match status {
            agent::CallStatus::Ok => Self::Ok,
            agent::CallStatus::Failed => Self::Failed,
            agent::CallStatus::Denied => Self::Denied,
            agent::CallStatus::Cancelled => Self::Cancelled,
        }
    }
}

impl From<transcript::StopReason> for TurnStopReason {
    fn from(reason: transcript::StopReason) -> Self {
        match reason {
            // A turn never ends on these two: the loop goes on after them.
            transcript::StopReason::EndTurn | transcript::StopReason::ToolCalls | transcript::StopReason::Pause => {
                Self::EndTurn
            }
            transcript::StopReason::MaxTokens => Self::MaxTokens,
            transcript::StopReason::StopSequence => Self::StopSequence,
            transcript::StopReason::Refusal => Self::Refusal,
            transcript::StopReason::TurnLimit => Self::TurnLimit,
            transcript::StopReason::Cancelled => Self::Cancelled,
            transcript::StopReason::Error => Self::Error,
        }
    }
}

impl From<config::Model> for ModelInfo {
    fn from(model: config::Model) -> Self {
        let config::Model { id, provider, ready, hint } = model;
        Self { id, provider, ready, hint }
    }
}

/// A prompt as the model gets it.
pub fn prompt_message(prompt: &[ContentBlock]) -> transcript::Message {
    let content = prompt
        .iter()
        .map(|block| match block {
            ContentBlock::Text { text } => transcript::Content::Text { text: text.clone() },
            ContentBlock::Image { media_type, data } => {
                transcript::Content::Image(transcript::Image { media_type: media_type.clone(), data: data.clone() })
            }
            ContentBlock::Selection { path, start_line, end_line, text } => transcript::Content::Text {
                text: format!("<selection path=\"{path}\" lines=\"{start_line}-{end_line}\">\n{text}\n</selection>"),
            },
        })
        .collect();
    transcript::Message { role: transcript::Role::User, content }
}

/// What a tool's result says in words; images are left out.
pub fn plain_text(content: &[transcript::ResultContent]) -> String {
    let texts = content.iter().filter_map(|part| match part {
        transcript::ResultContent::Text { text } => Some(text.as_str()),
        transcript::ResultContent::Image(_) => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
