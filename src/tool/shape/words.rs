//! Values in words.

use std::fmt::Write;

use serde_json::Value;

pub fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub fn article(kind: &str) -> String {
    if kind == "null" {
        return kind.to_owned();
    }
    let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// The value, shortened, and what it is.
pub fn shown(value: &Value) -> String {
    let mut text = article(kind_of(value));
    if !matches!(value, Value::Null | Value::Array(_) | Value::Object(_)) {
        let value: String = value.to_string().chars().take(60).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, " ({value})");
    }
    text
}
