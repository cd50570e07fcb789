//! A recording of all that models answer in this process, for a bug report.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use super::{Config, folder};
use crate::{
    process,
    provider::{
        Provider,
        key::Key,
        record::{Recording, Tape},
    },
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
    tape.hide(process::secrets().iter().filter_map(|secret| Key::new(secret)));
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

/// Takes out of a text what the environment and the user's settings hold of secrets.
pub fn without_secrets() -> impl Fn(String) -> String + Send + 'static {
    let (config, _) = Config::load(&[], None);
    let mut secrets: Vec<Key> = process::secrets().iter().filter_map(|secret| Key::new(secret)).collect();
    secrets.extend(secrets_of(&config));
    move |text| secrets.iter().fold(text, |text, secret| secret.redact(&text))
}

/// The provider, with what it answers written down if this process records.
pub(super) fn recorded(provider: Arc<dyn Provider>) -> Arc<dyn Provider> {
    match TAPE.get() {
        Some(tape) => Arc::new(Recording::new(provider, tape.clone())),
        None => provider,
    }
}

/// Keeps out of the recording what the settings hold.
pub(super) fn hide_secrets(config: &Config) {
    if let Some(tape) = TAPE.get() {
        tape.hide(secrets_of(config));
    }
}

fn secrets_of(config: &Config) -> Vec<Key> {
    let mut secrets: Vec<Key> = config.proxy.iter().filter_map(|proxy| password(proxy)).collect();
    for provider in config.providers.values() {
        secrets.extend(provider.api_key.clone());
        secrets.extend(provider.api_key_env.iter().filter_map(|name| Key::new(&std::env::var(name).ok()?)));
        secrets.extend(provider.headers.values().filter_map(|value| Key::new(value)));
        secrets.extend(provider.proxy.iter().filter_map(|proxy| password(proxy)));
    }
    secrets
}

/// Keeps out of the recording what a program printed.
pub(super) fn hide(key: &Key) {
    if let Some(tape) = TAPE.get() {
        tape.hide([key.clone()]);
    }
}

/// Of an address with one.
fn password(address: &str) -> Option<Key> {
    let (user, _) = address.rsplit_once('@')?;
    Key::new(user.rsplit_once(':')?.1)
}
