//! `pillion run`: one prompt, headless, on a real project and model.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal, Read, Write},
    path::PathBuf,
    sync::Arc,
};

use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::show::{self, Screen};
use crate::{
    protocol::{
        ApprovalDecision, ContentBlock, Mode, Request, SessionConfigureParams, SessionEvent, SessionInfo,
        SessionLoadParams, SessionNewParams, TurnCancelParams, TurnStartParams, TurnSteerParams, TurnStopReason,
    },
    sidecar::{Attachment, AttachmentId, Inquiry, LoggedEvent, RequestError, Sidecar, Verdict},
    store::Store,
    workspace::Workspace,
};

/// Does one job and prints what happens; approvals are asked on the terminal.
///
/// Ends with 0 when the model had said what it wanted to say, 1 when the turn failed or was cut short, 2 when it could
/// not start, 130 when it was stopped.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do, or /NAME ARGUMENTS for a prompt command; `-` reads it from the standard input
    prompt: String,
    /// A file or folder to show the model, as it is now; may be given several times. In the prompt itself, `@` is a letter
    #[arg(long = "file", short = 'f', value_name = "PATH")]
    files: Vec<PathBuf>,
    /// provider/model, for example anthropic/claude-sonnet-4-5
    #[arg(long)]
    model: Option<String>,
    /// How much happens without asking
    #[arg(long, value_enum)]
    mode: Option<ModeArg>,
    /// A folder to work in, instead of the current one; may be given several times
    #[arg(long = "root", conflicts_with = "session")]
    roots: Vec<PathBuf>,
    /// Go on with a stored session
    #[arg(long)]
    session: Option<String>,
    /// Print one event a line, as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModeArg {
    Ask,
    #[value(alias = "acceptEdits")]
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

/// What the hub tells the terminal.
enum Heard {
    Event(Box<LoggedEvent>),
    Asked(Box<Asked>),
}

/// What waits for the person.
struct Asked {
    inquiry: Inquiry,
    answer: oneshot::Sender<Option<Verdict>>,
}

struct Terminal(mpsc::UnboundedSender<Heard>);

impl Attachment for Terminal {
    fn event(&self, event: &LoggedEvent) {
        let _ = self.0.send(Heard::Event(Box::new(event.clone())));
    }

    // The terminal is written to without a queue of its own: it keeps up by definition.
    fn is_ready(&self) -> bool {
        true
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        futures::future::ready(()).boxed()
    }

    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        let (answer, answered) = oneshot::channel();
        let _ = self.0.send(Heard::Asked(Box::new(Asked { inquiry, answer })));
        async move { answered.await.ok().flatten() }.boxed()
    }
}

/// Runs the job; returns the exit code.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let prompt = match args.prompt.as_str() {
        "-" => {
            let mut prompt = String::new();
            io::stdin().read_to_string(&mut prompt)?;
            prompt
        }
        prompt => prompt.to_owned(),
    };
    let given = if args.roots.is_empty() { vec![std::env::current_dir()?] } else { args.roots.clone() };
    let mut roots = Vec::new();
    for root in given {
        match std::fs::canonicalize(&root) {
            Ok(root) => roots.push(root),
            Err(error) => {
                writeln!(io::stderr(), "pillion: {} cannot be worked in: {error}", root.display())?;
                return Ok(2);
            }
        }
    }
    let sidecar = Sidecar::start(Workspace::new(roots), Store::open(None)?);
    sidecar.configure(None);
    let (sender, heard) = mpsc::unbounded_channel();
    let me = sidecar.attach(Arc::new(Terminal(sender)));
    let code = converse(&sidecar, me, heard, &args, prompt).await;
    sidecar.shut_down().await;
    code
}

async fn converse(
    sidecar: &Sidecar,
    me: AttachmentId,
    mut heard: mpsc::UnboundedReceiver<Heard>,
    args: &Args,
    prompt: String,
) -> anyhow::Result<u8> {
    let open = match &args.session {
        Some(id) => {
            Request::SessionLoad(SessionLoadParams { session_id: id.clone(), from_seq: None, mcp_servers: None })
        }
        None => Request::SessionNew(SessionNewParams {
            model: args.model.clone(),
            mode: args.mode.map(Into::into),
            ..SessionNewParams::default()
        }),
    };
    let (session_id, turn_id) = match call::<SessionInfo>(sidecar, me, open).await {
        Ok(session) => (session.session_id, session.turn_id),
        Err(error) => return refused(args, &error),
    };
    if args.session.is_some() && (args.model.is_some() || args.mode.is_some()) {
        let configure = Request::SessionConfigure(SessionConfigureParams {
            session_id: session_id.clone(),
            model: args.model.clone(),
            mode: args.mode.map(Into::into),
            limits: None,
        });
        if let Err(error) = call::<SessionInfo>(sidecar, me, configure).await {
            return refused(args, &error);
        }
    }
    let here = std::env::current_dir()?;
    let shown = args.files.iter().map(|path| here.join(path).to_string_lossy().into_owned());
    let prompt = shown.map(|path| ContentBlock::File { path }).chain([ContentBlock::Text { text: prompt }]).collect();
    // A turn that was waiting for the person when an earlier process ended waits again.
    let said = match turn_id {
        None => Request::TurnStart(TurnStartParams { session_id: session_id.clone(), prompt }),
        Some(_) => Request::TurnSteer(TurnSteerParams { session_id: session_id.clone(), prompt }),
    };
    if let Err(error) = call::<IgnoredAny>(sidecar, me, said).await {
        return refused(args, &error);
    }
    let mut screen = Screen::new();
    let mut stops = 0;
    // One question at a time stands on the terminal, so that an answer hits the one it was meant for.
    let mut waiting: VecDeque<Asked> = VecDeque::new();
    let mut asking: Option<JoinHandle<()>> = None;
    loop {
        while asking.is_none()
            && let Some(Asked { inquiry, answer }) = waiting.pop_front()
        {
            if !answer.is_closed() {
                asking = decide(&mut screen, args, inquiry, answer);
            }
        }
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {
                stops += 1;
                if stops > 1 {
                    return Ok(130);
                }
                let cancel = Request::TurnCancel(TurnCancelParams { session_id: session_id.clone(), background: false });
                sidecar.request(me, cancel, Box::new(|_| {}));
            }
            Some(_) = OptionFuture::from(asking.as_mut()) => asking = None,
            heard = heard.recv() => match heard {
                None => return Ok(1),
                Some(Heard::Asked(asked)) => waiting.push_back(*asked),
                Some(Heard::Event(logged)) => {
                    if args.json {
                        writeln!(io::stdout(), "{}", serde_json::to_string(&logged)?)?;
                    } else {
                        screen.event(&logged.event);
                    }
                    if let SessionEvent::TurnEnded { stop_reason, .. } = logged.event {
                        return Ok(exit_code(stop_reason));
                    }
                }
            },
        }
    }
}

/// Asks the person on the terminal, on a thread of its own so that a stop is heard meanwhile. Without a terminal an
/// approval is refused, with the reason, and a question is nobody's.
fn decide(
    screen: &mut Screen,
    args: &Args,
    inquiry: Inquiry,
    answer: oneshot::Sender<Option<Verdict>>,
) -> Option<JoinHandle<()>> {
    let nobody = args.json || !io::stdin().is_terminal() || !io::stdout().is_terminal();
    match inquiry {
        Inquiry::Approval(_) if nobody => {
            let reason = "Nobody can be asked here: the standard input is no terminal. The person can run this with \
                          --mode acceptEdits or --mode auto, or in a terminal.";
            let _ = answer.send(Some(Verdict::Approval(ApprovalDecision::Deny { reason: Some(reason.to_owned()) })));
            None
        }
        Inquiry::Question(_) if nobody => {
            let _ = answer.send(None);
            None
        }
        Inquiry::Approval(approval) => {
            screen.approval(&approval);
            Some(tokio::task::spawn_blocking(move || {
                let decision = show::ask(&approval).unwrap_or(ApprovalDecision::CancelTurn);
                let _ = answer.send(Some(Verdict::Approval(decision)));
            }))
        }
        Inquiry::Question(question) => {
            screen.question(&question);
            Some(tokio::task::spawn_blocking(move || {
                let _ = answer.send(Some(Verdict::Question(show::ask_question(&question))));
            }))
        }
    }
}

fn exit_code(stop_reason: TurnStopReason) -> u8 {
    match stop_reason {
        TurnStopReason::EndTurn | TurnStopReason::StopSequence => 0,
        TurnStopReason::Cancelled => 130,
        TurnStopReason::MaxTokens
        | TurnStopReason::Refusal
        | TurnStopReason::TurnLimit
        | TurnStopReason::Error
        | TurnStopReason::Interrupted => 1,
    }
}

fn refused(args: &Args, error: &RequestError) -> anyhow::Result<u8> {
    if args.json {
        writeln!(io::stdout(), "{}", json!({"error": {"code": error.code, "message": error.message}}))?;
    } else {
        writeln!(io::stderr(), "pillion: {error}")?;
    }
    Ok(2)
}

/// One request to the hub, answered.
async fn call<T: DeserializeOwned>(sidecar: &Sidecar, me: AttachmentId, request: Request) -> Result<T, RequestError> {
    let (reply, answered) = oneshot::channel();
    sidecar.request(me, request, Box::new(move |result| drop(reply.send(result))));
    let gone = || RequestError::new(RequestError::INTERNAL, "Pillion's hub has ended");
    let result = answered.await.map_err(|_| gone())??;
    serde_json::from_str(result.get()).map_err(|error| RequestError::new(RequestError::INTERNAL, error.to_string()))
}
