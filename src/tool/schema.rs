//! The schema of a typed input.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

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
    // A struct without fields; not every provider takes an object that says nothing of its properties.
    if fields.get("type") == Some(&json!("object")) && !fields.contains_key("additionalProperties") {
        fields.entry("properties").or_insert_with(|| json!({}));
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
}
