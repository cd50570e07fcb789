//! Pillion from outside: the real server as a process, real files, real HTTP.
#![allow(clippy::disallowed_methods, reason = "tests play the person, who has files and programs of their own")]

mod agent;
mod approvals;
mod generated;
mod laws;
mod layers;
// Looks for processes in `/proc`.
#[cfg(target_os = "linux")]
mod lifecycle;
mod sessions;
mod store;
mod support;
mod terminal;
mod tools;
mod wire;
