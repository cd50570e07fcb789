//! From what a client sent to what the model reads. It looks at the disk, so it belongs to a turn's task and never to
//! the hub's loop.

use std::sync::Arc;

use crate::{
    context::{self, CommandError, Commands, Resolved, Surroundings},
    protocol::ContentBlock,
    workspace::{Seen, Workspace},
};

/// What prompts of a session are resolved in.
#[derive(Clone)]
pub struct Prompting {
    pub workspace: Arc<Workspace>,
    pub seen: Arc<Seen>,
    pub commands: Commands,
}

impl Prompting {
    /// As [`context::resolve`].
    pub async fn resolve(&self, prompt: &[ContentBlock]) -> Result<Resolved, CommandError> {
        let parts: Vec<_> = prompt.iter().cloned().map(Into::into).collect();
        let Self { workspace, seen, commands } = self;
        context::resolve(&parts, Surroundings { workspace, seen, commands }).await
    }
}
