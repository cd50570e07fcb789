//! What must show in nothing that this process writes down: its log, a trace, a recording.

use std::sync::{LazyLock, PoisonError, RwLock};

use super::{Config, recording};
use crate::{
    mcp::Spec,
    process,
    provider::{
        http::secrets_of,
        key::{Hidden, Key},
    },
};

/// For the whole process, as its log is one for all. Begins with what the environment holds.
static HIDDEN: LazyLock<RwLock<Hidden>> = LazyLock::new(|| {
    let mut hidden = Hidden::default();
    hidden.add(process::secrets().iter().filter_map(|secret| Key::new(secret)));
    RwLock::new(hidden)
});

/// Hides these from now on, wherever they show.
pub fn hide(keys: impl IntoIterator<Item = Key>) {
    let keys: Vec<Key> = keys.into_iter().collect();
    recording::hide(keys.iter().cloned());
    HIDDEN.write().unwrap_or_else(PoisonError::into_inner).add(keys);
}

/// The text without what is hidden.
pub fn redact(text: &str) -> String {
    HIDDEN.read().unwrap_or_else(PoisonError::into_inner).redact(text)
}

/// Hides what the user's settings hold, before any session does.
pub fn hide_settings() {
    hide_those_of(&Config::load(&[], None).0);
}

pub(super) fn known() -> Vec<Key> {
    HIDDEN.read().unwrap_or_else(PoisonError::into_inner).keys().to_vec()
}

pub(super) fn hide_those_of(config: &Config) {
    let mut secrets: Vec<Key> = config.proxy.iter().filter_map(|proxy| password(proxy)).collect();
    for provider in config.providers.values() {
        secrets.extend(provider.api_key.clone());
        secrets.extend(provider.api_key_env.iter().filter_map(|name| Key::new(&std::env::var(name).ok()?)));
        secrets.extend(provider.headers.values().filter_map(|value| Key::new(value)));
        secrets.extend(provider.proxy.iter().filter_map(|proxy| password(proxy)));
    }
    let addresses = config.providers.values().filter_map(|provider| provider.base_url.as_deref());
    let values = addresses.flat_map(secrets_of).chain(config.mcp.iter().flat_map(Spec::secrets));
    secrets.extend(values.filter_map(|value| Key::new(&value)));
    hide(secrets);
}

/// Of an address with one.
fn password(address: &str) -> Option<Key> {
    let (user, _) = address.rsplit_once('@')?;
    Key::new(user.rsplit_once(':')?.1)
}
