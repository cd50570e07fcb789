//! MCP servers: those of the settings, for all sessions, and those that a client brings for one.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{Event, Hub, RequestError, commands};
use crate::{
    mcp::{Notice, Reach, Servers, Spec, State},
    protocol::{McpListParams, McpListResponse, McpServer, NoticeLevel, SessionEvent},
    tool::{Changed, Changes, Collision, Registry, Source},
    workspace::Workspace,
};

/// Servers whose failures the hub hears of, beside others that a session has.
pub fn servers(
    others: Option<Arc<Servers>>,
    workspace: Arc<Workspace>,
    hub: mpsc::UnboundedSender<Event>,
    session_id: Option<Arc<str>>,
) -> Arc<Servers> {
    Servers::beside(others, workspace, move |Notice { message, .. }| {
        let _ = hub.send(Event::ServerFailed { session_id: session_id.clone(), message });
    })
}

impl Hub {
    /// Gives a session the servers that its client brings, and begins to tell of the tools that come and go.
    pub(super) fn equip(&mut self, session_id: &Arc<str>, brought: Vec<McpServer>) {
        let withheld = self.config.secret_variables();
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        if session.mcp.is_some() || !brought.is_empty() {
            let (others, hub) = (self.mcp.clone(), self.sender.clone());
            let own = || servers(Some(others), session.workspace.clone(), hub, Some(session_id.clone()));
            let own = session.mcp.get_or_insert_with(own).clone();
            let mut specs: Vec<Spec> = brought.into_iter().map(Spec::from).collect();
            specs.retain_mut(|spec| {
                let Reach::Http { url, route, .. } = &mut spec.reach else { return true };
                match self.config.route(url) {
                    Ok(found) => *route = found,
                    Err(error) => {
                        let message = format!("The MCP server `{}` is left out: {error}", spec.name);
                        session.notice(NoticeLevel::Warning, message);
                        return false;
                    }
                }
                true
            });
            own.set(specs, withheld);
        }
        self.watch_tools(session_id);
    }

    /// The tools of a session: Pillion's own, those of the settings' servers, and those of its own servers, where the
    /// names meet under a name of their own.
    pub(super) fn tools_of(&self, session_id: &str) -> Registry {
        let mut tools = self.tools.clone();
        let own = self.sessions.get(session_id).and_then(|session| session.mcp.clone());
        let sources = [(Some(self.mcp.clone()), Collision::First), (own, Collision::Prefix)];
        for (source, collision) in sources.into_iter().filter_map(|(source, c)| Some((source?, c))) {
            if let Err(error) = tools.add_source(source, collision) {
                tracing::warn!(session = session_id, "the tools of MCP servers are left out: {error}");
            }
        }
        tools
    }

    pub(super) fn watch_tools(&mut self, session_id: &Arc<str>) {
        let mut watch = self.tools_of(session_id).watch();
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let own = session.mcp.as_ref().map(|own| own.changes()).unwrap_or_default();
        let mut offers = self.mcp.changes().and(own);
        let (session_id, hub) = (session_id.clone(), self.sender.clone());
        let watching = tokio::spawn(async move {
            loop {
                let session_id = session_id.clone();
                let event = tokio::select! {
                    changed = watch.next() => Event::ToolsChanged { session_id, changed },
                    () = offers.next() => Event::OffersChanged { session_id },
                };
                if hub.send(event).is_err() {
                    return;
                }
            }
        });
        session.watching_tools = Some(AbortOnDropHandle::new(watching));
    }

    /// Resolves when a session has all of these tools, or no server is just being started that may bring them.
    pub(super) fn tools_are_there(
        &self,
        session_id: &str,
        names: Vec<String>,
    ) -> impl Future<Output = ()> + Send + 'static {
        /// The most that is waited: clients wait for the session as long. Chosen by taste.
        const PATIENCE: Duration = Duration::from_secs(10);
        let tools = self.tools_of(session_id);
        let own = self.sessions.get(session_id).and_then(|session| session.mcp.clone());
        let servers: Vec<_> = own.into_iter().chain([self.mcp.clone()]).collect();
        let mut changes = servers.iter().fold(Changes::default(), |all, servers| all.and(servers.changes()));
        async move {
            let is_missing = || names.iter().any(|name| tools.get(name).is_none());
            let is_starting = || servers.iter().flat_map(|servers| servers.list()).any(|s| s.state == State::Starting);
            let _ = timeout(PATIENCE, async {
                while is_missing() && is_starting() {
                    changes.next().await;
                }
            })
            .await;
        }
    }

    /// Takes the settings' servers as they are set now.
    pub(super) fn configure_servers(&mut self) {
        if self.is_ending {
            return;
        }
        // Who watches from before the change on hears of it.
        let sessions: Vec<Arc<str>> = self.sessions.keys().cloned().collect();
        for session_id in &sessions {
            self.watch_tools(session_id);
        }
        self.mcp.set(self.config.mcp.clone(), self.config.secret_variables());
        self.mcp.roots_changed();
    }

    pub(super) fn tools_changed(&mut self, session_id: &str, changed: Changed) {
        if let Some(session) = self.sessions.get_mut(session_id) {
            let Changed { added, removed } = changed;
            session.append(SessionEvent::ToolsChanged { added, removed });
        }
    }

    /// Prompts are among what a server offers: the session is told if that changes its commands.
    pub(super) fn offers_changed(&self, session_id: &Arc<str>) {
        let commands = self.commands(self.sessions.get(session_id));
        tokio::spawn(commands::list(commands, session_id.clone(), self.way_back()));
    }

    /// Tells the session, or all of them; where there is none yet, the next one.
    pub(super) fn server_failed(&mut self, session_id: Option<&str>, message: String) {
        let concerned = |id: &str| session_id.is_none_or(|only| only == id);
        let mut was_told = false;
        for session in self.sessions.values_mut().filter(|session| concerned(&session.id)) {
            session.notice(NoticeLevel::Warning, message.as_str());
            was_told = true;
        }
        if !was_told && session_id.is_none() {
            self.warnings.push(message);
        }
    }

    pub(super) fn list_servers(&mut self, params: &McpListParams) -> Result<McpListResponse, RequestError> {
        let mut listed = self.mcp.list();
        if let Some(session_id) = &params.session_id {
            listed.extend(self.session(session_id)?.mcp.iter().flat_map(|own| own.list()));
        }
        Ok(McpListResponse { servers: listed.into_iter().map(Into::into).collect() })
    }

    /// Ends all servers and returns when they have ended; nobody waits for the hub meanwhile.
    pub(super) fn end_servers(&self) -> impl Future<Output = ()> + Send + 'static {
        let own = self.sessions.values().filter_map(|session| session.mcp.clone());
        let all: Vec<_> = own.chain([self.mcp.clone()]).collect();
        async move {
            futures::future::join_all(all.iter().map(|servers| servers.shut_down())).await;
        }
    }
}
