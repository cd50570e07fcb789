//! The client's files: what it shows, saved or not, and texts that are put in their place.

use std::{path::Path, sync::Weak, time::Duration};

use agent_client_protocol_schema::v1::{ReadTextFileRequest, ReadTextFileResponse, WriteTextFileRequest};
use async_trait::async_trait;

use super::client::Client;
use crate::{
    rpc::CallError,
    workspace::{Files, SinkError},
};

/// A client may be busy for a while, but a turn must not hang on it.
const CLIENT_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct ClientFiles {
    client: Weak<Client>,
    can_write: bool,
}

impl ClientFiles {
    pub(super) fn new(client: Weak<Client>, can_write: bool) -> Self {
        Self { client, can_write }
    }
}

#[async_trait]
impl Files for ClientFiles {
    /// A client that refuses does not show the file, since it is outside of what it works on for example.
    async fn read(&self, path: &Path) -> Result<Option<String>, SinkError> {
        let Some(client) = self.client.upgrade() else { return Ok(None) };
        let Some((session_id, path)) = client.session_of(path) else { return Ok(None) };
        let request = ReadTextFileRequest::new(session_id, path);
        match client.peer.call::<ReadTextFileResponse>("fs/read_text_file", &request, CLIENT_LIMIT).await {
            Ok(response) => Ok(Some(response.content)),
            Err(CallError::Remote { error, .. }) => {
                tracing::debug!(%error, "the client does not show a file");
                Ok(None)
            }
            Err(error) => Err(SinkError(error.to_string())),
        }
    }

    fn can_write(&self) -> bool {
        self.can_write
    }

    async fn write(&self, path: &Path, text: &str) -> Result<(), SinkError> {
        let gone = || SinkError("the client is gone".to_owned());
        let client = self.client.upgrade().ok_or_else(gone)?;
        let (session_id, path) = client.session_of(path).ok_or_else(gone)?;
        let request = WriteTextFileRequest::new(session_id, path, text);
        // The answer says nothing but that it was done, and some clients answer `null`.
        let written = client.peer.request("fs/write_text_file", &request, CLIENT_LIMIT).await;
        written.map(drop).map_err(|error| SinkError(error.to_string()))
    }
}
