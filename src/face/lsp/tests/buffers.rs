//! Documents coming in and edits going out.
