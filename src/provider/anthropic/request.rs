//! What we send to the Messages API.

use serde_json::{Map, Value, json};

use crate::{
    provider::{Cache, Request, round},
    transcript::{Content, Image, Message, ResultContent, Role, ToolResult},
};

/// The least that the API takes.
const LEAST_THINKING: u32 = 1024;

/// The request's JSON.
pub fn body(request: &Request) -> Value {
    let mut body = Map::new();
    let thinking = request.thinking.map(|thinking| thinking.budget_tokens.max(LEAST_THINKING));
    let most = request.max_tokens.unwrap_or_else(|| most_tokens(&request.model));
    // The budget is a part of the limit, and the limit must be larger.
    let most = if let Some(budget) = thinking
        && most <= budget
    {
        budget.saturating_add(most)
    } else {
        most
    };
    body.insert("model".into(), request.model.as_str().into());
    body.insert("max_tokens".into(), most.into());
    body.insert("stream".into(), true.into());
    if let Some(budget) = thinking {
        body.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": budget}));
    } else if let Some(temperature) = request.temperature {
        // Not together with thinking: the API refuses that.
        body.insert("temperature".into(), round(temperature).into());
    }
    if !request.stop_sequences.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop_sequences));
    }

    let (stable, moving) = match request.cache {
        Cache::Off => (None, None),
        Cache::Short => (Some(json!({"type": "ephemeral"})), Some(json!({"type": "ephemeral"}))),
        // The longer ones must come first, and tools and system text do.
        Cache::Long => (Some(json!({"type": "ephemeral", "ttl": "1h"})), Some(json!({"type": "ephemeral"}))),
    };
    let mut tools: Vec<Value> = request
        .tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}))
        .collect();
    let mut system: Vec<Value> =
        request.system.iter().filter(|text| !text.trim().is_empty()).map(|t| text(t)).collect();
    for list in [&mut tools, &mut system] {
        if let (Some(last), Some(mark)) = (list.last_mut(), &stable) {
            last["cache_control"] = mark.clone();
        }
    }
    let mut messages = messages(&request.messages);
    if let Some(mark) = moving {
        // Two: the end, and the end of the call before this one, from which this one's prefix is read. A breakpoint
        // finds an earlier entry only up to 20 blocks back, and one round may add more.
        let users = messages.iter_mut().rev().filter(|message| message["role"] == "user").take(2);
        for message in users {
            if let Some(last) = message["content"].as_array_mut().and_then(|content| content.last_mut()) {
                last["cache_control"] = mark.clone();
            }
        }
    }
    for (key, list) in [("tools", tools), ("system", system), ("messages", messages)] {
        if !list.is_empty() || key == "messages" {
            body.insert(key.into(), list.into());
        }
    }
    Value::Object(body)
}

/// The most tokens that a model may generate when nobody says: what the smallest of its family takes.
fn most_tokens(model: &str) -> u32 {
    match model {
        model if model.contains("claude-3-5") || model.contains("claude-3.5") => 8192,
        model if model.contains("claude-3-7") || model.contains("claude-3.7") => 32_000,
        model if model.contains("claude-3") => 4096,
        _ => 32_000,
    }
}

/// Messages as the API wants them: roles in turn, tool results first, nothing empty.
fn messages(messages: &[Message]) -> Vec<Value> {
    let mut merged: Vec<(Role, Vec<Value>)> = Vec::new();
    for message in messages {
        let (results, others): (Vec<_>, Vec<_>) =
            message.content.iter().partition(|part| matches!(part, Content::ToolResult(_)));
        let blocks: Vec<Value> = results.into_iter().chain(others).filter_map(block).collect();
        if blocks.is_empty() {
            continue;
        }
        match merged.last_mut() {
            Some((role, content)) if *role == message.role => {
                // Results that follow a text of the same turn still go before it.
                let (results, others): (Vec<_>, Vec<_>) =
                    std::mem::take(content).into_iter().chain(blocks).partition(|block| block["type"] == "tool_result");
                content.extend(results.into_iter().chain(others));
            }
            _ => merged.push((message.role, blocks)),
        }
    }
    let role = |role| if role == Role::User { "user" } else { "assistant" };
    merged.into_iter().map(|(from, content)| json!({"role": role(from), "content": content})).collect()
}

fn block(part: &Content) -> Option<Value> {
    Some(match part {
        Content::Text { text: words } if words.trim().is_empty() => return None,
        Content::Text { text: words } => text(words),
        Content::Thinking { redacted: Some(data), .. } => json!({"type": "redacted_thinking", "data": data}),
        // Another provider's proof, or none, is refused. Theirs is base64, which has no bracket.
        Content::Thinking { text, signature: Some(signature), .. } if !signature.starts_with('[') => {
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Content::Thinking { .. } => return None,
        Content::Image(picture) => image(picture),
        Content::ToolCall(call) => {
            let input = if call.input.is_object() { call.input.clone() } else { json!({"input": call.input}) };
            json!({"type": "tool_use", "id": id(&call.id), "name": call.name, "input": input})
        }
        Content::ToolResult(result) => tool_result(result),
    })
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn image(image: &Image) -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": image.media_type, "data": image.data}})
}

fn tool_result(result: &ToolResult) -> Value {
    let content = result.content.iter().filter_map(|part| match part {
        ResultContent::Text { text: words } => (!words.trim().is_empty()).then(|| text(words)),
        ResultContent::Image(picture) => Some(image(picture)),
    });
    let content: Vec<_> = content.collect();
    let mut block = json!({"type": "tool_result", "tool_use_id": id(&result.call_id)});
    if !content.is_empty() {
        block["content"] = content.into();
    }
    if result.is_error {
        block["is_error"] = true.into();
    }
    block
}

/// An id as the API takes it: those of other providers may have dots and colons.
fn id(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}
