//! What models take of what they can be asked, as data: by the beginnings of their names, whoever offers them.
//!
//! As of 2026, as their makers document it and their APIs answer. Of a model that no row is about nothing is known but
//! that it takes what most do.

use crate::provider::{Effort, Thinking};

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Takes {
    /// How much it is to think, in OpenAI's formats; `None` if it refuses to be asked.
    pub effort: Option<Words>,
    /// The same in the format of its maker, Anthropic or Google: in tokens, from the least to the most it takes.
    pub budget: Option<(u32, u32)>,
    /// And there in words.
    pub level: Option<Words>,
    pub off: Off,
    /// A temperature of its user's choice.
    pub temperature: bool,
    /// The most tokens of one answer; `None` if that is unknown or nobody has to say it.
    pub max_output: Option<u32>,
    /// That a prompt is kept for a day, where OpenAI's words for caching are taken at all.
    pub long_cache: bool,
}

/// A model's words for each [`Effort`], from the least to the most.
pub type Words = [&'static str; 5];

/// How a model is kept from thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// It does not think unasked, or nobody knows how it is told.
    Unasked,
    /// It can be told.
    Told,
    /// It always thinks, and is asked for the least it knows.
    Least,
}

/// What a model is told about thinking, in the format of its maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    Off,
    Budget(u32),
    Level(&'static str),
}

impl Takes {
    /// How the model is asked for that in the format of its maker; `None` if nothing is to be said.
    pub fn asked(&self, thinking: Thinking) -> Option<Asked> {
        let budget = |tokens: u32| self.budget.map(|(least, most)| Asked::Budget(tokens.clamp(least, most)));
        let level = |effort: Effort| self.level.map(|words| Asked::Level(words[effort as usize]));
        match (thinking, self.off) {
            (Thinking::Budget(0), Off::Unasked) => None,
            (Thinking::Budget(0), Off::Told) => Some(Asked::Off),
            (Thinking::Budget(0), Off::Least) => level(Effort::Minimal).or(budget(0)),
            (Thinking::Budget(tokens), _) => budget(tokens).or(level(thinking.effort())),
            (Thinking::Effort(effort), _) => level(effort).or(budget(thinking.budget())),
        }
    }

    /// The word for that in OpenAI's formats; `None` if nothing is to be said.
    pub fn effort(&self, thinking: Thinking) -> Option<&'static str> {
        let words = self.effort?;
        match (thinking, self.off) {
            (Thinking::Budget(0), Off::Unasked) => None,
            (Thinking::Budget(0), Off::Told) => Some("none"),
            _ => Some(words[thinking.effort() as usize]),
        }
    }
}

/// What the model of this name takes.
pub fn of(model: &str) -> &'static Takes {
    let name = model.rsplit('/').next().unwrap_or(model);
    // Clouds put a region and a maker before it, and write versions in ways of their own.
    let claude = name.find("claude").map(|start| name[start..].replace(['.', '@', ':'], "-"));
    let name = claude.as_deref().unwrap_or(name);
    let row = ROWS.iter().find(|(names, _)| names.iter().any(|pattern| fits(name, pattern)));
    row.map_or(&UNKNOWN, |(_, takes)| takes)
}

/// True if `name` is `pattern`, where a `*` stands for anything.
fn fits(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|start| name.strip_prefix(start)) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty() || pattern.ends_with('*')
}

const PLAIN: Words = ["low", "low", "medium", "high", "high"];
const EXTRA_HIGH: Words = ["low", "low", "medium", "high", "xhigh"];

const UNKNOWN: Takes = Takes {
    effort: Some(PLAIN),
    budget: Some((1024, u32::MAX)),
    level: None,
    off: Off::Unasked,
    temperature: true,
    max_output: None,
    long_cache: true,
};
/// It cannot be asked to think.
const SILENT: Takes = Takes { effort: None, budget: None, ..UNKNOWN };

/// The Claudes that are asked in tokens.
const fn claude(max_output: u32) -> Takes {
    Takes { max_output: Some(max_output), ..UNKNOWN }
}

const CLAUDE_LEVELS: Words = ["low", "low", "medium", "high", "max"];
const CLAUDE: Takes = Takes { budget: None, level: Some(CLAUDE_LEVELS), temperature: false, ..UNKNOWN };

const GPT: Takes = Takes { off: Off::Least, temperature: false, ..UNKNOWN };
const GPT_5: Takes = Takes { effort: Some(["minimal", "low", "medium", "high", "high"]), ..GPT };
const LATER_GPT: Takes = Takes { effort: Some(EXTRA_HIGH), off: Off::Told, ..GPT };

const GEMINI: Takes = Takes { budget: Some((128, 24_576)), off: Off::Least, ..UNKNOWN };

/// The first that fits counts.
const ROWS: &[(&[&str], Takes)] = &[
    (&["claude-3-7*"], claude(64_000)),
    (&["claude-3-5*"], Takes { max_output: Some(8_192), ..SILENT }),
    (&["claude-3*", "claude-2*", "claude-v*", "claude-instant*"], Takes { max_output: Some(4_096), ..SILENT }),
    (&["claude-opus-4-5*", "claude-sonnet-4-5*", "claude-haiku-4-5*", "claude-4-5*"], claude(64_000)),
    (&["claude-sonnet-4", "claude-sonnet-4-0*", "claude-sonnet-4-2025*", "claude-4-sonnet*"], claude(64_000)),
    (
        &[
            "claude-opus-4",
            "claude-opus-4-0*",
            "claude-opus-4-1",
            "claude-opus-4-1-*",
            "claude-opus-4-2025*",
            "claude-4-opus*",
        ],
        claude(32_000),
    ),
    (&["claude-opus-4-6*"], Takes { level: Some(CLAUDE_LEVELS), ..claude(128_000) }),
    (&["claude-sonnet-4-6*"], Takes { level: Some(CLAUDE_LEVELS), ..claude(64_000) }),
    (
        &["claude-opus-5", "claude-opus-5-2026*", "claude-sonnet-5", "claude-sonnet-5-2026*"],
        Takes { off: Off::Told, ..CLAUDE },
    ),
    (&["claude*"], CLAUDE),
    (&["gpt-4.1", "gpt-4.1-2025*"], SILENT),
    (&["gpt-3*", "gpt-4*", "chatgpt*"], Takes { long_cache: false, ..SILENT }),
    (&["gpt-5-chat*"], Takes { temperature: false, ..SILENT }),
    (&["gpt-5*-chat*"], Takes { effort: Some(["medium"; 5]), ..GPT }),
    (&["gpt-5-pro*"], Takes { effort: Some(["high"; 5]), long_cache: false, ..GPT }),
    (
        &["gpt-5*-pro*"],
        Takes { effort: Some(["medium", "medium", "medium", "high", "xhigh"]), long_cache: false, ..GPT },
    ),
    (&["gpt-5-codex-mini*", "gpt-5.1-codex-mini*"], Takes { long_cache: false, ..GPT }),
    (&["gpt-5.1-codex-max*"], Takes { effort: Some(EXTRA_HIGH), ..GPT }),
    (&["gpt-5-codex*", "gpt-5.1-codex*"], GPT),
    (&["gpt-5*-codex*"], Takes { effort: Some(EXTRA_HIGH), ..GPT }),
    (&["gpt-5-mini*", "gpt-5-nano*"], Takes { long_cache: false, ..GPT_5 }),
    (&["gpt-5", "gpt-5-2025*"], GPT_5),
    (&["gpt-5.1*"], Takes { effort: Some(PLAIN), ..LATER_GPT }),
    (&["gpt-5.*-mini*", "gpt-5.*-nano*"], Takes { long_cache: false, ..LATER_GPT }),
    (&["gpt-5.*"], LATER_GPT),
    (&["gpt-5*"], Takes { off: Off::Unasked, ..GPT }),
    (&["o1-mini*", "o1-preview*"], Takes { temperature: false, long_cache: false, ..SILENT }),
    (&["o1*", "o3*", "o4*"], Takes { long_cache: false, ..GPT }),
    (&["gemini-1*", "gemini-2.0*"], SILENT),
    (&["gemini-2.5-pro*"], Takes { budget: Some((128, 32_768)), ..GEMINI }),
    (&["gemini-2.5-flash-lite*"], Takes { budget: Some((512, 24_576)), off: Off::Told, ..GEMINI }),
    (&["gemini-2.5-flash*"], Takes { off: Off::Told, ..GEMINI }),
    // Those that are whatever is the latest.
    (&["gemini-flash*", "gemini-pro*"], Takes { off: Off::Unasked, ..GEMINI }),
    (&["gemini-3*-flash*"], Takes { level: Some(["minimal", "low", "medium", "high", "high"]), ..GEMINI }),
    // All of them know these two levels.
    (&["gemini-*"], Takes { level: Some(["low", "low", "high", "high", "high"]), ..GEMINI }),
];

#[cfg(test)]
mod tests {
    use super::{super::Catalog, *};

    #[test]
    fn names_in_all_their_ways() {
        for (name, same) in [
            ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
            ("anthropic/claude-sonnet-4.5", "claude-sonnet-4-5"),
            ("claude-opus-4@20250514", "claude-opus-4"),
            ("us.anthropic.claude-opus-4-1-20250805-v1:0", "claude-opus-4-1"),
            ("openai/gpt-5.1-2025-11-13", "gpt-5.1"),
            ("models/gemini-2.5-flash-preview", "gemini-2.5-flash"),
        ] {
            assert_eq!(of(name), of(same), "{name}");
        }
        assert_eq!(*of("claude-opus-4-7"), CLAUDE);
        assert_eq!(*of("claude-opus-6"), CLAUDE, "the next one is like the last");
        assert_eq!(*of("gpt-oss-120b"), UNKNOWN);
        assert_eq!(*of("somebody-elses"), UNKNOWN);
        assert!(fits("gpt-5.2-pro", "gpt-5*-pro*") && !fits("gpt-5.2", "gpt-5*-pro*") && !fits("gpt-5-mini", "gpt-5"));
    }

    #[test]
    fn the_longest_answers_are_those_of_the_catalog() {
        let catalog = Catalog::default();
        for model in ["claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1", "claude-opus-4-0"]
        {
            assert_eq!(of(model).max_output.map(u64::from), catalog.facts("anthropic", model).max_output, "{model}");
        }
        for model in ["claude-opus-4", "claude-sonnet-4-0", "claude-sonnet-4", "claude-3-7-sonnet", "claude-3-5-haiku"]
        {
            assert_eq!(of(model).max_output.map(u64::from), catalog.facts("anthropic", model).max_output, "{model}");
        }
    }

    #[test]
    fn no_thinking_is_what_comes_nearest() {
        let off = Thinking::Budget(0);
        for (model, asked, effort) in [
            ("gemini-2.5-flash", Some(Asked::Off), Some("none")),
            ("gemini-2.5-pro", Some(Asked::Budget(128)), Some("low")),
            ("gemini-3-flash-preview", Some(Asked::Level("minimal")), Some("low")),
            ("gemini-3-pro-preview", Some(Asked::Level("low")), Some("low")),
            ("claude-sonnet-4-5", None, None),
            ("claude-opus-4-7", None, None),
            ("claude-sonnet-5", Some(Asked::Off), Some("none")),
            ("somebody-elses", None, None),
        ] {
            let takes = of(model);
            assert_eq!((takes.asked(off), takes.effort(off)), (asked, effort), "{model}");
        }
        for (model, effort) in [
            ("gpt-5.1", Some("none")),
            ("gpt-5", Some("minimal")),
            ("gpt-5-codex", Some("low")),
            ("gpt-5-pro", Some("high")),
            ("gpt-4.1", None),
        ] {
            assert_eq!(of(model).effort(off), effort, "{model}");
        }
    }
}
