//! Where Pillion keeps things, and that nobody else reads them.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;

const NAME: &str = "pillion";

/// The folder of the user's settings: `$XDG_CONFIG_HOME/pillion` or `~/.config/pillion`, `%APPDATA%\pillion` on Windows.
/// `None` if there is no home folder.
fn settings() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join(NAME))
}

/// The user's file: `PILLION_CONFIG`, else `config.toml` among the settings. It need not exist.
pub fn user_file(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let named = variable("PILLION_CONFIG").filter(|file| !file.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(settings()?.join("config.toml")))
}

/// The folder of what Pillion itself writes: `PILLION_STATE_DIR`, else `$XDG_STATE_HOME/pillion` or
/// `~/.local/state/pillion`, `%LOCALAPPDATA%\pillion` on Windows. `None` if there is no home folder.
pub fn state() -> Option<PathBuf> {
    if let Some(folder) = env::var_os("PILLION_STATE_DIR").filter(|folder| !folder.is_empty()) {
        return Some(folder.into());
    }
    let base = etcetera::choose_base_strategy().ok()?;
    // Windows has no state folder; the one that does not roam is the nearest.
    Some(base.state_dir().unwrap_or_else(|| base.cache_dir()).join(NAME))
}

/// Makes a folder that only this user can enter, and those above it. On Windows the user's profile sees to that.
pub fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // It may have been there before, made by hand.
        if fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// Options that make a file which only this user can read.
pub fn private_file() -> fs::OpenOptions {
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.read(true).write(true);
    options
}

/// Replaces a file in one step, so that a reader sees the old text or the new one, and only this user sees either.
#[allow(clippy::disallowed_methods, reason = "Pillion's own files, not the person's")]
pub fn replace_private(path: &Path, text: &str) -> io::Result<()> {
    use io::Write;
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    make_private(folder)?;
    // `tempfile` makes files of mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
