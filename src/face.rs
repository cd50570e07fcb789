//! The doors. A face translates between a client's protocol and the hub, and holds no behaviour of its own.

pub mod acp;
pub mod attach;
mod link;
pub mod lsp;
mod roots;
pub mod serve;
pub mod terminal;

use std::time::Duration;

/// A person may be at lunch, or asleep. The approval itself stays open after it.
const PERSON_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
