//! The providers known by name, as data, and how one is opened.

use std::sync::Arc;

use super::{
    Provider,
    anthropic::Anthropic,
    cache::Caching,
    gemini::Gemini,
    http::{Auth, Endpoint, Limits, Route},
    key::KeySource,
    openai::{GiveBack, LimitField, OpenAi, Quirks, ReasoningField},
    responses::Responses,
};

/// A provider known by name. What is particular about it is here, and nowhere in code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    /// `None` where each account has its own.
    pub base_url: Option<&'static str>,
    /// The environment variable with the key; `None` where no key is needed.
    pub key_variable: Option<&'static str>,
    /// The wire format at `base_url`.
    pub api: Api,
    /// The wire format at another address that somebody gives under this name.
    pub elsewhere: Api,
    pub auth: Auth,
    /// In chat completions, and in Responses as far as they have these things.
    pub quirks: Quirks,
}

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Google's `generateContent`.
    Gemini,
}

/// What configuration says about a provider, over its preset.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A preset's name, or any name together with `base_url`.
    pub name: String,
    /// The wire format; the preset's without, or chat completions.
    pub api: Option<Api>,
    pub base_url: Option<String>,
    pub key: Option<KeySource>,
    pub headers: Vec<(String, String)>,
    pub limits: Limits,
    pub route: Route,
}

/// The settings name no provider that could be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("There is no provider `{0}`. Use one of {known}, or set its `base_url`.", known = names())]
    Unknown(String),
    #[error("The address of `{0}` is different for each account. Set its `base_url`.")]
    NoBaseUrl(String),
}

/// The preset of this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Opens a provider. Does not touch the network; a missing key shows at the first call.
///
/// ```
/// use pillion::provider::presets::{Api, Settings, open};
///
/// // Known by name: where it is, which variable holds the key, what it speaks.
/// let gemini = open(Settings { name: "gemini".into(), ..Settings::default() })?;
/// assert_eq!(gemini.name(), "gemini");
///
/// // Any other by its address and what is spoken there.
/// let work = open(Settings {
///     name: "work".into(),
///     api: Some(Api::Responses),
///     base_url: Some("https://models.example/v1".into()),
///     ..Settings::default()
/// })?;
/// assert_eq!(work.name(), "work");
/// # Ok::<(), pillion::provider::presets::SettingsError>(())
/// ```
///
/// # Errors
/// If neither a preset nor the settings say where it is.
pub fn open(settings: Settings) -> Result<Arc<dyn Provider>, SettingsError> {
    let preset = find(&settings.name);
    let same = |one: &str, other: &str| one.trim_end_matches('/') == other.trim_end_matches('/');
    let own = preset.and_then(|preset| preset.base_url);
    let is_elsewhere = settings.base_url.as_deref().is_some_and(|given| own.is_none_or(|own| !same(given, own)));
    let base_url = match (settings.base_url, preset) {
        (Some(base_url), _) => base_url,
        (None, None) => return Err(SettingsError::Unknown(settings.name)),
        (None, Some(preset)) => match preset.base_url {
            Some(base_url) => base_url.to_owned(),
            None => return Err(SettingsError::NoBaseUrl(settings.name)),
        },
    };
    let of_preset = preset.map(|preset| if is_elsewhere { preset.elsewhere } else { preset.api });
    let api = settings.api.or(of_preset).unwrap_or(Api::Chat);
    let like_preset = preset.filter(|preset| preset.api.is_like(api) || preset.elsewhere.is_like(api));
    let variable = preset.and_then(|preset| preset.key_variable);
    let endpoint = Endpoint {
        name: settings.name,
        base_url,
        key: settings
            .key
            .unwrap_or_else(|| variable.map_or(KeySource::None, |name| KeySource::Environment(name.into()))),
        needs_key: variable.is_some() || (preset.is_none() && api.auth() != Auth::Bearer),
        auth: like_preset.map_or(api.auth(), |preset| preset.auth),
        headers: settings.headers,
        limits: settings.limits,
        route: settings.route,
    };
    let quirks = like_preset.map_or(PLAIN, |preset| preset.quirks);
    Ok(match api {
        Api::Anthropic => Arc::new(Anthropic::new(endpoint)),
        Api::Chat => Arc::new(OpenAi::new(endpoint, quirks)),
        // Whoever speaks it says so, and its words for caching are a part of it.
        Api::Responses => Arc::new(Responses::new(endpoint, like_preset.map_or(Caching::Key, |_| quirks.caching))),
        Api::Gemini => Arc::new(Gemini::new(endpoint)),
    })
}

impl Api {
    /// The header that its inventor takes the key in.
    fn auth(self) -> Auth {
        match self {
            Self::Anthropic => Auth::Header("x-api-key"),
            Self::Gemini => Auth::Header("x-goog-api-key"),
            Self::Chat | Self::Responses => Auth::Bearer,
        }
    }

    /// True for formats that are found side by side at one address.
    pub fn is_like(self, other: Self) -> bool {
        let is_openai = |api| matches!(api, Self::Chat | Self::Responses);
        self == other || (is_openai(self) && is_openai(other))
    }
}

fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

const PLAIN: Quirks = Quirks {
    limit: LimitField::MaxTokens,
    no_stream_options: false,
    reasoning: ReasoningField::None,
    give_back: GiveBack::Nothing,
    caching: Caching::Unknown,
    short_call_ids: false,
};
const OPENAI: Quirks = Quirks {
    limit: LimitField::MaxCompletionTokens,
    reasoning: ReasoningField::Effort,
    caching: Caching::Key,
    ..PLAIN
};
/// Keeps prompts unasked.
const KEEPS: Quirks = Quirks { caching: Caching::Implicit, ..PLAIN };
const ECHO: Quirks = Quirks { give_back: GiveBack::Content, ..KEEPS };

/// A server that speaks chat completions; what differs is put over it.
const CHAT: Preset = Preset {
    name: "",
    base_url: None,
    key_variable: None,
    api: Api::Chat,
    elsewhere: Api::Chat,
    auth: Auth::Bearer,
    quirks: PLAIN,
};

const fn chat(
    name: &'static str,
    base_url: &'static str,
    key_variable: Option<&'static str>,
    quirks: Quirks,
) -> Preset {
    Preset { name, base_url: Some(base_url), key_variable, quirks, ..CHAT }
}

/// Addresses and variables as each provider's documentation gives them.
pub const PRESETS: &[Preset] = &[
    Preset {
        api: Api::Anthropic,
        elsewhere: Api::Anthropic,
        auth: Auth::Header("x-api-key"),
        ..chat("anthropic", "https://api.anthropic.com/v1", Some("ANTHROPIC_API_KEY"), PLAIN)
    },
    // OpenAI's own models find their reasoning again in Responses only. At another address under this name is, as a rule,
    // a server that is compatible with OpenAI, and what all of those speak is chat completions.
    Preset { api: Api::Responses, ..chat("openai", "https://api.openai.com/v1", Some("OPENAI_API_KEY"), OPENAI) },
    chat("openai-chat", "https://api.openai.com/v1", Some("OPENAI_API_KEY"), OPENAI),
    // `https://<resource>.openai.azure.com/openai/v1`; models are named by their deployments.
    Preset {
        name: "azure",
        key_variable: Some("AZURE_OPENAI_API_KEY"),
        auth: Auth::Header("api-key"),
        quirks: OPENAI,
        ..CHAT
    },
    chat(
        "openrouter",
        "https://openrouter.ai/api/v1",
        Some("OPENROUTER_API_KEY"),
        Quirks { reasoning: ReasoningField::Budget, give_back: GiveBack::Details, caching: Caching::Control, ..PLAIN },
    ),
    Preset {
        api: Api::Gemini,
        elsewhere: Api::Gemini,
        auth: Auth::Header("x-goog-api-key"),
        ..chat("gemini", "https://generativelanguage.googleapis.com/v1beta", Some("GEMINI_API_KEY"), PLAIN)
    },
    chat(
        "gemini-chat",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        Some("GEMINI_API_KEY"),
        Quirks { reasoning: ReasoningField::Effort, give_back: GiveBack::CallExtras, ..KEEPS },
    ),
    chat("deepseek", "https://api.deepseek.com/v1", Some("DEEPSEEK_API_KEY"), ECHO),
    chat("moonshot", "https://api.moonshot.ai/v1", Some("MOONSHOT_API_KEY"), ECHO),
    chat("zai", "https://api.z.ai/api/paas/v4", Some("ZAI_API_KEY"), ECHO),
    chat("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", Some("DASHSCOPE_API_KEY"), KEEPS),
    chat("groq", "https://api.groq.com/openai/v1", Some("GROQ_API_KEY"), KEEPS),
    chat(
        "mistral",
        "https://api.mistral.ai/v1",
        Some("MISTRAL_API_KEY"),
        Quirks { no_stream_options: true, short_call_ids: true, ..PLAIN },
    ),
    chat("together", "https://api.together.xyz/v1", Some("TOGETHER_API_KEY"), PLAIN),
    chat("fireworks", "https://api.fireworks.ai/inference/v1", Some("FIREWORKS_API_KEY"), KEEPS),
    chat("xai", "https://api.x.ai/v1", Some("XAI_API_KEY"), KEEPS),
    chat(
        "cerebras",
        "https://api.cerebras.ai/v1",
        Some("CEREBRAS_API_KEY"),
        Quirks { limit: LimitField::MaxCompletionTokens, ..PLAIN },
    ),
    chat("huggingface", "https://router.huggingface.co/v1", Some("HF_TOKEN"), PLAIN),
    chat("vercel", "https://ai-gateway.vercel.sh/v1", Some("AI_GATEWAY_API_KEY"), PLAIN),
    chat("ollama", "http://localhost:11434/v1", None, KEEPS),
    chat("lmstudio", "http://localhost:1234/v1", None, KEEPS),
    chat("llama.cpp", "http://localhost:8080/v1", None, ECHO),
    chat("vllm", "http://localhost:8000/v1", None, KEEPS),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_by_name_or_by_address() {
        let open = |name: &str, base_url: Option<&str>| {
            open(Settings { name: name.into(), base_url: base_url.map(Into::into), ..Settings::default() })
        };
        assert_eq!(open("anthropic", None).unwrap().name(), "anthropic");
        assert_eq!(open("mine", Some("http://10.0.0.1/v1")).unwrap().name(), "mine");
        assert_eq!(open("azure", None).err(), Some(SettingsError::NoBaseUrl("azure".into())));
        let unknown = open("opnai", None).err().unwrap();
        assert_eq!(unknown, SettingsError::Unknown("opnai".into()));
        assert!(unknown.to_string().contains("openai, openai-chat, azure"), "{unknown}");
    }

    #[test]
    fn names_are_unique() {
        for (index, preset) in PRESETS.iter().enumerate() {
            assert_eq!(PRESETS.iter().position(|other| other.name == preset.name), Some(index));
        }
    }
}
