//! What we send to the Gemini API.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{fold::On, schema};
use crate::{
    provider::{
        Request, call,
        catalog::takes::{self, Asked},
        opaque, round,
    },
    transcript::{Content, Image, Message, ResultContent, Role, ToolResult},
};

/// What stands for the signature of a call that another model made, or whose signature is lost. Gemini 3 refuses calls
/// without one, and documents this.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The request's JSON, for the provider of this name.
pub fn body(request: &Request, name: &str) -> Value {
    let mut body = Map::new();
    let system: Vec<Value> =
        request.system.iter().filter(|text| !text.trim().is_empty()).map(|text| json!({ "text": text })).collect();
    if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({ "parts": system }));
    }
    body.insert("contents".into(), contents(request, name).into());
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let mut function = json!({"name": tool.name, "description": tool.description});
            if let Some(parameters) = schema::parameters(&tool.input_schema) {
                function["parameters"] = parameters;
            }
            function
        });
        body.insert("tools".into(), json!([{"functionDeclarations": tools.collect::<Vec<_>>()}]));
    }
    let is_third = is_third(&request.model);
    let mut config = Map::new();
    if let Some(most) = request.max_tokens {
        config.insert("maxOutputTokens".into(), most.into());
    }
    if let Some(temperature) = request.temperature {
        config.insert("temperature".into(), round(temperature).into());
    }
    if !request.stop_sequences.is_empty() {
        config.insert("stopSequences".into(), json!(request.stop_sequences));
    }
    if let Some(asked) = request.thinking.and_then(|thinking| takes::of(&request.model).asked(thinking)) {
        let thinking = match asked {
            Asked::Off => json!({"thinkingBudget": 0}),
            Asked::Budget(tokens) => json!({"thinkingBudget": tokens, "includeThoughts": true}),
            Asked::Level(level) => json!({"thinkingLevel": level, "includeThoughts": true}),
        };
        config.insert("thinkingConfig".into(), thinking);
    }
    // Before the third, a shape and tools exclude each other; the answer is checked anyhow.
    if let Some(output) = request.output_schema.as_ref().filter(|_| is_third || request.tools.is_empty()) {
        config.insert("responseMimeType".into(), "application/json".into());
        config.insert("responseSchema".into(), schema::clean_whole(&output.schema));
    }
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    Value::Object(body)
}

/// The conversation as the API wants it: roles in turn, results first, nothing empty.
fn contents(request: &Request, name: &str) -> Vec<Value> {
    // A result is told by its function's name here.
    let calls = request.messages.iter().flat_map(Message::tool_calls);
    let names: HashMap<&str, String> = calls.map(|call| (call.id.as_str(), call::name(call))).collect();
    let wants_signatures = is_third(&request.model);
    let mut merged: Vec<(Role, Vec<Value>)> = Vec::new();
    for message in &request.messages {
        let parts = match message.role {
            Role::User => user(message, &names),
            Role::Assistant => said(message, name, wants_signatures),
        };
        match merged.last_mut() {
            _ if parts.is_empty() => {}
            Some((role, content)) if *role == message.role => content.extend(parts),
            _ => merged.push((message.role, parts)),
        }
    }
    let role = |role| if role == Role::User { "user" } else { "model" };
    merged.into_iter().map(|(from, parts)| json!({"role": role(from), "parts": parts})).collect()
}

/// True from Gemini 3 on.
fn is_third(model: &str) -> bool {
    let Some((_, version)) = model.split_once("gemini-") else { return false };
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().is_ok_and(|major: u32| major >= 3)
}

fn user(message: &Message, names: &HashMap<&str, String>) -> Vec<Value> {
    let mut parts: Vec<Value> = message.tool_results().map(|result| response(result, names)).collect();
    // A response holds text only, so the images of all follow.
    let images = message.tool_results().flat_map(|result| &result.content).filter_map(|part| match part {
        ResultContent::Image(image) => Some(picture(image)),
        ResultContent::Text { .. } => None,
    });
    let images: Vec<Value> = images.collect();
    if !images.is_empty() {
        parts.push(json!({"text": "The images of the tools' results:"}));
        parts.extend(images);
    }
    parts.extend(message.content.iter().filter_map(|part| match part {
        Content::Text { text } if !text.is_empty() => Some(json!({ "text": text })),
        Content::Image(image) => Some(picture(image)),
        Content::Text { .. } | Content::Thinking { .. } | Content::ToolCall(_) | Content::ToolResult(_) => None,
    }));
    parts
}

fn response(result: &ToolResult, names: &HashMap<&str, String>) -> Value {
    let texts = result.content.iter().filter_map(|part| match part {
        ResultContent::Text { text } => Some(text.as_str()),
        ResultContent::Image(_) => None,
    });
    let key = if result.is_error { "error" } else { "output" };
    let name = names.get(result.call_id.as_str()).map_or("unknown", String::as_str);
    let said = texts.collect::<Vec<_>>().join("\n");
    json!({"functionResponse": {"id": result.call_id, "name": name, "response": {key: said}}})
}

/// A signature as the fold kept it.
#[derive(Deserialize)]
struct Signature {
    on: On,
    signature: String,
}

fn said(message: &Message, name: &str, wants_signatures: bool) -> Vec<Value> {
    let mut parts: Vec<Value> = Vec::new();
    let mut next: Option<String> = None;
    let mut had_call = false;
    for part in &message.content {
        let mut part = match part {
            Content::Text { text } if text.is_empty() => continue,
            Content::Text { text } => json!({ "text": text }),
            Content::Thinking { text, signature, .. } => {
                let kept = signature.as_deref().and_then(|signature| opaque::give_back(name, signature));
                let Some(Signature { on, signature }) = kept.and_then(|kept| serde_json::from_value(kept).ok()) else {
                    continue;
                };
                match on {
                    On::Thought => json!({"text": text, "thought": true, "thoughtSignature": signature}),
                    On::Nothing => json!({"text": "", "thoughtSignature": signature}),
                    On::Next => {
                        next = Some(signature);
                        continue;
                    }
                }
            }
            Content::ToolCall(call) => {
                // Of calls side by side only the first is signed.
                if wants_signatures && !std::mem::replace(&mut had_call, true) && next.is_none() {
                    next = Some(NO_SIGNATURE.to_owned());
                }
                json!({"functionCall": {"id": call.id, "name": call::name(call), "args": call::input(call)}})
            }
            Content::Image(_) | Content::ToolResult(_) => continue,
        };
        if let Some(signature) = next.take() {
            part["thoughtSignature"] = signature.into();
        }
        parts.push(part);
    }
    parts
}

fn picture(image: &Image) -> Value {
    json!({"inlineData": {"mimeType": image.media_type, "data": image.data}})
}
