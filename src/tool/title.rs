//! A title for a call that has none of its own: it failed before it could say what it would do, or never began.

use serde_json::Value;

use super::shortened;

/// The fields that tell a person most of a call, the most telling first.
const TELLING: [&str; 9] = ["command", "pattern", "url", "path", "from", "question", "task", "uri", "id"];

/// What is done (a tool's name, or better words for it), and to what. The tool and its input may be anything: a model made
/// them up.
pub fn title(what: &str, input: &Value) -> String {
    let what = what.strip_prefix("mcp__").unwrap_or(what).replace("__", ": ").replace('_', " ");
    let mut letters = what.chars();
    let what: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    let told = TELLING.iter().filter_map(|field| input[field].as_str()).find(|told| !told.trim().is_empty());
    shortened(&told.map_or_else(|| what.clone(), |told| format!("{what} {}", told.trim())), 120)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_person_can_read_it_whatever_the_model_said() {
        for (what, input, expect) in [
            ("edit", json!({"path": "src/a.rs", "old_string": "x"}), "Edit src/a.rs"),
            ("Run", json!({"command": " make\nmake install"}), "Run make…"),
            ("Search for", json!({"path": "src", "pattern": "fn main"}), "Search for fn main"),
            ("mcp__git_hub__create_issue", json!({"title": "x"}), "Git hub: create issue"),
            ("read_output", json!({"id": "call_1"}), "Read output call_1"),
            ("no_such_tool", json!({"path": 7}), "No such tool"),
            ("ändere", json!("nothing of an object"), "Ändere"),
            ("", json!(null), ""),
        ] {
            assert_eq!(title(what, &input), expect);
        }
    }
}
