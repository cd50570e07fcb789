//! Prompt commands: what there is, and that clients are told when it changes. Looking is done beside the hub's loop.

use std::sync::Arc;

use super::{Hub, Reply, answer};
use crate::{
    context::{CommandFiles, CommandSource, Commands, Listed},
    protocol::{CommandInfo, CommandListParams, CommandListResponse},
    session::{self, Session, Signal},
};

impl Hub {
    /// The prompt commands of a session, or for the editor's roots: files, then the prompts of MCP servers.
    pub(super) fn commands(&self, session: Option<&Session>) -> Commands {
        let workspace = session.map_or(&self.workspace, |session| &session.workspace).clone();
        let files = CommandFiles { places: self.config.places.clone(), workspace };
        let mut sources: Vec<Arc<dyn CommandSource>> = vec![Arc::new(files), self.mcp.clone()];
        if let Some(own) = session.and_then(|session| session.mcp.clone()) {
            sources.push(own);
        }
        Commands::new(sources)
    }

    pub(super) fn list_commands(&mut self, params: CommandListParams, reply: Reply) {
        let session_id = match params.session_id.as_deref().map(|id| self.session(id)).transpose() {
            Ok(session) => session.map(|session| session.id.clone()),
            Err(error) => return reply(Err(error)),
        };
        let hub = self.way_back();
        let commands = self.commands(session_id.as_ref().and_then(|id| self.sessions.get(id)));
        tokio::spawn(async move {
            let commands = match session_id {
                Some(session_id) => list(commands, session_id, hub).await,
                None => commands.list().await.items.into_iter().map(Into::into).collect(),
            };
            answer(reply, Ok(CommandListResponse { commands }));
        });
    }
}

/// Lists the commands and has the session told.
pub(super) async fn list(commands: Commands, session_id: Arc<str>, hub: session::Hub) -> Vec<CommandInfo> {
    let Listed { items, warnings } = commands.list().await;
    let commands: Vec<CommandInfo> = items.into_iter().map(Into::into).collect();
    hub.tell(Signal::Commands { session_id, commands: commands.clone(), warnings });
    commands
}
