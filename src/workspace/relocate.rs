//! Moving files and folders, with the buffers that show them.

use std::{path::Path, sync::Arc};

use ropey::Rope;
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use super::{
    BufferSink, EditorId, Location, SinkError, Workspace,
    apply::blocking,
    buffer::{Saved, State},
    confine::locate,
    disk::{Stamp, relocate},
    lock, uri,
};

/// Something that was moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Open buffers without unsaved changes whose editor cannot move them: they still have their old name, and saving one
    /// there would make the old file anew.
    pub left_behind: Vec<Location>,
    /// Files whose editor lost unsaved changes as it moved them; they were written to the moved file.
    pub rescued: Vec<Location>,
}

/// Why nothing was moved, or why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error("{0} does not exist")]
    NotFound(String),
    #[error(
        "{0} is open in the editor only, and has no file yet: there is nothing on the disk to move or delete. Write it first"
    )]
    NoFile(String),
    #[error("{0} exists already, and nothing is ever overwritten. Nothing was moved")]
    Exists(String),
    #[error("{0} is a folder of the workspace itself, or holds one. Nothing was done")]
    Root(String),
    #[error("{0} belongs to git, which alone may change it. Nothing was done")]
    Git(String),
    #[error("{to} is inside of {from}. Nothing was moved")]
    Inside { from: String, to: String },
    #[error("{0} is the same name. Nothing was moved")]
    SameName(String),
    #[error(
        "{0} has changes that are not saved, and its editor can neither move nor save it. Nothing was done. Ask the person to save it"
    )]
    Unsaved(String),
    #[error("the folder of {0} does not exist, and outside of the workspace none is made. Nothing was moved")]
    NoFolder(String),
    #[error("the editor refused to move {0}. Nothing was moved")]
    Refused(String),
    #[error("the editor failed to move {shown}: {message}. Look at both places before anything else")]
    Editor { shown: String, message: String },
    #[error(
        "the editor says that it moved {0}, but the disk does not show it. Look at both places before anything else"
    )]
    Unconfirmed(String),
    #[error("cannot move {shown}: {source}. Nothing was moved")]
    Io { shown: String, source: std::io::Error },
}

/// A buffer that shows the entry or something in it.
pub(super) struct Showing {
    pub editor: EditorId,
    pub uri: String,
    pub location: Location,
    pub unsaved: bool,
    overtaken: bool,
    pub text: Rope,
    sink: Arc<dyn BufferSink>,
}

impl Workspace {
    /// What would stand against moving `from` to `to`, as far as the disk and the names tell. Changes nothing.
    pub fn check_move(&self, from: &Location, to: &Location) -> Result<(), MoveError> {
        self.check_entry(from)?;
        self.check_names(to)?;
        if from.path == to.path {
            return Err(MoveError::SameName(to.shown.clone()));
        }
        if to.path.starts_with(&from.path) {
            return Err(MoveError::Inside { from: from.shown.clone(), to: to.shown.clone() });
        }
        let is_taken = relocate::exists(&to.path) && !relocate::is_same(&from.path, &to.path);
        if is_taken || lock(&self.state).all().any(|(_, buffer)| buffer.path.starts_with(&to.path)) {
            return Err(MoveError::Exists(to.shown.clone()));
        }
        if !to.inside && to.path.parent().is_some_and(|folder| !folder.is_dir()) {
            return Err(MoveError::NoFolder(to.shown.clone()));
        }
        Ok(())
    }

    /// Moves a file or a folder: over the editor where one has it open and can, so that the buffer moves with all that is
    /// typed in it; else on the disk. `from` is of [`Workspace::resolve_entry`], `to` of [`Workspace::resolve_name`].
    /// Nothing is overwritten, and folders that are missing are made inside the roots.
    pub async fn relocate(&self, from: &Location, to: &Location) -> Result<Moved, MoveError> {
        self.check_move(from, to)?;
        // In one order for all, lest two wait for each other.
        let (first, second) = if from.path < to.path { (from, to) } else { (to, from) };
        let turns = (self.turn(first), self.turn(second));
        let _turns = (turns.0.lock().await, turns.1.lock().await);
        self.check_move(from, to)?;
        let showing = self.saved_where_needed(&from.path).await?;
        let mover = showing.iter().find(|buffer| buffer.unsaved).or(showing.first());
        if let Some(buffer) = mover.filter(|buffer| buffer.sink.can_rename()) {
            return self.relocate_with(buffer, &showing, from, to).await;
        }
        let (shown, is_inside) = (from.shown.clone(), to.inside);
        let (old, new, state) = (from.path.clone(), to.path.clone(), self.state.clone());
        blocking(move || {
            if let Some(unsaved) = typed_since(&state, &old) {
                return Err(MoveError::Unsaved(unsaved));
            }
            relocate::relocate(&old, &new, is_inside).map_err(|source| MoveError::Io { shown, source })
        })
        .await?;
        Ok(Moved { left_behind: showing.into_iter().map(|buffer| buffer.location).collect(), ..Moved::default() })
    }

    /// What stands against moving or deleting an entry at all.
    pub(super) fn check_entry(&self, entry: &Location) -> Result<(), MoveError> {
        self.check_names(entry)?;
        if !entry.path.is_absolute() {
            return Err(MoveError::NoFile(entry.shown.clone()));
        }
        if relocate::exists(&entry.path) {
            return Ok(());
        }
        let is_open = lock(&self.state).find(&entry.path).is_some();
        Err(if is_open { MoveError::NoFile(entry.shown.clone()) } else { MoveError::NotFound(entry.shown.clone()) })
    }

    fn check_names(&self, entry: &Location) -> Result<(), MoveError> {
        let roots = self.resolved_roots();
        if roots.iter().any(|root| root.starts_with(&entry.path)) {
            return Err(MoveError::Root(entry.shown.clone()));
        }
        let below = roots.iter().filter_map(|root| entry.path.strip_prefix(root).ok());
        let below = below.min_by_key(|path| path.as_os_str().len()).unwrap_or(&entry.path);
        if below.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
            return Err(MoveError::Git(entry.shown.clone()));
        }
        Ok(())
    }

    /// The buffers that show something at or below the path. Those with unsaved changes can be moved by their editor, all
    /// of them by one; else they were saved.
    async fn saved_where_needed(&self, path: &Path) -> Result<Vec<Showing>, MoveError> {
        let showing = self.showing(path).await;
        let unsaved: Vec<&Showing> = showing.iter().filter(|buffer| buffer.unsaved).collect();
        // An editor that opened it anew would take the disk's text for what it had begun with.
        if let Some(overtaken) = unsaved.iter().find(|buffer| buffer.overtaken) {
            return Err(MoveError::Unsaved(overtaken.location.shown.clone()));
        }
        let one_moves_all = unsaved.iter().all(|buffer| buffer.sink.can_rename() && buffer.editor == unsaved[0].editor);
        if one_moves_all {
            return Ok(showing);
        }
        for buffer in unsaved {
            // What it could not do shows below.
            let saving = buffer.sink.save(vec![buffer.uri.clone()]);
            let failed = tokio::time::timeout(self.limits.save, saving).await;
            let said = matches!(failed, Ok(Ok(failed)) if failed.is_empty());
            let file = Stamp::of(&buffer.location.path);
            let mut state = lock(&self.state);
            if said
                && let Some(now) = state.buffer_mut(buffer.editor, &buffer.uri)
                && now.text == buffer.text
            {
                now.is_on_disk(file);
            }
        }
        let showing = self.showing(path).await;
        match showing.iter().find(|buffer| buffer.unsaved) {
            Some(buffer) => Err(MoveError::Unsaved(buffer.location.shown.clone())),
            None => Ok(showing),
        }
    }

    /// The buffers that show something at or below the path.
    pub(super) async fn showing(&self, path: &Path) -> Vec<Showing> {
        self.settle_with_disk(|open| open.starts_with(path)).await;
        let roots = lock(&self.roots).clone();
        let state = lock(&self.state);
        let showing = state.all().filter(|(_, buffer)| buffer.path.is_absolute() && buffer.path.starts_with(path));
        let mut showing: Vec<_> = showing
            .filter_map(|(editor, buffer)| {
                Some(Showing {
                    editor,
                    uri: buffer.uri.clone(),
                    location: locate(&roots, buffer.path.clone()),
                    unsaved: buffer.saved != Saved::Yes,
                    overtaken: buffer.overtaken.is_some(),
                    text: buffer.text.clone(),
                    sink: state.sink(editor)?,
                })
            })
            .collect();
        showing.sort_by(|a, b| a.location.path.cmp(&b.location.path));
        showing
    }

    async fn relocate_with(
        &self,
        mover: &Showing,
        showing: &[Showing],
        from: &Location,
        to: &Location,
    ) -> Result<Moved, MoveError> {
        let shown = || from.shown.clone();
        let is_file = mover.location.path == from.path;
        let old_uri = if is_file { mover.uri.clone() } else { uri::of(&from.path) };
        let new_uri = uri::of(&to.path);
        let mut typing: Vec<_> = {
            let mut state = lock(&self.state);
            showing.iter().map(|buffer| state.watch(buffer.editor, &buffer.uri)).collect()
        };
        let renaming = mover.sink.rename(&old_uri, &new_uri);
        match tokio::time::timeout(self.limits.apply, renaming).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return Err(MoveError::Refused(shown())),
            Ok(Err(SinkError(message))) => return Err(MoveError::Editor { shown: shown(), message }),
            Err(_) => {
                return Err(MoveError::Editor { shown: shown(), message: "it did not answer in time".to_owned() });
            }
        }
        if !relocate::exists(&to.path) || (relocate::exists(&from.path) && !relocate::is_same(&from.path, &to.path)) {
            return Err(MoveError::Unconfirmed(shown()));
        }
        let mut moved = Moved::default();
        for (buffer, typed) in showing.iter().zip(&mut typing) {
            if buffer.editor != mover.editor {
                moved.left_behind.push(buffer.location.clone());
                continue;
            }
            let below = buffer.location.path.strip_prefix(&from.path).unwrap_or(Path::new(""));
            let path = if below.as_os_str().is_empty() { to.path.clone() } else { to.path.join(below) };
            let arrived = self.arrives(&path, typed, buffer.unsaved).await;
            let last = std::iter::from_fn(|| typed.try_recv().ok()).last();
            if lock(&self.state).find(&buffer.location.path).is_some() {
                moved.left_behind.push(buffer.location.clone());
            } else if !arrived && (buffer.unsaved || last.is_some()) {
                let location = locate(&lock(&self.roots), path);
                if self.rescue(&location, last.as_ref().unwrap_or(&buffer.text)).await? {
                    moved.rescued.push(location);
                }
            }
        }
        Ok(moved)
    }

    /// Waits for a buffer in the place its file was moved to: as long as may be if there is anything to lose, else only
    /// until it is known whether the editor keeps it open.
    async fn arrives(&self, path: &Path, typed: &mut UnboundedReceiver<Rope>, matters: bool) -> bool {
        let deadline = Instant::now() + self.limits.confirm;
        loop {
            let opened = lock(&self.state).news.clone();
            let opened = opened.notified();
            tokio::pin!(opened);
            // From here on no opening is missed.
            opened.as_mut().enable();
            if lock(&self.state).find(path).is_some() {
                return true;
            }
            if !matters && typed.is_empty() {
                return false;
            }
            if tokio::time::timeout_at(deadline, opened).await.is_err() {
                return false;
            }
        }
    }

    /// Writes what was typed to the moved file unless it is there. True if it had to.
    async fn rescue(&self, location: &Location, text: &Rope) -> Result<bool, MoveError> {
        let failed = |message: String| MoveError::Editor { shown: location.shown.clone(), message };
        let base = self.read(location).await.ok();
        if base.as_ref().is_some_and(|base| base.text == *text) {
            return Ok(false);
        }
        let plan = self.plan_write(location, base.as_ref(), &text.to_string()).await;
        let plan = plan.map_err(|error| failed(error.to_string()))?;
        let chosen = plan.chosen(None).map_err(|error| failed(error.to_string()))?;
        self.apply_in_turn(&plan, &chosen).await.map_err(|error| failed(error.to_string()))?;
        Ok(true)
    }
}

/// What has been typed below the path and is not saved, at the moment.
fn typed_since(state: &std::sync::Mutex<State>, path: &Path) -> Option<String> {
    let state = lock(state);
    let mut unsaved = state.all().filter(|(_, buffer)| buffer.path.starts_with(path) && buffer.saved == Saved::No);
    unsaved.next().map(|(_, buffer)| buffer.path.display().to_string())
}
