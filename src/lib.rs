//! Pillion: an AI coding agent beside any editor. The person keeps the handlebars.
//!
//! # The map, from the wire to the core and back
//!
//! - [`rpc`] reads frames and keeps one ordered queue of what goes out.
//! - [`face`] translates: an LSP editor, a terminal. It holds no behaviour.
//! - [`sidecar`] is the hub: one loop over one `Event`, which owns the [`session`]s, those who watch them and what waits
//!   for a person. [`store`] keeps their logs, [`config`] says what is set, [`protocol`] holds the words on the wire.
//! - [`agent`] is the core and a library of its own: a model ([`provider`]), its [`tool`]s, the gate ([`permission`]) and
//!   the one loop that runs a turn over a [`transcript`].
//! - [`context`] is what people write for the model: instruction files, skills, prompt commands, and what a prompt points
//!   to.
//! - [`mcp`] brings tools of other programs, MCP servers, among the tools.
//! - [`workspace`] is the person's files as they see them, [`process`] the only way to start a program.
//!
//! # What never happens
//!
//! - The core never mentions an editor, JSON-RPC or a session; a test reads the sources for it.
//! - No file is touched outside `workspace`, `store` and `config`, no process started outside `process`: clippy refuses.
//! - No handler of a face waits for a turn or a person; the reader of a connection never waits at all.
//! - Nothing but protocol frames reaches the standard output of `pillion lsp`.
//! - No model's answer is trusted to be whole: a call that was cut is not run, a path is confined when it is used.
//! - No event of a turn follows its `turnEnded`; no call stays without its one result.

pub mod rpc;

pub mod face;

pub mod sidecar;

pub mod session;

pub mod store;

pub mod config;

pub mod protocol;

pub mod agent;

pub mod context;

pub mod permission;

pub mod mcp;

pub mod tool;

pub mod process;

pub mod workspace;

pub mod provider;

pub mod wire_check;

pub mod transcript;
