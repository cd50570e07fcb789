//! The sub-agents with a name that a turn may give work to.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::Event;
use crate::{
    agent::Agent,
    context::{AgentFile, Listed, Places, agent_files},
    provider::Provider,
    tool::Profile,
    workspace::Workspace,
};

/// A provider with its own name of a model.
pub type Asked = (Arc<dyn Provider>, String);

/// Gives an agent those that the files describe; what is wrong with the files, the person is told. It looks at the disk,
/// so it belongs to a turn's task and never to the hub's loop.
pub async fn with_agents(
    agent: Agent,
    places: &Places,
    workspace: &Workspace,
    session_id: &Arc<str>,
    hub: &mpsc::UnboundedSender<Event>,
) -> Agent {
    let Listed { items, mut warnings } = agent_files(places, workspace).await;
    let mut profiles = Vec::new();
    for AgentFile { name, description, instructions, model, tools, turn_limit } in items {
        let model = match model {
            None => None,
            Some(model) => match ask_for(model, hub).await {
                Ok(asked) => Some(asked),
                Err(error) => {
                    warnings.push(format!("The agent {name:?} is not used: {error}"));
                    continue;
                }
            },
        };
        profiles.push(Profile { name, description, instructions, model, tools, turn_limit });
    }
    if !warnings.is_empty() {
        let _ = hub.send(Event::Warnings { session_id: session_id.clone(), warnings });
    }
    let built = agent.to_builder().sub_agents(profiles).build();
    // What could be built once can be built again; should it not, the turn goes on without sub-agents.
    built.unwrap_or(agent)
}

async fn ask_for(model: String, hub: &mpsc::UnboundedSender<Event>) -> Result<Asked, String> {
    let (answer, answered) = oneshot::channel();
    let _ = hub.send(Event::Model { model, answer });
    answered.await.unwrap_or_else(|_| Err("Pillion is ending.".to_owned()))
}
