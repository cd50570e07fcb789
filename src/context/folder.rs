//! What is in a folder, as a person would see it at a glance.

use crate::workspace::{Location, Workspace};

/// Entries that are listed.
const ENTRIES: usize = 300;

/// Folders below the folder that are looked into.
const DEPTH: usize = 2;

/// The files and folders in a folder, two levels deep, without what is hidden or ignored; one a line, folders with a
/// slash. Files that only an editor has are among them.
///
/// # Errors
/// If there is no such folder.
pub async fn list(workspace: &Workspace, location: &Location) -> Result<String, String> {
    let (folder, shown) = (location.path.clone(), location.shown.clone());
    let open = workspace.buffers().into_iter().filter(|buffer| buffer.unsaved).map(|buffer| buffer.location.path);
    let open: Vec<_> = open.filter(|path| path.starts_with(&folder)).collect();
    let listing = tokio::task::spawn_blocking(move || {
        if !folder.is_dir() {
            return Err(format!("{shown} is no folder"));
        }
        let walk = ignore::WalkBuilder::new(&folder).max_depth(Some(DEPTH)).require_git(false).build();
        let entries = walk.flatten().filter(|entry| entry.depth() > 0).map(|entry| {
            let is_folder = entry.file_type().is_some_and(|kind| kind.is_dir());
            (entry.into_path(), is_folder)
        });
        let entries = entries.take(ENTRIES * 10).chain(open.into_iter().map(|path| (path, false)));
        let mut names: Vec<_> = entries
            .filter_map(|(path, is_folder)| {
                let name = path.strip_prefix(&folder).ok()?.display().to_string();
                let name = if cfg!(windows) { name.replace('\\', "/") } else { name };
                Some(if is_folder { name + "/" } else { name })
            })
            .collect();
        names.sort();
        names.dedup();
        let left_out = names.len().saturating_sub(ENTRIES);
        names.truncate(ENTRIES);
        if left_out > 0 {
            names.push(format!("[{left_out} or more are left out: go on with `glob`]"));
        }
        Ok(if names.is_empty() {
            "[nothing, or nothing that is neither hidden nor ignored]".into()
        } else {
            names.join("\n")
        })
    });
    listing.await.unwrap_or_else(|_| Err("it was stopped".to_owned()))
}
