//! Several Pillions as one: terminals and servers that join the editor that is open in their folder.

#![cfg(unix)]

use std::{path::PathBuf, process::Stdio};

use jsonrpsee::core::client::SubscriptionClientT;
use pillion::rpc::{Connection, Service, Settings};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::UnixStream,
    process::{Child, ChildStdout, Command},
};

use crate::{
    compaction,
    serve::served::{self, Served},
    support::{Client, Ground, LIMIT, eventually, everything, script, text},
};

pub const SAVED: &str = "saved\n";
const SHOWN: &str = "shown and not saved\n";

/// A `pillion` whose lines are read one by one.
struct Terminal {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn terminal(ground: &Ground, arguments: &[&str]) -> Terminal {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
    command.args(arguments).envs(ground.env.iter().cloned()).current_dir(ground.project());
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    Terminal { child, lines }
}

impl Terminal {
    /// The events until one of this type, which is the last.
    async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        loop {
            let line = tokio::time::timeout(LIMIT, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("waited too long for {kind} after {seen:?}")).expect("a line");
            let line = line.unwrap_or_else(|| panic!("it ended before {kind}, after {seen:?}"));
            seen.push(serde_json::from_str(&line).expect("JSON"));
            if seen.last().expect("just pushed")["event"]["type"] == kind {
                return seen;
            }
        }
    }

    /// The exit code and what it said on the standard error.
    async fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().expect("stderr");
        let status = tokio::time::timeout(LIMIT, async {
            let _ = stderr.read_to_string(&mut said).await;
            self.child.wait().await
        });
        (status.await.expect("it ends in time").expect("a status").code(), said)
    }
}

/// An editor that shows `a.txt` otherwise than it is on the disk.
pub async fn editor(ground: &Ground) -> Client {
    ground.write("a.txt", SAVED);
    let client = ground.client(everything()).await;
    client.open(&ground.uri("a.txt"), SHOWN);
    // What was opened has taken effect when this is answered.
    client.call("session/list", json!({})).await;
    client
}

fn reading() -> Ground {
    Ground::new(&script::always(json!([{"toolCall": {"name": "read", "input": {"path": "a.txt"}}}])))
}

fn result(events: &[Value]) -> String {
    let result = events.iter().find(|line| line["event"]["type"] == "toolResult").expect("a result");
    text(&result["event"]["text"])
}

fn sockets(ground: &Ground) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(ground.state().join("attach")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[tokio::test]
async fn a_terminal_run_sees_what_the_editor_shows_and_its_edits_land_there() {
    let edit = json!({"toolCall": {"name": "edit", "input":
        {"path": "a.txt", "old_string": "not saved", "new_string": "changed"}}});
    let ground = Ground::new(&script::always(json!([edit])));
    let mut editor = editor(&ground).await;
    let mut run = terminal(&ground, &["run", "--json", "--mode", "acceptEdits", "go"]);
    let (reply, params) = editor.asked("workspace/applyEdit").await;
    let edits = &params["edit"]["documentChanges"][0]["edits"];
    editor.change(&ground.uri("a.txt"), 2, json!([{"range": edits[0]["range"], "text": edits[0]["newText"]}]));
    reply.send(Ok(json!({"applied": true})));
    let events = run.until("turnEnded").await;
    assert_eq!(events[0]["event"]["by"], "terminal");
    assert_eq!(events.last().expect("an end")["event"]["stopReason"], "endTurn", "{events:?}");
    let (code, said) = run.end().await;
    assert_eq!(code, Some(0));
    assert!(said.contains("works with the editor that is open in"), "{said}");
    assert_eq!(
        std::fs::read_to_string(ground.project().join("a.txt")).expect("the file"),
        SAVED,
        "saving is the person's"
    );
    assert!(editor.leave().await.success());
    assert_eq!(sockets(&ground), Vec::<PathBuf>::new(), "the socket goes with the editor");
}

#[tokio::test]
async fn it_stays_alone_if_told_to_or_if_no_editor_is_open_there() {
    let ground = reading();
    let editor = editor(&ground).await;
    let mut run = terminal(&ground, &["run", "--json", "--no-attach", "go"]);
    assert!(result(&run.until("turnEnded").await).contains("saved") && run.end().await.0 == Some(0));
    // A folder of its own, that the editor does not have open.
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::fs::write(elsewhere.path().join("a.txt"), "elsewhere\n").expect("a file");
    let root = elsewhere.path().to_string_lossy().into_owned();
    let mut run = terminal(&ground, &["run", "--json", "--root", &root, "go"]);
    assert!(result(&run.until("turnEnded").await).contains("elsewhere"));
    // One below is within, and the model works there.
    std::fs::create_dir(ground.project().join("sub")).expect("a folder");
    std::fs::write(ground.project().join("sub/a.txt"), "below\n").expect("a file");
    let mut run = terminal(&ground, &["run", "--json", "--root", "sub", "go"]);
    assert!(result(&run.until("turnEnded").await).contains("below"));
    assert!(run.end().await.1.contains("works with the editor"));
    editor.leave().await;
}

#[tokio::test]
async fn what_a_killed_editor_left_behind_stands_in_nobodys_way() {
    let ground = reading();
    let mut killed = editor(&ground).await;
    killed.child.start_kill().expect("kill -9");
    killed.ended().await;
    assert_eq!(sockets(&ground).len(), 1);
    let mut run = terminal(&ground, &["run", "--json", "go"]);
    assert!(result(&run.until("turnEnded").await).contains("saved"));
    run.end().await;
    assert_eq!(sockets(&ground), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_second_terminal_follows_and_its_death_harms_nobody() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&script::always(json!([{"text": "Let me."}, write])));
    let mut editor = editor(&ground).await;
    let session = editor.new_session().await;
    editor.start(&session, "go").await;
    let (reply, _) = editor.asked("approval/request").await;
    let mut first = terminal(&ground, &["attach", "--json", &session]);
    let mut second = terminal(&ground, &["attach", "--json", &session]);
    let before = first.until("approvalRequested").await;
    assert_eq!(before[0]["seq"], 1, "it is shown the past");
    second.until("approvalRequested").await;
    second.child.kill().await.expect("kill -9");
    reply.send(Ok(json!({"type": "allow"})));
    let after = first.until("turnEnded").await;
    assert_eq!(after[0]["event"]["type"], "approvalResolved");
    assert!(ground.project().join("made.txt").exists());
    editor.leave().await;
    let (code, said) = first.end().await;
    assert_eq!(code, Some(0));
    assert!(said.contains("has ended"), "{said}");
    let (code, said) = terminal(&ground, &["attach", &session]).end().await;
    assert_eq!(code, Some(2));
    assert!(said.contains("nobody has session"), "{said}");
}

/// A program that attaches by itself.
struct Guest {
    peer: pillion::rpc::Peer,
    _serving: tokio::task::JoinHandle<()>,
}

struct Deaf;

impl Service for Deaf {
    fn request(&mut self, reply: pillion::rpc::Reply, _: &str, _: Option<&serde_json::value::RawValue>) {
        // A person who takes their time.
        std::mem::forget(reply);
    }

    fn notification(&mut self, _: &str, _: Option<&serde_json::value::RawValue>) {}
}

impl Guest {
    async fn new(ground: &Ground) -> Self {
        let stream = UnixStream::connect(&sockets(ground)[0]).await.expect("a connection");
        let (reader, writer) = stream.into_split();
        let connection = Connection::new(Settings::LINES);
        let peer = connection.peer().clone();
        let serving = tokio::spawn(async move { drop(connection.serve(reader, writer, &mut Deaf).await) });
        Self { peer, _serving: serving }
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value, String> {
        self.peer.call(method, &params, LIMIT).await.map_err(|error| error.to_string())
    }

    async fn attach(&self, version: u32, name: &str) -> Result<Value, String> {
        let capabilities = json!({"approvalRequest": true});
        let params =
            json!({"protocolVersion": version, "version": "0.0.1", "name": name, "capabilities": capabilities});
        self.call("attach", params).await
    }
}

#[tokio::test]
async fn another_version_is_told_at_the_handshake_and_nothing_goes_before_it() {
    let ground = reading();
    let editor = editor(&ground).await;
    let guest = Guest::new(&ground).await;
    let refused = guest.call("model/list", json!({})).await.expect_err("not yet");
    assert!(refused.contains("attach"), "{refused}");
    let refused = guest.attach(99, "future").await.expect_err("another version");
    assert!(refused.contains("version 99") && refused.contains("0.0.1"), "{refused}");
    let host = guest.attach(pillion::protocol::VERSION, "test").await.expect("the same version");
    assert_eq!(host["roots"], json!([ground.project()]));
    guest.call("model/list", json!({})).await.expect("a list");
    editor.leave().await;
}

#[tokio::test]
async fn approvals_go_to_all_prompts_queue_and_who_said_what_is_told() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&json!([
        {"afterTools": true, "steps": [{"text": "done"}]},
        {"match": "first", "steps": [write]},
        {"match": "second", "steps": [{"text": "two"}]},
        {"match": "third", "steps": [{"text": "three"}]},
    ]));
    let mut editor = editor(&ground).await;
    let session = editor.new_session().await;
    let guest = Guest::new(&ground).await;
    guest.attach(pillion::protocol::VERSION, "ada").await.expect("attached");
    guest.call("session/load", json!({"sessionId": session})).await.expect("loaded");
    let prompt = |text: &str, queue: bool| json!({"sessionId": session, "prompt": [{"type": "text", "text": text}], "queue": queue});
    guest.call("turn/start", prompt("first", false)).await.expect("it starts");
    let (kept, asked) = editor.asked("approval/request").await;
    let refused = editor.refused("turn/start", prompt("second", false)).await;
    assert!(refused.contains("-32003"), "{refused}");
    let (second, third) = (guest.peer.clone(), editor.peer.clone());
    let (second_prompt, third_prompt) = (prompt("second", true), prompt("third", true));
    let second = tokio::spawn(async move { second.call::<Value>("turn/start", &second_prompt, LIMIT).await });
    // Behind the guest's, since that connection has answered.
    guest.call("model/list", json!({})).await.expect("a list");
    let third = tokio::spawn(async move { third.call::<Value>("turn/start", &third_prompt, LIMIT).await });
    let steer = json!({"sessionId": session, "prompt": [{"type": "text", "text": "be quick"}]});
    guest.call("turn/steer", steer).await.expect("it is heard");
    let answer = json!({"approvalId": asked["approval"]["approvalId"], "decision": {"type": "allow"}});
    let accepted = guest.call("approval/respond", answer).await.expect("an answer");
    assert_eq!(accepted["accepted"], true);
    drop(kept);
    let mut events = Vec::new();
    for _ in 0..3 {
        events.extend(editor.events_until(&session, "turnEnded").await);
    }
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    let said: Vec<_> =
        of("turnStarted").iter().map(|event| (text(&event["prompt"][0]["text"]), event["by"].clone())).collect();
    let expected = [("first", json!("ada")), ("second", json!("ada")), ("third", Value::Null)];
    assert_eq!(said, expected.map(|(text, by)| (text.to_owned(), by)));
    assert_eq!(of("turnSteered")[0]["by"], "ada");
    let turns = [second.await.expect("no panic").expect("its turn"), third.await.expect("no panic").expect("its turn")];
    let ended: Vec<_> = of("turnEnded").iter().skip(1).map(|event| event["turnId"].clone()).collect();
    assert_eq!(turns.map(|turn| turn["turnId"].clone()).to_vec(), ended);
    editor.leave().await;
}

#[tokio::test]
async fn a_cancel_takes_back_what_the_same_client_has_waiting() {
    let ground = Ground::new(&script::always(json!([{"text": "Working"}, {"hang": true}])));
    let mut editor = editor(&ground).await;
    let session = editor.new_session().await;
    editor.start(&session, "go").await;
    let peer = editor.peer.clone();
    let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "next"}], "queue": true});
    let queued = tokio::spawn(async move { peer.call::<Value>("turn/start", &prompt, LIMIT).await });
    tokio::task::yield_now().await;
    editor.call("turn/cancel", json!({"sessionId": session})).await;
    let refused = queued.await.expect("no panic").expect_err("it was taken back").to_string();
    assert!(refused.contains("-32800"), "{refused}");
    editor.events_until(&session, "turnEnded").await;
    editor.leave().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_run_that_waits_for_a_compaction_can_be_stopped() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::INT, Signal::TERM] {
        let (ground, editor, session) = compaction::without_end().await;
        let run = terminal(&ground, &["run", "--json", "--session", &session, "next"]);
        let pid = run.child.id().expect("it runs");
        // The handlers come one after the other, and then the prompt.
        let hears = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim);
            let caught = u64::from_str_radix(caught.unwrap_or_default(), 16).unwrap_or_default();
            caught & (1 << (signal.as_raw() - 1)) != 0
        };
        eventually("it hears signals", hears).await;
        kill_process(Pid::from_raw(pid.cast_signed()).expect("an id"), signal).expect("it is told");
        assert_eq!(run.end().await.0, Some(130), "{signal:?}");
        compaction::goes_on_until_cancelled(editor, &session).await;
    }
}

#[tokio::test]
async fn the_editors_end_leaves_the_disk_to_a_run_that_goes_on() {
    let go = "go.txt";
    let wait = format!("until [ -e {go} ]; do sleep 0.01; done");
    let ground = Ground::new(&json!([
        {"match": "go", "steps": [{"toolCall": {"name": "bash", "input": {"command": wait}}}]},
        {"afterTools": true, "steps": [{"toolCall": {"name": "read", "input": {"path": "a.txt"}}}]},
        {"afterTools": true, "steps": [{"text": "done"}]},
    ]));
    let mut editor = editor(&ground).await;
    let mut run = terminal(&ground, &["run", "--json", "--mode", "auto", "go"]);
    run.until("toolCall").await;
    let pid = editor.child.id();
    editor.call("shutdown", Value::Null).await;
    editor.peer.notify("exit", &Value::Null);
    let told = run.until("notice").await;
    assert!(text(&told.last().expect("a notice")["event"]["message"]).contains("editor has left"), "{told:?}");
    assert!(pid.is_some(), "it is still there");
    eventually("nobody joins an editor that has left", || sockets(&ground).is_empty()).await;
    ground.write(go, "");
    let events = run.until("turnEnded").await;
    let read = events.iter().rfind(|line| line["event"]["type"] == "toolResult").expect("a result");
    let read = text(&read["event"]["text"]);
    assert!(read.contains("saved") && !read.contains("shown"), "{read}");
    assert_eq!(run.end().await.0, Some(0));
    assert_eq!(editor.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_killed_editor_process_is_told_to_who_was_attached() {
    let ground = Ground::new(&script::always(json!([{"text": "Working"}, {"hang": true}])));
    let mut editor = editor(&ground).await;
    let mut run = terminal(&ground, &["run", "--json", "go"]);
    run.until("messageDelta").await;
    editor.child.start_kill().expect("kill -9");
    editor.ended().await;
    let (code, said) = run.end().await;
    assert_eq!(code, Some(1));
    assert!(said.contains("has ended") && said.contains("pillion run --session"), "{said}");
}

#[tokio::test]
async fn a_server_works_on_the_editors_buffers_and_goes_on_without_it() {
    let ground = reading();
    let editor = editor(&ground).await;
    let served = Served::start(&ground, &[]).await;
    let read = async || {
        let client = served.websocket().await;
        let session = served::new_session(&client).await;
        let mut events = served::subscribe(&client, &session, Some(1)).await;
        served::call(&client, "turn/start", served::prompt(&session, "go")).await;
        result(&served::until_ended(&mut events).await)
    };
    let shown = read().await;
    assert!(shown.contains("shown and not saved"), "{shown}");
    editor.leave().await;
    let stderr = ground.folder().join("stderr.log");
    eventually("the server notes it", || served::read(&stderr).contains("the editor has left")).await;
    let saved = read().await;
    assert!(saved.contains("saved") && !saved.contains("shown"), "{saved}");
    served.stop().await;
}

#[tokio::test]
async fn the_end_of_a_server_ends_its_turns_in_the_editors_process_too() {
    let ground = Ground::new(&script::always(json!([{"text": "Working"}, {"hang": true}])));
    let editor = editor(&ground).await;
    let served = Served::start(&ground, &[]).await;
    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    let mut events = served::subscribe(&client, &session, Some(1)).await;
    served::call(&client, "turn/start", served::prompt(&session, "go")).await;
    served::until(&mut events, "messageDelta").await;
    served.terminate();
    let turn = served::until_ended(&mut events).await;
    assert_eq!(turn.last().expect("an end")["event"]["stopReason"], "cancelled");
    served.stop().await;
    editor.leave().await;
}

#[tokio::test]
async fn a_suspended_terminal_holds_nobody_up() {
    let ground = Ground::new(&script::always(json!([{"text": "tok ", "repeat": 60_000}])));
    let mut editor = editor(&ground).await;
    let session = editor.new_session().await;
    let mut watching = terminal(&ground, &["attach", "--json", &session]);
    editor.start(&session, "first").await;
    watching.until("turnStarted").await;
    let pid = rustix::process::Pid::from_raw(watching.child.id().expect("it runs").cast_signed()).expect("an id");
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("it is suspended");
    let events = editor.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).expect("it goes on");
    editor.leave().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn one_connection_that_fails_is_not_the_editors_end() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let ground = reading();
    let editor = editor(&ground).await;
    let served = Served::start(&ground, &[]).await;
    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    let id = served.child.id().expect("it runs");
    let open = std::fs::read_dir(format!("/proc/{id}/fd")).expect("its descriptors").count() as u64;
    let (pid, maximum) = (Pid::from_raw(id.cast_signed()), getrlimit(Resource::Nofile).maximum);
    let limit = Rlimit { current: Some(open), maximum };
    let before = prlimit(pid, Resource::Nofile, limit).expect("a limit");
    // Some numbers below the limit may be free.
    let mut following = Vec::new();
    loop {
        assert!(following.len() < 100, "there are descriptors for all of them");
        let params = served::named(json!({"sessionId": session}));
        match client.subscribe::<Value, _>("session/events", params, "session/events/stop").await {
            Ok(events) => following.push(events),
            Err(_) => break,
        }
    }
    prlimit(pid, Resource::Nofile, before).expect("the old limit");
    let mut events = served::subscribe(&client, &session, Some(1)).await;
    served::call(&client, "turn/start", served::prompt(&session, "go")).await;
    let shown = result(&served::until_ended(&mut events).await);
    assert!(shown.contains("shown and not saved"), "{shown}");
    assert!(!served::read(&ground.folder().join("stderr.log")).contains("has left"));
    served.stop().await;
    editor.leave().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_tool_has_started_may_not_attach() {
    let pillion = env!("CARGO_BIN_EXE_pillion");
    let sneak = format!("{pillion} attach $(basename \"$PILLION_STATE_DIR\"/sessions/*.jsonl .jsonl) 2>&1");
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "bash", "input": {"command": sneak}}}])));
    let mut editor = ground.client(everything()).await;
    let session = text(&editor.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    editor.start(&session, "go").await;
    let events = editor.events_until(&session, "turnEnded").await;
    let told = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
    assert!(text(&told["text"]).contains("nobody has session"), "{told}");
    editor.leave().await;
}

#[cfg(unix)]
#[tokio::test]
async fn what_a_tool_of_another_pillion_has_started_may_not_attach() {
    let command = format!("{} run --json look 2>&1", env!("CARGO_BIN_EXE_pillion"));
    let sneak = json!([{"toolCall": {"name": "bash", "input": {"command": command}}}]);
    let ground = Ground::new(&script::by_prompt(json!({"go": sneak, "look": [{"text": "Looked."}]})));
    let editor = editor(&ground).await;
    let mut run = terminal(&ground, &["run", "--json", "--no-attach", "--mode", "auto", "go"]);
    let told = result(&run.until("turnEnded").await);
    assert!(told.contains("Looked.") && !told.contains("works with the editor"), "{told}");
    assert_eq!(run.end().await.0, Some(0));
    editor.leave().await;
}

#[tokio::test]
async fn the_socket_is_private_wherever_the_state_folder_is() {
    use std::os::unix::fs::PermissionsExt;
    let mut ground = reading();
    let deep = ground.folder().join("a-state-folder-with-a-name-that-is-too-long-for-a-socket".repeat(2));
    for (name, value) in &mut ground.env {
        if name == "PILLION_STATE_DIR" {
            *value = deep.to_string_lossy().into_owned();
        }
    }
    let editor = editor(&ground).await;
    let mode = std::fs::metadata(deep.join("attach")).expect("the folder").permissions().mode() & 0o777;
    assert_eq!(mode, 0o700);
    let mut run = terminal(&ground, &["run", "--json", "go"]);
    assert!(result(&run.until("turnEnded").await).contains("shown"));
    editor.leave().await;
    assert_eq!(std::fs::read_dir(deep.join("attach")).expect("the folder").count(), 0);
}

#[tokio::test]
async fn nonsense_on_the_socket_harms_nobody() {
    let ground = reading();
    let editor = editor(&ground).await;
    let mut stream = UnixStream::connect(&sockets(&ground)[0]).await.expect("a connection");
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n\0\xff{{{\n").await.expect("it is taken");
    drop(stream);
    let mut run = terminal(&ground, &["run", "--json", "go"]);
    assert!(result(&run.until("turnEnded").await).contains("shown"));
    editor.leave().await;
}
