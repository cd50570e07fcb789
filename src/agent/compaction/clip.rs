//! Long outputs, cut to their beginning.

use async_trait::async_trait;

use super::{Strategy, Why, rounds};
use crate::{
    agent::{Cursor, MutationError},
    transcript::{Content, Message, ResultContent},
};

/// Clips what tools said, and replaces the images they showed by a word. A note says what is missing and how to see it.
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
        for part in messages[..end].iter_mut().flat_map(|message| &mut message.content) {
            let Content::ToolResult(result) = part else { continue };
            for part in &mut result.content {
                match part {
                    ResultContent::Text { text } => clip(text, self.characters),
                    ResultContent::Image(_) => *part = ResultContent::Text { text: IMAGE.to_owned() },
                }
            }
        }
        Ok(())
    }
}

fn clip(text: &mut String, characters: usize) {
    let total = text.chars().count();
    if total <= characters {
        return;
    }
    let note = format!(
        "\n[{total} characters, clipped here to save room. For the rest call the tool again, or read the `output:` path \
         if one is named.]"
    );
    // Where a path to the rest is named, it stands at the end or in the middle: the beginning and the name are kept.
    let named = output_path(text).map(|path| format!("\n[{path}]")).unwrap_or_default();
    let room = characters.saturating_sub(note.chars().count() + named.chars().count());
    *text = format!("{}{named}{note}", first_characters(text, room));
}

/// `output:<call id>`, where a text names one.
fn output_path(text: &str) -> Option<&str> {
    let start = text.rfind("output:")?;
    let path =
        text[start..].split(|c: char| c.is_whitespace() || matches!(c, '`' | ']' | ')' | ',' | ';' | '"')).next()?;
    (path.len() > "output:".len() && path.len() <= 200).then_some(path)
}

/// At most so many characters of the beginning.
pub(super) fn first_characters(text: &str, characters: usize) -> &str {
    text.char_indices().nth(characters).map_or(text, |(end, _)| &text[..end])
}
