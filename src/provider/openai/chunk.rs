//! The JSON of chunks and of whole answers. Every field may be absent or `null`; what is not needed is not named.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::{
    provider::json::{Count, Text, or_default},
    transcript::Usage,
};

/// A chunk of a stream, or a whole answer: they differ in `delta` and `message`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Chunk<'a> {
    #[serde(borrow)]
    pub choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub model: Text<'a>,
    pub usage: Option<RawUsage>,
    pub x_groq: Option<Groq>,
    pub error: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Choice<'a> {
    #[serde(deserialize_with = "or_default")]
    pub index: u64,
    #[serde(borrow)]
    pub delta: Option<Delta<'a>>,
    #[serde(borrow)]
    pub message: Option<Delta<'a>>,
    #[serde(borrow)]
    pub finish_reason: Text<'a>,
    pub error: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Delta<'a> {
    #[serde(borrow)]
    pub content: Words<'a>,
    #[serde(borrow)]
    pub reasoning_content: Text<'a>,
    #[serde(borrow)]
    pub reasoning: Text<'a>,
    pub reasoning_details: Option<Value>,
    #[serde(borrow)]
    pub refusal: Text<'a>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<CallDelta<'a>>>,
    /// What calls were before there could be several.
    #[serde(borrow)]
    pub function_call: Option<Function<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct CallDelta<'a> {
    pub index: Option<u64>,
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow, deserialize_with = "or_default")]
    pub function: Function<'a>,
    pub extra_content: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub arguments: Arguments<'a>,
}

/// Arguments: a piece of JSON text, or from some servers the JSON itself.
#[derive(Default)]
pub struct Arguments<'a>(pub Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;
        impl<'de> Visitor<'de> for Pieces {
            type Value = Arguments<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a piece of JSON, or an object")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Arguments<'de>, E> {
                Ok(Arguments(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Arguments<'de>, E> {
                Ok(Arguments(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Arguments<'de>, E> {
                Ok(Arguments::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Arguments<'de>, A::Error> {
                let value = Value::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Arguments(Cow::Owned(value.to_string())))
            }
        }
        deserializer.deserialize_any(Pieces)
    }
}

/// Content: a text, or a list of parts of which some are reasoning (Mistral's).
#[derive(Default)]
pub enum Words<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Part<'a> {
    #[serde(borrow)]
    pub text: Text<'a>,
    #[serde(borrow)]
    pub refusal: Text<'a>,
    #[serde(borrow)]
    pub thinking: Words<'a>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Words<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Wording;
        impl<'de> Visitor<'de> for Wording {
            type Value = Words<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text, or a list of parts")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Words<'de>, E> {
                Ok(Words::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Words<'de>, E> {
                Ok(Words::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E>(self) -> Result<Words<'de>, E> {
                Ok(Words::None)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words<'de>, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = list.next_element()? {
                    parts.push(part);
                }
                Ok(Words::Parts(parts))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Words<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Words::None)
            }
        }
        deserializer.deserialize_any(Wording)
    }
}

impl Words<'_> {
    /// All text in it.
    pub fn flat(&self) -> Cow<'_, str> {
        match self {
            Self::None => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            Self::Parts(parts) => parts.iter().map(|part| &*part.text.0).collect(),
        }
    }
}

/// Usage as Groq sends it in streams.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Groq {
    pub usage: Option<RawUsage>,
    pub error: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct RawUsage {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    #[serde(deserialize_with = "or_default")]
    prompt_tokens_details: PromptDetails,
    #[serde(deserialize_with = "or_default")]
    completion_tokens_details: CompletionDetails,
    /// DeepSeek's.
    prompt_cache_hit_tokens: Count,
    /// Together's and Moonshot's.
    cached_tokens: Count,
    /// Those of gateways to Anthropic.
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    /// GitHub's.
    reasoning_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
}

impl RawUsage {
    /// These counts in our terms. `prompt_tokens` includes what came from a cache as a rule, and `completion_tokens` the
    /// reasoning; where the numbers themselves show that they do not, they are taken at their word.
    pub fn usage(&self) -> Usage {
        let read = self.prompt_tokens_details.cached_tokens;
        let read = read.or(self.prompt_cache_hit_tokens).or(self.cached_tokens).or(self.cache_read_input_tokens).0;
        let write = self.prompt_tokens_details.cache_write_tokens.or(self.cache_creation_input_tokens).0;
        let reasoning = self.completion_tokens_details.reasoning_tokens.or(self.reasoning_tokens).0;
        let prompt = self.prompt_tokens.0;
        let cached = read.unwrap_or(0).saturating_add(write.unwrap_or(0));
        let thought = reasoning.unwrap_or(0);
        // xAI's counts leave the reasoning out of `completion_tokens`, and its total shows it.
        let apart = self.total_tokens.0.is_some_and(|total| {
            let visible = prompt.unwrap_or(0).saturating_add(self.completion_tokens.0.unwrap_or(0));
            thought > 0 && total == visible.saturating_add(thought)
        });
        Usage {
            input_tokens: prompt.map(|prompt| prompt.checked_sub(cached).unwrap_or(prompt)),
            output_tokens: self
                .completion_tokens
                .0
                .map(|count| if apart { count.saturating_add(thought) } else { count }),
            cache_read_tokens: read,
            cache_write_tokens: write,
            reasoning_tokens: reasoning,
            ..Usage::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, counts: [Option<u64>; 5]) {
        let usage = serde_json::from_str::<RawUsage>(json).unwrap().usage();
        let [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens] = counts;
        let told = Usage { input_tokens, output_tokens, ..Usage::default() };
        let expect = Usage { cache_read_tokens, cache_write_tokens, reasoning_tokens, ..told };
        assert_eq!(usage, expect);
    }

    #[test]
    fn usage_in_our_terms() {
        check("{}", [None; 5]);
        check(r#"{"prompt_tokens": 10, "completion_tokens": null}"#, [Some(10), None, None, None, None]);
        check(
            r#"{"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 60},
                "completion_tokens_details": {"reasoning_tokens": 40}, "total_tokens": 150}"#,
            [Some(40), Some(50), Some(60), None, Some(40)],
        );
        // Reasoning beside the completion, as the total shows.
        check(
            r#"{"prompt_tokens": 361, "completion_tokens": 26, "total_tokens": 622,
                "completion_tokens_details": {"reasoning_tokens": 235}}"#,
            [Some(361), Some(261), None, None, Some(235)],
        );
        // More from the cache than the prompt had: it was not counted in.
        check(
            r#"{"prompt_tokens": 7, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 163}}"#,
            [Some(7), Some(1), Some(163), None, None],
        );
        check(
            r#"{"prompt_tokens": 30, "completion_tokens": 1, "cache_read_input_tokens": 10,
                "cache_creation_input_tokens": 5, "prompt_tokens_details": null}"#,
            [Some(15), Some(1), Some(10), Some(5), None],
        );
    }

    #[test]
    fn parts_of_odd_types() {
        let chunk: Chunk = serde_json::from_str(
            r#"{"choices":[{"index":null,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"a"}]},
                {"type":"text","text":"b"}],"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}}]}}]}"#,
        )
        .unwrap();
        let delta = chunk.choices.unwrap().remove(0).delta.unwrap();
        let Words::Parts(parts) = delta.content else { panic!("not parts") };
        assert_eq!((&*parts[0].thinking.flat(), &*parts[1].text.0), ("a", "b"));
        assert_eq!(delta.tool_calls.unwrap()[0].function.arguments.0, r#"{"x":1}"#);
    }
}
