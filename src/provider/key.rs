//! Keys: where they come from, and that they never show.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;
use tokio::sync::Mutex;

use crate::process::HIDDEN;

/// A secret. Shows as `***`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

impl Key {
    /// A key, without the white space and line end that files and commands put around it; `None` if nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.into()))
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }

    /// The text with every copy of this key hidden. A key of fewer than eight characters is a placeholder like `none`,
    /// and hiding it would only garble the text.
    pub fn redact(&self, text: &str) -> String {
        if self.0.len() < 8 { text.to_owned() } else { text.replace(&*self.0, HIDDEN) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HIDDEN)
    }
}

/// Keys that are to show in nothing that is written down.
#[derive(Clone, Default)]
pub struct Hidden(Vec<Key>);

impl Hidden {
    pub fn add(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            // As it stands in JSON.
            let escaped = serde_json::Value::from(key.expose()).to_string();
            let escaped = Key::new(escaped.trim_matches('"'));
            for key in escaped.into_iter().chain([key]) {
                if !self.0.contains(&key) {
                    self.0.push(key);
                }
            }
        }
        // One may be a part of another.
        self.0.sort_by_key(|key| std::cmp::Reverse(key.expose().len()));
    }

    pub fn keys(&self) -> &[Key] {
        &self.0
    }

    /// The text without them, as [`Key::redact`].
    pub fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, key| key.redact(&text))
    }
}

/// Where a provider's key comes from.
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// The provider takes none.
    #[default]
    None,
    Value(Key),
    /// The name of an environment variable, read at each call.
    Environment(String),
    Command(KeyCommand),
}

/// A program that prints the key. Its answer is kept until the provider refuses it.
#[derive(Clone)]
pub struct KeyCommand {
    run: Arc<RunCommand>,
    kept: Arc<Mutex<Option<Key>>>,
}

type RunCommand = dyn Fn() -> BoxFuture<'static, Result<Key, String>> + Send + Sync;

impl KeyCommand {
    /// `run` starts the program and gives its output, or says in a sentence why it could not.
    pub fn new(run: impl Fn() -> BoxFuture<'static, Result<Key, String>> + Send + Sync + 'static) -> Self {
        Self { run: Arc::new(run), kept: Arc::default() }
    }
}

impl fmt::Debug for KeyCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("KeyCommand")
    }
}

impl KeySource {
    /// The key, or `None` if there is none.
    ///
    /// # Errors
    /// Says in a sentence why the program that should print it did not.
    pub async fn key(&self) -> Result<Option<Key>, String> {
        match self {
            Self::None => Ok(None),
            Self::Value(key) => Ok(Some(key.clone())),
            Self::Environment(name) => Ok(std::env::var(name).ok().and_then(|value| Key::new(&value))),
            Self::Command(command) => {
                let mut kept = command.kept.lock().await;
                if kept.is_none() {
                    *kept = Some((command.run)().await?);
                }
                Ok(kept.clone())
            }
        }
    }

    /// Tells that the provider refused `key`. True if another may be had by asking again.
    pub async fn refused(&self, key: &Key) -> bool {
        let Self::Command(command) = self else { return false };
        let mut kept = command.kept.lock().await;
        if kept.as_ref() == Some(key) {
            *kept = None;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt;

    use super::*;

    #[test]
    fn never_shows() {
        let key = Key::new(" sk-secret-1234\n").unwrap();
        let command = KeyCommand::new(|| async { Err("no".into()) }.boxed());
        assert_eq!(format!("{key:?} {:?}", KeySource::Value(key.clone())), "*** Value(***)");
        assert_eq!(format!("{:?}", KeySource::Command(command)), "Command(KeyCommand)");
        assert_eq!(key.redact("wrong key: sk-secret-1234."), "wrong key: ***.");
        assert_eq!(Key::new(" \n"), None);
    }

    #[tokio::test]
    async fn a_command_runs_once_until_its_key_is_refused() {
        let runs = Arc::new(AtomicU32::new(0));
        let counter = runs.clone();
        let source = KeySource::Command(KeyCommand::new(move || {
            let run = counter.fetch_add(1, Ordering::SeqCst);
            async move { Ok(Key::new(&format!("key-{run}")).unwrap()) }.boxed()
        }));
        let first = source.key().await.unwrap().unwrap();
        assert_eq!(source.key().await.unwrap().as_ref(), Some(&first));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(source.refused(&first).await);
        assert_eq!(source.key().await.unwrap().unwrap().expose(), "key-1");
        assert!(source.refused(&first).await, "an old key's refusal does not throw away the new one");
        assert_eq!(source.key().await.unwrap().unwrap().expose(), "key-1");
    }
}
