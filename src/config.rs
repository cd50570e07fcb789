//! What is set: defaults, then the user's file, the project's file, the environment, the editor's settings; each goes
//! over the one before. What a session sets itself goes over all of them.
//!
//! A project's file comes with the repository, and so from anybody. It can make Pillion stricter and thriftier, never
//! anything else: see [`Settings`]. An editor's settings may have a repository's mixed in: they run no program, loosen no
//! mode, and send no key that is not theirs anywhere. Mistakes cost a [`Warning`] each and nothing more.

mod editor;

mod entry;

pub(crate) mod folder;

mod models;

mod project;

pub mod providers;

mod read;

mod rules;

pub mod settings;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use self::settings::ProviderSettings;
pub use self::{
    providers::{Model, Providers},
    read::TEMPERATURES,
    rules::{RuleScope, Rules},
    settings::Settings,
};
use crate::{
    permission::Mode,
    provider::{Cache, http::Limits, key::Key, presets, retry},
};

/// Model calls of one turn where nothing is set. Chosen: enough for a long job, and an end to a loop that goes
/// nowhere.
const TURN_LIMIT: u32 = 50;

/// Everything that is set, in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// `provider/model`.
    pub model: Option<String>,
    pub mode: Mode,
    /// The most model calls of one turn.
    pub turn_limit: u32,
    /// The most tokens of one model call; the provider's default when absent.
    pub max_tokens: Option<u32>,
    pub temperature: Option<f32>,
    /// 0 switches reasoning off; the provider's default when absent.
    pub thinking_tokens: Option<u32>,
    pub cache: Cache,
    pub retry: retry::Policy,
    /// How long a silent provider is borne.
    pub limits: Limits,
    /// What is known of providers beside their presets, by name.
    providers: BTreeMap<String, ProviderSettings>,
    /// Where the person would set something.
    user_file: Option<PathBuf>,
}

/// Something in the settings that is not as it should be. Shows where and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A file with a line, a variable, or the editor's settings.
    pub place: String,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

impl Config {
    /// Reads what is set for these roots; `editor` is the section `pillion` of the editor's settings. Reads two small
    /// files at most and one for each root; takes well under a millisecond.
    pub fn load(roots: &[PathBuf], editor: Option<&Value>) -> (Self, Vec<Warning>) {
        Self::load_with(roots, &|name| std::env::var(name).ok(), editor)
    }

    /// As [`Config::load`], with another environment.
    pub fn load_with(
        roots: &[PathBuf],
        variable: &dyn Fn(&str) -> Option<String>,
        editor: Option<&Value>,
    ) -> (Self, Vec<Warning>) {
        let mut warnings = Vec::new();
        let user_file = folder::user_file(variable);
        let mut settings = Settings::default();
        if let Some(file) = &user_file {
            settings.take_over(read::file(file, &mut warnings));
        }
        for root in roots {
            project::take_over(&mut settings, root, user_file.as_deref(), &mut warnings);
        }
        settings.take_over(from_environment(variable, &settings, &mut warnings));
        if let Some(editor) = editor {
            editor::take_over(&mut settings, editor, user_file.as_deref(), &mut warnings);
        }
        settings.look_up_keys(variable);
        (Self::new(settings, user_file), warnings)
    }

    /// Names of environment variables that hold keys, beside those that every provider has. No tool's process gets them.
    pub fn secret_variables(&self) -> Vec<String> {
        self.providers.values().filter_map(|provider| provider.api_key_env.clone()).collect()
    }

    fn new(settings: Settings, user_file: Option<PathBuf>) -> Self {
        let (retry, limits) = (retry::Policy::default(), Limits::default());
        let or = |seconds: Option<settings::Seconds>, default: Duration| seconds.map_or(default, Into::into);
        Self {
            model: settings.model,
            mode: settings.mode.unwrap_or_default().into(),
            turn_limit: settings.turn_limit.unwrap_or(TURN_LIMIT),
            max_tokens: settings.max_tokens,
            temperature: settings.temperature,
            thinking_tokens: settings.thinking_tokens,
            cache: settings.cache.map_or_else(Cache::default, Into::into),
            retry: retry::Policy {
                tries: settings.retry.tries.unwrap_or(retry.tries).max(1),
                base: or(settings.retry.first_wait, retry.base),
                longest: or(settings.retry.longest_wait, retry.longest),
                longest_asked: or(settings.retry.longest_asked_wait, retry.longest_asked),
            },
            limits: Limits {
                connect: or(settings.connect_timeout, limits.connect),
                idle: or(settings.idle_timeout, limits.idle),
            },
            providers: settings.providers,
            user_file,
        }
    }
}

/// The file for a person to edit, as they would name it.
fn shown(user_file: Option<&Path>) -> String {
    user_file.map_or_else(|| "a file named by PILLION_CONFIG".to_owned(), |file| file.display().to_string())
}

/// `PILLION_MODEL`, `PILLION_MODE`, and each known provider's variables for its key and its address. A key's variable
/// gives way where the settings name another.
fn from_environment(
    variable: &dyn Fn(&str) -> Option<String>,
    so_far: &Settings,
    warnings: &mut Vec<Warning>,
) -> Settings {
    let variable = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
    let mut settings = Settings { model: variable("PILLION_MODEL"), ..Settings::default() };
    if let Some(mode) = variable("PILLION_MODE") {
        settings.mode = settings::Mode::parse(&mode);
        if settings.mode.is_none() {
            let message = format!("{mode:?} is no mode. Use ask, acceptEdits, plan or auto.");
            warnings.push(Warning { place: "PILLION_MODE".to_owned(), message });
        }
    }
    for preset in presets::PRESETS {
        let Some(name) = preset.key_variable else { continue };
        let names_another = so_far.providers.get(preset.name).is_some_and(|provider| provider.api_key_env.is_some());
        let provider = ProviderSettings {
            api_key: variable(name).filter(|_| !names_another).and_then(|key| Key::new(&key)),
            base_url: name.strip_suffix("_API_KEY").and_then(|stem| variable(&format!("{stem}_BASE_URL"))),
            ..ProviderSettings::default()
        };
        if provider != ProviderSettings::default() {
            settings.providers.insert(preset.name.to_owned(), provider);
        }
    }
    settings
}
