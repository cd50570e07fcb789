//! What we send to the Responses API.

use serde_json::{Map, Value, json};

use crate::{
    provider::{
        OutputSchema, Request, Thinking, cache::Caching, call, catalog::takes, opaque, openai::request as chat, round,
        schema,
    },
    transcript::{Content, Image, Message, ResultContent, Role, ToolResult},
};

/// The request's JSON, for the provider of this name.
pub fn body(request: &Request, name: &str, caching: Caching) -> Value {
    let takes = takes::of(&request.model);
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("stream".into(), true.into());
    body.insert("store".into(), false.into());
    let system: Vec<&str> = request.system.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    if !system.is_empty() {
        body.insert("instructions".into(), system.join("\n\n").into());
    }
    body.insert("input".into(), request.messages.iter().flat_map(|message| items(message, name)).collect());
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            // Strict is the default here, and takes only a part of JSON Schema.
            json!({
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.input_schema,
                "strict": false,
            })
        });
        body.insert("tools".into(), tools.collect());
    }
    if let Some(most) = request.max_tokens {
        body.insert("max_output_tokens".into(), most.into());
    }
    if let Some(temperature) = request.temperature
        && takes.temperature
    {
        body.insert("temperature".into(), round(temperature).into());
    }
    if takes.effort.is_some() {
        body.insert("include".into(), json!(["reasoning.encrypted_content"]));
    }
    if let Some(thinking) = request.thinking
        && let Some(effort) = takes.effort(thinking)
    {
        let mut reasoning = json!({ "effort": effort });
        if thinking != Thinking::Budget(0) {
            reasoning["summary"] = "auto".into();
        }
        body.insert("reasoning".into(), reasoning);
    }
    if let Some(OutputSchema { name, schema: shape }) = &request.output_schema {
        let strict = schema::strict(shape);
        let is_strict = strict.is_some();
        let shape = strict.as_ref().unwrap_or(shape);
        let format = json!({"type": "json_schema", "name": name, "schema": shape, "strict": is_strict});
        body.insert("text".into(), json!({ "format": format }));
    }
    if caching == Caching::Key {
        request.cache.say(takes, &mut body);
    }
    Value::Object(body)
}

/// A message as the API wants it: each part an item of its own, results before what the person said.
fn items(message: &Message, name: &str) -> Vec<Value> {
    match message.role {
        Role::User => user(message),
        Role::Assistant => message.content.iter().filter_map(|part| said(part, name)).collect(),
    }
}

fn user(message: &Message) -> Vec<Value> {
    let mut items: Vec<Value> = message.tool_results().map(output).collect();
    let parts = message.content.iter().filter_map(|part| match part {
        Content::Text { text } if !text.is_empty() => Some(json!({"type": "input_text", "text": text})),
        Content::Image(image) => Some(picture(image)),
        Content::Text { .. } | Content::Thinking { .. } | Content::ToolCall(_) | Content::ToolResult(_) => None,
    });
    let parts: Vec<Value> = parts.collect();
    if !parts.is_empty() {
        items.push(json!({"type": "message", "role": "user", "content": parts}));
    }
    items
}

fn said(part: &Content, name: &str) -> Option<Value> {
    match part {
        Content::Text { text } if text.is_empty() => None,
        Content::Text { text } => Some(json!({
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": text}],
        })),
        // The provider may have spoken another format then.
        Content::Thinking { signature, .. } => opaque::give_back(name, signature.as_deref()?).filter(Value::is_object),
        Content::ToolCall(call) => {
            let arguments = call::input(call).to_string();
            Some(json!({"type": "function_call", "call_id": call.id, "name": call::name(call), "arguments": arguments}))
        }
        Content::Image(_) | Content::ToolResult(_) => None,
    }
}

fn output(result: &ToolResult) -> Value {
    let has_image = result.content.iter().any(|part| matches!(part, ResultContent::Image(_)));
    let output = if has_image {
        // The API has no mark for a failure.
        let mark = result.is_error.then(|| json!({"type": "input_text", "text": "Error:"}));
        let parts = result.content.iter().map(|part| match part {
            ResultContent::Text { text } => json!({"type": "input_text", "text": text}),
            ResultContent::Image(image) => picture(image),
        });
        mark.into_iter().chain(parts).collect()
    } else {
        Value::from(chat::result_text(result))
    };
    json!({"type": "function_call_output", "call_id": result.call_id, "output": output})
}

fn picture(image: &Image) -> Value {
    let url = format!("data:{};base64,{}", image.media_type, image.data);
    json!({"type": "input_image", "image_url": url, "detail": "auto"})
}
