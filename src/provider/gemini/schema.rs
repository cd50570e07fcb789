//! The part of JSON Schema that the Gemini API takes. It refuses a request for a word that it does not know.

use std::cell::Cell;

use serde_json::{Map, Value, json};

/// The words that it knows, but for those that are put into others.
const KNOWN: &[&str] = &[
    "type",
    "description",
    "nullable",
    "enum",
    "format",
    "items",
    "properties",
    "required",
    "anyOf",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
];
/// The formats that it knows.
const FORMATS: &[&str] = &["date-time", "enum", "float", "double", "int32", "int64"];
/// How deep schemas may be, and how many there may be in one. Chosen: references may lead in circles.
const DEEPEST: usize = 24;
const MOST: usize = 4096;

/// What references lead into, and how many more schemas may be cleaned.
struct Whole<'a> {
    root: &'a Value,
    left: Cell<usize>,
}

impl Whole<'_> {
    fn takes_another(&self, depth: usize) -> bool {
        self.left.set(self.left.get().saturating_sub(1));
        depth < DEEPEST && self.left.get() > 0
    }
}

/// The parameters of a tool whose input has this schema, or `None` if it has none: an object without properties is
/// refused.
pub fn parameters(schema: &Value) -> Option<Value> {
    let cleaned = clean_whole(schema);
    cleaned["properties"].as_object().is_some_and(|properties| !properties.is_empty()).then_some(cleaned)
}

/// What of `schema` can be said.
pub fn clean_whole(schema: &Value) -> Value {
    clean(schema, &Whole { root: schema, left: Cell::new(MOST) }, 0)
}

fn clean(schema: &Value, whole: &Whole<'_>, depth: usize) -> Value {
    let Some(given) = schema.as_object().filter(|_| whole.takes_another(depth)) else {
        // `true`, or too much: anything at all.
        return json!({});
    };
    let mut fields = merged(given, whole, depth);
    choose_type(&mut fields);
    if let Some(value) = fields.remove("const") {
        fields.insert("enum".into(), json!([value]));
    }
    if let Some(choices) = fields.remove("oneOf") {
        fields.insert("anyOf".into(), choices);
    }
    let mut out = Map::new();
    for (key, value) in fields.into_iter().filter(|(key, _)| KNOWN.contains(&key.as_str())) {
        let value = match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                properties.into_iter().map(|(name, inner)| (name, clean(&inner, whole, depth + 1))).collect()
            }
            ("items", inner) => clean(&inner, whole, depth + 1),
            ("anyOf", Value::Array(choices)) => {
                let (null, choices): (Vec<_>, Vec<_>) =
                    choices.into_iter().partition(|choice| choice["type"] == "null");
                if !null.is_empty() {
                    out.insert("nullable".into(), true.into());
                }
                choices.iter().map(|choice| clean(choice, whole, depth + 1)).collect()
            }
            ("format", format) if !FORMATS.iter().any(|known| format == *known) => continue,
            (_, value) => value,
        };
        out.insert(key, value);
    }
    texts_only(&mut out);
    // A choice of one is none.
    if let Some(Value::Array(choices)) = out.get("anyOf")
        && let [Value::Object(only)] = choices.as_slice()
    {
        let only = only.clone();
        out.remove("anyOf");
        for (key, value) in only {
            out.entry(key).or_insert(value);
        }
    }
    if let Some(Value::Array(required)) = out.get("required") {
        let known = |name: &&Value| {
            name.as_str().is_some_and(|name| out.get("properties").is_some_and(|all| all.get(name).is_some()))
        };
        let required: Vec<Value> = required.iter().filter(known).cloned().collect();
        match required.is_empty() {
            true => drop(out.remove("required")),
            false => drop(out.insert("required".into(), required.into())),
        }
    }
    if out.get("type").is_some_and(|kind| kind == "array") && !out.contains_key("items") {
        out.insert("items".into(), json!({}));
    }
    Value::Object(out)
}

/// The schema's own words, with those that its reference and its `allOf` stand for.
fn merged(given: &Map<String, Value>, whole: &Whole<'_>, depth: usize) -> Map<String, Value> {
    let mut fields = given.clone();
    let mut others: Vec<Value> = Vec::new();
    if let Some(Value::String(reference)) = fields.remove("$ref") {
        others.extend(reference.strip_prefix('#').and_then(|pointer| whole.root.pointer(pointer)).cloned());
    }
    if let Some(Value::Array(all)) = fields.remove("allOf") {
        others.extend(all);
    }
    for other in others.iter().filter_map(Value::as_object).filter(|_| whole.takes_another(depth)) {
        for (key, value) in merged(other, whole, depth + 1) {
            match (fields.get_mut(&key), value) {
                (Some(Value::Object(properties)), Value::Object(more)) if key == "properties" => {
                    properties.extend(more)
                }
                (Some(Value::Array(names)), Value::Array(more)) if key == "required" => names.extend(more),
                (Some(_), _) => {}
                (None, value) => drop(fields.insert(key, value)),
            }
        }
    }
    fields
}

/// One type: `null` among several becomes `nullable`, and several others a choice.
fn choose_type(fields: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = fields.get("type") else { return };
    let (null, types): (Vec<Value>, Vec<Value>) = types.iter().cloned().partition(|name| name == "null");
    if !null.is_empty() {
        fields.insert("nullable".into(), true.into());
    }
    match types.as_slice() {
        [only] => drop(fields.insert("type".into(), only.clone())),
        several => {
            let choices: Vec<Value> = several.iter().map(|name| json!({ "type": name })).collect();
            fields.remove("type");
            if !choices.is_empty() {
                fields.entry("anyOf").or_insert(choices.into());
            }
        }
    }
}

/// A list of values can only be of texts; of others it is told in the description.
fn texts_only(fields: &mut Map<String, Value>) {
    let Some(Value::Array(values)) = fields.get("enum") else { return };
    let (null, values): (Vec<Value>, Vec<Value>) = values.iter().cloned().partition(Value::is_null);
    if !null.is_empty() {
        fields.insert("nullable".into(), true.into());
    }
    if values.iter().all(Value::is_string) {
        fields.entry("type").or_insert("string".into());
        fields.insert("enum".into(), values.into());
        return;
    }
    fields.remove("enum");
    let list = values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
    let told = fields.get("description").and_then(Value::as_str).map(|told| format!("{told} ")).unwrap_or_default();
    fields.insert("description".into(), format!("{told}One of: {list}.").into());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(schema: Value, expect: Value) {
        let around = json!({"type": "object", "properties": {"a": schema}, "$defs": {
            "Color": {"type": "string", "enum": ["red", "green"]},
            "Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}},
        }});
        assert_eq!(parameters(&around).unwrap()["properties"]["a"], expect);
    }

    #[test]
    fn what_it_does_not_know_is_left_out_or_said_otherwise() {
        check(
            json!({"type": "string", "format": "uri", "title": "A", "default": "x", "examples": []}),
            json!({"type": "string"}),
        );
        check(json!({"type": ["string", "null"]}), json!({"type": "string", "nullable": true}));
        check(json!({"type": ["string", "integer"]}), json!({"anyOf": [{"type": "string"}, {"type": "integer"}]}));
        check(json!({"const": "x"}), json!({"type": "string", "enum": ["x"]}));
        check(
            json!({"type": "integer", "enum": [1, 2], "description": "How many."}),
            json!({"type": "integer", "description": "How many. One of: 1, 2."}),
        );
        check(json!({"oneOf": [{"type": "string"}, {"type": "null"}]}), json!({"type": "string", "nullable": true}));
        check(json!({"type": "array"}), json!({"type": "array", "items": {}}));
        check(json!(true), json!({}));
        check(
            json!({"type": "object", "additionalProperties": false, "required": ["x", "gone"], "properties": {"x": {}}}),
            json!({"type": "object", "required": ["x"], "properties": {"x": {}}}),
        );
    }

    #[test]
    fn references_are_put_in() {
        let color = json!({"type": "string", "enum": ["red", "green"], "description": "Which."});
        check(json!({"$ref": "#/$defs/Color", "description": "Which."}), color.clone());
        check(json!({"allOf": [{"$ref": "#/$defs/Color"}], "description": "Which."}), color);
        check(json!({"$ref": "#/nowhere"}), json!({}));
        check(
            json!({"allOf": [
                {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
                {"properties": {"y": {"type": "string"}}, "required": ["y"]},
            ]}),
            json!({"type": "object", "required": ["x", "y"],
                "properties": {"x": {"type": "string"}, "y": {"type": "string"}}}),
        );
        // In a circle: it ends somewhere.
        let (a, b) = (json!({"$ref": "#/$defs/A"}), json!({"$ref": "#/$defs/B"}));
        for start in [&a, &b] {
            let around = json!({"properties": {"start": start}, "$defs": {
                "A": {"allOf": [a, a, b]},
                "B": {"properties": {"b": b, "c": b, "d": a}},
            }});
            assert!(parameters(&around).unwrap().to_string().len() < 1_000_000);
        }
    }

    #[test]
    fn without_properties_there_are_no_parameters() {
        assert_eq!(parameters(&json!({"type": "object", "properties": {}})), None);
        assert_eq!(parameters(&json!({"type": "object"})), None);
    }
}
