//! Pillion's methods, for jsonrpsee.

use std::sync::Arc;

use jsonrpsee::{
    core::SubscriptionError,
    server::{
        Methods, PendingSubscriptionSink, RegisterMethodError, RpcModule, SubscriptionCloseResponse,
        SubscriptionMessage,
    },
    types::{ErrorObjectOwned, Params},
};
use serde::de::IgnoredAny;
use serde_json::{
    json,
    value::{RawValue, to_raw_value},
};

use super::{
    Server,
    subscriber::{Next, Subscriber},
};
use crate::{
    protocol::{
        Direction, METHODS, ModelListParams, Request, SESSION_EVENT, SESSION_EVENTS, SESSION_EVENTS_STOP,
        SessionEventsParams, SessionInfo, SessionLoadParams, generate,
    },
    sidecar::RequestError,
};

/// Where the document is that describes all of them.
const DISCOVER: &str = "rpc.discover";

/// # Errors
/// If two methods have one name.
pub fn all(server: &Arc<Server>) -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::from_arc(server.clone());
    for method in METHODS.iter().filter(|method| method.direction == Direction::ToServer) {
        let name = method.name;
        module.register_async_method(name, move |params, server, _| async move {
            server.metrics.request(name);
            // Handed over before anything is waited for: requests of one connection take effect in their order.
            ask(&server, name, &params).await
        })?;
    }
    module.register_subscription(
        SESSION_EVENTS,
        SESSION_EVENT,
        SESSION_EVENTS_STOP,
        |params, sink, server, _| async move { subscribe(&server, &params, sink).await },
    )?;
    let document = to_raw_value(&generate::openrpc()).unwrap_or_else(|_| RawValue::NULL.to_owned());
    module.register_method(DISCOVER, move |_, _, _| Ok::<_, ErrorObjectOwned>(document.clone()))?;
    Ok(module.into())
}

async fn ask(server: &Server, method: &str, params: &Params<'_>) -> Result<Box<RawValue>, ErrorObjectOwned> {
    let raw = match params.as_str().map(serde_json::from_str::<&RawValue>).transpose() {
        Ok(raw) => raw,
        Err(error) => return Err(invalid(error)),
    };
    let Some(parsed) = Request::parse(method, raw) else {
        return Err(error(RequestError::new(RequestError::INTERNAL, "This method is not served.")));
    };
    server.core().keeper.call(parsed.map_err(invalid)?).await.map_err(error)
}

fn invalid(wrong: serde_json::Error) -> ErrorObjectOwned {
    error(RequestError::new(RequestError::INVALID_PARAMS, wrong.to_string()))
}

fn error(RequestError { code, message }: RequestError) -> ErrorObjectOwned {
    // All of ours fit.
    let code = i32::try_from(code).unwrap_or(jsonrpsee::types::error::INTERNAL_ERROR_CODE);
    ErrorObjectOwned::owned(code, message, None::<()>)
}

/// Replays a session's events, then follows it, until either side ends it.
async fn subscribe(
    server: &Server,
    params: &Params<'_>,
    pending: PendingSubscriptionSink,
) -> SubscriptionCloseResponse {
    server.metrics.request(SESSION_EVENTS);
    let params = match params.parse::<SessionEventsParams>() {
        Ok(params) => params,
        Err(wrong) => {
            pending.reject(wrong).await;
            return SubscriptionCloseResponse::None;
        }
    };
    let SessionEventsParams { session_id, from_seq } = params;
    let load = |from_seq| {
        let session_id = session_id.clone();
        Request::SessionLoad(SessionLoadParams { session_id, from_seq, roots: None, mcp_servers: None })
    };
    // The server watches it too, so that it stays when this subscription ends.
    let core = server.core();
    if let Err(refused) = core.keeper.call(load(None)).await {
        pending.reject(error(refused)).await;
        return SubscriptionCloseResponse::None;
    }
    let subscriber = Subscriber::attach(core.link(), &core.keeper, &server.metrics, &session_id);
    let loaded = core.link().call::<SessionInfo>(subscriber.id(), load(from_seq)).await;
    let sink = match loaded {
        Ok(_) => pending.accept().await,
        Err(refused) => {
            pending.reject(error(refused)).await;
            return SubscriptionCloseResponse::None;
        }
    };
    let Ok(sink) = sink else { return SubscriptionCloseResponse::None };
    let mut is_level = false;
    loop {
        let next = tokio::select! {
            biased;
            () = sink.closed() => return SubscriptionCloseResponse::None,
            next = subscriber.next() => next,
            // What has happened until now is told first.
            () = server.ending.cancelled(), if subscriber.is_empty() => {
                // An editor's process tells each of us on a connection of its own: what it said before its answer is here then.
                if core.link().own().is_none() && !std::mem::replace(&mut is_level, true) {
                    let _ = core.link().call::<IgnoredAny>(subscriber.id(), Request::ModelList(ModelListParams {})).await;
                    continue;
                }
                return closed(CLOSING, ENDS, None);
            }
            () = core.over.cancelled(), if subscriber.is_empty() => return closed(CLOSING, EDITOR_LEFT, None),
        };
        let event = match next {
            Next::Event(event) => event,
            Next::Lagged { seq } => {
                server.metrics.lagged();
                return lagged(seq);
            }
        };
        let message = SubscriptionMessage::new(SESSION_EVENT, sink.subscription_id(), &event);
        let Ok(message) = message else { continue };
        if sink.send(message).await.is_err() {
            return SubscriptionCloseResponse::None;
        }
    }
}

/// The subscriber did not keep up.
const LAGGED: i32 = -32005;
/// The hub is there no more.
const CLOSING: i32 = -32006;
const ENDS: &str = "The server ends. What was said until now is in the session's log.";
const EDITOR_LEFT: &str = "The editor that was served has left, and the server goes on with what is on the disk. What was \
    said until now is in the session's log: open it with session/load and subscribe again.";

fn lagged(seq: u64) -> SubscriptionCloseResponse {
    let message =
        format!("Too much was waiting to be read: lagged, resume from seq {seq}. Subscribe again with fromSeq.");
    closed(LAGGED, &message, Some(seq))
}

fn closed(code: i32, message: &str, from_seq: Option<u64>) -> SubscriptionCloseResponse {
    let mut error = json!({ "code": code, "message": message });
    if let Some(from_seq) = from_seq {
        error["data"] = json!({ "fromSeq": from_seq });
    }
    match to_raw_value(&error) {
        Ok(error) => SubscriptionCloseResponse::NotifErr(SubscriptionError::from_json(error)),
        Err(_) => SubscriptionCloseResponse::None,
    }
}
