//! Pillion's own wire protocol: every method, every shape, once.
//!
//! `protocol.md`, the JSON Schema and the editors' types are generated from what stands here by `protocol/generate.rs`,
//! and a test keeps them true. These types are counterparts of the core's, converted by hand in
//! [`convert`]; nothing below `sidecar` knows them.

mod approval;
mod content;
pub mod convert;
mod event;

pub mod generate;

mod method;
mod model;
mod session;
mod turn;

pub use approval::*;
pub use content::*;
pub use event::*;
pub use method::*;
pub use model::*;
pub use session::*;
pub use turn::*;

/// The version of this protocol. It changes when a client written for the one before would break.
pub const VERSION: u32 = 1;
