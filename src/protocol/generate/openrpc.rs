//! The OpenRPC document of what `pillion serve` answers.

use serde_json::{Map, Value, json};

use super::schema;
use crate::protocol::{Direction, METHODS, SESSION_EVENT, SESSION_EVENTS, SESSION_EVENTS_STOP, VERSION};

/// The document, of OpenRPC 1.3. Parameters are passed by name.
pub fn openrpc() -> Value {
    let schema = schema();
    let mut methods: Vec<Value> = METHODS
        .iter()
        .filter(|method| method.direction == Direction::ToServer)
        .map(|method| {
            let types = &schema["methods"][method.name];
            json!({
                "name": method.name,
                "summary": method.doc.split_whitespace().collect::<Vec<_>>().join(" "),
                "paramStructure": "by-name",
                "params": params(&schema, &types["params"]),
                "result": { "name": "result", "schema": moved(&types["result"]) },
            })
        })
        .collect();
    let subscription = json!({ "type": "string" });
    methods.push(json!({
        "name": SESSION_EVENTS,
        "summary": format!(
            "Subscribes to a session's events, which come as `{SESSION_EVENT}` with the subscription's id and a \
             SessionEventNotification as `result`, and at the end perhaps an `error`. Over WebSocket only."
        ),
        "paramStructure": "by-name",
        "params": params(&schema, &json!({ "$ref": "#/$defs/SessionEventsParams" })),
        "result": { "name": "subscription", "schema": subscription },
    }));
    methods.push(json!({
        "name": SESSION_EVENTS_STOP,
        "summary": "Ends a subscription. The session goes on.",
        "paramStructure": "by-position",
        "params": [{ "name": "subscription", "required": true, "schema": subscription }],
        "result": { "name": "ended", "schema": { "type": "boolean" } },
    }));
    json!({
        "openrpc": "1.3.2",
        "info": { "title": "Pillion", "version": VERSION.to_string(), "license": { "name": "MIT" } },
        "methods": methods,
        "components": { "schemas": moved(&schema["$defs"]) },
    })
}

/// A type's fields, one descriptor each.
fn params(schema: &Value, reference: &Value) -> Vec<Value> {
    let name = reference["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")).unwrap_or_default();
    let object = &schema["$defs"][name];
    let required = object["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fields = object["properties"].as_object().into_iter().flatten();
    let descriptor = |(name, field): (&String, &Value)| json!({ "name": name, "required": required.contains(&json!(name)), "schema": moved(field) });
    fields.map(descriptor).collect()
}

/// The same, with its references to where OpenRPC keeps types.
fn moved(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix("#/$defs/") {
            Some(name) => json!(format!("#/components/schemas/{name}")),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(moved).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| (name.clone(), moved(field)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}
