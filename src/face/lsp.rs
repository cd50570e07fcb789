//! LSP on the standard input and output.
//!
//! The reader hands each message on before it looks at the next, and waits for nothing: Pillion's own requests go to the
//! hub, which answers in order with what it tells; document changes have taken effect when the reader goes on; the rest
//! is tower-lsp's, whose handlers are polled once on the spot and go on elsewhere if they are not done.

mod commands;
mod documents;
mod editor;
mod handshake;
mod log;
mod offers;
mod plain;
mod server;

#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, OnceLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde_json::{Value, json, value::RawValue};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
};
use tower_lsp::{ExitedError, LspService, jsonrpc};
use tower_service::Service as _;

use self::{
    commands::Sessions,
    documents::Folders,
    editor::Editor,
    handshake::Handshake,
    offers::{CODE_ACTION, Ground, OFFERS},
    server::{Connected, Server, from_tower},
};
use crate::{
    face::attach::{self, Listening},
    log::Reading,
    protocol::{Request, TurnCancelParams},
    rpc::{self, Connection, Error, Id, Peer, Reply, Settings, Side, Trace, Traced, parent, stdio},
    sidecar::Sidecar,
    workspace::Workspace,
};

/// How long the end waits for turns to end and logs to be written.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Serves one editor on the standard input and output until it leaves. Returns the exit code: 0 if it said `shutdown`
/// before, else 1. With a trace, all that is said is written down.
///
/// # Errors
///
/// If the standard input or output, or the folder for session logs, cannot be used.
pub async fn serve_stdio(trace: Option<Trace>) -> anyhow::Result<u8> {
    let (input, output) = stdio::take()?;
    let (input, output) = (Traced::new(input, Side::Client, trace.clone()), Traced::new(output, Side::Server, trace));
    let sidecar = Sidecar::start(Workspace::new(Vec::new()), crate::store::Store::open(None)?);
    let others = attach::listen(&sidecar, attach::Kind::Editor);
    Ok(serve(input, output, sidecar, others).await)
}

/// Serves one editor until it leaves, then ends all turns. `others` may attach until then. Returns the exit code, as
/// [`serve_stdio`].
pub async fn serve(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    sidecar: Sidecar,
    others: Option<Listening>,
) -> u8 {
    let connection = Connection::new(Settings::LSP);
    let (mut lsp, process_id) = Lsp::new(connection.peer().clone(), sidecar);
    let end = tokio::select! {
        end = connection.serve(reader, writer, &mut lsp) => Some(end),
        () = editor_death(process_id) => None,
    };
    // Nobody reads it there any more.
    lsp.log = None;
    match end {
        Some(end) => tracing::info!(?end, "the connection has ended"),
        None => tracing::warn!("the editor's process is dead"),
    }
    // What they began goes on to its end, but nobody joins an editor that is not there.
    drop(others);
    lsp.finish().await
}

async fn editor_death(process_id: oneshot::Receiver<u32>) {
    match process_id.await {
        Ok(process_id) => parent::died(process_id).await,
        Err(_) => std::future::pending().await,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before `initialize`.
    New,
    Serving,
    /// After `shutdown`.
    ShutDown,
}

/// One editor's connection.
struct Lsp {
    peer: Peer,
    sidecar: Sidecar,
    service: LspService<Server>,
    connected: Arc<OnceLock<Connected>>,
    sessions: Sessions,
    folders: Folders,
    phase: Phase,
    process_id: Option<oneshot::Sender<u32>>,
    /// While the editor shows what is logged.
    log: Option<Reading>,
}

impl Lsp {
    fn new(peer: Peer, sidecar: Sidecar) -> (Self, oneshot::Receiver<u32>) {
        let connected = Arc::<OnceLock<Connected>>::default();
        let sessions = Sessions::default();
        let server = Server { sidecar: sidecar.clone(), connected: connected.clone(), sessions: sessions.clone() };
        // tower-lsp's own client and its queue stay unused: what goes out goes through the peer, in one order.
        let (service, _) = LspService::new(|_| server);
        let (sender, receiver) = oneshot::channel();
        let folders = Folders::default();
        let process_id = Some(sender);
        let phase = Phase::New;
        (Self { peer, sidecar, service, connected, sessions, folders, phase, process_id, log: None }, receiver)
    }

    /// Makes the editor known to the hub and its buffers to the workspace.
    fn connect(&mut self, params: Option<&RawValue>) -> Result<(), Error> {
        let params: Value = rpc::read_params(params)?;
        let handshake = Handshake::read(&params);
        self.folders = Folders::new(handshake.folders.clone());
        self.sidecar.workspace().set_roots(self.folders.roots());
        self.log = log::show(self.peer.clone(), &params["trace"]);
        self.sidecar.configure(handshake.settings.clone());
        let editor = Editor::new(self.peer.clone(), handshake.name.clone(), handshake.abilities, &self.sidecar);
        let editor = Arc::new(editor);
        let attachment = self.sidecar.attach(editor.clone());
        let buffers = self.sidecar.workspace().attach(handshake.encoding, editor.clone());
        if let (Some(sender), Some(process_id)) = (self.process_id.take(), handshake.process_id) {
            // Nobody listens any more if the connection is just ending.
            let _ = sender.send(process_id);
        }
        self.connected.get_or_init(|| Connected { handshake, editor, attachment, buffers });
        self.phase = Phase::Serving;
        Ok(())
    }

    /// Lets tower-lsp handle it: at once if its handler does not wait, else on the side.
    fn call(&mut self, reply: Option<Reply>, method: &str, params: Option<Value>) {
        let mut request = jsonrpc::Request::build(method.to_owned());
        if let Some(params) = params {
            request = request.params(params);
        }
        // Our serial number stands for the editor's id, which may be of a kind that tower-lsp does not know.
        if let Some(reply) = &reply {
            request = request.id(reply.serial() as i64);
        }
        let mut future = self.service.call(request.finish());
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => answer(reply, outcome),
            Poll::Pending => {
                tokio::spawn(async move { answer(reply, future.await) });
            }
        }
    }

    fn is_plain(&self) -> bool {
        self.connected.get().is_some_and(|connected| connected.handshake.abilities.is_plain())
    }

    /// What there is to do at a place. A document may be large, so it is looked through elsewhere.
    fn offer(&self, reply: Reply, method: &str, params: Option<Value>) {
        let Some(connected) = self.connected.get() else { return };
        let workspace = self.sidecar.workspace().clone();
        let (abilities, encoding) = (connected.handshake.abilities, connected.handshake.encoding);
        let caller = connected.caller(&self.sidecar, &self.sessions);
        let (method, params) = (method.to_owned(), params.unwrap_or_default());
        tokio::spawn(async move {
            let change = match offers::document_of(&params) {
                Some(uri) if method == CODE_ACTION => caller.kept_change(uri).await,
                _ => None,
            };
            let ground = Ground { workspace, plain: caller.plain, abilities, encoding, change };
            tokio::task::spawn_blocking(move || reply.send(Ok(offers::answer(&method, &params, &ground))));
        });
    }

    /// The editor gives up a request of its own.
    fn cancel(&mut self, params: Option<&RawValue>) {
        #[derive(serde::Deserialize)]
        struct Cancel<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
        }
        let cancel = params.and_then(|params| serde_json::from_str::<Cancel>(params.get()).ok());
        let serial = cancel.and_then(|cancel| Id::read(cancel.id)).and_then(|id| self.peer.serial(&id));
        if let Some(serial) = serial {
            self.call(None, "$/cancelRequest", Some(json!({ "id": serial })));
        }
    }

    /// The editor wants to see more of what happens, or less.
    fn set_trace(&self, params: Option<&RawValue>) {
        let params: Value = rpc::read_params(params).unwrap_or_default();
        if let Some(reading) = &self.log {
            log::set_trace(reading, &params["value"]);
        }
    }

    /// The person pressed the cancel button of a turn's progress.
    fn cancel_progress(&self, connected: &Connected, params: Option<&RawValue>) {
        let params: Value = rpc::read_params(params).unwrap_or_default();
        if let Some(session_id) = connected.editor.plain().session(&params["token"]) {
            let cancel =
                TurnCancelParams { session_id: session_id.to_string(), background: false, waiting_only: false };
            self.sidecar.request(connected.attachment, Request::TurnCancel(cancel), Box::new(|_| {}));
        }
    }

    async fn finish(self) -> u8 {
        if let Some(connected) = self.connected.get() {
            self.sidecar.workspace().detach(connected.buffers);
            self.sidecar.detach(connected.attachment);
        }
        if tokio::time::timeout(END_LIMIT, self.sidecar.leave(None)).await.is_err() {
            tracing::error!("some turns did not end in time");
        }
        // What others have running here goes on to its end.
        self.sidecar.finish().await;
        if tokio::time::timeout(END_LIMIT, self.sidecar.shut_down()).await.is_err() {
            tracing::error!("some turns did not end in time");
        }
        u8::from(self.phase != Phase::ShutDown)
    }
}

impl rpc::Service for Lsp {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) {
        match self.phase {
            Phase::New if method == "initialize" => {
                return match self.connect(params) {
                    // What it says was read; tower-lsp only keeps the order of the handshake.
                    Ok(()) => self.call(Some(reply), method, Some(json!({ "capabilities": {} }))),
                    Err(error) => reply.refuse(error),
                };
            }
            Phase::New => {
                return reply.refuse(Error::new(Error::NOT_INITIALIZED, "the first request must be `initialize`"));
            }
            Phase::ShutDown => return reply.refuse(Error::invalid_request("after `shutdown` only `exit` may follow")),
            Phase::Serving => {}
        }
        if let Some(request) = Request::parse(method, params) {
            let Some(connected) = self.connected.get() else { return };
            return match request {
                Ok(request) => self.sidecar.request(
                    connected.attachment,
                    request,
                    Box::new(move |outcome| reply.send(outcome.map_err(|error| Error::new(error.code, error.message)))),
                ),
                Err(error) => reply.refuse(Error::invalid_params(error.to_string())),
            };
        }
        if method == "shutdown" {
            self.phase = Phase::ShutDown;
            // It has no parameters; tower-lsp refuses the empty ones that some editors send.
            return self.call(Some(reply), method, None);
        }
        match read_any(params) {
            Ok(params) if self.is_plain() && OFFERS.contains(&method) => self.offer(reply, method, params),
            Ok(params) => self.call(Some(reply), method, params),
            Err(error) => reply.refuse(error),
        }
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        match (method, self.phase) {
            ("exit", _) => return self.peer.close(),
            ("$/cancelRequest", _) => return self.cancel(params),
            (_, Phase::Serving) => {}
            (_, Phase::New | Phase::ShutDown) => return,
        }
        let connected = self.connected.clone();
        let Some(connected) = connected.get() else { return };
        let outcome = match method {
            "workspace/didChangeWorkspaceFolders" => self.folders.change(params).map(|()| {
                self.sidecar.workspace().set_roots(self.folders.roots());
                self.sidecar.configure(None);
            }),
            "$/setTrace" => {
                self.set_trace(params);
                Ok(())
            }
            "window/workDoneProgress/cancel" => {
                self.cancel_progress(connected, params);
                Ok(())
            }
            _ => match documents::apply(self.sidecar.workspace(), connected.buffers, method, params) {
                Some(outcome) => outcome,
                None => read_any(params).map(|params| self.call(None, method, params)),
            },
        };
        if let Err(error) = outcome {
            tracing::error!(method, %error, "a notification of the editor could not be understood");
        }
    }
}

fn read_any(params: Option<&RawValue>) -> Result<Option<Value>, Error> {
    params.map(|params| rpc::read_params(Some(params))).transpose()
}

fn answer(reply: Option<Reply>, outcome: Result<Option<jsonrpc::Response>, ExitedError>) {
    let Some(reply) = reply else { return };
    match outcome {
        Ok(Some(response)) => reply.send(response.into_parts().1.map_err(from_tower)),
        // tower-lsp says nothing to an unknown method that begins with `$/`.
        Ok(None) => reply.refuse(Error::new(Error::METHOD_NOT_FOUND, "there is no such method")),
        Err(ExitedError { .. }) => reply.refuse(Error::invalid_request("the server has ended")),
    }
}
