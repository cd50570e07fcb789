//! `workspace/executeCommand`: enough for a client without a plugin to ask something and to stop it.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    protocol::{
        ContentBlock, Empty, Request, SessionCloseParams, SessionInfo, SessionLoadParams, SessionNewParams,
        TurnCancelParams, TurnCancelResponse, TurnStartParams, TurnStartResponse,
    },
    rpc::Error,
    sidecar::{AttachmentId, Sidecar},
};

/// Runs a prompt. Arguments: the prompt in one or more strings, or `{ "prompt": string, "sessionId"?: string }` to go on
/// in a session. Answers `{ sessionId, turnId }` when the turn has begun.
const ASK: &str = "pillion.ask";
/// Stops what `pillion.ask` started: `{ "sessionId": string }`, or all of it. Answers `{ cancelled: number }`.
const STOP: &str = "pillion.stop";

pub(super) const ALL: [&str; 2] = [ASK, STOP];

/// The sessions that commands have begun.
#[derive(Default)]
pub(super) struct Commands {
    sessions: Mutex<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Arguments {
    prompt: String,
    session_id: Option<String>,
}

impl Commands {
    pub(super) async fn run(
        &self,
        sidecar: &Sidecar,
        from: AttachmentId,
        command: &str,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        let arguments = Arguments::read(arguments)?;
        match command {
            ASK => self.ask(sidecar, from, arguments).await,
            STOP => self.stop(sidecar, from, arguments).await,
            _ => Err(Error::invalid_params(format!("there is no command `{command}`, only {}", ALL.join(" and ")))),
        }
    }

    async fn ask(&self, sidecar: &Sidecar, from: AttachmentId, arguments: Arguments) -> Result<Value, Error> {
        if arguments.prompt.trim().is_empty() {
            return Err(Error::invalid_params("the prompt is empty: say what to do"));
        }
        let session_id = match arguments.session_id {
            Some(session_id) => session_id,
            None => {
                self.let_go(sidecar, from).await;
                let request = Request::SessionNew(SessionNewParams::default());
                let session: SessionInfo = ask_hub(sidecar, from, request).await?;
                self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session.session_id.clone());
                session.session_id
            }
        };
        let prompt = vec![ContentBlock::Text { text: arguments.prompt }];
        let request = Request::TurnStart(TurnStartParams { session_id: session_id.clone(), prompt });
        let turn: TurnStartResponse = ask_hub(sidecar, from, request).await?;
        Ok(json!({ "sessionId": session_id, "turnId": turn.turn_id }))
    }

    /// Closes the sessions of earlier commands whose turns are over, so that they do not gather while the editor runs.
    async fn let_go(&self, sidecar: &Sidecar, from: AttachmentId) {
        let sessions = std::mem::take(&mut *self.sessions.lock().unwrap_or_else(PoisonError::into_inner));
        for session_id in sessions {
            let load = Request::SessionLoad(SessionLoadParams {
                session_id: session_id.clone(),
                from_seq: None,
                mcp_servers: None,
            });
            match ask_hub::<SessionInfo>(sidecar, from, load).await {
                Ok(session) if session.turn_id.is_none() => {
                    let close = Request::SessionClose(SessionCloseParams { session_id });
                    // One that is closed already is what was wanted.
                    let _ = ask_hub::<Empty>(sidecar, from, close).await;
                }
                Ok(_) => self.sessions.lock().unwrap_or_else(PoisonError::into_inner).push(session_id),
                Err(error) => tracing::info!(%error, "a session of an earlier command is gone"),
            }
        }
    }

    async fn stop(&self, sidecar: &Sidecar, from: AttachmentId, arguments: Arguments) -> Result<Value, Error> {
        let cancel = |session_id| Request::TurnCancel(TurnCancelParams { session_id, background: false });
        if let Some(session_id) = arguments.session_id {
            let response: TurnCancelResponse = ask_hub(sidecar, from, cancel(session_id)).await?;
            return Ok(json!({ "cancelled": u32::from(response.cancelled) }));
        }
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut cancelled = 0;
        for session_id in sessions {
            // One that was closed meanwhile has nothing to stop, and keeps the others from nothing.
            let response = ask_hub::<TurnCancelResponse>(sidecar, from, cancel(session_id)).await;
            cancelled += u32::from(response.is_ok_and(|response| response.cancelled));
        }
        Ok(json!({ "cancelled": cancelled }))
    }
}

impl Arguments {
    fn read(arguments: Vec<Value>) -> Result<Self, Error> {
        if let [object @ Value::Object(_)] = arguments.as_slice() {
            return serde_json::from_value(object.clone()).map_err(|error| Error::invalid_params(error.to_string()));
        }
        let words: Option<Vec<_>> = arguments.iter().map(Value::as_str).collect();
        let words = words.ok_or_else(|| Error::invalid_params("arguments are strings, or one object"))?;
        Ok(Self { prompt: words.join(" "), session_id: None })
    }
}

/// One of our own requests, from inside.
async fn ask_hub<T: DeserializeOwned>(sidecar: &Sidecar, from: AttachmentId, request: Request) -> Result<T, Error> {
    let (sender, receiver) = oneshot::channel();
    sidecar.request(
        from,
        request,
        Box::new(move |outcome| {
            // The command may have been given up meanwhile.
            let _ = sender.send(outcome);
        }),
    );
    let outcome = receiver.await.map_err(|_| Error::internal("the request was dropped without an answer"))?;
    let result = outcome.map_err(|error| Error::new(error.code, error.message))?;
    serde_json::from_str(result.get()).map_err(|error| Error::internal(error.to_string()))
}
