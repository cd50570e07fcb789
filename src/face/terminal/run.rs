//! `pillion run`: one prompt, headless, on a real project and model.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    answer::{self, LastAnswer},
    dialogue::{Dialogue, NAME},
    show::{Screen, visible},
    signals::{Signals, Stop},
};
use crate::{
    config::{Config, Rules},
    face::{
        attach::{self, Joined},
        link::Link,
        roots,
    },
    log,
    protocol::{
        ContentBlock, Empty, Mode, Request, SessionConfigureParams, SessionEvent, SessionInfo, SessionLoadParams,
        SessionNewParams, Task, TurnCancelParams, TurnStartParams, TurnStartResponse, TurnSteerParams, TurnStopReason,
    },
    sidecar::{AttachmentId, RequestError},
    store::Store,
};

/// Does one job and prints what happens; approvals are asked on the terminal.
///
/// Ends with 0 when the model had said what it wanted to say, 1 when the turn failed or was cut short, 2 when it could
/// not start, 3 when the answer does not fit `--output-schema`, 4 when all went well but for calls that were not run
/// because nobody could be asked, 130 when it was stopped, 141 when nobody reads the output any more. An output that
/// cannot be written, on a full disk for example, is a failure.
///
/// Commands that it started in the background end with it, unless it works in an editor that is open in the folder.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub struct Args {
    /// What to do, or /NAME ARGUMENTS for a prompt command; `-` reads it from the standard input
    prompt: String,
    /// A file or folder to show the model, as it is now; may be given several times. In the prompt itself, `@` is a letter
    #[arg(long = "file", short = 'f', value_name = "PATH")]
    files: Vec<PathBuf>,
    /// provider/model, for example anthropic/claude-sonnet-4-5; without it PILLION_MODEL, or `model` in the settings
    #[arg(long)]
    model: Option<String>,
    /// How much happens without asking
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// A folder to work in, instead of the current one; may be given several times
    #[arg(long = "root", conflicts_with = "session")]
    roots: Vec<PathBuf>,
    /// Go on with a stored session
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Go on with the session that was used last in this folder
    #[arg(long = "continue", short = 'c', conflicts_with = "session")]
    go_on: bool,
    /// A file with a JSON Schema of an object: the last answer is printed as JSON that fits it, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    output_schema: Option<PathBuf>,
    /// Work alone, even if an editor is open in this folder
    #[arg(long)]
    no_attach: bool,
    /// Print one event a line, as JSON
    #[arg(long)]
    json: bool,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the turn failed or was cut short; 2 it could not start; 3 the answer does not fit \
--output-schema; 4 the model came to its end, but calls were not run because nobody could be asked; 130 stopped, by Ctrl-C, \
SIGTERM or SIGHUP; 141 nobody reads the output any more.";

/// The exit code of a turn that went on without what nobody could be asked about.
const UNASKED: u8 = 4;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModeArg {
    Ask,
    #[value(name = "acceptEdits", alias = "accept-edits")]
    AcceptEdits,
    Plan,
    Auto,
}

impl From<ModeArg> for Mode {
    fn from(mode: ModeArg) -> Self {
        match mode {
            ModeArg::Ask => Self::Ask,
            ModeArg::AcceptEdits => Self::AcceptEdits,
            ModeArg::Plan => Self::Plan,
            ModeArg::Auto => Self::Auto,
        }
    }
}

/// Runs the job; returns the exit code.
pub async fn run(mut args: Args) -> anyhow::Result<u8> {
    let prompt = match args.prompt.as_str() {
        "-" => {
            let mut prompt = String::new();
            if let Err(error) = io::stdin().read_to_string(&mut prompt) {
                writeln!(
                    io::stderr(),
                    "pillion: the prompt cannot be read from the standard input: {error}. It must be text in UTF-8; show \
                     other files with --file"
                )?;
                return Ok(2);
            }
            prompt
        }
        prompt => prompt.to_owned(),
    };
    let roots = match roots::existing(&args.roots) {
        Ok(roots) => roots,
        Err(error) => {
            writeln!(io::stderr(), "pillion: {error}")?;
            return Ok(2);
        }
    };
    let schema = match args.output_schema.as_deref().map(answer::schema).transpose() {
        Ok(schema) => schema,
        Err(error) => {
            writeln!(io::stderr(), "pillion: {error}")?;
            return Ok(2);
        }
    };
    if args.go_on {
        let latest = Store::open(None)?.list(roots.first().map(PathBuf::as_path), None, 1)?.sessions.pop();
        let Some(latest) = latest else {
            writeln!(io::stderr(), "pillion: there is no session of this folder to go on with; leave --continue out")?;
            return Ok(2);
        };
        args.session = Some(latest.session_id);
    }
    log::leave_settings_to_sessions();
    let joined = attach::join(roots, attach::Kind::Terminal, NAME, args.no_attach).await?;
    let link = &joined.link;
    let screen = if schema.is_some() { Screen::aside() } else { Screen::new() };
    let (terminal, mut dialogue) = Dialogue::new(screen, args.json);
    let me = link.attach(terminal);
    // Who joins a session of others leaves it to them what nobody can be asked here.
    dialogue.denies = args.session.is_none() || matches!(link, Link::Own(_));
    let code = converse(&joined, me, &mut dialogue, &args, (prompt, schema)).await;
    link.detach(me);
    link.shut_down().await;
    let patience = if matches!(code, Ok(STOPPED)) { STOPPED_LIMIT } else { Duration::MAX };
    let mut signals = Signals::new()?;
    tokio::select! {
        biased;
        _ = signals.next() => Ok(STOPPED),
        written = tokio::time::timeout(patience, dialogue.written()) => match (code?, written) {
            (STOPPED, _) => Ok(STOPPED),
            (code, written) => written.unwrap_or(Ok(())).map(|()| code).map_err(Into::into),
        },
    }
}

/// The exit code when the person or the system stopped it.
pub(super) const STOPPED: u8 = 130;
/// How long whoever reads the output may then still take to.
const STOPPED_LIMIT: Duration = Duration::from_secs(1);

async fn converse(
    joined: &Joined,
    me: AttachmentId,
    dialogue: &mut Dialogue,
    args: &Args,
    (prompt, schema): (String, Option<Value>),
) -> anyhow::Result<u8> {
    let link = &joined.link;
    // With an editor it may be a text that is on no disk yet.
    if link.own().is_some()
        && let Some(missing) = args.files.iter().find(|path| !path.exists())
    {
        let message = format!("{} cannot be shown to the model: there is no such file or folder.", missing.display());
        return unopened(link, args, &RequestError::new(RequestError::NOT_FOUND, message));
    }
    let open = match &args.session {
        Some(id) => Request::SessionLoad(SessionLoadParams {
            session_id: id.clone(),
            from_seq: None,
            roots: None,
            mcp_servers: None,
        }),
        None => Request::SessionNew(SessionNewParams {
            roots: joined.roots.clone(),
            model: args.model.clone(),
            mode: args.mode.map(Into::into),
            ..SessionNewParams::default()
        }),
    };
    let (session_id, turn_id) = match link.call::<SessionInfo>(me, open).await {
        Ok(session) => (session.session_id, session.turn_id),
        Err(error) => return unopened(link, args, &error),
    };
    if args.session.is_some() && (args.model.is_some() || args.mode.is_some()) {
        let configure = Request::SessionConfigure(SessionConfigureParams {
            session_id: session_id.clone(),
            model: args.model.clone(),
            mode: args.mode.map(Into::into),
            limits: None,
        });
        if let Err(error) = link.call::<SessionInfo>(me, configure).await {
            return refused(args, &error);
        }
    }
    let here = std::env::current_dir()?;
    let shown = args.files.iter().map(|path| here.join(path).to_string_lossy().into_owned());
    let prompt = shown.map(|path| ContentBlock::File { path }).chain([ContentBlock::Text { text: prompt }]).collect();
    // From here on there is a turn to stop.
    let mut signals = Signals::new()?;
    let said = async {
        match turn_id {
            None => {
                let start = TurnStartParams {
                    session_id: session_id.clone(),
                    prompt,
                    // Another client may have begun one just now.
                    queue: true,
                    output_schema: schema.clone(),
                };
                link.call::<TurnStartResponse>(me, Request::TurnStart(start)).await.map(|turn| turn.turn_id)
            }
            // A turn that was waiting for the person when an earlier process ended waits again.
            Some(turn_id) => {
                let steer = TurnSteerParams { session_id: session_id.clone(), prompt };
                link.call::<Empty>(me, Request::TurnSteer(steer)).await.map(|Empty {}| turn_id)
            }
        }
    };
    let cancel = |waiting_only: bool| {
        let params = TurnCancelParams { session_id: session_id.clone(), background: false, waiting_only };
        link.request(me, Request::TurnCancel(params), Box::new(|_| {}));
    };
    let mut is_stopped = false;
    tokio::pin!(said);
    let said = loop {
        tokio::select! {
            biased;
            said = &mut said => break said,
            stop = signals.next() => {
                if is_stopped && stop == Stop::Person {
                    return Ok(STOPPED);
                }
                is_stopped = true;
                // What runs meanwhile is somebody else's.
                cancel(true);
            }
        }
    };
    let ours = match said {
        Ok(turn_id) => turn_id,
        Err(_) if is_stopped => return Ok(STOPPED),
        Err(error) => return refused(args, &error),
    };
    if is_stopped {
        // It had begun already.
        cancel(false);
    }
    let mut answer = LastAnswer::default();
    loop {
        tokio::select! {
            biased;
            stop = signals.next() => {
                if is_stopped && stop == Stop::Person {
                    return Ok(STOPPED);
                }
                is_stopped = true;
                cancel(false);
            }
            event = dialogue.next() => {
                let Some(event) = event? else {
                    writeln!(
                        io::stderr(),
                        "pillion: the Pillion that this one was attached to has ended. What was said until now is kept; \
                         go on with: pillion run --session {session_id} PROMPT"
                    )?;
                    return Ok(1);
                };
                answer.take(&event);
                if let SessionEvent::TurnEnded { stop_reason, turn_id, .. } = event
                    && turn_id == ours
                {
                    let is_answered = exit_code(stop_reason) == 0;
                    let code = match &schema {
                        Some(schema) if is_answered => answer.print(schema)?,
                        _ => exit_code(stop_reason),
                    };
                    tell_unasked(dialogue)?;
                    if link.own().is_some() {
                        tell_ended(dialogue)?;
                    }
                    return Ok(if code == 0 && !dialogue.unasked.is_empty() { UNASKED } else { code });
                }
            }
        }
    }
}

fn exit_code(stop_reason: TurnStopReason) -> u8 {
    match stop_reason {
        TurnStopReason::EndTurn | TurnStopReason::StopSequence => 0,
        TurnStopReason::Cancelled => STOPPED,
        TurnStopReason::MaxTokens
        | TurnStopReason::Refusal
        | TurnStopReason::TurnLimit
        | TurnStopReason::Error
        | TurnStopReason::Interrupted => 1,
    }
}

/// Says what was not run because nobody could be asked, and what to do about it.
fn tell_unasked(dialogue: &Dialogue) -> io::Result<()> {
    let unasked = &dialogue.unasked;
    let Some(reason) = dialogue.nobody().filter(|_| !unasked.is_empty()) else { return Ok(()) };
    let calls = if unasked.len() == 1 { "1 call was" } else { &format!("{} calls were", unasked.len()) };
    let mut rules: Vec<_> = unasked.iter().flat_map(|approval| &approval.rules).collect();
    rules.sort();
    rules.dedup();
    let by_rule = match Rules::user_file().filter(|_| !rules.is_empty()) {
        Some(file) => format!(", or allow just this in {}:\n    rules = {}", file.display(), json!(rules)),
        None => ".".to_owned(),
    };
    writeln!(
        io::stderr(),
        "pillion: {calls} not run, because nobody could be asked: {reason}. Run it again in a terminal, or with --mode \
         acceptEdits (edits in the project) or --mode auto (everything in the project){by_rule}"
    )
}

/// Says which commands end with this process.
fn tell_ended(dialogue: &Dialogue) -> io::Result<()> {
    dialogue.background.iter().try_for_each(|Task { task_id, title, .. }| {
        writeln!(
            io::stderr(),
            "pillion: {task_id} still runs, and is ended with this run: {}. Where an editor has this folder open, it \
             would go on there.",
            visible(title)
        )
    })
}

/// There is no session that would tell what is wrong with the settings, and that may be the reason.
fn unopened(link: &Link, args: &Args, error: &RequestError) -> anyhow::Result<u8> {
    if let Some(hub) = link.own() {
        for warning in Config::load(&hub.workspace().roots(), None).1 {
            writeln!(io::stderr(), "pillion: {warning}")?;
        }
    }
    refused(args, error)
}

fn refused(args: &Args, error: &RequestError) -> anyhow::Result<u8> {
    if args.json {
        writeln!(io::stdout(), "{}", json!({"error": {"code": error.code, "message": error.message}}))?;
    } else {
        writeln!(io::stderr(), "pillion: {error}")?;
    }
    Ok(2)
}
