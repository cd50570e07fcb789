//! Pillion's own wire protocol: every method, every shape, once.
//!
//! `protocol.md`, the JSON Schema and the editors' types are generated from what stands here by `protocol/generate.rs`,
//! and a test keeps them true. These types are counterparts of the core's, converted by hand in
//! [`convert`]; nothing below `sidecar` knows them.

mod approval;
mod attach;
mod change;
mod command;
mod content;
pub mod convert;
mod editor;
mod event;

pub mod generate;

mod mcp;
mod method;
mod model;
mod question;
mod session;
mod subscription;
mod task;
mod turn;

pub use approval::*;
pub use attach::*;
pub use change::*;
pub use command::*;
pub use content::*;
pub use editor::*;
pub use event::*;
pub use mcp::*;
pub use method::*;
pub use model::*;
pub use question::*;
pub use session::*;
pub use subscription::*;
pub use task::*;
pub use turn::*;

/// The version of this protocol. It changes when a client written for the one before would break.
pub const VERSION: u32 = 1;
