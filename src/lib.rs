//! Pillion: an AI coding agent beside any editor. The person keeps the handlebars.
//!
//! The modules stand in reading order, and each depends only on those above it. What never happens is as much the
//! design as what does:
//!
//! - The agent's core (`transcript`, `provider`, `workspace`, `tool`, `permission`, `agent`) never names LSP, JSON-RPC
//!   or a session. Where it needs something from above it declares a small trait, and those above implement it.
//! - No behaviour lives in a face: it translates, hands on and returns. No handler waits for a turn or an approval,
//!   and none awaits anything before a change to a document has taken effect.
//! - No file of the person's is read or written but through `workspace`, and no process is started but through
//!   `process`. Clippy holds both.
//! - Nothing is printed to standard output, which belongs to the wire, except by the terminal's face. Clippy holds
//!   this, too.
//! - A tool call never goes without its result in a transcript, whether it was denied, failed, panicked or was cut off.
//! - An edit is never written over text that nobody has read, and nothing is undone that the person typed.
//! - No queue is without a bound, and the reader of a connection never waits for its writer.
//! - A tool's failure is never an error of the loop: the model reads it and goes on. No input reaches a panic.
//! - A wire type never has behaviour and the core's types are never serialized onto the wire: `protocol` converts.
//! - No model is chosen silently: not the scripted one in place of a real one, and none when a key is missing.

pub mod transcript;

pub mod provider;

pub mod workspace;

pub mod tool;

pub mod permission;

pub mod agent;

pub mod protocol;

pub mod sidecar;
