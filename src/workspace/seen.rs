//! What a conversation's model knows.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    Location, Snapshot,
    text::{Digest, digest},
};

/// Which texts a conversation's model has read in whole, by path. A `write` over a text that is not among them is refused.
///
/// Each text is known by the calls that showed it. When one of them is no longer in the conversation, what was known by
/// it is forgotten.
#[derive(Debug, Default)]
pub struct Seen {
    known: Arc<Mutex<Known>>,
    touched: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// The call that notes something.
    call_id: Arc<str>,
}

/// By path, the texts that are known, each with the ways in which it is.
type Known = HashMap<PathBuf, HashMap<Digest, Vec<Way>>>;

/// Calls that together show a text: a read, or a read and the edits since.
type Way = BTreeSet<Arc<str>>;

/// Further ways to know the same text are not kept. Chosen: nobody reads the same text this often.
const WAYS: usize = 16;

impl Seen {
    /// The same knowledge, for this call to add to.
    pub fn by(&self, call_id: &str) -> Self {
        Self { known: self.known.clone(), touched: self.touched.clone(), call_id: call_id.into() }
    }

    /// The model was shown this text: all of it, or (not `whole`) some of it, which does not count.
    pub fn note(&self, location: &Location, snapshot: &Snapshot, whole: bool) {
        self.touch(&location.path);
        if whole {
            self.add(location, snapshot, vec![Way::from([self.call_id.clone()])]);
        }
    }

    /// The model made this text from `base`, or from nothing: it knows all of it if it knew all of that.
    pub fn note_edit(&self, location: &Location, base: Option<&Snapshot>, snapshot: &Snapshot) {
        self.touch(&location.path);
        let mut ways = match base {
            None => vec![Way::new()],
            Some(base) => {
                let known = self.lock();
                known.get(&location.path).and_then(|texts| texts.get(&digest(&base.text))).cloned().unwrap_or_default()
            }
        };
        for way in &mut ways {
            way.insert(self.call_id.clone());
        }
        self.add(location, snapshot, ways);
    }

    /// True if the model was ever shown all of this text at this place, whatever revision it had then, and still has it.
    pub fn has_whole(&self, location: &Location, snapshot: &Snapshot) -> bool {
        let digest = digest(&snapshot.text);
        self.lock().get(&location.path).is_some_and(|texts| texts.contains_key(&digest))
    }

    /// These calls, or what they gave, are no longer in the conversation.
    pub fn forget(&self, calls: &HashSet<String>) {
        if calls.is_empty() {
            return;
        }
        self.lock().retain(|_, texts| {
            texts.retain(|_, ways| {
                ways.retain(|way| !way.iter().any(|call| calls.contains(&**call)));
                !ways.is_empty()
            });
            !texts.is_empty()
        });
    }

    /// What was read of an entry, or of what is in it, was read of another one from now on.
    pub fn moved(&self, from: &Path, to: &Path) {
        let mut whole = self.lock();
        let moved: Vec<PathBuf> = whole.keys().filter(|path| path.starts_with(from)).cloned().collect();
        for path in moved {
            let below = path.strip_prefix(from).unwrap_or(&path);
            let now = if below.as_os_str().is_empty() { to.to_path_buf() } else { to.join(below) };
            if let Some(seen) = whole.remove(&path) {
                whole.insert(now, seen);
            }
        }
    }

    /// The conversation has come to this file or folder: what holds below it matters from now on.
    pub fn touch(&self, path: &Path) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf());
    }

    /// Where the conversation has come to since this was last asked.
    pub fn take_touched(&self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.touched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, location: &Location, snapshot: &Snapshot, ways: Vec<Way>) {
        if ways.is_empty() {
            return;
        }
        let digest = digest(&snapshot.text);
        let mut known = self.lock();
        let texts = known.entry(location.path.clone()).or_default();
        let known_ways = texts.entry(digest).or_default();
        for way in ways {
            if !known_ways.contains(&way) && known_ways.len() < WAYS {
                known_ways.push(way);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
