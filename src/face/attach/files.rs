//! Files of who attaches, as the side sees them that is attached to.

use std::{path::Path, time::Duration};

use async_trait::async_trait;

use crate::{
    protocol::{Empty, FILE_READ, FILE_WRITE, FileReadParams, FileReadResponse, FileWriteParams},
    rpc::Peer,
    workspace::{Files, SinkError},
};

/// Longer than who attaches waits for the program that it asks in its turn.
const LIMIT: Duration = Duration::from_secs(15);

pub struct GuestFiles {
    pub peer: Peer,
    pub can_write: bool,
}

#[async_trait]
impl Files for GuestFiles {
    async fn read(&self, path: &Path) -> Result<Option<String>, SinkError> {
        // A path that is no text cannot be asked for.
        let Some(path) = path.to_str().map(str::to_owned) else { return Ok(None) };
        let read = self.peer.call::<FileReadResponse>(FILE_READ, &FileReadParams { path }, LIMIT).await;
        read.map(|response| response.text).map_err(|error| SinkError(error.to_string()))
    }

    fn can_write(&self) -> bool {
        self.can_write
    }

    async fn write(&self, path: &Path, text: &str) -> Result<(), SinkError> {
        let path = path.to_str().ok_or_else(|| SinkError("its path is no text".to_owned()))?.to_owned();
        let params = FileWriteParams { path, text: text.to_owned() };
        let written = self.peer.call::<Empty>(FILE_WRITE, &params, LIMIT).await;
        written.map(drop).map_err(|error| SinkError(error.to_string()))
    }
}
