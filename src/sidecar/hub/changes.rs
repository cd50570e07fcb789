//! What turns changed: looked at and taken back, beside the hub's loop.

use std::{path::PathBuf, sync::Arc};

use super::{Hub, answer};
use crate::{
    protocol::{
        ChangeListParams, ChangeListResponse, ChangeRevertParams, ChangeRevertResponse, ChangeTextParams,
        ChangeTextResponse,
    },
    sidecar::{Reply, RequestError},
    workspace::{Ledger, Selection, Texts, Workspace},
};

impl Hub {
    pub(super) fn list_changes(&mut self, params: ChangeListParams, reply: Reply) {
        let (workspace, ledger) = match self.ledger(&params.session_id) {
            Ok(found) => found,
            Err(error) => return reply(Err(error)),
        };
        tokio::spawn(async move {
            let reviewed = ledger.review(&workspace, params.turn_id.as_deref()).await;
            answer(reply, Ok(ChangeListResponse { changes: reviewed.into_iter().map(Into::into).collect() }));
        });
    }

    pub(super) fn change_text(&mut self, params: ChangeTextParams, reply: Reply) {
        let (workspace, ledger) = match self.ledger(&params.session_id) {
            Ok(found) => found,
            Err(error) => return reply(Err(error)),
        };
        tokio::spawn(async move {
            let ChangeTextParams { turn_id, uri, .. } = params;
            let texts = match names(&workspace, &uri) {
                Ok(paths) => ledger.texts(&workspace, &turn_id, &paths).await,
                Err(error) => return reply(Err(error)),
            };
            let not_found = |message: String| RequestError::new(RequestError::NOT_FOUND, message);
            answer(
                reply,
                match texts {
                    Ok(Some(Texts { before, after })) => Ok(ChangeTextResponse { before, after }),
                    Ok(None) => Err(not_found(format!(
                        "The turn {turn_id:?} changed nothing that is {uri} now; change/list shows what it changed."
                    ))),
                    Err(error) => Err(not_found(error.to_string())),
                },
            );
        });
    }

    pub(super) fn revert(&mut self, params: ChangeRevertParams, reply: Reply) {
        let ChangeRevertParams { session_id, turn_id, uri, hunks } = params;
        if turn_id.is_none() && uri.is_none() && hunks.is_none() {
            let message = "Say what to take back: a turn by `turnId`, a file by `uri`, or `hunks`.";
            return reply(Err(RequestError::new(RequestError::INVALID_PARAMS, message)));
        }
        let (workspace, ledger) = match self.ledger(&session_id) {
            Ok(found) => found,
            Err(error) => return reply(Err(error)),
        };
        let bins = self.bins();
        tokio::spawn(async move {
            let paths = match uri.map(|uri| names(&workspace, &uri)).transpose() {
                Ok(paths) => paths,
                Err(error) => return reply(Err(error)),
            };
            let reverted = ledger.revert(&workspace, &bins, &Selection { turn_id, paths, hunks }).await;
            answer(reply, Ok(ChangeRevertResponse::from(reverted)));
        });
    }

    fn ledger(&mut self, session_id: &str) -> Result<(Arc<Workspace>, Ledger), RequestError> {
        let session = self.session(session_id)?;
        Ok((session.workspace.clone(), session.scope.ledger.clone()))
    }
}

/// The paths that a client may mean by this URI: of the entry itself, and of where it leads.
fn names(workspace: &Workspace, uri: &str) -> Result<Vec<PathBuf>, RequestError> {
    let bad = |error: crate::workspace::PathError| RequestError::new(RequestError::INVALID_PARAMS, error.to_string());
    let names = [workspace.resolve(uri).map_err(bad)?, workspace.resolve_entry(uri).map_err(bad)?];
    Ok(names.into_iter().map(|location| location.path).collect())
}
