//! A session's folders, as the client names them.

use std::path::{Path, PathBuf};

use crate::workspace::{Workspace, uri_of};

/// Each as the client named it and as the core spells what is in it: symlinks resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Roots(Vec<(PathBuf, PathBuf)>);

impl Roots {
    pub(super) fn new(given: &[String]) -> Self {
        let given: Vec<PathBuf> = given.iter().map(PathBuf::from).collect();
        let resolved = Workspace::new(given.clone()).resolved_roots();
        Self(given.into_iter().zip(resolved).collect())
    }

    /// The path as the client would write it; `None` if it is in none of the folders.
    pub(super) fn spelled(&self, path: &Path) -> Option<PathBuf> {
        self.0.iter().find_map(|(given, resolved)| {
            let rest = path.strip_prefix(resolved).or_else(|_| path.strip_prefix(given)).ok()?;
            Some(if rest.as_os_str().is_empty() { given.clone() } else { given.join(rest) })
        })
    }

    /// What a person or a model wrote as a path, as an absolute one; `None` if that is not clear.
    pub(super) fn absolute(&self, written: &str) -> Option<PathBuf> {
        let path = Path::new(written);
        if path.is_absolute() {
            return Some(self.spelled(path).unwrap_or_else(|| path.to_path_buf()));
        }
        let is_other = written.is_empty() || written.starts_with('~') || written.contains("://");
        self.0.first().filter(|_| !is_other).map(|(given, _)| given.join(path))
    }

    /// The URI of a path, or what is one already.
    pub(super) fn uri(&self, written: &str) -> String {
        self.absolute(written).map_or_else(|| written.to_owned(), |path| uri_of(&path))
    }
}
