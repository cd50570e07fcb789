//! Where a conversation can be cut.

use super::{Reason, Why};
use crate::{
    agent::said::{is_prompt, said, stands_for_others},
    transcript::{Message, Role},
};

/// What the person asked for in the running turn and said to it since, by index. Between turns, what has no answer yet.
pub fn current_prompts(messages: &[Message], why: &Why) -> Vec<usize> {
    let ends = |message: &Message| message.role == Role::Assistant && message.tool_calls().next().is_none();
    let mut end = messages.len();
    // A paused answer is no end of the turn.
    if why.reason != Reason::ByHand {
        end -= messages.iter().rev().take_while(|message| ends(message)).count();
    }
    let start = messages[..end].iter().rposition(ends).map_or(0, |last| last + 1);
    (start..end).filter(|index| is_prompt(&messages[*index])).collect()
}

/// The index from which on the last `rounds` model calls stand, with what the model was told right before them. 0 if
/// there are no more than that.
pub fn recent(messages: &[Message], rounds: usize) -> usize {
    let mut calls = messages.iter().enumerate().rev().filter(|(_, message)| message.role == Role::Assistant);
    let mut start = match rounds {
        0 => messages.len(),
        _ => calls.nth(rounds - 1).map_or(0, |(index, _)| index),
    };
    let leads = |message: &Message| {
        message.role == Role::User && message.tool_results().next().is_none() && !stands_for_others(message)
    };
    while start > 0 && rounds > 0 && leads(&messages[start - 1]) {
        start -= 1;
    }
    start
}

/// What stays of the messages before `end`: what the person asked for in the running turn, without results.
pub fn kept_prompts(messages: &[Message], end: usize, why: &Why) -> Vec<Message> {
    let kept = current_prompts(messages, why).into_iter().filter(|index| *index < end);
    kept.map(|index| {
        let content = said(&messages[index]).into_iter().cloned().collect();
        Message { role: Role::User, content }
    })
    .collect()
}
