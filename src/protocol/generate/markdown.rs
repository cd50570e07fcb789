//! The tables of `protocol.md`.

use std::fmt::Write;

use serde_json::Value;

use super::shape::{Field, Kind, Row, Shape, Word, definitions, rows};
use crate::protocol::Direction;

/// Every method, one row each.
pub fn methods_table(schema: &Value) -> String {
    let mut out = String::from("| Method | Sent by | Params | Result | |\n|---|---|---|---|---|\n");
    for Row { name, direction, doc, params, result } in rows(schema) {
        let sender = match direction {
            Direction::ToServer => "client",
            Direction::ToClient => "server",
            Direction::Notification => "server, as a notification",
        };
        let result = result.map_or_else(|| "-".to_owned(), |name| link(&name));
        let _ = writeln!(out, "| `{name}` | {sender} | {} | {result} | {} |", link(&params), cell(&doc));
    }
    out
}

/// Every type, one section each.
pub fn types_table(schema: &Value) -> String {
    let mut out = String::new();
    for (index, definition) in definitions(schema).iter().enumerate() {
        let gap = if index == 0 { "" } else { "\n" };
        let _ = write!(out, "{gap}### {}\n\n{}\n", definition.name, definition.doc);
        match &definition.shape {
            Shape::Object(fields) if fields.is_empty() => {}
            Shape::Object(fields) => {
                out.push_str("\n| Field | Type | |\n|---|---|---|\n");
                fields.iter().for_each(|field| row(&mut out, field));
            }
            Shape::Words(words) => {
                out.push_str("\n| Value | |\n|---|---|\n");
                for Word { word, doc } in words {
                    let _ = writeln!(out, "| `\"{word}\"` | {} |", cell(doc));
                }
            }
            Shape::Tagged(variants) => {
                out.push_str("\n| Field | Type | |\n|---|---|---|\n");
                for variant in variants {
                    let _ = writeln!(out, "| **`type`** | **`\"{}\"`** | {} |", variant.tag, cell(&variant.doc));
                    variant.fields.iter().for_each(|field| row(&mut out, field));
                }
            }
        }
    }
    out
}

fn row(out: &mut String, Field { name, doc, kind, required }: &Field) {
    let mark = if *required { "" } else { "?" };
    let _ = writeln!(out, "| `{name}{mark}` | {} | {} |", kind_name(kind), cell(doc));
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Any => "any JSON".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::List(item) => format!("{}[]", kind_name(item)),
        Kind::Named(name) => link(name),
    }
}

fn link(name: &str) -> String {
    format!("[{name}](#{})", name.to_lowercase())
}

fn cell(doc: &str) -> String {
    doc.replace('|', "\\|")
}
