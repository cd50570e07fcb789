//! Edits that wait: for an approval, or for their turn.

use std::sync::{Arc, Mutex};

use ropey::Rope;

use super::{
    FileDiff, Location, Snapshot, Workspace,
    apply::blocking,
    buffer::{Pending, State},
    diff::{blocks, changes, file_diff, line_changes, line_edits},
    edit::{TextEdit, shift_by},
    error::{EditError, ReadError},
    lock,
    rider::with_riders,
    text::LineEnd,
};

/// Edits of one text, anchored to it: what the person types meanwhile moves them, or marks them as in conflict.
/// Dropping it forgets them.
pub struct Plan {
    pub(super) state: Arc<Mutex<State>>,
    pub(super) id: u64,
    pub(super) location: Location,
    /// What the model read.
    pub(super) base: Rope,
    /// The text when it was planned, which `pieces` are for.
    pub(super) start: Rope,
    pub(super) pieces: Vec<Piece>,
    diff: FileDiff,
    /// The file must not exist.
    pub(super) create: bool,
    /// What goes along with it.
    pub(super) riders: Vec<u64>,
}

/// What a plan is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    /// Change a text, and take along what is to go along.
    Edit,
    /// Make a file.
    Create,
    /// Change a text, and nothing but what is said.
    Alone,
}

/// An edit, or a part of one, that is in one hunk.
#[derive(Clone)]
pub(super) struct Piece {
    pub edit: TextEdit,
    pub hunk: usize,
}

impl Plan {
    /// What it would change in the text as it was when it was planned.
    pub fn diff(&self) -> &FileDiff {
        &self.diff
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Which pieces the chosen hunks are made of.
    pub(super) fn chosen(&self, hunks: Option<&[usize]>) -> Result<Vec<usize>, EditError> {
        let count = self.diff.hunks.len();
        if let Some(index) = hunks.and_then(|hunks| hunks.iter().copied().find(|index| *index >= count)) {
            return Err(EditError::NoSuchHunk { index, count });
        }
        let wanted = |piece: &Piece| hunks.is_none_or(|hunks| hunks.contains(&piece.hunk));
        Ok(self.pieces.iter().enumerate().filter(|(_, piece)| wanted(piece)).map(|(index, _)| index).collect())
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        lock(&self.state).pending.remove(&self.id);
    }
}

impl Workspace {
    /// Anchors `edits` (ranges in characters of `base`, not overlapping) to the text as it is now. Their `\n` become the
    /// line end that most of the text's lines have.
    ///
    /// # Errors
    /// A conflict if the text is no longer `base` where they are.
    pub async fn plan(&self, location: &Location, base: &Snapshot, edits: Vec<TextEdit>) -> Result<Plan, EditError> {
        self.plan_to(Intent::Edit, location, base, edits).await
    }

    pub(super) async fn plan_to(
        &self,
        intent: Intent,
        location: &Location,
        base: &Snapshot,
        mut edits: Vec<TextEdit>,
    ) -> Result<Plan, EditError> {
        let line_end = LineEnd::of(&base.text);
        for edit in &mut edits {
            edit.text = line_end.convert(&edit.text);
        }
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        if edits.iter().any(|edit| edit.range.start > edit.range.end || edit.range.end > base.text.len_chars()) {
            return Err(EditError::BadEdits("a range is outside of the text"));
        }
        if edits.windows(2).any(|pair| pair[1].range.start < pair[0].range.end) {
            return Err(EditError::BadEdits("two ranges overlap"));
        }
        self.anchor(intent, location, &base.text, edits).await
    }

    /// Plans to make the whole text `text`, by the fewest lines. Without a `base` the file must not exist.
    ///
    /// # Errors
    /// As [`Self::plan`]; [`EditError::Exists`] if there is a file where none should be.
    pub async fn plan_write(
        &self,
        location: &Location,
        base: Option<&Snapshot>,
        text: &str,
    ) -> Result<Plan, EditError> {
        let Some(base) = base else {
            match self.read(location).await {
                Err(ReadError::NotFound(_)) => {}
                // A new file that the person has opened but not written yet.
                Ok(snapshot) if snapshot.unsaved && snapshot.text.len_chars() == 0 => {}
                Ok(snapshot) => {
                    let shown = location.shown.clone();
                    return Err(EditError::Exists { shown, fresh: Some(Box::new(snapshot)) });
                }
                Err(error) => return Err(error.into()),
            }
            let whole = TextEdit { range: 0..0, text: text.to_owned() };
            return self.anchor(Intent::Create, location, &Rope::new(), vec![whole]).await;
        };
        let (old, new) = (base.text.clone(), text.to_owned());
        let edits = blocking(move || Ok::<_, EditError>(line_edits(&old, &LineEnd::of(&old).convert(&new)))).await?;
        self.anchor(Intent::Edit, location, &base.text, edits).await
    }

    /// As [`Self::plan`], with the texts as they are given.
    pub(super) async fn anchor(
        &self,
        intent: Intent,
        location: &Location,
        base: &Rope,
        mut edits: Vec<TextEdit>,
    ) -> Result<Plan, EditError> {
        let target = lock(&self.state).target(&location.path);
        // What is on the disk is read when the plan is applied.
        let start = target.as_ref().map_or_else(|| base.clone(), |target| target.text.clone());
        let opened = target.as_ref().map(|target| (target.opening, target.generation));
        let (riders, along) = match intent {
            Intent::Edit => self.riding(location, &start, opened),
            Intent::Create | Intent::Alone => Default::default(),
        };
        let (place, from, to) = (location.clone(), base.clone(), start.clone());
        let shifted = blocking(move || {
            let moved = changes(&from, &to);
            for edit in &mut edits {
                edit.range = shift_by(&edit.range, &moved).ok_or(())?;
            }
            Ok(pieces(&place, &to, &with_riders(&to, edits, along)))
        });
        let (diff, pieces) = shifted.await.map_err(|()| self.conflict(location, &start))?;
        let mut state = lock(&self.state);
        let id = state.next();
        // If it moved on since, the anchors are brought up to it when they matter.
        let now = state.find(&location.path).map(|(_, buffer)| (buffer.opening, buffer.generation));
        let opening =
            target.filter(|target| now == Some((target.opening, target.generation))).map(|target| target.opening);
        let anchors = pieces.iter().map(|piece| Some(piece.edit.range.clone())).collect();
        state.pending.insert(id, Pending { path: location.path.clone(), text: start.clone(), opening, anchors });
        drop(state);
        let (state, location, base) = (self.state.clone(), location.clone(), base.clone());
        let create = intent == Intent::Create;
        Ok(Plan { state, id, location, base, start, pieces, diff, create, riders })
    }
}

/// The diff of `edits` and the edits cut so that each is in one hunk.
pub(super) fn pieces(location: &Location, text: &Rope, edits: &[TextEdit]) -> (FileDiff, Vec<Piece>) {
    let blocks = blocks(text, edits);
    let changes = line_changes(text, blocks.iter().map(|(block, _)| block));
    let (diff, hunks) = file_diff(location, text, &changes);
    let mut pieces = Vec::with_capacity(edits.len());
    for (index, (_, of_block)) in blocks.iter().enumerate() {
        let parts: Vec<_> = changes.iter().zip(&hunks).filter(|(change, _)| change.block == index).collect();
        let Some((_, first)) = parts.first() else { continue };
        if parts.iter().all(|(_, hunk)| hunk == first) {
            pieces.extend(edits[of_block.clone()].iter().map(|edit| Piece { edit: edit.clone(), hunk: **first }));
        } else {
            pieces.extend(parts.iter().map(|(change, hunk)| Piece {
                edit: TextEdit { range: change.range.clone(), text: change.text.clone() },
                hunk: **hunk,
            }));
        }
    }
    (diff, pieces)
}
