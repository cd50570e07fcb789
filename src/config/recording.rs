//! A recording of all that models answer in this process, for a bug report.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{folder, secrets};
use crate::provider::{
    Provider,
    key::Key,
    record::{Recording, Tape},
};

/// One for the process: a report is of what it did, whichever session or sub-agent asked.
static TAPE: OnceLock<Arc<Tape>> = OnceLock::new();

/// Records from now on, and returns the file's name: one that exists is never written over, and gets a number behind.
/// Only this user can read it. With `keeps_time`, the pauses of answers are recorded too.
///
/// # Errors
/// If the file cannot be made, or this process records already.
pub fn start(path: &Path, keeps_time: bool) -> io::Result<PathBuf> {
    let (name, file) = fresh(path)?;
    let tape = Arc::new(Tape::new(Box::new(file), keeps_time));
    tape.hide(secrets::known());
    match TAPE.set(tape) {
        Ok(()) => Ok(name),
        Err(_) => Err(io::Error::other("this process records already")),
    }
}

/// Makes a file that only this user can read. A name that is taken gets a number behind.
///
/// # Errors
/// If it cannot be made.
#[allow(clippy::disallowed_methods, reason = "the person names the file on the command line")]
pub fn fresh(path: &Path) -> io::Result<(PathBuf, File)> {
    let names = std::iter::once(path.to_owned()).chain((2_u32..).map(|number| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }));
    for name in names {
        match folder::private_file().create_new(true).open(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|file| (name, file)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Whether this process records.
pub fn is_on() -> bool {
    TAPE.get().is_some()
}

/// The provider, with what it answers written down if this process records.
pub(super) fn recorded(provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
    match TAPE.get() {
        Some(tape) => Arc::new(Recording::new(provider, tape.clone())),
        None => provider,
    }
}

/// Keeps these out of the recording.
pub(super) fn hide(keys: impl IntoIterator<Item = Key>) {
    if let Some(tape) = TAPE.get() {
        tape.hide(keys);
    }
}
