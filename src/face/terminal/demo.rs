//! `pillion demo`: the main job with nothing set up.
//!
//! A real server is started as a child, exactly as an editor starts it, and driven over its standard streams by a small
//! editor that holds one unsaved buffer of a throw-away project. Only the model is played, from a script that is part
//! of the program; everything else is the real thing.

mod editor;

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use editor::Buffer;
use serde_json::{Value, json, value::RawValue};
use tokio::{process::Child, sync::mpsc};

use super::{
    asking::{self, Typed},
    run::STOPPED,
    show::{Screen, Style},
};
use crate::{
    protocol::{
        Approval, ApprovalDecision, ApprovalOutcome, ApprovalRequestParams, ApprovalScope, SessionEvent,
        SessionEventNotification, SessionInfo, TurnStartResponse, TurnStopReason,
    },
    rpc::{Connection, Error, Peer, Reply, Service, Settings, read_params},
    workspace::uri_of,
};

/// Plays the main job: an unsaved buffer, a failing test, an edit that asks, a test that passes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Answer yes instead of asking, as without a terminal
    #[arg(long)]
    yes: bool,
}

/// Long enough for the slowest machine; a person who thinks about an approval is not waited for with it.
const LIMIT: Duration = Duration::from_secs(30);

const FILE: &str = "price.sh";
const ON_DISK: &str = include_str!("demo/price.sh");
const TEST: &str = include_str!("demo/test.sh");
const SCRIPT: &str = include_str!("demo/script.json");

const TYPED_FIRST: &str = "# Ten pieces or more: a tenth off.\n";
const TYPED_MEANWHILE: &str = "# All amounts in cents.\n";

/// What the server says, in its order.
enum Heard {
    Request { reply: Reply, method: String, params: Option<Box<RawValue>> },
    Event(Box<SessionEventNotification>),
}

struct Editor(mpsc::UnboundedSender<Heard>);

impl Service for Editor {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) {
        let _ = self.0.send(Heard::Request { reply, method: method.to_owned(), params: params.map(ToOwned::to_owned) });
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        if method == crate::protocol::SESSION_EVENT
            && let Ok(event) = read_params(params)
        {
            let _ = self.0.send(Heard::Event(Box::new(event)));
        }
    }
}

struct Demo {
    screen: Screen,
    typed: Typed,
    peer: Peer,
    project: PathBuf,
    buffer: Buffer,
    asks_person: bool,
    deltas: usize,
    /// What the last call printed, to tell whether the test was green.
    last_result: String,
}

/// Plays it; returns 0 if the test was green at the end, 130 if the person stopped it.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let folder = tempfile::Builder::new().prefix("pillion-demo-").tempdir()?;
    let project = folder.path().canonicalize()?.join("shop");
    write_project(folder.path(), &project)?;
    let mut server = start_server(folder.path(), &project)?;
    let code = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Ok(STOPPED),
        played = play(&args, &mut server, project) => played,
    };
    // Before its folder goes. It has ended already if nothing went wrong.
    let _ = server.kill().await;
    code
}

async fn play(args: &Args, server: &mut Child, project: PathBuf) -> anyhow::Result<u8> {
    let began = Instant::now();
    let (input, output) = server.stdin.take().zip(server.stdout.take()).context("the server has no streams")?;

    let connection = Connection::new(Settings::LSP);
    let peer = connection.peer().clone();
    let (sender, heard) = mpsc::unbounded_channel();
    let serving = tokio::spawn(async move { connection.serve(output, input, &mut Editor(sender)).await });

    let buffer = Buffer::new(project.join(FILE), ON_DISK);
    let asks_person = !args.yes && io::stdin().is_terminal() && io::stdout().is_terminal();
    let (screen, typed) = (Screen::new(), Typed::default());
    let mut demo = Demo { screen, typed, peer, project, buffer, asks_person, deltas: 0, last_result: String::new() };
    let code = demo.play(heard).await?;
    demo.seam("editor → pillion", "shutdown, exit");
    let _: Value = demo.peer.call("shutdown", &(), LIMIT).await?;
    demo.peer.notify("exit", &());
    let status = tokio::time::timeout(LIMIT, server.wait()).await.context("the server does not end")??;
    serving.abort();
    demo.screen.line(
        Style::Bold,
        &format!("\nThe server ended with {status}. All of it took {:.1} s.", began.elapsed().as_secs_f32()),
    );
    demo.screen.is_taken()?;
    Ok(code)
}

impl Demo {
    async fn play(&mut self, mut heard: mpsc::UnboundedReceiver<Heard>) -> anyhow::Result<u8> {
        self.screen.line(Style::Bold, "Pillion's main job, with a played model and a real server\n");
        let root = uri_of(&self.project);
        self.seam("editor → pillion", "initialize (as any LSP client does)");
        let initialized: Value = self.peer.call("initialize", &self.initialize(&root), LIMIT).await?;
        self.seam("pillion → editor", &format!("I am {}", initialized["serverInfo"]));
        self.peer.notify("initialized", &json!({}));

        self.seam("editor → pillion", &format!("didOpen {FILE}"));
        self.peer.notify("textDocument/didOpen", &self.buffer.did_open());
        let change = self.buffer.insert(1, TYPED_FIRST);
        self.seam("person → buffer ", &format!("types, and does not save: {}", TYPED_FIRST.trim_end()));
        self.peer.notify("textDocument/didChange", &change);

        let session: SessionInfo = self.peer.call("session/new", &json!({}), LIMIT).await?;
        let prompt = "The discount I have just noted does not work yet. Please make the test pass.";
        self.seam("person → pillion", prompt);
        let start = json!({"sessionId": session.session_id, "prompt": [{"type": "text", "text": prompt}]});
        let _: TurnStartResponse = self.peer.call("turn/start", &start, LIMIT).await?;

        let (stop_reason, error) = loop {
            match tokio::time::timeout(LIMIT, heard.recv()).await.context("the server has fallen silent")? {
                None => bail!("the server went away in the middle of the turn"),
                Some(Heard::Request { reply, method, params }) => {
                    self.request(reply, &method, params.as_deref()).await?
                }
                Some(Heard::Event(event)) => {
                    if let SessionEvent::TurnEnded { stop_reason, error, .. } = event.event {
                        break (stop_reason, error);
                    }
                    self.event(&event);
                }
            }
        };
        self.seam(
            "pillion → editor",
            &format!("turnEnded, the last event; {} pieces of text were streamed", self.deltas),
        );
        if let Some(error) = error {
            bail!("the turn failed: {error}");
        }
        Ok(self.look(stop_reason))
    }

    /// What came out of it, checked and said.
    fn look(&mut self, stop_reason: TurnStopReason) -> u8 {
        self.screen.line(Style::Bold, &format!("\n{FILE} in the buffer now"));
        let text = self.buffer.text().to_owned();
        self.screen.line(Style::Plain, text.lines().map(|line| format!("    {line}\n")).collect::<String>().as_str());
        let kept = text.contains(TYPED_FIRST) && text.contains(TYPED_MEANWHILE);
        let steps = self.buffer.edits_by_pillion();
        let before = self.buffer.undone();
        let undone = before.as_deref().is_some_and(|before| before.contains(TYPED_FIRST) && !before.contains("off=10"));
        let passed = self.last_result.contains("ok: 10 pieces") && !self.last_result.contains("FAIL");
        self.check(kept, "everything the person typed is still there, also what was typed while the question was open");
        if steps > 0 {
            self.check(steps == 1, "the edit is one undo step");
            self.check(undone, "undoing it gives back exactly what the person had");
            self.check(passed, "the test is green");
        } else {
            self.check(!text.contains("off=10"), "the edit was not allowed, and nothing of it is in the buffer");
        }
        let as_wished = stop_reason == TurnStopReason::EndTurn || steps == 0;
        u8::from(!(kept && as_wished && (steps == 0 || (undone && passed))))
    }

    fn check(&mut self, holds: bool, what: &str) {
        let (style, mark) = if holds { (Style::Green, "✓") } else { (Style::Red, "✗") };
        self.screen.line(style, &format!("{mark} {what}"));
    }

    fn event(&mut self, event: &SessionEventNotification) {
        match &event.event {
            SessionEvent::MessageDelta { .. } => self.deltas += 1,
            SessionEvent::ToolResult { text, .. } => self.last_result.clone_from(text),
            SessionEvent::ToolCall { tool, .. } => self.seam("model  → pillion", &format!("calls {tool}")),
            SessionEvent::ApprovalResolved { outcome, .. } => {
                let outcome = match outcome {
                    ApprovalOutcome::Allowed { .. } => "allowed".to_owned(),
                    ApprovalOutcome::Denied { reason: Some(reason) } => format!("denied: {reason}"),
                    ApprovalOutcome::Denied { reason: None } => "denied".to_owned(),
                    ApprovalOutcome::Nobody { reason } => format!("nobody could be asked: {reason}"),
                    ApprovalOutcome::Cancelled => "the turn was stopped".to_owned(),
                };
                self.seam("pillion → editor", &format!("the question is closed: {outcome}"));
            }
            _ => {}
        }
        self.screen.event(&event.event);
    }

    async fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) -> anyhow::Result<()> {
        match method {
            "approval/request" => {
                let ApprovalRequestParams { approval } = read_params(params)?;
                let decision = self.decide(&approval).await?;
                reply.send(Ok(decision));
            }
            "workspace/applyEdit" => {
                let params: Value = read_params(params)?;
                match self.buffer.apply(&params["edit"]) {
                    Ok(change) => {
                        self.seam("pillion → editor", "workspace/applyEdit, for the buffer as it is now");
                        self.peer.notify("textDocument/didChange", &change);
                        reply.send(Ok(json!({"applied": true})));
                    }
                    Err(problem) => reply.send(Ok(json!({"applied": false, "failureReason": problem}))),
                }
            }
            "editor/save" => {
                self.seam("pillion → editor", "please save, a command is about to read the disk");
                write(&self.project.join(FILE), self.buffer.text())?;
                self.peer.notify("textDocument/didSave", &self.buffer.did_save());
                reply.send(Ok(json!({"failed": []})));
            }
            other => reply.send::<()>(Err(Error::method_not_found(other))),
        }
        Ok(())
    }

    /// Shows what is asked; while it is open the person goes on typing.
    async fn decide(&mut self, approval: &Approval) -> anyhow::Result<ApprovalDecision> {
        self.seam("pillion → editor", "approval/request");
        self.screen.approval(approval);
        if approval.diff.is_some() {
            let change = self.buffer.insert(0, TYPED_MEANWHILE);
            self.seam("person → buffer ", &format!("types meanwhile, above the place: {}", TYPED_MEANWHILE.trim_end()));
            self.peer.notify("textDocument/didChange", &change);
        }
        if self.asks_person {
            return Ok(self.hear(approval).await);
        }
        self.seam("person → editor ", "yes, once (nobody is asked here, so the demo answers)");
        Ok(ApprovalDecision::Allow { scope: ApprovalScope::Once, input: None, hunks: None, rules: None })
    }

    /// What the person types.
    async fn hear(&mut self, approval: &Approval) -> ApprovalDecision {
        let mut prompt = asking::prompt(approval);
        loop {
            self.screen.text(Style::Plain, &prompt);
            let line = self.typed.line().await;
            self.screen.entered();
            match asking::decision(approval, line.as_deref()) {
                Ok(decision) => return decision,
                Err(understood) => prompt = understood,
            }
        }
    }

    fn initialize(&self, root: &str) -> Value {
        json!({
            "processId": std::process::id(),
            "clientInfo": {"name": "pillion demo"},
            "rootUri": root,
            "workspaceFolders": [{"uri": root, "name": "shop"}],
            "capabilities": {
                "general": {"positionEncodings": ["utf-8"]},
                "workspace": {"applyEdit": true, "workspaceEdit": {"documentChanges": true}},
                "experimental": {"pillion": {"approvalRequest": true, "editorSave": true, "sessionEvent": true}},
            },
        })
    }

    fn seam(&mut self, between: &str, what: &str) {
        self.screen.parts(&[(Style::Dim, &format!("[{between}]")), (Style::Plain, &format!(" {what}"))]);
    }
}

fn start_server(folder: &Path, project: &Path) -> anyhow::Result<Child> {
    #[expect(clippy::disallowed_methods, reason = "the demo plays the editor, which starts the server")]
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("lsp").envs(environment(folder)).current_dir(project);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    // Ctrl-C is for the demo, which ends it.
    #[cfg(unix)]
    command.process_group(0);
    command.spawn().context("the server cannot be started")
}

/// What the server needs to know: the played model, and folders that go away with the demo.
fn environment(folder: &Path) -> Vec<(String, String)> {
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    vec![
        ("PILLION_CONFIG".to_owned(), path("config.toml")),
        ("PILLION_STATE_DIR".to_owned(), path("state")),
        ("PILLION_MODEL".to_owned(), "played/demo".to_owned()),
    ]
}

fn write_project(folder: &Path, project: &Path) -> anyhow::Result<()> {
    let script = folder.join("script.json");
    let config = format!("[providers.played]\nkind = \"scripted\"\nscript = {:?}\n", script.to_string_lossy());
    std::fs::create_dir_all(project)?;
    write(&project.join(FILE), ON_DISK)?;
    write(&project.join("test.sh"), TEST)?;
    write(&script, SCRIPT)?;
    write(&folder.join("config.toml"), &config)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    #[expect(clippy::disallowed_methods, reason = "the demo plays the person's editor, which writes files")]
    std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))
}
