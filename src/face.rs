//! The doors. A face translates between a client's protocol and the hub, and holds no behaviour of its own.

pub mod lsp;
pub mod terminal;
