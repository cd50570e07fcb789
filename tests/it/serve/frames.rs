//! A WebSocket client of nothing but bytes, which reads when it wants to.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::served::{Served, TOKEN};
use crate::support::LIMIT;

pub struct Frames {
    stream: TcpStream,
    next_id: u64,
}

impl Frames {
    pub async fn connect(served: &Served) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Little may wait in the system, so that it soon waits in the server.
        socket.set_recv_buffer_size(4096).expect("a size");
        let mut stream = socket.connect(served.address.parse().expect("an address")).await.expect("a connection");
        let request = format!(
            "GET / HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nauthorization: Bearer {TOKEN}\r\n\r\n",
            served.address
        );
        stream.write_all(request.as_bytes()).await.expect("it is taken");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a head"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self { stream, next_id: 1 }
    }

    async fn send(&mut self, code: u8, text: &[u8]) {
        let mut frame = vec![0x80 | code];
        let length = u16::try_from(text.len()).expect("a short message");
        frame.push(0x80 | 126);
        frame.extend(length.to_be_bytes());
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        frame.extend(text);
        self.stream.write_all(&frame).await.expect("it is taken");
    }

    /// The next message; `None` when the other side closes.
    pub async fn next(&mut self) -> Option<Value> {
        tokio::time::timeout(LIMIT, self.read()).await.expect("in time")
    }

    async fn read(&mut self) -> Option<Value> {
        let mut message = Vec::new();
        loop {
            let head = self.stream.read_u16().await.ok()?;
            let length = match head & 0x7f {
                126 => u64::from(self.stream.read_u16().await.ok()?),
                127 => self.stream.read_u64().await.ok()?,
                length => u64::from(length),
            };
            let mut payload = vec![0; usize::try_from(length).expect("a size")];
            self.stream.read_exact(&mut payload).await.ok()?;
            let is_last = head & 0x8000 != 0;
            match (head >> 8) & 0xf {
                8 => return None,
                9 => self.send(10, &payload).await,
                10 => {}
                _ => {
                    message.extend(payload);
                    if is_last {
                        return Some(serde_json::from_slice(&message).expect("JSON"));
                    }
                }
            }
        }
    }

    /// Sends a request and reads its answer; the events before it are passed over.
    pub async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
        self.send(1, request.as_bytes()).await;
        loop {
            let message = self.next().await.expect("an answer");
            if message["id"] == id {
                return message;
            }
        }
    }
}
