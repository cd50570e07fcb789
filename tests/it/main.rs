//! Pillion from outside: the real server as a process, real files, real HTTP.
#![allow(clippy::disallowed_methods, reason = "tests play the person, who has files and programs of their own")]

mod acp;
mod agent;
mod approvals;
mod attach;
mod background;
mod batches;
mod changes;
mod comments;
mod compaction;
mod context;
mod desk;
mod events;
mod generated;
mod hooks;
mod http_server;
mod laws;
mod layers;
// Looks for processes in `/proc`.
#[cfg(target_os = "linux")]
mod lifecycle;
mod log;
mod mcp;
mod moving;
mod replays;
mod restart;
mod route;
mod serve;
mod sessions;
mod store;
mod support;
mod terminal;
mod tools;
mod trace;
mod wire;
