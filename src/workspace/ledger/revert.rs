//! Taking back what was changed: by edits like any other, and never over what someone typed since.

use std::path::{Path, PathBuf};

use ropey::Rope;

use super::{
    Deed, Landed, Ledger,
    entry::{Edited, Entry, Matter, Standing},
    review::{ChangeState, hunk_id, state},
};
use crate::workspace::{
    Bins, DiscardError, EditError, Location, MoveError, Snapshot, TextEdit, Workspace,
    apply::blocking,
    diff::changes,
    disk::relocate::{bring_back, exists},
    edit::make,
    lock,
    plan::Intent,
};

/// What is to be taken back: all that is neither of another turn, nor of another file, nor another hunk.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    pub turn_id: Option<String>,
    /// The names that the file may have.
    pub paths: Option<Vec<PathBuf>>,
    pub hunks: Option<Vec<String>>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reverted {
    pub reverted: Vec<Undone>,
    pub refused: Vec<Refusal>,
}

/// Something that was taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    pub turn_id: String,
    pub uri: String,
    /// None of a move or a deletion.
    pub hunks: Vec<String>,
}

/// Something that stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub turn_id: String,
    pub uri: String,
    /// None of a move or a deletion.
    pub hunk: Option<String>,
    /// For the person.
    pub reason: String,
}

/// Hunks of one entry.
struct Picked {
    entry: u64,
    turn_id: String,
    hunks: Vec<usize>,
}

/// What taking back entries of one file comes to.
struct Draft {
    now: Snapshot,
    text: Rope,
    edits: Vec<TextEdit>,
    picked: Vec<Picked>,
    /// The file was made by them.
    created: bool,
}

const CHANGED: &str = "its text has been changed since; undo that first, or change it by hand";
const BACK_ALREADY: &str = "it is taken back already";

impl Ledger {
    /// Takes back, the latest first. In an open buffer all hunks of a file are one undo step.
    pub async fn revert(&self, workspace: &Workspace, bins: &Bins, selection: &Selection) -> Reverted {
        let _alone = self.shared.reverting.lock().await;
        let mut done = Reverted::default();
        let mut left: Vec<u64> = self.entries(selection.turn_id.as_deref()).await.iter().map(|e| e.number).collect();
        while let Some(number) = left.pop() {
            // Taking back a move gives others their old paths again.
            let entries = self.entries(selection.turn_id.as_deref()).await;
            let Some(index) = entries.iter().position(|entry| entry.number == number) else { continue };
            let entry = &entries[index];
            if !selection.has(entry) {
                continue;
            }
            if !matches!(entry.matter, Matter::Edited(_)) {
                if selection.hunks.is_none() {
                    self.move_back(workspace, entry, &mut done).await;
                }
                continue;
            }
            // Down to the last thing before it that was no edit.
            let older = entries[..=index].iter().rev().take_while(|entry| matches!(entry.matter, Matter::Edited(_)));
            let batch: Vec<Entry> =
                older.filter(|older| older.path == entry.path && selection.has(older)).cloned().collect();
            left.retain(|number| batch.iter().all(|entry| entry.number != *number));
            self.edit_back(workspace, bins, selection, batch, &mut done).await;
        }
        if let Some(wanted) = &selection.hunks {
            let known = |id: &String| {
                done.reverted.iter().any(|undone| undone.hunks.contains(id))
                    || done.refused.iter().any(|refusal| refusal.hunk.as_ref() == Some(id))
            };
            let reason = "there is no such hunk now; list the changes again";
            let unknown: Vec<Refusal> = wanted
                .iter()
                .filter(|id| !known(id))
                .map(|id| Refusal {
                    turn_id: selection.turn_id.clone().unwrap_or_default(),
                    uri: selection
                        .paths
                        .iter()
                        .flatten()
                        .next()
                        .map_or_else(String::new, |path| workspace.uri_of(path)),
                    hunk: Some(id.clone()),
                    reason: reason.to_owned(),
                })
                .collect();
            done.refused.extend(unknown);
        }
        done
    }

    /// Undoes a move or a deletion.
    async fn move_back(&self, workspace: &Workspace, entry: &Entry, done: &mut Reverted) {
        let uri = workspace.uri_of(&entry.path);
        let here = workspace.at(&entry.path);
        let undone = match (&entry.matter, state(entry)) {
            (_, ChangeState::Reverted) => return,
            (Matter::Moved { from, .. }, ChangeState::Kept) => {
                let moved = workspace.relocate(&here, &workspace.at(from)).await;
                moved.map(drop).map_err(|error| error.to_string())
            }
            (Matter::Deleted { kept: Some(kept), .. }, ChangeState::Kept) => {
                workspace.bring_back(kept.clone(), &here).await.map_err(|error| error.to_string())
            }
            (Matter::Moved { .. }, _) => Err(format!("{} is no longer where it was moved to", here.shown)),
            (Matter::Deleted { kept: None, .. }, _) if !exists(&entry.path) => {
                Err(format!("{} is in the trash; restore it from there", here.shown))
            }
            (Matter::Deleted { .. }, _) if exists(&entry.path) => Err(format!("{} exists again", here.shown)),
            (Matter::Deleted { .. } | Matter::Edited(_), _) => {
                Err(format!("{} is no longer where it was kept after it was deleted", here.shown))
            }
        };
        let turn_id = entry.turn_id.clone();
        match undone {
            Ok(()) => {
                self.note_back(&entry.path, entry.number, turn_id.clone(), Vec::new()).await;
                done.reverted.push(Undone { turn_id, uri, hunks: Vec::new() });
            }
            Err(reason) => done.refused.push(Refusal { turn_id, uri, hunk: None, reason }),
        }
    }

    /// Undoes edits of one file, the latest first.
    async fn edit_back(
        &self,
        workspace: &Workspace,
        bins: &Bins,
        selection: &Selection,
        batch: Vec<Entry>,
        done: &mut Reverted,
    ) {
        let Some(first) = batch.first() else { return };
        let (here, uri) = (workspace.at(&first.path), workspace.uri_of(&first.path));
        let refuse = |entry: u64, turn_id: &str, hunk: usize, reason: &str| Refusal {
            turn_id: turn_id.to_owned(),
            uri: uri.clone(),
            hunk: Some(hunk_id(entry, hunk)),
            reason: reason.to_owned(),
        };
        let now = match workspace.read(&here).await {
            Ok(now) => now,
            Err(error) => {
                for (entry, edited) in batch.iter().filter_map(edited) {
                    let wanted = edited.own().filter(|hunk| selection.names(entry.number, *hunk));
                    let left = wanted.filter(|hunk| !edited.taken_back.contains(hunk));
                    let reason = error.to_string();
                    done.refused.extend(left.map(|hunk| refuse(entry.number, &entry.turn_id, hunk, &reason)));
                }
                return;
            }
        };
        let wanted = selection.clone();
        let drafted = blocking(move || Ok::<_, EditError>(draft(now, &batch, &wanted))).await;
        let Ok((draft, standing)) = drafted else { return };
        done.refused.extend(standing.iter().map(|(entry, turn, hunk, reason)| refuse(*entry, turn, *hunk, reason)));
        if draft.picked.is_empty() {
            return;
        }
        let picked = match workspace.write_back(&here, draft, bins).await {
            Ok(picked) => picked,
            Err((picked, reason)) => {
                for Picked { entry, turn_id, hunks } in picked {
                    done.refused.extend(hunks.into_iter().map(|hunk| refuse(entry, &turn_id, hunk, &reason)));
                }
                return;
            }
        };
        for Picked { entry, turn_id, hunks } in picked {
            let ids = hunks.iter().map(|hunk| hunk_id(entry, *hunk)).collect();
            self.note_back(&here.path, entry, turn_id.clone(), hunks).await;
            done.reverted.push(Undone { turn_id, uri: uri.clone(), hunks: ids });
        }
    }

    async fn note_back(&self, path: &Path, entry: u64, turn_id: String, hunks: Vec<usize>) {
        let keeper = lock(&self.shared.keeper).clone();
        let (path, call_id, deed) = (path.to_path_buf(), String::new(), Deed::TakeBack { entry, hunks });
        self.at_the_books(move |books| {
            let landed = Landed { turn_id, call_id, path, deed };
            books.take(&landed);
            if let Some(keeper) = keeper {
                keeper(landed);
            }
        })
        .await;
    }
}

impl Selection {
    fn has(&self, entry: &Entry) -> bool {
        self.paths.as_ref().is_none_or(|paths| {
            let is_old_name = matches!(&entry.matter, Matter::Moved { from, .. } if paths.contains(from));
            paths.contains(&entry.path) || is_old_name
        })
    }

    fn names(&self, entry: u64, hunk: usize) -> bool {
        self.hunks.as_ref().is_none_or(|hunks| hunks.contains(&hunk_id(entry, hunk)))
    }
}

fn edited(entry: &Entry) -> Option<(&Entry, &Edited)> {
    match &entry.matter {
        Matter::Edited(edited) => Some((entry, edited)),
        Matter::Deleted { .. } | Matter::Moved { .. } => None,
    }
}

/// The text without the wanted hunks, and which of them have to stay, with the reason.
fn draft(now: Snapshot, batch: &[Entry], selection: &Selection) -> (Draft, Vec<(u64, String, usize, &'static str)>) {
    let mut draft = Draft { text: now.text.clone(), now, edits: Vec::new(), picked: Vec::new(), created: false };
    let mut refused = Vec::new();
    for (entry, edited) in batch.iter().filter_map(edited) {
        let standings = edited.follow(&draft.text);
        let mut hunks = Vec::new();
        for hunk in edited.own().filter(|hunk| selection.names(entry.number, *hunk)) {
            let reason = match standings.get(hunk) {
                Some(Standing::Kept(_)) => {
                    hunks.push(hunk);
                    continue;
                }
                // Nothing to do, unless it is what was asked for.
                Some(Standing::Reverted(_)) if selection.hunks.is_none() => continue,
                Some(Standing::Reverted(_)) => BACK_ALREADY,
                Some(Standing::Changed) | None => CHANGED,
            };
            refused.push((entry.number, entry.turn_id.clone(), hunk, reason));
        }
        let is_empty_file = edited.created && edited.hunks.is_empty() && edited.taken_back.is_empty();
        if hunks.is_empty() && !(is_empty_file && draft.text.len_chars() == 0) {
            continue;
        }
        let edits = edited.backs(&standings, |hunk| hunks.contains(&hunk));
        draft.text = make(&draft.text, &edits);
        draft.edits = edits;
        draft.created |= edited.created;
        draft.picked.push(Picked { entry: entry.number, turn_id: entry.turn_id.clone(), hunks });
    }
    if draft.picked.len() > 1 {
        draft.edits = changes(&draft.now.text, &draft.text);
    }
    (draft, refused)
}

impl Workspace {
    /// Gives a file the drafted text, if it is still as it was where the edits are. A file that was made and has nothing in
    /// it any more goes.
    async fn write_back(
        &self,
        here: &Location,
        draft: Draft,
        bins: &Bins,
    ) -> Result<Vec<Picked>, (Vec<Picked>, String)> {
        let Draft { now, text, edits, picked, created } = draft;
        if created && text.len_chars() == 0 {
            match self.discard_if(here, &now, bins).await {
                Ok(()) => return Ok(picked),
                // It is in the editor only, or with more than what is on the disk: then its text goes, and can be undone.
                Err(DiscardError::Unsaved(_) | DiscardError::Entry(MoveError::NoFile(_))) => {}
                Err(error) => return Err((picked, error.to_string())),
            }
        }
        let applied = match self.anchor(Intent::Alone, here, &now.text, edits).await {
            Ok(plan) => self.apply(plan, None).await,
            Err(error) => Err(error),
        };
        match applied {
            Ok(_) => Ok(picked),
            Err(error) => Err((picked, error.to_string())),
        }
    }

    async fn discard_if(&self, here: &Location, now: &Snapshot, bins: &Bins) -> Result<(), DiscardError> {
        let holdings = self.holdings(here).await?;
        let is_same = self.read(here).await.is_ok_and(|read| read.text == now.text);
        if !is_same {
            return Err(DiscardError::Changed(here.shown.clone()));
        }
        self.discard(here, &holdings, bins).await.map(drop)
    }

    /// Moves what was deleted back to where it was.
    async fn bring_back(&self, kept: PathBuf, to: &Location) -> Result<(), MoveError> {
        let turn = self.turn(to);
        let _turn = turn.lock().await;
        let (shown, path) = (to.shown.clone(), to.path.clone());
        blocking(move || bring_back(&kept, &path).map_err(|source| MoveError::Io { shown, source })).await
    }
}
