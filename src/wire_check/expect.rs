//! What a careful client makes of a recorded answer, worked out from the reference's reading of it.
//!
//! The reference is taken at its word but for these rules, each of them general:
//! - A stream without any end mark was cut, and an answer without choices is none: the reference shows what it has, we
//!   report an error and keep that as its partial answer.
//! - A call whose arguments are not whole is no call. Empty arguments are a call without arguments, and `null` too,
//!   unless the answer was cut. Arguments that are no JSON at all are kept as a string, for the tool to refuse.
//! - `<think>...</think>` at the start of a text is reasoning, and a refusal is shown as text.
//! - `prompt_tokens` includes what was read from or written to a cache, unless that is more than there was; a total that
//!   exceeds prompt and completion by just the reasoning shows that the completion leaves it out. Gemini's counts always
//!   do.
//! - A body without `output` is no answer of the Responses API. Of a stream of it that was cut, the reference shows the
//!   whole items only, and we what came of the others too. Where the deltas say something else than the item that ends
//!   them, what they said was seen, and stays. What is between two pieces of reasoning is not compared.
//! - A list of chunks, as Gemini sends it without `alt=sse`, is read, which the reference does not do; it is held against
//!   a plain reading of the list. A call in pieces, of which all but the first have no name, is not whole.

use serde_json::{Map, Value, json};

use crate::{
    provider::{Completion, ErrorClass, ProviderError, StreamEvent, presets::Api},
    transcript::{Content, StopReason, ToolCall, Usage},
};

/// The words for an end that is none of those apart.
const ENDS: &[&str] =
    &["stop", "eos", "end_turn", "tool_calls", "tool_use", "function_call", "stop_sequence", "completed", "1"];
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
            Ok(StreamEvent::ToolInput { .. }) => {}
            Ok(StreamEvent::Retry { .. } | StreamEvent::Superseded { .. } | StreamEvent::Fallback { .. }) => {
                self.ends += 1;
            }
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

    /// An answer that came whole.
    pub fn of(completion: Completion) -> Self {
        let calls = completion.content.iter().filter_map(|part| match part {
            Content::ToolCall(call) => Some(call.clone()),
            _ => None,
        });
        Self {
            text: joined(&completion, false),
            thinking: joined(&completion, true),
            calls: calls.collect(),
            result: Ok(completion),
            ends: 1,
        }
    }

    fn completion(&self) -> &Completion {
        self.result.as_ref().unwrap_or_else(|error| &error.partial)
    }
}

/// The differences, in words.
pub fn compare(api: Api, expected: &Value, streamed: bool, body: &[u8], outcome: &Outcome) -> Vec<String> {
    let list = serde_json::from_slice::<Vec<Value>>(body).ok().filter(|_| api == Api::Gemini);
    let list = list.map(|chunks| of_chunks(&chunks));
    let expected = list.as_ref().unwrap_or(expected);
    let mut differences = Differences { api, found: Vec::new() };
    differences.same("ends", &1, &outcome.ends);
    let error = [&expected["error"], &expected["error_not_seen_by_sdk"]].into_iter().find(|error| !error.is_null());
    let marks = expected["terminal"].as_object();
    let unmarked = streamed && marks.is_some_and(|marks| marks.values().all(|seen| seen == &Value::Bool(false)));
    let crash = error.is_some_and(|error| error["kind"] == "sdk_crash");
    let no_output = api == Api::Responses && !streamed && expected["status"].is_null();
    let no_answer = (expected.get("text").is_none() || no_output) && !crash;

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
        differences.content(expected, unmarked, outcome);
        if let Ok(completion) = &outcome.result {
            differences.end(expected, completion);
        }
    }
    differences.found
}

/// What the chunks of a list say, in the reference's words.
fn of_chunks(chunks: &[Value]) -> Value {
    let parts: Vec<&Value> =
        chunks.iter().flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array()).flatten().collect();
    let texts = |thought: bool| {
        let of_kind = parts.iter().filter(|part| (part["thought"] == true) == thought);
        of_kind.filter_map(|part| part["text"].as_str()).collect::<String>()
    };
    let calls = parts.iter().map(|part| &part["functionCall"]).filter(|call| call.is_object());
    let calls = calls.map(|call| json!({"id": call["id"], "name": call["name"], "input": call["args"]}));
    let said = |chunk: &&Value| !chunk["candidates"][0]["finishReason"].is_null();
    let last = chunks.iter().rfind(said).unwrap_or(&Value::Null);
    let usage = chunks.iter().map(|chunk| &chunk["usageMetadata"]).rfind(|usage| usage.is_object());
    let count = |key: &str| usage.map(|usage| usage[key].clone());
    json!({
        "text": texts(false),
        "thinking": texts(true),
        "tool_calls": calls.collect::<Vec<_>>(),
        "stop_reason": last["candidates"][0]["finishReason"],
        "model": last["modelVersion"],
        "usage": {
            "input": count("promptTokenCount"),
            "output": count("candidatesTokenCount"),
            "cache_read": count("cachedContentTokenCount"),
            "reasoning": count("thoughtsTokenCount"),
            "total": count("totalTokenCount"),
        },
    })
}

struct Differences {
    api: Api,
    found: Vec<String>,
}

impl Differences {
    fn note(&mut self, difference: String) {
        self.found.push(difference);
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

    fn content(&mut self, expected: &Value, unmarked: bool, outcome: &Outcome) {
        let completion = outcome.completion();
        let seen = expected["text_from_deltas"].as_str().or(expected["text"].as_str());
        let (thought, text) = split(seen.unwrap_or_default());
        let thinking = format!("{}{thought}", expected["thinking"].as_str().unwrap_or_default());
        let text = format!("{text}{}", expected["refusal"].as_str().unwrap_or_default());
        let is_cut_short = self.api == Api::Responses && unmarked;
        let shown = |found: &str, expected: &str| {
            let rest_is_more = is_cut_short && found.starts_with(expected);
            found[..if rest_is_more { expected.len() } else { found.len() }].to_owned()
        };
        self.same("text", &text, &shown(&outcome.text, &text));
        let joined_up = |text: &str| match self.api {
            Api::Responses => text.split_whitespace().collect(),
            Api::Anthropic | Api::Chat | Api::Gemini => text.to_owned(),
        };
        let (thinking, thought) = (joined_up(&thinking), joined_up(&outcome.thinking));
        self.same("thinking", &thinking, &shown(&thought, &thinking));
        self.same("text of the content", &outcome.text, &joined(completion, false));
        self.same("thinking of the content", &outcome.thinking, &joined(completion, true));

        let word = word_of(&expected["stop_reason"]).map(|word| word.to_ascii_lowercase());
        let cut = is_cut(word.as_deref()) || outcome.result.is_err();
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
            // Kept with the name of who sent it.
            let sent = |kept: &str| serde_json::from_str::<Value>(kept).ok()?["item"].as_str().map(str::to_owned);
            let found = completion.content.iter().filter_map(|part| match part {
                Content::Thinking { signature, redacted, .. } => sent(signature.as_deref().or(redacted.as_deref())?),
                _ => None,
            });
            self.same("signatures", &expected, &found.collect());
        }
        if let Some(signatures) = expected["thought_signatures"].as_u64() {
            let signed = |part: &&Content| matches!(part, Content::Thinking { signature: Some(_), .. });
            let kept = completion.content.iter().filter(signed).count() as u64;
            // The reference counts those on parts that are not ours to send back, too.
            if kept > signatures || (kept == 0 && signatures > 0 && !calls.is_empty()) {
                self.note(format!("{kept} of {signatures} signatures are kept"));
            }
        }
    }

    fn end(&mut self, expected: &Value, completion: &Completion) {
        let word = word_of(&expected["stop_reason"]);
        self.same("stop word", &word.as_deref(), &completion.raw_stop_reason.as_deref());
        let calls = completion.content.iter().filter(|part| matches!(part, Content::ToolCall(_))).count();
        let refused = expected["refusal"].as_str().is_some_and(|text| !text.is_empty()) && calls == 0;
        let lower = word.map(|word| word.to_ascii_lowercase());
        let reason = match lower.as_deref() {
            _ if refused => Some(StopReason::Refusal),
            _ if expected_calls(expected, false).len() > calls || has_pieces(expected) => Some(StopReason::MaxTokens),
            word if is_cut(word) => Some(StopReason::MaxTokens),
            Some("content_filter" | "refusal" | "safety") => Some(StopReason::Refusal),
            Some("pause_turn") => Some(StopReason::Pause),
            word if word.is_none_or(|word| ENDS.contains(&word)) && calls > 0 => Some(StopReason::ToolCalls),
            Some("stop_sequence") => Some(StopReason::StopSequence),
            word if word.is_none_or(|word| ENDS.contains(&word)) => Some(StopReason::EndTurn),
            _ => completion.stop_reason,
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
        // Those that count otherwise than we do have a total.
        if expected["usage"].get("total").is_some() {
            let cached = count("cache_read").unwrap_or(0) + count("cache_write").unwrap_or(0);
            input = input.map(|input| if cached <= input { input - cached } else { input });
            let reasoning = count("reasoning").unwrap_or(0);
            let visible = count("input").unwrap_or(0) + count("output").unwrap_or(0);
            if reasoning > 0 && (self.api == Api::Gemini || count("total") == Some(visible + reasoning)) {
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
    let is_piece = |call: Option<&Value>| call.is_some_and(|call| call["name"].is_null());
    let mut whole: Vec<_> = calls
        .iter()
        .enumerate()
        .filter(|(at, call)| !is_piece(Some(call)) && !is_piece(calls.get(at + 1)))
        .filter_map(|(_, call)| {
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

/// Whether a call came in pieces.
fn has_pieces(expected: &Value) -> bool {
    expected["tool_calls"].as_array().is_some_and(|calls| calls.iter().any(|call| call["name"].is_null()))
}

/// Gemini's words are numbers in some places.
fn word_of(value: &Value) -> Option<String> {
    let number = value.as_u64().map(|number| number.to_string());
    number.or_else(|| value.as_str().filter(|word| !word.is_empty()).map(str::to_owned))
}

fn is_cut(word: Option<&str>) -> bool {
    matches!(word, Some("length" | "max_tokens" | "max_output_tokens"))
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
