//! What is set.

pub(crate) mod folder;
