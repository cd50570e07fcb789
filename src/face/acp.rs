//! The Agent Client Protocol, version 1, on the standard input and output.
//!
//! The reader hands what a client asks to the hub, in the order it came, and waits for nothing. What the hub answers and
//! tells becomes answers and `session/update`s in the same order, so that nothing of a session comes before the answer
//! that names it, and nothing of a turn after the answer to its prompt. A session lives with the editor that is open in
//! its folders, if there is one, and as the editor goes, it goes on without. The types are the protocol's own, of
//! `agent-client-protocol-schema`, and no other room knows them.

mod calls;
mod client;
mod content;
mod files;
mod handshake;
mod home;
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

use self::{client::Client, handshake::Abilities};
use super::attach;
use crate::{
    rpc::{self, Connection, Error, Peer, Reply, Settings, Trace, stdio},
    sidecar::Sidecar,
    store::Store,
    workspace::Workspace,
};

/// How long the end waits for turns to end and logs to be written.
const END_LIMIT: Duration = Duration::from_secs(5);

/// Serve a client of the Agent Client Protocol (Zed and others) on the standard input and output
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Work alone, even if an editor is open in the session's folder
    #[arg(long)]
    no_attach: bool,
}

/// Serves one client on the standard input and output until it leaves. What is said is written down in `trace`.
///
/// # Errors
///
/// If the standard input or output, or the folder for session logs, cannot be used.
pub async fn serve_stdio(args: &Args, trace: Option<Trace>) -> anyhow::Result<u8> {
    let (input, output) = stdio::take()?;
    let sidecar = Sidecar::start(Workspace::new(Vec::new()), Store::open(None)?);
    let _listening = attach::listen(&sidecar, attach::Kind::Chat);
    serve(input, output, sidecar, attach::is_wanted(args.no_attach), trace).await;
    // The protocol has no word for leaving but the end of the input.
    Ok(0)
}

/// Serves one client until it leaves, then ends all turns. Sessions live with the editor that is open in their folders if
/// it `joins_editors`; else, and where there is none, in `sidecar`.
pub async fn serve(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    sidecar: Sidecar,
    joins_editors: bool,
    trace: Option<Trace>,
) {
    let connection = Connection::traced(Settings::ACP, trace);
    let mut acp = Acp { peer: connection.peer().clone(), sidecar, joins_editors, client: None };
    let end = connection.serve(reader, writer, &mut acp).await;
    tracing::info!(?end, "the connection has ended");
    acp.finish().await;
}

/// One client's connection.
struct Acp {
    peer: Peer,
    sidecar: Sidecar,
    joins_editors: bool,
    /// Once it has introduced itself.
    client: Option<Arc<Client>>,
}

impl Acp {
    fn initialize(&mut self, reply: Reply, params: Option<&RawValue>) {
        let request: InitializeRequest = match rpc::read_params(params) {
            Ok(request) => request,
            Err(error) => return reply.refuse(error),
        };
        if self.client.is_none() {
            let introduced = (Abilities::read(&request.client_capabilities), handshake::name(&request));
            self.client = Some(Client::new(self.peer.clone(), self.sidecar.clone(), introduced, self.joins_editors));
        }
        reply.send(Ok(handshake::answer()));
    }

    async fn finish(self) {
        if let Some(client) = self.client {
            client.detach();
        }
        if tokio::time::timeout(END_LIMIT, self.sidecar.shut_down()).await.is_err() {
            tracing::error!("some turns did not end in time");
        }
    }
}

impl rpc::Service for Acp {
    fn request(&mut self, reply: Reply, method: &str, params: Option<&RawValue>) {
        match (method, &self.client) {
            ("initialize", _) => self.initialize(reply, params),
            (_, Some(client)) => requests::take(client, reply, method, params),
            (_, None) => reply.refuse(Error::invalid_request("the first request must be `initialize`")),
        }
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>) {
        if let Some(client) = &self.client {
            requests::note(client, method, params);
        }
    }
}
