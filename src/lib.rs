//! Pillion: an AI coding agent beside any editor. The person keeps the handlebars.

pub mod transcript;

pub mod provider;

pub mod workspace;

pub mod tool;

pub mod permission;

pub mod agent;

pub mod protocol;

pub mod sidecar;

pub mod process;
