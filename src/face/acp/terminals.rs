//! Commands in the client's terminals, which show themselves what the commands print.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use agent_client_protocol_schema::v1::{
    CreateTerminalRequest, CreateTerminalResponse, EnvVariable, KillTerminalRequest, ReleaseTerminalRequest,
    TerminalExitStatus, TerminalId, TerminalOutputRequest, TerminalOutputResponse, WaitForTerminalExitRequest,
    WaitForTerminalExitResponse,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::client::Client;
use crate::{
    process::{Chunk, Exit},
    rpc::{Call, CallError, Peer},
    tool::{Terminal, TerminalCommand, Terminals, ToolError},
};

/// For the client to do something. A terminal may have to be drawn.
const CLIENT_LIMIT: Duration = Duration::from_secs(15);
/// The longest that a command may run, in the background too.
const RUN_LIMIT: Duration = Duration::from_secs(25 * 60 * 60);
/// For a command to end once it is killed.
const KILL_LIMIT: Duration = Duration::from_secs(2);
/// The protocol tells nobody that something was printed. Chosen: seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Of what a terminal keeps, in bytes.
const KEPT: u64 = 1 << 20;

/// The terminals of one session.
pub(super) struct ClientTerminals {
    client: Weak<Client>,
    session_id: Arc<str>,
}

struct ClientTerminal {
    peer: Peer,
    session_id: Arc<str>,
    id: TerminalId,
    /// Its answer is the command's end.
    exited: Call,
    /// What was seen of its output, as far as the client keeps it.
    seen: String,
    offset: u64,
    exit: Option<Exit>,
    /// There is nothing more to see.
    is_over: bool,
}

impl ClientTerminals {
    pub(super) fn new(client: Weak<Client>, session_id: &str) -> Self {
        Self { client, session_id: session_id.into() }
    }
}

#[async_trait]
impl Terminals for ClientTerminals {
    async fn start(&self, call_id: &str, command: TerminalCommand) -> Result<Box<dyn Terminal>, ToolError> {
        let client = self.client.upgrade().ok_or_else(|| ToolError::new("the client is gone"))?;
        let (peer, session_id) = (client.peer.clone(), self.session_id.clone());
        let TerminalCommand { program, arguments, folder, variables } = command;
        let folder = client.with(&session_id, |talk| talk.roots.spelled(&folder)).flatten().unwrap_or(folder);
        let variables = variables.into_iter().map(|(name, value)| EnvVariable::new(name, value));
        let request = CreateTerminalRequest::new(session_id.clone(), program)
            .args(arguments)
            .env(variables.collect::<Vec<_>>())
            .cwd(folder)
            .output_byte_limit(KEPT);
        let (sender, created) = oneshot::channel();
        let of = session_id.clone();
        // On its own: a terminal that comes when nobody waits for it any more is let go, and its command ends.
        tokio::spawn(async move {
            let created = peer.call::<CreateTerminalResponse>("terminal/create", &request, CLIENT_LIMIT).await;
            let terminal = created.map(|response| ClientTerminal::new(peer, of, response.terminal_id));
            let _ = sender.send(terminal);
        });
        let refused = |error: &dyn std::fmt::Display| ToolError::new(format!("The client did not run it: {error}"));
        let terminal = created.await.map_err(|error| refused(&error))?.map_err(|error| refused(&error))?;
        client.with(&session_id, |talk| {
            if let Some(update) = talk.calls.embed(call_id, terminal.id.clone()) {
                talk.update(&client, update);
            }
        });
        Ok(Box::new(terminal))
    }
}

impl ClientTerminal {
    fn new(peer: Peer, session_id: Arc<str>, id: TerminalId) -> Self {
        let exited = WaitForTerminalExitRequest::new(session_id.clone(), id.clone());
        let exited = peer.request("terminal/wait_for_exit", &exited, RUN_LIMIT);
        Self { peer, session_id, id, exited, seen: String::new(), offset: 0, exit: None, is_over: false }
    }

    async fn look(&mut self) -> Result<Option<Chunk>, CallError> {
        let request = TerminalOutputRequest::new(self.session_id.clone(), self.id.clone());
        let response: TerminalOutputResponse = self.peer.call("terminal/output", &request, CLIENT_LIMIT).await?;
        if let Some(status) = &response.exit_status {
            self.exit.get_or_insert(exit(status));
        }
        self.is_over |= self.exit.is_some();
        let from = unseen(&self.seen, &response.output);
        let fresh = response.output[from..].replace("\r\n", "\n");
        self.seen = response.output;
        let offset = self.offset;
        self.offset += fresh.len() as u64;
        Ok((!fresh.is_empty()).then(|| Chunk { offset, bytes: Bytes::from(fresh) }))
    }
}

#[async_trait]
impl Terminal for ClientTerminal {
    async fn next_output(&mut self) -> Option<Chunk> {
        while !self.is_over {
            if self.exit.is_none() {
                tokio::select! {
                    biased;
                    exited = &mut self.exited => self.exit = Some(exit_of(exited)),
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
            match self.look().await {
                Ok(Some(chunk)) => return Some(chunk),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, "the output of a terminal is not known");
                    self.is_over = true;
                }
            }
        }
        None
    }

    async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let exit = exit_of((&mut self.exited).await);
        *self.exit.insert(exit)
    }

    async fn end(&mut self) {
        if self.exit.is_none() {
            let request = KillTerminalRequest::new(self.session_id.clone(), self.id.clone());
            if let Err(error) = self.peer.request("terminal/kill", &request, CLIENT_LIMIT).await {
                tracing::warn!(%error, "a command in a terminal may still run");
            }
            let ended = tokio::time::timeout(KILL_LIMIT, &mut self.exited).await;
            self.exit = Some(ended.map_or(Exit::Code(-1), exit_of));
            self.is_over = false;
        }
    }
}

impl Drop for ClientTerminal {
    fn drop(&mut self) {
        let request = ReleaseTerminalRequest::new(self.session_id.clone(), self.id.clone());
        let released = self.peer.request("terminal/release", &request, CLIENT_LIMIT);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(released);
        }
    }
}

fn exit_of(exited: Result<Box<serde_json::value::RawValue>, CallError>) -> Exit {
    let response =
        exited.ok().and_then(|result| serde_json::from_str::<WaitForTerminalExitResponse>(result.get()).ok());
    response.map_or(Exit::Code(-1), |response| exit(&response.exit_status))
}

fn exit(status: &TerminalExitStatus) -> Exit {
    /// As every Unix numbers them.
    const SIGNALS: [(&str, i32); 6] =
        [("SIGHUP", 1), ("SIGINT", 2), ("SIGQUIT", 3), ("SIGABRT", 6), ("SIGKILL", 9), ("SIGTERM", 15)];
    match (status.exit_code, &status.signal) {
        (Some(code), _) => Exit::Code(i32::try_from(code).unwrap_or(-1)),
        (None, Some(signal)) => {
            let known = SIGNALS.iter().find(|(name, _)| name == signal).map(|(_, number)| *number);
            known.or_else(|| signal.parse().ok()).map_or(Exit::Code(-1), Exit::Signal)
        }
        (None, None) => Exit::Code(-1),
    }
}

/// Where what was not seen begins. A client that keeps a part of the output drops its beginning.
fn unseen(seen: &str, now: &str) -> usize {
    if now.starts_with(seen) {
        return seen.len();
    }
    /// In characters: enough not to be found elsewhere by chance; a program that repeats itself loses nothing that differs.
    const TAIL: usize = 128;
    let tail = seen.char_indices().rev().nth(TAIL).map_or(seen, |(at, _)| &seen[at..]);
    now.rfind(tail).map_or(0, |at| at + tail.len())
}

#[cfg(test)]
mod tests {
    use super::unseen;

    #[test]
    fn output_is_taken_once_also_when_its_beginning_is_dropped() {
        let check =
            |seen: &str, now: &str, expect: &str| assert_eq!(&now[unseen(seen, now)..], expect, "{seen:?} {now:?}");
        check("", "abc", "abc");
        check("abc", "abcd", "d");
        check("abc", "abc", "");
        check("abcdef", "defgh", "defgh");
        let long = "x".repeat(100) + &"é".repeat(200);
        check(&long, &format!("{}new", &long[50..]), "new");
    }
}
