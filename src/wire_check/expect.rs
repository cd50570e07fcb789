//! What a careful client makes of a recorded answer, worked out from the reference's reading of it.
//!
//! The reference is taken at its word but for these rules, each of them general:
//! - A stream without any end mark was cut, and an answer without choices is none: the reference shows what it has, we
//!   report an error and keep that as its partial answer.
//! - A call whose arguments are not whole is no call. Empty arguments are a call without arguments, and `null` too,
//!   unless the answer was cut. Arguments that are no JSON at all are kept as a string, for the tool to refuse.
//! - `<think>...</think>` at the start of a text is reasoning, and a refusal is shown as text.
//! - `prompt_tokens` includes what was read from or written to a cache, unless that is more than there was; a total that
//!   exceeds prompt and completion by just the reasoning shows that the completion leaves it out.

use serde_json::{Map, Value};

use crate::{
    provider::{Completion, ErrorClass, ProviderError, StreamEvent},
    transcript::{Content, StopReason, ToolCall, Usage},
};

/// How much of a provider's words an error must repeat, in characters.
const WORDS: usize = 200;

/// What the provider code made of an answer.
#[derive(Debug)]
pub struct Outcome {
    pub text: String,
    pub thinking: String,
    pub calls: Vec<ToolCall>,
    pub result: Result<Completion, ProviderError>,
    ends: usize,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            text: String::new(),
            thinking: String::new(),
            calls: Vec::new(),
            result: Ok(Completion::default()),
            ends: 0,
        }
    }
}

impl Outcome {
    pub fn take(&mut self, event: Result<StreamEvent, ProviderError>) {
        let late = self.ends > 0;
        match event {
            Ok(StreamEvent::Text(text)) => self.text.push_str(&text),
            Ok(StreamEvent::Thinking(text)) => self.thinking.push_str(&text),
            Ok(StreamEvent::ToolCall(call)) => self.calls.push(call),
            Ok(StreamEvent::Retry { .. }) => self.ends += 1,
            Ok(StreamEvent::Done(completion)) => {
                self.ends += 1;
                self.result = Ok(completion);
            }
            Err(error) => {
                self.ends += 1;
                self.result = Err(error);
            }
        }
        self.ends += usize::from(late);
    }

    fn completion(&self) -> &Completion {
        self.result.as_ref().unwrap_or_else(|error| &error.partial)
    }
}

/// The differences, in words.
pub fn compare(expected: &Value, streamed: bool, outcome: &Outcome) -> Vec<String> {
    let mut differences = Differences::default();
    differences.same("ends", &1, &outcome.ends);
    let error = [&expected["error"], &expected["error_not_seen_by_sdk"]].into_iter().find(|error| !error.is_null());
    let marks = expected["terminal"].as_object();
    let unmarked = streamed && marks.is_some_and(|marks| marks.values().all(|seen| seen == &Value::Bool(false)));
    let crash = error.is_some_and(|error| error["kind"] == "sdk_crash");
    let no_answer = expected.get("text").is_none() && !crash;

    match (&outcome.result, error.filter(|_| !crash)) {
        (Ok(_), Some(error)) => differences.note(format!("no error, but expected {error}")),
        (Ok(_), None) if unmarked || no_answer => differences.note("no error, but the answer is not whole".into()),
        (Ok(_), None) => {}
        (Err(found), Some(error)) => differences.error(error, found),
        (Err(found), None) if unmarked => differences.same("class", &ErrorClass::Truncated, &found.class),
        (Err(found), None) if no_answer => differences.same("class", &ErrorClass::Malformed, &found.class),
        (Err(_), None) if crash => {}
        (Err(found), None) => differences.note(format!("the error {found:?}")),
    }
    if expected.get("text").is_some() && !(crash && outcome.result.is_err()) {
        differences.content(expected, outcome);
        if let Ok(completion) = &outcome.result {
            differences.end(expected, completion);
        }
    }
    differences.0
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn note(&mut self, difference: String) {
        self.0.push(difference);
    }

    fn same<T: PartialEq + std::fmt::Debug + ?Sized>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.note(format!("{what} is {found:?}, not {expected:?}"));
        }
    }

    fn error(&mut self, expected: &Value, found: &ProviderError) {
        if expected["kind"] == "http" {
            self.same("status", &expected["http_status"].as_u64(), &found.status.map(u64::from));
        }
        let classes = classes(expected);
        if !classes.contains(&found.class) {
            self.note(format!("class is {:?}, not one of {classes:?}", found.class));
        }
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let said: String = words(expected["message"].as_str().unwrap_or_default()).chars().take(WORDS).collect();
        // Of a web page only the title is worth telling.
        if !said.starts_with('<') && !words(&found.message).contains(&said) {
            self.note(format!("the error does not say {said:?} but {:?}", found.message));
        }
    }

    fn content(&mut self, expected: &Value, outcome: &Outcome) {
        let completion = outcome.completion();
        let (thought, text) = split(expected["text"].as_str().unwrap_or_default());
        let thinking = format!("{}{thought}", expected["thinking"].as_str().unwrap_or_default());
        let text = format!("{text}{}", expected["refusal"].as_str().unwrap_or_default());
        self.same("text", text.as_str(), &outcome.text);
        self.same("thinking", thinking.as_str(), &outcome.thinking);
        self.same("text of the content", &outcome.text, &joined(completion, false));
        self.same("thinking of the content", &outcome.thinking, &joined(completion, true));

        let cut = is_cut(expected["stop_reason"].as_str()) || outcome.result.is_err();
        let calls = completion.content.iter().filter_map(|part| match part {
            Content::ToolCall(call) => Some(call.clone()),
            _ => None,
        });
        let calls: Vec<_> = calls.collect();
        if outcome.result.is_ok() {
            self.same("calls of the content", &outcome.calls, &calls);
        }
        let expected_calls = expected_calls(expected, cut);
        self.same("number of calls", &expected_calls.len(), &calls.len());
        for ((id, name, input), call) in expected_calls.iter().zip(&calls) {
            if id.is_empty() == call.id.is_empty() || !id.is_empty() {
                self.same("id", id.as_str(), &call.id);
            }
            self.same("name", name.as_str(), &call.name);
            self.same("input", input, &call.input);
        }
        if let Some(blocks) = expected["blocks"].as_array() {
            let proof = |block: &Value| match block["type"].as_str() {
                Some("thinking") => block["signature"].as_str().filter(|text| !text.is_empty()).map(str::to_owned),
                Some("redacted_thinking") => block["data"].as_str().map(str::to_owned),
                _ => None,
            };
            let expected: Vec<_> = blocks.iter().filter_map(proof).collect();
            let found = completion.content.iter().filter_map(|part| match part {
                Content::Thinking { signature, redacted, .. } => signature.clone().or_else(|| redacted.clone()),
                _ => None,
            });
            self.same("signatures", &expected, &found.collect());
        }
    }

    fn end(&mut self, expected: &Value, completion: &Completion) {
        let word = expected["stop_reason"].as_str().filter(|word| !word.is_empty());
        self.same("stop word", &word, &completion.raw_stop_reason.as_deref());
        let calls = completion.content.iter().filter(|part| matches!(part, Content::ToolCall(_))).count();
        let refused = expected["refusal"].as_str().is_some_and(|text| !text.is_empty()) && calls == 0;
        let reason = match word {
            _ if refused => Some(StopReason::Refusal),
            _ if expected_calls(expected, false).len() > calls => Some(StopReason::MaxTokens),
            Some("length" | "max_tokens") => Some(StopReason::MaxTokens),
            Some("content_filter" | "refusal") => Some(StopReason::Refusal),
            Some("pause_turn") => Some(StopReason::Pause),
            None
            | Some("stop" | "eos" | "end_turn" | "tool_calls" | "tool_use" | "function_call" | "stop_sequence")
                if calls > 0 =>
            {
                Some(StopReason::ToolCalls)
            }
            Some("stop_sequence") => Some(StopReason::StopSequence),
            None | Some("stop" | "eos" | "end_turn" | "tool_calls" | "tool_use" | "function_call") => {
                Some(StopReason::EndTurn)
            }
            Some(_) => completion.stop_reason,
        };
        self.same("stop reason", &reason, &completion.stop_reason);
        if let Some(model) = expected["model"].as_str().filter(|model| !model.is_empty()) {
            self.same("model", &Some(model), &completion.model.as_deref());
        }
        self.usage(expected, &completion.usage);
    }

    fn usage(&mut self, expected: &Value, usage: &Usage) {
        let count = |key: &str| expected["usage"][key].as_u64();
        self.same("cache reads", &count("cache_read"), &usage.cache_read_tokens);
        self.same("cache writes", &count("cache_write"), &usage.cache_write_tokens);
        self.same("reasoning tokens", &count("reasoning"), &usage.reasoning_tokens);
        let (mut input, mut output) = (count("input"), count("output"));
        // Only chat completions count otherwise than we do, and only they have a total.
        if expected["usage"].get("total").is_some() {
            let cached = count("cache_read").unwrap_or(0) + count("cache_write").unwrap_or(0);
            input = input.map(|input| if cached <= input { input - cached } else { input });
            let reasoning = count("reasoning").unwrap_or(0);
            let visible = count("input").unwrap_or(0) + count("output").unwrap_or(0);
            if reasoning > 0 && count("total") == Some(visible + reasoning) {
                output = output.map(|output| output + reasoning);
            }
        }
        self.same("input tokens", &input, &usage.input_tokens);
        self.same("output tokens", &output, &usage.output_tokens);
    }
}

/// The classes that fit an error the reference saw.
fn classes(error: &Value) -> Vec<ErrorClass> {
    use ErrorClass::{Auth, BadRequest, ContentFilter, ContextLength, Malformed, Overloaded, RateLimit};
    let word = |key: &str| error[key].as_str().unwrap_or_default().to_ascii_lowercase();
    let words = format!("{} {}", word("type"), word("code"));
    let message = word("message");
    let status = error["http_status"].as_u64().filter(|status| *status != 200);
    let status = status.or(error["code"].as_u64()).or(error["status_code"].as_u64());
    if ["context length", "context window", "too long", "maximum context"].iter().any(|sign| message.contains(sign)) {
        return vec![ContextLength];
    }
    match status {
        Some(401 | 402) => vec![Auth],
        Some(403) => vec![Auth, ContentFilter],
        Some(413) => vec![ContextLength],
        // A used-up account is no matter of waiting.
        Some(429) => vec![RateLimit, Auth],
        Some(400) => vec![BadRequest, ContentFilter, ContextLength, Auth],
        Some(404..=428) => vec![BadRequest, ContextLength, Overloaded],
        // Some servers call their client's mistakes their own.
        Some(500..) => vec![Overloaded, BadRequest],
        _ if words.contains("overloaded") || words.contains("api_error") || words.contains("server_error") => {
            vec![Overloaded]
        }
        _ if words.contains("rate_limit") => vec![RateLimit],
        _ if words.contains("authentication") || words.contains("permission") => vec![Auth],
        _ if words.contains("invalid_request") || words.contains("not_found") => vec![BadRequest],
        _ => vec![Overloaded, BadRequest, RateLimit, ContentFilter, ContextLength, Auth, Malformed],
    }
}

/// The whole calls that the reference saw: id, name and input.
fn expected_calls(expected: &Value, cut: bool) -> Vec<(String, String, Value)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let calls = expected["tool_calls"].as_array().cloned().unwrap_or_default();
    let mut whole: Vec<_> = calls
        .iter()
        .filter_map(|call| {
            let raw = call.get("arguments_raw").or(call.get("input_raw")).filter(|raw| !raw.is_null());
            let input = match raw {
                None => call["input"].clone(),
                Some(Value::String(raw)) => whole_input(raw, cut)?,
                Some(other) => other.clone(),
            };
            Some((text(&call["id"]), text(&call["name"]), input))
        })
        .collect();
    let function = &expected["function_call"];
    if let Some(name) = function["name"].as_str().filter(|name| !name.is_empty())
        && let Some(input) = whole_input(function["arguments"].as_str().unwrap_or_default(), cut)
    {
        whole.push((String::new(), name.to_owned(), input));
    }
    whole
}

fn whole_input(raw: &str, cut: bool) -> Option<Value> {
    let nothing = || Value::Object(Map::new());
    match serde_json::from_str::<Value>(raw) {
        Ok(Value::Null) => Some(nothing()),
        Ok(value) => Some(value),
        Err(_) if raw.is_empty() && !cut => Some(nothing()),
        Err(error) if cut || error.is_eof() => None,
        Err(_) => Some(raw.into()),
    }
}

fn is_cut(word: Option<&str>) -> bool {
    matches!(word, Some("length" | "max_tokens"))
}

/// Reasoning and text of a text that may begin with tagged reasoning.
fn split(text: &str) -> (&str, &str) {
    match text.trim_start().strip_prefix("<think>").map(|rest| rest.split_once("</think>").unwrap_or((rest, ""))) {
        Some((thinking, text)) => (thinking.trim_start(), text.trim_start()),
        None => ("", text),
    }
}

fn joined(completion: &Completion, thinking: bool) -> String {
    let parts = completion.content.iter().filter_map(|part| match part {
        Content::Text { text } if !thinking => Some(text.as_str()),
        Content::Thinking { text, .. } if thinking => Some(text.as_str()),
        _ => None,
    });
    parts.collect()
}
