//! Events of the Responses API, folded into an answer.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    provider::{
        ErrorClass, StreamEvent,
        answer::{self, Answer},
        error::{Failure, is_said},
        http::Fold,
        json::{self, Count, Text, or_default},
        opaque, sse,
    },
    transcript::{Content, StopReason, ToolCall, Usage},
};

/// An answer as it grows. Each item is kept by its place until the end: some servers send items' ends in another order
/// than their beginnings, and ids that change from event to event.
pub struct Items {
    answer: Answer,
    /// The provider's name, for what goes back to it alone.
    name: String,
    items: Vec<Item>,
    refused: bool,
    ended: bool,
}

struct Item {
    index: u64,
    kind: Kind,
    /// What was shown of it: of a call, its arguments.
    shown: String,
    /// The part of its summary that was shown last.
    part: u64,
    /// The item itself, once it was whole.
    whole: Option<Value>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Message,
    Reasoning,
    Call,
    /// What a tool of the provider's own did. Nothing of it is ours to run or to send back.
    Other,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    output_index: Option<u64>,
    #[serde(default, deserialize_with = "or_default")]
    summary_index: u64,
    #[serde(borrow, default)]
    delta: Text<'a>,
    item: Option<Value>,
    response: Option<Response>,
}

#[derive(Deserialize)]
struct Response {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    model: Option<String>,
    output: Option<Vec<Value>>,
    error: Option<Value>,
    #[serde(default, deserialize_with = "or_default")]
    incomplete_details: Incomplete,
    #[serde(default, deserialize_with = "or_default")]
    usage: RawUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Incomplete {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct RawUsage {
    input_tokens: Count,
    output_tokens: Count,
    #[serde(deserialize_with = "or_default")]
    input_tokens_details: InputDetails,
    #[serde(deserialize_with = "or_default")]
    output_tokens_details: OutputDetails,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    reasoning_tokens: Count,
}

impl Kind {
    fn of(item: &Value) -> Self {
        match item["type"].as_str() {
            Some("message") => Self::Message,
            Some("reasoning") => Self::Reasoning,
            Some("function_call" | "custom_tool_call") => Self::Call,
            _ => Self::Other,
        }
    }
}

impl RawUsage {
    /// These counts in our terms: `input_tokens` includes what came from or went to the cache.
    fn usage(&self) -> Usage {
        let read = self.input_tokens_details.cached_tokens.0;
        let write = self.input_tokens_details.cache_write_tokens.0;
        let cached = read.unwrap_or(0).saturating_add(write.unwrap_or(0));
        Usage {
            input_tokens: self.input_tokens.0.map(|input| input.checked_sub(cached).unwrap_or(input)),
            output_tokens: self.output_tokens.0,
            cache_read_tokens: read,
            cache_write_tokens: write,
            reasoning_tokens: self.output_tokens_details.reasoning_tokens.0,
            ..Usage::default()
        }
    }
}

impl Items {
    pub fn new(name: &str) -> Self {
        Self { answer: Answer::default(), name: name.to_owned(), items: Vec::new(), refused: false, ended: false }
    }

    /// The item at this place, the last one if no place is said; a new one has this kind.
    fn item(&mut self, index: Option<u64>, kind: Kind) -> &mut Item {
        let index = index.or(self.items.last().map(|item| item.index)).unwrap_or(0);
        let at = self.items.partition_point(|item| item.index < index);
        if self.items.get(at).is_none_or(|item| item.index != index) {
            self.items.insert(at, Item { index, kind, shown: String::new(), part: 0, whole: None });
        }
        &mut self.items[at]
    }

    fn grow(&mut self, event: &Event<'_>, kind: Kind) {
        let item = self.item(event.output_index, kind);
        let mut delta = event.delta.0.clone();
        if kind == Kind::Reasoning && event.summary_index != std::mem::replace(&mut item.part, event.summary_index) {
            delta.to_mut().insert_str(0, BETWEEN);
        }
        item.shown.push_str(&delta);
        match kind {
            Kind::Message => self.answer.text(&delta),
            Kind::Reasoning => self.answer.thinking(&delta),
            Kind::Call => self.tell_input(event.output_index, &delta),
            Kind::Other => {}
        }
    }

    /// Tells of a piece of a call's input.
    fn tell_input(&mut self, index: Option<u64>, fragment: &str) {
        let at = self.items.iter().filter(|item| item.kind == Kind::Call && Some(item.index) < index).count();
        let item = self.items.iter().find(|item| Some(item.index) == index);
        let name = item.and_then(|item| item.whole.as_ref()).map(|item| text(item, "name")).unwrap_or_default();
        self.answer.tool_input(at, &name, fragment);
    }

    fn begun(&mut self, index: Option<u64>, whole: Value) {
        let kind = Kind::of(&whole);
        let next = self.items.last().map_or(0, |item| item.index + 1);
        let item = self.item(index.or(Some(next)), kind);
        (item.kind, item.whole) = (kind, Some(whole));
    }

    fn done(&mut self, index: Option<u64>, whole: Value) {
        let kind = Kind::of(&whole);
        let item = self.item(index, kind);
        (item.kind, item.whole) = (kind, Some(whole));
    }

    /// The end, with the whole answer, of which some servers leave out the items.
    fn response(&mut self, response: Response) -> Result<(), Failure> {
        let completion = &mut self.answer.completion;
        completion.model = response.model.or(completion.model.take());
        completion.usage = response.usage.usage();
        if let Some(error) = response.error.filter(is_said) {
            let reported = Failure::reported(None, &json!({ "error": error }));
            return Err(reported.unwrap_or_else(|| Failure::new(ErrorClass::Overloaded, error.to_string())));
        }
        for (index, item) in response.output.into_iter().flatten().enumerate() {
            self.done(Some(index as u64), item);
        }
        let status = response.status.unwrap_or_default();
        let word = match response.incomplete_details.reason {
            Some(reason) if status != "completed" => reason,
            _ => status,
        };
        match &*word {
            "failed" | "cancelled" | "queued" | "in_progress" => {
                Err(Failure::new(ErrorClass::Overloaded, format!("the answer is `{word}`")))
            }
            _ => {
                self.answer.completion.raw_stop_reason = Some(word).filter(|word| !word.is_empty());
                self.ended = true;
                Ok(())
            }
        }
    }

    /// Puts the answer together from its items, shows what was not shown yet, and counts the calls among them, those that
    /// were cut in two included. `cut` says that the answer did not come to its own end.
    fn assemble(&mut self, cut: bool) -> usize {
        let mut content = Vec::new();
        let mut calls = 0;
        for item in std::mem::take(&mut self.items) {
            let whole = item.whole.unwrap_or_default();
            match item.kind {
                Kind::Message => {
                    let (said, refused) = words(&whole);
                    self.refused |= refused;
                    let text = self.rest(&item.shown, said, StreamEvent::Text);
                    if !text.is_empty() {
                        content.push(Content::Text { text });
                    }
                }
                Kind::Reasoning => {
                    let text = self.rest(&item.shown, thoughts(&whole), StreamEvent::Thinking);
                    // Without its payload the server could not make anything of it.
                    let is_proof = whole["encrypted_content"].is_string();
                    let signature = is_proof.then(|| opaque::keep(&self.name, &whole));
                    if !text.is_empty() || signature.is_some() {
                        content.push(Content::Thinking { text, signature, redacted: None });
                    }
                }
                Kind::Call => {
                    calls += 1;
                    let said = ["arguments", "input"].map(|key| text(&whole, key)).concat();
                    let arguments = if said.is_empty() { &item.shown } else { &said };
                    let id = [text(&whole, "call_id"), text(&whole, "id")].into_iter().find(|id| !id.is_empty());
                    let is_cut = cut && whole["status"] != "completed";
                    if let Some(input) = answer::input(arguments, is_cut) {
                        let (id, name) = (id.unwrap_or_default(), text(&whole, "name"));
                        content.push(Content::ToolCall(ToolCall { id, name, input }));
                    }
                }
                Kind::Other => {}
            }
        }
        self.answer.completion.content = content;
        calls
    }

    /// What an item says in the end. What goes on from what was shown of it is shown too; something else is not taken,
    /// because what was seen is what was said.
    fn rest(&mut self, shown: &str, said: String, event: fn(String) -> StreamEvent) -> String {
        match said.strip_prefix(shown) {
            Some(rest) => {
                if !rest.is_empty() {
                    self.answer.events.push_back(event(rest.to_owned()));
                }
                said
            }
            None => shown.to_owned(),
        }
    }
}

/// Between two parts of a summary, each of which has a heading.
const BETWEEN: &str = "\n\n";

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The text of a message, and whether it is a refusal.
fn words(message: &Value) -> (String, bool) {
    let parts = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
    let refused = parts.iter().any(|part| part["type"] == "refusal");
    (parts.iter().map(|part| text(part, if part["type"] == "refusal" { "refusal" } else { "text" })).collect(), refused)
}

/// The text of a reasoning item: itself where the server shows it, else its summary.
fn thoughts(reasoning: &Value) -> String {
    let texts = |key: &str| {
        let parts = reasoning[key].as_array().map(Vec::as_slice).unwrap_or_default();
        parts.iter().map(|part| text(part, "text")).filter(|text| !text.is_empty()).collect::<Vec<_>>()
    };
    let summary = texts("summary").join(BETWEEN);
    if summary.is_empty() { texts("content").concat() } else { summary }
}

impl Fold for Items {
    fn answer(&mut self) -> &mut Answer {
        &mut self.answer
    }

    fn event(&mut self, event: sse::Event<'_>) -> Result<bool, Failure> {
        if event.name == b"error" {
            return Err(Failure::in_answer(event.data));
        }
        if !event.data.trim_ascii_start().starts_with(b"{") {
            return Ok(false);
        }
        let mut scratch = Vec::new();
        let mut parsed: Event<'_> = json::read(event.data, &mut scratch).map_err(|_| Failure::in_answer(event.data))?;
        let kind = parsed.kind.some().unwrap_or(str::from_utf8(event.name).unwrap_or_default());
        match kind {
            "response.output_text.delta" => self.grow(&parsed, Kind::Message),
            "response.refusal.delta" => {
                self.refused = true;
                self.grow(&parsed, Kind::Message);
            }
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                self.grow(&parsed, Kind::Reasoning);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.grow(&parsed, Kind::Call);
            }
            "response.output_item.added" => {
                if let Some(item) = parsed.item.take() {
                    self.begun(parsed.output_index, item);
                }
            }
            "response.output_item.done" => {
                if let Some(item) = parsed.item.take() {
                    self.done(parsed.output_index, item);
                }
            }
            "response.created" => {
                let model = parsed.response.and_then(|response| response.model);
                self.answer.completion.model = model.or(self.answer.completion.model.take());
            }
            "response.completed" | "response.incomplete" | "response.failed" => match parsed.response {
                Some(response) => self.response(response)?,
                None => return Err(Failure::in_answer(event.data)),
            },
            "error" => return Err(Failure::in_answer(event.data)),
            // New kinds may come at any time; what is none at all may be an error.
            _ => {
                if let Ok(value) = serde_json::from_slice(event.data)
                    && let Some(failure) = Failure::reported(None, &value).filter(|_| !kind.starts_with("response."))
                {
                    return Err(failure);
                }
            }
        }
        Ok(self.ended)
    }

    fn whole(&mut self, body: &[u8]) -> Result<(), Failure> {
        let mut scratch = Vec::new();
        let response: Response = json::read(body, &mut scratch).map_err(|_| Failure::in_answer(body))?;
        if response.output.is_none() && response.error.as_ref().is_none_or(|error| !is_said(error)) {
            return Err(Failure::in_answer(body));
        }
        self.response(response)
    }

    fn is_whole(&self) -> bool {
        self.ended
    }

    fn finish(&mut self) -> Result<(), Failure> {
        let cut = self.answer.was_cut();
        let calls = self.assemble(cut);
        self.answer.conclude(calls)?;
        if self.refused && calls == 0 {
            self.answer.completion.stop_reason = Some(StopReason::Refusal);
        }
        Ok(())
    }

    fn break_off(&mut self) {
        if !self.items.is_empty() {
            self.assemble(true);
        }
    }
}
