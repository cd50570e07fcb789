//! The side that attaches: the hub of another process, as if it were here.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::UnixStream,
};
use tokio_util::sync::CancellationToken;

use super::place;
use crate::{
    protocol::{
        self, APPROVAL_REQUEST, ATTACH, ApprovalRequestParams, AttachParams, AttachResponse, ClientCapabilities, Empty,
        FILE_READ, FILE_WRITE, FileReadParams, FileReadResponse, FileWriteParams, QUESTION_REQUEST,
        QuestionRequestParams, Request, SESSION_EVENT, SessionInfo,
    },
    rpc::{self, CallError, Connection, Error, Peer, Settings},
    sidecar::{self, Attachment, AttachmentId, Inquiry, LoggedEvent, RequestError, Verdict, read_event},
    workspace::{Files, SinkError},
};

/// One message a line.
pub const SETTINGS: Settings = Settings { cancel: Settings::LSP.cancel, ..Settings::LINES };

/// How long another process may take to say who it is. One that is stopped, or hangs, never does.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(2);

/// The attachment that is there for as long as a face is.
const FIRST: AttachmentId = AttachmentId(0);

/// The hub of another process. Each attachment is a connection of its own. Cheap to clone.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    socket: PathBuf,
    name: String,
    host: AttachResponse,
    next: AtomicU64,
    visits: Mutex<HashMap<AttachmentId, Visit>>,
    /// Cancelled when a connection ended that we had not ended.
    ended: CancellationToken,
}

/// One attachment's connection.
#[derive(Clone)]
struct Visit {
    peer: Peer,
    /// The last number of the past that is being shown; 0 if what comes is live.
    past: Arc<AtomicU64>,
}

impl Remote {
    /// Asks who listens there. `None` if nobody does; `name` is what events call us.
    ///
    /// # Errors
    /// For the person to read: the other speaks another version of the protocol.
    pub async fn reach(path: &Path, name: &str) -> Result<Option<Self>, String> {
        let socket = place::target(path);
        let stream = match connect(&socket).await {
            Ok(stream) => stream,
            Err(error) => {
                if matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) {
                    place::forget(path);
                }
                return Ok(None);
            }
        };
        let connection = Connection::new(SETTINGS);
        let peer = connection.peer().clone();
        let (reader, writer) = stream.into_split();
        let (introduction, mut nobody) = (introduction(name, None), Nobody);
        let introduced = tokio::select! {
            introduced = peer.call::<AttachResponse>(ATTACH, &introduction, HANDSHAKE_LIMIT) => introduced,
            _ = connection.serve(reader, writer, &mut nobody) => return Ok(None),
        };
        match introduced {
            Ok(host) => Ok(Some(Self(Arc::new(Inner {
                socket,
                name: name.to_owned(),
                host,
                next: AtomicU64::new(FIRST.0),
                visits: Mutex::default(),
                ended: CancellationToken::new(),
            })))),
            Err(CallError::Remote { error, .. }) => Err(error.message),
            Err(error) => {
                tracing::info!(%error, "a process that could be attached to says nothing");
                Ok(None)
            }
        }
    }

    /// Whom we are attached to.
    pub fn host(&self) -> &AttachResponse {
        &self.0.host
    }

    pub fn attach(&self, attachment: Arc<dyn Attachment>) -> AttachmentId {
        let id = AttachmentId(self.0.next.fetch_add(1, Ordering::Relaxed));
        let connection = Connection::new(SETTINGS);
        let visit = Visit { peer: connection.peer().clone(), past: Arc::default() };
        let files = attachment.files();
        self.visits().insert(id, visit.clone());
        // The first in the queue, before any request.
        visit.peer.ask(ATTACH, &introduction(&self.0.name, files.as_deref()), |answer| {
            if let Err(error) = answer {
                tracing::error!(%error, "the other process does not let us attach any more");
            }
        });
        let remote = self.clone();
        tokio::spawn(async move {
            let (visit_of, attached) = (visit.clone(), attachment.clone());
            let mut visitor = Visitor { visit: visit_of, attachment: attached, files, asked: HashMap::new() };
            match connect(&remote.0.socket).await {
                Ok(stream) => {
                    let (reader, writer) = stream.into_split();
                    let reader = Paced { reader, attachment, past: visit.past, waiting: None };
                    connection.serve(reader, writer, &mut visitor).await;
                }
                // What was asked already learns that nobody is there.
                Err(_) => drop(connection.serve(tokio::io::empty(), tokio::io::sink(), &mut visitor).await),
            }
            // One connection may break alone. What everything depends on is the first.
            if remote.visits().remove(&id).is_some() && (id == FIRST || remote.is_gone().await) {
                remote.0.ended.cancel();
            }
        });
        id
    }

    pub fn detach(&self, id: AttachmentId) {
        if let Some(visit) = self.visits().remove(&id) {
            visit.peer.close();
        }
    }

    pub fn request(&self, from: AttachmentId, request: Request, reply: sidecar::Reply) {
        let Some(visit) = self.visits().get(&from).cloned() else { return drop(Answer(Some(reply))) };
        let params = match request.params() {
            Ok(params) => params,
            Err(error) => return reply(Err(RequestError::new(RequestError::INTERNAL, error.to_string()))),
        };
        let shows_past = matches!(&request, Request::SessionLoad(load) if load.from_seq.is_some());
        let reply = Answer(Some(reply));
        visit.peer.ask(request.name(), &params, move |outcome| {
            if shows_past
                && let Ok(Ok(info)) = outcome.as_ref().map(|json| serde_json::from_str::<SessionInfo>(json.get()))
            {
                visit.past.store(info.last_seq, Ordering::Relaxed);
            }
            reply.send(outcome.map_err(|Error { code, message, .. }| RequestError { code, message }));
        });
    }

    /// Resolves when the other process has ended.
    pub async fn ended(&self) {
        self.0.ended.cancelled().await;
    }

    /// True if nobody listens there any more.
    async fn is_gone(&self) -> bool {
        let gone =
            |error: io::Error| matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound);
        connect(&self.0.socket).await.err().is_some_and(gone)
    }

    fn visits(&self) -> MutexGuard<'_, HashMap<AttachmentId, Visit>> {
        self.0.visits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn introduction(name: &str, files: Option<&dyn Files>) -> AttachParams {
    AttachParams {
        protocol_version: protocol::VERSION,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        name: name.to_owned(),
        capabilities: ClientCapabilities {
            approval_request: true,
            question_request: true,
            session_event: true,
            ..ClientCapabilities::default()
        },
        reads_files: files.is_some(),
        writes_files: files.is_some_and(Files::can_write),
    }
}

/// # Errors
/// If nobody listens, or another user.
async fn connect(socket: &Path) -> io::Result<UnixStream> {
    let stream = tokio::time::timeout(HANDSHAKE_LIMIT, UnixStream::connect(socket)).await??;
    if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    Ok(stream)
}

fn gone() -> RequestError {
    RequestError::new(RequestError::GONE, "The Pillion that this one was attached to has ended.")
}

/// The right to answer once. Dropped, it says that nobody is there any more, and not before who asked has gone on: they
/// may hold what the answer needs.
struct Answer(Option<sidecar::Reply>);

impl Answer {
    fn send(mut self, outcome: Result<Box<RawValue>, RequestError>) {
        if let Some(reply) = self.0.take() {
            reply(outcome);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let (Some(reply), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { reply(Err(gone())) });
        }
    }
}

/// What the other hub says to one attachment.
struct Visitor {
    visit: Visit,
    attachment: Arc<dyn Attachment>,
    files: Option<Arc<dyn Files>>,
    /// What stands before a person, by the serial of its request.
    asked: HashMap<u64, CancellationToken>,
}

impl Visitor {
    fn event(&self, params: Option<&RawValue>) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Params {
            session_id: Arc<str>,
            seq: u64,
            event: Box<RawValue>,
        }
        let Params { session_id, seq, event: json } = rpc::read_params(params)?;
        if seq >= self.visit.past.load(Ordering::Relaxed) {
            self.visit.past.store(0, Ordering::Relaxed);
        }
        let event = read_event(seq, &json);
        self.attachment.event(&LoggedEvent { session_id, seq, event, json });
        Ok(())
    }

    fn read_file(&self, reply: rpc::Reply, params: Option<&RawValue>) {
        let FileReadParams { path } = match rpc::read_params(params) {
            Ok(params) => params,
            Err(error) => return reply.refuse(error),
        };
        let files = self.files.clone();
        tokio::spawn(async move {
            let read = match files {
                Some(files) => files.read(Path::new(&path)).await,
                None => Ok(None),
            };
            reply.send(read.map(|text| FileReadResponse { text }).map_err(not_done));
        });
    }

    fn write_file(&self, reply: rpc::Reply, params: Option<&RawValue>) {
        let FileWriteParams { path, text } = match rpc::read_params(params) {
            Ok(params) => params,
            Err(error) => return reply.refuse(error),
        };
        let Some(files) = self.files.clone() else { return reply.refuse(Error::method_not_found(FILE_WRITE)) };
        tokio::spawn(async move {
            let written = files.write(Path::new(&path), &text).await;
            reply.send(written.map(|()| Empty {}).map_err(not_done));
        });
    }
}

fn not_done(SinkError(message): SinkError) -> Error {
    Error::internal(message)
}

impl rpc::Service for Visitor {
    fn request(&mut self, reply: rpc::Reply, method: &str, params: Option<&RawValue>) {
        let inquiry = match method {
            FILE_READ => return self.read_file(reply, params),
            FILE_WRITE => return self.write_file(reply, params),
            APPROVAL_REQUEST => {
                rpc::read_params(params).map(|ApprovalRequestParams { approval }| Inquiry::Approval(approval))
            }
            QUESTION_REQUEST => {
                rpc::read_params(params).map(|QuestionRequestParams { question }| Inquiry::Question(question))
            }
            _ => Err(Error::method_not_found(method)),
        };
        let inquiry = match inquiry {
            Ok(inquiry) => inquiry,
            Err(error) => return reply.refuse(error),
        };
        self.asked.retain(|_, withdrawn| !withdrawn.is_cancelled());
        let withdrawn = CancellationToken::new();
        self.asked.insert(reply.serial(), withdrawn.clone());
        let answer = self.attachment.ask(inquiry);
        tokio::spawn(async move {
            let verdict = tokio::select! {
                verdict = answer => verdict,
                () = withdrawn.cancelled() => return reply.refuse(Error::new(Error::CANCELLED, "withdrawn")),
            };
            withdrawn.cancel();
            match verdict {
                Some(Verdict::Approval(decision)) => reply.send(Ok(decision)),
                Some(Verdict::Question(answer)) => reply.send(Ok(answer)),
                None => reply.refuse(Error::invalid_request("nobody can be asked here")),
            }
        });
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        #[derive(Deserialize)]
        struct Cancel {
            id: Box<RawValue>,
        }
        let outcome = match method {
            SESSION_EVENT => self.event(params),
            "$/cancelRequest" => rpc::read_params(params).map(|Cancel { id }| {
                let serial = rpc::Id::read(&id).and_then(|id| self.visit.peer.serial(&id));
                if let Some(withdrawn) = serial.and_then(|serial| self.asked.remove(&serial)) {
                    withdrawn.cancel();
                }
            }),
            _ => Ok(()),
        };
        if let Err(error) = outcome {
            tracing::error!(method, %error, "the other process could not be understood");
        }
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        for withdrawn in self.asked.values() {
            withdrawn.cancel();
        }
    }
}

/// Reads on only while the attachment keeps up, so that the other side waits as it would for one of its own.
struct Paced<R> {
    reader: R,
    attachment: Arc<dyn Attachment>,
    past: Arc<AtomicU64>,
    waiting: Option<BoxFuture<'static, ()>>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Paced<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Some who never hold a turn up still want the past piece by piece.
        if self.waiting.is_none() && (self.past.load(Ordering::Relaxed) > 0 || !self.attachment.is_ready()) {
            self.waiting = Some(self.attachment.ready());
        }
        if let Some(waiting) = &mut self.waiting {
            ready!(waiting.as_mut().poll(context));
            self.waiting = None;
        }
        Pin::new(&mut self.reader).poll_read(context, buffer)
    }
}

/// Hears nothing and answers nothing.
struct Nobody;

impl rpc::Service for Nobody {
    fn request(&mut self, reply: rpc::Reply, method: &str, _: Option<&RawValue>) {
        reply.refuse(Error::method_not_found(method));
    }

    fn notification(&mut self, _: &str, _: Option<&RawValue>) {}
}

/// An attachment that only asks.
pub struct Silent;

impl Attachment for Silent {
    fn event(&self, _: &LoggedEvent) {}

    fn ask(&self, _: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        futures::future::ready(None).boxed()
    }
}
