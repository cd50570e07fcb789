//! Everything at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use serde_json::{json, value::to_raw_value};
use tokio::io::AsyncWriteExt;

use super::{
    Test,
    approvals::{approval, ask},
    buffers::{change, document},
    logged,
};
use crate::{
    protocol::{Request, SessionEvent, TurnCancelResponse},
    rpc::tests::{LONG, frame, read_message},
    sidecar::Event,
};

/// A client that reads nothing while 64 turns talk: a cancel still gets through, and all there is to read stays small.
#[tokio::test]
async fn a_client_that_does_not_read_can_still_cancel() {
    let (mut test, client) = Test::open(json!({ "experimental": { "pillion": { "sessionEvent": true } } })).await;
    let stopped = Arc::new(AtomicBool::new(false));
    let turns: Vec<_> = (0..64)
        .map(|_| {
            let (client, stopped) = (client.clone(), stopped.clone());
            tokio::spawn(async move {
                let mut seq = 0;
                while !stopped.load(Ordering::Relaxed) {
                    client.ready().await;
                    seq += 1;
                    client.event(&logged(seq, SessionEvent::MessageDelta { text: "x".repeat(50) }));
                }
                seq
            })
        })
        .collect();
    super::until(|| !client.is_ready()).await;
    test.request(1, "turn/cancel", json!({ "sessionId": "s1" })).await;
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::TurnCancel(_)));
    stopped.store(true, Ordering::Relaxed);
    reply(Ok(to_raw_value(&TurnCancelResponse { cancelled: true }).unwrap()));

    let mut events = 0;
    loop {
        let message = test.read().await;
        if message["id"] == 1 {
            break;
        }
        events += 1;
    }
    // What was queued before the answer: the high-water mark, the pipe, and one more event of each turn.
    assert!(events < 2_000, "{events} events stood before the answer");
    let mut said = 0;
    for turn in turns {
        said += tokio::time::timeout(LONG, turn).await.unwrap().unwrap();
    }
    while events < said {
        test.expect("session/event").await;
        events += 1;
    }
    test.close().await;
}

/// 2,000 changes of a document beside 64 talking turns and 200 open approvals; nobody waits for anybody.
#[tokio::test]
async fn typing_goes_on_beside_everything_else() {
    let pillion = json!({ "sessionEvent": true, "approvalRequest": true });
    let (mut test, client) = Test::open(json!({ "experimental": { "pillion": pillion } })).await;
    let asked: Vec<_> = (0..200).map(|_| tokio::spawn(ask(&client, approval()))).collect();
    let turns: Vec<_> = (0..64)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                for seq in 1..=200 {
                    client.ready().await;
                    client.event(&logged(seq, SessionEvent::MessageDelta { text: "x".repeat(50) }));
                }
            })
        })
        .collect();
    let mut messages = String::new();
    let mut expect = String::new();
    for index in 0..2_000 {
        let text = (index % 10).to_string();
        let params = change(index as i32 + 2, (0, index), (0, index), &text);
        messages
            .push_str(&json!({ "jsonrpc": "2.0", "method": "textDocument/didChange", "params": params }).to_string());
        messages.push('\n');
        expect.push_str(&text);
    }
    test.notify("textDocument/didOpen", document("untitled:a", "")).await;
    let Test { reader, mut writer, hub, workspace, served, state } = test;
    let writing = tokio::spawn(async move {
        for (index, message) in messages.lines().enumerate() {
            if index == 1_000 {
                let cancel = json!({
                    "jsonrpc": "2.0", "id": "cancel", "method": "turn/cancel", "params": { "sessionId": "s1" },
                });
                writer.write_all(&frame(cancel.to_string())).await.unwrap();
            }
            writer.write_all(&frame(message)).await.unwrap();
        }
        writer
    });
    let mut test = Test { reader, writer: tokio::io::split(tokio::io::duplex(1).0).1, hub, workspace, served, state };
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::TurnCancel(_)));
    reply(Ok(to_raw_value(&TurnCancelResponse { cancelled: true }).unwrap()));
    let (mut events, mut approvals, mut is_answered) = (0, 0, false);
    while events < 64 * 200 || approvals < 200 || !is_answered {
        let message = test.read().await;
        match message["method"].as_str() {
            Some("session/event") => events += 1,
            Some("approval/request") => approvals += 1,
            None => is_answered = message["id"] == "cancel",
            Some(other) => panic!("{other}"),
        }
    }
    test.writer = tokio::time::timeout(LONG, writing).await.unwrap().unwrap();
    assert_eq!(test.text("untitled:a").await, expect);
    for turn in turns {
        turn.await.unwrap();
    }
    drop(asked);
}

/// The answer to a request stands before what the hub said after it, over thousands of short exchanges.
#[tokio::test]
async fn nothing_overtakes() {
    let (mut test, client) = Test::open(json!({ "experimental": { "pillion": { "sessionEvent": true } } })).await;
    let mut hub = std::mem::replace(&mut test.hub, tokio::sync::mpsc::unbounded_channel().1);
    let turns = 5_000_u64;
    let hub = tokio::spawn(async move {
        let mut seq = 0;
        while let Some(event) = hub.recv().await {
            if let Event::Request { reply, .. } = event {
                reply(Ok(to_raw_value(&TurnCancelResponse { cancelled: false }).unwrap()));
                for _ in 0..3 {
                    seq += 1;
                    client.event(&logged(seq, SessionEvent::MessageDelta { text: "x".to_owned() }));
                }
                if seq == turns * 3 {
                    break;
                }
            }
        }
        hub
    });
    let (mut reader, mut writer) = (test.reader, test.writer);
    let write = async {
        for id in 0..turns {
            let request =
                json!({ "jsonrpc": "2.0", "id": id, "method": "turn/cancel", "params": { "sessionId": "s1" } });
            writer.write_all(&frame(request.to_string())).await.unwrap();
        }
    };
    let read = async {
        let mut seq = 0;
        for id in 0..turns {
            let answer: serde_json::Value = serde_json::from_str(&read_message(&mut reader).await.unwrap()).unwrap();
            assert_eq!(answer["id"], id, "{answer}");
            for _ in 0..3 {
                seq += 1;
                let event: serde_json::Value = serde_json::from_str(&read_message(&mut reader).await.unwrap()).unwrap();
                assert_eq!(event["params"]["seq"], seq, "{event}");
            }
        }
    };
    tokio::time::timeout(LONG, async { tokio::join!(write, read) }).await.expect("it stalled");
    drop(hub.await.unwrap());
}
