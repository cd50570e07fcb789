//! A client of the real server over its real pipes, as an editor is one.

mod raw;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use pillion::rpc::{Connection, Peer, Reply, Service, Settings};
use serde_json::{Value, json, value::RawValue};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    sync::mpsc,
};

pub use raw::RawServer;

/// How long anything may take on a busy machine before a test calls it lost.
pub const LIMIT: Duration = Duration::from_secs(20);

/// A throw-away project, state folder and configuration with a scripted model.
pub struct Ground {
    folder: TempDir,
    pub env: Vec<(String, String)>,
    /// A program, with its arguments, that the server is started through.
    pub prefix: Vec<String>,
}

/// What the server said, in its order.
pub enum Heard {
    Request { reply: Reply, method: String, params: Value },
    Notification { method: String, params: Value },
}

/// A running `pillion lsp` and its one client.
pub struct Client {
    pub peer: Peer,
    pub child: Child,
    heard: mpsc::UnboundedReceiver<Heard>,
    /// What was heard while something else was waited for.
    kept: VecDeque<Heard>,
    _serving: tokio::task::JoinHandle<()>,
}

struct Listener(mpsc::UnboundedSender<Heard>);

impl Service for Listener {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) {
        let _ = self.0.send(Heard::Request { reply, method: method.to_owned(), params: value(params) });
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        let _ = self.0.send(Heard::Notification { method: method.to_owned(), params: value(params) });
    }
}

fn value(params: Option<&RawValue>) -> Value {
    params.map_or(Value::Null, |params| serde_json::from_str(params.get()).expect("JSON"))
}

impl Ground {
    /// A project and a scripted model that answers from `script` (see `provider::scripted`).
    pub fn new(script: &Value) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::create_dir(folder.path().join("project")).expect("a project folder");
        std::fs::write(path("script.json"), script.to_string()).expect("a script");
        let config = format!("[providers.scripted]\nkind = \"scripted\"\nscript = {:?}\n", path("script.json"));
        std::fs::write(path("config.toml"), config).expect("a configuration");
        let env = vec![
            ("PILLION_CONFIG".to_owned(), path("config.toml")),
            ("PILLION_STATE_DIR".to_owned(), path("state")),
            ("PILLION_MODEL".to_owned(), "scripted/any".to_owned()),
        ];
        Self { folder, env, prefix: Vec::new() }
    }

    /// The project's folder, without symlinks.
    pub fn project(&self) -> PathBuf {
        self.folder.path().canonicalize().expect("the folder").join("project")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Everything: project, state, configuration, and the server's `stderr.log`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn stderr(&self) -> Stdio {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("stderr.log"));
        file.expect("a log").into()
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.project().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub fn uri(&self, name: &str) -> String {
        file_uri(&self.project().join(name))
    }

    /// Starts the server without saying anything to it.
    pub fn spawn(&self) -> Client {
        let mut words = self.prefix.iter().map(String::as_str).chain([env!("CARGO_BIN_EXE_pillion"), "lsp"]);
        let mut child = Command::new(words.next().expect("a program"))
            .args(words)
            .envs(self.env.iter().cloned())
            .current_dir(self.project())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(self.stderr())
            .kill_on_drop(true)
            .spawn()
            .expect("the server starts");
        let (input, output) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
        let connection = Connection::new(Settings::LSP);
        let peer = connection.peer().clone();
        let (sender, heard) = mpsc::unbounded_channel();
        let serving = tokio::spawn(async move {
            connection.serve(output, input, &mut Listener(sender)).await;
        });
        Client { peer, child, heard, kept: VecDeque::new(), _serving: serving }
    }

    /// Starts the server and initializes it with these capabilities under `experimental.pillion`.
    pub async fn client(&self, pillion: Value) -> Client {
        self.client_with(json!({
            "general": {"positionEncodings": ["utf-8"]},
            "workspace": {"applyEdit": true, "workspaceEdit": {"documentChanges": true}, "workspaceFolders": true},
            "experimental": {"pillion": pillion},
        }))
        .await
    }

    /// The same, with the whole of the client's capabilities.
    pub async fn client_with(&self, capabilities: Value) -> Client {
        let client = self.spawn();
        let root = file_uri(&self.project());
        client
            .call(
                "initialize",
                json!({
                    "processId": std::process::id(),
                    "rootUri": root,
                    "workspaceFolders": [{"uri": root, "name": "project"}],
                    "capabilities": capabilities,
                }),
            )
            .await;
        client.peer.notify("initialized", &json!({}));
        client
    }
}

/// Temporary folders have no characters that would have to be encoded.
fn file_uri(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    let path = path.trim_start_matches("//?/");
    format!("file://{}{path}", if path.starts_with('/') { "" } else { "/" })
}

/// All of Pillion's own capabilities.
pub fn everything() -> Value {
    json!({
        "approvalRequest": true,
        "questionRequest": true,
        "editorDiagnostics": true,
        "editorContext": true,
        "editorSave": true,
        "sessionEvent": true,
    })
}

impl Client {
    /// A request that must succeed.
    pub async fn call(&self, method: &str, params: Value) -> Value {
        match self.peer.call::<Value>(method, &params, LIMIT).await {
            Ok(result) => result,
            Err(error) => panic!("{method} {params}: {error}"),
        }
    }

    /// A request that must be refused; returns the error.
    pub async fn refused(&self, method: &str, params: Value) -> String {
        match self.peer.call::<Value>(method, &params, LIMIT).await {
            Ok(result) => panic!("{method} {params} should be refused, got {result}"),
            Err(error) => error.to_string(),
        }
    }

    pub async fn new_session(&self) -> String {
        text(&self.call("session/new", json!({})).await["sessionId"])
    }

    pub async fn start(&self, session: &str, prompt: &str) -> String {
        let params = json!({"sessionId": session, "prompt": [{"type": "text", "text": prompt}]});
        text(&self.call("turn/start", params).await["turnId"])
    }

    pub fn open(&self, uri: &str, content: &str) {
        let document = json!({"uri": uri, "languageId": "text", "version": 1, "text": content});
        self.peer.notify("textDocument/didOpen", &json!({"textDocument": document}));
    }

    pub fn change(&self, uri: &str, version: i64, changes: Value) {
        let params = json!({"textDocument": {"uri": uri, "version": version}, "contentChanges": changes});
        self.peer.notify("textDocument/didChange", &params);
    }

    /// The next thing heard for which `wanted` is true; everything else is kept for later.
    pub async fn wait(&mut self, what: &str, mut wanted: impl FnMut(&Heard) -> bool) -> Heard {
        if let Some(index) = self.kept.iter().position(&mut wanted) {
            return self.kept.remove(index).expect("it is there");
        }
        loop {
            let heard = tokio::time::timeout(LIMIT, self.heard.recv()).await;
            let heard = heard.unwrap_or_else(|_| panic!("waited too long for {what}"));
            let heard = heard.unwrap_or_else(|| panic!("the server went away while {what} was waited for"));
            if wanted(&heard) {
                return heard;
            }
            self.kept.push_back(heard);
        }
    }

    /// The next event of a session, whatever it is.
    pub async fn event(&mut self, session: &str) -> (u64, Value) {
        let heard = self
            .wait("an event", |heard| {
                matches!(heard, Heard::Notification { method, params }
                    if method == "session/event" && params["sessionId"] == session)
            })
            .await;
        let Heard::Notification { params, .. } = heard else { unreachable!("an event is a notification") };
        (params["seq"].as_u64().expect("a seq"), params["event"].clone())
    }

    /// All events up to the first of this type, which is the last returned.
    pub async fn events_until(&mut self, session: &str, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let (_, event) = self.event(session).await;
            events.push(event);
            if events.last().expect("just pushed")["type"] == kind {
                return events;
            }
        }
    }

    /// The next request of the server with this method.
    pub async fn asked(&mut self, wanted: &str) -> (Reply, Value) {
        let heard = self.wait(wanted, |heard| matches!(heard, Heard::Request { method, .. } if method == wanted)).await;
        let Heard::Request { reply, params, .. } = heard else { unreachable!("a request was waited for") };
        (reply, params)
    }

    /// The next notification with this method.
    pub async fn told(&mut self, wanted: &str) -> Value {
        let heard =
            self.wait(wanted, |heard| matches!(heard, Heard::Notification { method, .. } if method == wanted)).await;
        let Heard::Notification { params, .. } = heard else { unreachable!("a notification was waited for") };
        params
    }

    /// Everything that has been heard and not taken.
    pub fn drain(&mut self) -> Vec<Heard> {
        let mut all: Vec<Heard> = self.kept.drain(..).collect();
        while let Ok(heard) = self.heard.try_recv() {
            all.push(heard);
        }
        all
    }

    /// `shutdown` and `exit`, as an editor leaves.
    pub async fn leave(mut self) -> std::process::ExitStatus {
        self.call("shutdown", Value::Null).await;
        self.peer.notify("exit", &Value::Null);
        self.ended().await
    }

    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await;
        status.expect("the server ends in time").expect("its status")
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}")).to_owned()
}

/// The text a turn streamed.
pub fn streamed(events: &[Value]) -> String {
    let deltas = events.iter().filter(|event| event["type"] == "messageDelta");
    deltas.map(|event| event["text"].as_str().expect("a text")).collect()
}

/// Waits until `holds`, asking again and again, for at most [`LIMIT`].
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = tokio::time::Instant::now() + LIMIT;
    while !holds() {
        assert!(tokio::time::Instant::now() < give_up, "waited too long: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The processes whose environment or command line holds `mark`.
#[cfg(target_os = "linux")]
pub fn processes_with(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let holds = |file: &str| {
            let bytes = std::fs::read(Path::new("/proc").join(pid.to_string()).join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(mark)
        };
        if pid != std::process::id() && holds("cmdline") {
            found.push(pid);
        }
    }
    found
}

/// Scripts for the scripted model (the format is in `provider::scripted`).
pub mod script {
    use serde_json::{Value, json};

    /// The same answer to everything; once tools have returned, `done`.
    pub fn always(steps: Value) -> Value {
        json!([{"afterTools": true, "steps": [{"text": "done"}], "reuse": true}, {"steps": steps, "reuse": true}])
    }

    /// An answer for each prompt, by what it contains; once tools have returned, `done`.
    pub fn by_prompt(answers: Value) -> Value {
        let mut script = vec![json!({"afterTools": true, "steps": [{"text": "done"}], "reuse": true})];
        for (prompt, steps) in answers.as_object().expect("an object") {
            script.push(json!({"match": prompt, "steps": steps, "reuse": true}));
        }
        json!(script)
    }
}
