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

    /// Finds out how the open buffers of these paths and their files stand to each other: an editor may open them with text
    /// that it restored from its last run, and someone else may write the files. To show the latter, an editor gets a
    /// moment, once for each buffer that falls behind.
    pub(super) async fn settle_with_disk(&self, concerns: impl Fn(&Path) -> bool) {
        let deadline = Instant::now() + self.limits.settle;
        loop {
            let news = lock(&self.state).news.clone();
            let news = news.notified();
            tokio::pin!(news);
            // From here on no news is missed.
            news.as_mut().enable();
            let behind = self.compare_with_disk(&concerns).await;
            if behind.is_empty() {
                return;
            }
            if Instant::now() >= deadline || timeout_at(deadline, news).await.is_err() {
                let mut state = lock(&self.state);
                for Behind { editor, uri, then, file } in behind {
                    if let Some(buffer) = state.buffer_mut(editor, &uri).filter(|buffer| buffer.is_as(&then)) {
                        buffer.overtaken = Some(file);
                    }
                }
                return;
            }
        }
    }

    /// Looks once. Gives the buffers whose files have another text since, for which their editors had no moment yet.
    async fn compare_with_disk(&self, concerns: &impl Fn(&Path) -> bool) -> Vec<Behind> {
        let open: Vec<_> = {
            let state = lock(&self.state);
            let open = state.all().filter(|(_, buffer)| buffer.path.is_absolute() && concerns(&buffer.path));
            open.map(|(editor, buffer)| (editor, buffer.uri.clone(), buffer.path.clone(), buffer.standing())).collect()
        };
        let mut behind = Vec::new();
        for (editor, uri, path, mut then) in open {
            loop {
                let file = Stamp::of(&path);
                let found = match then.saved != Saved::Unknown && then.file == file {
                    true => None,
                    false => Some(self.find_on_disk(path.clone(), &then).await),
                };
                let mut state = lock(&self.state);
                let Some(buffer) = state.buffer_mut(editor, &uri) else { break };
                if !buffer.is_as(&then) {
                    // Compared in vain: somebody types, or another reader was quicker.
                    then = buffer.standing();
                    continue;
                }
                match found {
                    Some(OnDisk::TheSame) => buffer.is_on_disk(file),
                    // The editor has read or written this state of the file; what differs was typed since.
                    Some(OnDisk::Known) => buffer.holds_file(file),
                    Some(OnDisk::Another) => {
                        if buffer.saved == Saved::Unknown {
                            buffer.saved = Saved::No;
                        }
                        match buffer.overtaken {
                            _ if buffer.file == file => buffer.overtaken = None,
                            Some(_) => buffer.overtaken = Some(file),
                            None => {
                                let then = buffer.standing();
                                drop(state);
                                behind.push(Behind { editor, uri, then, file });
                            }
                        }
                    }
                    None => buffer.overtaken = None,
                }
                break;
            }
        }
        behind
    }

    async fn find_on_disk(&self, path: PathBuf, then: &Standing) -> OnDisk {
        let limit = self.limits.size;
        let location = Location { path, inside: true, shown: String::new() };
        let text = then.text.clone();
        let known = if then.saved == Saved::No { then.known.clone() } else { Vec::new() };
        let found = blocking(move || {
            let bytes = disk::read(&location, limit).map_err(|_| ())?;
            let (encoding, on_disk) = Encoding::decode(&bytes).map_err(|_| ())?;
            // An editor shows the line ends its own way, and takes the bytes of old encodings for what it likes.
            let on_disk = line_feeds(&on_disk);
            let is_same = |text: &Rope| match (with_line_feeds(text), encoding.is_guessed()) {
                (text, false) => text == on_disk.as_str(),
                (text, true) => text.chars().filter(char::is_ascii).eq(on_disk.chars().filter(char::is_ascii)),
            };
            Ok::<_, ()>(match () {
                () if is_same(&text) => OnDisk::TheSame,
                () if known.iter().any(is_same) => OnDisk::Known,
                () => OnDisk::Another,
            })
        });
        found.await.unwrap_or(OnDisk::Another)
    }
}

/// A buffer whose file has another text since.
struct Behind {
    editor: EditorId,
    uri: String,
    then: Standing,
    file: Stamp,
}

/// What a file has, for the editor that shows it.
enum OnDisk {
    TheSame,
    /// What it showed when its text and the disk's were the same the last time, or what it made of that.
    Known,
    Another,
}
