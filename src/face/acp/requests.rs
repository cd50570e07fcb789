//! What a client asks.

use std::{path::PathBuf, sync::Arc};

use agent_client_protocol_schema::v1::{
    AuthenticateRequest, AuthenticateResponse, CancelNotification, CloseSessionRequest, CloseSessionResponse,
    ContentBlock, DeleteSessionRequest, DeleteSessionResponse, ListSessionsRequest, ListSessionsResponse,
    LoadSessionRequest, McpServer, NewSessionRequest, PromptRequest, ResumeSessionRequest, SessionInfo,
    SetSessionConfigOptionRequest, SetSessionConfigOptionResponse, SetSessionModeRequest, SetSessionModeResponse,
};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    client::Client,
    content,
    handshake::BY_CONFIGURATION,
    home::{Baggage, Home, Notes},
    options::{Settings, mode},
    talk::{Opening, Talk, Then, Way},
};
use crate::{
    protocol::{
        self, Empty, ModelListParams, ModelListResponse, NamedValue, Request, SessionCloseParams,
        SessionConfigureParams, SessionDeleteParams, SessionListParams, SessionListResponse, SessionLoadParams,
        SessionNewParams, TurnSteerParams,
    },
    rpc::{Error, Id, Reply, read_params},
    store::rfc3339,
};

/// A request. Each is handed to the hub before this returns, so that they are served in their order.
pub(super) fn take(client: &Arc<Client>, reply: Reply, method: &str, params: Option<&RawValue>) {
    match method {
        "authenticate" => with(reply, params, |reply, request| authenticate(client, reply, &request)),
        "session/new" => with(reply, params, |reply, request| new(client, reply, request)),
        "session/load" => with(reply, params, |reply, request| load(client, reply, request)),
        "session/resume" => with(reply, params, |reply, request| resume(client, reply, request)),
        "session/list" => with(reply, params, |reply, request| list(client, reply, request)),
        "session/delete" => with(reply, params, |reply, request| delete(client, reply, &request)),
        "session/close" => with(reply, params, |reply, request| close(client, reply, &request)),
        "session/prompt" => with(reply, params, |reply, request| prompt(client, reply, request)),
        STEER => with(reply, params, |reply, request| steer(client, reply, request)),
        "session/set_mode" => with(reply, params, |reply, request| set_mode(client, reply, &request)),
        "session/set_config_option" => with(reply, params, |reply, request| set_option(client, reply, &request)),
        _ => reply.refuse(Error::method_not_found(method)),
    }
}

/// A notification.
pub(super) fn note(client: &Arc<Client>, method: &str, params: Option<&RawValue>) {
    match method {
        "session/cancel" => match read_params::<CancelNotification>(params) {
            Ok(cancel) => {
                client.with(&cancel.session_id.0, |talk| talk.cancel(client));
            }
            Err(error) => tracing::warn!(%error, "a cancellation could not be understood"),
        },
        "$/cancel_request" => give_up(client, params),
        _ => {}
    }
}

fn with<T: serde::de::DeserializeOwned>(reply: Reply, params: Option<&RawValue>, act: impl FnOnce(Reply, T)) {
    match read_params(params) {
        Ok(request) => act(reply, request),
        Err(error) => reply.refuse(error),
    }
}

/// The client gives up a request of its own: of those, only a prompt lasts.
fn give_up(client: &Client, params: Option<&RawValue>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cancel<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
    }
    let cancel = params.and_then(|params| serde_json::from_str::<Cancel>(params.get()).ok());
    let Some(id) = cancel.and_then(|cancel| Id::read(cancel.request_id)) else { return };
    client.talks().values_mut().any(|talk| talk.give_up(client, &id));
}

/// Reads the configuration again, and lets in who has a model then.
fn authenticate(client: &Client, reply: Reply, request: &AuthenticateRequest) {
    if &*request.method_id.0 != BY_CONFIGURATION {
        return reply.refuse(Error::invalid_params(format!("there is only the method `{BY_CONFIGURATION}`")));
    }
    client.own().configure();
    let request = Request::ModelList(ModelListParams {});
    client.ask(client.own(), request, move |_, models: Result<ModelListResponse, Error>| match models {
        Ok(models) if models.default.is_some() => reply.send(Ok(AuthenticateResponse::new())),
        Ok(_) => reply.refuse(Error::new(
            -32000,
            "No model can be used yet. Set a provider's key, ANTHROPIC_API_KEY for example, in the environment that this \
             program is started in, or name a provider in Pillion's configuration file; then try again.",
        )),
        Err(error) => reply.refuse(error),
    });
}

fn new(client: &Arc<Client>, reply: Reply, request: NewSessionRequest) {
    let NewSessionRequest { cwd, additional_directories, mcp_servers, .. } = request;
    open(client, reply, (Way::New, None), (cwd, additional_directories, mcp_servers), |baggage| {
        let (roots, mcp_servers) = (Some(baggage.roots), baggage.mcp_servers);
        Request::SessionNew(SessionNewParams { roots, mcp_servers, ..SessionNewParams::default() })
    });
}

fn load(client: &Arc<Client>, reply: Reply, request: LoadSessionRequest) {
    let LoadSessionRequest { session_id, cwd, additional_directories, mcp_servers, .. } = request;
    let known = client.known_home(&session_id.0);
    open(client, reply, (Way::Load, known), (cwd, additional_directories, mcp_servers), move |baggage| {
        loading(session_id.to_string(), Some(1), baggage)
    });
}

fn resume(client: &Arc<Client>, reply: Reply, request: ResumeSessionRequest) {
    let ResumeSessionRequest { session_id, cwd, additional_directories, mcp_servers, .. } = request;
    let known = client.known_home(&session_id.0);
    open(client, reply, (Way::Resume, known), (cwd, additional_directories, mcp_servers), move |baggage| {
        loading(session_id.to_string(), None, baggage)
    });
}

fn loading(session_id: String, from_seq: Option<u64>, baggage: Baggage) -> Request {
    let (roots, mcp_servers) = (Some(baggage.roots), Some(baggage.mcp_servers));
    Request::SessionLoad(SessionLoadParams { session_id, from_seq, roots, mcp_servers })
}

/// Opens a session where it is to live, which has to be looked for unless it lives already.
fn open(
    client: &Arc<Client>,
    reply: Reply,
    (way, known): (Way, Option<Arc<Home>>),
    (cwd, others, servers): (PathBuf, Vec<PathBuf>, Vec<McpServer>),
    request: impl FnOnce(Baggage) -> Request + Send + 'static,
) {
    let baggage = roots(cwd, others).and_then(|roots| {
        Ok(Baggage { roots, mcp_servers: servers.into_iter().map(server).collect::<Result<_, _>>()? })
    });
    let baggage = match baggage {
        Ok(baggage) => baggage,
        Err(error) => return reply.refuse(error),
    };
    let client = client.clone();
    tokio::spawn(async move {
        let (home, notes) = match known {
            Some(home) => (home, Notes::new()),
            None => client.home_for(&baggage.roots).await,
        };
        // What is to be known before any session is open.
        home.learn_models(&client);
        let request = request(baggage.clone());
        let there = home.clone();
        client.ask(&there, request, move |client, session: Result<protocol::SessionInfo, Error>| match session {
            Ok(session) => {
                let id: Arc<str> = session.session_id.as_str().into();
                let mut talks = client.talks();
                let talk = talks.entry(id.clone()).or_insert_with(|| Talk::unknown(id, home.clone()));
                talk.open(client, &session, Opening { way, home, baggage, notes, reply });
            }
            Err(error) => reply.refuse(home.refused(error)),
        });
    });
}

fn roots(cwd: PathBuf, others: Vec<PathBuf>) -> Result<Vec<String>, Error> {
    let roots = std::iter::once(cwd).chain(others).map(|root| match root.to_str() {
        Some(text) if root.is_absolute() => Ok(text.to_owned()),
        _ => Err(Error::invalid_params(format!("{} is no absolute path of a folder", root.display()))),
    });
    roots.collect()
}

fn server(server: McpServer) -> Result<protocol::McpServer, Error> {
    match server {
        McpServer::Stdio(stdio) => Ok(protocol::McpServer::Stdio {
            name: stdio.name,
            command: stdio.command.to_string_lossy().into_owned(),
            args: stdio.args,
            env: stdio.env.into_iter().map(|pair| NamedValue { name: pair.name, value: pair.value }).collect(),
        }),
        McpServer::Http(http) => Ok(protocol::McpServer::Http {
            name: http.name,
            url: http.url,
            headers: http.headers.into_iter().map(|pair| NamedValue { name: pair.name, value: pair.value }).collect(),
        }),
        McpServer::Sse(sse) => Err(Error::invalid_params(format!(
            "the MCP server {} speaks SSE, which is not spoken here: give its HTTP or stdio form",
            sse.name
        ))),
        _ => Err(Error::invalid_params("an MCP server is of a kind that is not known here")),
    }
}

fn list(client: &Client, reply: Reply, request: ListSessionsRequest) {
    let root = request.cwd.map(|cwd| cwd.to_string_lossy().into_owned());
    let params = SessionListParams { root, cursor: request.cursor, limit: None };
    client.ask(client.own(), Request::SessionList(params), move |_, listed: Result<SessionListResponse, Error>| {
        reply.send(listed.map(|listed| {
            let sessions = listed.sessions.into_iter().map(|session| {
                let mut roots = session.roots.into_iter().map(PathBuf::from);
                SessionInfo::new(session.session_id, roots.next().unwrap_or_default())
                    .additional_directories(roots.collect::<Vec<_>>())
                    .title(Some(session.title).filter(|title| !title.is_empty()))
                    .updated_at(rfc3339(session.updated_at))
            });
            ListSessionsResponse::new(sessions.collect()).next_cursor(listed.next_cursor)
        }));
    });
}

fn close(client: &Client, reply: Reply, request: &CloseSessionRequest) {
    leave(client, &request.session_id.0, move |_, left| reply.send(left.map(|()| CloseSessionResponse::new())));
}

fn delete(client: &Client, reply: Reply, request: &DeleteSessionRequest) {
    let session_id = request.session_id.to_string();
    let home = client.home_of(&session_id);
    let delete = move |client: &Client| {
        let params = SessionDeleteParams { session_id };
        client.ask(&home, Request::SessionDelete(params), |_, deleted: Result<Empty, Error>| {
            reply.send(deleted.map(|Empty {}| DeleteSessionResponse::new()));
        });
    };
    if client.talks().contains_key(&*request.session_id.0) {
        // One that is not open any more is as good as left.
        leave(client, &request.session_id.0, move |client, _| delete(client));
    } else {
        delete(client);
    }
}

/// Lets a session go. A turn that runs is cancelled, and its prompt answered, before.
fn leave(client: &Client, session_id: &str, then: impl FnOnce(&Client, Result<(), Error>) + Send + 'static) {
    let id = session_id.to_owned();
    let home = client.home_of(session_id);
    let close: Then = Box::new(move |client| {
        let params = SessionCloseParams { session_id: id.clone() };
        client.ask(&home, Request::SessionClose(params), move |client, closed: Result<Empty, Error>| {
            client.talks().remove(id.as_str());
            then(client, closed.map(|Empty {}| ()));
        });
    });
    match client.talks().get_mut(session_id) {
        Some(talk) => talk.close(client, close),
        None => close(client),
    }
}

fn prompt(client: &Client, reply: Reply, request: PromptRequest) {
    let words = match content::prompt(request.prompt) {
        Ok(words) => words,
        Err(error) => return reply.refuse(error),
    };
    match client.talks().get_mut(&request.session_id.0) {
        Some(talk) => talk.say(client, words, reply),
        None => reply.refuse(not_open(&request.session_id.0)),
    }
}

/// What several agents and clients have agreed on beside the protocol, which has no word for it: something is said to the
/// turn that runs. Where none runs, the client is told to say it as a prompt.
const STEER: &str = "_session/steering";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SteerRequest {
    session_id: String,
    prompt: Vec<ContentBlock>,
    #[serde(default, rename = "_meta")]
    meta: Value,
}

fn steer(client: &Client, reply: Reply, request: SteerRequest) {
    let SteerRequest { session_id, prompt, meta } = request;
    let words = match content::prompt(prompt) {
        Ok(words) => words,
        Err(error) => return reply.refuse(error),
    };
    let home = client.home_of(&session_id);
    let params = TurnSteerParams { session_id: session_id.clone(), prompt: words };
    client.ask(&home, Request::TurnSteer(params), move |client, steered: Result<Empty, Error>| {
        let outcome = |outcome: &str| json!({ "outcome": outcome });
        let mut talks = client.talks();
        match (steered, talks.get_mut(session_id.as_str())) {
            (Ok(Empty {}), Some(talk)) => {
                talk.has_steered = true;
                reply.send(Ok(outcome("injected")));
            }
            (Err(_), Some(_)) if meta["steering"]["idleBehavior"] == "promptRequired" => {
                reply.send(Ok(outcome("promptRequired")));
            }
            (Err(error), Some(_)) => reply.send(Ok(json!({"outcome": "failed", "message": error.message}))),
            (_, None) => reply.refuse(not_open(&session_id)),
        }
    });
}

fn not_open(session_id: &str) -> Error {
    Error::new(-32002, format!("no session {session_id} is open: load it with session/load"))
}

fn set_mode(client: &Client, reply: Reply, request: &SetSessionModeRequest) {
    let session_id = request.session_id.to_string();
    let Some(mode) = mode(&request.mode_id.0) else {
        return reply.refuse(Error::invalid_params(format!("there is no mode `{}`", request.mode_id)));
    };
    let change = SessionConfigureParams { session_id, model: None, mode: Some(mode), limits: None };
    configure(client, change, |client, changed| match changed {
        Ok(talk) => {
            reply.send(Ok(SetSessionModeResponse::new()));
            // The mode is an option, too.
            talk.tell_options(client);
        }
        Err(error) => reply.refuse(error),
    });
}

fn set_option(client: &Client, reply: Reply, request: &SetSessionConfigOptionRequest) {
    let change = client.with(&request.session_id.0, |talk| {
        talk.settings.change(&request.session_id.0, &request.config_id.0, &request.value)
    });
    let change = match change {
        Some(Ok(change)) => change,
        Some(Err(error)) => return reply.refuse(error),
        None => return reply.refuse(not_open(&request.session_id.0)),
    };
    let is_mode = change.mode.is_some();
    client.home_of(&change.session_id).learn_models(client);
    configure(client, change, move |client, changed| match changed {
        Ok(talk) => {
            reply.send(Ok(SetSessionConfigOptionResponse::new(talk.options())));
            if is_mode {
                talk.tell_mode(client);
            }
        }
        Err(error) => reply.refuse(error),
    });
}

/// Changes a session's settings; what the client has then been answered is not told to it again.
fn configure(
    client: &Client,
    change: SessionConfigureParams,
    then: impl FnOnce(&Client, Result<&mut Talk, Error>) + Send + 'static,
) {
    let home = client.home_of(&change.session_id);
    client.ask(
        &home,
        Request::SessionConfigure(change),
        move |client, changed: Result<protocol::SessionInfo, Error>| {
            let session = match changed {
                Ok(session) => session,
                Err(error) => return then(client, Err(error)),
            };
            let mut talks = client.talks();
            match talks.get_mut(session.session_id.as_str()) {
                Some(talk) => {
                    talk.settings = Settings::from(&session);
                    then(client, Ok(talk));
                }
                None => then(client, Err(Error::internal("the session was closed meanwhile"))),
            }
        },
    );
}
