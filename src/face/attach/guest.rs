//! The side that is attached to.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use serde_json::value::RawValue;
use tokio::net::{UnixListener, UnixStream};

use super::{files::GuestFiles, place::Place, remote::SETTINGS};
use crate::{
    face::PERSON_LIMIT,
    process,
    protocol::{
        self, APPROVAL_REQUEST, ATTACH, ApprovalDecision, ApprovalRequestParams, AttachParams, AttachResponse,
        ClientCapabilities, QUESTION_REQUEST, QuestionAnswer, QuestionRequestParams, Request, SESSION_EVENT,
    },
    rpc::{self, Connection, Error, Peer, Reply},
    sidecar::{Attachment, AttachmentId, Inquiry, LoggedEvent, Sidecar, Verdict},
    workspace::Files,
};

/// The pause after a failed accept: what fails is most often a full table of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves who comes, for as long as it is polled; the socket goes with it. Whoever is attached stays.
pub async fn accept(listener: UnixListener, _place: Place, sidecar: Sidecar) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, sidecar.clone()))),
            Err(error) => {
                tracing::warn!(%error, "an attachment could not be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// True for a process of this user that no tool of a Pillion has started. Who is refused is logged.
pub async fn is_welcome(stream: &UnixStream) -> bool {
    let Ok(credentials) = stream.peer_cred() else { return false };
    let is_own = credentials.uid() == rustix::process::geteuid().as_raw();
    // Some systems have another program list the processes.
    let is_stranger = |pid| tokio::task::spawn_blocking(move || !process::may_be_a_tools(pid));
    let is_welcome = match credentials.pid() {
        Some(pid) if is_own => is_stranger(pid).await.unwrap_or(false),
        Some(_) | None => false,
    };
    if !is_welcome {
        tracing::warn!(pid = credentials.pid(), uid = credentials.uid(), "a program was turned away from a socket");
    }
    is_welcome
}

async fn serve(stream: UnixStream, sidecar: Sidecar) {
    if !is_welcome(&stream).await {
        return;
    }
    let connection = Connection::new(SETTINGS);
    let mut door = Door { peer: connection.peer().clone(), sidecar, attached: None };
    let (reader, writer) = stream.into_split();
    let end = connection.serve(reader, writer, &mut door).await;
    tracing::debug!(?end, "an attachment has ended");
    if let Some(id) = door.attached {
        door.sidecar.detach(id);
    }
}

struct Door {
    peer: Peer,
    sidecar: Sidecar,
    attached: Option<AttachmentId>,
}

impl Door {
    fn attach(&mut self, params: Option<&RawValue>) -> Result<AttachResponse, Error> {
        let params: AttachParams = rpc::read_params(params)?;
        let AttachParams { protocol_version, version, name, capabilities, reads_files, writes_files } = params;
        let ours = env!("CARGO_PKG_VERSION");
        if protocol_version != protocol::VERSION {
            return Err(Error::invalid_request(format!(
                "Pillion {ours} runs here and speaks version {} of the protocol; Pillion {version} speaks version \
                 {protocol_version} and cannot attach. Use the same Pillion for both.",
                protocol::VERSION
            )));
        }
        let files = reads_files.then_some(writes_files);
        let guest = Guest { peer: self.peer.clone(), name, capabilities, files };
        self.attached = Some(self.sidecar.attach(Arc::new(guest)));
        let roots = self.sidecar.workspace().resolved_roots();
        Ok(AttachResponse {
            protocol_version: protocol::VERSION,
            version: ours.to_owned(),
            process_id: std::process::id(),
            roots: roots.iter().map(|root| root.to_string_lossy().into_owned()).collect(),
        })
    }
}

impl rpc::Service for Door {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) {
        let Some(attached) = self.attached else {
            return match method {
                ATTACH => reply.send(self.attach(params)),
                _ => reply.refuse(Error::new(Error::NOT_INITIALIZED, "the first request must be `attach`")),
            };
        };
        match Request::parse(method, params) {
            Some(Ok(request)) => self.sidecar.request(
                attached,
                request,
                Box::new(move |outcome| reply.send(outcome.map_err(|error| Error::new(error.code, error.message)))),
            ),
            Some(Err(error)) => reply.refuse(Error::invalid_params(error.to_string())),
            None => reply.refuse(Error::method_not_found(method)),
        }
    }

    fn notification(&mut self, _: &str, _: Option<&RawValue>) {}
}

/// Who is attached.
struct Guest {
    peer: Peer,
    name: String,
    capabilities: ClientCapabilities,
    /// Whether it takes texts, if it shows files.
    files: Option<bool>,
}

impl Attachment for Guest {
    fn name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn event(&self, event: &LoggedEvent) {
        self.peer.notify(SESSION_EVENT, event);
    }

    fn is_ready(&self) -> bool {
        self.peer.is_writable()
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let peer = self.peer.clone();
        async move { peer.writable().await }.boxed()
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        let files = |can_write| Arc::new(GuestFiles { peer: self.peer.clone(), can_write }) as Arc<dyn Files>;
        self.files.map(files)
    }

    fn let_go(&self) -> bool {
        tracing::warn!(name = self.name, "a program that is attached reads nothing: it is let go");
        self.peer.close();
        true
    }

    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        let (peer, can) = (self.peer.clone(), self.capabilities);
        async move {
            match inquiry {
                Inquiry::Approval(approval) if can.approval_request => {
                    let params = ApprovalRequestParams { approval };
                    let answer = peer.call::<ApprovalDecision>(APPROVAL_REQUEST, &params, PERSON_LIMIT).await;
                    answer.ok().map(Verdict::Approval)
                }
                Inquiry::Question(question) if can.question_request => {
                    let params = QuestionRequestParams { question };
                    let answer = peer.call::<QuestionAnswer>(QUESTION_REQUEST, &params, PERSON_LIMIT).await;
                    answer.ok().map(Verdict::Question)
                }
                Inquiry::Approval(_) | Inquiry::Question(_) => None,
            }
        }
        .boxed()
    }
}
