//! What a conversation's model knows.

use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::{
    Location, Snapshot,
    text::{Digest, digest},
};

/// Which texts a conversation's model has read in whole, by path. A `write` over a text that is not among them is refused.
#[derive(Debug, Default)]
pub struct Seen {
    whole: Mutex<HashMap<PathBuf, HashSet<Digest>>>,
}

impl Seen {
    /// The model was shown this text: all of it, or (not `whole`) some of it, which does not count.
    pub fn note(&self, location: &Location, snapshot: &Snapshot, whole: bool) {
        if whole {
            let digest = digest(&snapshot.text);
            self.lock().entry(location.path.clone()).or_default().insert(digest);
        }
    }

    /// True if the model was ever shown all of this text at this place, whatever revision it had then.
    pub fn has_whole(&self, location: &Location, snapshot: &Snapshot) -> bool {
        let digest = digest(&snapshot.text);
        self.lock().get(&location.path).is_some_and(|seen| seen.contains(&digest))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, HashSet<Digest>>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
