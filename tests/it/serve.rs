//! `pillion serve`, with the real binary: jsonrpsee's clients, and raw frames where those show too little.

#![cfg(unix)]

mod cycles;
mod door;
mod frames;
pub mod served;
mod subscriptions;

use jsonrpsee::{core::client::ClientT, rpc_params};
use pillion::protocol::{Direction, METHODS};
use serde_json::{Value, json};

use self::served::Served;
use crate::support::{Ground, script, text};

fn talking() -> Ground {
    Ground::new(&script::always(json!([{"text": "tok ", "repeat": 20}])))
}

#[tokio::test]
async fn a_turn_over_websocket_is_seen_whole() {
    let ground = talking();
    let served = Served::start(&ground, &[]).await;
    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    let mut events = served::subscribe(&client, &session, Some(1)).await;
    let started = served::call(&client, "turn/start", served::prompt(&session, "go")).await;
    let turn = served::until_ended(&mut events).await;
    let seqs: Vec<u64> = turn.iter().map(|event| event["seq"].as_u64().expect("a seq")).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "numbered without gaps");
    assert_eq!(turn[0]["event"]["turnId"], started["turnId"]);
    let said: String = turn.iter().filter_map(|event| event["event"]["text"].as_str()).collect();
    assert_eq!(said, "tok ".repeat(20));
    served.stop().await;
}

#[tokio::test]
async fn every_method_is_there_and_described() {
    let ground = talking();
    let served = Served::start(&ground, &[]).await;
    let http = served.http();
    let document: Value = http.request("rpc.discover", rpc_params![]).await.expect("the document");
    assert_eq!(document["openrpc"], "1.3.2");
    let described: Vec<String> =
        document["methods"].as_array().expect("methods").iter().map(|method| text(&method["name"])).collect();
    for method in METHODS.iter().filter(|method| method.direction == Direction::ToServer) {
        assert!(described.iter().any(|name| name == method.name), "{} is not described", method.name);
        let outcome = http.request::<Value, _>(method.name, served::named(json!({}))).await;
        let error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!error.contains("Method not found"), "{}: {error}", method.name);
    }
    // Each reference leads somewhere.
    let whole = document.to_string();
    for reference in whole.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        assert!(document["components"]["schemas"][name].is_object(), "{name} is not there");
    }
    served.stop().await;
}

#[tokio::test]
async fn an_approval_is_listed_and_answered_by_another_connection() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&script::always(json!([write])));
    let served = Served::start(&ground, &[]).await;
    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    let mut events = served::subscribe(&client, &session, None).await;
    served::call(&client, "turn/start", served::prompt(&session, "go")).await;
    served::until(&mut events, "approvalRequested").await;

    let http = served.http();
    let listed: Value =
        http.request("approval/list", served::named(json!({"sessionId": session}))).await.expect("a list");
    assert_eq!(listed["approvals"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed["questions"], json!([]));
    assert!(served.metrics().await.contains("pillion_approvals_waiting 1"));
    let answer = json!({"approvalId": listed["approvals"][0]["approvalId"], "decision": {"type": "allow"}});
    let mut accepted = Vec::new();
    for _ in 0..2 {
        let answered: Value = http.request("approval/respond", served::named(answer.clone())).await.expect("taken");
        accepted.push(answered["accepted"].clone());
    }
    assert_eq!(accepted, [true, false], "the first answer wins");
    served::until_ended(&mut events).await;
    assert!(ground.project().join("made.txt").exists());
    let page = served.metrics().await;
    assert!(page.contains("pillion_turns_ended_total{stop_reason=\"endTurn\"} 1"), "{page}");
    assert!(page.contains("pillion_approvals_waiting 0") && page.contains("pillion_rounds_total 2"), "{page}");
    served.stop().await;
}

#[tokio::test]
async fn a_broken_connection_ends_nothing_and_a_new_one_misses_and_repeats_nothing() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&script::always(json!([{"text": "tok ", "repeat": 5}, write])));
    let served = Served::start(&ground, &[]).await;
    let first = served.websocket().await;
    let session = served::new_session(&first).await;
    let mut events = served::subscribe(&first, &session, Some(1)).await;
    served::call(&first, "turn/start", served::prompt(&session, "go")).await;
    let seen = served::until(&mut events, "approvalRequested").await;
    drop(events);
    drop(first);
    served.eventually("pillion_subscriptions 0").await;
    served.eventually("pillion_turns_running 1").await;

    let second = served.websocket().await;
    let next = seen.len() as u64 + 1;
    let mut rest = served::subscribe(&second, &session, Some(next)).await;
    let listed = served::call(&second, "approval/list", json!({})).await;
    let answer = json!({"approvalId": listed["approvals"][0]["approvalId"], "decision": {"type": "allow"}});
    served::call(&second, "approval/respond", answer).await;
    let rest = served::until_ended(&mut rest).await;
    let seqs = seen.iter().chain(&rest).map(|event| event["seq"].as_u64().expect("a seq"));
    assert_eq!(seqs.collect::<Vec<_>>(), (1..=(seen.len() + rest.len()) as u64).collect::<Vec<_>>());
    assert!(ground.project().join("made.txt").exists());
    served.stop().await;
}

#[tokio::test]
async fn closing_the_session_cancels_what_nobody_watches_any_more() {
    let ground = Ground::new(&script::always(json!([{"text": "Working"}, {"hang": true}])));
    let served = Served::start(&ground, &[]).await;
    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    served::call(&client, "turn/start", served::prompt(&session, "go")).await;
    served.eventually("pillion_turns_running 1").await;
    served::call(&client, "session/close", json!({"sessionId": session})).await;
    served.eventually("pillion_sessions_open 0").await;
    served.eventually("pillion_turns_ended_total{stop_reason=\"closed\"} 1").await;
    let mut events = served::subscribe(&client, &session, Some(1)).await;
    let turn = served::until_ended(&mut events).await;
    assert_eq!(turn.last().expect("an end")["event"]["stopReason"], "cancelled");
    served.stop().await;
}

#[tokio::test]
async fn what_waits_in_a_session_that_is_closed_waits_no_more() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&script::always(json!([write])));
    let served = Served::start(&ground, &[]).await;
    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    served::call(&client, "turn/start", served::prompt(&session, "go")).await;
    served.eventually("pillion_approvals_waiting 1").await;
    served::call(&client, "session/close", json!({"sessionId": session})).await;
    served.eventually("pillion_approvals_waiting 0").await;
    served.stop().await;
}

#[tokio::test]
async fn prompts_do_not_gather_without_end() {
    let ground = Ground::new(&script::always(json!([{"hang": true}])));
    let served = Served::start(&ground, &[]).await;
    let client = served.websocket().await;
    let session = served::new_session(&client).await;
    served::call(&client, "turn/start", served::prompt(&session, "go")).await;
    let mut queued = served::prompt(&session, "next");
    queued["queue"] = json!(true);
    let waiting = (0..40).map(|_| client.request::<Value, _>("turn/start", served::named(queued.clone())));
    let mut waiting: futures::stream::FuturesUnordered<_> = waiting.collect();
    let first = futures::StreamExt::next(&mut waiting).await.expect("one");
    assert!(first.expect_err("it is one too many").to_string().contains("32 prompts wait already"));
    drop(waiting);
    served.stop().await;
}
