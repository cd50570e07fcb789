//! What can be wrong with a batch before it is sent.

use std::collections::HashSet;

use super::Item;

/// The most requests of a batch: the API's limit.
pub const MOST_ITEMS: usize = 100_000;
/// The most that a batch may have, in bytes. The API says 256 MB and not which; these are the smaller ones.
pub const LARGEST_BATCH: usize = 256_000_000;
/// The longest id, in characters: the API's limit.
pub const LONGEST_ID: usize = 64;
/// What is around the items.
const WRAPPING: usize = "{\"requests\":[]}".len();

/// A batch that the provider would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBatch {
    #[error("The batch has no requests.")]
    Empty,
    #[error("The batch has {count} requests, and {MOST_ITEMS} are the most. Split it.")]
    TooMany { count: usize },
    #[error("The batch has {bytes} bytes, and {LARGEST_BATCH} are the most. Split it.")]
    TooLarge { bytes: usize },
    #[error(
        "{id:?} cannot be the id of a request: it must be 1 to {LONGEST_ID} characters of A-Z, a-z, 0-9, `_` and `-`."
    )]
    BadId { id: String },
    #[error("Two requests have the id `{id}`. Answers come in any order and are told apart by it.")]
    SameId { id: String },
}

/// # Errors
/// [`BadBatch::BadId`] if no request may have this id.
pub fn check_id(id: &str) -> Result<(), BadBatch> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_plain) {
        return Ok(());
    }
    Err(BadBatch::BadId { id: id.to_owned() })
}

pub(super) fn check(items: &[Item]) -> Result<(), BadBatch> {
    if items.is_empty() {
        return Err(BadBatch::Empty);
    }
    if items.len() > MOST_ITEMS {
        return Err(BadBatch::TooMany { count: items.len() });
    }
    let mut ids = HashSet::with_capacity(items.len());
    for item in items {
        check_id(item.id())?;
        if !ids.insert(item.id()) {
            return Err(BadBatch::SameId { id: item.id().to_owned() });
        }
    }
    let bytes = WRAPPING + items.iter().map(Item::size).sum::<usize>();
    if bytes > LARGEST_BATCH {
        return Err(BadBatch::TooLarge { bytes });
    }
    Ok(())
}
