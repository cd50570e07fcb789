//! A turn's progress, by `$/progress`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::rpc::Peer;

/// Between two reports of one turn's progress: as often as an eye follows.
const REPORT_EVERY: Duration = Duration::from_millis(100);
const CREATE_LIMIT: Duration = Duration::from_secs(5);

/// Shows one turn until its status is dropped. Only the latest status counts, so a slow editor costs nothing.
pub(super) async fn show(peer: Peer, token: String, title: String, mut statuses: watch::Receiver<String>) {
    let created = peer.request("window/workDoneProgress/create", &json!({ "token": token }), CREATE_LIMIT).await;
    if let Err(error) = created {
        tracing::info!(%error, "the editor shows no progress");
        return;
    }
    let report = |value: Value| peer.notify("$/progress", &json!({ "token": token, "value": value }));
    let status = statuses.borrow_and_update().clone();
    report(json!({ "kind": "begin", "title": title, "message": status, "cancellable": true }));
    while statuses.changed().await.is_ok() {
        peer.writable().await;
        let status = statuses.borrow_and_update().clone();
        report(json!({ "kind": "report", "message": status, "cancellable": true }));
        tokio::time::sleep(REPORT_EVERY).await;
    }
    report(json!({ "kind": "end" }));
}
