//! What can be set, in the words in which it is set.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};
use tracing::level_filters::LevelFilter;

use super::tooling::{BudgetSettings, HookSettings, WebSettings};
use crate::{
    permission,
    process::HIDDEN,
    provider::{self, Thinking, cache::Retention, catalog, key::Key, presets::Api},
};

/// One layer of settings. In files the names are as here; in an editor's settings they may be in `camelCase`.
///
/// A project's file may set `turn_limit` (to 1 or more), `max_tokens` and `thinking_tokens` to less than is in force,
/// `thinking_tokens` to 0, `thinking_effort` to no more than is in force, `mode` to `ask` or `plan` where that is stricter,
/// and `temperature`; it may switch MCP servers off (`enabled = false`) and hide tools of theirs. What else it says is
/// refused.
///
/// An editor's settings may not set `instruction_files`, `api_key_command`, `script`, `proxy`, `ca_file`, or a `mode` laxer than is in force; `base_url`,
/// `headers` and `kind` only for a provider that nothing else sets, with an `api_key` beside them, and never with
/// `api_key_env`. Of MCP servers it may say what a project's file may; of hooks and `web_fetch` nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Settings {
    /// The model of new sessions, as `provider/model`, for example `anthropic/claude-sonnet-4-5`.
    pub model: Option<String>,
    /// How much happens without asking.
    pub mode: Option<Mode>,
    /// The most model calls of one turn (default 50).
    #[schemars(range(min = 1))]
    pub turn_limit: Option<u32>,
    /// The most tokens of one model call.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// Sampling temperature, as the provider defines it: 0 to 2.
    pub temperature: Option<f32>,
    /// Tokens the model may reason with before it answers; 0 switches reasoning off, or asks for the least of a model
    /// that always reasons.
    pub thinking_tokens: Option<u32>,
    /// How hard the model thinks, instead of a number of tokens.
    pub thinking_effort: Option<Effort>,
    /// Models to ask, in this order, when one is too busy to answer, each as `provider/model`.
    pub fallback: Option<Vec<String>>,
    /// The proxy that providers and MCP servers are reached through, for example `http://proxy.example:3128`; `none` for none at all.
    /// Without it the system's, or that of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`. A server on this
    /// machine is reached without one, unless the provider itself names it.
    pub proxy: Option<String>,
    /// A file of certificates (PEM) that providers' servers may be signed with, beside the system's. A relative path is
    /// relative to the settings' file.
    pub ca_file: Option<PathBuf>,
    /// Seconds after which a command that still runs goes on in the background, so that the turn goes on too (never, if
    /// not set).
    pub background_after: Option<Seconds>,
    /// What files with instructions for the model are called (default `["AGENTS.md"]`); in each folder the first that is
    /// there counts. `[]` switches them off.
    pub instruction_files: Option<Vec<String>>,
    /// How long the provider is asked to keep the prompt.
    pub cache: Option<Cache>,
    /// Seconds until a provider must have taken the connection (default 15).
    pub connect_timeout: Option<Seconds>,
    /// Seconds that a provider may be silent in the middle of an answer (default 300).
    pub idle_timeout: Option<Seconds>,
    /// When a model call is tried again.
    pub retry: RetrySettings,
    /// When and how a conversation is made shorter.
    pub compaction: CompactionSettings,
    /// Where models come from, by name.
    pub providers: BTreeMap<String, ProviderSettings>,
    /// What is known of models, as `[models."provider/model"]`; goes over the built-in table.
    pub models: BTreeMap<String, ModelSettings>,
    /// MCP servers, by name.
    pub mcp: BTreeMap<String, McpSettings>,
    /// Commands that are run at moments of a turn, by name; in the order of their names.
    pub hooks: BTreeMap<String, HookSettings>,
    /// How much of the results of tools reaches the model, by the tool's name; `default` is for all others that need none
    /// of their own, and for what another one leaves open.
    pub budgets: BTreeMap<String, BudgetSettings>,
    /// How `web_fetch` reaches the web.
    pub web_fetch: WebSettings,
    /// How much of what is logged is shown, in the editor's log of this server (default `info`) or on the terminal (default
    /// `warn`). The option `--log` and the variable `PILLION_LOG` go over it. The log's file has `info` at least.
    pub log_level: Option<LogLevel>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    Off,
    /// What failed.
    Error,
    /// What may be wrong.
    Warn,
    /// What may be good to know.
    Info,
    /// What helps to find a mistake in Pillion.
    Debug,
    /// Everything.
    Trace,
}

/// How much happens without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    // From the strictest to the laxest.
    /// Nothing that changes anything may run.
    Plan,
    /// Reading inside the roots is allowed, everything else asks.
    #[default]
    Ask,
    /// Edits inside the roots are allowed too, except to files that other programs run.
    #[serde(alias = "accept-edits", alias = "accept_edits")]
    AcceptEdits,
    /// Everything inside the roots is allowed; what leaves them asks, and so do edits to files that other programs run.
    Auto,
}

/// How hard the model thinks. Where it knows fewer levels, it gets the nearest it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    Max,
}

/// How long the provider is asked to keep the prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Cache {
    Off,
    /// Five minutes, refreshed by each use.
    Short,
    /// One hour for what does not change.
    Long,
}

/// A time in seconds, fractions allowed.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "f64")]
pub struct Seconds(#[schemars(range(min = 0))] f64);

/// When a model call is tried again. Waits are random, up to what is said here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
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

/// When and how a conversation is made shorter, so that it fits the model's context.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct CompactionSettings {
    /// False leaves it to `session/compact` (default true).
    pub auto: Option<bool>,
    /// The share of the model's context at which it happens by itself, from 0.1 to 1 (default 0.8).
    pub at: Option<Share>,
    /// How many of the last model calls stay as they are (default 4).
    pub keep_recent: Option<u32>,
    /// The model that summarises, as `provider/model`; the session's own when absent.
    pub model: Option<String>,
}

/// A part of something, from 0.1 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "f64")]
pub struct Share(#[schemars(range(min = 0.1, max = 1.0))] pub f64);

/// What is known of a model. Prices are US dollars for a million tokens; what is not set is as the built-in table has it,
/// and unknown if it is not there either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ModelSettings {
    /// The most tokens that a prompt may have.
    pub window: Option<u64>,
    /// The most tokens of one answer.
    pub max_output: Option<u64>,
    pub input_price: Option<Price>,
    pub output_price: Option<Price>,
    /// For tokens read from the provider's cache.
    pub cache_read_price: Option<Price>,
    /// For tokens written to it.
    pub cache_write_price: Option<Price>,
    /// For tokens written to it for an hour.
    pub cache_write_long_price: Option<Price>,
}

/// US dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "f64", into = "f64")]
pub struct Price(#[schemars(with = "f64", range(min = 0))] catalog::Price);

/// Where models come from. A name that Pillion knows (`anthropic`, `openai`, `ollama` and others) needs no more than a
/// key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct ProviderSettings {
    /// The wire format; a known name has its own, any other is `openai`.
    pub kind: Option<Kind>,
    /// For example `https://api.anthropic.com/v1`.
    pub base_url: Option<String>,
    /// The key itself. Better kept in a variable or behind a command.
    #[schemars(with = "Option<String>")]
    #[serde(serialize_with = "hidden")]
    pub api_key: Option<Key>,
    /// The name of an environment variable that holds the key.
    pub api_key_env: Option<String>,
    /// A command line that prints the key, for example `pass show anthropic`.
    pub api_key_command: Option<String>,
    /// Sent with each call.
    #[serde(serialize_with = "hidden_values")]
    pub headers: BTreeMap<String, String>,
    /// As `proxy` of all, for this one.
    pub proxy: Option<String>,
    /// As `ca_file` of all, for this one.
    pub ca_file: Option<PathBuf>,
    /// Models to offer; the first is the default.
    pub models: Vec<String>,
    /// For `scripted`: the file with the answers. A relative path is relative to the settings' file.
    pub script: Option<PathBuf>,
}

/// An MCP server: a program to start, or an address. Its tools are named `mcp__name__tool`, and each call of them asks
/// like a shell command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct McpSettings {
    /// The program; spoken to over its standard input and output.
    pub command: Option<String>,
    pub args: Option<Vec<String>>,
    /// Set for the program, beside the environment, from which keys are withheld. `${NAME}` stands for what the variable
    /// `NAME` holds.
    #[serde(serialize_with = "hidden_values")]
    pub env: BTreeMap<String, String>,
    /// Where the program runs (default: the first root).
    pub directory: Option<PathBuf>,
    /// The address of a server that speaks streamable HTTP.
    pub url: Option<String>,
    /// Sent to the address with each call. `${NAME}` stands for what the variable `NAME` holds, which commands do not get
    /// to know then.
    #[serde(serialize_with = "hidden_values")]
    pub headers: BTreeMap<String, String>,
    /// Whether it is started (default true).
    pub enabled: Option<bool>,
    /// Seconds that it may be silent while a call runs (default 60).
    pub timeout: Option<Seconds>,
    /// Offers only these of its tools; globs on the names that it gives them.
    pub tools: Option<Vec<String>>,
    /// Never offers these of its tools; globs on the names that it gives them.
    pub hidden_tools: Vec<String>,
    /// Whether it may ask for an answer of the model (default false). You are asked each time.
    pub sampling: Option<bool>,
}

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions.
    Openai,
    /// OpenAI's Responses.
    Responses,
    /// Google's Gemini API.
    Gemini,
    /// No model at all: answers from a file, for tests and demonstrations.
    Scripted,
}

/// A secret is told apart from another, and not told: what hides it is only the beginning.
fn mark(secret: impl std::hash::Hash) -> String {
    use std::hash::{BuildHasher, RandomState};
    static KEYS: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::new);
    format!("{HIDDEN}{:x}", KEYS.hash_one(secret))
}

fn hidden<S: Serializer>(key: &Option<Key>, serializer: S) -> Result<S::Ok, S::Error> {
    key.as_ref().map(mark).serialize(serializer)
}

/// Headers and variables are where tokens stand.
fn hidden_values<S: Serializer>(values: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(values.iter().map(|(name, value)| (name, mark(value))))
}

impl Settings {
    /// How much the model is to reason, where that is said; a budget of 0 means not at all.
    pub(super) fn thinking(&self) -> Option<Thinking> {
        let effort = self.thinking_effort.map(|effort| Thinking::Effort(effort.into()));
        effort.or(self.thinking_tokens.map(Thinking::Budget))
    }

    /// Puts another layer over this one.
    pub(super) fn take_over(&mut self, over: Self) {
        let Self {
            model,
            mode,
            turn_limit,
            max_tokens,
            temperature,
            thinking_tokens,
            thinking_effort,
            fallback,
            proxy,
            ca_file,
            instruction_files,
            cache,
            connect_timeout,
            idle_timeout,
            background_after,
            retry,
            compaction,
            providers,
            models,
            mcp,
            hooks,
            budgets,
            web_fetch,
            log_level,
        } = over;
        self.hooks.extend(hooks);
        self.budgets.extend(budgets);
        take(&mut self.web_fetch.allow_hosts, web_fetch.allow_hosts);
        take(&mut self.web_fetch.proxy, web_fetch.proxy);
        take(&mut self.log_level, log_level);
        take(&mut self.model, model);
        take(&mut self.mode, mode);
        take(&mut self.turn_limit, turn_limit);
        take(&mut self.max_tokens, max_tokens);
        take(&mut self.temperature, temperature);
        // Either way to say it replaces the other.
        if thinking_tokens.is_some() || thinking_effort.is_some() {
            (self.thinking_tokens, self.thinking_effort) = (thinking_tokens, thinking_effort);
        }
        take(&mut self.fallback, fallback);
        take(&mut self.proxy, proxy);
        take(&mut self.ca_file, ca_file);
        take(&mut self.instruction_files, instruction_files);
        take(&mut self.cache, cache);
        take(&mut self.connect_timeout, connect_timeout);
        take(&mut self.idle_timeout, idle_timeout);
        take(&mut self.background_after, background_after);
        take(&mut self.retry.tries, retry.tries);
        take(&mut self.retry.first_wait, retry.first_wait);
        take(&mut self.retry.longest_wait, retry.longest_wait);
        take(&mut self.retry.longest_asked_wait, retry.longest_asked_wait);
        take(&mut self.compaction.auto, compaction.auto);
        take(&mut self.compaction.at, compaction.at);
        take(&mut self.compaction.keep_recent, compaction.keep_recent);
        take(&mut self.compaction.model, compaction.model);
        for (name, model) in models {
            self.models.entry(name).or_default().take_over(model);
        }
        for (name, provider) in providers {
            self.providers.entry(name).or_default().take_over(provider);
        }
        for (name, server) in mcp {
            self.mcp.entry(name).or_default().take_over(server);
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
        let Self { kind, base_url, api_key, api_key_env, api_key_command, headers, proxy, ca_file, models, script } =
            over;
        // A way to the key replaces the other ways to it.
        if api_key.is_some() || api_key_env.is_some() || api_key_command.is_some() {
            (self.api_key, self.api_key_env, self.api_key_command) = (api_key, api_key_env, api_key_command);
        }
        take(&mut self.kind, kind);
        take(&mut self.base_url, base_url);
        take(&mut self.script, script);
        take(&mut self.proxy, proxy);
        take(&mut self.ca_file, ca_file);
        self.headers.extend(headers);
        if !models.is_empty() {
            self.models = models;
        }
    }
}

impl ModelSettings {
    fn take_over(&mut self, over: Self) {
        let Self { window, max_output, input_price, output_price, cache_read_price, .. } = over;
        take(&mut self.window, window);
        take(&mut self.max_output, max_output);
        take(&mut self.input_price, input_price);
        take(&mut self.output_price, output_price);
        take(&mut self.cache_read_price, cache_read_price);
        take(&mut self.cache_write_price, over.cache_write_price);
        take(&mut self.cache_write_long_price, over.cache_write_long_price);
    }
}

impl McpSettings {
    fn take_over(&mut self, over: Self) {
        let Self { command, args, env, directory, url, headers, enabled, timeout, tools, hidden_tools, sampling } =
            over;
        // Another way to it replaces the first.
        if command.is_some() || url.is_some() {
            (self.command, self.url) = (command, url);
        }
        take(&mut self.args, args);
        self.env.extend(env);
        take(&mut self.directory, directory);
        self.headers.extend(headers);
        take(&mut self.enabled, enabled);
        take(&mut self.timeout, timeout);
        take(&mut self.tools, tools);
        self.hidden_tools.extend(hidden_tools);
        take(&mut self.sampling, sampling);
    }

    /// Takes out what somebody else than the person may not say, and gives its names: anything but that a server is
    /// switched off, or tools of it are hidden.
    pub(super) fn only_stricter(&mut self) -> Vec<&'static str> {
        let said = std::mem::take(self);
        let mut refused = Vec::new();
        let mut refuse = |is_said: bool, name| {
            if is_said {
                refused.push(name);
            }
        };
        refuse(said.command.is_some(), "command");
        refuse(said.args.is_some(), "args");
        refuse(!said.env.is_empty(), "env");
        refuse(said.directory.is_some(), "directory");
        refuse(said.url.is_some(), "url");
        refuse(!said.headers.is_empty(), "headers");
        refuse(said.enabled == Some(true), "enabled");
        refuse(said.timeout.is_some(), "timeout");
        refuse(said.tools.is_some(), "tools");
        refuse(said.sampling.is_some(), "sampling");
        self.enabled = said.enabled.filter(|enabled| !enabled);
        self.hidden_tools = said.hidden_tools;
        refused
    }
}

fn take<T>(slot: &mut Option<T>, over: Option<T>) {
    if over.is_some() {
        *slot = over;
    }
}

impl Mode {
    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_value(text.trim().into()).ok()
    }
}

impl Kind {
    /// `None` if no server is asked.
    pub(super) fn api(self) -> Option<Api> {
        match self {
            Self::Anthropic => Some(Api::Anthropic),
            Self::Openai => Some(Api::Chat),
            Self::Responses => Some(Api::Responses),
            Self::Gemini => Some(Api::Gemini),
            Self::Scripted => None,
        }
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

impl From<permission::Mode> for Mode {
    fn from(mode: permission::Mode) -> Self {
        match mode {
            permission::Mode::Plan => Self::Plan,
            permission::Mode::Ask => Self::Ask,
            permission::Mode::AcceptEdits => Self::AcceptEdits,
            permission::Mode::Auto => Self::Auto,
        }
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::OFF,
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

impl From<Effort> for provider::Effort {
    fn from(effort: Effort) -> Self {
        match effort {
            Effort::Minimal => Self::Minimal,
            Effort::Low => Self::Low,
            Effort::Medium => Self::Medium,
            Effort::High => Self::High,
            Effort::Max => Self::Max,
        }
    }
}

impl From<Cache> for provider::Cache {
    fn from(cache: Cache) -> Self {
        match cache {
            Cache::Off => Self::disabled(),
            Cache::Short => Self::kept_for(Retention::Short),
            Cache::Long => Self::kept_for(Retention::Extended),
        }
    }
}

impl From<ModelSettings> for catalog::Facts {
    fn from(model: ModelSettings) -> Self {
        let price = |price: Option<Price>| price.map(|Price(price)| price);
        let prices = catalog::Prices {
            input: price(model.input_price),
            output: price(model.output_price),
            cache_read: price(model.cache_read_price),
            cache_write: price(model.cache_write_price),
            cache_write_long: price(model.cache_write_long_price),
        };
        Self { window: model.window, max_output: model.max_output, prices, long_prompts: None }
    }
}

impl TryFrom<f64> for Price {
    type Error = &'static str;

    fn try_from(dollars: f64) -> Result<Self, Self::Error> {
        catalog::Price::from_dollars(dollars).map(Self).ok_or("not a price")
    }
}

impl From<Price> for f64 {
    fn from(Price(price): Price) -> Self {
        price.dollars()
    }
}

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(share: f64) -> Result<Self, Self::Error> {
        (0.1..=1.0).contains(&share).then_some(Self(share)).ok_or("not a share")
    }
}

impl TryFrom<f64> for Seconds {
    type Error = std::time::TryFromFloatSecsError;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        Duration::try_from_secs_f64(seconds).map(|_| Self(seconds))
    }
}

impl From<Duration> for Seconds {
    fn from(duration: Duration) -> Self {
        Self(duration.as_secs_f64())
    }
}

impl From<Seconds> for Duration {
    fn from(Seconds(seconds): Seconds) -> Self {
        Self::try_from_secs_f64(seconds).unwrap_or_default()
    }
}
