//! Models to suggest, as data. Any other can be named: providers publish new ones faster than programs.

/// For each provider, from the one to take without a word to the cheaper one. Written down in 2026 and
/// not checked against the providers since; where one serves what the person installed, there is nothing to suggest.
pub const SUGGESTED: &[(&str, &[&str])] = &[
    ("anthropic", &["claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5"]),
    ("openai", &["gpt-5.1", "gpt-5-mini"]),
    ("openrouter", &["anthropic/claude-sonnet-4.5", "openai/gpt-5.1"]),
    ("gemini", &["gemini-2.5-pro", "gemini-2.5-flash"]),
    ("deepseek", &["deepseek-chat", "deepseek-reasoner"]),
    ("moonshot", &["kimi-k2-0905-preview"]),
    ("zai", &["glm-4.6"]),
    ("dashscope", &["qwen3-coder-plus"]),
    ("groq", &["openai/gpt-oss-120b"]),
    ("mistral", &["devstral-medium-latest", "mistral-large-latest"]),
    ("together", &["Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8"]),
    ("fireworks", &["accounts/fireworks/models/kimi-k2-instruct-0905"]),
    ("xai", &["grok-4", "grok-code-fast-1"]),
    ("cerebras", &["gpt-oss-120b"]),
    ("huggingface", &["Qwen/Qwen3-Coder-480B-A35B-Instruct"]),
    ("vercel", &["anthropic/claude-sonnet-4.5"]),
];

pub fn suggested(provider: &str) -> &'static [&'static str] {
    SUGGESTED.iter().find(|(name, _)| *name == provider).map_or(&[], |(_, models)| models)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::presets;

    #[test]
    fn suggestions_are_for_known_providers() {
        for (name, models) in SUGGESTED {
            assert!(presets::find(name).is_some(), "{name}");
            assert!(!models.is_empty(), "{name}");
        }
    }
}
