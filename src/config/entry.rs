//! What is written in a file or comes from an editor, before it means anything.

use serde_json::{Map, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// `key = value`, and the line it stands on, from 1, if it stands in a file.
pub struct Entry {
    pub key: String,
    pub line: Option<usize>,
    pub item: Item,
}

pub enum Item {
    Table(Vec<Entry>),
    Plain(Value),
}

/// # Errors
/// Where the text is no TOML (a line, from 1), and why.
pub fn from_toml(text: &str) -> Result<Vec<Entry>, (usize, String)> {
    let line_at =
        |offset: usize| 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count();
    let table = DeTable::parse(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(span.start));
        (line, error.message().to_owned())
    })?;
    Ok(entries(table.get_ref(), &line_at))
}

fn entries(table: &DeTable<'_>, line_at: &dyn Fn(usize) -> usize) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let item = match value.get_ref() {
            DeValue::Table(table) => Item::Table(entries(table, line_at)),
            plain => Item::Plain(json(plain)),
        };
        let key_text: &toml::de::DeString<'_> = key.get_ref();
        Entry { key: key_text.to_string(), line: Some(line_at(key.span().start)), item }
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.line);
    entries
}

fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(&**text),
        // What does not fit is no number that anything here takes.
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(truth) => Value::from(*truth),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(values) => values.iter().map(|value| json(value.get_ref())).collect(),
        DeValue::Table(table) => {
            let members = table.iter().map(|(key, value)| (key.get_ref().to_string(), json(value.get_ref())));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// An editor's settings. Those that are null are not set.
pub fn from_json(value: &Value) -> Vec<Entry> {
    let entry = |(key, value): (&String, &Value)| {
        let item = if value.is_object() { Item::Table(from_json(value)) } else { Item::Plain(value.clone()) };
        Entry { key: key.clone(), line: None, item }
    };
    value.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()).map(entry).collect()
}
