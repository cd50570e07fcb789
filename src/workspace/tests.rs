//! The room from outside: an editor with its own idea of the text on one side, a tool on the other.
#![allow(clippy::disallowed_methods, reason = "tests play whoever else changes the files")]

mod diffs;
mod editor;
mod files;
mod ledger;
mod manners;
mod paths;
mod reading;
mod riders;
mod typing;

use std::{path::Path, sync::Arc, time::Duration};

use ropey::Rope;

use super::*;

/// Short where a test has to wait a limit out, long where it must not be reached.
fn limits(wait: Duration) -> Limits {
    Limits { apply: wait, confirm: wait, settle: wait, save: wait, ..Limits::default() }
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(50);

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test)
}

/// A temporary folder by its real name, as a root.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = confine::real(folder.path()).unwrap();
    (folder, path)
}

fn uri_of(path: &Path) -> String {
    let path = path.to_str().unwrap().replace('\\', "/");
    format!("file://{}{path}", if path.starts_with('/') { "" } else { "/" })
}

/// The one edit that replaces the only `old` in the text.
fn replacing(snapshot: &Snapshot, old: &str, new: &str) -> TextEdit {
    let text = snapshot.text.to_string();
    let mut found = text.match_indices(old);
    let (at, _) = found.next().unwrap_or_else(|| panic!("no {old:?} in {text:?}"));
    assert!(found.next().is_none(), "{old:?} twice in {text:?}");
    let start = text[..at].chars().count();
    TextEdit { range: start..start + old.chars().count(), text: new.to_owned() }
}

/// Plans the replacement of the only `old` in what a read gives now.
async fn plan(workspace: &Workspace, location: &Location, old: &str, new: &str) -> Result<Plan, EditError> {
    let base = workspace.read(location).await?;
    let edit = replacing(&base, old, new);
    workspace.plan(location, &base, vec![edit]).await
}

async fn edit(workspace: &Workspace, location: &Location, old: &str, new: &str) -> Result<Applied, EditError> {
    workspace.apply(plan(workspace, location, old, new).await?, None).await
}
