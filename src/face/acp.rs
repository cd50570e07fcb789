//! The Agent Client Protocol, version 1, on the standard input and output.
//!
//! The reader hands what a client asks to the hub, in the order it came, and waits for nothing. What the hub answers and
//! tells becomes answers and `session/update`s in the same order, so that nothing of a session comes before the answer
//! that names it, and nothing of a turn after the answer to its prompt. The types are the protocol's own, of
//! `agent-client-protocol-schema`, and no other room knows them.

mod calls;
mod client;
mod content;
mod files;
mod handshake;
mod notices;
mod options;
mod permission;
mod question;
mod requests;
mod roots;
mod talk;
mod terminals;
mod updates;

use std::{sync::Arc, time::Duration};

use agent_client_protocol_schema::v1::InitializeRequest;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};

use self::{client::Client, files::ClientFiles, handshake::Abilities};
use crate::{
    rpc::{self, Connection, Error, Peer, Reply, Settings, stdio},
    sidecar::Sidecar,
    store::Store,
    workspace::{EditorId, Workspace},
};

/// How long the end waits for turns to end and logs to be written.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Serves one client on the standard input and output until it leaves.
///
/// # Errors
///
/// If the standard input or output, or the folder for session logs, cannot be used.
pub async fn serve_stdio() -> anyhow::Result<u8> {
    let (input, output) = stdio::take()?;
    let sidecar = Sidecar::start(Workspace::new(Vec::new()), Store::open(None)?);
    serve(input, output, sidecar).await;
    // The protocol has no word for leaving but the end of the input.
    Ok(0)
}

/// Serves one client until it leaves, then ends all turns.
pub async fn serve(reader: impl AsyncRead + Unpin, writer: impl AsyncWrite + Unpin, sidecar: Sidecar) {
    let connection = Connection::new(Settings::ACP);
    let mut acp = Acp { peer: connection.peer().clone(), sidecar, connected: None };
    let end = connection.serve(reader, writer, &mut acp).await;
    tracing::info!(?end, "the connection has ended");
    acp.finish().await;
}

/// One client's connection.
struct Acp {
    peer: Peer,
    sidecar: Sidecar,
    connected: Option<Connected>,
}

/// A client that has introduced itself.
struct Connected {
    client: Arc<Client>,
    /// Where the client's files are asked for.
    files: Option<EditorId>,
}

impl Acp {
    fn initialize(&mut self, reply: Reply, params: Option<&RawValue>) {
        let request: InitializeRequest = match rpc::read_params(params) {
            Ok(request) => request,
            Err(error) => return reply.refuse(error),
        };
        if self.connected.is_none() {
            let abilities = Abilities::read(&request.client_capabilities);
            let client = Client::attach(self.peer.clone(), self.sidecar.clone(), abilities);
            let files = abilities.read_files.then(|| {
                let files = ClientFiles::new(&client);
                self.sidecar.workspace().attach_files(Arc::new(files))
            });
            self.connected = Some(Connected { client, files });
        }
        reply.send(Ok(handshake::answer()));
    }

    async fn finish(self) {
        if let Some(Connected { client, files }) = self.connected {
            if let Some(files) = files {
                self.sidecar.workspace().detach(files);
            }
            client.detach();
        }
        if tokio::time::timeout(END_LIMIT, self.sidecar.shut_down()).await.is_err() {
            tracing::error!("some turns did not end in time");
        }
    }
}

impl rpc::Service for Acp {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) {
        match (method, &self.connected) {
            ("initialize", _) => self.initialize(reply, params),
            (_, Some(connected)) => requests::take(&connected.client, reply, method, params),
            (_, None) => reply.refuse(Error::invalid_request("the first request must be `initialize`")),
        }
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        if let Some(connected) = &self.connected {
            requests::note(&connected.client, method, params);
        }
    }
}
