//! Where each setting comes from.

use std::collections::BTreeMap;

use serde_json::Value;

use super::settings::{HIDDEN, Settings};

/// A setting that is in force.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Origin {
    /// As in a file, with the tables it is in: `providers.work.base_url`.
    pub name: String,
    pub value: Value,
    /// The file, the environment, or the editor's settings.
    pub place: String,
}

impl Origin {
    /// Without what tells secrets apart.
    pub(super) fn hidden(mut self) -> Self {
        if self.value.as_str().is_some_and(|value| value.starts_with(HIDDEN)) {
            self.value = HIDDEN.into();
        }
        self
    }
}

/// All that is set, by name.
pub(super) fn flat(settings: &Settings) -> BTreeMap<String, Value> {
    let mut flat = BTreeMap::new();
    // Nothing in settings can fail to be written.
    gather(String::new(), serde_json::to_value(settings).unwrap_or_default(), &mut flat);
    flat
}

fn gather(name: String, value: Value, flat: &mut BTreeMap<String, Value>) {
    match value {
        Value::Null => {}
        Value::Array(items) if items.is_empty() => {}
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
