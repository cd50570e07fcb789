//! The face between a client that writes bytes and a hub that the test plays.

mod approvals;
mod buffers;
mod flood;
mod lifecycle;
mod offers;
mod plain;

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json, value::to_raw_value};
use tempfile::TempDir;
use tokio::{
    io::{AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf},
    sync::mpsc,
    task::JoinHandle,
};

use super::serve;
use crate::{
    protocol::{Request, SessionEvent},
    rpc::tests::{LONG, frame, read_message},
    sidecar::{Attachment, Event, LoggedEvent, Reply, Sidecar},
    store::Store,
    workspace::Workspace,
};

/// A client, a hub, and the face between them.
struct Test {
    reader: BufReader<ReadHalf<DuplexStream>>,
    writer: WriteHalf<DuplexStream>,
    hub: mpsc::UnboundedReceiver<Event>,
    workspace: Arc<Workspace>,
    served: JoinHandle<u8>,
    /// Where the server may keep things.
    state: TempDir,
}

impl Test {
    /// Before `initialize`.
    fn new() -> Self {
        let workspace = Workspace::new(Vec::new());
        let state = tempfile::tempdir().unwrap();
        let (sidecar, hub) =
            Sidecar::without_hub(workspace.clone(), Store::open(Some(state.path().to_owned())).unwrap());
        let (near, far) = tokio::io::duplex(1 << 16);
        let (reader, writer) = tokio::io::split(near);
        let served = tokio::spawn(serve(reader, writer, sidecar, None, None));
        let (reader, writer) = tokio::io::split(far);
        Self { reader: BufReader::new(reader), writer, hub, workspace, served, state }
    }

    /// After the handshake, with what the hub sees of the client.
    async fn open(capabilities: Value) -> (Self, Arc<dyn Attachment>) {
        Self::open_with(json!({ "capabilities": capabilities })).await
    }

    async fn open_with(params: Value) -> (Self, Arc<dyn Attachment>) {
        let mut test = Self::new();
        test.request(0, "initialize", params).await;
        let answer = test.read().await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "pillion", "{answer}");
        test.notify("initialized", json!({})).await;
        let attachment = loop {
            match test.hub_event().await {
                Event::Attached { attachment, .. } => break attachment,
                Event::Configure { .. } => {}
                _ => panic!("the hub was asked something before the client asked"),
            }
        };
        (test, attachment)
    }

    async fn write(&mut self, message: Value) {
        self.writer.write_all(&frame(message.to_string())).await.unwrap();
    }

    async fn request(&mut self, id: impl Into<Value>, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params });
        self.write(message).await;
    }

    async fn notify(&mut self, method: &str, params: Value) {
        self.write(json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Answers a request of the server.
    async fn respond(&mut self, request: &Value, result: Value) {
        self.write(json!({ "jsonrpc": "2.0", "id": request["id"], "result": result })).await;
    }

    async fn refuse(&mut self, request: &Value, code: i64) {
        let error = json!({ "code": code, "message": "no" });
        self.write(json!({ "jsonrpc": "2.0", "id": request["id"], "error": error })).await;
    }

    async fn read(&mut self) -> Value {
        let message = tokio::time::timeout(LONG, read_message(&mut self.reader)).await.expect("nothing came");
        serde_json::from_str(&message.expect("the connection has ended")).unwrap()
    }

    /// The next message must be this request or notification.
    async fn expect(&mut self, method: &str) -> Value {
        let message = self.read().await;
        assert_eq!(message["method"], method, "{message}");
        message
    }

    /// The next message must be the error with this code, for this id.
    async fn expect_error(&mut self, id: impl Into<Value>, code: i64) {
        let message = self.read().await;
        assert_eq!((&message["id"], &message["error"]["code"]), (&id.into(), &json!(code)), "{message}");
    }

    async fn hub_event(&mut self) -> Event {
        tokio::time::timeout(LONG, self.hub.recv()).await.expect("the hub was told nothing").expect("the face is gone")
    }

    /// The next request that reaches the hub.
    async fn hub_request(&mut self) -> (Request, Reply) {
        loop {
            match self.hub_event().await {
                Event::Request { request, reply, .. } => return (request, reply),
                Event::Configure { .. } => {}
                _ => panic!("a request was expected"),
            }
        }
    }

    /// Reads all that comes until the end, and the exit code. The hub has nothing to end.
    async fn end(mut self) -> (Vec<Value>, u8) {
        let mut messages = Vec::new();
        let hub = async {
            while let Some(event) = self.hub.recv().await {
                if let Event::ShutDown { done, .. } = event {
                    let _ = done.send(());
                }
            }
        };
        let client = async {
            while let Some(message) = read_message(&mut self.reader).await {
                messages.push(serde_json::from_str(&message).unwrap());
            }
        };
        let all = async { tokio::join!(hub, client, self.served).2.unwrap() };
        let code = tokio::time::timeout(LONG, all).await.expect("the face does not end");
        (messages, code)
    }

    /// The client leaves by the book; nothing may have come that the test did not look at.
    async fn close(mut self) {
        self.request("end", "shutdown", Value::Null).await;
        let Event::ShutDown { done, .. } = self.hub_event().await else { panic!("the hub was not shut down") };
        done.send(()).unwrap();
        assert_eq!(self.read().await, json!({ "jsonrpc": "2.0", "id": "end", "result": null }));
        self.notify("exit", Value::Null).await;
        let (messages, code) = self.end().await;
        assert_eq!((messages, code), (Vec::new(), 0));
    }
}

fn logged(seq: u64, event: SessionEvent) -> LoggedEvent {
    let json = to_raw_value(&event).unwrap();
    LoggedEvent { session_id: Arc::from("s1"), seq, event, json }
}

/// Waits for what has no notification of its own.
async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(LONG, wait).await.expect("it never came to be");
}
