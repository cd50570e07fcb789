//! What is generated from the method table and the types' docs: the JSON Schema, the tables of `protocol.md` and the
//! editors' types. The output is a function of the sources alone; a test keeps the files true to it.

mod lua;
mod markdown;
mod openrpc;
mod shape;
mod typescript;

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{
    AttachParams, AttachResponse, ClientCapabilities, Direction, FileReadParams, FileReadResponse, FileWriteParams,
    METHODS, SessionEventsParams, VERSION,
};

pub use lua::lua;
pub use markdown::{methods_table, types_table};
pub use openrpc::openrpc;
pub use typescript::typescript;

/// Says in each generated file what makes it.
const GENERATED: &str = "Generated from src/protocol by `cargo test generated`. Do not edit.";

/// The JSON Schema of the protocol: every type under `$defs`, and under `methods` which method takes and gives which.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut methods = Map::new();
    for method in METHODS {
        let mut entry = json!({
            "description": method.doc.trim(),
            "direction": match method.direction {
                Direction::ToServer => "clientToServer",
                Direction::ToClient => "serverToClient",
                Direction::Notification => "serverNotification",
            },
            "params": (method.params)(&mut generator),
        });
        if let Some(result) = method.result {
            entry["result"] = result(&mut generator).to_value();
        }
        methods.insert(method.name.to_owned(), entry);
    }
    generator.subschema_for::<ClientCapabilities>();
    generator.subschema_for::<SessionEventsParams>();
    generator.subschema_for::<AttachParams>();
    generator.subschema_for::<AttachResponse>();
    generator.subschema_for::<FileReadParams>();
    generator.subschema_for::<FileReadResponse>();
    generator.subschema_for::<FileWriteParams>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": GENERATED,
        "title": "Pillion's protocol",
        "version": VERSION,
        "methods": methods,
        "$defs": generator.take_definitions(true),
    })
}
