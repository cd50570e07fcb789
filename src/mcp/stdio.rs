//! A server that is a program: one message a line, on its standard input and output.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::BytesMut;
use rmcp::{
    RoleClient,
    model::{ErrorCode, ErrorData, JsonRpcMessage, ServerJsonRpcMessage},
    service::{RxJsonRpcMessage, TxJsonRpcMessage},
    transport::Transport,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{ChildStderr, ChildStdin, ChildStdout},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::secret::Secrets;
use crate::process::{Child, Command, Dialog, Exit, ProcessError};

/// The longest message that is taken, in bytes. As over HTTP.
const LONGEST: usize = 16 << 20;

/// From this length on a message is read on a thread of its own, so that it holds nobody up. In bytes.
const LONG: usize = 128 << 10;

/// How long a program whose standard input was closed may take to end by itself.
const GRACE: Duration = Duration::from_millis(500);

/// How long what it printed last is waited for once it has ended: a process it left behind may hold the pipe for ever.
const LINGER: Duration = Duration::from_millis(100);

/// What is kept of its standard error, for when it fails: lines, and bytes of each.
const COMPLAINTS: usize = 5;
const COMPLAINT_BYTES: u64 = 2000;

/// The two pipes, and the program at their other end. Dropping it ends the program and all that it started.
pub struct Stdio {
    child: Child,
    stdin: Arc<tokio::sync::Mutex<Option<ChildStdin>>>,
    stdout: Option<ChildStdout>,
    buffer: BytesMut,
    /// How much of `buffer` has no end of a line in it.
    searched: usize,
    /// A message is longer than what is taken; the rest of its line is let go.
    skipping: bool,
    reading: Option<JoinHandle<Option<ServerJsonRpcMessage>>>,
    last_words: Arc<LastWords>,
    listening: AbortOnDropHandle<()>,
}

/// What a program said on its standard error, and how it ended. Outlives the [`Stdio`].
#[derive(Default)]
pub struct LastWords(Mutex<(VecDeque<String>, Option<Exit>)>);

impl Stdio {
    pub fn start(server: &str, secrets: Secrets, command: Command) -> Result<Self, ProcessError> {
        let Dialog { child, stdin, stdout, stderr } = command.dialog()?;
        let last_words = Arc::<LastWords>::default();
        let listening = tokio::spawn(listen(server.to_owned(), secrets, stderr, last_words.clone()));
        Ok(Self {
            child,
            stdin: Arc::new(tokio::sync::Mutex::new(Some(stdin))),
            stdout: Some(stdout),
            buffer: BytesMut::new(),
            searched: 0,
            skipping: false,
            reading: None,
            last_words,
            listening: AbortOnDropHandle::new(listening),
        })
    }

    pub fn last_words(&self) -> Arc<LastWords> {
        self.last_words.clone()
    }

    /// The next line that is in the buffer as a whole, or what stands for one that is too long.
    fn next_line(&mut self) -> Option<Line> {
        loop {
            let end = memchr::memchr(b'\n', &self.buffer[self.searched..]).map(|at| self.searched + at);
            let Some(end) = end else {
                self.searched = self.buffer.len();
                if self.buffer.len() <= LONGEST {
                    return None;
                }
                let line = (!self.skipping).then(|| Line::TooLong(id_of(&self.buffer)));
                self.skipping = true;
                self.buffer.clear();
                self.searched = 0;
                return line;
            };
            let mut line = self.buffer.split_to(end + 1);
            self.searched = 0;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            line.truncate(end);
            if !line.trim_ascii().is_empty() {
                return Some(Line::Whole(line));
            }
        }
    }

    /// More of what it prints; false at the end of it.
    async fn read_more(&mut self) -> bool {
        let Some(stdout) = &mut self.stdout else { return false };
        let exited = self.last_words.exit().is_some();
        let read = if exited {
            timeout(LINGER, stdout.read_buf(&mut self.buffer)).await.unwrap_or(Ok(0))
        } else {
            tokio::select! {
                read = stdout.read_buf(&mut self.buffer) => read,
                exit = self.child.wait() => {
                    self.last_words.lock().1 = Some(exit);
                    return true;
                }
            }
        };
        if read.is_ok_and(|count| count > 0) {
            return true;
        }
        // Why it ended may be known a moment later.
        if !exited && let Ok(exit) = timeout(LINGER, self.child.wait()).await {
            self.last_words.lock().1 = Some(exit);
        }
        let _ = timeout(LINGER, &mut self.listening).await;
        self.stdout = None;
        false
    }
}

enum Line {
    Whole(BytesMut),
    /// With the id of what it may be the answer to.
    TooLong(Option<Value>),
}

impl Transport<RoleClient> for Stdio {
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let stdin = self.stdin.clone();
        async move {
            let mut line = serde_json::to_vec(&message)?;
            line.push(b'\n');
            let mut stdin = stdin.lock().await;
            let stdin = stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
            stdin.write_all(&line).await?;
            stdin.flush().await
        }
    }

    /// Safe to drop and call again.
    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        loop {
            if let Some(reading) = &mut self.reading {
                let message = reading.await.ok().flatten();
                self.reading = None;
                if message.is_some() {
                    return message;
                }
            }
            match self.next_line() {
                Some(Line::Whole(line)) if line.len() > LONG => {
                    self.reading = Some(tokio::task::spawn_blocking(move || parse(&line)));
                }
                Some(Line::Whole(line)) => {
                    if let Some(message) = parse(&line) {
                        return Some(message);
                    }
                }
                Some(Line::TooLong(id)) => {
                    tracing::warn!("an MCP server sent a message of more than {LONGEST} bytes, which is not read");
                    if let Some(message) = id.and_then(|id| failure(id, "the answer is too long to be read")) {
                        return Some(message);
                    }
                }
                None => {
                    if !self.read_more().await {
                        return None;
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        // As MCP has it: the end of its input tells it to go, and then it is told in other ways.
        if let Ok(mut stdin) = self.stdin.try_lock() {
            *stdin = None;
        }
        let _ = timeout(GRACE, self.child.wait()).await;
        self.child.end().await;
        Ok(())
    }
}

/// A message, or nothing where it is none: servers print banners and debugging aids on their standard output.
fn parse(line: &[u8]) -> Option<ServerJsonRpcMessage> {
    let error = match serde_json::from_slice(line) {
        Ok(message) => return Some(message),
        Err(error) => error,
    };
    let Ok(Value::Object(mut message)) = serde_json::from_slice::<Value>(line) else {
        tracing::warn!("an MCP server printed something that is no message on its standard output; it is passed over");
        return None;
    };
    tracing::warn!(%error, "a message of an MCP server is not understood");
    // Whoever waits for it need not wait for ever.
    let id = message.remove("id").filter(|_| !message.contains_key("method"))?;
    failure(id, "the answer is none that MCP knows")
}

fn failure(id: Value, message: &'static str) -> Option<ServerJsonRpcMessage> {
    let id = serde_json::from_value(id).ok()?;
    Some(JsonRpcMessage::error(ErrorData::new(ErrorCode::INTERNAL_ERROR, message, None), Some(id)))
}

/// The id at the beginning of a message that is not read.
fn id_of(message: &[u8]) -> Option<Value> {
    let head = String::from_utf8_lossy(&message[..message.len().min(200)]);
    let (_, rest) = head.split_once("\"id\"")?;
    let digits: String = rest.trim_start_matches([' ', ':']).chars().take_while(char::is_ascii_digit).collect();
    digits.parse::<u64>().ok().map(Value::from)
}

impl LastWords {
    /// For a person: how it ended, and what it complained of last.
    pub fn told(&self) -> Option<String> {
        let (lines, exit) = &*self.lock();
        let last = lines.back();
        match (exit, last) {
            (Some(exit), Some(last)) => Some(format!("it ended with {exit}: {last}")),
            (Some(exit), None) => Some(format!("it ended with {exit}")),
            (None, Some(last)) => Some(format!("its last words were: {last}")),
            (None, None) => None,
        }
    }

    fn exit(&self) -> Option<Exit> {
        self.lock().1
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, (VecDeque<String>, Option<Exit>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what it says on its standard error, line by line, to the log.
async fn listen(server: String, secrets: Secrets, stderr: ChildStderr, last_words: Arc<LastWords>) {
    let mut stderr = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match (&mut stderr).take(COMPLAINT_BYTES).read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let line = secrets.hide(String::from_utf8_lossy(&line).trim_end());
        if line.is_empty() {
            continue;
        }
        tracing::info!(server, "{line}");
        let mut kept = last_words.lock();
        kept.0.push_back(line);
        while kept.0.len() > COMPLAINTS {
            kept.0.pop_front();
        }
    }
}
