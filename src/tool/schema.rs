//! The schema of a typed input, and the check of what a model sends against it.

use std::fmt::Write;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The doc comment of `T` and its schema: without references, titles, formats and nulls, and closed to other fields.
pub(super) fn of<T: JsonSchema>() -> (String, Value) {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let description = match schema.as_object_mut().and_then(|schema| schema.remove("description")) {
        Some(Value::String(text)) => unwrap_lines(&text),
        _ => String::new(),
    };
    simplify(&mut schema);
    (description, schema)
}

/// Says of each schema only what helps a model.
fn simplify(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    for key in ["title", "format", "default"] {
        fields.remove(key);
    }
    // `Option<T>` is T or null; a field that may be absent says enough.
    if let Some(Value::Array(types)) = fields.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(mut choices)) = fields.remove("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
        match <[Value; 1]>::try_from(choices) {
            Ok([Value::Object(only)]) => fields.extend(only),
            Ok([only]) => drop(fields.insert("anyOf".to_owned(), json!([only]))),
            Err(choices) => drop(fields.insert("anyOf".to_owned(), Value::Array(choices))),
        }
        return simplify(schema);
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        *text = unwrap_lines(text);
    }
    if let Some(Value::Object(properties)) = fields.get_mut("properties") {
        properties.values_mut().for_each(simplify);
        fields.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(items) = fields.get_mut("items") {
        simplify(items);
    }
}

/// Doc comments are wrapped for the eye; a model needs the paragraphs only.
fn unwrap_lines(text: &str) -> String {
    let paragraphs: Vec<String> = text.split("\n\n").map(|paragraph| paragraph.trim().replace('\n', " ")).collect();
    paragraphs.join("\n\n")
}

/// The schema that inputs are checked against.
pub(super) struct Shape(Value);

impl Shape {
    pub(super) fn new(schema: Value) -> Self {
        Self(schema)
    }

    /// The input with small slips put right, or what is wrong with it, all of it at once.
    pub(super) fn check(&self, input: &Value) -> Result<Value, String> {
        let mut wrong = Vec::new();
        let checked = check(&self.0, input.clone(), "", &mut wrong);
        if wrong.is_empty() { Ok(checked) } else { Err(wrong.join("; ")) }
    }
}

fn check(schema: &Value, value: Value, path: &str, wrong: &mut Vec<String>) -> Value {
    let Some(kind) = schema["type"].as_str() else { return value };
    let value = coerce(kind, value);
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    };
    if !fits {
        wrong.push(format!("`{}` should be {}, not {}", name(path), article(kind), shown(&value)));
        return value;
    }
    if let Some(least) = schema["minimum"].as_i64()
        && value.as_i64().is_some_and(|number| number < least)
    {
        wrong.push(format!("`{}` should be {least} or more, not {value}", name(path)));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(&value)
    {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        wrong.push(format!("`{}` should be one of {}, not {}", name(path), choices.join(", "), shown(&value)));
    }
    match value {
        Value::Object(fields) => Value::Object(check_fields(schema, fields, path, wrong)),
        Value::Array(items) => {
            let items = items.into_iter().enumerate();
            items.map(|(index, item)| check(&schema["items"], item, &format!("{path}[{index}]"), wrong)).collect()
        }
        value => value,
    }
}

fn check_fields(
    schema: &Value,
    mut fields: Map<String, Value>,
    path: &str,
    wrong: &mut Vec<String>,
) -> Map<String, Value> {
    let Some(properties) = schema["properties"].as_object() else { return fields };
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_required = |field: &str| required.iter().any(|name| name == field);
    let below = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    fields.retain(|field, value| !value.is_null() || is_required(field));
    for field in required.iter().filter_map(Value::as_str).filter(|field| !fields.contains_key(*field)) {
        wrong.push(format!("`{}` is missing", below(field)));
    }
    let mut checked = Map::new();
    for (field, value) in fields {
        match properties.get(&field) {
            Some(schema) => {
                let value = check(schema, value, &below(&field), wrong);
                checked.insert(field, value);
            }
            None => {
                let known: Vec<&str> = properties.keys().map(String::as_str).collect();
                wrong.push(format!("there is no `{}`; the fields are {}", below(&field), known.join(", ")));
            }
        }
    }
    checked
}

/// Puts right what can mean only one thing.
fn coerce(kind: &str, value: Value) -> Value {
    match (kind, value) {
        ("integer", Value::Number(number)) if !number.is_i64() && !number.is_u64() => {
            // 2.0 is 2. Below 2^53 every whole number has a float of its own.
            match number.as_f64() {
                Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Value::from(float as i64),
                _ => Value::Number(number),
            }
        }
        ("string", value) => value,
        (_, Value::String(text)) => match serde_json::from_str::<Value>(text.trim()) {
            Ok(parsed @ (Value::Number(_) | Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
                match coerce(kind, parsed) {
                    parsed if kind_of(&parsed) == kind || (kind == "number" && parsed.is_number()) => parsed,
                    _ => Value::String(text),
                }
            }
            _ if kind == "boolean" && text.eq_ignore_ascii_case("true") => Value::Bool(true),
            _ if kind == "boolean" && text.eq_ignore_ascii_case("false") => Value::Bool(false),
            _ => Value::String(text),
        },
        ("array", value @ Value::Object(_)) => Value::Array(vec![value]),
        (_, value) => value,
    }
}

fn kind_of(value: &Value) -> &'static str {
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

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

fn name(path: &str) -> &str {
    if path.is_empty() { "the input" } else { path }
}

fn shown(value: &Value) -> String {
    let mut text = article(kind_of(value));
    if matches!(value, Value::Null) {
        return "null".to_owned();
    }
    if !matches!(value, Value::Array(_) | Value::Object(_)) {
        let value: String = value.to_string().chars().take(60).collect();
        // Writing to a string cannot fail.
        let _ = write!(text, " ({value})");
    }
    text
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Does
    /// a thing.
    ///
    /// Well.
    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Input {
        /// Where
        /// it is.
        path: String,
        #[serde(default)]
        limit: Option<u32>,
        #[serde(default)]
        all: bool,
        #[serde(default)]
        mode: Option<Mode>,
        #[serde(default)]
        parts: Vec<Part>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[allow(dead_code)]
    enum Mode {
        Fast,
        VerySlow,
    }

    #[derive(Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Part {
        text: String,
        #[serde(default)]
        size: Option<f64>,
    }

    #[test]
    fn a_schema_is_plain() {
        let (description, schema) = of::<Input>();
        assert_eq!(description, "Does a thing.\n\nWell.");
        let expected = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["path"],
            "properties": {
                "path": { "type": "string", "description": "Where it is." },
                "limit": { "type": "integer", "minimum": 0 },
                "all": { "type": "boolean" },
                "mode": { "type": "string", "enum": ["fast", "very_slow"] },
                "parts": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": false,
                        "required": ["text"],
                        "properties": { "text": { "type": "string" }, "size": { "type": "number" } },
                    },
                },
            },
        });
        assert_eq!(schema, expected);
    }

    fn checked(input: Value) -> Result<Value, String> {
        Shape::new(of::<Input>().1).check(&input)
    }

    #[test]
    fn slips_are_put_right() {
        let slips = json!({
            "path": "12", "limit": "12", "all": "True", "mode": null, "parts": "[{\"text\": \"1\", \"size\": \"1.5\"}]",
        });
        let right = json!({ "path": "12", "limit": 12, "all": true, "parts": [{ "text": "1", "size": 1.5 }] });
        assert_eq!(checked(slips), Ok(right));
        let slips = json!({ "path": "a", "limit": 2.0, "parts": { "text": "1" } });
        assert_eq!(checked(slips), Ok(json!({ "path": "a", "limit": 2, "parts": [{ "text": "1" }] })));
        assert_eq!(checked(json!("{\"path\": \"a\"}")), Ok(json!({ "path": "a" })));
    }

    #[test]
    fn errors_name_the_field() {
        let cases = [
            (json!({}), "`path` is missing"),
            (json!({ "path": null }), "`path` should be a string, not null"),
            (json!({ "path": 1 }), "`path` should be a string, not an integer (1)"),
            (json!({ "path": "a", "limit": "some" }), "`limit` should be an integer, not a string (\"some\")"),
            (json!({ "path": "a", "limit": 1.5 }), "`limit` should be an integer, not a number (1.5)"),
            (json!({ "path": "a", "limit": -1 }), "`limit` should be 0 or more, not -1"),
            (
                json!({ "path": "a", "mode": "slow" }),
                "`mode` should be one of \"fast\", \"very_slow\", not a string (\"slow\")",
            ),
            (json!({ "path": "a", "parts": [{ "text": "a" }, {}] }), "`parts[1].text` is missing"),
            (json!({ "path": "a", "file": 1 }), "there is no `file`; the fields are all, limit, mode, parts, path"),
            (json!([]), "`the input` should be an object, not an array"),
        ];
        for (input, expected) in cases {
            assert_eq!(checked(input), Err(expected.to_owned()));
        }
    }
}
