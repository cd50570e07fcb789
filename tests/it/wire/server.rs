//! A model server that gives prepared answers, one a request, and tells what it was asked.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

/// What the server does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Writes these bytes and waits for the next request.
    Keep(String),
    /// Writes these bytes and closes the connection.
    Close(String),
    /// Writes these pieces, each a chunk of the body, and closes the connection.
    Pieces(Vec<Vec<u8>>),
    /// Writes these bytes and then waits for the client to close the connection.
    Hold(String),
}

/// What the server was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The number of the connection, from 0.
    pub connection: usize,
    pub head: String,
    pub body: serde_json::Value,
    /// The body as it came.
    pub text: String,
}

pub struct Server {
    pub base_url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    requests: watch::Receiver<usize>,
    closed: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers the requests in order; the last reply is given again for every further one.
    pub async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (arrivals, requests) = watch::channel(0);
        let (closings, closed) = watch::channel(0);
        let log = asked.clone();
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let Ok((socket, _)) = listener.accept().await else { return };
                let (log, replies) = (log.clone(), replies.clone());
                let (arrivals, closings) = (arrivals.clone(), closings.clone());
                tokio::spawn(async move {
                    // A client that goes away is what some tests are about.
                    let _ = serve(connection, socket, &log, &arrivals, &replies).await;
                    closings.send_modify(|closed| *closed += 1);
                });
            }
        });
        Self { base_url, asked, requests, closed, task }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Waits until there were `count` requests in all.
    pub async fn was_asked(&mut self, count: usize) {
        let asked = self.requests.wait_for(|asked| *asked >= count);
        tokio::time::timeout(Duration::from_secs(30), asked).await.expect("nothing is asked").unwrap();
    }

    /// Waits until the client has closed `count` connections in all.
    pub async fn closed(&mut self, count: usize) {
        let closed = self.closed.wait_for(|closed| *closed >= count);
        tokio::time::timeout(Duration::from_secs(30), closed).await.expect("the connection stays open").unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asked {
    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

async fn serve(
    connection: usize,
    socket: TcpStream,
    log: &Mutex<Vec<Asked>>,
    arrivals: &watch::Sender<usize>,
    replies: &[Reply],
) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if socket.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let length = head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == "content-length");
        let mut body = vec![0; length.map_or(0, |(_, length)| length.parse().unwrap())];
        socket.read_exact(&mut body).await?;
        let number = {
            let mut log = log.lock().unwrap();
            let value = serde_json::from_slice(&body).unwrap_or_default();
            log.push(Asked { connection, head, body: value, text: String::from_utf8(body).unwrap() });
            log.len() - 1
        };
        arrivals.send_replace(number + 1);
        match &replies[number.min(replies.len() - 1)] {
            Reply::Keep(bytes) => socket.write_all(bytes.as_bytes()).await?,
            Reply::Close(bytes) => {
                socket.write_all(bytes.as_bytes()).await?;
                return socket.shutdown().await;
            }
            Reply::Pieces(pieces) => {
                socket.write_all(begun(&[]).as_bytes()).await?;
                for piece in pieces {
                    socket.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
                    socket.write_all(piece).await?;
                    socket.write_all(b"\r\n").await?;
                }
                socket.write_all(b"0\r\n\r\n").await?;
                return socket.shutdown().await;
            }
            Reply::Hold(bytes) => {
                socket.write_all(bytes.as_bytes()).await?;
                while socket.read(&mut [0; 64]).await? > 0 {}
                return Ok(());
            }
        }
    }
}

/// An event stream as a chunked body, a chunk an event, without its last chunk.
pub fn begun(events: &[&str]) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
    events.iter().fold(head, |out, data| {
        let event = format!("data: {data}\n\n");
        format!("{out}{:x}\r\n{event}\r\n", event.len())
    })
}

/// A whole event stream as a chunked body.
pub fn events(events: &[&str]) -> String {
    begun(events) + "0\r\n\r\n"
}

/// An answer that is no stream.
pub fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} Status\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}
