//! `protocol.lua`: annotations for LuaLS, and the names of the methods.

use std::fmt::Write;

use serde_json::Value;

use super::{
    GENERATED,
    shape::{Definition, Field, Kind, Row, Shape, definitions, rows},
};
use crate::protocol::{Direction, VERSION};

/// The whole file.
pub fn lua(schema: &Value) -> String {
    let mut out = format!("-- {GENERATED}\n");
    for Definition { name, doc, shape } in definitions(schema) {
        let _ = writeln!(out, "\n---{doc}");
        match shape {
            Shape::Object(fields) => class(&mut out, &name, None, &fields),
            Shape::Words(words) => {
                let _ = writeln!(out, "---@alias pillion.{name}");
                for word in words {
                    let doc = if word.doc.is_empty() { String::new() } else { format!(" # {}", word.doc) };
                    let _ = writeln!(out, "---| \"{}\"{doc}", word.word);
                }
            }
            Shape::Tagged(variants) => {
                let _ = writeln!(out, "---@alias pillion.{name}");
                for variant in &variants {
                    let _ = writeln!(out, "---| pillion.{name}.{}", capitalised(&variant.tag));
                }
                for variant in &variants {
                    let _ = write!(out, "\n---{}\n", variant.doc);
                    class(
                        &mut out,
                        &format!("{name}.{}", capitalised(&variant.tag)),
                        Some(&variant.tag),
                        &variant.fields,
                    );
                }
            }
        }
    }
    out.push_str("\nlocal M = {}\n");
    let _ = write!(out, "\n---Changes when a client written for the one before would break.\nM.VERSION = {VERSION}\n");
    for Row { name, direction, doc, params, result } in rows(schema) {
        let sender = match direction {
            Direction::ToServer => "Request to the server",
            Direction::ToClient => "Request from the server",
            Direction::Notification => "Notification from the server",
        };
        let result = result.map_or_else(String::new, |result| format!(" -> `pillion.{result}`"));
        let _ = write!(out, "\n---{doc}\n---{sender}: `pillion.{params}`{result}\n");
        let _ = writeln!(out, "M.{} = '{name}'", constant(name));
    }
    out.push_str("\nreturn M\n");
    out
}

fn class(out: &mut String, name: &str, tag: Option<&str>, fields: &[Field]) {
    let _ = writeln!(out, "---@class pillion.{name}");
    if let Some(tag) = tag {
        let _ = writeln!(out, "---@field type \"{tag}\"");
    }
    for Field { name, doc, kind, required } in fields {
        let (mark, gap) = (if *required { "" } else { "?" }, if doc.is_empty() { "" } else { " " });
        let _ = writeln!(out, "---@field {name}{mark} {}{gap}{doc}", kind_name(kind));
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Any => "any".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Integer => "integer".to_owned(),
        Kind::Number => "number".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::List(item) => format!("{}[]", kind_name(item)),
        Kind::Named(name) => format!("pillion.{name}"),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// `SESSION_NEW` for `session/new`.
fn constant(method: &str) -> String {
    method.replace('/', "_").to_uppercase()
}
