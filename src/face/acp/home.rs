//! Where sessions live: the hub of the editor that is open in their folders, or our own.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

use super::{
    client::Client, files::ClientFiles, handshake::Abilities, permission, question, terminals::ClientTerminals,
};
use crate::{
    face::{
        attach::{self, Editor, Search},
        link::Link,
    },
    protocol::{
        Empty, McpServer, ModelInfo, ModelListParams, ModelListResponse, NoticeLevel, Request, SessionCloseParams,
        SessionInfo, SessionLoadParams,
    },
    rpc::{Error, Peer},
    sidecar::{Attachment, AttachmentId, Inquiry, LoggedEvent, Sidecar, Verdict},
    tool::Terminals,
    workspace::{Files, Workspace},
};

/// For a process that was killed to let go of its sessions. The system closes its socket and its logs in no order.
const LET_GO_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks whether it has. Chosen: too short to be noticed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A hub, and how we are known there.
pub(super) struct Home {
    link: Link,
    me: AttachmentId,
    /// The process it is in, if that is an editor's.
    process_id: Option<u32>,
    models: Mutex<Vec<ModelInfo>>,
}

/// What a session is opened with, as the client says it.
#[derive(Clone, Debug, Default)]
pub(super) struct Baggage {
    pub(super) roots: Vec<String>,
    pub(super) mcp_servers: Vec<McpServer>,
}

/// What the person should know about where their session lives.
pub(super) type Notes = Vec<(NoticeLevel, String)>;

impl Home {
    pub(super) fn own(sidecar: Sidecar, ear: Ear) -> Self {
        let link = Link::Own(sidecar);
        Self { me: link.attach(Arc::new(ear)), link, process_id: None, models: Mutex::default() }
    }

    fn of_editor(editor: Editor, ear: Ear) -> Self {
        let Editor { link, host } = editor;
        Self { me: link.attach(Arc::new(ear)), link, process_id: Some(host.process_id), models: Mutex::default() }
    }

    pub(super) fn is_of_editor(&self) -> bool {
        self.process_id.is_some()
    }

    pub(super) fn request(&self, request: Request, reply: crate::sidecar::Reply) {
        self.link.request(self.me, request, reply);
    }

    pub(super) fn models(&self) -> Vec<ModelInfo> {
        self.known_models().clone()
    }

    /// Has the models known that what is asked next may name.
    pub(super) fn learn_models(self: &Arc<Self>, client: &Client) {
        let home = self.clone();
        let learn = move |_: &Client, models: Result<ModelListResponse, Error>| {
            if let Ok(models) = models {
                *home.known_models() = models.models;
            }
        };
        client.ask(self, Request::ModelList(ModelListParams {}), learn);
    }

    fn known_models(&self) -> MutexGuard<'_, Vec<ModelInfo>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the configuration anew. An editor's Pillion does that when the editor wants it.
    pub(super) fn configure(&self) {
        if let Some(sidecar) = self.link.own() {
            sidecar.configure(None);
        }
    }

    /// The folders of the first session are where the settings of a project are looked for.
    fn settle(&self, roots: &[String]) {
        let Some(sidecar) = self.link.own() else { return };
        if sidecar.workspace().roots().is_empty() {
            sidecar.workspace().set_roots(roots.iter().map(PathBuf::from).collect());
            sidecar.configure(None);
        }
    }

    /// Why a session could not be opened there, for the person to read.
    pub(super) fn refused(&self, mut error: Error) -> Error {
        if self.is_of_editor() {
            let who =
                "This was said by the Pillion of the editor that is open there; `pillion acp --no-attach` works alone.";
            error.message = format!("{} {who}", error.message);
        }
        error
    }

    pub(super) fn detach(&self) {
        self.link.detach(self.me);
    }
}

impl Client {
    /// Where sessions in these folders live, with what the person should know of that.
    pub(super) async fn home_for(&self, roots: &[String]) -> (Arc<Home>, Notes) {
        let mut notes = Notes::new();
        if self.joins_editors {
            let resolved = Workspace::new(roots.iter().map(PathBuf::from).collect()).resolved_roots();
            let Search { editor, mismatches } = attach::search(&resolved, &self.name).await;
            let missed = |mismatch| {
                let missed = "An editor is open that cannot be joined: what is not saved in it is not seen.";
                (NoticeLevel::Warning, format!("{missed} {mismatch}"))
            };
            notes.extend(mismatches.into_iter().map(missed));
            if let Some(editor) = editor {
                let place = editor.place();
                let joined = format!("Works on what the editor shows that is open in {place}, saved or not.");
                notes.push((NoticeLevel::Info, joined));
                notes.extend(editor.other_version().map(|other| (NoticeLevel::Info, other)));
                return (self.join(editor), notes);
            }
        }
        let own = self.own().clone();
        own.settle(roots);
        (own, notes)
    }

    /// The home at an editor: one that we have already, or a new one.
    fn join(&self, editor: Editor) -> Arc<Home> {
        let mut joined = self.joined();
        if let Some(known) = joined.iter().find(|home| home.process_id == Some(editor.host.process_id)) {
            return known.clone();
        }
        let home = Arc::new(Home::of_editor(editor, self.ear()));
        joined.push(home.clone());
        tokio::spawn(outlive(home.clone(), self.weak()));
        home
    }

    /// Opens a session that lived in a process which has ended, wherever it can live now.
    async fn take_elsewhere(self: Arc<Self>, session_id: Arc<str>, baggage: Baggage, next_seq: u64) {
        let give_up = tokio::time::Instant::now() + LET_GO_LIMIT;
        loop {
            let (home, mut notes) = self.home_for(&baggage.roots).await;
            if !home.is_of_editor() {
                let gone = "The editor has left. From here on files are read and changed as they are on the disk; what \
                            was not saved there is not seen any more.";
                notes.push((NoticeLevel::Warning, gone.to_owned()));
            }
            home.learn_models(&self);
            let params = SessionLoadParams {
                session_id: session_id.to_string(),
                from_seq: Some(next_seq),
                roots: Some(baggage.roots.clone()),
                mcp_servers: Some(baggage.mcp_servers.clone()),
            };
            let (settled, outcome) = oneshot::channel();
            let (id, there) = (session_id.clone(), home.clone());
            self.ask(&home, Request::SessionLoad(params), move |client, loaded: Result<SessionInfo, Error>| {
                let moved = loaded.map(|info| client.with(&id, |talk| talk.moved(client, &there, &info, notes)));
                // The client has let go of it meanwhile.
                if let Ok(None) = moved {
                    let close = Request::SessionClose(SessionCloseParams { session_id: id.to_string() });
                    client.ask(&there, close, |_, _: Result<Empty, Error>| ());
                }
                let _ = settled.send(moved.map(|_| ()));
            });
            match outcome.await {
                Ok(Ok(())) => return,
                Ok(Err(error)) if tokio::time::Instant::now() < give_up => {
                    tracing::info!(%error, "a session is not to be had yet");
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Ok(Err(error)) => {
                    let talk = self.talks().remove(&session_id);
                    return talk.into_iter().for_each(|talk| talk.lost(&self, &error));
                }
                // The client is gone.
                Err(_) => return,
            }
        }
    }
}

/// Waits until an editor's process has ended, and takes the sessions elsewhere that lived there.
async fn outlive(home: Arc<Home>, client: Weak<Client>) {
    home.link.ended().await;
    let Some(client) = client.upgrade() else { return };
    client.joined().retain(|known| !Arc::ptr_eq(known, &home));
    let mut homeless = Vec::new();
    for talk in client.talks().values().filter(|talk| Arc::ptr_eq(&talk.home, &home)) {
        homeless.push((talk.id.clone(), talk.baggage.clone(), talk.last_seq + 1));
    }
    for (session_id, baggage, next_seq) in homeless {
        tokio::spawn(client.clone().take_elsewhere(session_id, baggage, next_seq));
    }
}

/// What a hub tells and asks the client through.
pub(super) struct Ear {
    pub(super) client: Weak<Client>,
    pub(super) peer: Peer,
    pub(super) abilities: Abilities,
    pub(super) name: String,
}

impl Attachment for Ear {
    fn name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn event(&self, event: &LoggedEvent) {
        if let Some(client) = self.client.upgrade() {
            client.take(event);
        }
    }

    fn is_ready(&self) -> bool {
        self.peer.is_writable()
    }

    fn ready(&self) -> BoxFuture<'static, ()> {
        let peer = self.peer.clone();
        async move { peer.writable().await }.boxed()
    }

    fn ask(&self, inquiry: Inquiry) -> BoxFuture<'static, Option<Verdict>> {
        let Some(client) = self.client.upgrade() else { return futures::future::ready(None).boxed() };
        match inquiry {
            Inquiry::Approval(approval) => permission::ask(&client, &approval),
            Inquiry::Question(question) => question::ask(&client, question),
        }
    }

    fn files(&self) -> Option<Arc<dyn Files>> {
        let files = || Arc::new(ClientFiles::new(self.client.clone(), self.abilities.write_files)) as Arc<dyn Files>;
        self.abilities.read_files.then(files)
    }

    fn terminals(&self, session_id: &str) -> Option<Arc<dyn Terminals>> {
        let terminals = || Arc::new(ClientTerminals::new(self.client.clone(), session_id)) as Arc<dyn Terminals>;
        self.abilities.terminals.then(terminals)
    }
}
