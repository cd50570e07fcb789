//! Arguments -> face -> exit code.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{CommandFactory, Parser, Subcommand};
use pillion::{
    config::{recording, secrets},
    face, log, process,
    rpc::{Framing, Trace},
};

/// An AI coding agent beside any editor: you keep the handlebars.
#[derive(Parser)]
#[command(version, propagate_version = true, after_help = PLACES)]
struct Cli {
    /// How much of the log is shown: off, error, warn, info, debug or trace, or TARGET=LEVEL for a part
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<log::Levels>,
    #[command(subcommand)]
    command: Command,
}

/// Blank lines and indents keep their shape in the manual page too.
const PLACES: &str = "\
Environment:

  PILLION_MODEL      the model of new sessions, for example anthropic/claude-sonnet-4-5
  ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY and so on
                     a provider's key
  PILLION_MODE       how much happens without asking: ask, acceptEdits, plan or auto
  PILLION_CONFIG     the file of settings
  PILLION_STATE_DIR  where sessions and the log are kept
  PILLION_LOG        as --log
  PILLION_RECORD, PILLION_TRACE
                     a file, as for the commands record and trace

Files:

  ~/.config/pillion/config.toml  settings, unless PILLION_CONFIG names another file
  rules.toml beside it           what is run without asking
  .pillion/config.toml           what a project asks for
  ~/.local/state/pillion         sessions and the log, unless PILLION_STATE_DIR names another folder

`pillion doctor` says what is missing, `pillion config show --origin` lists all settings,
and `pillion man COMMAND` prints the manual page of a command.";

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Sessions(Sessions),
    /// Follow a session from a second terminal, and answer its approvals
    Attach(face::terminal::attach::Args),
    /// Hand over many requests at once, to be answered within a day for half the price
    Batch(face::terminal::batch::Args),
    /// Write down what models answer, as a script for a bug report, while an editor is served or a job is done
    ///
    /// The file can be played again by the model `scripted`; keys are kept out of it. One that exists gets a number
    /// behind. Setting `PILLION_RECORD=FILE` does the same for an editor that starts Pillion itself.
    Record {
        /// Where to write
        file: PathBuf,
        /// Write down the pauses too
        #[arg(long)]
        timing: bool,
        #[command(subcommand)]
        command: Sessions,
    },
    /// Write down what an editor and Pillion say to each other, for a bug report, while it is served
    ///
    /// One message a line, as JSON; keys are kept out of it, what is in your files is not. A file that exists gets a number
    /// behind. Setting `PILLION_TRACE=FILE` does the same for an editor that starts Pillion itself.
    Trace {
        /// Where to write
        file: PathBuf,
        /// Over LSP if nothing is said
        #[command(subcommand)]
        command: Option<Spoken>,
    },
    /// Look at the stored conversations, write them out, or delete them
    #[command(name = "sessions")]
    Stored(face::terminal::sessions::Args),
    /// Check the settings, or show what is in force
    Config(face::terminal::settings::Args),
    /// Look whether all that is needed is there, and say what to do where it is not
    Doctor(face::terminal::doctor::Args),
    /// Print a shell's completions of Pillion's commands
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or that of one command
    Man {
        /// For example `run` or `sessions`
        command: Option<String>,
    },
    /// Check the providers against a folder of recorded responses
    #[command(hide = true)]
    WireCheck {
        /// One folder a provider, in it one folder a case
        dir: PathBuf,
    },
}

/// What is spoken with one client on the standard input and output.
#[derive(Subcommand)]
enum Spoken {
    /// Serve an editor over LSP on the standard input and output
    Lsp {
        /// Accepted, since some editors always add it
        #[arg(long)]
        stdio: bool,
    },
    Acp(face::acp::Args),
}

/// What asks models in sessions.
#[derive(Subcommand)]
enum Sessions {
    #[command(flatten)]
    Spoken(Spoken),
    /// Do one job in the current folder, from the terminal
    Run(face::terminal::run::Args),
    /// Serve programs over WebSocket and HTTP
    Serve(face::serve::Args),
    /// See the main job with nothing set up: no key, no network, a throw-away project
    Demo(face::terminal::demo::Args),
}

/// The exit code of programs that a broken pipe ended, as shells have it.
const BROKEN_PIPE: u8 = 141;

fn main() -> anyhow::Result<ExitCode> {
    hide_memory();
    give_memory_back();
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    process::claim_orphans();
    let code = runtime.block_on(async {
        log::start(cli.log);
        let code = match cli.command {
            Command::Sessions(command) => match std::env::var_os("PILLION_RECORD").filter(|file| !file.is_empty()) {
                Some(file) => record(Path::new(&file), false, command).await,
                None => sessions(command).await,
            },
            Command::Record { file, timing, command } => record(&file, timing, command).await,
            Command::Attach(args) => face::terminal::attach::run(args).await,
            Command::Trace { file, command } => {
                traced(Some(&file), command.unwrap_or(Spoken::Lsp { stdio: true })).await
            }
            Command::Stored(args) => face::terminal::sessions::run(args),
            Command::Config(args) => face::terminal::settings::run(args),
            Command::Doctor(args) => face::terminal::doctor::run(args).await,
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(shell, &mut Cli::command(), "pillion", &mut script);
                io::stdout().write_all(&script).map(|()| 0).map_err(Into::into)
            }
            Command::Man { command } => man(command.as_deref()),
            Command::Batch(args) => face::terminal::batch::run(args).await,
            Command::WireCheck { dir } => {
                Ok(u8::from(pillion::wire_check::run(&dir, &mut std::io::stdout()).await?.failed > 0))
            }
        };
        process::end_all().await;
        log::finish().await;
        code.or_else(|error: anyhow::Error| match error.downcast_ref::<io::Error>() {
            // Whoever read it has seen enough: `pillion man | head`.
            Some(broken) if broken.kind() == io::ErrorKind::BrokenPipe => Ok(BROKEN_PIPE),
            _ => Err(error),
        })
    })?;
    // A blocking read of a terminal cannot be interrupted, and nothing is left that it could be needed for.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

async fn sessions(command: Sessions) -> anyhow::Result<u8> {
    match command {
        Sessions::Spoken(spoken) => {
            let file = std::env::var_os("PILLION_TRACE").filter(|file| !file.is_empty());
            traced(file.as_deref().map(Path::new), spoken).await
        }
        Sessions::Run(args) => face::terminal::run::run(args).await,
        Sessions::Serve(args) => face::serve::run(args).await,
        Sessions::Demo(args) => face::terminal::demo::run(args).await,
    }
}

/// Serves an editor, and writes down what is said if there is a file for it.
async fn traced(file: Option<&Path>, spoken: Spoken) -> anyhow::Result<u8> {
    let framing = match &spoken {
        Spoken::Lsp { .. } => Framing::ContentLength,
        Spoken::Acp(_) => Framing::Lines,
    };
    let trace = match file.map(recording::fresh).transpose() {
        Ok(fresh) => fresh.map(|(name, file)| {
            let _ = writeln!(io::stderr(), "pillion: writes what is said to {}", name.display());
            secrets::hide_settings();
            Trace::new(Box::new(file), framing, |text| secrets::redact(&text))
        }),
        Err(error) => {
            writeln!(io::stderr(), "pillion: the trace cannot be written: {error}")?;
            return Ok(2);
        }
    };
    match spoken {
        Spoken::Lsp { stdio: _ } => face::lsp::serve_stdio(trace).await,
        Spoken::Acp(args) => face::acp::serve_stdio(&args, trace).await,
    }
}

/// Prints a manual page as roff.
fn man(name: Option<&str>) -> anyhow::Result<u8> {
    let mut cli = Cli::command();
    cli.build();
    let command = match name {
        None => cli,
        Some(name) => match cli.find_subcommand(name).filter(|command| !command.is_hide_set()) {
            Some(command) => command.clone(),
            None => {
                writeln!(io::stderr(), "pillion: there is no command {name:?}; `pillion help` shows them")?;
                return Ok(2);
            }
        },
    };
    clap_mangen::Man::new(command).render(&mut io::stdout())?;
    Ok(0)
}

async fn record(file: &Path, timing: bool, command: Sessions) -> anyhow::Result<u8> {
    match recording::start(file, timing) {
        Ok(file) => writeln!(io::stderr(), "pillion: records what models answer to {}", file.display())?,
        Err(error) => {
            writeln!(io::stderr(), "pillion: {} cannot be recorded to: {error}", file.display())?;
            return Ok(2);
        }
    }
    sessions(command).await
}

/// Commands run as the same person and could read the keys in this process's environment and memory, through `/proc` or
/// as a debugger. The system denies that from now on (except to root), and makes no core dumps either.
fn hide_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A sandbox that refuses it is no reason not to work.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Makes the allocator return what a long answer needed, instead of keeping it for the next: measured after 40,000
/// deltas, 10.0 MiB resident instead of 12.5.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_memory_back() {
    // SAFETY: mallopt only sets two numbers, and no other thread runs yet.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 128 << 10);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_memory_back() {}
