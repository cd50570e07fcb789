//! `pillion config`: what is set, where, and what is wrong with it.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use crate::config::{Config, Origin, Providers};

/// Check the settings, or show what is in force
///
/// The editor's own settings are not among them: they are known only while it runs.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what is wrong with them, or with the rules; ends with 1 if anything is
    Check {
        #[command(flatten)]
        place: Place,
    },
    /// Show what is set and in force; what is not shown has its default. Secrets are hidden
    Show {
        /// Say of each where it is set, and list what has its default too
        #[arg(long)]
        origin: bool,
        /// The same, one setting a line, as JSON; null where there is no value
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The project's folder, instead of the current one
    #[arg(long = "root", value_name = "FOLDER")]
    root: Option<PathBuf>,
}

impl Place {
    fn roots(self) -> io::Result<Vec<PathBuf>> {
        Ok(vec![self.root.map_or_else(std::env::current_dir, Ok)?])
    }
}

/// Returns the exit code.
pub fn run(args: Args) -> anyhow::Result<u8> {
    match args.command {
        Command::Check { place } => {
            let (config, mut warnings) = Config::load(&place.roots()?, None);
            warnings.extend(Providers::check(&config));
            for warning in &warnings {
                writeln!(io::stdout(), "{warning}")?;
            }
            if warnings.is_empty() && io::stdout().is_terminal() {
                writeln!(io::stdout(), "Nothing is wrong.")?;
            }
            Ok(u8::from(!warnings.is_empty()))
        }
        Command::Show { origin, json, place } => {
            let (mut origins, warnings) = Config::origins(&place.roots()?);
            origins.retain(|one| origin || json || !one.is_default());
            let longest = origins.iter().map(|origin| origin.name.chars().count()).max().unwrap_or_default();
            let mut out = io::stdout();
            for Origin { name, value, place } in &origins {
                if json {
                    let line = serde_json::json!({"name": name, "value": value, "origin": place});
                    writeln!(out, "{line}")?;
                } else if origin {
                    let value = if value.is_null() { "(not set)".to_owned() } else { value.to_string() };
                    writeln!(out, "{name:longest$} = {value}  # {place}")?;
                } else {
                    writeln!(out, "{name} = {value}")?;
                }
            }
            if origins.is_empty() && out.is_terminal() {
                writeln!(
                    out,
                    "Nothing is set: all is as it comes. `pillion doctor` says where your settings would be."
                )?;
            }
            for warning in warnings {
                writeln!(io::stderr(), "pillion: {warning}")?;
            }
            Ok(0)
        }
    }
}
