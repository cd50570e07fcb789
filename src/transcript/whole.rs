//! No call without its result.

use std::collections::{HashMap, HashSet};

use super::{Content, Message, Role, ToolResult};

const INTERRUPTED: &str =
    "interrupted: the process ended before this call returned. Whether it had an effect is not known.";

/// Whether every provider takes this transcript: each assistant message with calls is followed by a user message that
/// begins with the results of exactly those calls, in their order; there are no other results, no calls of a user, no
/// two calls of one id in a message, and no empty message.
pub fn is_whole(messages: &[Message]) -> bool {
    fault(messages).is_none()
}

/// The first thing that makes a transcript not [whole](is_whole), as the end of a sentence.
pub fn fault(messages: &[Message]) -> Option<String> {
    let mut asked: Vec<&str> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let calls: Vec<&str> = message.tool_calls().map(|call| call.id.as_str()).collect();
        let results: Vec<&str> = message.tool_results().map(|result| result.call_id.as_str()).collect();
        let leading = message.content.iter().take_while(|part| matches!(part, Content::ToolResult(_))).count();
        let what = match message.role {
            _ if message.content.is_empty() => "is empty".to_owned(),
            Role::User if !calls.is_empty() => "is the user's and has calls".to_owned(),
            Role::User if results != asked => {
                format!("has results of the calls {} where {} are due", list(&results), list(&asked))
            }
            Role::User if leading != results.len() => "does not begin with its results".to_owned(),
            Role::User => String::new(),
            Role::Assistant if !asked.is_empty() => format!("follows the calls {} without results", list(&asked)),
            Role::Assistant if !results.is_empty() => "is the assistant's and has results".to_owned(),
            Role::Assistant if !are_distinct(&calls) => format!("has two calls of one id: {}", list(&calls)),
            Role::Assistant => String::new(),
        };
        if !what.is_empty() {
            return Some(format!("message {} {what}", index + 1));
        }
        asked = calls;
    }
    (!asked.is_empty()).then(|| format!("the calls {} at its end have no results", list(&asked)))
}

fn list(ids: &[&str]) -> String {
    if ids.is_empty() { "(none)".to_owned() } else { ids.join(", ") }
}

fn are_distinct(ids: &[&str]) -> bool {
    let mut seen = HashSet::new();
    ids.iter().all(|id| seen.insert(id))
}

/// Makes a transcript [whole](is_whole), and says whether there was anything to do.
///
/// A call without a result gets an error result that says so. Results that do not follow their call are dropped, and so
/// is what else has no place. Thus a log that ends anywhere can be taken up again. A host that had logged some results
/// of the last calls puts them into a user message at the end first, in any order; only the others are filled in.
pub fn repair(messages: &mut Vec<Message>) -> bool {
    if is_whole(messages) {
        return false;
    }
    let mut repaired = Vec::with_capacity(messages.len() + 1);
    let mut rest = std::mem::take(messages).into_iter().peekable();
    while let Some(message) = rest.next() {
        let (message, _) = without_results(message);
        let calls: Vec<String> = message.tool_calls().map(|call| call.id.clone()).collect();
        push(&mut repaired, message);
        if calls.is_empty() {
            continue;
        }
        let mut given: HashMap<String, ToolResult> = HashMap::new();
        let mut said = Vec::new();
        while let Some(message) = rest.next_if(|message| message.role == Role::User) {
            let (message, results) = without_results(message);
            for result in results {
                given.entry(result.call_id.clone()).or_insert(result);
            }
            said.push(message);
        }
        let results = calls.into_iter().map(|id| {
            let result = given.remove(&id);
            Content::ToolResult(result.unwrap_or_else(|| ToolResult::text(id, INTERRUPTED, true)))
        });
        push(&mut repaired, Message { role: Role::User, content: results.collect() });
        said.into_iter().for_each(|message| push(&mut repaired, message));
    }
    *messages = repaired;
    true
}

fn push(messages: &mut Vec<Message>, message: Message) {
    if !message.content.is_empty() {
        messages.push(message);
    }
}

/// The message with none but its first calls of each id, and none at all if it is a user's; and the results it held.
fn without_results(mut message: Message) -> (Message, Vec<ToolResult>) {
    let mut ids = HashSet::new();
    let mut results = Vec::new();
    message.content.retain_mut(|part| match part {
        Content::ToolCall(call) => message.role == Role::Assistant && ids.insert(call.id.clone()),
        Content::ToolResult(result) => {
            results.push(result.clone());
            false
        }
        _ => true,
    });
    (message, results)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::transcript::ToolCall;

    fn call(id: &str) -> Content {
        Content::ToolCall(ToolCall { id: id.into(), name: "read".into(), input: json!({}) })
    }

    fn result(id: &str) -> Content {
        Content::ToolResult(ToolResult::text(id, "done", false))
    }

    fn interrupted(id: &str) -> Content {
        Content::ToolResult(ToolResult::text(id, INTERRUPTED, true))
    }

    fn message(role: Role, content: &[Content]) -> Message {
        Message { role, content: content.to_vec() }
    }

    fn check(mut messages: Vec<Message>, expect: Vec<Message>) {
        let changes = messages != expect;
        assert_eq!(repair(&mut messages), changes);
        assert_eq!(messages, expect);
        assert!(!repair(&mut messages), "a second repair has nothing to do");
    }

    #[test]
    fn a_whole_transcript_is_left_alone() {
        let messages = vec![
            Message::user("hi"),
            message(Role::Assistant, &[call("a"), call("b")]),
            message(Role::User, &[result("a"), result("b"), Content::Text { text: "go on".into() }]),
            Message::user("and quickly"),
            Message::assistant("done"),
        ];
        check(messages.clone(), messages);
    }

    #[test]
    fn a_log_that_ends_at_calls_gets_results() {
        let asked = message(Role::Assistant, &[call("a"), call("b")]);
        check(
            vec![Message::user("hi"), asked.clone()],
            vec![Message::user("hi"), asked.clone(), message(Role::User, &[interrupted("a"), interrupted("b")])],
        );
        // What was logged of the results is kept.
        check(
            vec![asked.clone(), message(Role::User, &[result("b")])],
            vec![asked.clone(), message(Role::User, &[interrupted("a"), result("b")])],
        );
        check(
            vec![asked.clone(), Message::user("still there?")],
            vec![asked, message(Role::User, &[interrupted("a"), interrupted("b")]), Message::user("still there?")],
        );
    }

    #[test]
    fn orphans_and_doubles_are_dropped() {
        check(
            vec![
                message(Role::User, &[result("x")]),
                message(Role::Assistant, &[call("a"), call("a"), result("a")]),
                message(Role::User, &[result("a"), result("a"), result("y"), call("z")]),
                Message::assistant("done"),
                message(Role::User, &[result("a")]),
            ],
            vec![
                message(Role::Assistant, &[call("a")]),
                message(Role::User, &[result("a")]),
                Message::assistant("done"),
            ],
        );
    }

    proptest! {
        #[test]
        fn anything_becomes_whole(script in prop::collection::vec((any::<bool>(), prop::collection::vec((0..3u8, "[abc]"), 0..5)), 0..8)) {
            let mut messages: Vec<Message> = script
                .iter()
                .map(|(is_user, parts)| Message {
                    role: if *is_user { Role::User } else { Role::Assistant },
                    content: parts
                        .iter()
                        .map(|(kind, id)| match kind {
                            0 => call(id),
                            1 => result(id),
                            _ => Content::Text { text: id.clone() },
                        })
                        .collect(),
                })
                .collect();
            let was_whole = is_whole(&messages);
            prop_assert_eq!(repair(&mut messages), !was_whole);
            prop_assert!(is_whole(&messages), "{messages:?}");
        }
    }
}
