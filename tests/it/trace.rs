//! What an editor and the server said to each other, written down and played again.

use std::{collections::HashMap, path::Path};

use pillion::rpc::Framing;
use regex::Regex;
use serde_json::{Value, json};

use crate::support::{Ground, LIMIT, RawServer, everything, script, text};

/// A line of a trace.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    is_client: bool,
    message: Value,
}

fn read(file: &Path) -> Vec<Said> {
    let lines = std::fs::read_to_string(file).expect("a trace");
    let said = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("a line of JSON");
        Said { is_client: line["from"] == "client", message: line["message"].take() }
    };
    lines.lines().map(said).collect()
}

/// What is another in each run: ids of sessions, the project's folder, times, and how long a prompt is without its secrets.
struct Names {
    ids: HashMap<String, String>,
    pattern: Regex,
    times: Regex,
    folders: (String, String),
}

impl Names {
    fn new(recorded: &[Said], folder: &Path) -> Self {
        let root = |said: &Said| {
            let params = &said.message["params"];
            params["rootUri"].as_str().or_else(|| params["cwd"].as_str()).map(str::to_owned)
        };
        let root = recorded.iter().find_map(root).expect("an initialize with a root, or a session with a folder");
        let root = root.trim_start_matches("file://").to_owned();
        Self {
            ids: HashMap::new(),
            pattern: Regex::new(r"\d{8}-\d{6}-[a-z0-9]{6}").expect("a pattern"),
            times: Regex::new(r#""(createdAt|updatedAt|startedAt|endedAt|tokens)":(\d+|"[^"]*")"#).expect("a pattern"),
            folders: (root, folder.display().to_string()),
        }
    }

    /// What the client says, for this server.
    fn for_server(&self, message: &Value) -> String {
        let text = message.to_string().replace(&self.folders.0, &self.folders.1);
        let text = Regex::new(r#""processId":\d+"#).expect("a pattern").replace_all(&text, "\"processId\":null");
        let known = |found: &regex::Captures<'_>| self.ids.get(&found[0]).cloned().unwrap_or_else(|| found[0].into());
        self.pattern.replace_all(&text, known).into_owned()
    }

    /// What both servers said, without what is another each time. Learns the ids.
    fn compared(&mut self, recorded: &Value, heard: &Value) -> (Value, Value) {
        let (old, new) = (recorded.to_string(), heard.to_string());
        for (old, new) in self.pattern.find_iter(&old).zip(self.pattern.find_iter(&new)) {
            self.ids.entry(old.as_str().to_owned()).or_insert_with(|| new.as_str().to_owned());
        }
        let plain = |text: &str| -> Value {
            let text = text.replace(&self.folders.0, "ROOT").replace(&self.folders.1, "ROOT");
            let text = self.times.replace_all(&text, "\"$1\":0");
            serde_json::from_str(&self.pattern.replace_all(&text, "SESSION")).expect("JSON")
        };
        (plain(&old), plain(&new))
    }
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Language {
    Lsp,
    Acp,
}

impl Language {
    fn of(trace: &[Said]) -> Self {
        let introduction = &trace.first().expect("an initialize").message["params"];
        if introduction["protocolVersion"].is_null() { Self::Lsp } else { Self::Acp }
    }
}

/// A server that speaks this, and writes down what is said if there is a file for it.
fn start(ground: &Ground, language: Language, trace: Option<&Path>) -> RawServer {
    let mut server = RawServer::start(ground, |command| {
        if let Some(file) = trace {
            command.arg("trace").arg(file);
        }
        match language {
            // It is what is traced if nothing is said.
            Language::Lsp if trace.is_some() => {}
            Language::Lsp => _ = command.arg("lsp"),
            Language::Acp => _ = command.args(["acp", "--no-attach"]),
        }
    });
    if language == Language::Acp {
        server.framing = Framing::Lines;
    }
    server
}

async fn hear(server: &mut RawServer) -> Option<Value> {
    server.hear().await.map(|frame| serde_json::from_str(&frame).expect("JSON"))
}

/// Plays the client's part against this build. Gives what the server says otherwise than it did: then and now.
async fn differences(trace: &[Said], ground: &Ground) -> Vec<(Value, Value)> {
    let mut names = Names::new(trace, &ground.project());
    let mut server = start(ground, Language::of(trace), None);
    let mut differences = Vec::new();
    for Said { is_client, message } in trace {
        if *is_client {
            server.say(&names.for_server(message)).await;
            continue;
        }
        let heard = hear(&mut server).await.unwrap_or_else(|| json!("nothing"));
        let (then, now) = names.compared(message, &heard);
        if then != now {
            differences.push((then, now));
        }
    }
    drop(server.input);
    let _ = tokio::time::timeout(LIMIT, server.child.wait()).await;
    differences
}

/// An editor's conversation with a server that writes it down.
async fn recorded() -> (Ground, Vec<Said>) {
    let mut ground = Ground::new(&project_script());
    ground.env.push(("EXAMPLE_API_KEY".to_owned(), "sk-very-secret".to_owned()));
    ground.write("a.txt", "one\ntwo\n");
    let file = ground.folder().join("trace.jsonl");
    let mut server = start(&ground, Language::Lsp, Some(&file));
    let root = format!("file://{}", ground.project().display());
    let capabilities = json!({"general": {"positionEncodings": ["utf-8"]}, "experimental": {"pillion": everything()}});
    let initialize = json!({"processId": null, "rootUri": root, "capabilities": capabilities});
    let call = |id: u32, method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
    };
    server.say(&call(1, "initialize", initialize)).await;
    hear(&mut server).await.expect("an answer");
    server.say(&call(2, "session/new", json!({"mode": "auto"}))).await;
    let session = text(&hear(&mut server).await.expect("an answer")["result"]["sessionId"]);
    let prompt = json!([{"type": "text", "text": "edit it; the key is sk-very-secret"}]);
    server.say(&call(3, "turn/start", json!({"sessionId": session, "prompt": prompt}))).await;
    loop {
        if hear(&mut server).await.expect("an event")["params"]["event"]["type"] == "turnEnded" {
            break;
        }
    }
    server.say(&call(4, "change/list", json!({"sessionId": session}))).await;
    hear(&mut server).await.expect("an answer");
    server.say(&call(5, "shutdown", Value::Null)).await;
    hear(&mut server).await.expect("an answer");
    server.say(r#"{"jsonrpc":"2.0","method":"exit"}"#).await;
    assert!(server.child.wait().await.expect("its status").success());
    let written = std::fs::read_to_string(&file).expect("a trace");
    assert!(!written.contains("sk-very-secret") && written.contains("the key is ***"), "{written}");
    (ground, read(&file))
}

/// A chat's conversation with a server that writes it down.
async fn recorded_chat() -> (Ground, Vec<Said>) {
    let mut ground = Ground::new(&project_script());
    ground.env.push(("EXAMPLE_API_KEY".to_owned(), "sk-very-secret".to_owned()));
    ground.write("a.txt", "one\ntwo\n");
    let file = ground.folder().join("trace.jsonl");
    let mut server = start(&ground, Language::Acp, Some(&file));
    let call = |id: u32, method: &str, params: Value| {
        json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
    };
    server.say(&call(1, "initialize", json!({"protocolVersion": 1}))).await;
    hear(&mut server).await.expect("an answer");
    server.say(&call(2, "session/new", json!({"cwd": ground.project(), "mcpServers": []}))).await;
    let session = text(&hear(&mut server).await.expect("an answer")["result"]["sessionId"]);
    let commands = hear(&mut server).await.expect("the commands");
    assert_eq!(commands["params"]["update"]["sessionUpdate"], "available_commands_update");
    let prompt = json!([{"type": "text", "text": "edit it; the key is sk-very-secret"}]);
    server.say(&call(3, "session/prompt", json!({"sessionId": session, "prompt": prompt}))).await;
    loop {
        let heard = hear(&mut server).await.expect("an update");
        if heard["method"] == "session/request_permission" {
            let outcome = json!({"outcome": {"outcome": "selected", "optionId": "allow"}});
            server.say(&json!({"jsonrpc": "2.0", "id": heard["id"], "result": outcome}).to_string()).await;
        } else if heard["id"] == 3 {
            break;
        }
    }
    drop(server.input);
    assert!(server.child.wait().await.expect("its status").success());
    let written = std::fs::read_to_string(&file).expect("a trace");
    assert!(!written.contains("sk-very-secret") && written.contains("the key is ***"), "{written}");
    (ground, read(&file))
}

fn project_script() -> Value {
    let input = json!({"path": "a.txt", "old_string": "two", "new_string": "TWO"});
    script::always(json!([{"text": "I edit it."}, {"toolCall": {"name": "edit", "input": input}}]))
}

#[cfg(unix)]
#[tokio::test]
async fn a_trace_played_again_tells_what_is_another_now() {
    for (_recorded_on, trace) in [recorded().await, recorded_chat().await] {
        played_again(&trace).await;
    }
}

#[cfg(unix)]
async fn played_again(trace: &[Said]) {
    assert!(trace.iter().any(|said| said.is_client) && trace.iter().any(|said| !said.is_client));
    let fresh = || {
        let ground = Ground::new(&project_script());
        ground.write("a.txt", "one\ntwo\n");
        ground
    };
    assert_eq!(differences(trace, &fresh()).await, []);
    // Another answer is seen as one.
    let ground = fresh();
    ground.write("a.txt", "zero\none\ntwo\n");
    let found = differences(trace, &ground).await;
    assert!(!found.is_empty() && found.iter().all(|(then, now)| then != now), "{found:?}");
}

/// A trace of somebody's is played against this build: `PILLION_PLAY=FILE PILLION_PLAY_SCRIPT=FILE`, the latter made by
/// `pillion record`, and a test run of this.
#[tokio::test]
#[ignore = "needs a trace"]
async fn a_given_trace_is_played() {
    let named = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} names no file"));
    let script = std::fs::read_to_string(named("PILLION_PLAY_SCRIPT")).expect("a script");
    let ground = Ground::new(&serde_json::from_str(&script).expect("a script is JSON"));
    let found = differences(&read(named("PILLION_PLAY").as_ref()), &ground).await;
    assert!(found.is_empty(), "{}", serde_json::to_string_pretty(&found).expect("JSON"));
}
