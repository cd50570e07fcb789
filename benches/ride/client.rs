//! An editor, as far as a prompt needs one: starts a program, speaks Pillion's LSP face on its stdio.
//!
//! Deltas are kept as they came and read when the clock has stopped.

use std::collections::HashMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::model::EPOCH;
use crate::wire::{Stamped, read_frame, write_frame};

/// Stands for the model server's address in a program's arguments.
pub const URL: &str = "{url}";

/// The longest a program may live; then it is ended, and the read that waits for it fails.
const LIFE: Duration = Duration::from_secs(120);

pub struct Program {
    pub name: &'static str,
    pub path: PathBuf,
    pub arguments: &'static [&'static str],
    /// It writes a session log under `PILLION_STATE_DIR`.
    pub keeps_log: bool,
}

pub struct Client {
    input: BufReader<Stamped<ChildStdout>>,
    output: Option<ChildStdin>,
    child: Arc<Mutex<Child>>,
    /// When the answer to `initialize` was here.
    pub answered: Instant,
    turn: Turn,
    /// How many turns have not ended.
    running: usize,
    replies: HashMap<u64, Value>,
    next_id: u64,
    home: tempfile::TempDir,
    /// Dropped with the client, which ends the thread that bounds the program's life.
    _alive: Sender<()>,
}

/// What a turn showed.
pub struct Turn {
    pub sent: Instant,
    pub ended: Instant,
    pub stop_reason: String,
    /// Each frame with the time it was whole.
    pub deltas: Vec<(Instant, Vec<u8>)>,
}

impl Turn {
    fn begin() -> Self {
        let now = Instant::now();
        Self { sent: now, ended: now, stop_reason: String::new(), deltas: Vec::new() }
    }

    /// What the deltas say together. A program may join adjacent ones.
    pub fn text(&self) -> Result<String> {
        self.deltas.iter().map(|(_, frame)| delta_text(frame)).collect()
    }

    /// How long after the model wrote it each stamp arrived.
    pub fn latencies(&self) -> Result<Vec<Duration>> {
        let mut found = Vec::new();
        for (at, frame) in &self.deltas {
            for stamp in delta_text(frame)?.split("[t=").skip(1) {
                let nanoseconds = stamp.trim_end().trim_end_matches(']').parse().context("a stamp was torn")?;
                found.push(at.saturating_duration_since(*EPOCH + Duration::from_nanos(nanoseconds)));
            }
        }
        Ok(found)
    }
}

impl Client {
    /// Starts the program in an empty home and waits for its answer to `initialize`.
    pub fn start(program: &Program, model_url: &str) -> Result<Self> {
        let home = tempfile::tempdir()?;
        let project = home.path().join("project");
        std::fs::create_dir(&project)?;
        std::fs::write(project.join("hello.txt"), "hello\n")?;
        let mut child = Command::new(&program.path)
            .args(program.arguments.iter().map(|argument| argument.replace(URL, model_url)))
            .current_dir(&project)
            .envs([
                ("PILLION_MODEL", "anthropic/fake"),
                ("ANTHROPIC_API_KEY", "none"),
                ("ANTHROPIC_BASE_URL", model_url),
                ("NO_PROXY", "127.0.0.1"),
            ])
            .envs([
                ("HOME", home.path()),
                ("XDG_CONFIG_HOME", home.path()),
                ("PILLION_STATE_DIR", &home.path().join("state")),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", program.path.display()))?;
        let (Some(output), Some(input)) = (child.stdin.take(), child.stdout.take()) else { bail!("no pipes") };
        let child = Arc::new(Mutex::new(child));
        let mut client = Self {
            input: BufReader::with_capacity(1 << 20, Stamped::new(input)),
            output: Some(output),
            _alive: bound_life(&child),
            child,
            answered: Instant::now(),
            turn: Turn::begin(),
            running: 0,
            replies: HashMap::new(),
            next_id: 0,
            home,
        };
        let uri = file_uri(&project);
        client.call(
            "initialize",
            json!({
                "processId": std::process::id(),
                "rootUri": uri,
                "workspaceFolders": [{"uri": uri, "name": "project"}],
                "capabilities": {
                    "general": {"positionEncodings": ["utf-8", "utf-16"]},
                    "experimental": {"pillion": {"approvalRequest": true, "sessionEvent": true}},
                },
            }),
        )?;
        client.answered = client.input.get_ref().at;
        client.send(&json!({"jsonrpc": "2.0", "method": "initialized", "params": {}}))?;
        Ok(client)
    }

    /// Where the program keeps its session logs.
    pub fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    pub fn session(&mut self) -> Result<String> {
        let session = self.call("session/new", json!({}))?;
        Ok(session["sessionId"].as_str().context("session/new gave no sessionId")?.to_owned())
    }

    /// Asks, and waits for the end.
    pub fn turn(&mut self, session: &str, prompt: &str) -> Result<Turn> {
        self.begin_turn(session, prompt)?;
        self.end_turn()
    }

    pub fn begin_turn(&mut self, session: &str, prompt: &str) -> Result<()> {
        self.begin_turns(&[session.to_owned()], prompt)
    }

    /// Asks the same in several sessions at once; what they show is taken together.
    pub fn begin_turns(&mut self, sessions: &[String], prompt: &str) -> Result<()> {
        self.turn = Turn::begin();
        self.running = sessions.len();
        for session in sessions {
            self.call("turn/start", json!({"sessionId": session, "prompt": [{"type": "text", "text": prompt}]}))?;
        }
        Ok(())
    }

    /// Waits for each `turnEnded`.
    pub fn end_turn(&mut self) -> Result<Turn> {
        while self.running > 0 {
            self.pump()?;
        }
        Ok(std::mem::replace(&mut self.turn, Turn::begin()))
    }

    /// Waits until the turn has shown so many bytes of text.
    pub fn until_text(&mut self, enough: usize) -> Result<()> {
        let (mut seen, mut shown) = (0, 0);
        while shown < enough {
            if self.running == 0 {
                bail!("the turn ended ({}) after {shown} bytes of text", self.turn.stop_reason);
            }
            self.pump()?;
            for (_, frame) in &self.turn.deltas[seen..] {
                shown += delta_text(frame)?.len();
            }
            seen = self.turn.deltas.len();
        }
        Ok(())
    }

    /// Cancels the running turn; gives the time just before.
    pub fn cancel(&mut self, session: &str) -> Result<Instant> {
        let sent = Instant::now();
        self.request("turn/cancel", json!({"sessionId": session}))?;
        Ok(sent)
    }

    fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        let id = self.request(method, params)?;
        loop {
            if let Some(mut reply) = self.replies.remove(&id) {
                if let Some(error) = reply.get("error") {
                    bail!("{method} failed: {error}");
                }
                return Ok(reply["result"].take());
            }
            self.pump()?;
        }
    }

    fn request(&mut self, method: &str, params: Value) -> Result<u64> {
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}))?;
        Ok(self.next_id)
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        let output = self.output.as_mut().context("the program's stdin is closed")?;
        Ok(write_frame(output, message)?)
    }

    /// Takes in one frame.
    fn pump(&mut self) -> Result<()> {
        let frame = read_frame(&mut self.input)?.context("the program closed its output")?;
        let at = self.input.get_ref().at;
        if memchr::memmem::find(&frame, br#""messageDelta""#).is_some() {
            self.turn.deltas.push((at, frame));
            return Ok(());
        }
        let message: Value = serde_json::from_slice(&frame)?;
        let id = &message["id"];
        if message.get("method").is_none() {
            self.replies.extend(id.as_u64().map(|id| (id, message)));
        } else if !id.is_null() {
            let error = json!({"code": -32601, "message": "not supported"});
            self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error}))?;
        } else if message["params"]["event"]["type"] == "turnEnded" {
            self.turn.ended = at;
            self.turn.stop_reason = message["params"]["event"]["stopReason"].as_str().unwrap_or_default().to_owned();
            self.running = self.running.saturating_sub(1);
        }
        Ok(())
    }
}

impl Drop for Client {
    /// Closes the program's input, as an editor that goes away does, and ends it if it stays.
    fn drop(&mut self) {
        drop(self.output.take());
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = Instant::now() + Duration::from_secs(2);
        while child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

fn bound_life(child: &Arc<Mutex<Child>>) -> Sender<()> {
    let (alive, gone) = mpsc::channel::<()>();
    let child = child.clone();
    std::thread::spawn(move || {
        if gone.recv_timeout(LIFE) == Err(RecvTimeoutError::Timeout) {
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        }
    });
    alive
}

fn delta_text(frame: &[u8]) -> Result<String> {
    let mut message: Value = serde_json::from_slice(frame)?;
    match message.pointer_mut("/params/event/text").map(Value::take) {
        Some(Value::String(text)) => Ok(text),
        _ => bail!("a delta without text: {}", String::from_utf8_lossy(frame)),
    }
}

/// Enough for a temporary folder's path.
fn file_uri(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/").replace(' ', "%20");
    format!("file:///{}", path.trim_start_matches('/'))
}
