//! Getting the disk to have what the editors show, before a program looks at it.

use std::{collections::HashMap, path::Path};

use super::{
    EditorId, Location, Workspace,
    apply::blocking,
    buffer::Saved,
    confine::locate,
    disk,
    encoding::Encoding,
    lock,
    text::{line_feeds, with_line_feeds},
};

/// What a program that starts now sees of the buffers that had unsaved changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SaveOutcome {
    /// They are on the disk.
    pub saved: Vec<Location>,
    /// The disk still has an older text.
    pub stale: Vec<Location>,
}

/// A buffer to be saved.
struct Unsaved {
    editor: EditorId,
    uri: String,
    location: Location,
    generation: u64,
}

impl Workspace {
    /// Has the editors save what they hold unsaved inside the roots. Untitled buffers have no file and do not count.
    pub async fn save_unsaved(&self) -> SaveOutcome {
        self.refresh().await;
        self.settle_saved(None).await;
        let mut by_editor: HashMap<EditorId, Vec<Unsaved>> = HashMap::new();
        for unsaved in self.unsaved() {
            by_editor.entry(unsaved.editor).or_default().push(unsaved);
        }
        let saving = by_editor.into_iter().map(|(editor, buffers)| self.save_with(editor, buffers));
        let mut outcome = SaveOutcome::default();
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
        let mut state = lock(&self.state);
        let saved = buffers.into_iter().map(|unsaved| {
            let Some(buffer) = state.buffer_mut(editor, &unsaved.uri) else { return (unsaved, false) };
            let said = failed.as_ref().is_some_and(|failed| !failed.contains(&unsaved.uri));
            // An editor that cannot answer may still have told that it saved.
            let saved = said || buffer.saved == Saved::Yes;
            if said && buffer.generation == unsaved.generation {
                buffer.saved = Saved::Yes;
            }
            (unsaved, saved)
        });
        saved.collect()
    }

    /// Compares buffers that were opened and never changed (all of them, or the one of `path`) with the disk: an editor
    /// may have opened them with text it restored from its last run.
    pub(super) async fn settle_saved(&self, path: Option<&Path>) {
        let unknown: Vec<_> = {
            let roots = lock(&self.roots).clone();
            let state = lock(&self.state);
            let unknown = state
                .all()
                .filter(|(_, buffer)| buffer.saved == Saved::Unknown && path.is_none_or(|path| buffer.path == path));
            unknown
                .map(|(editor, buffer)| {
                    let location = locate(&roots, buffer.path.clone());
                    (editor, buffer.uri.clone(), buffer.generation, location, buffer.text.clone())
                })
                .collect()
        };
        for (editor, uri, generation, location, text) in unknown {
            let limit = self.limits.size;
            let same = blocking(move || {
                let bytes = disk::read(&location, limit).map_err(|_| ())?;
                let (_, on_disk) = Encoding::decode(&bytes).map_err(|_| ())?;
                // An editor shows the line ends its own way.
                Ok::<_, ()>(with_line_feeds(&text) == line_feeds(&on_disk).as_str())
            });
            let same = same.await.unwrap_or(false);
            if let Some(buffer) = lock(&self.state).buffer_mut(editor, &uri)
                && buffer.saved == Saved::Unknown
                && buffer.generation == generation
            {
                buffer.saved = if same { Saved::Yes } else { Saved::No };
            }
        }
    }
}
