//! Getting the disk to have what the editors show, before a program looks at it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use ropey::Rope;
use tokio::time::{Instant, timeout_at};

use super::{
    EditorId, Location, Workspace,
    apply::blocking,
    buffer::{Saved, Standing},
    confine::locate,
    disk::{self, Stamp},
    encoding::Encoding,
    lock,
    text::{line_feeds, with_line_feeds},
};

/// What a program that starts now sees of the buffers that had unsaved changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveOutcome {
    /// They are on the disk.
    pub saved: Vec<Location>,
    /// The disk has another text.
    pub stale: Vec<Location>,
}

/// A buffer to be saved.
struct Unsaved {
    editor: EditorId,
    uri: String,
    location: Location,
    generation: u64,
    overtaken: bool,
}

impl Workspace {
    /// Has the editors save what they hold unsaved inside the roots. Untitled buffers have no file and do not count. Where
    /// someone else has written the file meanwhile, which the editor does not show, saving would lose that: nothing asks for
    /// it.
    pub async fn save_unsaved(&self) -> SaveOutcome {
        self.refresh().await;
        let mut outcome = SaveOutcome::default();
        let mut by_editor: HashMap<EditorId, Vec<Unsaved>> = HashMap::new();
        for unsaved in self.unsaved() {
            match unsaved.overtaken {
                true => outcome.stale.push(unsaved.location),
                false => by_editor.entry(unsaved.editor).or_default().push(unsaved),
            }
        }
        let saving = by_editor.into_iter().map(|(editor, buffers)| self.save_with(editor, buffers));
        for (buffer, saved) in futures::future::join_all(saving).await.into_iter().flatten() {
            let list = if saved { &mut outcome.saved } else { &mut outcome.stale };
            list.push(buffer.location);
        }
        outcome.saved.sort_by(|a, b| a.path.cmp(&b.path));
        outcome.stale.sort_by(|a, b| a.path.cmp(&b.path));
        outcome
    }

    fn unsaved(&self) -> Vec<Unsaved> {
        let roots = lock(&self.roots).clone();
        let state = lock(&self.state);
        let unsaved = state.all().filter(|(_, buffer)| buffer.saved == Saved::No && buffer.path.is_absolute());
        unsaved
            .map(|(editor, buffer)| Unsaved {
                editor,
                uri: buffer.uri.clone(),
                location: locate(&roots, buffer.path.clone()),
                generation: buffer.generation,
                overtaken: buffer.overtaken.is_some(),
            })
            .filter(|unsaved| unsaved.location.inside)
            .collect()
    }

    async fn save_with(&self, editor: EditorId, buffers: Vec<Unsaved>) -> Vec<(Unsaved, bool)> {
        let Some(sink) = lock(&self.state).sink(editor) else {
            return buffers.into_iter().map(|buffer| (buffer, false)).collect();
        };
        let uris = buffers.iter().map(|buffer| buffer.uri.clone()).collect();
        let failed = match tokio::time::timeout(self.limits.save, sink.save(uris)).await {
            Ok(Ok(failed)) => Some(failed),
            Ok(Err(_)) | Err(_) => None,
        };
        let buffers: Vec<_> = buffers.into_iter().map(|unsaved| (Stamp::of(&unsaved.location.path), unsaved)).collect();
        let mut state = lock(&self.state);
        let saved = buffers.into_iter().map(|(file, unsaved)| {
            let Some(buffer) = state.buffer_mut(editor, &unsaved.uri) else { return (unsaved, false) };
            let said = failed.as_ref().is_some_and(|failed| !failed.contains(&unsaved.uri));
            // An editor that cannot answer may still have told that it saved.
            let saved = said || buffer.saved == Saved::Yes;
            if said && buffer.generation == unsaved.generation {
                buffer.is_on_disk(file);
            } else if said {
                buffer.holds_file(file);
            }
            (unsaved, saved)
        });
        saved.collect()
    }

    /// Finds out how open buffers (all of them, or those of `path`) and their files stand to each other: an editor may open
    /// them with text that it restored from its last run, and someone else may write the files. To show the latter, an
    /// editor gets a moment, once for each time.
    pub(super) async fn settle_with_disk(&self, path: Option<&Path>) {
        let deadline = Instant::now() + self.limits.settle;
        loop {
            let news = lock(&self.state).news.clone();
            let news = news.notified();
            tokio::pin!(news);
            // From here on no news is missed.
            news.as_mut().enable();
            let behind = self.compare_with_disk(path).await;
            if behind.is_empty() {
                return;
            }
            if timeout_at(deadline, news).await.is_err() {
                let mut state = lock(&self.state);
                for (editor, uri, file) in behind {
                    if let Some(buffer) = state.buffer_mut(editor, &uri) {
                        buffer.overtaken = Some(file);
                    }
                }
                return;
            }
        }
    }

    /// Looks once. The buffers whose files have another text since, which is not known of them yet, with those files.
    async fn compare_with_disk(&self, path: Option<&Path>) -> Vec<(EditorId, String, Stamp)> {
        let open: Vec<_> = {
            let state = lock(&self.state);
            let open = state
                .all()
                .filter(|(_, buffer)| buffer.path.is_absolute() && path.is_none_or(|path| buffer.path == path));
            open.map(|(editor, buffer)| (editor, buffer.uri.clone(), buffer.path.clone(), buffer.standing())).collect()
        };
        let mut behind = Vec::new();
        for (editor, uri, path, then) in open {
            let file = Stamp::of(&path);
            let is_same = match &then {
                Standing { saved: Saved::Yes | Saved::No, file: known, .. } if *known == file => None,
                Standing { text, .. } => Some(self.disk_has(path, text.clone()).await),
            };
            let mut state = lock(&self.state);
            let Some(buffer) = state.buffer_mut(editor, &uri) else { continue };
            if (buffer.generation, buffer.file) != (then.generation, then.file) {
                // Compared in vain: it has moved on, which is news.
                behind.push((editor, uri, file));
            } else if is_same == Some(true) {
                buffer.is_on_disk(file);
            } else {
                if buffer.saved == Saved::Unknown {
                    buffer.saved = Saved::No;
                }
                if file == buffer.file {
                    buffer.overtaken = None;
                } else if buffer.overtaken != Some(file) {
                    behind.push((editor, uri, file));
                }
            }
        }
        behind
    }

    async fn disk_has(&self, path: PathBuf, text: Rope) -> bool {
        let limit = self.limits.size;
        let location = Location { path, inside: true, shown: String::new() };
        let same = blocking(move || {
            let bytes = disk::read(&location, limit).map_err(|_| ())?;
            let (_, on_disk) = Encoding::decode(&bytes).map_err(|_| ())?;
            // An editor shows the line ends its own way.
            Ok::<_, ()>(with_line_feeds(&text) == line_feeds(&on_disk).as_str())
        });
        same.await.unwrap_or(false)
    }
}
