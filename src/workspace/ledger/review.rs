//! Looking at what was changed.

use std::{collections::HashMap, ops::Range, path::PathBuf};

use ropey::Rope;

use super::{
    Ledger,
    entry::{Edited, Entry, Matter, Standing},
};
use crate::workspace::{
    Position, PositionEncoding, ReadError, Snapshot, Workspace, apply::blocking, disk::relocate::exists,
};

/// What one turn did to one file, or to a folder, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    pub turn_id: String,
    /// The calls that did it, in order.
    pub calls: Vec<String>,
    /// What editors call it: where it is now, or was before it was deleted.
    pub uri: String,
    /// Where it was before it was moved.
    pub from: Option<String>,
    pub kind: ChangeKind,
    pub state: ChangeState,
    /// Of an edit, in the order of the text as far as they are in it.
    pub hunks: Vec<ReviewedHunk>,
}

/// Lines that were put in the place of others.
#[derive(Clone, Debug, PartialEq)]
pub struct ReviewedHunk {
    /// Its name until the same turn changes the file again.
    pub id: String,
    /// Where it is now, or where what was there before is again. `None` where that cannot be told.
    pub range: Option<Range<Position>>,
    pub old: String,
    pub new: String,
    pub state: ChangeState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Edit,
    Create,
    Delete,
    Move,
}

/// What has become of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeState {
    /// It stands, and can be taken back: of a file's hunks, at least one.
    Kept,
    Reverted,
    /// Someone has changed it since. It can no longer be taken back.
    ChangedSince,
}

/// The texts of a file for a diff editor.
#[derive(Clone, Debug, PartialEq)]
pub struct Texts {
    /// As it would be without the turn.
    pub before: String,
    /// As it is.
    pub after: String,
}

impl Ledger {
    /// The changes of a turn, or of all, in their order: one for each turn and file.
    pub async fn review(&self, workspace: &Workspace, turn_id: Option<&str>) -> Vec<Reviewed> {
        let mut texts: HashMap<PathBuf, Option<Rope>> = HashMap::new();
        let mut all: Vec<(PathBuf, Reviewed)> = Vec::new();
        for entry in self.entries(turn_id).await {
            let edited = match &entry.matter {
                Matter::Edited(edited) => edited,
                Matter::Deleted { .. } | Matter::Moved { .. } => {
                    all.push((entry.path.clone(), unwritten(&entry, workspace)));
                    continue;
                }
            };
            let now = match texts.get(&entry.path) {
                Some(now) => now.clone(),
                None => {
                    let now = workspace.read(&workspace.at(&entry.path)).await.ok().map(|snapshot| snapshot.text);
                    texts.insert(entry.path.clone(), now.clone());
                    now
                }
            };
            let encoding = workspace.encoding_of(&entry.path);
            let hunks = hunks(entry.number, edited.clone(), now, encoding).await;
            let same = |(path, known): &&mut (PathBuf, Reviewed)| {
                *path == entry.path
                    && known.turn_id == entry.turn_id
                    && matches!(known.kind, ChangeKind::Edit | ChangeKind::Create)
            };
            match all.iter_mut().rev().find(same) {
                Some((_, known)) => {
                    known.hunks.extend(hunks);
                    let fresh = entry.calls.into_iter().filter(|call| !known.calls.contains(call));
                    known.calls.extend(fresh.collect::<Vec<_>>());
                }
                None => {
                    let kind = if edited.created { ChangeKind::Create } else { ChangeKind::Edit };
                    let uri = workspace.uri_of(&entry.path);
                    let Entry { path, turn_id, calls, .. } = entry;
                    let state = ChangeState::Kept;
                    all.push((path, Reviewed { turn_id, calls, uri, from: None, kind, state, hunks }));
                }
            }
        }
        let edits = |change: &Reviewed| matches!(change.kind, ChangeKind::Edit | ChangeKind::Create);
        for (path, change) in all.iter_mut().filter(|(_, change)| edits(change)) {
            change.hunks.sort_by_key(|hunk| hunk.range.as_ref().map_or((1, None), |range| (0, Some(range.start))));
            let has = |state| change.hunks.iter().any(|hunk| hunk.state == state);
            if change.kind == ChangeKind::Create && change.hunks.is_empty() {
                change.state = match texts.get(path).and_then(Option::as_ref).map(Rope::len_chars) {
                    Some(0) => ChangeState::Kept,
                    Some(_) => ChangeState::ChangedSince,
                    None => ChangeState::Reverted,
                };
                continue;
            }
            change.state = [ChangeState::Kept, ChangeState::ChangedSince]
                .into_iter()
                .find(|state| has(*state))
                .unwrap_or(ChangeState::Reverted);
        }
        all.into_iter().map(|(_, change)| change).collect()
    }

    /// A file as it is, and as it would be without what is left of the turn's changes. `None` if the turn changed no such
    /// file.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn texts(
        &self,
        workspace: &Workspace,
        turn_id: &str,
        paths: &[PathBuf],
    ) -> Result<Option<Texts>, ReadError> {
        let mut entries = self.entries(Some(turn_id)).await;
        entries.retain(|entry| paths.contains(&entry.path));
        let Some(last) = entries.last() else { return Ok(None) };
        let read = async |path: &PathBuf| workspace.read(&workspace.at(path)).await;
        if let Matter::Deleted { kept: Some(kept), taken_back: false } = &last.matter
            && !exists(&last.path)
        {
            return Ok(Some(Texts { before: read(kept).await?.text.to_string(), after: String::new() }));
        }
        let Snapshot { text: now, .. } = read(&last.path).await?;
        let texts = blocking(move || {
            let mut text = now.clone();
            for entry in entries.iter().rev() {
                if let Matter::Edited(edited) = &entry.matter {
                    text = crate::workspace::edit::make(&text, &edited.backs(&edited.follow(&text), |_| true));
                }
            }
            Ok::<_, ReadError>(Texts { before: text.to_string(), after: now.to_string() })
        });
        texts.await.map(Some)
    }

    /// As they are now; cheap, since texts are shared.
    pub(super) async fn entries(&self, turn_id: Option<&str>) -> Vec<Entry> {
        let wanted = turn_id.map(str::to_owned);
        self.at_the_books(move |books| {
            let of_turn = |entry: &&Entry| wanted.as_ref().is_none_or(|turn| entry.turn_id == *turn);
            books.entries.iter().filter(of_turn).cloned().collect()
        })
        .await
    }
}

/// A change that is no edit.
fn unwritten(entry: &Entry, workspace: &Workspace) -> Reviewed {
    let (kind, from) = match &entry.matter {
        Matter::Moved { from, .. } => (ChangeKind::Move, Some(workspace.uri_of(from))),
        _ => (ChangeKind::Delete, None),
    };
    let (turn_id, calls, uri) = (entry.turn_id.clone(), entry.calls.clone(), workspace.uri_of(&entry.path));
    Reviewed { turn_id, calls, uri, from, kind, state: state(entry), hunks: Vec::new() }
}

/// What has become of a move or a deletion.
pub(super) fn state(entry: &Entry) -> ChangeState {
    let stands = match &entry.matter {
        Matter::Deleted { taken_back: true, .. } | Matter::Moved { taken_back: true, .. } => {
            return ChangeState::Reverted;
        }
        Matter::Deleted { kept, .. } => !exists(&entry.path) && kept.as_ref().is_some_and(|kept| exists(kept)),
        Matter::Moved { to, .. } => entry.path == *to && exists(to),
        Matter::Edited(_) => true,
    };
    if stands { ChangeState::Kept } else { ChangeState::ChangedSince }
}

pub(super) fn hunk_id(entry: u64, hunk: usize) -> String {
    format!("{entry}.{hunk}")
}

async fn hunks(number: u64, edited: Edited, now: Option<Rope>, encoding: PositionEncoding) -> Vec<ReviewedHunk> {
    let reviewed = blocking(move || {
        let standings = now.as_ref().map(|now| edited.follow(now));
        let positions = |range: &Range<usize>| {
            let position = |index| Some(encoding.to_position(now.as_ref()?, index));
            Some(position(range.start)?..position(range.end)?)
        };
        let hunk = |index: usize| {
            let (range, state) = match standings.as_ref().and_then(|standings| standings.get(index)) {
                Some(Standing::Kept(range)) => (positions(range), ChangeState::Kept),
                Some(Standing::Reverted(range)) => (range.as_ref().and_then(positions), ChangeState::Reverted),
                None if edited.taken_back.contains(&index) => (None, ChangeState::Reverted),
                Some(Standing::Changed) | None => (None, ChangeState::ChangedSince),
            };
            let (old, new) = (edited.old(index), edited.new_text(index));
            ReviewedHunk { id: hunk_id(number, index), range, old, new, state }
        };
        Ok::<_, std::convert::Infallible>(edited.own().map(hunk).collect())
    });
    match reviewed.await {
        Ok(hunks) => hunks,
        Err(never) => match never {},
    }
}
