//! `pillion doctor`: what is wrong, and what to do about it.

use std::{
    io::{self, IsTerminal, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::show::{Screen, Style};
use crate::{
    agent::Agent,
    config::{Config, Providers, log_file, private_log},
    mcp::Reach,
    process::{self, Command},
    provider::Provider,
    store::Store,
    transcript::{Message, StopReason},
};

/// How long a model may take to say a word.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// Look whether all that is needed is there, and say what to do where it is not
///
/// Ends with 0 if Pillion can work, else with 1.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask the model a word, too; costs as much as that costs
    #[arg(long)]
    online: bool,
    /// Print one finding a line, as JSON
    #[arg(long)]
    json: bool,
    /// The project's folder, instead of the current one
    #[arg(long = "root", value_name = "FOLDER")]
    root: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
enum Finding {
    Good,
    /// Worth a look; the work goes on.
    Warning,
    /// Nothing works before this is mended.
    Bad,
}

struct Report {
    json: bool,
    screen: Screen,
    is_bad: bool,
}

impl Report {
    fn say(&mut self, finding: Finding, about: &str, text: &str) -> io::Result<()> {
        self.is_bad |= finding == Finding::Bad;
        if self.json {
            let line = serde_json::json!({"finding": finding, "about": about, "text": text});
            return writeln!(io::stdout(), "{line}");
        }
        let (style, mark) = match finding {
            Finding::Good => (Style::Green, '✓'),
            Finding::Warning => (Style::Yellow, '!'),
            Finding::Bad => (Style::Red, '✗'),
        };
        let mut lines = text.lines();
        let first = format!("{mark} {about}: {}", lines.next().unwrap_or_default());
        self.screen.line(style, &first);
        lines.for_each(|line| self.screen.line(Style::Plain, &format!("    {line}")));
        self.screen.is_taken()
    }
}

/// Returns the exit code.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let mut report = Report { json: args.json, screen: Screen::new(), is_bad: false };
    let root = args.root.clone().map_or_else(std::env::current_dir, Ok)?;
    let version = format!("{} on {} {}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH);
    let here = std::env::current_exe().map(|path| format!(", {}", path.display())).unwrap_or_default();
    report.say(Finding::Good, "Pillion", &format!("{version}{here}"))?;

    let (config, mut warnings) = Config::load(std::slice::from_ref(&root), None);
    // Of the model there is more to say below.
    warnings.extend(Providers::check(&config).into_iter().filter(|warning| warning.place != "model"));
    match warnings.is_empty() {
        true => report.say(Finding::Good, "settings", "nothing is wrong with them")?,
        false => {
            for warning in warnings {
                report.say(Finding::Warning, "settings", &warning.to_string())?;
            }
        }
    }
    kept(&mut report)?;
    let found = model(&mut report, &Providers::new(&config))?;
    if let Some((provider, model)) = found.filter(|_| args.online) {
        asked(&mut report, provider, model).await?;
    }
    programs(&mut report, &config).await?;
    if !args.json && io::stdout().is_terminal() {
        let end = if report.is_bad { "Mend what has a ✗ first." } else { "Pillion can work." };
        report.screen.line(Style::Bold, end);
    }
    Ok(u8::from(report.is_bad))
}

/// The state folder, with the sessions and the log.
fn kept(report: &mut Report) -> io::Result<()> {
    let stored = Store::open(None).and_then(|store| Ok((store.list(None, None, 500)?, store)));
    match stored {
        Err(error) => report.say(Finding::Bad, "sessions", &error.to_string())?,
        Ok((page, _)) => {
            let more = if page.next_cursor.is_some() { " or more" } else { "" };
            report.say(Finding::Good, "sessions", &format!("{}{more} are stored", page.sessions.len()))?;
        }
    }
    let Some(file) = log_file() else { return Ok(()) };
    match private_log(&file) {
        Ok(_) => report.say(Finding::Good, "log", &file.display().to_string()),
        Err(error) => {
            let folder = file.parent().unwrap_or(&file).display();
            let text = format!(
                "{folder} cannot be written: {error}. Conversations cannot be kept there either. See to the folder's \
                 permissions, or name another by PILLION_STATE_DIR."
            );
            report.say(Finding::Bad, "log", &text)
        }
    }
}

type Found = Option<(Arc<dyn Provider>, String)>;

/// The model of new sessions.
fn model(report: &mut Report, providers: &Providers) -> io::Result<Found> {
    let Some(model) = providers.default_model() else {
        report.say(Finding::Bad, "model", &providers.hint())?;
        return Ok(None);
    };
    match providers.get(&model) {
        Ok(found) => {
            report.say(Finding::Good, "model", &format!("{model} is set up"))?;
            Ok(Some(found))
        }
        Err(error) => {
            report.say(Finding::Bad, "model", &error.to_string())?;
            Ok(None)
        }
    }
}

/// Whether the model answers.
async fn asked(report: &mut Report, provider: Arc<dyn Provider>, model: String) -> anyhow::Result<()> {
    let agent = Agent::builder().provider(provider).model(model).max_tokens(64).turn_limit(1).build()?;
    let history = [Message::user("Say the word: ready.")];
    let answered = tokio::time::timeout(ANSWER_LIMIT, agent.run(&history)).await;
    match answered {
        Err(_) => {
            let text = format!("there was no answer within {ANSWER_LIMIT:?}. See to the network, or to `proxy`.");
            report.say(Finding::Bad, "answer", &text)?;
        }
        Ok(Err(error)) => report.say(Finding::Bad, "answer", &error.to_string())?,
        Ok(Ok(result)) if result.stop_reason == StopReason::Error => {
            report.say(Finding::Bad, "answer", "the model failed")?;
        }
        Ok(Ok(_)) => report.say(Finding::Good, "answer", "the model has answered")?,
    }
    Ok(())
}

/// The programs that are started.
async fn programs(report: &mut Report, config: &Config) -> io::Result<()> {
    let shell = process::capture(Command::shell("exit 0"), Duration::from_secs(10)).await;
    match shell {
        Ok(_) => report.say(Finding::Good, "shell", &process::shell_name())?,
        Err(error) => report.say(Finding::Bad, "shell", &format!("no command can be run: {error}"))?,
    }
    for server in &config.mcp {
        let Reach::Program { program: command, .. } = &server.reach else { continue };
        let about = format!("MCP server {}", server.name);
        match is_there(command) {
            true => report.say(Finding::Good, &about, command)?,
            false => {
                let text = format!("there is no program {command:?}. Install it, or correct its `command`.");
                report.say(Finding::Warning, &about, &text)?;
            }
        }
    }
    Ok(())
}

/// Whether the system would find this program.
fn is_there(command: &str) -> bool {
    let path = PathBuf::from(command);
    if path.components().count() > 1 {
        return path.exists();
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| {
        let found = folder.join(&path);
        found.exists() || (cfg!(windows) && ["exe", "cmd", "bat"].iter().any(|end| found.with_extension(end).exists()))
    })
}
