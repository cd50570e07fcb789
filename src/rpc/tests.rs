//! The peer seen from outside: bytes in, bytes out.

mod backpressure;
mod bad_input;
mod calls;
mod traced;
#[cfg(unix)]
mod wire;

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use serde_json::{Value, json, value::RawValue};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, ReadBuf};

use super::{Connection, End, Error, Peer, Reply, Service, Settings, Trace};

/// An upper limit for what takes no time on an idle machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A service with one method of each kind.
struct Sample {
    peer: Peer,
    held: Arc<Mutex<VecDeque<Reply>>>,
    notified: Arc<Mutex<Vec<String>>>,
}

impl Sample {
    fn new(peer: &Peer) -> Self {
        Self { peer: peer.clone(), held: Arc::default(), notified: Arc::default() }
    }
}

impl Service for Sample {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) {
        match method {
            "echo" => reply.send(super::read_params::<Value>(params)),
            "length" => reply.send(super::read_params::<String>(params).map(|text| text.len())),
            "hold" => self.held.lock().unwrap().push_back(reply),
            "release" => {
                let held = self.held.lock().unwrap().pop_front();
                reply.send(Ok(held.is_some()));
                held.unwrap().send(Ok("held"));
            }
            "panic" => panic!("a handler that fails"),
            _ => reply.refuse(Error::method_not_found(method)),
        }
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        if method == "exit" {
            self.peer.close();
        }
        let params = params.map_or("", RawValue::get);
        self.notified.lock().unwrap().push(format!("{method} {params}").trim_end().to_owned());
    }
}

/// Yields one piece a read, then the end.
struct Pieces(VecDeque<Vec<u8>>);

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.0.pop_front() {
            let count = piece.len().min(buffer.remaining());
            buffer.put_slice(&piece[..count]);
            if count < piece.len() {
                self.0.push_front(piece.split_off(count));
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// What one run of a connection left behind.
struct Outcome {
    sent: Vec<String>,
    notified: Vec<String>,
    end: End,
}

fn run(settings: Settings, pieces: impl IntoIterator<Item = Vec<u8>>) -> Outcome {
    run_traced(settings, None, pieces)
}

fn run_traced(settings: Settings, trace: Option<Trace>, pieces: impl IntoIterator<Item = Vec<u8>>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connection = Connection::traced(settings, trace);
    let mut service = Sample::new(connection.peer());
    let mut output = Vec::new();
    let reader = Pieces(pieces.into_iter().collect());
    let end = runtime.block_on(connection.serve(reader, &mut output, &mut service));
    let sent = match settings.framing {
        super::Framing::ContentLength => runtime.block_on(read_all(&output[..])),
        super::Framing::Lines => String::from_utf8(output).unwrap().lines().map(str::to_owned).collect(),
    };
    let notified = std::mem::take(&mut *service.notified.lock().unwrap());
    Outcome { sent, notified, end }
}

pub(crate) fn frame(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Vec<u8> {
    frame(json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params }).to_string())
}

/// Reads one message, strictly. `None` at the end.
pub(crate) async fn read_message(reader: &mut BufReader<impl AsyncRead + Unpin>) -> Option<String> {
    let mut header = String::new();
    if reader.read_line(&mut header).await.unwrap() == 0 {
        return None;
    }
    let length = header.strip_prefix("Content-Length: ").unwrap().strip_suffix("\r\n").unwrap().parse().unwrap();
    let mut blank = [0; 2];
    reader.read_exact(&mut blank).await.unwrap();
    assert_eq!(&blank, b"\r\n");
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.unwrap();
    Some(String::from_utf8(body).unwrap())
}

async fn read_all(reader: impl AsyncRead + Unpin) -> Vec<String> {
    let mut reader = BufReader::new(reader);
    let mut messages = Vec::new();
    while let Some(message) = read_message(&mut reader).await {
        messages.push(message);
    }
    messages
}
