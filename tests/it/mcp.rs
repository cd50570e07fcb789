//! MCP servers, through the real binary. The server is `tests/mcp_server.py`, which needs Python and nothing else.

mod asking;
mod calls;
mod life;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};

use crate::support::{Client, Ground, LIMIT, everything, text};

/// Python, if there is one. Where nothing may be left untested, there has to be.
pub fn python() -> Option<&'static str> {
    let runs = |program: &&str| {
        std::process::Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
    };
    let found = ["python3", "python"].into_iter().find(runs);
    assert!(found.is_some() || std::env::var_os("CI").is_none(), "the tests of MCP need python3");
    found
}

pub fn script_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("mcp_server.py")
}

/// A project whose settings name the server `tests`, with these options and these further settings.
pub fn ground_with(script: &Value, options: &[&str], settings: &str) -> Option<Ground> {
    let python = python()?;
    let ground = Ground::new(script);
    let log = ground.folder().join("mcp.log").to_string_lossy().into_owned();
    let script = script_path().to_string_lossy().into_owned();
    let mut args = vec![script.as_str(), "--log", &log];
    args.extend(options);
    let server = format!("[mcp.tests]\ncommand = {python:?}\nargs = {args:?}\n{settings}\n");
    configure(&ground, &server);
    Some(ground)
}

/// Adds to the person's settings.
pub fn configure(ground: &Ground, more: &str) {
    let path = ground.folder().join("config.toml");
    let settings = std::fs::read_to_string(&path).expect("the settings");
    std::fs::write(path, format!("{settings}\n{more}")).expect("the settings");
}

/// What the server has written down.
pub fn log(ground: &Ground) -> String {
    std::fs::read_to_string(ground.folder().join("mcp.log")).unwrap_or_default()
}

/// Waits until the server has written this down.
pub async fn logged(ground: &Ground, line: &str) {
    let waited = tokio::time::timeout(LIMIT, async {
        while !log(ground).lines().any(|logged| logged == line) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited too long for {line:?}: {}", log(ground)));
}

pub async fn read_when_there(path: &Path) -> String {
    let waited = tokio::time::timeout(LIMIT, async {
        loop {
            match std::fs::read_to_string(path) {
                Ok(text) => return text,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited too long for {}", path.display()))
}

/// Waits until a server is in this state; gives what is listed of it.
pub async fn until(client: &Client, params: Value, name: &str, state: &str) -> Value {
    let waited = tokio::time::timeout(LIMIT, async {
        loop {
            let listed = client.call("mcp/list", params.clone()).await;
            let servers = listed["servers"].as_array().expect("servers").clone();
            match servers.into_iter().find(|server| server["name"] == name) {
                Some(server) if server["state"] == state => return server,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
    waited.await.unwrap_or_else(|_| panic!("waited too long for {name} to be {state}"))
}

/// A client with a session in mode `auto`, and the server ready.
pub async fn ready(ground: &Ground) -> (Client, String) {
    let client = ground.client(everything()).await;
    until(&client, json!({}), "tests", "ready").await;
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    (client, session)
}

/// Runs a turn; gives the result of its first call and all events.
pub async fn turn(client: &mut Client, session: &str, prompt: &str) -> (Value, Vec<Value>) {
    client.start(session, prompt).await;
    let events = client.events_until(session, "turnEnded").await;
    let result = events.iter().find(|event| event["type"] == "toolResult");
    (result.unwrap_or_else(|| panic!("no result: {events:?}")).clone(), events)
}

/// An answer that calls a tool of the server.
pub fn calls(tool: &str, input: Value) -> Value {
    json!([{"toolCall": {"name": format!("mcp__tests__{tool}"), "input": input}}])
}

macro_rules! ground {
    ($($argument:expr),* $(,)?) => {
        match $crate::mcp::ground_with($($argument),*) {
            Some(ground) => ground,
            None => return,
        }
    };
}
pub(crate) use ground;
