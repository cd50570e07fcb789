//! `--output-schema`: the last answer, as JSON that fits.

use std::{
    io::{self, Write},
    path::Path,
};

use serde_json::Value;

use crate::{agent::fitting, protocol::SessionEvent};

/// The exit code for an answer that does not fit.
const MISFIT: u8 = 3;

/// Reads a schema.
///
/// # Errors
/// Says what is wrong with the file.
#[allow(clippy::disallowed_methods, reason = "the person names the file on the command line")]
pub fn schema(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
    let schema: Value = serde_json::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{} is no JSON Schema: {error}", path.display()))?;
    anyhow::ensure!(schema.is_object(), "{} is no JSON Schema: it must be an object", path.display());
    Ok(schema)
}

/// What the model said since its last call of a tool.
#[derive(Default)]
pub struct LastAnswer(String);

impl LastAnswer {
    pub fn take(&mut self, event: &SessionEvent) {
        match event {
            SessionEvent::MessageDelta { text } => self.0.push_str(text),
            SessionEvent::Superseded | SessionEvent::ToolCall { .. } => self.0.clear(),
            _ => {}
        }
    }

    /// Prints it on a line, if it is what was asked for. Returns the exit code.
    pub fn print(&self, schema: &Value) -> anyhow::Result<u8> {
        match fitting(&self.0, schema) {
            Ok(value) => {
                writeln!(io::stdout(), "{value}")?;
                Ok(0)
            }
            Err(error) => {
                writeln!(io::stderr(), "pillion: {error}")?;
                Ok(MISFIT)
            }
        }
    }
}
