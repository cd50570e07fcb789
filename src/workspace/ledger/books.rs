//! All changes of a conversation, as they stand in one another's way.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use ropey::Rope;

use super::{
    Before, Deed, Landed,
    entry::{Edited, Entry, Matter, Standing, Swap, compose, swaps},
};
use crate::workspace::{
    diff::changes,
    edit::{TextEdit, make},
};

#[derive(Default)]
pub struct Books {
    pub entries: Vec<Entry>,
    /// What each file had after its last edit.
    texts: HashMap<PathBuf, Rope>,
    count: u64,
    /// What an earlier process told, which is looked at when somebody wants to know.
    unread: Vec<Landed>,
}

impl Books {
    pub fn unread(landed: Vec<Landed>) -> Self {
        Self { unread: landed, ..Self::default() }
    }

    pub fn read_up(&mut self) {
        for landed in std::mem::take(&mut self.unread) {
            self.take(&landed);
        }
    }

    /// How to tell of the text right before an edit.
    pub fn before(&self, path: &Path, text: &Rope) -> Before {
        let since = self.texts.get(path).map(|last| changes(last, text));
        let is_short =
            |edits: &Vec<TextEdit>| edits.iter().map(|edit| edit.text.len()).sum::<usize>() < text.len_bytes();
        match since.filter(|since| since.is_empty() || is_short(since)) {
            Some(since) => Before::Since(since),
            None => Before::Whole(text.to_string()),
        }
    }

    /// Enters it.
    pub fn take(&mut self, landed: &Landed) {
        let Landed { turn_id, call_id, path, deed } = landed;
        let matter = match deed {
            Deed::Edit { created, before, edits } => return self.edit(landed, *created, before, edits),
            Deed::TakeBack { entry, hunks } => return self.take_back(*entry, hunks),
            Deed::Delete { kept } => {
                self.texts.retain(|known, _| !known.starts_with(path));
                Matter::Deleted { kept: kept.clone(), taken_back: false }
            }
            Deed::Move { to } => {
                self.rename(path, to);
                Matter::Moved { from: path.clone(), to: to.clone(), taken_back: false }
            }
        };
        let path = if let Deed::Move { to } = deed { to } else { path }.clone();
        self.count += 1;
        let (turn_id, calls) = (turn_id.clone(), vec![call_id.clone()]);
        self.entries.push(Entry { number: self.count, turn_id, calls, path, matter });
    }

    fn edit(&mut self, landed: &Landed, created: bool, before: &Before, edits: &[TextEdit]) {
        let Landed { turn_id, call_id, path, .. } = landed;
        let before = match before {
            Before::Whole(text) => Rope::from_str(text),
            Before::Since(since) => match self.texts.get(path) {
                Some(last) if fits(last, since) => make(last, since),
                // What told of the text before is damaged.
                _ => return,
            },
        };
        if !fits(&before, edits) {
            return;
        }
        let after = make(&before, edits);
        self.texts.insert(path.clone(), after.clone());
        let mut fresh = Edited::new(created, before.clone(), after.clone(), &swaps(edits));
        let mut calls = Vec::new();
        let latest = self.entries.iter().rposition(|entry| entry.path == *path && entry.turn_id == *turn_id);
        if let Some(index) = latest.filter(|_| !created)
            && let Entry { matter: Matter::Edited(earlier), calls: earlier_calls, .. } = &mut self.entries[index]
        {
            calls.clone_from(earlier_calls);
            // One change for the person to look at: the turn's, not each call's.
            let standings = earlier.follow(&before);
            let backs = earlier.backs(&standings, |_| true);
            let original = make(&before, &backs);
            let earlier_swaps: Vec<Swap> = swaps(&backs).into_iter().map(|(place, old)| (old, place)).collect();
            let stands = |index: &usize| matches!(standings.get(*index), Some(Standing::Kept(_)));
            let carried: Vec<usize> = earlier.own().filter(stands).collect();
            let goes_on_whole = carried.len() == earlier.own().count();
            let all = compose(&earlier_swaps, &swaps(edits));
            fresh = Edited::new(earlier.created && goes_on_whole, original, after, &all);
            if goes_on_whole {
                self.entries.remove(index);
            } else {
                earlier.carried.extend(carried);
            }
        }
        self.count += 1;
        if fresh.hunks.is_empty() && !fresh.created {
            return;
        }
        if calls.last() != Some(call_id) {
            calls.push(call_id.clone());
        }
        let (number, turn_id, path) = (self.count, turn_id.clone(), path.clone());
        self.entries.push(Entry { number, turn_id, calls, path, matter: Matter::Edited(fresh) });
    }

    fn take_back(&mut self, number: u64, hunks: &[usize]) {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.number == number) else { return };
        match &mut entry.matter {
            Matter::Edited(edited) => edited.taken_back.extend(hunks),
            Matter::Deleted { taken_back, .. } => *taken_back = true,
            Matter::Moved { from, to, taken_back } => {
                *taken_back = true;
                let (from, to) = (from.clone(), to.clone());
                self.rename(&to, &from);
            }
        }
    }

    /// What was at or below a path is elsewhere now.
    fn rename(&mut self, from: &Path, to: &Path) {
        let moved = |path: &Path| {
            let below = path.strip_prefix(from).ok()?;
            Some(if below.as_os_str().is_empty() { to.to_path_buf() } else { to.join(below) })
        };
        for entry in &mut self.entries {
            // What was deleted there stayed behind.
            if let Some(path) = moved(&entry.path).filter(|_| !matches!(entry.matter, Matter::Deleted { .. })) {
                entry.path = path;
            }
        }
        self.texts = self.texts.drain().map(|(path, text)| (moved(&path).unwrap_or(path), text)).collect();
    }
}

/// Whether these are edits of this text: logs are read from a disk.
fn fits(text: &Rope, edits: &[TextEdit]) -> bool {
    let mut at = 0;
    edits.iter().all(|edit| {
        let is_next = at <= edit.range.start && edit.range.start <= edit.range.end;
        at = edit.range.end;
        is_next && at <= text.len_chars()
    })
}
