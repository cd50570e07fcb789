//! A server on the loopback interface that answers every request with the body it was given last.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::{Cuts, Meta};

/// What is said of a batch whose results were recorded: it is looked at first.
const ENDED: &[u8] = br#"{"id":"msgbatch_recorded","type":"message_batch","processing_status":"ended"}"#;
/// Headers of the recording that would not be true of the replay.
const NOT_REPLAYED: &[&str] =
    &["content-encoding", "transfer-encoding", "content-length", "connection", "date", "server"];
const LARGEST_PIECE: usize = 64;

#[derive(Clone, Default)]
struct Answer {
    message: Arc<Vec<u8>>,
    /// To those who ask for something else than results, if these are results.
    first: Option<Arc<Vec<u8>>>,
}

pub struct Server {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let answer: Arc<Mutex<Answer>> = Arc::default();
        let shared = answer.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let answer = shared.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // A client that goes away in the middle is no concern of ours.
                tokio::spawn(async move { drop(respond(socket, &answer).await) });
            }
        });
        Ok(Self { address, answer, task })
    }

    /// From now on answers with this body; gives the base URL to ask.
    pub fn serve(&self, meta: &Meta, body: &[u8], cuts: Cuts) -> String {
        let is_results = meta.request_url.ends_with("/results");
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Answer {
            message: Arc::new(message(meta, body, cuts)),
            first: is_results.then(|| Arc::new(message(meta, ENDED, cuts))),
        };
        format!("http://{}/v1", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The whole HTTP message. A piece is a chunk of its own, which is how the client gets it however the bytes travel.
fn message(meta: &Meta, body: &[u8], cuts: Cuts) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {} Recorded\r\ntransfer-encoding: chunked\r\nconnection: close\r\n", meta.status);
    let replayed = |name: &str| !NOT_REPLAYED.contains(&name.to_ascii_lowercase().as_str());
    for (name, value) in meta.headers.iter().filter(|(name, _)| replayed(name)) {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    let mut out = out.into_bytes();
    let mut random = match cuts {
        Cuts::Random(seed) => fastrand::Rng::with_seed(seed),
        Cuts::Whole | Cuts::Bytes => fastrand::Rng::with_seed(0),
    };
    let mut rest = body;
    while !rest.is_empty() {
        let size = match cuts {
            Cuts::Whole => rest.len(),
            Cuts::Bytes => 1,
            Cuts::Random(_) => random.usize(1..=LARGEST_PIECE).min(rest.len()),
        };
        let (piece, after) = rest.split_at(size);
        out.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
        rest = after;
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

async fn respond(socket: TcpStream, answer: &Answer) -> io::Result<()> {
    let mut socket = BufReader::new(socket);
    let mut length = 0;
    let mut asked = String::new();
    socket.read_line(&mut asked).await?;
    loop {
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    socket.read_exact(&mut body).await?;
    let asks_for_results = asked.split(' ').nth(1).is_some_and(|path| path.ends_with("/results"));
    let message = answer.first.as_ref().filter(|_| !asks_for_results).unwrap_or(&answer.message);
    socket.write_all(message).await?;
    socket.flush().await
}
