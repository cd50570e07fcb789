//! What can be set, in the words in which it is set.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    permission,
    provider::{self, key::Key},
};

/// One layer of settings. In files the names are as here; in an editor's settings they may be in `camelCase`.
///
/// A project's file may set `turn_limit` (to 1 or more), `max_tokens` and `thinking_tokens` to less than is in force,
/// `thinking_tokens` to 0, `mode` to `ask` or `plan` where that is stricter, and `temperature`. What else it says is
/// refused.
///
/// An editor's settings may not set `api_key_command`, `script`, or a `mode` laxer than is in force; `base_url`,
/// `headers` and `kind` only for a provider that nothing else sets, with an `api_key` beside them, and never with
/// `api_key_env`.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
pub struct Settings {
    /// The model of new sessions, as `provider/model`, for example `anthropic/claude-sonnet-4-5`.
    pub model: Option<String>,
    /// How much happens without asking.
    pub mode: Option<Mode>,
    /// The most model calls of one turn (default 50).
    pub turn_limit: Option<u32>,
    /// The most tokens of one model call.
    pub max_tokens: Option<u32>,
    /// Sampling temperature, as the provider defines it: 0 to 2.
    pub temperature: Option<f32>,
    /// Tokens the model may reason with before it answers; 0 switches reasoning off.
    pub thinking_tokens: Option<u32>,
    /// How long the provider is asked to keep the prompt.
    pub cache: Option<Cache>,
    /// Seconds until a provider must have taken the connection (default 15).
    pub connect_timeout: Option<Seconds>,
    /// Seconds that a provider may be silent in the middle of an answer (default 300).
    pub idle_timeout: Option<Seconds>,
    /// When a model call is tried again.
    pub retry: RetrySettings,
    /// Where models come from, by name.
    pub providers: BTreeMap<String, ProviderSettings>,
}

/// How much happens without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    // From the strictest to the laxest.
    /// Nothing that changes anything may run.
    Plan,
    /// Reading inside the roots is allowed, everything else asks.
    #[default]
    Ask,
    /// Edits inside the roots are allowed too, except to files that other programs run.
    AcceptEdits,
    /// Everything inside the roots is allowed; what leaves them asks, and so do edits to files that other programs run.
    Auto,
}

/// How long the provider is asked to keep the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cache {
    Off,
    /// Five minutes, refreshed by each use.
    Short,
    /// One hour for what does not change.
    Long,
}

/// A time in seconds, fractions allowed.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(try_from = "f64")]
pub struct Seconds(#[schemars(range(min = 0))] f64);

/// When a model call is tried again. Waits are random, up to what is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema)]
pub struct RetrySettings {
    /// All tries together, the first included (default 5).
    pub tries: Option<u32>,
    /// The longest wait before the second try, in seconds; it doubles with each further one (default 2).
    pub first_wait: Option<Seconds>,
    /// What the doubling stops at, in seconds (default 30).
    pub longest_wait: Option<Seconds>,
    /// The most of a wait the provider asks for, in seconds (default 60).
    pub longest_asked_wait: Option<Seconds>,
}

/// Where models come from. A name that Pillion knows (`anthropic`, `openai`, `ollama` and others) needs no more than a
/// key.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema)]
pub struct ProviderSettings {
    /// The wire format; a known name has its own, any other is `openai`.
    pub kind: Option<Kind>,
    /// For example `https://api.anthropic.com/v1`.
    pub base_url: Option<String>,
    /// The key itself. Better kept in a variable or behind a command.
    #[schemars(with = "Option<String>")]
    pub api_key: Option<Key>,
    /// The name of an environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// A command line that prints the key, for example `pass show anthropic`.
    pub api_key_command: Option<String>,
    /// Sent with each call.
    pub headers: BTreeMap<String, String>,
    /// Models to offer; the first is the default.
    pub models: Vec<String>,
    /// For `scripted`: the file with the answers. A relative path is relative to the settings' file.
    pub script: Option<PathBuf>,
}

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions.
    Openai,
    /// No model at all: answers from a file, for tests and demonstrations.
    Scripted,
}

impl Settings {
    /// Puts another layer over this one.
    pub(super) fn take_over(&mut self, over: Self) {
        let Self {
            model,
            mode,
            turn_limit,
            max_tokens,
            temperature,
            thinking_tokens,
            cache,
            connect_timeout,
            idle_timeout,
            retry,
            providers,
        } = over;
        take(&mut self.model, model);
        take(&mut self.mode, mode);
        take(&mut self.turn_limit, turn_limit);
        take(&mut self.max_tokens, max_tokens);
        take(&mut self.temperature, temperature);
        take(&mut self.thinking_tokens, thinking_tokens);
        take(&mut self.cache, cache);
        take(&mut self.connect_timeout, connect_timeout);
        take(&mut self.idle_timeout, idle_timeout);
        take(&mut self.retry.tries, retry.tries);
        take(&mut self.retry.first_wait, retry.first_wait);
        take(&mut self.retry.longest_wait, retry.longest_wait);
        take(&mut self.retry.longest_asked_wait, retry.longest_asked_wait);
        for (name, provider) in providers {
            self.providers.entry(name).or_default().take_over(provider);
        }
    }

    /// Replaces the names of variables by what they hold.
    pub(super) fn look_up_keys(&mut self, variable: &dyn Fn(&str) -> Option<String>) {
        for provider in self.providers.values_mut() {
            if let Some(name) = &provider.api_key_env {
                provider.api_key = variable(name).and_then(|key| Key::new(&key));
            }
        }
    }
}

impl ProviderSettings {
    fn take_over(&mut self, over: Self) {
        let Self { kind, base_url, api_key, api_key_env, api_key_command, headers, models, script } = over;
        // A way to the key replaces the other ways to it.
        if api_key.is_some() || api_key_env.is_some() || api_key_command.is_some() {
            (self.api_key, self.api_key_env, self.api_key_command) = (api_key, api_key_env, api_key_command);
        }
        take(&mut self.kind, kind);
        take(&mut self.base_url, base_url);
        take(&mut self.script, script);
        self.headers.extend(headers);
        if !models.is_empty() {
            self.models = models;
        }
    }
}

fn take<T>(slot: &mut Option<T>, over: Option<T>) {
    if over.is_some() {
        *slot = over;
    }
}

impl Mode {
    /// Also takes `accept-edits` and `accept_edits`, as people write in shells.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "plan" => Self::Plan,
            "ask" => Self::Ask,
            "acceptEdits" | "accept-edits" | "accept_edits" => Self::AcceptEdits,
            "auto" => Self::Auto,
            _ => return None,
        })
    }
}

impl From<Mode> for permission::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Plan => Self::Plan,
            Mode::Ask => Self::Ask,
            Mode::AcceptEdits => Self::AcceptEdits,
            Mode::Auto => Self::Auto,
        }
    }
}

impl From<Cache> for provider::Cache {
    fn from(cache: Cache) -> Self {
        match cache {
            Cache::Off => Self::Off,
            Cache::Short => Self::Short,
            Cache::Long => Self::Long,
        }
    }
}

impl TryFrom<f64> for Seconds {
    type Error = std::time::TryFromFloatSecsError;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(seconds).map(|_| Self(seconds))
    }
}

impl From<Seconds> for Duration {
    fn from(Seconds(seconds): Seconds) -> Self {
        Self::try_from_secs_f64(seconds).unwrap_or_default()
    }
}
