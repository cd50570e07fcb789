//! A started program with everything it started, and how all of it is ended.

#[cfg(unix)]
pub(super) use unix::{Tree, claim_orphans, count, end_all};
#[cfg(windows)]
pub(super) use windows::{Tree, claim_orphans, count, end_all};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;
