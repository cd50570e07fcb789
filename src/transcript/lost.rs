//! What one transcript shows and another does not.

use std::collections::{HashMap, HashSet};

use super::{Message, ToolCall, ToolResult};

/// The ids of the calls of `before` that do not stand in `after` as they were, with their results as they were.
pub fn lost_calls(before: &[Message], after: &[Message]) -> HashSet<String> {
    let mut left = pairs(after);
    let pairs = pairs(before).into_iter();
    pairs.filter(|(id, pair)| left.remove(id).as_ref() != Some(pair)).map(|(id, _)| id.to_owned()).collect()
}

fn pairs(messages: &[Message]) -> HashMap<&str, (&ToolCall, Option<&ToolResult>)> {
    let results: HashMap<&str, &ToolResult> =
        messages.iter().flat_map(Message::tool_results).map(|result| (result.call_id.as_str(), result)).collect();
    let calls = messages.iter().flat_map(Message::tool_calls);
    calls.map(|call| (call.id.as_str(), (call, results.get(call.id.as_str()).copied()))).collect()
}
