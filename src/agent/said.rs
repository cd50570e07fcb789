//! Whose words stand in a message of the user's: the person's, those of tools, or the loop's own.

use super::nested;
use crate::{
    context,
    transcript::{Content, Message, Role},
};

/// Begin each message that stands for others.
pub const SUMMARY: &str = "[Summary of the conversation so far.";
pub const LEFT_OUT: &str = "[Left out here:";

/// Begins what the model reads of a hook that keeps the turn from ending.
pub const NOT_OVER: &str = "[The turn is not over:";

/// Begins what hooks have the model know with what the person said.
pub const HOOKS_SAY: &str = "[What hooks say, not the person:]";

/// What a message says beside results of tools.
pub fn said(message: &Message) -> Vec<&Content> {
    message.content.iter().filter(|part| !matches!(part, Content::ToolResult(_))).collect()
}

/// Whether the person said it, or some of it.
pub fn is_prompt(message: &Message) -> bool {
    message.role == Role::User && !said(message).is_empty() && !is_own(message)
}

/// Whether it stands for messages that a compaction left out.
pub fn stands_for_others(message: &Message) -> bool {
    let text = message.text();
    text.starts_with(SUMMARY) || text.starts_with(LEFT_OUT)
}

fn is_own(message: &Message) -> bool {
    let begins = [SUMMARY, LEFT_OUT, NOT_OVER, HOOKS_SAY, context::NOTE];
    let text = message.text();
    begins.iter().any(|begin| text.starts_with(begin)) || nested::is_news(&text)
}
