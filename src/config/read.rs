//! From what is written to [`Settings`]: what is wrong costs a warning, and the rest stands.

use std::{collections::BTreeMap, fs::File, io::Read, num::NonZeroU32, path::Path};

use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Warning,
    entry::{self, Entry, Item},
    settings::{CompactionSettings, McpSettings, ModelSettings, ProviderSettings, RetrySettings, Settings},
};
use crate::provider::{http::Proxy, key::Key};

/// No file of settings is longer, in bytes. Chosen by taste.
const LONGEST: u64 = 1 << 20;

/// What providers take as a temperature, all together. Infinity and what is no number are outside.
pub const TEMPERATURES: std::ops::RangeInclusive<f32> = 0.0..=2.0;

const NAMES: &[&str] = &[
    "model",
    "mode",
    "turn_limit",
    "max_tokens",
    "temperature",
    "thinking_tokens",
    "thinking_effort",
    "fallback",
    "proxy",
    "ca_file",
    "instruction_files",
    "cache",
    "connect_timeout",
    "idle_timeout",
    "background_after",
    "retry",
    "compaction",
    "providers",
    "models",
    "mcp",
    "hooks",
    "budgets",
    "web_fetch",
    "log_level",
];
const MCP_NAMES: &[&str] = &[
    "command",
    "args",
    "env",
    "directory",
    "url",
    "headers",
    "enabled",
    "timeout",
    "tools",
    "hidden_tools",
    "sampling",
];
const RETRY_NAMES: &[&str] = &["tries", "first_wait", "longest_wait", "longest_asked_wait"];
const COMPACTION_NAMES: &[&str] = &["auto", "at", "keep_recent", "model"];
const MODEL_NAMES: &[&str] = &[
    "window",
    "max_output",
    "input_price",
    "output_price",
    "cache_read_price",
    "cache_write_price",
    "cache_write_long_price",
];
const PROVIDER_NAMES: &[&str] = &[
    "kind",
    "base_url",
    "api_key",
    "api_key_env",
    "api_key_command",
    "headers",
    "proxy",
    "ca_file",
    "models",
    "script",
];

/// The user's file. One that does not exist sets nothing.
pub fn file(path: &Path, warnings: &mut Vec<Warning>) -> Settings {
    let Some(entries) = entries(path, warnings) else { return Settings::default() };
    let mut settings = Reader::new(&path.display().to_string(), warnings).settings(entries);
    let of_providers =
        settings.providers.values_mut().flat_map(|provider| [&mut provider.script, &mut provider.ca_file]);
    for named in of_providers.chain([&mut settings.ca_file]).flatten() {
        if let Some(folder) = path.parent() {
            *named = folder.join(&*named);
        }
    }
    if settings.providers.values().any(|provider| provider.api_key.is_some()) && others_can_read(path) {
        let message = "It holds a key, and other users can read it. Run `chmod 600` on it.".to_owned();
        warnings.push(Warning { place: path.display().to_string(), message });
    }
    settings
}

/// What stands in a file; `None` if there is nothing to be had, with a warning unless it just does not exist.
#[allow(clippy::disallowed_methods, reason = "settings are read before there is a workspace")]
pub fn entries(path: &Path, warnings: &mut Vec<Warning>) -> Option<Vec<Entry>> {
    let mut warn = |place: String, message: String| warnings.push(Warning { place, message });
    // A project's file may be anything, a link to a device for example.
    let metadata = std::fs::metadata(path).ok()?;
    let mut text = String::new();
    let read = if metadata.is_file() && metadata.len() <= LONGEST {
        File::open(path)
            .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
            .map_err(|error| error.to_string())
    } else {
        Err("it is not an ordinary file of settings".to_owned())
    };
    if let Err(error) = read {
        warn(path.display().to_string(), format!("It cannot be read, so nothing in it counts: {error}"));
        return None;
    }
    match entry::from_toml(&text) {
        Ok(entries) => Some(entries),
        Err((line, error)) => {
            warn(
                format!("{}:{line}", path.display()),
                format!("Nothing in this file counts until this is mended: {error}"),
            );
            None
        }
    }
}

#[cfg(unix)]
fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// The user's profile keeps others out.
#[cfg(not(unix))]
fn others_can_read(_: &Path) -> bool {
    false
}

#[derive(Deserialize)]
#[serde(try_from = "f32")]
struct Temperature(f32);

impl TryFrom<f32> for Temperature {
    type Error = &'static str;

    fn try_from(number: f32) -> Result<Self, Self::Error> {
        if TEMPERATURES.contains(&number) { Ok(Self(number)) } else { Err("not a temperature") }
    }
}

/// A name that stays in its folder.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct FileName(String);

impl TryFrom<String> for FileName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let is_fine = !matches!(name.trim(), "" | "." | "..") && !name.contains(['/', '\\', ':', '\0']);
        if is_fine { Ok(Self(name)) } else { Err("not the name of a file") }
    }
}

/// Reads one source of settings.
pub struct Reader<'a> {
    source: &'a str,
    warnings: &'a mut Vec<Warning>,
}

impl<'a> Reader<'a> {
    pub fn new(source: &'a str, warnings: &'a mut Vec<Warning>) -> Self {
        Self { source, warnings }
    }

    pub fn settings(&mut self, entries: Vec<Entry>) -> Settings {
        let mut settings = Settings::default();
        for entry in entries {
            match snake_case(&entry.key).as_str() {
                "model" => self.take(&mut settings.model, &entry, "text, for example \"anthropic/claude-sonnet-4-5\""),
                "mode" => self.take(&mut settings.mode, &entry, "\"ask\", \"acceptEdits\", \"plan\" or \"auto\""),
                "turn_limit" => settings.turn_limit = self.count(&entry),
                "max_tokens" => settings.max_tokens = self.count(&entry),
                "temperature" => {
                    let mut temperature: Option<Temperature> = None;
                    self.take(&mut temperature, &entry, "a number from 0 to 2");
                    settings.temperature = temperature.map(|Temperature(number)| number);
                }
                "thinking_tokens" => self.take(&mut settings.thinking_tokens, &entry, "a whole number"),
                "thinking_effort" => {
                    let expected = "\"minimal\", \"low\", \"medium\", \"high\" or \"max\"";
                    self.take(&mut settings.thinking_effort, &entry, expected);
                }
                "fallback" => {
                    let expected = "a list of models, for example [\"openai/gpt-5.1\"]";
                    self.take(&mut settings.fallback, &entry, expected);
                }
                "proxy" => self.proxy(&mut settings.proxy, &entry),
                "ca_file" => self.take(&mut settings.ca_file, &entry, "a path in quotes"),
                "instruction_files" => {
                    let mut names: Option<Vec<FileName>> = None;
                    self.take(
                        &mut names,
                        &entry,
                        "a list of files' names without folders, for example [\"AGENTS.md\"]",
                    );
                    settings.instruction_files =
                        names.map(|names| names.into_iter().map(|FileName(name)| name).collect());
                }
                "cache" => self.take(&mut settings.cache, &entry, "\"off\", \"short\" or \"long\""),
                "connect_timeout" => self.take(&mut settings.connect_timeout, &entry, "a number of seconds"),
                "idle_timeout" => self.take(&mut settings.idle_timeout, &entry, "a number of seconds"),
                "background_after" => self.take(&mut settings.background_after, &entry, "a number of seconds"),
                "retry" => settings.retry = self.retry(entry),
                "compaction" => settings.compaction = self.compaction(entry),
                "models" => {
                    for entry in self.table(entry, "a table of models, each [models.\"PROVIDER/MODEL\"]") {
                        let name = entry.key.clone();
                        let model = self.model(entry);
                        settings.models.insert(name, model);
                    }
                }
                "providers" => {
                    for entry in self.table(entry, "a table of providers, each [providers.NAME]") {
                        let name = entry.key.clone();
                        let provider = self.provider(entry);
                        settings.providers.insert(name, provider);
                    }
                }
                "mcp" => {
                    for entry in self.table(entry, "a table of servers, each [mcp.NAME]") {
                        let name = entry.key.clone();
                        let server = self.mcp(entry);
                        settings.mcp.insert(name, server);
                    }
                }
                "hooks" => {
                    for entry in self.table(entry, "a table of hooks, each [hooks.NAME]") {
                        let name = entry.key.clone();
                        let hook = self.hook(entry);
                        settings.hooks.insert(name, hook);
                    }
                }
                "budgets" => {
                    for entry in self.table(entry, "a table of budgets, each [budgets.TOOL]") {
                        let name = entry.key.clone();
                        let budget = self.budget(entry);
                        settings.budgets.insert(name, budget);
                    }
                }
                "log_level" => {
                    let expected = "\"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\"";
                    self.take(&mut settings.log_level, &entry, expected);
                }
                "web_fetch" => settings.web_fetch = self.web_fetch(entry),
                _ => self.unknown(&entry, NAMES),
            }
        }
        settings
    }

    fn mcp(&mut self, entry: Entry) -> McpSettings {
        const NAMES_OF_TOOLS: &str = "a list of names, each in quotes";
        let mut server = McpSettings::default();
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "command" => self.take(&mut server.command, &entry, "a program in quotes; `args` has its arguments"),
                "args" => self.take(&mut server.args, &entry, "a list of texts"),
                "env" => server.env = self.texts(entry),
                "directory" => self.take(&mut server.directory, &entry, "a path in quotes"),
                "url" => self.take(&mut server.url, &entry, "an address in quotes"),
                "headers" => server.headers = self.texts(entry),
                "enabled" => self.take(&mut server.enabled, &entry, "true or false"),
                "timeout" => self.take(&mut server.timeout, &entry, "a number of seconds"),
                "tools" => self.take(&mut server.tools, &entry, NAMES_OF_TOOLS),
                "hidden_tools" => {
                    let mut hidden = None;
                    self.take(&mut hidden, &entry, NAMES_OF_TOOLS);
                    server.hidden_tools = hidden.unwrap_or_default();
                }
                "sampling" => self.take(&mut server.sampling, &entry, "true or false"),
                _ => self.unknown(&entry, MCP_NAMES),
            }
        }
        server
    }

    fn texts(&mut self, entry: Entry) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for entry in self.table(entry, "a table of names and their text") {
            let mut text = None;
            self.take(&mut text, &entry, "text");
            texts.extend(text.map(|text| (entry.key, text)));
        }
        texts
    }

    fn retry(&mut self, entry: Entry) -> RetrySettings {
        let mut retry = RetrySettings::default();
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "tries" => self.take(&mut retry.tries, &entry, "a whole number"),
                "first_wait" => self.take(&mut retry.first_wait, &entry, "a number of seconds"),
                "longest_wait" => self.take(&mut retry.longest_wait, &entry, "a number of seconds"),
                "longest_asked_wait" => self.take(&mut retry.longest_asked_wait, &entry, "a number of seconds"),
                _ => self.unknown(&entry, RETRY_NAMES),
            }
        }
        retry
    }

    fn compaction(&mut self, entry: Entry) -> CompactionSettings {
        let mut compaction = CompactionSettings::default();
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "auto" => self.take(&mut compaction.auto, &entry, "true or false"),
                "at" => self.take(&mut compaction.at, &entry, "a number from 0.1 to 1"),
                "keep_recent" => self.take(&mut compaction.keep_recent, &entry, "a whole number"),
                "model" => self.take(&mut compaction.model, &entry, "text, for example \"anthropic/claude-haiku-4-5\""),
                _ => self.unknown(&entry, COMPACTION_NAMES),
            }
        }
        compaction
    }

    fn model(&mut self, entry: Entry) -> ModelSettings {
        let mut model = ModelSettings::default();
        let dollars = "a number of dollars for a million tokens";
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "window" => self.take(&mut model.window, &entry, "a number of tokens"),
                "max_output" => self.take(&mut model.max_output, &entry, "a number of tokens"),
                "input_price" => self.take(&mut model.input_price, &entry, dollars),
                "output_price" => self.take(&mut model.output_price, &entry, dollars),
                "cache_read_price" => self.take(&mut model.cache_read_price, &entry, dollars),
                "cache_write_price" => self.take(&mut model.cache_write_price, &entry, dollars),
                "cache_write_long_price" => self.take(&mut model.cache_write_long_price, &entry, dollars),
                _ => self.unknown(&entry, MODEL_NAMES),
            }
        }
        model
    }

    fn provider(&mut self, entry: Entry) -> ProviderSettings {
        let mut provider = ProviderSettings::default();
        for entry in self.table(entry, "a table") {
            match snake_case(&entry.key).as_str() {
                "kind" => self.take(
                    &mut provider.kind,
                    &entry,
                    "\"anthropic\", \"openai\", \"responses\", \"gemini\" or \"scripted\"",
                ),
                "base_url" => self.take(&mut provider.base_url, &entry, "an address in quotes"),
                "api_key" => {
                    let mut key: Option<String> = None;
                    self.take(&mut key, &entry, "text");
                    provider.api_key = key.and_then(|key| Key::new(&key));
                }
                "api_key_env" => self.take(&mut provider.api_key_env, &entry, "the name of a variable, in quotes"),
                "api_key_command" => self.take(&mut provider.api_key_command, &entry, "a command line, in quotes"),
                "headers" => provider.headers = self.texts(entry),
                "proxy" => self.proxy(&mut provider.proxy, &entry),
                "ca_file" => self.take(&mut provider.ca_file, &entry, "a path in quotes"),
                "models" => {
                    let mut models = None;
                    self.take(&mut models, &entry, "a list of names, each in quotes");
                    provider.models = models.unwrap_or_default();
                }
                "script" => self.take(&mut provider.script, &entry, "a path in quotes"),
                _ => self.unknown(&entry, PROVIDER_NAMES),
            }
        }
        provider
    }

    pub(super) fn table(&mut self, entry: Entry, expected: &str) -> Vec<Entry> {
        if let Item::Table(entries) = entry.item {
            return entries;
        }
        self.warn(&entry, format!("`{}` must be {expected}. It is passed over.", entry.key));
        Vec::new()
    }

    fn count(&mut self, entry: &Entry) -> Option<u32> {
        let mut count: Option<NonZeroU32> = None;
        self.take(&mut count, entry, "a whole number from 1");
        count.map(NonZeroU32::get)
    }

    /// One that is no address is kept all the same: without it the way would be another than the person wants.
    pub(super) fn proxy(&mut self, proxy: &mut Option<String>, entry: &Entry) {
        self.take(proxy, entry, "an address in quotes, or \"none\"");
        if let Some(Err(error)) = proxy.as_deref().map(Proxy::parse) {
            self.warn(entry, format!("`{}` cannot be used: {error}.", entry.key));
        }
    }

    /// The value is not told in the warning: it may be a secret in the wrong place.
    pub(super) fn take<T: DeserializeOwned>(&mut self, slot: &mut Option<T>, entry: &Entry, expected: &str) {
        let value = match &entry.item {
            Item::Plain(value) => serde_json::from_value(value.clone()).ok(),
            Item::Table(_) => None,
        };
        match value {
            Some(value) => *slot = Some(value),
            None => self.warn(entry, format!("`{}` must be {expected}. It is passed over.", entry.key)),
        }
    }

    pub(super) fn unknown(&mut self, entry: &Entry, names: &[&str]) {
        let near = similar::get_close_matches(snake_case(&entry.key).as_str(), names, 2, 0.6);
        let advice = if near.is_empty() {
            format!("Known here are {}.", names.join(", "))
        } else {
            format!("Is `{}` meant?", near.join("` or `"))
        };
        self.warn(entry, format!("There is no setting `{}`. {advice}", entry.key));
    }

    pub fn warn(&mut self, entry: &Entry, message: String) {
        let place = match entry.line {
            Some(line) => format!("{}:{line}", self.source),
            None => self.source.to_owned(),
        };
        self.warnings.push(Warning { place, message });
    }
}

/// `turn_limit` for `turnLimit`.
pub fn snake_case(key: &str) -> String {
    let mut snake = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}
