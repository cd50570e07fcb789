//! Long outputs, cut to their beginning.

use async_trait::async_trait;

use super::{Strategy, Why, rounds};
use crate::{
    agent::{Cursor, MutationError, nested},
    tool::GO_ON,
    transcript::{Content, Message, ResultContent, ToolResult},
};

/// Clips what tools said and what background tasks gave, and replaces the images that tools showed by a word. A note says
/// what is missing and how to see it.
#[derive(Clone, Copy, Debug)]
pub struct ClipOutputs {
    /// How long each text may be, in characters, the note included.
    pub characters: usize,
    /// The last model calls whose results stay as they are.
    pub keep_rounds: usize,
}

const IMAGE: &str = "[An image was left out here to save room. Call the tool again to see it.]";

#[async_trait]
impl Strategy for ClipOutputs {
    fn name(&self) -> &'static str {
        "clipOutputs"
    }

    async fn apply(&self, messages: &mut Vec<Message>, _: &Why, _: &mut Cursor<'_>) -> Result<(), MutationError> {
        let end = rounds::recent(messages, self.keep_rounds);
        for message in &mut messages[..end] {
            let is_news = nested::is_news(&message.text());
            for part in &mut message.content {
                match part {
                    Content::ToolResult(result) => self.clip_result(result),
                    Content::Text { text } if is_news => clip(text, self.characters, "read the task with `tasks`"),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl ClipOutputs {
    fn clip_result(self, result: &mut ToolResult) {
        for part in &mut result.content {
            match part {
                ResultContent::Text { text } => clip(text, self.characters, "call the tool again"),
                ResultContent::Image(_) => *part = ResultContent::Text { text: IMAGE.to_owned() },
            }
        }
    }
}

fn clip(text: &mut String, characters: usize, for_the_rest: &str) {
    let total = text.chars().count();
    if total <= characters {
        return;
    }
    let note = format!("\n[{total} characters, clipped here to save room. For the rest {for_the_rest}.]");
    // How to read on stands in the middle or at the end.
    let kept = way_on(text).map(|way| format!("\n{way}")).unwrap_or_default();
    let room = characters.saturating_sub(note.chars().count() + kept.chars().count());
    *text = format!("{}{kept}{note}", first_characters(text, room));
}

/// The last note of a text that says how to read what was left out of it.
fn way_on(text: &str) -> Option<&str> {
    let at = text.rfind(GO_ON)?;
    let start = text[..at].rfind("[...")?;
    let end = at + text[at..].find("...]")? + "...]".len();
    (end - start <= 500).then(|| &text[start..end])
}

/// At most so many characters of the beginning.
pub(super) fn first_characters(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}
