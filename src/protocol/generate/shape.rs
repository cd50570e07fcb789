//! The schema's types in the few forms that the protocol uses.

use serde_json::{Map, Value};

use crate::protocol::{Direction, METHODS};

/// A method, with the names of its types.
pub struct Row {
    pub name: &'static str,
    pub direction: Direction,
    pub doc: String,
    pub params: String,
    pub result: Option<String>,
}

/// A named type.
pub struct Definition {
    pub name: String,
    pub doc: String,
    pub shape: Shape,
}

pub enum Shape {
    Object(Vec<Field>),
    /// One of several objects, told apart by `type`.
    Tagged(Vec<Variant>),
    /// One of several strings.
    Words(Vec<Word>),
}

pub struct Field {
    pub name: String,
    pub doc: String,
    pub kind: Kind,
    pub required: bool,
}

pub struct Variant {
    pub tag: String,
    pub doc: String,
    /// Without `type`.
    pub fields: Vec<Field>,
}

pub struct Word {
    pub word: String,
    pub doc: String,
}

pub enum Kind {
    Any,
    Boolean,
    Integer,
    Number,
    String,
    List(Box<Kind>),
    Named(String),
}

/// All methods, in their order.
pub fn rows(schema: &Value) -> Vec<Row> {
    let row = |method: &crate::protocol::Method| {
        let types = &schema["methods"][method.name];
        Row {
            name: method.name,
            direction: method.direction,
            doc: method.doc.split_whitespace().collect::<Vec<_>>().join(" "),
            params: types["params"].get("$ref").and_then(reference).expect("params have a name").to_owned(),
            result: types.get("result").and_then(|result| reference(&result["$ref"])).map(str::to_owned),
        }
    };
    METHODS.iter().map(row).collect()
}

/// All types of the schema, each after the method or type that mentions it first.
///
/// # Panics
/// If a type has a form that the generators do not know: the mistake is in this program, and its tests find it.
pub fn definitions(schema: &Value) -> Vec<Definition> {
    let all = schema["$defs"].as_object().expect("the schema has definitions");
    let mut found = Vec::new();
    let in_order = METHODS.iter().map(|method| &schema["methods"][method.name]);
    for root in in_order.flat_map(|method| [&method["params"], &method["result"]]) {
        visit(root, all, &mut found);
    }
    for name in all.keys() {
        visit_name(name, all, &mut found);
    }
    found
}

fn visit(value: &Value, all: &Map<String, Value>, found: &mut Vec<Definition>) {
    match value {
        Value::Object(object) => {
            if let Some(name) = object.get("$ref").and_then(reference) {
                visit_name(name, all, found);
            }
            object.values().for_each(|value| visit(value, all, found));
        }
        Value::Array(values) => values.iter().for_each(|value| visit(value, all, found)),
        _ => {}
    }
}

fn visit_name(name: &str, all: &Map<String, Value>, found: &mut Vec<Definition>) {
    if found.iter().any(|definition| definition.name == name) {
        return;
    }
    let schema = &all[name];
    found.push(Definition { name: name.to_owned(), doc: doc(schema), shape: shape(schema) });
    visit(schema, all, found);
}

fn reference(value: &Value) -> Option<&str> {
    value.as_str()?.strip_prefix("#/$defs/")
}

fn doc(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().replace('\n', " ")
}

fn shape(schema: &Value) -> Shape {
    if let Some(words) = schema["enum"].as_array() {
        return Shape::Words(words.iter().map(|word| Word { word: text(word), doc: String::new() }).collect());
    }
    let Some(choices) = schema["oneOf"].as_array() else { return Shape::Object(fields(schema)) };
    if choices.iter().all(|choice| choice["type"] == "string") {
        let words = choices.iter().flat_map(|choice| {
            let group = choice["enum"].as_array().cloned().unwrap_or_else(|| vec![choice["const"].clone()]);
            group.into_iter().map(|word| Word { word: text(&word), doc: doc(choice) })
        });
        return Shape::Words(words.collect());
    }
    let variant = |choice: &Value| {
        let tag = text(&choice["properties"]["type"]["const"]);
        let mut fields = fields(choice);
        fields.retain(|field| field.name != "type");
        Variant { tag, doc: doc(choice), fields }
    };
    Shape::Tagged(choices.iter().map(variant).collect())
}

/// The required fields as the sources have them, then the others by name.
fn fields(schema: &Value) -> Vec<Field> {
    assert_eq!(schema["type"], "object", "the generators do not know this form: {schema}");
    let required: Vec<String> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    let mut fields: Vec<Field> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| Field {
            name: name.clone(),
            doc: doc(schema),
            kind: kind(schema),
            required: required.contains(name),
        })
        .collect();
    let place = |field: &Field| required.iter().position(|name| *name == field.name).unwrap_or(usize::MAX);
    fields.sort_by(|left, right| (place(left), &left.name).cmp(&(place(right), &right.name)));
    fields
}

fn kind(schema: &Value) -> Kind {
    if let Some(name) = schema.get("$ref").and_then(reference) {
        return Kind::Named(name.to_owned());
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let some: Vec<&Value> = choices.iter().filter(|choice| choice["type"] != "null").collect();
        assert_eq!(some.len(), 1, "the generators know no union but with null: {schema}");
        return kind(some[0]);
    }
    // An optional field is `["string", "null"]`: that it may also be null is the schema's business.
    let name = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().find(|name| *name != "null").and_then(Value::as_str),
        Some(name) => name.as_str(),
        None => None,
    };
    match name {
        None => Kind::Any,
        Some("boolean") => Kind::Boolean,
        Some("integer") => Kind::Integer,
        Some("number") => Kind::Number,
        Some("string") => Kind::String,
        Some("array") => Kind::List(Box::new(kind(&schema["items"]))),
        Some(other) => panic!("the generators do not know {other:?}: {schema}"),
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}
