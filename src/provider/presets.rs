//! The providers known by name, as data, and how one is opened.

use std::sync::Arc;

use super::{
    Provider,
    anthropic::Anthropic,
    http::{Auth, Endpoint, Limits},
    key::KeySource,
    openai::{GiveBack, LimitField, OpenAi, Quirks, ReasoningField},
};

/// A provider known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    pub name: &'static str,
    /// `None` where each account has its own.
    pub base_url: Option<&'static str>,
    /// The environment variable with the key; `None` where no key is needed.
    pub key_variable: Option<&'static str>,
    pub api: Api,
}

/// The wire format of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Anthropic,
    OpenAi(Quirks),
    /// OpenAI's wire format with Azure's header for the key.
    Azure(Quirks),
}

/// What configuration says about a provider, over its preset.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// A preset's name, or any name together with `base_url`: then a server that speaks chat completions.
    pub name: String,
    pub base_url: Option<String>,
    pub key: Option<KeySource>,
    pub headers: Vec<(String, String)>,
    pub limits: Limits,
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
/// # Errors
/// If neither a preset nor the settings say where it is.
pub fn open(settings: Settings) -> Result<Arc<dyn Provider>, SettingsError> {
    let preset = find(&settings.name);
    let base_url = match (settings.base_url, preset) {
        (Some(base_url), _) => base_url,
        (None, None) => return Err(SettingsError::Unknown(settings.name)),
        (None, Some(preset)) => match preset.base_url {
            Some(base_url) => base_url.to_owned(),
            None => return Err(SettingsError::NoBaseUrl(settings.name)),
        },
    };
    let api = preset.map_or(Api::OpenAi(PLAIN), |preset| preset.api);
    let variable = preset.and_then(|preset| preset.key_variable);
    let endpoint = Endpoint {
        name: settings.name,
        base_url,
        key: settings
            .key
            .unwrap_or_else(|| variable.map_or(KeySource::None, |name| KeySource::Environment(name.into()))),
        needs_key: variable.is_some(),
        auth: match api {
            Api::Anthropic => Auth::Header("x-api-key"),
            Api::Azure(_) => Auth::Header("api-key"),
            Api::OpenAi(_) => Auth::Bearer,
        },
        headers: settings.headers,
        limits: settings.limits,
    };
    Ok(match api {
        Api::Anthropic => Arc::new(Anthropic::new(endpoint)),
        Api::OpenAi(quirks) | Api::Azure(quirks) => Arc::new(OpenAi::new(endpoint, quirks)),
    })
}

fn names() -> String {
    PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", ")
}

const PLAIN: Quirks = Quirks {
    limit: LimitField::MaxTokens,
    no_stream_options: false,
    reasoning: ReasoningField::None,
    give_back: GiveBack::Nothing,
    cache_control: false,
    short_call_ids: false,
};
const OPENAI: Quirks = Quirks { limit: LimitField::MaxCompletionTokens, reasoning: ReasoningField::Effort, ..PLAIN };
const ECHO: Quirks = Quirks { give_back: GiveBack::Content, ..PLAIN };

const fn chat(
    name: &'static str,
    base_url: &'static str,
    key_variable: Option<&'static str>,
    quirks: Quirks,
) -> Preset {
    Preset { name, base_url: Some(base_url), key_variable, api: Api::OpenAi(quirks) }
}

/// Addresses and variables as each provider's documentation gives them.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "anthropic",
        base_url: Some("https://api.anthropic.com/v1"),
        key_variable: Some("ANTHROPIC_API_KEY"),
        api: Api::Anthropic,
    },
    chat("openai", "https://api.openai.com/v1", Some("OPENAI_API_KEY"), OPENAI),
    // `https://<resource>.openai.azure.com/openai/v1`; models are named by their deployments.
    Preset { name: "azure", base_url: None, key_variable: Some("AZURE_OPENAI_API_KEY"), api: Api::Azure(OPENAI) },
    chat(
        "openrouter",
        "https://openrouter.ai/api/v1",
        Some("OPENROUTER_API_KEY"),
        Quirks { reasoning: ReasoningField::Budget, give_back: GiveBack::Details, cache_control: true, ..PLAIN },
    ),
    chat(
        "gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        Some("GEMINI_API_KEY"),
        Quirks { reasoning: ReasoningField::Effort, give_back: GiveBack::CallExtras, ..PLAIN },
    ),
    chat("deepseek", "https://api.deepseek.com/v1", Some("DEEPSEEK_API_KEY"), ECHO),
    chat("moonshot", "https://api.moonshot.ai/v1", Some("MOONSHOT_API_KEY"), ECHO),
    chat("zai", "https://api.z.ai/api/paas/v4", Some("ZAI_API_KEY"), ECHO),
    chat("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", Some("DASHSCOPE_API_KEY"), PLAIN),
    chat("groq", "https://api.groq.com/openai/v1", Some("GROQ_API_KEY"), PLAIN),
    chat(
        "mistral",
        "https://api.mistral.ai/v1",
        Some("MISTRAL_API_KEY"),
        Quirks { no_stream_options: true, short_call_ids: true, ..PLAIN },
    ),
    chat("together", "https://api.together.xyz/v1", Some("TOGETHER_API_KEY"), PLAIN),
    chat("fireworks", "https://api.fireworks.ai/inference/v1", Some("FIREWORKS_API_KEY"), PLAIN),
    chat("xai", "https://api.x.ai/v1", Some("XAI_API_KEY"), PLAIN),
    chat(
        "cerebras",
        "https://api.cerebras.ai/v1",
        Some("CEREBRAS_API_KEY"),
        Quirks { limit: LimitField::MaxCompletionTokens, ..PLAIN },
    ),
    chat("huggingface", "https://router.huggingface.co/v1", Some("HF_TOKEN"), PLAIN),
    chat("vercel", "https://ai-gateway.vercel.sh/v1", Some("AI_GATEWAY_API_KEY"), PLAIN),
    chat("ollama", "http://localhost:11434/v1", None, PLAIN),
    chat("lmstudio", "http://localhost:1234/v1", None, PLAIN),
    chat("llama.cpp", "http://localhost:8080/v1", None, ECHO),
    chat("vllm", "http://localhost:8000/v1", None, PLAIN),
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
        assert!(unknown.to_string().contains("openai, azure"), "{unknown}");
    }

    #[test]
    fn names_are_unique() {
        for (index, preset) in PRESETS.iter().enumerate() {
            assert_eq!(PRESETS.iter().position(|other| other.name == preset.name), Some(index));
        }
    }
}
