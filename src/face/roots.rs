//! The folders that a person in a shell wants worked in.

use std::path::PathBuf;

/// These folders, or the current one if there are none, without symlinks.
///
/// # Errors
/// Which of them is no folder that is there, for the person to read.
pub fn existing(given: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let here = [PathBuf::from(".")];
    let given = if given.is_empty() { &here[..] } else { given };
    let find = |root: &PathBuf| match std::fs::canonicalize(root) {
        Ok(found) if found.is_dir() => Ok(found),
        Ok(_) => Err(format!("{} cannot be worked in: it is no folder", root.display())),
        Err(error) => Err(format!("{} cannot be worked in: {error}", root.display())),
    };
    given.iter().map(find).collect()
}
