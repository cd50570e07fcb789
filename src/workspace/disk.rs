//! Files as bytes: read whole, replaced in one step or not at all. Everything here blocks.
#![expect(clippy::disallowed_methods, reason = "this is where files are reached")]

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

pub mod relocate;

use super::{Location, confine::real, error::ReadError};

/// Whether anything is there to be read: quick, unlike the reading.
///
/// # Errors
/// If there is nothing, or it cannot be known.
pub fn look(location: &Location) -> Result<(), ReadError> {
    fs::symlink_metadata(&location.path).map(drop).map_err(|source| ReadError::of(location, source))
}

/// What tells one state of a file from another without reading it; `None` in it if there is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(Option<Marks>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Marks {
    len: u64,
    modified: Option<SystemTime>,
    /// The file itself, and when anything about it changed: two writes may fall into one tick of the clock, and a time can
    /// be set.
    #[cfg(unix)]
    inode: (u64, i64, i64),
}

impl Stamp {
    pub const NO_FILE: Self = Self(None);

    /// Quick: it only looks.
    pub fn of(path: &Path) -> Self {
        Self(fs::metadata(path).ok().map(|metadata| Marks {
            len: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt;
                (metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
            },
        }))
    }
}

/// # Errors
/// What is no regular file, or larger than `limit` bytes, or leads elsewhere than when it was resolved.
pub fn read(location: &Location, limit: u64) -> Result<Vec<u8>, ReadError> {
    let shown = || location.shown.clone();
    let failed = |source| ReadError::of(location, source);
    if leads_elsewhere(&location.path).map_err(failed)? {
        return Err(ReadError::Moved(shown()));
    }
    // Before opening: a pipe would wait for its other end.
    let metadata = fs::metadata(&location.path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(ReadError::Directory(shown()));
    }
    if !metadata.is_file() {
        return Err(ReadError::NotAFile(shown()));
    }
    let too_large = |size| ReadError::TooLarge { shown: shown(), size, limit };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    let file = fs::File::open(&location.path).map_err(failed)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    // It grew since, or its size cannot be known, as in /proc.
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(bytes)
}

/// Confinement was judged on this path: a symlink that came since must not change where it leads.
fn leads_elsewhere(path: &Path) -> io::Result<bool> {
    Ok(real(path)? != path)
}

/// Puts `bytes` in the place of the file, keeping its other names, its mode and, where allowed, its owner and extended
/// attributes. `ready` is asked at the last moment; if it says no, nothing happens and the answer is `false`.
pub fn replace(path: &Path, bytes: &[u8], ready: impl FnOnce() -> bool) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    if leads_elsewhere(path)? {
        return Ok(false);
    }
    if metadata.permissions().readonly() {
        return Err(io::ErrorKind::ReadOnlyFilesystem.into());
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) > 1 {
        return overwrite(path, bytes, ready);
    }
    let folder = folder(path)?;
    let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    own(file.as_file(), &metadata);
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    copy_attributes(path, file.as_file());
    file.as_file().set_permissions(metadata.permissions())?;
    file.as_file().sync_all()?;
    if !ready() {
        return Ok(false);
    }
    file.persist(path)?;
    sync_folder(folder);
    Ok(true)
}

/// As [`replace`], for a file with other names, which another in its place would not have: it is written where it is. A
/// copy of what it had lies beside it as long as it may be lost.
#[cfg(unix)]
fn overwrite(path: &Path, bytes: &[u8], ready: impl FnOnce() -> bool) -> io::Result<bool> {
    use std::io::Seek;
    let old = fs::read(path)?;
    let mut copy = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder(path)?)?;
    copy.write_all(&old)?;
    copy.as_file().sync_all()?;
    let mut file = fs::File::options().write(true).open(path)?;
    if !ready() {
        return Ok(false);
    }
    let mut put = |bytes: &[u8]| {
        file.rewind()?;
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        file.sync_all()
    };
    let Err(error) = put(bytes) else { return Ok(true) };
    if put(&old).is_err() {
        let (_, copy) = copy.keep()?;
        return Err(io::Error::other(format!("{error}, halfway; what the file had is in {}", copy.display())));
    }
    Err(error)
}

/// Makes a file that must not exist, and with `folders` those above it. What fails leaves nothing behind.
pub fn create(path: &Path, bytes: &[u8], folders: bool, ready: impl FnOnce() -> bool) -> io::Result<bool> {
    let folder = folder(path)?;
    if leads_elsewhere(path)? {
        return Err(io::Error::other("its folder leads somewhere else than it did"));
    }
    let made = if folders { make_folders(folder)? } else { Vec::new() };
    let created = create_in(folder, path, bytes, ready);
    if !matches!(created, Ok(true)) {
        remove_empty(&made);
    }
    created
}

fn create_in(folder: &Path, path: &Path, bytes: &[u8], ready: impl FnOnce() -> bool) -> io::Result<bool> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less the process's umask, as for any new file.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    if !ready() {
        return Ok(false);
    }
    file.persist_noclobber(path)?;
    sync_folder(folder);
    Ok(true)
}

/// How the temporary file's name begins, in case a crash leaves one behind.
const PREFIX: &str = ".pillion-";

fn folder(path: &Path) -> io::Result<&Path> {
    path.parent().ok_or_else(|| io::ErrorKind::IsADirectory.into())
}

/// Makes a folder and those above it, and says which were made, from the top.
pub fn make_folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    let mut made = Vec::new();
    for folder in missing.into_iter().rev() {
        match fs::create_dir(folder) {
            Ok(()) => made.push(folder.to_path_buf()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                remove_empty(&made);
                return Err(error);
            }
        }
    }
    Ok(made)
}

/// Removes folders, the last first. One that someone else has put something in stays.
pub fn remove_empty(folders: &[PathBuf]) {
    for folder in folders.iter().rev() {
        let _ = fs::remove_dir(folder);
    }
}

/// Only the superuser may give files away; a member of the group may keep the group.
#[cfg(unix)]
fn own(file: &fs::File, like: &fs::Metadata) {
    use std::os::unix::fs::MetadataExt;
    let Ok(now) = file.metadata() else { return };
    if now.gid() != like.gid() {
        let _ = std::os::unix::fs::fchown(file, None, Some(like.gid()));
    }
    if now.uid() != like.uid() {
        let _ = std::os::unix::fs::fchown(file, Some(like.uid()), None);
    }
}

/// Access control lists are among them. One that the system keeps for itself is its own affair.
#[cfg(any(target_os = "linux", target_os = "macos"))]
fn copy_attributes(from: &Path, to: &fs::File) {
    use rustix::fs::{XattrFlags, fsetxattr, getxattr, listxattr};
    // Linux has no longer lists or values.
    let (mut names, mut value) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let Ok(length) = listxattr(from, &mut names[..]) else { return };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Ok(length) = getxattr(from, name, &mut value[..]) {
            let _ = fsetxattr(to, name, &value[..length], XattrFlags::empty());
        }
    }
}

/// Makes the new name last through a crash. Some file systems have no such thing, and the text is safe either way.
fn sync_folder(folder: &Path) {
    #[cfg(unix)]
    if let Ok(folder) = fs::File::open(folder) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = folder;
}
