//! Where `tracing` goes: to the standard error, which editors keep as the server's log.

use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts logging at `PILLION_LOG` (a level such as `debug`, or targets such as `warn,pillion::rpc=trace`), by default
/// warnings and errors.
pub fn start() {
    let wanted = std::env::var("PILLION_LOG").ok();
    let targets = wanted.and_then(|targets| targets.parse::<Targets>().ok());
    let targets = targets.unwrap_or_else(|| Targets::new().with_default(tracing::Level::WARN));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // Somebody who embeds the library may have a subscriber of their own.
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
}
