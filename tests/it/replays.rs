//! Recording what models answer and playing it again, with the real program.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::Mutex,
};

use serde_json::{Value, json};

use crate::{
    http_server::{Asked, Reply, Server, json as answer},
    support::{Ground, everything, text},
};

/// An answer of Anthropic's API as a stream.
fn stream(events: &[Value]) -> Reply {
    let events: String =
        events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", text(&event["type"]))).collect();
    Reply::Say(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{events}"))
}

fn message(blocks: &[Value], stop: &str) -> Vec<Value> {
    let start = json!({"type": "message_start", "message": {
        "model": "claude-test-1", "content": [], "usage": {"input_tokens": 11, "output_tokens": 1},
    }});
    let mut events = vec![start];
    events.extend_from_slice(blocks);
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}}));
    events.push(json!({"type": "message_stop"}));
    events
}

fn block(index: usize, content: Value, deltas: &[Value]) -> Vec<Value> {
    let mut events = vec![json!({"type": "content_block_start", "index": index, "content_block": content})];
    events.extend(deltas.iter().map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})));
    events.push(json!({"type": "content_block_stop", "index": index}));
    events
}

fn says(index: usize, pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<_> = pieces.iter().map(|piece| json!({"type": "text_delta", "text": piece})).collect();
    block(index, json!({"type": "text", "text": ""}), &deltas)
}

fn calls(index: usize, id: &str, name: &str, pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<_> =
        pieces.iter().map(|piece| json!({"type": "input_json_delta", "partial_json": piece})).collect();
    block(index, json!({"type": "tool_use", "id": id, "name": name, "input": {}}), &deltas)
}

/// A model that is busy at first, thinks, reads a file, edits it, and says that it is done.
fn model() -> Server {
    let round = Mutex::new(0);
    Server::start(move |_: &Asked| {
        let mut round = round.lock().expect("a count");
        *round += 1;
        match *round {
            1 => answer(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}"#),
            2 => {
                let thoughts = [
                    json!({"type": "thinking_delta", "thinking": "A file "}),
                    json!({"type": "thinking_delta", "thinking": "first."}),
                    json!({"type": "signature_delta", "signature": "proof=="}),
                ];
                let blocks = [
                    block(0, json!({"type": "thinking", "thinking": ""}), &thoughts),
                    says(1, &["I'll ", "re", "ad it."]),
                    calls(2, "toolu_1", "read", &["{\"path\": \"no", "tes.txt\"}"]),
                    calls(3, "toolu_2", "read", &["{\"path\": \"none.txt\"}"]),
                ];
                stream(&message(&blocks.concat(), "tool_use"))
            }
            3 => {
                let input = json!({"path": "notes.txt", "old_string": "one", "new_string": "two"}).to_string();
                stream(&message(&calls(0, "toolu_3", "edit", &[&input]), "tool_use"))
            }
            _ => stream(&message(&says(0, &["Done."]), "end_turn")),
        }
    })
}

fn config(server: &Server) -> String {
    format!(
        "[retry]\nfirst_wait = 0.001\n[providers.mine]\nkind = \"anthropic\"\nbase_url = \"{}\"\napi_key_env = \"MY_SECRET\"\n",
        server.url()
    )
}

struct Run {
    ground: Ground,
    variables: Vec<(&'static str, String)>,
}

impl Run {
    fn new(config: &str) -> Self {
        let ground = Ground::new(&json!([]));
        ground.write("notes.txt", "one\n");
        std::fs::write(ground.folder().join("config.toml"), config).expect("a configuration");
        Self { ground, variables: vec![("PILLION_MODEL", "mine/m".into()), ("MY_SECRET", "sk-of-this-test".into())] }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command
            .args(words)
            .envs(self.ground.env.iter().cloned())
            .envs(self.variables.iter().cloned())
            .current_dir(self.ground.project())
            .stdin(Stdio::null());
        command
    }

    fn record(&self, file: &Path, words: &[&str]) -> Output {
        self.command(&[&["record", &file.to_string_lossy()], words].concat()).output().expect("it runs")
    }
}

const JOB: &[&str] = &["run", "--json", "--mode", "acceptEdits", "Count on in notes.txt"];

/// The events of `run --json` without what is different each time: ids, times, and how deltas were gathered.
fn events(output: &Output, run: &Run) -> Vec<Value> {
    let lines = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let project = run.ground.project().to_string_lossy().into_owned();
    let mut events: Vec<Value> = Vec::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(&line.replace(&project, "PROJECT")).expect("a line of JSON");
        let mut event = line["event"].clone();
        for (field, value) in [("turnId", json!("TURN")), ("delayMs", json!("DELAY"))] {
            if !event[field].is_null() {
                event[field] = value;
            }
        }
        let is_delta = event["type"] == "messageDelta" || event["type"] == "reasoningDelta";
        match events.last_mut() {
            Some(last) if is_delta && last["type"] == event["type"] => {
                last["text"] = (text(&last["text"]) + &text(&event["text"])).into();
            }
            _ => events.push(event),
        }
    }
    events
}

fn scripted(file: &Path) -> String {
    format!("[retry]\nfirst_wait = 0.001\n[providers.mine]\nkind = \"scripted\"\nscript = {file:?}\n")
}

#[test]
fn a_recorded_session_played_again_is_the_same_session() {
    let server = model();
    let run = Run::new(&config(&server));
    let file = run.ground.folder().join("bug.jsonl");
    let recorded = run.record(&file, JOB);
    assert_eq!(recorded.status.code(), Some(0), "{}", String::from_utf8_lossy(&recorded.stderr));
    assert!(String::from_utf8_lossy(&recorded.stderr).contains("bug.jsonl"));
    assert_eq!(server.asked().len(), 4);
    let recorded = events(&recorded, &run);
    insta::assert_json_snapshot!("session", recorded);

    let script = std::fs::read_to_string(&file).expect("a recording");
    insta::assert_snapshot!("script", script);
    let replay = Run::new(&scripted(&file));
    let played = replay.command(JOB).output().expect("it runs");
    assert_eq!(events(&played, &replay), recorded);
    assert_eq!(std::fs::read_to_string(replay.ground.project().join("notes.txt")).expect("a file"), "two\n");
    assert_eq!(server.asked().len(), 4, "nobody is asked again");
}

#[test]
fn no_key_is_in_a_recording_and_nobody_else_can_read_it() {
    let (ours, header, command, proxy) = ("sk-of-this-test", "team-secret-77", "printed-key-4711", "proxy-password");
    let server = Server::start(move |asked| {
        if asked.headers.contains_key("x-api-key") {
            let all = format!("{ours} {header} {command} {proxy} another-token-1");
            let (head, tail) = all.split_at(7);
            let input = json!({"command": format!("echo {all}")}).to_string();
            let blocks =
                [says(0, &[head, tail]), calls(1, "toolu_1", "nothing", &[&input[..30], &input[30..]])].concat();
            return stream(&message(&blocks, "tool_use"));
        }
        answer(500, "{}")
    });
    let mut run = Run::new(&format!(
        "turn_limit = 1\n{}[providers.mine.headers]\nx-team = \"{header}\"\n[providers.other]\nbase_url = \"http://localhost:1\"\n\
         proxy = \"http://me:{proxy}@localhost:2\"\n",
        config(&server).replace("api_key_env = \"MY_SECRET\"", &format!("api_key_command = \"echo {command}\""))
    ));
    run.variables.push(("OTHER_TOKEN", "another-token-1".into()));
    let file = run.ground.folder().join("bug.jsonl");
    let prompt = format!("Say {ours} and {command}");
    run.record(&file, &["run", "--json", &prompt]);
    assert_eq!(server.asked().len(), 1);
    let script = std::fs::read_to_string(&file).expect("a recording");
    for secret in [ours, header, command, proxy, "another-token-1"] {
        assert!(!script.contains(secret), "{secret} is in {script}");
    }
    let said: String = script
        .lines()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            line["step"]["text"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(said, "*** *** *** *** ***");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_recording_is_never_written_over() {
    let run = Run::new(&scripted(Path::new("script.json")));
    let file = run.ground.folder().join("bug.jsonl");
    std::fs::write(&file, "mine").expect("a file");
    std::fs::write(run.ground.folder().join("script.json"), "[\"Hello\", \"Hello\"]").expect("a script");
    for (number, job) in [("2", "first"), ("3", "second")] {
        let output = run.record(&file, &["run", job]);
        assert_eq!(output.status.code(), Some(0));
        let second =
            std::fs::read_to_string(run.ground.folder().join(format!("bug.jsonl.{number}"))).expect("a recording");
        assert!(second.contains(job), "{second}");
    }
    assert_eq!(std::fs::read_to_string(&file).expect("a file"), "mine");
    let nowhere = run.record(Path::new("/none/bug.jsonl"), &["run", "x"]);
    assert_eq!(nowhere.status.code(), Some(2));
}

#[tokio::test]
async fn an_editor_that_starts_pillion_itself_records_by_a_variable_and_a_crash_keeps_it() {
    let script = json!([{"steps": [{"text": "So f"}, {"text": "ar"}, {"hang": true}]}]);
    let mut ground = Ground::new(&script);
    let file: PathBuf = ground.folder().join("bug.jsonl");
    ground.env.push(("PILLION_RECORD".into(), file.to_string_lossy().into_owned()));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let mut said = String::new();
    while said != "So far" {
        let (_, event) = client.event(&session).await;
        said += event["text"].as_str().unwrap_or_default();
    }
    client.child.kill().await.expect("it is killed");
    let text = std::fs::read_to_string(&file).expect("a recording");

    // Played, it stands where it was killed, and can be stopped there.
    ground.env.pop();
    std::fs::write(ground.folder().join("script.json"), text).expect("a script");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let mut said = String::new();
    while said != "So far" {
        let (_, event) = client.event(&session).await;
        said += event["text"].as_str().unwrap_or_default();
    }
    client.call("turn/cancel", json!({"sessionId": session})).await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
}
