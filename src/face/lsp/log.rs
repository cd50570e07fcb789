//! What is logged, in the editor's own log of this server: editors show what a server prints to its standard error as
//! errors, whatever it is.

use serde_json::{Value, json};
use tracing::Level;

use crate::{
    log::{self, Lines, Reading},
    rpc::Peer,
};

/// Gives the editor what is logged from now on, as long as this is kept. `None` if it goes elsewhere.
pub(super) fn show(peer: Peer, trace: &Value) -> Option<Reading> {
    let (reading, lines) = log::listen()?;
    set_trace(&reading, trace);
    tokio::spawn(tell(lines, peer));
    Some(reading)
}

/// LSP's `TraceValue`.
pub(super) fn set_trace(reading: &Reading, value: &Value) {
    reading.set_verbose(value == "verbose");
}

/// An editor that is slow to read leaves the rest waiting, of which the log keeps little.
async fn tell(mut lines: Lines, peer: Peer) {
    while let Some(line) = lines.next().await {
        peer.writable().await;
        // LSP's `MessageType`.
        let kind = match line.level {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            Level::DEBUG | Level::TRACE => 4,
        };
        peer.notify("window/logMessage", &json!({ "type": kind, "message": line.text }));
    }
}
