//! From `provider/model` to something that answers.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;

use super::{
    Config, Warning,
    mcp::Way,
    models, recording, secrets,
    settings::{Kind, ProviderSettings},
    shown,
};
use crate::{
    process::{self, Command, Exit},
    provider::{
        Provider,
        catalog::{Catalog, Facts},
        http::{self, Certificates, Limits, Proxy, Route},
        key::{Key, KeyCommand, KeySource},
        presets::{self, Api, Preset},
        scripted::{self, Scripted},
    },
};

/// What a program that prints a key may take: the person may have to unlock something first. Chosen by taste.
const KEY_COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// The providers that are set up, each opened when it is first asked for and kept for as long as its settings stay.
#[derive(Default)]
pub struct Providers {
    model: Option<String>,
    settings: BTreeMap<String, ProviderSettings>,
    limits: Limits,
    catalog: Arc<Catalog>,
    /// The ways to all of them that do not name their own.
    proxy: Option<String>,
    ca_file: Option<PathBuf>,
    user_file: Option<PathBuf>,
    open: Mutex<BTreeMap<String, Arc<dyn Provider>>>,
}

/// A model that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// `provider/model`.
    pub id: String,
    pub provider: String,
    /// False if it cannot be asked yet; `hint` then says what to set.
    pub ready: bool,
    pub hint: Option<String>,
    pub facts: Facts,
}

/// Why there is nothing to ask. Says what to set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error(
        "{model:?} does not say which provider it is of. Models are named provider/model, for example \
         anthropic/claude-sonnet-4-5."
    )]
    NoProvider { model: String },
    #[error(
        "There is no provider {name:?}. Known are {known}. For another, set [providers.{name}] base_url in {file}."
    )]
    UnknownProvider { name: String, known: String, file: String },
    #[error("{name} needs a key. {advice}")]
    NoKey { name: String, advice: String },
    #[error("The address of {name} is different for each account. Set [providers.{name}] base_url in {file}.")]
    NoAddress { name: String, file: String },
    #[error(
        "{name} speaks another format than `kind` says. Call the section by another name, and set its base_url, in {file}."
    )]
    WrongKind { name: String, file: String },
    #[error("{name} plays a script. Set [providers.{name}] kind = \"scripted\" and script = \"FILE\" in {file}.")]
    NoScript { name: String, file: String },
    #[error("The proxy of {name} cannot be used: {error}. Correct `proxy` in {file}.")]
    Proxy { name: String, error: String, file: String },
    #[error("The certificates {} for {name} cannot be used: {error}. Correct `ca_file`.", path.display())]
    Certificates { name: String, path: PathBuf, error: String },
    #[error("The script {} of {name} cannot be played: {error}", path.display())]
    Script { name: String, path: PathBuf, error: String },
}

impl Providers {
    pub fn new(config: &Config) -> Self {
        let mut providers = Self::default();
        providers.configure(config);
        providers
    }

    /// Takes over new settings. A provider whose settings stay is kept, with what it has learnt: a key that a command
    /// printed, its place in a script.
    pub fn configure(&mut self, config: &Config) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        secrets::hide_those_of(config);
        let same = (config.limits, &config.proxy, &config.ca_file) == (self.limits, &self.proxy, &self.ca_file);
        open.retain(|name, _| same && config.providers.get(name) == self.settings.get(name));
        self.proxy.clone_from(&config.proxy);
        self.ca_file.clone_from(&config.ca_file);
        self.model.clone_from(&config.model);
        self.settings.clone_from(&config.providers);
        self.limits = config.limits;
        self.catalog = config.catalog.clone();
        self.user_file.clone_from(&config.user_file);
    }

    /// The provider that `provider/model` names, and its own name of the model. Does not touch the network. A model that
    /// only plays a script is never a stand-in for another.
    ///
    /// # Errors
    /// If nothing could be asked; the error says what to set.
    pub fn get(&self, model: &str) -> Result<(Arc<dyn Provider>, String), ModelError> {
        let (name, model) = match model.split_once('/') {
            Some((name, model)) if !name.is_empty() && !model.is_empty() => (name, model),
            _ => return Err(ModelError::NoProvider { model: model.to_owned() }),
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let provider = match open.get(name) {
            Some(provider) => provider.clone(),
            None => open.entry(name.to_owned()).or_insert(recording::recorded(self.open(name)?)).clone(),
        };
        Ok((provider, model.to_owned()))
    }

    /// What is wrong with the models that are set, and with the ways to them, as far as that can be seen from here.
    pub fn check(config: &Config) -> Vec<Warning> {
        let providers = Self::new(config);
        let mut warnings = Vec::new();
        let mut warn = |place: &str, message: String| warnings.push(Warning { place: place.to_owned(), message });
        let of_all = config.model.iter().map(|model| ("model", model));
        let of_fallback = config.fallback.iter().map(|model| ("fallback", model));
        let of_compaction = config.compaction.model.iter().map(|model| ("compaction.model", model));
        for (place, model) in of_all.chain(of_fallback).chain(of_compaction) {
            match providers.get(model) {
                // A wrong proxy is told with its line, where the settings are read.
                Ok(_) | Err(ModelError::Proxy { .. }) => {}
                Err(error) => warn(place, error.to_string()),
            }
        }
        if let Err(error) = (Way { proxy: None, ca_file: config.ca_file.as_deref() }).to("") {
            warn("the way to all servers", format!("{error}. Correct it in {}.", shown(config.user_file.as_deref())));
        }
        warnings
    }

    /// The model of a new session: the one that is set, else the first one of the only provider that there is a key or a
    /// section in the settings for.
    pub fn default_model(&self) -> Option<String> {
        if let Some(model) = &self.model {
            return Some(model.clone());
        }
        let mut set_up = self.settings.keys().filter_map(|name| Some((name, self.models_of(name).next()?)));
        let (name, model) = set_up.by_ref().find(|(name, _)| self.may_be_default(name))?;
        let is_only = !set_up.any(|(name, _)| self.may_be_default(name));
        is_only.then(|| format!("{name}/{model}"))
    }

    /// What to do when there is no default model.
    pub fn hint(&self) -> String {
        let choices: Vec<String> = self
            .settings
            .keys()
            .filter(|name| self.may_be_default(name))
            .filter_map(|name| Some(format!("{name}/{}", self.models_of(name).next()?)))
            .collect();
        let file = shown(self.user_file.as_deref());
        match choices.as_slice() {
            [] => format!(
                "No model is set up. Set a provider's key and a model, for example:\n  \
                 export ANTHROPIC_API_KEY=...\n  \
                 export PILLION_MODEL=anthropic/claude-sonnet-4-5\n\
                 and start Pillion anew, or write them into {file}. Without any key: run a model with Ollama and set \
                 PILLION_MODEL=ollama/NAME, or see an approval by a script with PILLION_MODEL=scripted/hello."
            ),
            choices => format!(
                "Several providers are set up, and it is not said which model to use. Set PILLION_MODEL, or `model` in \
                 {file}, for example to {}.",
                choices.join(" or ")
            ),
        }
    }

    /// Models to choose from: the default first, then those that are ready, then those that lack a key.
    pub fn models(&self) -> Vec<Model> {
        let presets = presets::PRESETS.iter().map(|preset| preset.name);
        let own = self.settings.keys().map(String::as_str).filter(|name| presets::find(name).is_none());
        let mut models: Vec<Model> = self.default_model().iter().map(|id| self.listed(id)).collect();
        for name in presets.chain(own) {
            for model in self.models_of(name) {
                let id = format!("{name}/{model}");
                if models.iter().all(|model| model.id != id) {
                    models.push(self.listed(&id));
                }
            }
        }
        if self.default_model().is_none() {
            // What works with nothing set up.
            models.push(self.listed(&format!("{}/hello", scripted::NAME)));
        }
        // Stable: the default stays first among its like.
        models.sort_by_key(|model| !model.ready);
        models
    }

    /// Makes ready what the first call to the default model needs and what takes a while, on a thread that may wait.
    pub fn warm(&self) {
        let Some(model) = self.default_model() else { return };
        let Some((name, _)) = model.split_once('/') else { return };
        let settings = self.settings.get(name);
        let base = base(name, settings.and_then(|settings| settings.kind));
        let base_url = settings.and_then(|settings| settings.base_url.clone());
        let base_url = base_url.or_else(|| base.and_then(|base| base.base_url).map(str::to_owned));
        let is_scripted = settings.is_some_and(|settings| settings.kind == Some(Kind::Scripted));
        let limits = self.limits;
        let route = base_url.as_deref().map(|base_url| self.route(name, base_url)).unwrap_or(Ok(Route::default()));
        let Ok(route) = route else { return };
        if let (Some(base_url), Ok(runtime), false) = (base_url, tokio::runtime::Handle::try_current(), is_scripted) {
            runtime.spawn_blocking(move || http::warm(&base_url, limits, &route));
        }
    }

    fn listed(&self, id: &str) -> Model {
        let (name, model) = id.split_once('/').unwrap_or((id, ""));
        let hint = self.trouble(name).map(|error| error.to_string());
        let facts = self.catalog.facts(name, model);
        Model { id: id.to_owned(), provider: name.to_owned(), ready: hint.is_none(), hint, facts }
    }

    fn models_of<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let settings = self.settings.get(name);
        let set = settings.map(|settings| settings.models.as_slice()).unwrap_or_default();
        let base = base(name, settings.and_then(|settings| settings.kind));
        let suggested = if set.is_empty() { base.map_or(&[][..], |base| models::suggested(base.name)) } else { &[] };
        set.iter().map(String::as_str).chain(suggested.iter().copied())
    }

    /// Only a model that really answers is taken without being named.
    fn may_be_default(&self, name: &str) -> bool {
        let kind = self.settings.get(name).and_then(|settings| settings.kind);
        kind != Some(Kind::Scripted) && name != scripted::NAME && self.trouble(name).is_none()
    }

    /// What keeps this provider from being asked, as far as that can be seen from here.
    fn trouble(&self, name: &str) -> Option<ModelError> {
        let settings = self.settings.get(name);
        let kind = settings.and_then(|settings| settings.kind);
        let (name, file) = (name.to_owned(), shown(self.user_file.as_deref()));
        if name == scripted::NAME && kind.is_none() {
            return None;
        }
        if kind == Some(Kind::Scripted) {
            let has_script = settings.is_some_and(|settings| settings.script.is_some());
            return (!has_script).then_some(ModelError::NoScript { name, file });
        }
        let has_address = settings.is_some_and(|settings| settings.base_url.is_some());
        let base = base(&name, kind);
        let api = kind.and_then(Kind::api);
        if let (Some(base), Some(api)) = (base, api)
            && !base.api.is_like(api)
            // A key must not go where its owner does not expect it.
            && (base.api == Api::Anthropic || !has_address)
        {
            return Some(ModelError::WrongKind { name, file });
        }
        // Somebody who gives an address knows whether there is a key to it.
        if has_address {
            return None;
        }
        let Some(base) = base else {
            let known = presets::PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ");
            return Some(ModelError::UnknownProvider { name, known, file });
        };
        if base.base_url.is_none() {
            return Some(ModelError::NoAddress { name, file });
        }
        let has_key = settings.is_some_and(|settings| {
            let in_header = settings.headers.keys().any(|header| {
                ["authorization", "x-api-key", "x-goog-api-key", "api-key"]
                    .iter()
                    .any(|known| header.eq_ignore_ascii_case(known))
            });
            settings.api_key.is_some() || settings.api_key_command.is_some() || in_header
        });
        if has_key || base.key_variable.is_none() {
            return None;
        }
        let advice = match variable(&name, settings) {
            Some(variable) => format!(
                "Set it with `export {variable}=...` and start Pillion anew, or set [providers.{name}] api_key_command \
                 in {file}."
            ),
            None => format!("Set [providers.{name}] api_key_env or api_key_command in {file}."),
        };
        Some(ModelError::NoKey { name, advice })
    }

    /// The way to a provider's server. A proxy for all is none for servers on this machine.
    fn route(&self, name: &str, base_url: &str) -> Result<Route, ModelError> {
        let settings = self.settings.get(name);
        let own = settings.and_then(|settings| settings.proxy.as_ref());
        let is_local = || http::is_on_this_machine(base_url);
        let proxy = match own.or_else(|| self.proxy.as_ref().filter(|_| !is_local())) {
            None => Proxy::System,
            Some(proxy) => Proxy::parse(proxy).map_err(|error| ModelError::Proxy {
                name: name.to_owned(),
                error,
                file: shown(self.user_file.as_deref()),
            })?,
        };
        let ca_file = settings.and_then(|settings| settings.ca_file.as_ref()).or(self.ca_file.as_ref());
        let certificates = ca_file.map(|path| {
            #[allow(clippy::disallowed_methods, reason = "it is part of the settings")]
            let pem = std::fs::read(path).map_err(|error| error.to_string());
            pem.and_then(|pem| Certificates::from_pem(&pem)).map_err(|error| ModelError::Certificates {
                name: name.to_owned(),
                path: path.clone(),
                error,
            })
        });
        Ok(Route { proxy, certificates: certificates.transpose()? })
    }

    fn open(&self, name: &str) -> Result<Arc<dyn Provider>, ModelError> {
        if let Some(error) = self.trouble(name) {
            return Err(error);
        }
        let settings = self.settings.get(name).cloned().unwrap_or_default();
        if let (Some(Kind::Scripted), Some(path)) = (settings.kind, &settings.script) {
            return script(name, path);
        }
        if name == scripted::NAME && settings.kind.is_none() {
            return Ok(Arc::new(Scripted::try_out()));
        }
        let base = base(name, settings.kind);
        let key = key(name, &settings);
        let headers = settings.headers.into_iter().collect();
        let api = settings.kind.and_then(Kind::api);
        // A second account somewhere is at the address of its kind.
        let of_kind = base.filter(|base| base.name != name).and_then(|base| base.base_url);
        let base_url = settings.base_url.or_else(|| of_kind.map(str::to_owned));
        // Other programs want Anthropic's address without its version.
        let is_anthropic = api.or(base.map(|base| base.api)) == Some(Api::Anthropic);
        let base_url = base_url.map(|base_url| if is_anthropic { with_version(&base_url) } else { base_url });
        let address = base_url.as_deref().or(base.and_then(|base| base.base_url));
        let route = self.route(name, address.unwrap_or_default())?;
        let opened = presets::open(presets::Settings {
            name: name.to_owned(),
            api,
            base_url,
            key,
            headers,
            limits: self.limits,
            route,
        });
        opened.map_err(|_| ModelError::NoAddress { name: name.to_owned(), file: shown(self.user_file.as_deref()) })
    }
}

/// What is known of a provider: by its name, else, for a second account somewhere, by its kind.
fn base(name: &str, kind: Option<Kind>) -> Option<&'static Preset> {
    let of_kind = || match kind? {
        Kind::Anthropic => presets::find("anthropic"),
        Kind::Openai | Kind::Responses => presets::find("openai"),
        Kind::Gemini => presets::find("gemini"),
        Kind::Scripted => None,
    };
    presets::find(name).or_else(of_kind)
}

/// The variable that holds the key.
fn variable<'a>(name: &str, settings: Option<&'a ProviderSettings>) -> Option<&'a str> {
    let named = settings.and_then(|settings| settings.api_key_env.as_deref());
    named.or_else(|| presets::find(name).and_then(|preset| preset.key_variable))
}

/// Where the key comes from, if anything says.
fn key(name: &str, settings: &ProviderSettings) -> Option<KeySource> {
    match (&settings.api_key, &settings.api_key_command) {
        (Some(key), _) => Some(KeySource::Value(key.clone())),
        (None, Some(line)) => Some(KeySource::Command(command(line.clone()))),
        (None, None) => variable(name, Some(settings)).map(|variable| KeySource::Environment(variable.to_owned())),
    }
}

pub(super) fn command(line: String) -> KeyCommand {
    KeyCommand::new(move || {
        let command = Command::shell(&line).with_secrets();
        async move {
            let printed = process::capture(command, KEY_COMMAND_LIMIT).await;
            let printed = printed.map_err(|error| format!("The program that should print the key failed: {error}."))?;
            let complaint = String::from_utf8_lossy(&printed.stderr);
            let complaint = complaint.lines().next_back().unwrap_or("it said nothing").trim().to_owned();
            match printed.exit {
                Exit::Code(0) => Key::new(&String::from_utf8_lossy(&printed.stdout))
                    .inspect(|key| secrets::hide([key.clone()]))
                    .ok_or_else(|| format!("The program that should print the key printed nothing ({complaint}).")),
                Exit::Code(code) => {
                    Err(format!("The program that should print the key failed (exit code {code}): {complaint}."))
                }
                Exit::Signal(signal) => {
                    Err(format!("The program that should print the key was ended by signal {signal}."))
                }
            }
        }
        .boxed()
    })
}

fn with_version(base_url: &str) -> String {
    let trimmed = base_url.trim_end_matches('/');
    if trimmed.ends_with("/v1") { trimmed.to_owned() } else { format!("{trimmed}/v1") }
}

#[allow(clippy::disallowed_methods, reason = "a script is part of the settings")]
fn script(name: &str, path: &std::path::Path) -> Result<Arc<dyn Provider>, ModelError> {
    let failed = |error: String| ModelError::Script { name: name.to_owned(), path: path.to_owned(), error };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let scripted = Scripted::parse(&text).map_err(|error| failed(error.to_string()))?;
    Ok(Arc::new(scripted.named(name)))
}
