//! `workspace/executeCommand`: enough for a client without a plugin to ask something and to stop it.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    protocol::{
        ContentBlock, Request, SessionInfo, SessionNewParams, TurnCancelParams, TurnCancelResponse, TurnStartParams,
        TurnStartResponse,
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
        let session_id = match arguments.session_id {
            Some(session_id) => session_id,
            None => {
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

    async fn stop(&self, sidecar: &Sidecar, from: AttachmentId, arguments: Arguments) -> Result<Value, Error> {
        let sessions = match arguments.session_id {
            Some(session_id) => vec![session_id],
            None => self.sessions.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        let mut cancelled = 0;
        for session_id in sessions {
            let request = Request::TurnCancel(TurnCancelParams { session_id });
            let response: TurnCancelResponse = ask_hub(sidecar, from, request).await?;
            cancelled += u32::from(response.cancelled);
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
