//! Clients that come and go by the thousand leave nothing behind.

#![cfg(target_os = "linux")]

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use super::{
    frames::Frames,
    served::{self, Served},
};
use crate::support::{Ground, script, text};

/// How often each kind of client comes; `PILLION_CYCLES` says otherwise.
const CYCLES: usize = 300;
/// Clients at a time.
const AT_ONCE: usize = 10;

/// What the server holds: descriptors by kind, child processes, tasks.
async fn held(served: &Served) -> BTreeMap<String, usize> {
    let process = format!("/proc/{}", served.child.id().expect("it runs"));
    let mut held = BTreeMap::new();
    for entry in std::fs::read_dir(Path::new(&process).join("fd")).expect("descriptors").flatten() {
        let target = std::fs::read_link(entry.path()).unwrap_or_default().to_string_lossy().into_owned();
        // `socket:[123]` and `/a/file (deleted)` are told from others of their kind by nothing that matters here.
        *held.entry(target.split(['[', ' ']).next().unwrap_or_default().to_owned()).or_default() += 1;
    }
    held.insert("children".to_owned(), children(process_id(&process)));
    let page = served.metrics().await;
    for metric in ["tasks", "connections", "subscriptions", "sessions_open", "processes"] {
        let name = format!("pillion_{metric} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric");
        held.insert(metric.to_owned(), value.parse().expect("a number"));
    }
    held
}

fn process_id(process: &str) -> &str {
    process.rsplit('/').next().unwrap_or_default()
}

/// How many processes name this one as their parent. The kernel's own list of children leaves some out while others come
/// and go, see proc_pid_children(5).
fn children(parent: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("processes").flatten();
    let stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    stats.filter(|stat| stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1)) == Some(parent)).count()
}

/// Attaches by WebSocket, subscribes, reads a little and is gone without a word.
async fn websocket(served: &Served, session: &str) {
    let mut client = Frames::connect(served).await;
    let answer = client.call("session/events", json!({"sessionId": session, "fromSeq": 1})).await;
    assert!(answer["result"].is_string(), "{answer}");
    client.next().await.expect("an event");
}

/// The same as another Pillion.
async fn attachment(socket: &Path, session: &str) {
    let mut stream = UnixStream::connect(socket).await.expect("a connection");
    let attach = json!({"jsonrpc": "2.0", "id": 1, "method": "attach",
        "params": {"protocolVersion": pillion::protocol::VERSION, "version": "0", "name": "test"}});
    let load = json!({"jsonrpc": "2.0", "id": 2, "method": "session/load",
        "params": {"sessionId": session, "fromSeq": 1}});
    stream.write_all(format!("{attach}\n{load}\n").as_bytes()).await.expect("it is taken");
    let mut some = [0; 512];
    assert!(stream.read(&mut some).await.expect("an answer") > 0);
}

#[tokio::test]
async fn thousands_of_clients_leave_no_descriptor_task_process_or_lock_behind() {
    let cycles = std::env::var("PILLION_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(CYCLES);
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "bash", "input": {"command": "true"}}}])));
    let served = Served::start(&ground, &[]).await;
    let mut first = Frames::connect(&served).await;
    let session = text(&first.call("session/new", json!({"mode": "auto"})).await["result"]["sessionId"]);
    first.call("turn/start", served::prompt(&session, "go")).await;
    served.eventually("pillion_turns_ended_total{stop_reason=\"endTurn\"} 1").await;
    drop(first);
    let socket = std::fs::read_dir(ground.state().join("attach")).expect("the folder").flatten().next();
    let socket = socket.expect("the socket").path();
    let once = || async {
        futures::future::join_all((0..AT_ONCE).map(|_| async {
            websocket(&served, &session).await;
            attachment(&socket, &session).await;
        }))
        .await;
    };
    // The first may have filled a pool of threads or a cache.
    once().await;
    served.eventually("pillion_subscriptions 0").await;
    served.eventually("pillion_connections 1").await;
    let mut before = held(&served).await;
    for _ in 0..cycles.div_ceil(AT_ONCE) {
        once().await;
    }
    let give_up = tokio::time::Instant::now() + crate::support::LIMIT;
    loop {
        let after = held(&served).await;
        if after == before {
            break;
        }
        assert!(tokio::time::Instant::now() < give_up, "before {before:?}, after {after:?}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        // What was still on its way out when it was first looked at.
        for (kind, count) in &after {
            before.entry(kind.clone()).and_modify(|known| *known = (*known).min(*count));
        }
    }
    // The session's lock is free once it is closed.
    let mut last = Frames::connect(&served).await;
    last.call("session/close", json!({"sessionId": session})).await;
    served.eventually("pillion_sessions_open 0").await;
    let run = std::process::Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(["run", "--no-attach", "--mode", "auto", "--session", &session, "again"])
        .envs(ground.env.iter().cloned())
        .current_dir(ground.project())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs");
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    served.stop().await;
}
