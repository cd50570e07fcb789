//! Where a path really leads, and whether that is inside the roots.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs, io,
    path::{Component, Path, PathBuf},
};

use super::Location;

/// A folder the person opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// As it was given, made absolute.
    pub given: PathBuf,
    /// Where that leads.
    pub path: PathBuf,
}

impl Root {
    /// Looks at the disk for symlinks; a root that is not there yet is taken by its name. A relative one is meant from
    /// the current folder, as that is now.
    pub fn new(given: PathBuf) -> Self {
        let given = if given.as_os_str().is_empty() { PathBuf::from(".") } else { given };
        let given = if given.is_absolute() { given } else { std::path::absolute(&given).unwrap_or(given) };
        let path = real(&given).unwrap_or_else(|_| given.clone());
        Self { given, path }
    }
}

/// The location of a path that [`real`] gave, or of a buffer's URI. Touches no disk.
pub fn locate(roots: &[Root], path: PathBuf) -> Location {
    // What only an editor has is the person's own and lies nowhere else.
    let inside = !path.is_absolute() || roots.iter().any(|root| path.starts_with(&root.path));
    let shown = match roots.first().and_then(|root| path.strip_prefix(&root.path).ok()) {
        Some(relative) if relative.as_os_str().is_empty() => ".".to_owned(),
        Some(relative) if cfg!(windows) => relative.display().to_string().replace('\\', "/"),
        Some(relative) => relative.display().to_string(),
        None => path.display().to_string(),
    };
    Location { path, inside, shown }
}

/// The path without `.`, `..` and symlinks, as the system would walk it. From the first part that does not exist on,
/// the rest is taken by its words alone, so `none/../../x` climbs as it says.
///
/// # Errors
/// Where the walk itself fails: no permission to look, too many symlinks.
pub fn real(path: &Path) -> io::Result<PathBuf> {
    // The limit is Linux's.
    const LINKS: usize = 40;
    let mut links = 0;
    let mut done = PathBuf::new();
    let mut missing = 0usize;
    let mut rest: VecDeque<OsString> = parts(path).collect();
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            None | Some(Component::CurDir) => continue,
            Some(Component::ParentDir) => {
                done.pop();
                missing = missing.saturating_sub(1);
                continue;
            }
            Some(Component::RootDir | Component::Prefix(_)) => {
                done.push(part);
                continue;
            }
            Some(Component::Normal(_)) => done.push(part),
        }
        if missing > 0 {
            missing += 1;
            continue;
        }
        match fs::symlink_metadata(&done) {
            Ok(metadata) if metadata.is_symlink() => {
                links += 1;
                if links > LINKS {
                    return Err(io::Error::other("too many symbolic links"));
                }
                let target = fs::read_link(&done)?;
                done.pop();
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    rest.push_front(part);
                }
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => missing = 1,
            Err(error) => return Err(error),
        }
    }
    spelled(done, missing)
}

/// As [`real`], but a symlink at the very end is not followed: the entry itself.
pub fn real_entry(path: &Path) -> io::Result<PathBuf> {
    let entry = real_name(path)?;
    if fs::symlink_metadata(&entry).is_ok_and(|metadata| metadata.is_symlink()) { Ok(entry) } else { real(path) }
}

/// As [`real`], but the last part stays as it is written, whatever is there: a name that an entry may get.
pub fn real_name(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(real(parent)?.join(name)),
        _ => real(path),
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().map(|component| component.as_os_str().to_owned())
}

/// Where a file has one name and many spellings (letter case, Windows' short names), the one on the disk.
#[cfg(any(target_os = "macos", windows))]
fn spelled(path: PathBuf, missing: usize) -> io::Result<PathBuf> {
    let Some(existing) = path.ancestors().nth(missing) else { return Ok(path) };
    let mut spelled = plain(fs::canonicalize(existing)?);
    if let Ok(tail) = path.strip_prefix(existing)
        && missing > 0
    {
        spelled.push(tail);
    }
    Ok(spelled)
}

#[cfg(not(any(target_os = "macos", windows)))]
fn spelled(path: PathBuf, _missing: usize) -> io::Result<PathBuf> {
    Ok(path)
}

/// Without the `\\?\` that Windows puts before a canonical path, which no editor writes.
#[cfg(windows)]
fn plain(path: PathBuf) -> PathBuf {
    match path.to_str().and_then(|text| text.strip_prefix(r"\\?\")) {
        Some(rest) => match rest.strip_prefix(r"UNC\") {
            Some(share) => PathBuf::from(format!(r"\\{share}")),
            None => PathBuf::from(rest),
        },
        None => path,
    }
}

#[cfg(target_os = "macos")]
fn plain(path: PathBuf) -> PathBuf {
    path
}
