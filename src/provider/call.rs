//! A call of the transcript as each provider takes it back. The model may have made its name up, or broken its
//! arguments: sent back as they came, they would have this request and each later one refused.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::transcript::ToolCall;

/// The longest name that all providers take, in characters.
const LONGEST_NAME: usize = 64;

/// `text` in the letters that ids and names may have everywhere: ASCII letters and digits, `_` and `-`.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

/// The name of the tool that was called. One that a tool can have stays as it is.
pub fn name(call: &ToolCall) -> String {
    if call.name.is_empty() { "unknown".to_owned() } else { plain(&call.name).chars().take(LONGEST_NAME).collect() }
}

/// The input, an object in any case.
pub fn input(call: &ToolCall) -> Cow<'_, Value> {
    if call.input.is_object() { Cow::Borrowed(&call.input) } else { Cow::Owned(json!({"input": call.input})) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_such_as_a_tool_can_have() {
        let written = |name: &str| super::name(&ToolCall { id: "a".into(), name: name.into(), input: json!({}) });
        assert_eq!(written("mcp__files__read-all"), "mcp__files__read-all");
        assert_eq!(written("functions.read"), "functions_read");
        assert_eq!(written("lire é\n"), "lire___");
        assert_eq!(written(""), "unknown");
        assert_eq!(written(&"é".repeat(100)), "_".repeat(64));
    }
}
