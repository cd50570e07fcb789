//! The beginning and the end, without the middle.

use async_trait::async_trait;

use super::{Strategy, Why, rounds};
use crate::{
    agent::{Cursor, MutationError, said},
    transcript::Message,
};

/// Drops all but the first prompt (or the summary in its place), what the person asked for in the running turn, and the
/// last model calls with what belongs to them. A note stands where something is missing.
#[derive(Clone, Copy, Debug)]
pub struct KeepRecent {
    pub rounds: usize,
}

#[async_trait]
impl Strategy for KeepRecent {
    fn name(&self) -> &'static str {
        "keepRecent"
    }

    async fn apply(&self, messages: &mut Vec<Message>, why: &Why, _: &mut Cursor<'_>) -> Result<(), MutationError> {
        let end = rounds::recent(messages, self.rounds);
        let prompts = rounds::kept_prompts(messages, end, why);
        let first = messages.first().filter(|first| !prompts.contains(first)).cloned();
        let dropped = end.saturating_sub(prompts.len() + usize::from(first.is_some()));
        if dropped == 0 {
            return Ok(());
        }
        let note = format!("{} earlier messages of this conversation, to save room.]", said::LEFT_OUT);
        let recent = messages.split_off(end);
        *messages = first.into_iter().chain([Message::user(note)]).chain(prompts).chain(recent).collect();
        Ok(())
    }
}
