//! The schema of a tool's input as all providers take it: one that is refused would fail each model call.

use std::collections::BTreeMap;

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

use super::name;
use crate::provider::schema::visit;

/// What a model is told of a tool's input.
pub struct Input {
    pub schema: Value,
    /// What the server calls the fields that the model knows by another name.
    renamed: BTreeMap<String, String>,
}

impl Input {
    pub fn new(mut schema: JsonObject) -> Self {
        schema.remove("$schema");
        open(&mut schema);
        // Providers refuse any other; some servers leave it out where there are no fields.
        schema.insert("type".to_owned(), json!("object"));
        schema.entry("properties").or_insert_with(|| json!({}));
        let mut schema = Value::Object(schema);
        visit(&mut schema, &mut mend);
        let renamed = rename(&mut schema);
        Self { schema, renamed }
    }

    /// The fields by the names that the server gave them.
    pub fn of_server(&self, given: JsonObject) -> JsonObject {
        let named = given.into_iter().map(|(name, value)| (self.renamed.get(&name).cloned().unwrap_or(name), value));
        named.collect()
    }
}

/// Puts the fields that choices at the top speak of beside the others: no provider takes a choice there. What may go
/// with what is the server's to check.
fn open(schema: &mut JsonObject) {
    for key in ["allOf", "anyOf", "oneOf"] {
        let Some(Value::Array(parts)) = schema.remove(key) else { continue };
        for part in parts {
            let Value::Object(mut part) = part else { continue };
            if let Some(Value::Object(fields)) = part.remove("properties") {
                let properties = schema.entry("properties").or_insert_with(|| json!({}));
                if !properties.is_object() {
                    *properties = json!({});
                }
                for (name, field) in fields {
                    properties.as_object_mut().map(|known| known.entry(name).or_insert(field));
                }
            }
        }
    }
    for key in ["not", "enum", "const"] {
        schema.remove(key);
    }
}

/// Puts right what is no JSON Schema, or is none to OpenAI: a list without `items`.
fn mend(fields: &mut Map<String, Value>) {
    let is_list =
        |kind: &Value| kind == "array" || kind.as_array().is_some_and(|kinds| kinds.contains(&"array".into()));
    if fields.get("type").is_some_and(is_list) && !fields.get("items").is_some_and(Value::is_object) {
        fields.insert("items".to_owned(), json!({}));
    }
    if let Some(properties) = fields.get_mut("properties") {
        match properties.as_object_mut() {
            Some(properties) => properties.values_mut().filter(|field| !field.is_object()).for_each(|f| *f = json!({})),
            None => *properties = json!({}),
        }
    }
    if fields.get("required").is_some_and(|required| !required.is_array()) {
        fields.remove("required");
    }
}

/// Gives the fields names that Anthropic takes; the server's own, by these.
fn rename(schema: &mut Value) -> BTreeMap<String, String> {
    let fields = schema["properties"].as_object().cloned().unwrap_or_default();
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    let renamed: BTreeMap<String, String> = name::of_fields(&names)
        .into_iter()
        .zip(&names)
        .filter(|(new, old)| new != *old)
        .map(|(new, old)| (new, (*old).to_owned()))
        .collect();
    if renamed.is_empty() {
        return renamed;
    }
    let new: BTreeMap<&str, &str> = renamed.iter().map(|(new, old)| (old.as_str(), new.as_str())).collect();
    let new_name = |old: &str| (*new.get(old).unwrap_or(&old)).to_owned();
    schema["properties"] = fields.iter().map(|(name, field)| (new_name(name), field.clone())).collect();
    for name in schema.get_mut("required").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Value::String(name) = name {
            *name = new_name(name);
        }
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, expect: Value) -> Input {
        let Value::Object(schema) = schema else { panic!("an object") };
        let input = Input::new(schema);
        assert_eq!(input.schema, expect);
        input
    }

    #[test]
    fn a_plain_schema_stays_as_it_is() {
        let plain = json!({"type": "object", "required": ["a"], "additionalProperties": false, "properties": {
            "a": {"type": "array", "items": {"type": "string"}}, "b.c-d_e": {"oneOf": [{"type": "string"}]},
        }});
        check(plain.clone(), plain);
        check(json!({"$schema": "x"}), json!({"type": "object", "properties": {}}));
    }

    #[test]
    fn choices_at_the_top_become_fields() {
        check(
            json!({
                "properties": {"a": {"type": "string"}},
                "oneOf": [
                    {"required": ["a"]},
                    {"properties": {"a": {"type": "null"}, "b": {"type": "array"}}, "required": ["b"]},
                ],
                "anyOf": true, "not": {}, "enum": [],
            }),
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {}}}}),
        );
    }

    #[test]
    fn what_is_no_schema_is_put_right() {
        check(json!({"properties": null, "required": null}), json!({"type": "object", "properties": {}}));
        check(
            json!({"type": "string", "properties": {"a": {"type": ["null", "array"]}, "b": null, "c": {
                "type": "object", "properties": [], "required": true,
            }}}),
            json!({"type": "object", "properties": {"a": {"type": ["null", "array"], "items": {}}, "b": {}, "c": {
                "type": "object", "properties": {},
            }}}),
        );
    }

    #[test]
    fn a_field_with_an_odd_name_has_another_for_the_model() {
        let input = check(
            json!({"required": ["$filter", "id"], "properties": {"$filter": {}, "filter[id]": {}, "_filter": {}, "id": {}}}),
            json!({"type": "object", "required": ["_filter_e2ba687d", "id"], "properties": {
                "_filter_e2ba687d": {}, "filter_id_": {}, "_filter": {}, "id": {},
            }}),
        );
        let Value::Object(given) = json!({"_filter_e2ba687d": 1, "filter_id_": 2, "_filter": 3, "new": 4}) else {
            unreachable!()
        };
        let told = json!({"$filter": 1, "filter[id]": 2, "_filter": 3, "new": 4});
        assert_eq!(Value::Object(input.of_server(given)), told);
    }
}
