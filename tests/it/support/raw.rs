//! The real server, byte by byte.

use std::process::Stdio;

use pillion::rpc::Framing;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
};

use super::{Ground, LIMIT};

pub struct RawServer {
    /// LSP's, if nothing else is set.
    pub framing: Framing,
    pub child: Child,
    pub input: ChildStdin,
    pub output: BufReader<ChildStdout>,
}

impl RawServer {
    /// Starts pillion with what `set` makes of its command, in the ground's project.
    pub fn start(ground: &Ground, set: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pillion"));
        command.envs(ground.env.iter().cloned()).current_dir(ground.project());
        set(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("the server starts");
        let (input, output) = (child.stdin.take().expect("stdin"), child.stdout.take().expect("stdout"));
        Self { framing: Framing::ContentLength, child, input, output: BufReader::new(output) }
    }

    pub async fn say(&mut self, json: &str) {
        let frame = match self.framing {
            Framing::ContentLength => format!("Content-Length: {}\r\n\r\n{json}", json.len()),
            Framing::Lines => format!("{json}\n"),
        };
        self.input.write_all(frame.as_bytes()).await.expect("the server listens");
        self.input.flush().await.expect("the server listens");
    }

    /// The next frame; `None` if none comes.
    pub async fn hear(&mut self) -> Option<String> {
        let read = async {
            if self.framing == Framing::Lines {
                let mut line = String::new();
                return (self.output.read_line(&mut line).await.expect("a line") > 0).then_some(line);
            }
            let mut length = None;
            loop {
                let mut line = String::new();
                if self.output.read_line(&mut line).await.expect("a header") == 0 {
                    return None;
                }
                match line.trim_end_matches("\r\n") {
                    "" => break,
                    header => length = header.strip_prefix("Content-Length: ").and_then(|length| length.parse().ok()),
                }
            }
            let mut body = vec![0; length.expect("a length")];
            self.output.read_exact(&mut body).await.expect("a body");
            Some(String::from_utf8(body).expect("UTF-8"))
        };
        tokio::time::timeout(LIMIT, read).await.ok().flatten()
    }
}
