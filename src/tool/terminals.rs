//! Commands in terminals of the client's, where the person sees them run.

use std::path::PathBuf;

use async_trait::async_trait;

use super::ToolError;
use crate::process::{Child, Chunk, Exit};

/// Starts commands for calls. What they see of the environment is the client's to say.
#[async_trait]
pub trait Terminals: Send + Sync + 'static {
    /// # Errors
    ///
    /// If the client refuses. It is not run then.
    async fn start(&self, call_id: &str, command: TerminalCommand) -> Result<Box<dyn Terminal>, ToolError>;
}

/// A program to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TerminalCommand {
    pub program: String,
    pub arguments: Vec<String>,
    pub folder: PathBuf,
    /// Set beside what else there is.
    pub variables: Vec<(String, String)>,
}

/// A started command. Dropping it lets the terminal go.
#[async_trait]
pub trait Terminal: Send + 'static {
    /// The next piece of output; `None` when there is no more. Safe to drop and call again.
    async fn next_output(&mut self) -> Option<Chunk>;

    /// How it ended, once there is no more output.
    async fn wait(&mut self) -> Exit;

    /// Ends it if it still runs. What it printed until then can still be had.
    async fn end(&mut self);
}

/// A command that runs.
pub(super) enum Running {
    Here(Box<Child>),
    InTerminal(Box<dyn Terminal>),
}

impl Running {
    pub(super) async fn next_output(&mut self) -> Option<Chunk> {
        match self {
            Self::Here(child) => child.next_output().await,
            Self::InTerminal(terminal) => terminal.next_output().await,
        }
    }

    pub(super) async fn wait(&mut self) -> Exit {
        match self {
            Self::Here(child) => child.wait().await,
            Self::InTerminal(terminal) => terminal.wait().await,
        }
    }

    /// The processes that could not be ended, as far as they are known.
    pub(super) async fn end(&mut self) -> Vec<u32> {
        match self {
            Self::Here(child) => child.end().await,
            Self::InTerminal(terminal) => {
                terminal.end().await;
                Vec::new()
            }
        }
    }
}
