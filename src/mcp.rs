//! Tools, resources and prompts of MCP servers.
//!
//! [`Servers`] is a [`Source`](crate::tool::Source) of tools: each server is started beside the others and nobody waits
//! for it; what it offers appears when it is ready, changes when it says so, and goes when it is given up. One that ends is
//! started again, later each time and not for ever.
//!
//! ```no_run
//! use pillion::{
//!     mcp::{Servers, Spec},
//!     tool::{Collision, Registry},
//!     workspace::Workspace,
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let workspace = Workspace::new(vec![std::env::current_dir()?]);
//! let servers = Servers::new(workspace, |notice| tracing::warn!("{}", notice.message));
//! servers.set(vec![Spec::program("files", "mcp-files", ["--read-only"])], Vec::new());
//!
//! let mut tools = Registry::standard();
//! tools.add_source(servers.clone(), Collision::First)?;
//! let mut changes = tools.watch();
//! println!("{:?}", changes.next().await.added); // ["mcp__files__list", ...]
//! servers.shut_down().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Whom to trust
//!
//! A server is a program that the person chose, and what it says comes from anybody. So each call of its tools is of
//! class [`Execute`](crate::tool::Class::Execute), whatever it says of them; it is checked against the tool's own schema; its
//! answers are bounded; it sees no key of this process's environment; it may ask the person something only while a call of
//! it runs; and it uses the model only where that is allowed, and the person agrees each time.

mod answer;
mod bounded;
mod call;
mod handler;
mod http;
mod name;
mod offer;
mod prompt;
mod question;
mod resource;
mod schema;
mod secret;
mod server;
mod servers;
mod stdio;
mod tool;

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, time::Duration};

pub use servers::{Notice, Servers};

use crate::provider::http::Route;

/// Under which the library that speaks MCP logs. It names the addresses of servers, which may hold keys.
pub const LOG_TARGET: &str = "rmcp";

/// A server, as it is set.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    /// What people call it. Stands in the names of its tools.
    pub name: String,
    pub reach: Reach,
    pub enabled: bool,
    /// How long it may be silent while a call runs: its progress counts as a word, the person's time does not count.
    pub timeout: Duration,
    /// Globs on the names that it gives its tools: only these; all when absent.
    pub only: Option<Vec<String>>,
    /// Globs on the names that it gives its tools: never these.
    pub without: Vec<String>,
    /// Whether it may ask for an answer of the model. The person is asked each time.
    pub sampling: bool,
}

/// How a server is spoken to.
#[derive(Clone, PartialEq)]
pub enum Reach {
    /// A program, over its standard input and output.
    Program {
        program: String,
        arguments: Vec<String>,
        /// Said to it, beside the environment without its secrets.
        variables: Vec<(String, String)>,
        /// Where it runs; in the first root when absent.
        directory: Option<PathBuf>,
    },
    /// Streamable HTTP.
    Http { url: String, headers: Vec<(String, String)>, route: Route },
}

/// What has become of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub name: String,
    pub state: State,
    /// How many of its tools are offered.
    pub tools: usize,
    /// What failed last, while it is not ready.
    pub error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// For the first time, or again after it ended.
    Starting,
    Ready,
    /// Given up.
    Failed,
    /// Switched off.
    Disabled,
}

/// Chosen: as long as other clients wait.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Spec {
    /// A server that is a program, with the defaults for all else.
    pub fn program<A: Into<String>>(
        name: impl Into<String>,
        program: impl Into<String>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        let reach = Reach::Program { program: program.into(), arguments, variables: Vec::new(), directory: None };
        Self::new(name, reach)
    }

    /// A server at an address, with the defaults for all else.
    pub fn http(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(name, Reach::Http { url: url.into(), headers: Vec::new(), route: Route::default() })
    }

    pub fn new(name: impl Into<String>, reach: Reach) -> Self {
        Self {
            name: name.into(),
            reach,
            enabled: true,
            timeout: TIMEOUT,
            only: None,
            without: Vec::new(),
            sampling: false,
        }
    }

    /// Whether a tool that the server gives this name is offered.
    fn offers(&self, tool: &str) -> bool {
        let is_named = |globs: &[String]| {
            globs.iter().any(|glob| {
                glob == tool || globset::Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(tool))
            })
        };
        self.only.as_deref().is_none_or(is_named) && !is_named(&self.without)
    }
}

/// Without what may be a secret.
impl fmt::Debug for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program { program, directory, .. } => formatter
                .debug_struct("Program")
                .field("program", program)
                .field("directory", directory)
                .finish_non_exhaustive(),
            Self::Http { .. } => formatter.debug_struct("Http").finish_non_exhaustive(),
        }
    }
}
