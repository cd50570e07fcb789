//! The parts of JSON Schema that providers take for the shape of an answer. What they do not take is left out of what
//! they are told; the answer is checked against the whole.

use serde_json::{Map, Value, json};

/// The formats of texts that are taken.
const FORMATS: &[&str] = &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// What says nothing about the shape, or what no provider takes everywhere.
const LEFT_OUT: &[&str] = &["$schema", "default", "examples", "uniqueItems", "minProperties", "maxProperties"];
/// Bounds, of which Anthropic takes none.
const BOUNDS: &[&str] = &[
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "pattern",
];

/// The schema as Anthropic takes it: closed, and without bounds.
pub fn plain(schema: &Value) -> Value {
    let mut schema = schema.clone();
    visit(&mut schema, &mut |fields| {
        simplify(fields);
        fields.retain(|key, value| {
            !BOUNDS.contains(&key.as_str()) && (key != "minItems" || value.as_u64().is_some_and(|least| least < 2))
        });
        if fields.contains_key("properties") {
            fields.insert("additionalProperties".into(), false.into());
        }
    });
    schema
}

/// The schema as OpenAI's strict mode takes it: closed, every field required, and null where one may be absent. `None`
/// if it says what that mode has no words for, maps for example.
pub fn strict(schema: &Value) -> Option<Value> {
    let mut schema = schema.clone();
    let mut fits = schema["type"] == "object";
    visit(&mut schema, &mut |fields| {
        simplify(fields);
        fits &= ["allOf", "not", "if", "patternProperties", "prefixItems"].iter().all(|key| !fields.contains_key(*key));
        let required: Vec<Value> = fields.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        match fields.get_mut("properties").and_then(Value::as_object_mut) {
            Some(properties) => {
                let names: Vec<Value> = properties.keys().map(|name| name.as_str().into()).collect();
                for (name, property) in properties {
                    if !required.iter().any(|required| required == name) {
                        *property = nullable(property.take());
                    }
                }
                fields.insert("required".into(), names.into());
                fits &= fields.get("additionalProperties").is_none_or(|additional| additional == false);
                fields.insert("additionalProperties".into(), false.into());
            }
            None => fits &= fields.get("type").is_none_or(|kind| kind != "object"),
        }
    });
    fits.then_some(schema)
}

fn simplify(fields: &mut Map<String, Value>) {
    fields.retain(|key, value| {
        let is_unknown_format = key == "format" && !FORMATS.iter().any(|known| value == known);
        !LEFT_OUT.contains(&key.as_str()) && !is_unknown_format
    });
    if let Some(choices) = fields.remove("oneOf") {
        fields.insert("anyOf".into(), choices);
    }
}

fn nullable(mut schema: Value) -> Value {
    if schema["enum"].is_null()
        && schema["const"].is_null()
        && let Some(kind) = schema["type"].as_str()
    {
        schema["type"] = json!([kind, "null"]);
        return schema;
    }
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// Calls `each` for the schema and all schemas in it, the inner ones first.
pub(crate) fn visit(schema: &mut Value, each: &mut impl FnMut(&mut Map<String, Value>)) {
    let Some(fields) = schema.as_object_mut() else { return };
    for (key, value) in &mut *fields {
        match (key.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                named.values_mut().for_each(|schema| visit(schema, each));
            }
            ("items" | "additionalProperties", inner) => visit(inner, each),
            ("anyOf" | "allOf" | "oneOf" | "prefixItems", Value::Array(choices)) => {
                choices.iter_mut().for_each(|schema| visit(schema, each));
            }
            _ => {}
        }
    }
    each(fields);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "pattern": "^a", "format": "uuid"},
                "age": {"type": "integer", "minimum": 0, "format": "uint32"},
                "mood": {"type": "string", "enum": ["good", "bad"]},
                "tags": {"type": "array", "minItems": 3, "items": {"oneOf": [{"type": "string"}, {"type": "null"}]}},
            },
        })
    }

    #[test]
    fn anthropic_gets_closed_objects_without_bounds() {
        let expected = json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["name"],
            "properties": {
                "name": {"type": "string", "format": "uuid"},
                "age": {"type": "integer"},
                "mood": {"type": "string", "enum": ["good", "bad"]},
                "tags": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            },
        });
        assert_eq!(plain(&sample()), expected);
    }

    #[test]
    fn openai_gets_required_fields_that_may_be_null() {
        let strict = strict(&sample()).unwrap();
        assert_eq!(strict["additionalProperties"], false);
        assert_eq!(strict["required"].as_array().unwrap().len(), 4);
        assert_eq!(strict["properties"]["name"], json!({"type": "string", "pattern": "^a", "format": "uuid"}));
        assert_eq!(strict["properties"]["age"], json!({"type": ["integer", "null"], "minimum": 0}));
        let mood = json!({"anyOf": [{"type": "string", "enum": ["good", "bad"]}, {"type": "null"}]});
        assert_eq!(strict["properties"]["mood"], mood);
    }

    #[test]
    fn what_strict_mode_has_no_words_for() {
        assert_eq!(strict(&json!({"type": "string"})), None);
        assert_eq!(strict(&json!({"type": "object"})), None);
        let map = json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}});
        assert_eq!(strict(&map), None);
        let inside = json!({"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]});
        assert_eq!(strict(&inside), None);
    }
}
