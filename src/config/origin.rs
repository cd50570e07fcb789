//! Where each setting comes from.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    Config,
    settings::{CompactionSettings, RetrySettings, Settings, Share},
    tooling::ALL_TOOLS,
};
use crate::{
    process::{Expected, HIDDEN, Held},
    provider::http::without_secrets,
};

/// The place of what is set nowhere.
const DEFAULT: &str = "default";

/// A setting that is in force.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Origin {
    /// As in a file, with the tables it is in: `providers.work.base_url`.
    pub name: String,
    pub value: Value,
    /// The file, the environment, the editor's settings, or `default`: then the value is null where there is none.
    pub place: String,
}

impl Origin {
    /// Whether it is set nowhere.
    pub fn is_default(&self) -> bool {
        self.place == DEFAULT
    }

    /// Without secrets, and without what tells them apart.
    pub(super) fn hidden(mut self) -> Self {
        match &mut self.value {
            Value::String(text) if text.starts_with(HIDDEN) => HIDDEN.clone_into(text),
            // A proxy's address may be said without its beginning.
            Value::String(text) if self.name.ends_with("proxy") && !text.contains("://") => {
                let without = without_secrets(&format!("http://{text}"));
                *text = without.trim_start_matches("http://").to_owned();
            }
            Value::String(text) => *text = without_secrets(text),
            Value::Array(words) => hide_arguments(words),
            _ => {}
        }
        self
    }
}

/// What programs are started with.
fn hide_arguments(arguments: &mut [Value]) {
    let mut expected = Expected::Any;
    for argument in arguments {
        let Value::String(argument) = argument else { continue };
        let (held, next) = expected.look(argument);
        expected = next;
        match held {
            Held::Nothing => {}
            Held::Secret(start) | Held::Value(start) => argument.replace_range(start.., HIDDEN),
            Held::Address(start) => {
                let address = without_secrets(&argument[start..]);
                argument.replace_range(start.., &address);
            }
        }
    }
}

/// All that is set, by name.
pub(super) fn flat(settings: &Settings) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    // Nothing in settings can fail to be written.
    gather(String::new(), serde_json::to_value(settings).unwrap_or_default(), &mut flat);
    flat.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
    flat
}

/// What holds where nothing is set, by name.
pub(super) fn defaults() -> impl Iterator<Item = Origin> {
    let Config { mode, turn_limit, places, retry, limits, compaction, tooling, .. } =
        Config::new(Settings::default(), Vec::new(), None);
    let seconds = |duration: Duration| Some(duration.into());
    let settings = Settings {
        mode: Some(mode.into()),
        turn_limit: Some(turn_limit),
        instruction_files: Some(places.names),
        connect_timeout: seconds(limits.connect),
        idle_timeout: seconds(limits.idle),
        retry: RetrySettings {
            tries: Some(retry.tries),
            first_wait: seconds(retry.base),
            longest_wait: seconds(retry.longest),
            longest_asked_wait: seconds(retry.longest_asked),
        },
        compaction: CompactionSettings {
            auto: Some(compaction.at.is_some()),
            at: compaction.at.map(Share),
            keep_recent: u32::try_from(compaction.keep_recent).ok(),
            model: compaction.model,
        },
        budgets: BTreeMap::from([(ALL_TOOLS.to_owned(), tooling.budget().into())]),
        ..Settings::default()
    };
    let mut flat = BTreeMap::new();
    gather(String::new(), serde_json::to_value(settings).unwrap_or_default(), &mut flat);
    flat.into_iter().map(|(name, value)| Origin { name, value, place: DEFAULT.to_owned() })
}

fn gather(name: String, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                let is_plain = key.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter));
                let key = if is_plain { key } else { format!("{key:?}") };
                gather(if name.is_empty() { key } else { format!("{name}.{key}") }, value, flat);
            }
        }
        value => _ = flat.insert(name, value),
    }
}
