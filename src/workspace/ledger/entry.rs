//! One change, and where it stands in a text.

use std::{collections::BTreeSet, ops::Range, path::PathBuf};

use ropey::Rope;

use crate::workspace::{
    diff::changes,
    edit::{TextEdit, make, shift_by},
    landing::touches,
};

/// What one turn did to one file, or to a folder.
#[derive(Clone)]
pub struct Entry {
    pub number: u64,
    pub turn_id: String,
    /// In the order in which they came.
    pub calls: Vec<String>,
    /// Where it is now; it goes along with what moves.
    pub path: PathBuf,
    pub matter: Matter,
}

#[derive(Clone)]
pub enum Matter {
    Edited(Edited),
    Deleted { kept: Option<PathBuf>, taken_back: bool },
    Moved { from: PathBuf, to: PathBuf, taken_back: bool },
}

/// Two texts: without the turn's edits, and right after the last of them. They differ in the edits alone.
#[derive(Clone)]
pub struct Edited {
    pub created: bool,
    pub original: Rope,
    pub after: Rope,
    pub hunks: Vec<Hunk>,
    /// Hunks that a later entry of the same turn and file goes on with.
    pub carried: BTreeSet<usize>,
    /// Hunks that the person took back.
    pub taken_back: BTreeSet<usize>,
}

/// Whole lines that were put in the place of others. Ranges are in characters.
#[derive(Clone, Debug)]
pub struct Hunk {
    /// In the original.
    pub old: Range<usize>,
    /// In the text after.
    pub new: Range<usize>,
}

/// Where a hunk is in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it was written, in this place.
    Kept(Range<usize>),
    /// What was there before is in this place again, if that can be told.
    Reverted(Option<Range<usize>>),
    /// Neither.
    Changed,
}

impl Edited {
    pub fn new(created: bool, original: Rope, after: Rope, swaps: &[Swap]) -> Self {
        let hunks = whole_lines(&original, &after, swaps);
        Self { created, original, after, hunks, carried: BTreeSet::new(), taken_back: BTreeSet::new() }
    }

    /// The hunks that are this entry's own, by their indices.
    pub fn own(&self) -> impl Iterator<Item = usize> {
        (0..self.hunks.len()).filter(|index| !self.carried.contains(index))
    }

    /// Where each hunk is in `now`.
    pub fn follow(&self, now: &Rope) -> Vec<Standing> {
        let others = changes(&self.after, now);
        let mut standings: Vec<Standing> = self
            .hunks
            .iter()
            .map(|hunk| place(&self.after, &others, &hunk.new).map_or(Standing::Changed, Standing::Kept))
            .collect();
        let gone: Vec<usize> = self.own().filter(|index| standings.get(*index) == Some(&Standing::Changed)).collect();
        if gone.is_empty() {
            return standings;
        }
        let edits: Vec<TextEdit> = gone.iter().map(|index| self.back(*index, self.hunks[*index].new.clone())).collect();
        let without = make(&self.after, &edits);
        let others = changes(&without, now);
        let mut grown = 0isize;
        for (index, edit) in gone.into_iter().zip(&edits) {
            let start = edit.range.start.saturating_add_signed(grown);
            let length = edit.text.chars().count();
            grown += length as isize - edit.range.len() as isize;
            match place(&without, &others, &(start..start + length)) {
                Some(range) => standings[index] = Standing::Reverted(Some(range)),
                // It was taken back; what became of it since is the person's own.
                None if self.taken_back.contains(&index) => standings[index] = Standing::Reverted(None),
                None => {}
            }
        }
        standings
    }

    /// The edit that takes a hunk back which stands there.
    pub fn back(&self, index: usize, place: Range<usize>) -> TextEdit {
        TextEdit { range: place, text: self.old(index) }
    }

    pub fn old(&self, index: usize) -> String {
        self.original.slice(self.hunks[index].old.clone()).to_string()
    }

    pub fn new_text(&self, index: usize) -> String {
        self.after.slice(self.hunks[index].new.clone()).to_string()
    }

    /// The edits that take back what still stands of the wanted hunks.
    pub fn backs(&self, standings: &[Standing], wanted: impl Fn(usize) -> bool) -> Vec<TextEdit> {
        let standing = self.own().filter(|index| wanted(*index)).filter_map(|index| match standings.get(index) {
            Some(Standing::Kept(place)) => Some(self.back(index, place.clone())),
            _ => None,
        });
        standing.collect()
    }
}

/// Where a place of `text` is after these changes of it; `None` if they may have been to what is there.
fn place(text: &Rope, others: &[TextEdit], place: &Range<usize>) -> Option<Range<usize>> {
    if others.iter().any(|other| touches(text, other, place)) {
        return None;
    }
    shift_by(place, others)
}

/// What was taken away, as a place in one text, and what came instead, as a place in the next. In order; all else is the
/// same in both.
///
/// Hunks are made of these and not of a diff, which could take a line that the person typed for one that was moved: with
/// the line gone here and not yet back there, taking back one hunk would lose it.
pub type Swap = (Range<usize>, Range<usize>);

pub fn swaps(edits: &[TextEdit]) -> Vec<Swap> {
    let mut grown = 0isize;
    let swaps = edits.iter().map(|edit| {
        let (start, length) = (edit.range.start.saturating_add_signed(grown), edit.text.chars().count());
        grown += length as isize - edit.range.len() as isize;
        (edit.range.clone(), start..start + length)
    });
    swaps.collect()
}

/// Two steps as one: from a text to a second, and on to a third.
pub fn compose(first: &[Swap], second: &[Swap]) -> Vec<Swap> {
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    // By how much the first and the third text are ahead of the second.
    let (mut behind, mut ahead) = (0isize, 0isize);
    let mut all = Vec::new();
    loop {
        let next = [first.peek().map(|swap| swap.1.start), second.peek().map(|swap| swap.0.start)];
        let Some(start) = next.into_iter().flatten().min() else { return all };
        let (old, new) = (start.saturating_add_signed(behind), start.saturating_add_signed(ahead));
        let mut end = start;
        loop {
            if let Some((old, middle)) = first.next_if(|swap| swap.1.start <= end) {
                behind += old.len() as isize - middle.len() as isize;
                end = end.max(middle.end);
            } else if let Some((middle, new)) = second.next_if(|swap| swap.0.start <= end) {
                ahead += new.len() as isize - middle.len() as isize;
                end = end.max(middle.end);
            } else {
                break;
            }
        }
        all.push((old..end.saturating_add_signed(behind), new..end.saturating_add_signed(ahead)));
    }
}

/// Widened to whole lines of both texts.
fn whole_lines(original: &Rope, after: &Rope, swaps: &[Swap]) -> Vec<Hunk> {
    let starts = |old: usize, new: usize| is_after_line(original, old) && is_after_line(after, new);
    let ends = |old: usize, new: usize| {
        (is_after_line(original, old) || old == original.len_chars())
            && (is_after_line(after, new) || new == after.len_chars())
    };
    let mut hunks: Vec<Hunk> = Vec::new();
    for (index, (old, new)) in swaps.iter().enumerate() {
        let (mut old, mut new) = (old.clone(), new.clone());
        let floor = hunks.last().map_or(0, |hunk| hunk.old.end);
        while old.start > floor && !starts(old.start, new.start) {
            (old.start, new.start) = (old.start - 1, new.start - 1);
        }
        let next = swaps.get(index + 1).map_or(original.len_chars(), |(next, _)| next.start);
        while old.end < next && !ends(old.end, new.end) {
            (old.end, new.end) = (old.end + 1, new.end + 1);
        }
        match hunks.last_mut() {
            Some(last) if last.old.end == old.start && !starts(old.start, new.start) => {
                (last.old.end, last.new.end) = (old.end, new.end);
            }
            _ => hunks.push(Hunk { old, new }),
        }
    }
    hunks.retain(|hunk| original.slice(hunk.old.clone()) != after.slice(hunk.new.clone()));
    hunks
}

fn is_after_line(text: &Rope, at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get_char(before));
    match before {
        None | Some('\n') => true,
        Some('\r') => text.get_char(at) != Some('\n'),
        Some(_) => false,
    }
}
