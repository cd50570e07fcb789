//! Arguments -> face -> exit code.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use pillion::{config::recording, face, process};

/// An AI coding agent beside any editor: you keep the handlebars.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Sessions(Sessions),
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
    /// Check the providers against a folder of recorded responses
    #[command(hide = true)]
    WireCheck {
        /// One folder a provider, in it one folder a case
        dir: PathBuf,
    },
}

/// What asks models in sessions.
#[derive(Subcommand)]
enum Sessions {
    /// Serve an editor over LSP on the standard input and output
    Lsp {
        /// Accepted, since some editors always add it
        #[arg(long)]
        stdio: bool,
    },
    /// Do one job in the current folder, from the terminal
    Run(face::terminal::run::Args),
    /// See the main job with nothing set up: no key, no network, a throw-away project
    Demo(face::terminal::demo::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    hide_memory();
    give_memory_back();
    let cli = Cli::parse();
    face::terminal::log::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    process::claim_orphans();
    let code = runtime.block_on(async {
        let code = match cli.command {
            Command::Sessions(command) => match std::env::var_os("PILLION_RECORD").filter(|file| !file.is_empty()) {
                Some(file) => record(Path::new(&file), false, command).await,
                None => sessions(command).await,
            },
            Command::Record { file, timing, command } => record(&file, timing, command).await,
            Command::Batch(args) => face::terminal::batch::run(args).await,
            Command::WireCheck { dir } => {
                Ok(u8::from(pillion::wire_check::run(&dir, &mut std::io::stdout()).await?.failed > 0))
            }
        };
        process::end_all().await;
        code
    })?;
    // A blocking read of a terminal cannot be interrupted, and nothing is left that it could be needed for.
    runtime.shutdown_background();
    Ok(ExitCode::from(code))
}

async fn sessions(command: Sessions) -> anyhow::Result<u8> {
    match command {
        Sessions::Lsp { stdio: _ } => face::lsp::serve_stdio().await,
        Sessions::Run(args) => face::terminal::run::run(args).await,
        Sessions::Demo(args) => face::terminal::demo::run(args).await,
    }
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
