//! The conversation in `protocol.md`, held with the real server: what the client says is taken from there, and what the
//! server answers is put there.

use std::fs;

use regex::Regex;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::example::blocks;
use crate::support::{Ground, LIMIT, RawServer};

/// What the model says in the conversation.
fn script() -> Value {
    json!([
        {"steps": [
            {"text": "I will read the file first."},
            {"toolCall": {"id": "toolu_01", "name": "read", "input": {"path": "greet.py"}}},
            {"usage": {"inputTokens": 2950, "outputTokens": 61}},
        ]},
        {"steps": [
            {"toolCall": {"id": "toolu_02", "name": "edit", "input": {
                "path": "greet.py", "old_string": "+ name", "new_string": "+ name + \"!\"",
            }}},
            {"usage": {"inputTokens": 120, "outputTokens": 80, "cacheReadTokens": 2950}},
        ]},
        {"steps": [
            {"text": "Done: it greets with “!” now."},
            {"usage": {"inputTokens": 95, "outputTokens": 12, "cacheReadTokens": 3070}},
        ]},
    ])
}

/// What is another each time, and what `protocol.md` shows for it.
#[derive(Default)]
struct Names {
    root: String,
    session: Option<String>,
}

impl Names {
    const ROOT: &str = "/home/ada/ride";
    const SESSION: &str = "20261121-091503-k3f9x2";
    const PROCESS: &str = "\"processId\":4711";

    fn for_server(&self, json: &str) -> String {
        let json = json.replace(Self::ROOT, &self.root).replace(Self::PROCESS, "\"processId\":null");
        match &self.session {
            Some(session) => json.replace(Self::SESSION, session),
            None => json,
        }
    }

    fn for_people(&mut self, json: &str) -> String {
        let frame: Value = serde_json::from_str(json).expect("JSON");
        assert_eq!(frame.get("error"), None, "the server refuses what protocol.md shows");
        if let Some(session) = frame["result"]["sessionId"].as_str() {
            self.session = Some(session.to_owned());
        }
        let json = json.replace(&self.root, Self::ROOT);
        let json = self.session.as_ref().map_or(json.clone(), |session| json.replace(session, Self::SESSION));
        let times = Regex::new(r#""(createdAt|updatedAt)":\d+"#).expect("a pattern");
        times.replace_all(&json, "\"$1\":1795252503").into_owned()
    }
}

/// The text of `protocol.md`, with what the server really says.
pub async fn held(text: &str) -> String {
    let ground = Ground::new(&script());
    let config =
        format!("[providers.anthropic]\nkind = \"scripted\"\nscript = {:?}\n", ground.folder().join("script.json"));
    fs::write(ground.folder().join("config.toml"), config).expect("a configuration");
    ground.write("greet.py", "def greet(name):\n    return \"Hello, \" + name\n");
    let mut names = Names { root: ground.project().display().to_string(), session: None };
    let mut server = RawServer::start(&ground, |command| {
        command.arg("lsp").env("PILLION_MODEL", "anthropic/claude-sonnet-4-5");
    });

    let mut fresh = text.to_owned();
    for block in blocks(text) {
        let mut said = Vec::new();
        for frame in &block.frames {
            match block.who {
                "client" => {
                    server.say(&names.for_server(frame)).await;
                    said.push((*frame).to_owned());
                }
                "server" => {
                    let heard = server.hear().await;
                    let heard = heard.unwrap_or_else(|| panic!("instead of {frame}, nothing after {said:#?}"));
                    said.push(names.for_people(&heard));
                }
                _ => {}
            }
        }
        if block.who != "nobody" {
            let said: Vec<String> =
                said.iter().map(|json| format!("Content-Length: {}\n\n{json}", json.len())).collect();
            fresh = fresh.replacen(block.text, &said.join("\n\n"), 1);
        }
    }
    let status = tokio::time::timeout(LIMIT, server.child.wait()).await.expect("it ends").expect("its status");
    assert!(status.success(), "{status}");
    let mut rest = String::new();
    server.output.read_to_string(&mut rest).await.expect("nothing");
    assert_eq!(rest, "", "the server says more than protocol.md shows");
    fresh
}
