//! `protocol.ts`: interfaces, unions and the map of methods.

use std::fmt::Write;

use serde_json::Value;

use super::{
    GENERATED,
    shape::{Definition, Field, Kind, Shape, definitions, rows},
};
use crate::protocol::{Direction, VERSION};

/// The whole file.
pub fn typescript(schema: &Value) -> String {
    let mut out = format!(
        "// {GENERATED}\n\n/** Changes when a client written for the one before would break. */\n\
         export const VERSION = {VERSION};\n"
    );
    let maps = [
        ("Requests", "Requests from the client to the server.", Direction::ToServer),
        (
            "ClientRequests",
            "Requests from the server, sent only to clients that declared that they answer them.",
            Direction::ToClient,
        ),
        ("Notifications", "Notifications from the server.", Direction::Notification),
    ];
    for (name, doc, direction) in maps {
        out.push('\n');
        comment(&mut out, "", doc);
        let _ = writeln!(out, "export interface {name} {{");
        for row in rows(schema).into_iter().filter(|row| row.direction == direction) {
            comment(&mut out, "  ", &row.doc);
            let result = row.result.map_or_else(String::new, |result| format!("; result: {result}"));
            let _ = writeln!(out, "  \"{}\": {{ params: {}{result} }};", row.name, row.params);
        }
        out.push_str("}\n");
    }
    for Definition { name, doc, shape } in definitions(schema) {
        out.push('\n');
        comment(&mut out, "", &doc);
        match shape {
            Shape::Object(fields) if fields.is_empty() => {
                let _ = writeln!(out, "export type {name} = Record<string, never>;");
            }
            Shape::Object(fields) => {
                let _ = writeln!(out, "export interface {name} {{");
                fields.iter().for_each(|field| write_field(&mut out, "  ", field));
                out.push_str("}\n");
            }
            Shape::Words(words) => {
                let _ = write!(out, "export type {name} =");
                for word in words {
                    out.push('\n');
                    comment(&mut out, "  ", &word.doc);
                    let _ = write!(out, "  | \"{}\"", word.word);
                }
                out.push_str(";\n");
            }
            Shape::Tagged(variants) => {
                let _ = write!(out, "export type {name} =");
                for variant in variants {
                    out.push('\n');
                    comment(&mut out, "  ", &variant.doc);
                    if variant.fields.is_empty() {
                        let _ = write!(out, "  | {{ type: \"{}\" }}", variant.tag);
                        continue;
                    }
                    let _ = writeln!(out, "  | {{\n      type: \"{}\";", variant.tag);
                    variant.fields.iter().for_each(|field| write_field(&mut out, "      ", field));
                    out.push_str("    }");
                }
                out.push_str(";\n");
            }
        }
    }
    out
}

fn write_field(out: &mut String, indent: &str, Field { name, doc, kind, required }: &Field) {
    comment(out, indent, doc);
    let mark = if *required { "" } else { "?" };
    let _ = writeln!(out, "{indent}{name}{mark}: {};", kind_name(kind));
}

fn comment(out: &mut String, indent: &str, doc: &str) {
    let doc = doc.replace("*/", "*\\/");
    if !doc.is_empty() {
        let _ = writeln!(out, "{indent}/** {doc} */");
    }
}

fn kind_name(kind: &Kind) -> String {
    match kind {
        Kind::Any => "unknown".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Integer | Kind::Number => "number".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::List(item) => format!("{}[]", kind_name(item)),
        Kind::Named(name) => name.clone(),
    }
}
