//! Our own requests, and the order of what goes out.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

use super::{LONG, Sample, frame, read_message, request};
use crate::rpc::{CallError, Connection, End, Peer, Settings};

/// The other side, by hand.
struct Client {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
}

impl Client {
    async fn read(&mut self) -> Value {
        let message = tokio::time::timeout(LONG, read_message(&mut self.reader)).await.expect("nothing came");
        serde_json::from_str(&message.expect("the end came")).unwrap()
    }

    async fn write(&mut self, message: Value) {
        self.writer.write_all(&frame(message.to_string())).await.unwrap();
    }
}

fn connect() -> (Peer, Client, tokio::task::JoinHandle<End>) {
    let (near, far) = tokio::io::duplex(1 << 16);
    let connection = Connection::new(Settings::LSP);
    let peer = connection.peer().clone();
    let mut service = Sample::new(&peer);
    let served = tokio::spawn(async move {
        let (reader, writer) = tokio::io::split(near);
        connection.serve(reader, writer, &mut service).await
    });
    let (reader, writer) = tokio::io::split(far);
    (peer, Client { reader: BufReader::new(reader), writer }, served)
}

#[tokio::test]
async fn a_call_gets_its_answer() {
    let (peer, mut client, _served) = connect();
    let call = peer.request("ask", &json!({ "a": 1 }), LONG);
    let asked = client.read().await;
    assert_eq!(asked, json!({ "jsonrpc": "2.0", "id": asked["id"], "method": "ask", "params": { "a": 1 } }));
    client.write(json!({ "jsonrpc": "2.0", "id": asked["id"], "result": null })).await;
    assert_eq!(call.await.unwrap().get(), "null");

    // Editors written in Lua may answer `1.0` to `1`; and some send both members.
    let call = peer.request("ask", &json!({}), LONG);
    let id = client.read().await["id"].as_f64().unwrap();
    client.write(json!({ "jsonrpc": "2.0", "id": id, "result": 5, "error": null })).await;
    assert_eq!(call.await.unwrap().get(), "5");

    let params = json!({});
    let (answer, ()) = tokio::join!(peer.call::<u32>("ask", &params, LONG), async {
        let id = client.read().await["id"].clone();
        let error = json!({ "code": -32601, "message": "no" });
        client.write(json!({ "jsonrpc": "2.0", "id": id, "result": null, "error": error })).await;
    });
    assert!(matches!(answer, Err(CallError::Remote { error, .. }) if error.code == -32601));

    let params = json!({});
    let (answer, ()) = tokio::join!(peer.call::<u32>("ask", &params, LONG), async {
        let id = client.read().await["id"].clone();
        client.write(json!({ "jsonrpc": "2.0", "id": id, "result": "five" })).await;
    });
    assert!(matches!(answer, Err(CallError::Malformed { .. })));
}

#[tokio::test]
async fn a_call_that_is_given_up_is_cancelled_and_its_late_answer_ignored() {
    let (peer, mut client, _served) = connect();
    let call = peer.request("ask", &json!({}), LONG);
    let id = client.read().await["id"].clone();
    drop(call);
    let cancel = json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": id } });
    assert_eq!(client.read().await, cancel);
    client.write(json!({ "jsonrpc": "2.0", "id": id, "result": 1 })).await;

    let call = peer.request("ask", &json!({}), Duration::from_millis(1));
    let id = client.read().await["id"].clone();
    assert!(matches!(call.await, Err(CallError::Timeout { .. })));
    let cancel = json!({ "jsonrpc": "2.0", "method": "$/cancelRequest", "params": { "id": id } });
    assert_eq!(client.read().await, cancel);
    client.write(json!({ "jsonrpc": "2.0", "id": id, "result": 1 })).await;

    // An answered call is not cancelled.
    let call = peer.request("ask", &json!({}), LONG);
    let id = client.read().await["id"].clone();
    client.write(json!({ "jsonrpc": "2.0", "id": id, "result": 1 })).await;
    call.await.unwrap();
    client.writer.write_all(&request(1, "echo", json!("alive"))).await.unwrap();
    assert_eq!(client.read().await, json!({ "jsonrpc": "2.0", "id": 1, "result": "alive" }));
}

#[tokio::test]
async fn calls_end_with_the_connection() {
    let (peer, mut client, served) = connect();
    let call = peer.request("ask", &json!({}), LONG);
    client.read().await;
    drop(client);
    assert!(matches!(call.await, Err(CallError::Closed { .. })));
    assert!(matches!(served.await.unwrap(), End::Eof { .. } | End::Broken(_)));
    assert!(matches!(peer.request("ask", &json!({}), LONG).await, Err(CallError::Closed { .. })));
    peer.notify("nobody", &json!({}));
    tokio::time::timeout(LONG, peer.writable()).await.expect("who waits for room must not wait for ever");
}

#[tokio::test]
async fn everything_goes_out_in_the_order_it_was_said() {
    let (peer, mut client, _served) = connect();
    let said = tokio::spawn(async move {
        let mut calls = Vec::new();
        for index in 0..5_000 {
            peer.writable().await;
            match index % 3 {
                0 => calls.push(peer.request("index", &json!([index]), LONG)),
                _ => peer.notify("index", &json!([index])),
            }
        }
        calls
    });
    for index in 0..5_000 {
        assert_eq!(client.read().await["params"][0], index);
    }
    drop(said.await.unwrap());
}

#[tokio::test]
async fn what_was_said_before_close_is_written() {
    let (peer, mut client, served) = connect();
    for index in 0..10_000 {
        peer.notify("index", &json!([index]));
    }
    peer.close();
    for index in 0..10_000 {
        assert_eq!(client.read().await["params"][0], index);
    }
    assert!(matches!(served.await.unwrap(), End::Closed));
}
