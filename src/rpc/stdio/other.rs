//! Windows has no readiness for anonymous pipes, so tokio's threads do the blocking calls. The standard handles stay
//! where they are; what keeps children off the wire is that `process` gives each its own handles.

use std::io;

pub type Input = tokio::io::Stdin;
pub type Output = tokio::io::Stdout;

/// The process's standard input and output.
pub fn take() -> io::Result<(Input, Output)> {
    Ok((tokio::io::stdin(), tokio::io::stdout()))
}
