//! Where the sockets are.
#![expect(clippy::disallowed_methods, reason = "the sockets are Pillion's own files")]

use std::{
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use tempfile::TempDir;
use tokio::net::UnixListener;

use super::Kind;
use crate::config::folder;

/// The longest path of a socket that every system takes, in bytes: macOS has room for 103.
const LENGTH_MAX: usize = 100;

/// The files of a socket, which go with it.
pub struct Place {
    path: PathBuf,
    /// Where the socket is, if its own place has too long a name; `path` leads there.
    _elsewhere: Option<TempDir>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Editor => "editor-",
            Self::Server => "server-",
            Self::Terminal => "terminal-",
            Self::Chat => "chat-",
        }
    }
}

/// Beside the session logs: those who share these are those who can work together.
fn sockets_folder() -> Option<PathBuf> {
    Some(folder::state()?.join("attach"))
}

pub fn bind(kind: Kind) -> io::Result<(UnixListener, Place)> {
    let folder = sockets_folder().ok_or(io::ErrorKind::NotFound)?;
    folder::make_private(&folder)?;
    let path = folder.join(format!("{}{}.sock", kind.prefix(), std::process::id()));
    // Of a process that had the same number and was killed.
    let _ = fs::remove_file(&path);
    if path.as_os_str().as_bytes().len() <= LENGTH_MAX {
        return Ok((UnixListener::bind(&path)?, Place { path, _elsewhere: None }));
    }
    let elsewhere = tempfile::Builder::new().prefix("pillion-").tempdir()?;
    let socket = elsewhere.path().join("s");
    let listener = UnixListener::bind(&socket)?;
    std::os::unix::fs::symlink(&socket, &path)?;
    Ok((listener, Place { path, _elsewhere: Some(elsewhere) }))
}

/// The sockets that there are, the newest first.
pub fn sockets(kind: Option<Kind>) -> Vec<PathBuf> {
    let Some(entries) = sockets_folder().and_then(|folder| fs::read_dir(folder).ok()) else { return Vec::new() };
    let own = format!("-{}.sock", std::process::id());
    let mut found: Vec<(SystemTime, PathBuf)> = entries
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            kind.is_none_or(|kind| name.starts_with(kind.prefix())) && name.ends_with(".sock") && !name.ends_with(&own)
        })
        .map(|entry| {
            let since = entry.metadata().and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            (since, entry.path())
        })
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, path)| path).collect()
}

/// What to connect to.
pub fn target(path: &Path) -> PathBuf {
    fs::read_link(path).unwrap_or_else(|_| path.to_owned())
}

/// Takes away what a killed process has left behind.
pub fn forget(path: &Path) {
    let _ = fs::remove_file(path);
}
