//! `pillion batch`: many requests handed over at once, from a file, for work that outgrows one machine.
//!
//! What was handed over is written beside the file before and after each step, so that every step can be interrupted
//! anywhere and done again: nothing is submitted twice, and no result is written twice.

mod submit;

mod status;

mod collect;

mod answers;
mod input;
mod progress;
mod state;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use self::{
    input::{Input, Options},
    progress::Bar,
    state::{Chunk, Hold, Sending, State},
};
use crate::{
    config::{Config, Providers},
    provider::{
        batch::{BatchError, Batches, MOST_ITEMS},
        retry,
    },
};

/// Hands over many requests at once, to be answered within a day for half the price (Anthropic's Message Batches).
///
/// FILE holds a JSON object a line: `{"id": "a", "prompt": "..."}`. Instead of `prompt` there may be `messages`
/// (`[{"role": "user", "content": "..."}]`); `model`, `system` and `max_tokens` may be given too. An id is 1 to 64 letters,
/// digits, `_` and `-`, and no two are the same.
///
/// Beside FILE stand `FILE.batch.json`, which says what was handed over, and `FILE.results.jsonl`. Each command may be
/// interrupted and given again.
///
/// Ends with 0 when all is well, 1 when something failed or a request got no answer, 2 when it could not start, 3 when the
/// batches have not ended yet, 130 when it was stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Hand over the requests of FILE, in as many batches as it takes
    Submit(Submit),
    /// Say how far the batches of FILE are
    Status {
        file: PathBuf,
        /// Wait until all have ended
        #[arg(long)]
        wait: bool,
        /// The longest time between two looks, in seconds
        #[arg(long, default_value_t = 60.0)]
        every: f64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Write the answers that are there to FILE.results.jsonl
    Results { file: PathBuf },
    /// Ask for an early end of the batches of FILE; what was answered until then stays
    Cancel { file: PathBuf },
}

#[derive(Debug, clap::Args)]
struct Submit {
    file: PathBuf,
    /// provider/model of requests that name none, for example anthropic/claude-haiku-4-5
    #[arg(long)]
    model: Option<String>,
    /// The system text of requests that bring none
    #[arg(long)]
    system: Option<String>,
    /// The most tokens of one answer
    #[arg(long)]
    max_tokens: Option<u32>,
    /// The most requests of one batch
    #[arg(long, default_value_t = MOST_ITEMS, value_parser = at_least_one)]
    per_batch: usize,
    /// After an interruption: this is the batch that was being handed over
    #[arg(long, value_name = "BATCH", conflicts_with = "again")]
    adopt: Option<String>,
    /// After an interruption: hand over again what may or may not have arrived
    #[arg(long)]
    again: bool,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it must be 1 or more".to_owned())
}

/// What ends a command early.
enum Trouble {
    /// Nothing was begun; exit code 2.
    CannotStart(String),
    /// Exit code 1.
    Failed(String),
}

impl<E: std::error::Error> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Failed(error.to_string())
    }
}

fn cannot_start(error: impl ToString) -> Trouble {
    Trouble::CannotStart(error.to_string())
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const COULD_NOT_START: u8 = 2;
const NOT_YET: u8 = 3;
const STOPPED: u8 = 130;

/// Runs the command; returns the exit code.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let outcome = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => return Ok(STOPPED),
        outcome = command(args.command) => outcome,
    };
    let (code, message) = match outcome {
        Ok(code) => return Ok(code),
        Err(Trouble::CannotStart(message)) => (COULD_NOT_START, message),
        Err(Trouble::Failed(message)) => (FAILED, message),
    };
    writeln!(io::stderr(), "pillion: {message}")?;
    Ok(code)
}

async fn command(command: Command) -> Result<u8, Trouble> {
    match command {
        Command::Submit(args) => submit::submit(args).await,
        Command::Status { file, wait, every, json } => {
            let every = Duration::try_from_secs_f64(every).map_err(|_| cannot_start("--every is no time"))?;
            let mut job = Job::open(&file)?;
            let batches = if wait { job.wait(every).await? } else { job.look(&mut Bar::none()).await? };
            job.tell(&batches, json)
        }
        Command::Results { file } => {
            let hold = Hold::take(&file).map_err(cannot_start)?;
            let code = Job::open(&file)?.collect().await;
            drop(hold);
            code
        }
        Command::Cancel { file } => {
            let _hold = Hold::take(&file).map_err(cannot_start)?;
            Job::open(&file)?.cancel().await
        }
    }
}

/// What was submitted, and who answers it.
struct Job {
    file: PathBuf,
    state: State,
    batches: Batches,
    retry: retry::Policy,
}

impl Job {
    /// What was submitted of a file.
    fn open(file: &Path) -> Result<Self, Trouble> {
        let Some(state) = State::load(file).map_err(cannot_start)? else {
            let message =
                format!("Nothing of {0} was submitted. Do that with `pillion batch submit {0}`.", file.display());
            return Err(cannot_start(message));
        };
        if Input::new(file).fingerprint().is_ok_and(|now| now != state.input) {
            let _ = writeln!(io::stderr(), "pillion: {} has changed since it was submitted.", file.display());
        }
        Self::of(file, state, &config())
    }

    fn of(file: &Path, state: State, config: &Config) -> Result<Self, Trouble> {
        let (provider, _) = Providers::new(config).get(&state.options.model).map_err(cannot_start)?;
        let batches = provider.batches().ok_or_else(|| {
            cannot_start(format!(
                "{} has no batches that Pillion knows. Choose a model of Anthropic with --model.",
                provider.name()
            ))
        })?;
        Ok(Self { file: file.to_owned(), state, batches, retry: config.retry })
    }

    fn save(&self) -> Result<(), Trouble> {
        Ok(self.state.save(&self.file)?)
    }
}

/// What is set for the current folder. What is wrong in it is told and no more.
fn config() -> Config {
    let roots: Vec<PathBuf> = std::env::current_dir().into_iter().collect();
    let (config, warnings) = Config::load(&roots, None);
    for warning in warnings {
        let _ = writeln!(io::stderr(), "pillion: {warning}");
    }
    config
}

/// Does what may be done twice until it works, or will not.
async fn patiently<T>(
    policy: retry::Policy,
    mut attempt: impl AsyncFnMut() -> Result<T, BatchError>,
) -> Result<T, BatchError> {
    let mut failed = 0;
    loop {
        let error = match attempt().await {
            Err(BatchError::Provider(error)) if error.class.is_retryable() => error,
            outcome => return outcome,
        };
        failed += 1;
        if failed >= policy.tries {
            return Err(BatchError::Provider(error));
        }
        tokio::time::sleep(policy.wait(failed, error.retry_after, fastrand::f64())).await;
    }
}

fn say(line: &str) {
    // A closed pipe ends what is shown, not the work.
    let _ = writeln!(io::stdout(), "{line}");
}
