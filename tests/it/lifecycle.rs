//! How the server begins and ends, and what it never lets out.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Client, Ground, LIMIT, eventually, everything, processes_with, script, text};

/// A command that leaves nobody behind in the ordinary ways: a grandchild in a session of its own.
fn long(mark: &str) -> Value {
    script::always(json!([
        {"toolCall": {"name": "bash", "input": {"command": format!("(setsid sleep {mark} &) ; sleep {mark}")}}},
    ]))
}

async fn running(ground: &Ground, mark: &str) -> (Client, String) {
    let client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    client.start(&session, "go").await;
    eventually("both processes run", || processes_with(mark).len() >= 2).await;
    (client, session)
}

#[tokio::test]
async fn exit_after_shutdown_is_0_and_without_it_is_1() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    assert_eq!(ground.client(everything()).await.leave().await.code(), Some(0));
    let mut client = ground.client(everything()).await;
    client.peer.notify("exit", &Value::Null);
    assert_eq!(client.ended().await.code(), Some(1));
}

#[tokio::test]
async fn a_cancel_is_answered_at_once_and_no_process_of_the_turn_outlives_it() {
    let ground = Ground::new(&long("2000.11"));
    let (mut client, session) = running(&ground, "2000.11").await;
    let cancelled = client.call("turn/cancel", json!({"sessionId": session})).await;
    assert_eq!(cancelled["cancelled"], true);
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
    assert_eq!(processes_with("2000.11"), [0_u32; 0], "the turn has ended, its processes have not");
    let result = events.iter().find(|event| event["type"] == "toolResult").expect("a result for the call");
    assert_eq!(result["status"], "cancelled");
}

#[tokio::test]
async fn the_end_of_input_in_the_middle_of_a_turn_ends_its_processes() {
    let ground = Ground::new(&long("2000.22"));
    let (mut client, _) = running(&ground, "2000.22").await;
    client.peer.close();
    assert_eq!(client.ended().await.code(), Some(1));
    assert_eq!(processes_with("2000.22"), [0_u32; 0]);
}

#[tokio::test]
async fn the_parents_death_ends_the_server_and_its_processes() {
    let ground = Ground::new(&long("2000.33"));
    let mut parent = tokio::process::Command::new("sleep").arg("3000").kill_on_drop(true).spawn().expect("a parent");
    let mut client = ground.spawn();
    let root = format!("file://{}", ground.project().display());
    let params = json!({"processId": parent.id(), "rootUri": root, "capabilities": {}});
    client.call("initialize", params).await;
    client.peer.notify("initialized", &json!({}));
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    client.start(&session, "go").await;
    eventually("both processes run", || processes_with("2000.33").len() >= 2).await;
    parent.kill().await.expect("the parent dies");
    client.ended().await;
    assert_eq!(processes_with("2000.33"), [0_u32; 0]);
}

#[tokio::test]
async fn a_client_that_stops_reading_costs_no_memory_and_can_still_cancel() {
    let ground = Ground::new(&script::always(json!([{"text": "0123456789abcdef", "repeat": 20_000_000}])));
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"))
        .arg("lsp")
        .envs(ground.env.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let mut input = child.stdin.take().expect("stdin");
    let mut output = child.stdout.take().expect("stdout");
    let mut read = Vec::new();
    let capabilities = json!({"experimental": {"pillion": everything()}});
    say(&mut input, &json!({"id": 1, "method": "initialize", "params": {"capabilities": capabilities}})).await;
    say(&mut input, &json!({"method": "initialized", "params": {}})).await;
    say(&mut input, &json!({"id": 2, "method": "session/new", "params": {}})).await;
    let session = read_until(&mut output, &mut read, "\"sessionId\":\"").await;
    let session = session.split('"').next().expect("an id").to_owned();
    let prompt = json!([{"type": "text", "text": "go"}]);
    let start = json!({"id": 3, "method": "turn/start", "params": {"sessionId": session, "prompt": prompt}});
    say(&mut input, &start).await;
    read_until(&mut output, &mut read, "messageDelta").await;

    // Nobody reads now. The log stops growing when the model's stream is left alone.
    let pid = child.id().expect("it runs");
    let mut last = 0;
    let mut still = 0;
    while still < 100 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        let size = folder_size(&ground.state());
        still = if size == last { still + 1 } else { 0 };
        last = size;
        assert!(size < 200 << 20, "the turn runs on though nobody reads");
    }
    let memory = resident_mib(pid);
    assert!(memory < 64.0, "{memory} MiB for a client that does not read");
    say(&mut input, &json!({"id": 4, "method": "turn/cancel", "params": {"sessionId": session}})).await;
    eventually("the turn has ended in the log", || log_holds(&ground.state(), "turnEnded")).await;
    read_until(&mut output, &mut read, "\"stopReason\":\"cancelled\"").await;
}

#[tokio::test]
async fn a_key_reaches_no_event_no_log_and_no_child() {
    const KEY: &str = "sk-test-5c1e9f7a2b";
    let mut ground = Ground::new(&script::always(json!([
        {"toolCall": {"name": "bash", "input": {"command": "env; cat /proc/$PPID/environ; echo asked"}}},
    ])));
    // The system hides nothing from root, unless root lacks the rights that nobody else has in the first place.
    if rustix::process::getuid().is_root() {
        ground.prefix = ["setpriv", "--bounding-set=-all"].map(str::to_owned).into();
    }
    for name in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "PILLION_LOG"] {
        let value = if name == "PILLION_LOG" { "trace" } else { KEY };
        ground.env.push((name.to_owned(), value.to_owned()));
    }
    // Variables of the person's own naming, which only the configuration knows to be keys.
    let config = std::fs::read_to_string(ground.folder().join("config.toml")).expect("the configuration");
    let own = "[providers.own]\nkind = \"openai\"\nbase_url = \"http://127.0.0.1:9\"\napi_key_env = \"WORK_PASS\"\n\
               [mcp.docs]\nurl = \"http://127.0.0.1:9\"\nheaders = { Authorization = \"Bearer ${DOCS_PASS}\" }\n";
    std::fs::write(ground.folder().join("config.toml"), config + own).expect("the configuration");
    for name in ["WORK_PASS", "DOCS_PASS"] {
        ground.env.push((name.to_owned(), KEY.to_owned()));
    }
    // Nobody listens there: the error of a failed connection must not tell the key either.
    ground.env.push(("ANTHROPIC_BASE_URL".to_owned(), "http://127.0.0.1:9".to_owned()));
    let mut client = ground.client(everything()).await;
    for (model, mode) in [("scripted/any", "auto"), ("anthropic/any", "auto")] {
        let session = client.call("session/new", json!({"model": model, "mode": mode})).await;
        let session = text(&session["sessionId"]);
        client.start(&session, "go").await;
        if model == "anthropic/any" {
            // The first failure is enough; what is left of the retries is cancelled.
            client.events_until(&session, "retry").await.iter().for_each(|event| assert!(!told(event, KEY)));
            client.call("turn/cancel", json!({"sessionId": session})).await;
        }
        let events = client.events_until(&session, "turnEnded").await;
        assert!(events.iter().all(|event| !told(event, KEY)), "an event tells the key");
        assert!(model != "scripted/any" || events.iter().any(|event| told(event, "asked")), "the command has run");
    }
    client.leave().await;
    assert!(log_holds(ground.folder(), "pillion"), "the server logs");
    assert!(!log_holds(ground.folder(), KEY), "a log tells the key");
}

fn told(event: &Value, key: &str) -> bool {
    event.to_string().contains(key)
}

async fn say(input: &mut (impl AsyncWriteExt + Unpin), message: &Value) {
    let mut message = message.clone();
    message["jsonrpc"] = json!("2.0");
    let body = message.to_string();
    input.write_all(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.expect("it reads");
}

/// Reads until `mark` was seen, and returns what follows it as far as it was read; `read` keeps everything.
async fn read_until(output: &mut (impl AsyncReadExt + Unpin), read: &mut Vec<u8>, mark: &str) -> String {
    let give_up = tokio::time::Instant::now() + LIMIT;
    loop {
        let seen = String::from_utf8_lossy(read).into_owned();
        if let Some((_, rest)) = seen.split_once(mark)
            && rest.contains('"')
        {
            *read = rest.as_bytes().to_vec();
            return rest.to_owned();
        }
        let mut piece = vec![0; 64 << 10];
        let count = tokio::time::timeout_at(give_up, output.read(&mut piece)).await;
        let count = count.unwrap_or_else(|_| panic!("waited too long for {mark}")).expect("it writes");
        assert!(count > 0, "the server went away before {mark}");
        read.extend_from_slice(&piece[..count]);
    }
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn folder_size(folder: &std::path::Path) -> u64 {
    files(folder).iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn log_holds(folder: &std::path::Path, words: &str) -> bool {
    files(folder).iter().any(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).contains(words))
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}

#[tokio::test]
async fn commands_ask_and_stop_without_a_plugin_and_leave_no_session_behind() {
    let ground = Ground::new(&script::by_prompt(json!({"short": [{"text": "x"}], "long": [{"hang": true}]})));
    let mut client = ground.client(everything()).await;
    let command = |name: &str, words: &str| json!({"command": name, "arguments": [words]});
    let error = client.refused("workspace/executeCommand", command("pillion.ask", "  ")).await;
    assert!(error.contains("empty"), "{error}");
    let asked = client.call("workspace/executeCommand", command("pillion.ask", "short")).await;
    client.events_until(&text(&asked["sessionId"]), "turnEnded").await;
    let next = client.call("workspace/executeCommand", command("pillion.ask", "long")).await;
    let error = client.refused("turn/cancel", json!({"sessionId": asked["sessionId"]})).await;
    assert!(error.contains("No session"), "the session of the first command is still held: {error}");
    let stopped = client.call("workspace/executeCommand", json!({"command": "pillion.stop"})).await;
    assert_eq!(stopped["cancelled"], 1);
    let events = client.events_until(&text(&next["sessionId"]), "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
}
