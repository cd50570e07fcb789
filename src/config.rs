//! What is set: defaults, then the user's file, the project's file, the environment, the editor's settings; each goes
//! over the one before. What a session sets itself goes over all of them.
//!
//! A project's file comes with the repository, and so from anybody. It can make Pillion stricter and thriftier, never
//! anything else: see [`Settings`]. An editor's settings may have a repository's mixed in: they run no program, loosen no
//! mode, and send no key that is not theirs anywhere. Mistakes cost a [`Warning`] each and nothing more.

mod editor;

mod entry;

pub(crate) mod folder;

mod mcp;

mod models;

mod origin;

mod project;

pub mod providers;

mod read;

pub mod recording;

mod rules;

pub mod secrets;

pub mod settings;

pub mod tooling;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tracing::level_filters::LevelFilter;

use self::settings::ProviderSettings;
pub use self::{
    origin::Origin,
    providers::{Model, Providers},
    read::TEMPERATURES,
    rules::{RuleScope, Rules},
    settings::Settings,
    tooling::Tooling,
};
use crate::{
    context::Places,
    mcp::Spec,
    permission::Mode,
    provider::{
        Cache, Thinking,
        catalog::Catalog,
        http::{Limits, Route},
        key::Key,
        presets, retry,
    },
};

/// Model calls of one turn where nothing is set. Chosen: enough for a long job, and an end to a loop that goes
/// nowhere.
const TURN_LIMIT: u32 = 50;

/// The target under which is logged what is wrong with the settings.
pub const LOG_TARGET: &str = "pillion::config";

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
    /// A budget of 0 switches reasoning off where that can be; the provider's default when absent.
    pub thinking: Option<Thinking>,
    /// Models to ask when one is too busy, as `provider/model`.
    pub fallback: Vec<String>,
    pub cache: Cache,
    /// After so long a command goes on in the background.
    pub background_after: Option<Duration>,
    /// Where people write for the model: beside the user's file, and below the roots.
    pub places: Places,
    pub retry: retry::Policy,
    /// How long a silent provider is borne.
    pub limits: Limits,
    pub compaction: Compaction,
    /// What is known of models.
    pub catalog: Arc<Catalog>,
    /// MCP servers, by name.
    pub mcp: Vec<Spec>,
    pub tooling: Tooling,
    /// How much is logged, where the person said so.
    pub log_level: Option<LevelFilter>,
    /// The proxy of all providers that do not name their own.
    proxy: Option<String>,
    ca_file: Option<PathBuf>,
    /// What is known of providers beside their presets, by name.
    providers: BTreeMap<String, ProviderSettings>,
    /// The variables that headers of MCP servers are made of.
    header_variables: Vec<String>,
    /// Where the person would set something.
    user_file: Option<PathBuf>,
}

/// When and how a conversation is made shorter.
#[derive(Clone, Debug, PartialEq)]
pub struct Compaction {
    /// The share of the model's context at which it happens by itself; never if `None`.
    pub at: Option<f64>,
    /// How many of the last model calls stay as they are.
    pub keep_recent: usize,
    /// `provider/model` that summarises; the session's own if `None`.
    pub model: Option<String>,
}

/// Something in the settings that is not as it should be. Shows where and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// A file with a line, a variable, or the editor's settings.
    pub place: String,
    pub message: String,
}

/// Where Pillion logs; `None` if there is no home folder.
pub fn log_file() -> Option<PathBuf> {
    Some(folder::state()?.join("logs").join("pillion.log"))
}

/// Opens a file to append to that only this user can read, with its folder.
#[allow(clippy::disallowed_methods, reason = "Pillion's own file, not the person's")]
pub fn private_log(path: &Path) -> std::io::Result<std::fs::File> {
    if let Some(folder) = path.parent() {
        folder::make_private(folder)?;
    }
    folder::private_file().append(true).create(true).open(path)
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

impl Config {
    /// Reads what is set for these roots; `editor` is the section `pillion` of the editor's settings. Also warns of mistakes
    /// in [`Rules`]. Reads a few small files and two for each root; takes well under a millisecond.
    pub fn load(roots: &[PathBuf], editor: Option<&Value>) -> (Self, Vec<Warning>) {
        let (config, mut warnings) = Self::load_with(roots, &|name| std::env::var(name).ok(), editor);
        warnings.extend(Rules::check(roots));
        (config, warnings)
    }

    /// As [`Config::load`], with another environment, and without a look at the rules.
    pub fn load_with(
        roots: &[PathBuf],
        variable: &dyn Fn(&str) -> Option<String>,
        editor: Option<&Value>,
    ) -> (Self, Vec<Warning>) {
        let mut warnings = Vec::new();
        let (mut settings, user_file) = layers(roots, variable, editor, &mut warnings, |_, _| {});
        settings.look_up_keys(variable);
        let way = mcp::Way { proxy: settings.proxy.as_deref(), ca_file: settings.ca_file.as_deref() };
        let servers = mcp::specs(&settings.mcp, way, variable, &mut warnings);
        let config = Self::new(settings, servers, user_file);
        config.tooling.check(&shown(config.user_file.as_deref()), &mut warnings);
        (config, warnings)
    }

    /// Each setting by name, as it is in force, and where it is set; and what is wrong. Secrets are hidden. Of what has names
    /// of its own (providers, servers, hooks), only what is set.
    pub fn origins(roots: &[PathBuf]) -> (Vec<Origin>, Vec<Warning>) {
        let variable = |name: &str| std::env::var(name).ok();
        let (_, warnings) = Self::load_with(roots, &variable, None);
        let mut known: BTreeMap<String, Origin> = BTreeMap::new();
        layers(roots, &variable, None, &mut Vec::new(), |place, settings| {
            let now = origin::flat(settings);
            known.retain(|name, _| now.contains_key(name));
            for (name, value) in now {
                if known.get(&name).is_none_or(|origin| origin.value != value) {
                    known.insert(name.clone(), Origin { name, value, place: place.to_owned() });
                }
            }
        });
        for default in origin::defaults() {
            known.entry(default.name.clone()).or_insert(default);
        }
        (known.into_values().map(Origin::hidden).collect(), warnings)
    }

    /// Names of environment variables that hold keys, beside those that every provider has. No tool's process gets them.
    pub fn secret_variables(&self) -> Vec<String> {
        let of_providers = self.providers.values().filter_map(|provider| provider.api_key_env.as_ref());
        of_providers.chain(&self.header_variables).cloned().collect()
    }

    /// The way to a server that is not a provider of models.
    ///
    /// # Errors
    /// Says which setting is wrong, and how.
    pub fn route(&self, url: &str) -> Result<Route, String> {
        mcp::Way { proxy: self.proxy.as_deref(), ca_file: self.ca_file.as_deref() }.to(url)
    }

    fn new(settings: Settings, mcp: Vec<Spec>, user_file: Option<PathBuf>) -> Self {
        let thinking = settings.thinking();
        let (retry, limits) = (retry::Policy::default(), Limits::default());
        let mut catalog = Catalog::default();
        for (name, model) in &settings.models {
            catalog.set(name, (*model).into());
        }
        let or = |seconds: Option<settings::Seconds>, default: Duration| seconds.map_or(default, Into::into);
        Self {
            model: settings.model,
            mode: settings.mode.unwrap_or_default().into(),
            turn_limit: settings.turn_limit.unwrap_or(TURN_LIMIT),
            max_tokens: settings.max_tokens,
            temperature: settings.temperature,
            thinking,
            fallback: settings.fallback.unwrap_or_default(),
            background_after: settings.background_after.map(Into::into),
            places: Places {
                user: user_file
                    .as_deref()
                    .and_then(|file| std::path::absolute(file).ok()?.parent().map(Path::to_path_buf)),
                names: settings.instruction_files.unwrap_or_else(|| Places::default().names),
            },
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
            compaction: Compaction {
                at: settings.compaction.auto.unwrap_or(true).then(|| settings.compaction.at.map_or(0.8, |at| at.0)),
                // Chosen: the model still sees what it is at, and a summary of the rest.
                keep_recent: settings.compaction.keep_recent.unwrap_or(4) as usize,
                model: settings.compaction.model,
            },
            catalog: Arc::new(catalog),
            mcp,
            tooling: Tooling { hooks: settings.hooks, budgets: settings.budgets, web: settings.web_fetch },
            log_level: settings.log_level.map(Into::into),
            proxy: settings.proxy,
            ca_file: settings.ca_file,
            header_variables: mcp::variables_of_headers(&settings.mcp),
            providers: settings.providers,
            user_file,
        }
    }
}

/// All layers of settings one over the other; `seen` is told how it stands after each, with the layer's place.
fn layers(
    roots: &[PathBuf],
    variable: &dyn Fn(&str) -> Option<String>,
    editor: Option<&Value>,
    warnings: &mut Vec<Warning>,
    mut seen: impl FnMut(&str, &Settings),
) -> (Settings, Option<PathBuf>) {
    let user_file = folder::user_file(variable);
    let mut settings = Settings::default();
    if let Some(file) = &user_file {
        settings.take_over(read::file(file, warnings));
        seen(&shown(Some(file)), &settings);
    }
    for root in roots {
        let file = project::take_over(&mut settings, root, user_file.as_deref(), warnings);
        seen(&shown(Some(&file)), &settings);
    }
    settings.take_over(from_environment(variable, &settings, warnings));
    seen("the environment", &settings);
    if let Some(editor) = editor {
        editor::take_over(&mut settings, editor, user_file.as_deref(), warnings);
        seen("the editor's settings", &settings);
    }
    (settings, user_file)
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
