//! The requests that wait for a server's answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rmcp::{
    Peer, RoleClient,
    model::{
        CancelledNotification, CancelledNotificationParam, ClientRequest, ProgressNotificationParam, ProgressToken,
        RequestId, ServerResult,
    },
    service::{PeerRequestOptions, RequestHandle, ServiceError},
};
use tokio::{select, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    handler::{SHOWN, clipped},
    secret::told,
};
use crate::tool::{Context, Desk, Progress, ToolError};

/// How many questions of a server may wait for the person at a time, for each call.
const MOST_ASKING: usize = 4;

/// Calls of tools that run on one connection, by the number they were begun with.
#[derive(Default)]
pub struct Calls(Mutex<Open>);

#[derive(Default)]
struct Open {
    begun: u64,
    calls: BTreeMap<u64, Call>,
}

struct Call {
    token: ProgressToken,
    request: RequestId,
    progress: Progress,
    /// Bytes of progress so far.
    told: u64,
    desk: Desk,
    /// When the server last said something about it.
    heard: Instant,
    /// Questions of it that wait for the person.
    asking: usize,
}

/// Ends the call when it is dropped. Unless the answer came, the server is told that nobody waits for it any more.
struct Waiting<'a> {
    calls: &'a Calls,
    number: u64,
    peer: Peer<RoleClient>,
    request: Option<RequestId>,
}

/// A question to the person, of a call that runs.
pub struct Asking {
    calls: Arc<Calls>,
    number: u64,
    pub desk: Desk,
}

impl Calls {
    /// Sends a request for a call of the model, and waits for the answer.
    ///
    /// # Errors
    /// If it does not come: what the model is to read.
    pub async fn request(
        &self,
        peer: &Peer<RoleClient>,
        gone: &CancellationToken,
        server: &str,
        limit: Duration,
        request: ClientRequest,
        context: &Context,
    ) -> Result<ServerResult, ToolError> {
        let lost = || {
            let server = format!("the MCP server `{server}` ended before it answered, and is started again.");
            ToolError::new(format!("{server} Whether the call had an effect is not known"))
        };
        let sent = peer.send_request_with_option(request, PeerRequestOptions::no_options()).await;
        let RequestHandle { rx, id, progress_token, .. } = sent.map_err(|_| lost())?;
        let number = self.begin(progress_token, id.clone(), context);
        let mut waiting = Waiting { calls: self, number, peer: peer.clone(), request: Some(id) };
        select! {
            biased;
            () = context.cancel.cancelled() => {
                Err(ToolError::new("cancelled while it ran; the server was told. Whether it had an effect is not known"))
            }
            answer = rx => {
                waiting.request = None;
                match answer {
                    Ok(Ok(answer)) => Ok(answer),
                    Ok(Err(ServiceError::McpError(error))) => {
                        Err(ToolError::new(format!("the MCP server `{server}` refused: {}", error.message)))
                    }
                    Ok(Err(ServiceError::TransportSend(error))) => {
                        Err(ToolError::new(format!("the MCP server `{server}` could not be reached: {}", told(&*error.error))))
                    }
                    Ok(Err(_)) | Err(_) => Err(lost()),
                }
            }
            () = gone.cancelled() => {
                waiting.request = None;
                Err(lost())
            }
            () = self.silent(number, limit) => {
                let seconds = limit.as_secs_f32();
                Err(ToolError::new(format!(
                    "the MCP server `{server}` said nothing for {seconds} s and was told to stop. Whether the call had an \
                     effect is not known"
                )))
            }
        }
    }

    fn begin(&self, token: ProgressToken, request: RequestId, context: &Context) -> u64 {
        let mut open = self.lock();
        open.begun += 1;
        let number = open.begun;
        let (progress, desk) = (context.progress.clone(), context.desk.clone());
        let call = Call { token, request, progress, told: 0, desk, heard: Instant::now(), asking: 0 };
        open.calls.insert(number, call);
        number
    }

    /// Resolves when the server was silent for so long while nobody else was waited for.
    async fn silent(&self, number: u64, limit: Duration) {
        loop {
            let Some(heard) = self.lock().calls.get(&number).map(|call| call.heard) else { return };
            let Some(deadline) = heard.checked_add(limit) else { return std::future::pending().await };
            tokio::time::sleep_until(deadline).await;
            let mut open = self.lock();
            let Some(call) = open.calls.get_mut(&number) else { return };
            match call.asking {
                0 if call.heard == heard => return,
                0 => {}
                _ => call.heard = Instant::now(),
            }
        }
    }

    /// Passes on how far a call has come.
    pub fn progress(&self, said: &ProgressNotificationParam) {
        let mut open = self.lock();
        let Some(call) = open.calls.values_mut().find(|call| call.token == said.progress_token) else { return };
        call.heard = Instant::now();
        let far = match said.total {
            Some(total) => format!("{}/{total}", said.progress),
            None => said.progress.to_string(),
        };
        let line = match said.message.as_deref().map(str::trim).filter(|message| !message.is_empty()) {
            Some(message) => format!("[{far}] {}\n", clipped(message, SHOWN)),
            None => format!("[{far}]\n"),
        };
        let offset = call.told;
        call.told += line.len() as u64;
        call.progress.report(offset, line);
    }

    /// The call that a question of the server belongs to: the one it names, else the last that was begun. `None` if there
    /// is none, or it has asked too much already.
    pub fn ask(self: &Arc<Self>, request: Option<&RequestId>) -> Option<Asking> {
        let mut open = self.lock();
        let named = request.and_then(|id| open.calls.iter().find(|(_, call)| call.request == *id));
        let number = named.map(|(number, _)| *number).or_else(|| open.calls.keys().next_back().copied())?;
        let call = open.calls.get_mut(&number).filter(|call| call.asking < MOST_ASKING)?;
        call.asking += 1;
        Some(Asking { calls: self.clone(), number, desk: call.desk.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(call) = self.calls.lock().calls.get_mut(&self.number) {
            call.asking = call.asking.saturating_sub(1);
            call.heard = Instant::now();
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.calls.lock().calls.remove(&self.number);
        let Some(request) = self.request.take() else { return };
        let peer = self.peer.clone();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let reason = Some("nobody waits for the answer any more".to_owned());
            let cancelled = CancelledNotification::new(CancelledNotificationParam::new(Some(request), reason));
            // A server that is gone need not be told.
            let _ = peer.send_notification(cancelled.into()).await;
        });
    }
}
