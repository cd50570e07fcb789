//! Subscriptions of clients that do not read, and their ends.

use serde_json::json;

use super::{
    frames::Frames,
    served::{self, Served},
};
use crate::support::{Ground, script, text};

#[tokio::test]
async fn a_slow_subscriber_gets_joined_deltas_then_a_clear_end_and_holds_nobody_up() {
    let piece = "0123456789abcdef".repeat(64);
    let ground = Ground::new(&script::always(json!([{"text": piece, "repeat": 12_000}])));
    let served = Served::start(&ground, &[]).await;
    let mut slow = Frames::connect(&served).await;
    let session = text(&slow.call("session/new", json!({})).await["result"]["sessionId"]);
    slow.call("session/events", json!({"sessionId": session, "fromSeq": 1})).await;
    slow.call("turn/start", served::prompt(&session, "go")).await;
    // The turn ends though its subscriber reads nothing.
    served.eventually("pillion_turns_ended_total{stop_reason=\"endTurn\"} 1").await;

    let (mut next, mut joined, mut said) = (1, 0, 0);
    let resume = loop {
        let message = slow.next().await.expect("the end is told before the connection ends");
        let params = &message["params"];
        if let Some(error) = params.get("error") {
            assert_eq!(error["code"], -32005);
            let resume = error["data"]["fromSeq"].as_u64().expect("where to resume");
            assert!(text(&error["message"]).contains(&format!("lagged, resume from seq {resume}")), "{error}");
            break resume;
        }
        let event = &params["result"];
        let seq = event["seq"].as_u64().expect("a seq");
        let first = event["firstSeq"].as_u64().unwrap_or(seq);
        assert_eq!(first, next, "a silent gap");
        joined += seq - first;
        said += event["event"]["text"].as_str().unwrap_or_default().len();
        next = seq + 1;
    };
    assert_eq!(resume, next, "it resumes where it ended");
    assert!(joined > 0, "nothing was joined");
    served.eventually("pillion_subscriptions 0").await;
    served.eventually("pillion_subscriptions_lagged_total 1").await;

    // It resumes, and reads from now on: all the rest comes, however much it is.
    slow.call("session/events", json!({"sessionId": session, "fromSeq": resume})).await;
    loop {
        let message = slow.next().await.expect("an event");
        let event = &message["params"]["result"];
        assert_eq!(event["firstSeq"].as_u64().or(event["seq"].as_u64()), Some(next), "{message}");
        next = event["seq"].as_u64().expect("a seq") + 1;
        said += event["event"]["text"].as_str().unwrap_or_default().len();
        if event["event"]["type"] == "turnEnded" {
            break;
        }
    }
    assert_eq!(said, piece.len() * 12_000, "nothing is missing and nothing came twice");
    served.stop().await;
}

#[tokio::test]
async fn one_that_stops_leaves_the_session_running() {
    let ground = Ground::new(&script::always(json!([{"text": "Working"}, {"hang": true}])));
    let served = Served::start(&ground, &[]).await;
    let mut client = Frames::connect(&served).await;
    let session = text(&client.call("session/new", json!({})).await["result"]["sessionId"]);
    let subscription = client.call("session/events", json!({"sessionId": session})).await["result"].clone();
    client.call("turn/start", served::prompt(&session, "go")).await;
    assert_eq!(client.call("session/events/stop", json!([subscription])).await["result"], true);
    served.eventually("pillion_subscriptions 0").await;
    served.eventually("pillion_turns_running 1").await;
    let refused = client.call("session/events", json!({"sessionId": "20260101-000000-aaaaaa"})).await;
    assert_eq!(refused["error"]["code"], -32001, "{refused}");
    served.stop().await;
}

#[tokio::test]
async fn sigterm_cancels_the_turns_and_tells_the_clients() {
    let ground = Ground::new(&script::always(json!([{"text": "Working"}, {"hang": true}])));
    let served = Served::start(&ground, &[]).await;
    let mut client = Frames::connect(&served).await;
    let session = text(&client.call("session/new", json!({})).await["result"]["sessionId"]);
    client.call("session/events", json!({"sessionId": session})).await;
    client.call("turn/start", served::prompt(&session, "go")).await;
    while client.next().await.expect("an event")["params"]["result"]["event"]["type"] != "messageDelta" {}
    served.terminate();
    let mut told = Vec::new();
    while let Some(message) = client.next().await {
        told.push(message["params"].clone());
    }
    let (end, before) = told.split_last().expect("something was told");
    assert_eq!(end["error"]["code"], -32006, "{end}");
    let last = before.last().expect("the turn's end");
    assert_eq!(last["result"]["event"]["stopReason"], "cancelled", "{last}");
    served.stop().await;
    let log = served::read(&ground.state().join("sessions").join(format!("{session}.jsonl")));
    assert!(log.trim_end().ends_with('}') && log.contains("turnEnded"), "{log}");
}
