//! What a conversation's tools changed, so that the person can look at it and take it back.
//!
//! Nothing is remembered of where a change stands: it is found anew in the text as it is each time somebody asks, by what
//! the two texts have in common. So it does not matter who typed what since, in which program, or whether Pillion ran
//! meanwhile; and where it cannot be told any more, the change counts as changed by the person, and nobody touches it.
//!
//! What a shell command changes is not in here: nobody tells of it.

mod books;
mod entry;
mod revert;
mod review;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use serde::{Deserialize, Serialize};

use self::books::Books;
pub use self::{
    revert::{Refusal, Reverted, Selection, Undone},
    review::{ChangeKind, ChangeState, Reviewed, ReviewedHunk, Texts},
};
use super::{Applied, Discarded, Location, TextEdit, apply::blocking, lock};

/// The changes of one conversation. Clones share them. It keeps nothing before somebody [listens](Self::listen).
#[derive(Clone, Default)]
pub struct Ledger {
    shared: Arc<Shared>,
    /// The call that changes something.
    call_id: Arc<str>,
}

#[derive(Default)]
struct Shared {
    books: Mutex<Books>,
    /// The turn that runs. Apart from the books, which may be at work for a while.
    turn: Mutex<Arc<str>>,
    keeper: Mutex<Option<Keeper>>,
    /// One revert at a time.
    reverting: tokio::sync::Mutex<()>,
}

type Keeper = Arc<dyn Fn(Landed) + Send + Sync>;

/// Something that was changed, or taken back. A list of them, in order, makes the same ledger anew.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Landed {
    pub turn_id: String,
    pub call_id: String,
    /// Where it was done; as [`Location::path`].
    pub path: PathBuf,
    #[serde(flatten)]
    pub deed: Deed,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Deed {
    /// A text was edited, or a file made.
    Edit {
        created: bool,
        before: Before,
        edits: Vec<TextEdit>,
    },
    /// It is kept there, if it can be had back.
    Delete {
        kept: Option<PathBuf>,
    },
    Move {
        to: PathBuf,
    },
    /// Hunks of an entry, or (with none) all of it, were taken back.
    TakeBack {
        entry: u64,
        hunks: Vec<usize>,
    },
}

/// The text right before an edit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Before {
    Whole(String),
    /// What became of the text after the last edit of this file, by whomever.
    Since(Vec<TextEdit>),
}

impl Ledger {
    /// One that goes on where the ledger stood that told of these.
    pub fn restored(landed: Vec<Landed>) -> Self {
        let shared = Shared { books: Mutex::new(Books::unread(landed)), ..Shared::default() };
        Self { shared: Arc::new(shared), call_id: Arc::default() }
    }

    /// Has someone told of each change from now on. Never waits for them.
    pub fn listen(&self, keeper: impl Fn(Landed) + Send + Sync + 'static) {
        *lock(&self.shared.keeper) = Some(Arc::new(keeper));
    }

    /// What is changed from now on belongs to this turn.
    pub fn begin_turn(&self, turn_id: &str) {
        *lock(&self.shared.turn) = turn_id.into();
    }

    /// The same ledger, for this call to write in.
    pub fn by(&self, call_id: &str) -> Self {
        Self { shared: self.shared.clone(), call_id: call_id.into() }
    }

    /// The call has made an edit.
    pub async fn note_edit(&self, location: &Location, applied: &Applied) {
        let (created, text, edits) = (applied.created, applied.before.clone(), applied.edits.clone());
        if created || !edits.is_empty() {
            self.note(&location.path, move |books, path| Deed::Edit {
                created,
                before: books.before(path, &text),
                edits,
            })
            .await;
        }
    }

    /// The call has moved something.
    pub async fn note_move(&self, from: &Location, to: &Location) {
        let to = to.path.clone();
        self.note(&from.path, |_, _| Deed::Move { to }).await;
    }

    /// The call has deleted something.
    pub async fn note_delete(&self, location: &Location, gone: &Discarded) {
        let kept = gone.found.clone();
        self.note(&location.path, |_, _| Deed::Delete { kept }).await;
    }

    async fn note(&self, path: &Path, deed: impl FnOnce(&mut Books, &Path) -> Deed + Send + 'static) {
        let Some(keeper) = lock(&self.shared.keeper).clone() else { return };
        let (turn_id, call_id) = (lock(&self.shared.turn).to_string(), self.call_id.to_string());
        let path = path.to_path_buf();
        self.at_the_books(move |books| {
            let landed = Landed { deed: deed(books, &path), turn_id, call_id, path };
            books.take(&landed);
            keeper(landed);
        })
        .await;
    }

    /// Texts are compared there, which may take a while.
    async fn at_the_books<T: Send + 'static>(&self, work: impl FnOnce(&mut Books) -> T + Send + 'static) -> T {
        let shared = self.shared.clone();
        let done = blocking(move || {
            let mut books = lock(&shared.books);
            books.read_up();
            Ok::<_, std::convert::Infallible>(work(&mut books))
        });
        match done.await {
            Ok(done) => done,
            Err(never) => match never {},
        }
    }
}
