//! What a provider wants to see again and nobody else understands, as it is kept in a transcript: as the signature of a
//! thinking part, or its encrypted payload, together with the name of who sent it. To another provider it would be a
//! mistake.

use serde_json::{Value, json};

/// The signature that keeps `item` for the provider `from`. Begins with a brace, which no proof of Anthropic's does.
pub fn keep(from: &str, item: &Value) -> String {
    json!({"from": from, "item": item}).to_string()
}

/// The item, if it is one of `to`.
pub fn give_back(to: &str, signature: &str) -> Option<Value> {
    let mut kept: Value = serde_json::from_str(signature).ok().filter(|_| signature.starts_with('{'))?;
    (kept["from"] == to).then(|| kept["item"].take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_back_to_its_sender_only() {
        let item = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA\u{e9}"});
        let kept = keep("openai", &item);
        assert_eq!(give_back("openai", &kept), Some(item));
        assert_eq!(give_back("work", &kept), None);
        assert_eq!(give_back("openai", "c2ln"), None);
        assert_eq!(give_back("openai", r#"[{"type":"reasoning.text"}]"#), None);
        assert_eq!(give_back("openai", "{"), None);
    }
}
