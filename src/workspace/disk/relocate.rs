//! Files and folders as a whole: moved in one step, across devices too, and never over something else.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use super::{PREFIX, folder, leads_elsewhere, make_folders, sync_folder};

/// Moves a file, a folder or a symlink to where nothing is, and with `folders` makes those above. What fails leaves
/// everything as it was.
pub fn relocate(from: &Path, to: &Path, folders: bool) -> io::Result<()> {
    let parent = folder(to)?;
    if leads_elsewhere(parent)? || leads_elsewhere(folder(from)?)? {
        return Err(io::Error::other("a folder on the way leads somewhere else than it did"));
    }
    if is_same(from, to) {
        return respell(from, to);
    }
    let made = if folders { make_folders(parent)? } else { Vec::new() };
    let moved = match rename_new(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => carry(from, to),
        moved => moved,
    };
    match &moved {
        Ok(()) => {
            sync_folder(parent);
            folder(from).map(sync_folder)?;
        }
        Err(_) => made.iter().rev().for_each(|folder| _ = fs::remove_dir(folder)),
    }
    moved
}

/// Whether something is there, be it a symlink that leads nowhere.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Whether both names, which differ in letter case only, are of one entry: on disks that make no difference there.
pub fn is_same(from: &Path, to: &Path) -> bool {
    let lower = |path: &Path| path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    from != to
        && from.parent() == to.parent()
        && lower(from) == lower(to)
        && exists(to)
        && identity(from) == identity(to)
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// By way of a third name, since renaming one of two links to one file does nothing.
fn respell(from: &Path, to: &Path) -> io::Result<()> {
    let between = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder(from)?)?;
    let third = between.path().join("x");
    fs::rename(from, &third)?;
    rename_new(&third, to).inspect_err(|_| _ = fs::rename(&third, from))
}

/// Renames unless something is there.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    {
        use rustix::{
            fs::{CWD, RenameFlags, renameat_with},
            io::Errno,
        };
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Not every file system knows how.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            renamed => return renamed.map_err(io::Error::from),
        }
    }
    if exists(to) {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

/// Moves to another device: a copy that takes its name when it is whole, and only then is the original removed.
fn carry(from: &Path, to: &Path) -> io::Result<()> {
    let staging = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder(to)?)?;
    let copied = staging.path().join("x");
    let before = survey(from)?;
    copy(from, &copied)?;
    // What was changed meanwhile would be lost with the original.
    if survey(from)? != before {
        return Err(io::Error::other("it was changed while it was copied to the other disk: try again"));
    }
    rename_new(&copied, to)?;
    if fs::symlink_metadata(from)?.is_dir() { fs::remove_dir_all(from) } else { fs::remove_file(from) }
}

/// Every entry with what tells a change of it.
fn survey(path: &Path) -> io::Result<Vec<(PathBuf, u64, Option<SystemTime>)>> {
    let mut found = Vec::new();
    walk(path, |path, metadata| {
        found.push((path.to_path_buf(), metadata.len(), metadata.modified().ok()));
        Ok(())
    })?;
    found.sort();
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut folders = Vec::new();
    walk(from, |path, metadata| {
        let below = path.strip_prefix(from).unwrap_or(path);
        let target = if below.as_os_str().is_empty() { to.to_path_buf() } else { to.join(below) };
        if metadata.is_symlink() {
            link(&fs::read_link(path)?, &target)
        } else if metadata.is_dir() {
            folders.push((target.clone(), metadata.permissions()));
            fs::create_dir(target)
        } else if metadata.is_file() {
            copy_file(path, &target, metadata)
        } else {
            Err(io::Error::other(format!("{} is neither a file nor a folder nor a link", path.display())))
        }
    })?;
    // Last, since nothing can be put into a read-only folder.
    folders.into_iter().rev().try_for_each(|(folder, permissions)| fs::set_permissions(folder, permissions))
}

fn copy_file(from: &Path, to: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    let mut reading = fs::File::open(from)?;
    let mut writing = fs::File::create_new(to)?;
    io::copy(&mut reading, &mut writing)?;
    #[cfg(unix)]
    super::own(&writing, metadata);
    writing.set_permissions(metadata.permissions())?;
    if let Ok(time) = metadata.modified() {
        // Only a nicety.
        let _ = writing.set_modified(time);
    }
    writing.sync_all()
}

#[cfg(unix)]
fn link(target: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn link(target: &Path, at: &Path) -> io::Result<()> {
    use std::os::windows::fs::{symlink_dir, symlink_file};
    if target.is_dir() { symlink_dir(target, at) } else { symlink_file(target, at) }
}

/// Visits an entry and all below it, folders before what is in them. Follows no link.
pub fn walk(path: &Path, mut each: impl FnMut(&Path, &fs::Metadata) -> io::Result<()>) -> io::Result<()> {
    let mut left = VecDeque::from([path.to_path_buf()]);
    while let Some(path) = left.pop_front() {
        let metadata = fs::symlink_metadata(&path)?;
        each(&path, &metadata)?;
        if metadata.is_dir() {
            for entry in fs::read_dir(&path)? {
                left.push_back(entry?.path());
            }
        }
    }
    Ok(())
}

/// Moves it into a new folder of ours below `bin`, which only this user can enter, and says where it is now. A file
/// beside that folder says where it was.
pub fn keep(path: &Path, bin: &Path) -> io::Result<PathBuf> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(bin)?;
    let bin = super::real(bin)?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let kept = tempfile::Builder::new().prefix(&format!("{now}-")).tempdir_in(&bin)?;
    let to = kept.path().join(name);
    relocate(path, &to, false)?;
    // Whatever comes next, it stays.
    let note = kept.keep().with_extension("txt");
    let _ = fs::write(note, format!("{}\n", path.display()));
    Ok(to)
}

/// Moves what [`keep`] or [`trash`] put there back to where it was, with the folders above it. The note of it goes.
pub fn bring_back(kept: &Path, to: &Path) -> io::Result<()> {
    relocate(kept, to, true)?;
    let (Some(folder), Some(name)) = (kept.parent(), kept.file_name()) else { return Ok(()) };
    // What is left of the bin is of no use, and harmless.
    if folder.ends_with("files") {
        let mut note = name.to_owned();
        note.push(".trashinfo");
        let _ = fs::remove_file(folder.with_file_name("info").join(note));
    } else {
        let _ = fs::remove_dir(folder).and_then(|()| fs::remove_file(folder.with_extension("txt")));
    }
    Ok(())
}

/// Puts it into the platform's trash. Elsewhere than on Windows and macOS that is the user's own of freedesktop.org, and
/// only for what is on the same device: a trash of another one would be a new folder among the person's files. Says where
/// it is now, if the platform tells.
pub fn trash(path: &Path) -> io::Result<Option<PathBuf>> {
    if leads_elsewhere(folder(path)?)? {
        return Err(io::Error::other("a folder on the way leads somewhere else than it did"));
    }
    #[cfg(any(windows, target_os = "macos"))]
    {
        #[cfg_attr(windows, expect(unused_mut, reason = "there is a choice on macOS only"))]
        let mut context = trash::TrashContext::new();
        #[cfg(target_os = "macos")]
        {
            use trash::macos::{DeleteMethod, TrashContextExtMacos};
            // The Finder would ask for the right to be told what to do, and make a sound.
            context.set_delete_method(DeleteMethod::NsFileManager);
        }
        context.delete(path).map(|()| None).map_err(io::Error::other)
    }
    #[cfg(not(any(windows, target_os = "macos")))]
    {
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let home = || etcetera::home_dir().map(|home| home.join(".local/share"));
        let data = data.map_or_else(home, Ok).map_err(io::Error::other)?;
        trash_in(path, &data.join("Trash")).map(Some)
    }
}

/// By the Trash specification 1.0: a note that takes the name, then the entry itself.
#[cfg(not(any(windows, target_os = "macos")))]
fn trash_in(path: &Path, trash: &Path) -> io::Result<PathBuf> {
    use std::{fmt::Write as _, io::Write as _};
    let (files, info) = (trash.join("files"), trash.join("info"));
    for folder in [&files, &info] {
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(folder)?;
    }
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut place = String::new();
    for byte in std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()) {
        // Writing to a string cannot fail.
        let _ = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                write!(place, "{}", *byte as char)
            }
            _ => write!(place, "%{byte:02X}"),
        };
    }
    let date = date(SystemTime::now());
    for number in 1..10_000 {
        let mut unique = name.to_owned();
        if number > 1 {
            unique.push(format!(".{number}"));
        }
        let mut note_name = unique.clone();
        note_name.push(".trashinfo");
        let note = info.join(note_name);
        let mut file = match fs::File::create_new(&note) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        let noted = write!(file, "[Trash Info]\nPath={place}\nDeletionDate={date}\n");
        let to = files.join(unique);
        let moved = noted.and_then(|()| rename_new(path, &to));
        if moved.is_err() {
            let _ = fs::remove_file(note);
        }
        match moved {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            moved => return moved.map(|()| to),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Of universal time, `2026-11-21T12:04:08`: which zone is local cannot be known here.
#[cfg(not(any(windows, target_os = "macos")))]
fn date(time: SystemTime) -> String {
    // `Sat, 21 Nov 2026 12:04:08 GMT`
    let text = httpdate::fmt_http_date(time);
    let parts: Vec<&str> = text.split([' ', ',']).filter(|part| !part.is_empty()).collect();
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [_, day, month, year, clock, _] = parts[..] else { return "1970-01-01T00:00:00".to_owned() };
    let month = months.iter().position(|name| *name == month).map_or(1, |index| index + 1);
    format!("{year}-{month:02}-{day}T{clock}")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    #[cfg(not(target_os = "macos"))]
    #[test]
    fn the_trash_keeps_all_of_one_name_and_where_they_were() {
        let (_folder, path) = folder();
        for text in ["first", "second"] {
            fs::write(path.join("a b"), text).unwrap();
            trash_in(&path.join("a b"), &path.join("Trash")).unwrap();
        }
        assert!(!path.join("a b").exists());
        assert_eq!(fs::read_to_string(path.join("Trash/files/a b")).unwrap(), "first");
        assert_eq!(fs::read_to_string(path.join("Trash/files/a b.2")).unwrap(), "second");
        let note = fs::read_to_string(path.join("Trash/info/a b.2.trashinfo")).unwrap();
        let place = format!("Path={}/a%20b", path.display());
        assert!(note.starts_with("[Trash Info]\n") && note.lines().any(|line| line == place), "{note}");
        assert_eq!(date(SystemTime::UNIX_EPOCH), "1970-01-01T00:00:00");
        assert!(trash_in(&path.join("none"), &path.join("Trash")).is_err());
        assert_eq!(fs::read_dir(path.join("Trash/info")).unwrap().count(), 2, "what fails leaves no note");
    }

    #[test]
    fn nothing_is_ever_overwritten() {
        let (_folder, path) = folder();
        fs::write(path.join("a"), "a").unwrap();
        fs::write(path.join("b"), "b").unwrap();
        let error = relocate(&path.join("a"), &path.join("b"), true).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(path.join("b")).unwrap(), "b");
        // What is made on the way of a failure goes again.
        assert!(relocate(&path.join("none"), &path.join("x/y/z"), true).is_err());
        assert!(!path.join("x").exists());
    }

    #[test]
    fn two_links_of_one_file_that_differ_in_case_are_two_entries() {
        let (_folder, path) = folder();
        fs::write(path.join("name"), "text").unwrap();
        // Where case makes no difference there is no second link to be made.
        if fs::hard_link(path.join("name"), path.join("NAME")).is_ok() {
            assert!(relocate(&path.join("name"), &path.join("NAME"), true).is_err());
            assert!(path.join("name").exists() && path.join("NAME").exists());
        }
    }

    #[test]
    fn a_folder_is_carried_to_another_device_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let (_folder, path) = folder();
        let from = path.join("from");
        fs::create_dir_all(from.join("deep")).unwrap();
        fs::write(from.join("deep/run"), "text").unwrap();
        fs::set_permissions(from.join("deep/run"), fs::Permissions::from_mode(0o754)).unwrap();
        link("deep/run".as_ref(), &from.join("link")).unwrap();
        fs::set_permissions(from.join("deep"), fs::Permissions::from_mode(0o555)).unwrap();

        let to = path.join("to");
        copy(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("link")).unwrap(), "text");
        assert!(fs::symlink_metadata(to.join("link")).unwrap().is_symlink());
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(to.join("deep/run")), mode(to.join("deep"))), (0o754, 0o555));
        for folder in [&from, &to] {
            fs::set_permissions(folder.join("deep"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        carry(&from, &path.join("carried")).unwrap();
        assert!(!from.exists());
        assert_eq!(fs::read_to_string(path.join("carried/deep/run")).unwrap(), "text");
        let left = fs::read_dir(&path).unwrap().count();
        assert_eq!(left, 2, "nothing else is left");
    }

    #[test]
    fn what_is_kept_says_where_it_was() {
        let (_folder, path) = folder();
        fs::write(path.join("a"), "text").unwrap();
        let kept = keep(&path.join("a"), &path.join("bin")).unwrap();
        assert_eq!(fs::read_to_string(&kept).unwrap(), "text");
        let note = fs::read_to_string(kept.parent().unwrap().with_extension("txt")).unwrap();
        assert_eq!(note, format!("{}\n", path.join("a").display()));
    }
}
