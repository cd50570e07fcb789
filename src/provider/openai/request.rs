//! What we send to chat completions.

use serde_json::{Map, Value, json};

use super::{GiveBack, LimitField, Quirks, ReasoningField, fold::CALL_EXTRA};
use crate::{
    provider::{
        OutputSchema, Request, Thinking,
        cache::{Caching, Mode, Retention},
        call,
        catalog::takes,
        round, schema,
    },
    transcript::{Content, Image, Message, ResultContent, Role, ToolCall, ToolResult},
};

/// The request's JSON.
pub fn body(request: &Request, quirks: &Quirks) -> Value {
    let takes = takes::of(&request.model);
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("messages".into(), messages(request, quirks).into());
    body.insert("stream".into(), true.into());
    if !quirks.no_stream_options {
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let function = json!({"name": tool.name, "description": tool.description, "parameters": tool.input_schema});
            json!({"type": "function", "function": function})
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(most) = request.max_tokens {
        let field = match quirks.limit {
            LimitField::MaxTokens => "max_tokens",
            LimitField::MaxCompletionTokens => "max_completion_tokens",
        };
        body.insert(field.into(), most.into());
    }
    if let Some(temperature) = request.temperature
        && takes.temperature
    {
        body.insert("temperature".into(), round(temperature).into());
    }
    if !request.stop_sequences.is_empty() {
        body.insert("stop".into(), json!(request.stop_sequences));
    }
    if quirks.caching == Caching::Key {
        request.cache.say(takes, &mut body);
    }
    if let Some(thinking) = request.thinking {
        match quirks.reasoning {
            ReasoningField::None => {}
            ReasoningField::Effort => {
                if let Some(effort) = takes.effort(thinking) {
                    body.insert("reasoning_effort".into(), effort.into());
                }
            }
            ReasoningField::Budget if thinking == Thinking::Budget(0) => {
                if let Some(effort) = takes.effort(thinking) {
                    body.insert("reasoning".into(), json!({"effort": effort}));
                }
            }
            ReasoningField::Budget => {
                body.insert("reasoning".into(), json!({"max_tokens": thinking.budget()}));
            }
        }
    }
    if let Some(OutputSchema { name, schema: shape }) = &request.output_schema {
        let format = match schema::strict(shape) {
            Some(shape) => json!({"name": name, "schema": shape, "strict": true}),
            None => json!({"name": name, "schema": shape}),
        };
        body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": format}));
    }
    Value::Object(body)
}

fn messages(request: &Request, quirks: &Quirks) -> Vec<Value> {
    let mark =
        quirks.caching == Caching::Control && request.cache.mode != Mode::Disabled && request.model.contains("claude");
    let mut out = Vec::new();
    let system: Vec<&str> = request.system.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    if !system.is_empty() {
        out.push(json!({"role": "system", "content": system.join("\n\n")}));
    }
    for message in &request.messages {
        match message.role {
            Role::User => user(message, quirks, &mut out),
            Role::Assistant => out.extend(assistant(message, quirks)),
        }
    }
    if mark {
        let is_extended = request.cache.retention == Retention::Extended;
        let ttl = if is_extended { json!({"type": "ephemeral", "ttl": "1h"}) } else { short() };
        if let Some(first) = out.first_mut().filter(|first| first["role"] == "system") {
            cached(first, ttl);
        }
        if let Some(last) = out.iter_mut().rev().find(|message| message["role"] == "user" || message["role"] == "tool")
        {
            cached(last, short());
        }
    }
    out
}

fn short() -> Value {
    json!({"type": "ephemeral"})
}

/// Puts a breakpoint on a message's last part.
fn cached(message: &mut Value, mark: Value) {
    if let Some(text) = message["content"].as_str() {
        message["content"] = json!([{"type": "text", "text": text}]);
    }
    if let Some(last) = message["content"].as_array_mut().and_then(|parts| parts.last_mut()) {
        last["cache_control"] = mark;
    }
}

/// A user message: first the results, each a message of its own, then what the person said. A result holds text only, so
/// its images follow as the person's.
fn user(message: &Message, quirks: &Quirks, out: &mut Vec<Value>) {
    let mut parts = Vec::new();
    for result in message.tool_results() {
        out.push(json!({
            "role": "tool",
            "tool_call_id": call_id(&result.call_id, quirks),
            "content": result_text(result),
        }));
        let images: Vec<_> = result.content.iter().filter_map(result_image).collect();
        if !images.is_empty() {
            parts.push(text_part("The images of the tool's result:"));
            parts.extend(images.into_iter().map(image_part));
        }
    }
    for part in &message.content {
        match part {
            Content::Text { text } if !text.is_empty() => parts.push(text_part(text)),
            Content::Image(image) => parts.push(image_part(image)),
            Content::Text { .. } | Content::Thinking { .. } | Content::ToolCall(_) | Content::ToolResult(_) => {}
        }
    }
    match parts.as_slice() {
        [] => {}
        // The simple shape is the one that every server takes.
        [one] if one["type"] == "text" => out.push(json!({"role": "user", "content": one["text"]})),
        _ => out.push(json!({"role": "user", "content": parts})),
    }
}

fn assistant(message: &Message, quirks: &Quirks) -> Option<Value> {
    let text = message.text();
    let mut details = Vec::new();
    let mut thinking = String::new();
    for part in &message.content {
        if let Content::Thinking { text, signature, .. } = part {
            thinking.push_str(text);
            let parsed = signature.as_deref().and_then(|proof| serde_json::from_str::<Vec<Value>>(proof).ok());
            details.extend(parsed.unwrap_or_default());
        }
    }
    let (extras, details): (Vec<_>, Vec<_>) = details.into_iter().partition(|detail| detail["type"] == CALL_EXTRA);
    let calls: Vec<Value> = message.tool_calls().map(|call| tool_call(call, &extras, quirks)).collect();
    if text.is_empty() && calls.is_empty() {
        return None;
    }
    let mut out = json!({"role": "assistant", "content": text});
    match quirks.give_back {
        GiveBack::Content if !calls.is_empty() => out["reasoning_content"] = thinking.into(),
        GiveBack::Details if !details.is_empty() => out["reasoning_details"] = details.into(),
        GiveBack::Nothing | GiveBack::Content | GiveBack::Details | GiveBack::CallExtras => {}
    }
    if !calls.is_empty() {
        if text.is_empty() {
            out["content"] = Value::Null;
        }
        out["tool_calls"] = calls.into();
    }
    Some(out)
}

fn tool_call(call: &ToolCall, extras: &[Value], quirks: &Quirks) -> Value {
    let function = json!({"name": call::name(call), "arguments": call::input(call).to_string()});
    let mut out = json!({"id": call_id(&call.id, quirks), "type": "function", "function": function});
    if quirks.give_back == GiveBack::CallExtras
        && let Some(extra) = extras.iter().find(|extra| extra["id"] == call.id.as_str())
    {
        out["extra_content"] = extra["extra_content"].clone();
    }
    out
}

pub fn result_text(result: &ToolResult) -> String {
    let texts = result.content.iter().filter_map(|part| match part {
        ResultContent::Text { text } => Some(text.as_str()),
        ResultContent::Image(_) => None,
    });
    let text = texts.collect::<Vec<_>>().join("\n");
    // The API has no mark for a failure, and some servers refuse an empty result.
    match (result.is_error, text.is_empty()) {
        (true, _) => format!("Error: {text}"),
        (false, true) if result.content.is_empty() => "(no output)".into(),
        (false, true) => "(see the image)".into(),
        (false, false) => text,
    }
}

fn result_image(part: &ResultContent) -> Option<&Image> {
    if let ResultContent::Image(image) = part { Some(image) } else { None }
}

fn text_part(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn image_part(image: &Image) -> Value {
    json!({"type": "image_url", "image_url": {"url": format!("data:{};base64,{}", image.media_type, image.data)}})
}

/// A call's id as the server takes it. Shortened ids are a hash of the whole: calls of another provider in the same
/// transcript keep apart.
fn call_id(id: &str, quirks: &Quirks) -> String {
    if !quirks.short_call_ids || (id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
        return id.to_owned();
    }
    // FNV-1a, and then nine digits to the base of 36.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let digit = |place: u32| char::from_digit((hash / 36_u64.pow(place) % 36) as u32, 36).unwrap_or('0');
    (0..9).map(digit).collect()
}
