//! `pillion sessions`: the stored conversations, without a model.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    time::{Duration, SystemTime},
};

use serde_json::json;

use super::{
    export,
    show::{Screen, visible},
};
use crate::{
    protocol::{SessionEvent, SessionInfo},
    store::{Store, StoreError},
};

/// Look at the stored conversations, write them out, or delete them
///
/// Ends with 0, or 2 when there is no such session or it cannot be read.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List them, the latest used first
    List {
        /// Only those of this folder
        #[arg(long, value_name = "FOLDER")]
        root: Option<PathBuf>,
        /// The most to list
        #[arg(long, default_value_t = 20)]
        limit: usize,
        /// Print one session a line, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what was said and done in one
    Show {
        /// As `pillion sessions list` shows it
        session: String,
    },
    /// Write one out, with its whole outputs
    Export {
        /// As `pillion sessions list` shows it
        session: String,
        #[arg(long, value_enum, default_value_t = Format::Markdown)]
        format: Format,
        /// Where to write, instead of to the standard output; a file that exists is left alone
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Delete some for good
    Delete {
        /// As `pillion sessions list` shows them
        #[arg(required = true)]
        sessions: Vec<String>,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Markdown,
    /// The session and all its events, as clients get them
    Json,
}

/// Returns the exit code.
pub fn run(args: Args) -> anyhow::Result<u8> {
    let store = Store::open(None)?;
    let done = match args.command {
        Command::List { root, limit, json } => list(&store, root, limit, json),
        Command::Show { session } => show(&store, &session),
        Command::Export { session, format, output } => write_out(&store, &session, format, output),
        Command::Delete { sessions, yes } => delete(&store, &sessions, yes),
    };
    match done {
        Ok(code) => Ok(code),
        // Whoever reads the list has seen enough of it.
        Err(error) if is_closed(&error) => Ok(0),
        Err(error) => {
            writeln!(io::stderr(), "pillion: {error}")?;
            Ok(2)
        }
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn list(store: &Store, root: Option<PathBuf>, limit: usize, json: bool) -> anyhow::Result<u8> {
    let resolve = |root: PathBuf| {
        let told =
            |error| anyhow::anyhow!("{} cannot be looked into: {error}; without --root all are listed", root.display());
        std::fs::canonicalize(&root).map_err(told)
    };
    let root = root.map(resolve).transpose()?;
    let page = store.list(root.as_deref(), None, limit)?;
    let mut out = io::stdout();
    if !json && page.sessions.is_empty() {
        writeln!(io::stderr(), "No session is stored yet; `pillion run` and every editor make some.")?;
    }
    for session in page.sessions {
        if json {
            writeln!(out, "{}", serde_json::to_string(&session)?)?;
        } else {
            let SessionInfo { session_id, title, updated_at, .. } = &session;
            writeln!(out, "{session_id}  {:>8}  {}", ago(*updated_at), visible(title))?;
        }
    }
    if page.next_cursor.is_some() && !json {
        writeln!(io::stderr(), "There are more; --limit shows them.")?;
    }
    Ok(0)
}

/// `3 h ago`: what somebody looks for in a list.
fn ago(seconds: u64) -> String {
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let passed = SystemTime::now().duration_since(then).unwrap_or_default().as_secs();
    match passed {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min", passed / 60),
        3600..86400 => format!("{} h", passed / 3600),
        _ => format!("{} days", passed / 86400),
    }
}

fn events(store: &Store, session: &SessionInfo) -> Result<impl Iterator<Item = (u64, SessionEvent)>, StoreError> {
    let past = store.replay(&session.session_id, 1..=session.last_seq)?;
    // Events of a newer Pillion mean nothing to this one.
    Ok(past.filter_map(|(seq, json)| Some((seq, serde_json::from_str(json.get()).ok()?))))
}

fn show(store: &Store, id: &str) -> anyhow::Result<u8> {
    let session = store.info(id)?;
    let mut screen = Screen::new();
    for (_, event) in events(store, &session)? {
        if let SessionEvent::TurnStarted { prompt, .. } | SessionEvent::TurnSteered { prompt, .. } = &event {
            screen.prompt(&export::words(prompt));
        }
        screen.event(&event);
        screen.is_taken()?;
    }
    Ok(0)
}

fn write_out(store: &Store, id: &str, format: Format, output: Option<PathBuf>) -> anyhow::Result<u8> {
    let session = store.info(id)?;
    let text = match format {
        Format::Markdown => export::markdown(&session, events(store, &session)?.map(|(_, event)| event)),
        Format::Json => {
            let events = events(store, &session)?.map(|(seq, event)| json!({"seq": seq, "event": event}));
            let all = json!({"session": session, "events": events.collect::<Vec<_>>()});
            serde_json::to_string_pretty(&all)? + "\n"
        }
    };
    match output {
        None => io::stdout().write_all(text.as_bytes())?,
        Some(file) => {
            let made = std::fs::File::create_new(&file).and_then(|mut made| made.write_all(text.as_bytes()));
            made.map_err(|error| anyhow::anyhow!("{} cannot be written: {error}", file.display()))?;
        }
    }
    Ok(0)
}

fn delete(store: &Store, ids: &[String], yes: bool) -> anyhow::Result<u8> {
    for id in ids {
        let session = store.info(id)?;
        if !yes {
            if !io::stdin().is_terminal() {
                anyhow::bail!("{id} is not deleted: nobody can be asked here. Say --yes if you mean it.");
            }
            write!(io::stdout(), "Delete {id} ({}) for good? [y/N] ", visible(&session.title))?;
            io::stdout().flush()?;
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            if !matches!(line.trim().to_lowercase().as_str(), "y" | "yes") {
                continue;
            }
        }
        store.delete(id)?;
        writeln!(io::stdout(), "Deleted {id}.")?;
    }
    Ok(0)
}
