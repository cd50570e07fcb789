//! `pillion acp` over its real pipes, by a client that keeps everything it heard in its order.

#[cfg(unix)]
mod editor;
mod files;
mod life;
mod person;
mod told;
mod turns;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use crate::support::{Ground, LIMIT, text};

/// A client of the Agent Client Protocol. What the agent asks of it while it waits for an answer is answered as the fields
/// say.
pub struct Chat {
    pub child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    next_id: u64,
    /// Everything that was heard, in its order.
    pub heard: Vec<Value>,
    /// What is on the screen and not saved, by path.
    pub buffers: BTreeMap<PathBuf, String>,
    /// What is typed over the buffers when the next permission is asked for.
    pub typed: Vec<(PathBuf, String)>,
    /// A newline is put behind what is written, as some clients do.
    pub adds_newline: bool,
    /// The option that is chosen when a permission is asked for; nobody answers if it is empty.
    pub choice: &'static str,
    /// The answer to a form.
    pub form: Value,
    /// What the client's terminals have printed, and how they ended, by their number.
    pub terminals: Vec<(String, Option<Value>)>,
}

/// Files, and nothing else.
pub fn files() -> Value {
    json!({"fs": {"readTextFile": true, "writeTextFile": true}})
}

impl Chat {
    /// Starts the agent without saying anything to it.
    pub fn spawn(ground: &Ground) -> Self {
        Self::spawn_with(ground, &["acp"])
    }

    /// The same, by these arguments.
    pub fn spawn_with(ground: &Ground, arguments: &[&str]) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(ground.folder().join("stderr.log"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_pillion"))
            .args(arguments)
            .envs(ground.env.iter().cloned())
            .current_dir(ground.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("the agent starts");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("stdout"));
        Self {
            child,
            stdin,
            lines: BufReader::new(stdout).lines(),
            next_id: 1,
            heard: Vec::new(),
            buffers: BTreeMap::new(),
            typed: Vec::new(),
            adds_newline: false,
            choice: "allow",
            form: json!({"action": "decline"}),
            terminals: Vec::new(),
        }
    }

    /// Starts the agent and introduces a client that can do this.
    pub async fn new(ground: &Ground, capabilities: Value) -> Self {
        Self::spawn(ground).introduced(capabilities).await
    }

    pub async fn introduced(mut self, capabilities: Value) -> Self {
        let info = json!({"name": "chat", "version": "1"});
        let introduction = json!({"protocolVersion": 1, "clientCapabilities": capabilities, "clientInfo": info});
        self.call("initialize", introduction).await;
        self
    }

    /// The same, with a session in the project.
    pub async fn in_session(ground: &Ground, capabilities: Value) -> (Self, String) {
        let mut chat = Self::new(ground, capabilities).await;
        let session = chat.new_session(&ground.project()).await;
        (chat, session)
    }

    pub async fn new_session(&mut self, folder: &Path) -> String {
        text(&self.call("session/new", json!({"cwd": folder, "mcpServers": []})).await["sessionId"])
    }

    pub async fn say(&mut self, message: Value) {
        let line = format!("{message}\n");
        self.stdin.as_mut().expect("it is open").write_all(line.as_bytes()).await.expect("the agent reads");
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "method": method, "params": params})).await;
    }

    /// Sends a request; gives its id.
    pub async fn send(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.say(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    /// The next message, kept; `None` once the agent has said everything.
    pub async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("waited too long; heard: {:#?}", self.heard));
        let message: Value = serde_json::from_str(&line.expect("a pipe")?).expect("one message a line");
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        self.heard.push(message.clone());
        Some(message)
    }

    /// The answer to this request; what the agent asks meanwhile is answered.
    pub async fn answer(&mut self, id: u64) -> Result<Value, Value> {
        loop {
            let message = self.next().await.unwrap_or_else(|| panic!("it went away: {:#?}", self.heard));
            match (message["method"].as_str(), message.get("id")) {
                (None, Some(answered)) if *answered == json!(id) => {
                    return match message.get("error") {
                        Some(error) => Err(error.clone()),
                        None => Ok(message["result"].clone()),
                    };
                }
                (Some(method), Some(asked)) => {
                    if let Some(answer) = self.act(method, &message["params"]) {
                        let (kind, answer) = match answer {
                            Ok(result) => ("result", result),
                            Err(error) => ("error", json!({"code": -32603, "message": error})),
                        };
                        self.say(json!({"jsonrpc": "2.0", "id": asked, kind: answer})).await;
                    }
                }
                _ => {}
            }
        }
    }

    /// A request that must succeed.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        self.answer(id).await.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// A request that must be refused; the error.
    pub async fn refused(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params).await;
        self.answer(id).await.expect_err("it should be refused")
    }

    /// Says something; gives the request's id.
    pub async fn begin(&mut self, session: &str, words: &str) -> u64 {
        self.send("session/prompt", json!({"sessionId": session, "prompt": [{"type": "text", "text": words}]})).await
    }

    /// Says something and gives why the turn ended.
    pub async fn prompt(&mut self, session: &str, words: &str) -> String {
        let id = self.begin(session, words).await;
        self.ended(id).await
    }

    /// Why the turn of this prompt ended.
    pub async fn ended(&mut self, id: u64) -> String {
        let answer = self.answer(id).await.unwrap_or_else(|error| panic!("the turn failed: {error}"));
        text(&answer["stopReason"])
    }

    /// Waits until something is heard.
    pub async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        if let Some(known) = self.heard.iter().find(|message| wanted(message)) {
            return known.clone();
        }
        loop {
            let message = self.next().await.expect("it says it");
            if wanted(&message) {
                return message;
            }
        }
    }

    fn act(&mut self, method: &str, params: &Value) -> Option<Result<Value, String>> {
        let path = || PathBuf::from(params["path"].as_str().expect("a path"));
        match method {
            "fs/read_text_file" => Some(match self.buffers.get(&path()) {
                Some(text) => Ok(json!({"content": text})),
                None => match std::fs::read_to_string(path()) {
                    Ok(content) => Ok(json!({"content": content})),
                    Err(error) => Err(error.to_string()),
                },
            }),
            "fs/write_text_file" => {
                let mut content = text(&params["content"]);
                if self.adds_newline {
                    content.push('\n');
                }
                match self.buffers.get_mut(&path()) {
                    Some(buffer) => *buffer = content,
                    None => std::fs::write(path(), content).expect("its folder is there"),
                }
                Some(Ok(Value::Null))
            }
            "session/request_permission" => {
                self.buffers.extend(self.typed.drain(..));
                (!self.choice.is_empty())
                    .then(|| Ok(json!({"outcome": {"outcome": "selected", "optionId": self.choice}})))
            }
            "terminal/output" => {
                let number: usize = text(&params["terminalId"]).parse().expect("a number");
                let (output, exit) = &self.terminals[number];
                Some(Ok(json!({"output": output, "truncated": false, "exitStatus": exit})))
            }
            "terminal/release" => Some(Ok(json!({}))),
            "elicitation/create" => Some(Ok(self.form.clone())),
            other => Some(Err(format!("there is no method {other}"))),
        }
    }

    /// What the agent asked with this method.
    pub fn asked(&self, method: &str) -> Vec<&Value> {
        self.heard.iter().filter(|message| message["method"] == method).map(|message| &message["params"]).collect()
    }

    /// The updates of this kind.
    pub fn updates(&self, kind: &str) -> Vec<&Value> {
        let updates = self.asked("session/update").into_iter().map(|params| &params["update"]);
        updates.filter(|update| update["sessionUpdate"] == kind).collect()
    }

    /// What the agent said, put together.
    pub fn said(&self) -> String {
        let chunks = self.updates("agent_message_chunk").into_iter().map(|update| text(&update["content"]["text"]));
        chunks.collect()
    }

    /// How the calls ended, in their order.
    pub fn ends(&self) -> Vec<String> {
        let ended = |update: &&Value| matches!(update["status"].as_str(), Some("completed" | "failed"));
        self.updates("tool_call_update").into_iter().filter(ended).map(|update| text(&update["status"])).collect()
    }

    /// What came of the calls as the model reads it, and as the client shows it.
    pub fn results(&self) -> String {
        let ended = |update: &&Value| matches!(update["status"].as_str(), Some("completed" | "failed"));
        let updates = self.updates("tool_call_update").into_iter().filter(ended);
        updates.map(|update| update["content"].to_string()).collect()
    }

    /// The client leaves; the agent's exit code.
    pub async fn leave(mut self) -> Option<i32> {
        drop(self.stdin.take());
        while self.next().await.is_some() {}
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await;
        status.expect("it ends in time").expect("a status").code()
    }
}
