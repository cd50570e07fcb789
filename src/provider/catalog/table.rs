//! The models that are known by name, as data.
//!
//! As of late 2025, as the providers published it for text at their standard rates, written down from memory and not
//! checked against them since. Where a figure was not certain it is left out. Configuration goes over all of it.

use super::{Facts, Price, Prices};

/// A row: whose, which, its window, its longest answer, and its prices in thousandths of a dollar for a million tokens.
struct Row {
    /// One or several names of a provider.
    providers: &'static [&'static str],
    model: &'static str,
    window: u64,
    max_output: Option<u64>,
    prices: Prices,
    long_prompts: Option<(u64, Prices)>,
}

/// The facts of a model, also under the name of one of its dated versions.
pub fn find(provider: &str, model: &str) -> Facts {
    let row = ROWS.iter().find(|row| row.providers.contains(&provider) && is_version(model, row.model));
    row.map_or_else(Facts::default, |row| Facts {
        window: Some(row.window),
        max_output: row.max_output,
        prices: row.prices,
        long_prompts: row.long_prompts,
    })
}

/// `claude-sonnet-4-5` itself, `claude-sonnet-4-5-20250929`, `gpt-5-2025-08-07` or `claude-sonnet-4-5-latest`: nothing
/// that could be another model.
fn is_version(name: &str, model: &str) -> bool {
    match name.strip_prefix(model) {
        Some("" | "-latest") => true,
        Some(rest) => {
            let digits = rest.strip_prefix('-').map(|date| date.replace('-', "")).unwrap_or_default();
            digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        None => false,
    }
}

const fn milli(dollars: u64) -> Option<Price> {
    Some(Price { micro_dollars: dollars * 1_000 })
}

/// Input, output and reads of the cache; writing to it costs nothing of its own and is not counted.
const fn plain(input: u64, cache_read: u64, output: u64) -> Prices {
    Prices {
        input: milli(input),
        output: milli(output),
        cache_read: milli(cache_read),
        cache_write: None,
        cache_write_long: None,
    }
}

/// Anthropic's, which all follow from the price of the input: a read of the cache is a tenth of it, a write five
/// quarters, a write for an hour twice.
const fn claude(input: u64) -> Prices {
    Prices {
        input: milli(input),
        output: milli(input * 5),
        cache_read: milli(input / 10),
        cache_write: milli(input * 5 / 4),
        cache_write_long: milli(input * 2),
    }
}

const fn row(
    providers: &'static [&'static str],
    model: &'static str,
    window: u64,
    max_output: u64,
    prices: Prices,
) -> Row {
    Row { providers, model, window, max_output: Some(max_output), prices, long_prompts: None }
}

const UNKNOWN: Prices =
    Prices { input: None, output: None, cache_read: None, cache_write: None, cache_write_long: None };

const ANTHROPIC: &[&str] = &["anthropic"];
const OPENAI: &[&str] = &["openai", "openai-chat"];
const GEMINI: &[&str] = &["gemini"];
/// They pass the makers' prices on.
const GATEWAYS: &[&str] = &["openrouter", "vercel"];

const ROWS: &[Row] = &[
    row(ANTHROPIC, "claude-opus-4-5", 200_000, 64_000, claude(5_000)),
    row(ANTHROPIC, "claude-sonnet-4-5", 200_000, 64_000, claude(3_000)),
    row(ANTHROPIC, "claude-haiku-4-5", 200_000, 64_000, claude(1_000)),
    row(ANTHROPIC, "claude-opus-4-1", 200_000, 32_000, claude(15_000)),
    row(ANTHROPIC, "claude-opus-4-0", 200_000, 32_000, claude(15_000)),
    row(ANTHROPIC, "claude-opus-4", 200_000, 32_000, claude(15_000)),
    row(ANTHROPIC, "claude-sonnet-4-0", 200_000, 64_000, claude(3_000)),
    row(ANTHROPIC, "claude-sonnet-4", 200_000, 64_000, claude(3_000)),
    row(ANTHROPIC, "claude-3-7-sonnet", 200_000, 64_000, claude(3_000)),
    row(ANTHROPIC, "claude-3-5-haiku", 200_000, 8_192, claude(800)),
    row(GATEWAYS, "anthropic/claude-opus-4.5", 200_000, 64_000, claude(5_000)),
    row(GATEWAYS, "anthropic/claude-sonnet-4.5", 200_000, 64_000, claude(3_000)),
    row(GATEWAYS, "anthropic/claude-haiku-4.5", 200_000, 64_000, claude(1_000)),
    // 400,000 in all, of which a prompt may be 272,000.
    row(OPENAI, "gpt-5.1", 272_000, 128_000, plain(1_250, 125, 10_000)),
    row(OPENAI, "gpt-5.1-codex", 272_000, 128_000, plain(1_250, 125, 10_000)),
    row(OPENAI, "gpt-5", 272_000, 128_000, plain(1_250, 125, 10_000)),
    row(OPENAI, "gpt-5-codex", 272_000, 128_000, plain(1_250, 125, 10_000)),
    row(OPENAI, "gpt-5-mini", 272_000, 128_000, plain(250, 25, 2_000)),
    row(OPENAI, "gpt-5-nano", 272_000, 128_000, plain(50, 5, 400)),
    row(OPENAI, "gpt-4.1", 1_047_576, 32_768, plain(2_000, 500, 8_000)),
    row(OPENAI, "gpt-4.1-mini", 1_047_576, 32_768, plain(400, 100, 1_600)),
    row(OPENAI, "gpt-4.1-nano", 1_047_576, 32_768, plain(100, 25, 400)),
    row(OPENAI, "gpt-4o", 128_000, 16_384, plain(2_500, 1_250, 10_000)),
    row(OPENAI, "gpt-4o-mini", 128_000, 16_384, plain(150, 75, 600)),
    row(OPENAI, "o3", 200_000, 100_000, plain(2_000, 500, 8_000)),
    row(OPENAI, "o4-mini", 200_000, 100_000, plain(1_100, 275, 4_400)),
    row(GATEWAYS, "openai/gpt-5.1", 272_000, 128_000, plain(1_250, 125, 10_000)),
    row(GATEWAYS, "openai/gpt-5-mini", 272_000, 128_000, plain(250, 25, 2_000)),
    Row {
        long_prompts: Some((200_000, plain(2_500, 250, 15_000))),
        ..row(GEMINI, "gemini-2.5-pro", 1_048_576, 65_536, plain(1_250, 125, 10_000))
    },
    row(GEMINI, "gemini-2.5-flash", 1_048_576, 65_536, plain(300, 30, 2_500)),
    row(GEMINI, "gemini-2.5-flash-lite", 1_048_576, 65_536, plain(100, 10, 400)),
    row(&["deepseek"], "deepseek-chat", 128_000, 8_192, plain(280, 28, 420)),
    row(&["deepseek"], "deepseek-reasoner", 128_000, 65_536, plain(280, 28, 420)),
    Row { max_output: None, ..row(&["moonshot"], "kimi-k2-0905-preview", 262_144, 0, plain(600, 150, 2_500)) },
    row(&["zai"], "glm-4.6", 200_000, 128_000, plain(600, 110, 2_200)),
    Row { max_output: None, ..row(&["xai"], "grok-code-fast-1", 256_000, 0, plain(200, 20, 1_500)) },
    Row { max_output: None, ..row(&["xai"], "grok-4", 256_000, 0, UNKNOWN) },
    Row { max_output: None, ..row(&["groq"], "openai/gpt-oss-120b", 131_072, 0, UNKNOWN) },
    Row { max_output: None, ..row(&["cerebras"], "gpt-oss-120b", 131_072, 0, UNKNOWN) },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_under_their_own_names_and_dates_only() {
        for row in ROWS {
            for provider in row.providers {
                assert_eq!(find(provider, row.model).prices, row.prices, "{}", row.model);
            }
            let same = ROWS.iter().filter(|other| other.model == row.model && other.providers == row.providers);
            assert_eq!(same.count(), 1, "{}", row.model);
        }
        assert_eq!(find("anthropic", "claude-sonnet-4-5-20250929"), find("anthropic", "claude-sonnet-4-5"));
        assert_eq!(find("openai", "gpt-5-2025-08-07"), find("openai", "gpt-5"));
        for other in ["gpt-5-pro", "gpt-5-2025", "gpt-50000000", "gpt-5-codex-2025-08-071"] {
            assert_eq!(find("openai", other), Facts::default(), "{other}");
        }
    }
}
