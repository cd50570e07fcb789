//! A running `pillion serve`.

use std::{path::Path, process::Stdio, time::Duration};

use jsonrpsee::{
    core::{
        client::{ClientT, Subscription, SubscriptionClientT},
        params::ObjectParams,
    },
    http_client::{HeaderMap, HeaderValue, HttpClient, HttpClientBuilder},
    ws_client::{WsClient, WsClientBuilder},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
};

use crate::support::{Ground, LIMIT, text};

pub const TOKEN: &str = "the-token-of-the-tests";

pub struct Served {
    pub child: Child,
    /// `127.0.0.1:PORT`.
    pub address: String,
}

impl Served {
    pub async fn start(ground: &Ground, arguments: &[&str]) -> Self {
        let mut child = command(ground, arguments).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("in time").expect("a line");
        let line = line.expect("it says where it listens");
        let address = line.split("//").nth(1).unwrap_or_default().to_owned();
        Self { child, address }
    }

    pub async fn websocket(&self) -> WsClient {
        let client = WsClientBuilder::default().set_headers(headers()).build(format!("ws://{}", self.address));
        client.await.expect("a WebSocket")
    }

    pub fn http(&self) -> HttpClient {
        let client = HttpClientBuilder::default().set_headers(headers()).build(format!("http://{}", self.address));
        client.expect("a client")
    }

    /// A request as it goes over the wire; the whole answer.
    pub async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("it is taken");
        let mut answer = String::new();
        let read = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await;
        read.expect("in time").expect("an answer");
        answer
    }

    /// A GET without any header but these, which end in `\r\n`; the answer with its headers.
    pub async fn get(&self, path: &str, headers: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n")).await
    }

    pub async fn metrics(&self) -> String {
        self.get("/metrics", &format!("host: localhost\r\nauthorization: Bearer {TOKEN}\r\n")).await
    }

    /// Waits until the metrics have this line.
    pub async fn eventually(&self, line: &str) {
        let give_up = tokio::time::Instant::now() + LIMIT;
        loop {
            let page = self.metrics().await;
            if page.lines().any(|shown| shown == line) {
                return;
            }
            assert!(tokio::time::Instant::now() < give_up, "waited too long for {line}:\n{page}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_raw(self.child.id().expect("it runs").cast_signed()).expect("an id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is told");
    }

    /// SIGTERM, and the end that follows.
    pub async fn stop(mut self) {
        self.terminate();
        let status = tokio::time::timeout(LIMIT, self.child.wait()).await.expect("in time").expect("a status");
        assert_eq!(status.code(), Some(0));
    }
}

pub fn command(ground: &Ground, arguments: &[&str]) -> Command {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(ground.folder().join("stderr.log"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
    command.arg("serve").args(arguments).envs(ground.env.iter().cloned()).env("PILLION_SERVE_TOKEN", TOKEN);
    if !arguments.iter().any(|argument| matches!(*argument, "--listen" | "--socket")) {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command.current_dir(ground.project()).stdin(Stdio::null()).stderr(log.expect("a log")).kill_on_drop(true);
    command
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {TOKEN}")).expect("a header"));
    headers
}

/// Parameters by name.
pub fn named(params: Value) -> ObjectParams {
    let mut object = ObjectParams::new();
    for (name, value) in params.as_object().expect("an object") {
        object.insert(name, value).expect("JSON");
    }
    object
}

pub async fn call(client: &WsClient, method: &str, params: Value) -> Value {
    client.request(method, named(params)).await.unwrap_or_else(|error| panic!("{method}: {error}"))
}

pub async fn new_session(client: &WsClient) -> String {
    text(&call(client, "session/new", json!({})).await["sessionId"])
}

pub fn prompt(session: &str, prompt: &str) -> Value {
    json!({"sessionId": session, "prompt": [{"type": "text", "text": prompt}]})
}

pub async fn subscribe(client: &WsClient, session: &str, from_seq: Option<u64>) -> Subscription<Value> {
    let mut params = json!({"sessionId": session});
    if let Some(from_seq) = from_seq {
        params["fromSeq"] = json!(from_seq);
    }
    client.subscribe("session/events", named(params), "session/events/stop").await.expect("a subscription")
}

/// What comes until an event of this type, which is the last returned.
pub async fn until(events: &mut Subscription<Value>, kind: &str) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    loop {
        let event = tokio::time::timeout(LIMIT, events.next()).await;
        let event = event.unwrap_or_else(|_| panic!("waited too long for {kind} after {seen:?}"));
        seen.push(event.expect("the subscription goes on").expect("JSON"));
        if seen.last().expect("just pushed")["event"]["type"] == kind {
            return seen;
        }
    }
}

pub async fn until_ended(events: &mut Subscription<Value>) -> Vec<Value> {
    until(events, "turnEnded").await
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
