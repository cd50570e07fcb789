//! How a job is told to stop.

use std::io;

#[cfg(unix)]
use futures::future::OptionFuture;

#[cfg(unix)]
use crate::process;

/// Hears what asks this process to stop, from when it is made on.
pub struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    /// `None` where whoever started this process wants it to outlive its terminal.
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
    #[cfg(windows)]
    close: tokio::signal::windows::CtrlClose,
    #[cfg(windows)]
    shutdown: tokio::signal::windows::CtrlShutdown,
}

/// Who wants it to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The person, by Ctrl-C. They press it again if it takes them too long.
    Person,
    /// The system: by SIGTERM, or by SIGHUP where the terminal is closed; it may send both. On Windows, where the console
    /// is closed or the system shuts down.
    System,
}

impl Signals {
    /// # Errors
    ///
    /// If the system does not let them be heard.
    #[cfg(unix)]
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let hangup = if process::ignores_hangup() { None } else { Some(signal(SignalKind::hangup())?) };
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    #[cfg(windows)]
    pub fn new() -> io::Result<Self> {
        use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_shutdown};
        Ok(Self { interrupt: ctrl_c()?, close: ctrl_close()?, shutdown: ctrl_shutdown()? })
    }

    /// The next. Safe to drop and call again.
    #[cfg(unix)]
    pub async fn next(&mut self) -> Stop {
        let hangup = OptionFuture::from(self.hangup.as_mut().map(tokio::signal::unix::Signal::recv));
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Person,
            _ = self.terminate.recv() => Stop::System,
            Some(_) = hangup => Stop::System,
        }
    }

    #[cfg(windows)]
    pub async fn next(&mut self) -> Stop {
        tokio::select! {
            _ = self.interrupt.recv() => Stop::Person,
            _ = self.close.recv() => Stop::System,
            _ = self.shutdown.recv() => Stop::System,
        }
    }
}
