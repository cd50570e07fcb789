//! The process's own standard input and output as the wire.
//!
//! [`take`] moves both to private descriptors that no child inherits and leaves harmless ones in their place: a stray
//! print goes to the log, a stray read finds the end of input.

#[cfg(unix)]
#[path = "stdio/unix.rs"]
mod system;
#[cfg(not(unix))]
#[path = "stdio/other.rs"]
mod system;

pub use system::{Input, Output, take};
