//! What we send to the Messages API.

use serde_json::{Map, Value, json};

use super::CACHE;
use crate::{
    provider::{
        Request,
        cache::{Breakpoint, Cache, Mode, Retention},
        call,
        catalog::takes::{self, Asked},
        opaque, round, schema,
    },
    transcript::{Content, Image, Message, ResultContent, Role, ToolResult},
};

/// The most tokens that a model may generate when nobody says and it can; chosen.
const USUAL_ANSWER: u32 = 32_000;

/// The highest temperature that the API takes; others go up to 2.
const HOTTEST: f32 = 1.0;

/// The request's JSON, for the provider of this name.
pub fn body(request: &Request, name: &str) -> Value {
    let mut body = Map::new();
    let marks = Marks::of(&request.cache);
    let mut messages = messages(&request.messages, name, &marks);
    let takes = takes::of(&request.model);
    let thinking = request.thinking.and_then(|thinking| takes.asked(thinking));
    // The budget is for a whole turn, tools included, and the API refuses one for a turn that began without reasoning.
    let mut thinking = thinking.filter(|asked| !matches!(asked, Asked::Budget(_)) || may_think(&messages));
    let longest = takes.max_output.unwrap_or(u32::MAX);
    let mut most = request.max_tokens.unwrap_or(USUAL_ANSWER).min(longest);
    // The budget is a part of the limit, and the limit must be larger.
    if let Some(Asked::Budget(budget)) = &mut thinking
        && most <= *budget
    {
        let answer = most;
        most = budget.saturating_add(answer).min(longest);
        // Where both are more than the model can, the answer keeps its half.
        *budget = (*budget).min(most - answer.min(most / 2));
    }
    body.insert("model".into(), request.model.as_str().into());
    body.insert("max_tokens".into(), most.into());
    body.insert("stream".into(), true.into());
    let mut output = Map::new();
    match (thinking, request.temperature) {
        (Some(Asked::Budget(budget)), _) => {
            body.insert("thinking".into(), json!({"type": "enabled", "budget_tokens": budget}));
        }
        (Some(Asked::Level(effort)), _) => {
            // Without being told so, later models show nothing of it.
            body.insert("thinking".into(), json!({"type": "adaptive", "display": "summarized"}));
            output.insert("effort".into(), effort.into());
        }
        (Some(Asked::Off), _) => {
            body.insert("thinking".into(), json!({"type": "disabled"}));
        }
        // Not together with thinking: the API refuses that.
        (None, Some(temperature)) if takes.temperature => {
            body.insert("temperature".into(), round(temperature.clamp(0.0, HOTTEST)).into());
        }
        (None, _) => {}
    }
    if let Some(output_schema) = &request.output_schema {
        let schema = schema::plain(&output_schema.schema);
        output.insert("format".into(), json!({"type": "json_schema", "schema": schema}));
    }
    if !output.is_empty() {
        body.insert("output_config".into(), output.into());
    }
    if !request.stop_sequences.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop_sequences));
    }

    let mut tools: Vec<Value> = request
        .tools
        .iter()
        .map(|tool| json!({"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}))
        .collect();
    let mut system: Vec<Value> =
        request.system.iter().filter(|text| !text.trim().is_empty()).map(|t| text(t)).collect();
    for (list, breakpoint) in [(&mut tools, Breakpoint::Tools), (&mut system, Breakpoint::System)] {
        mark(list.last_mut(), marks.at(breakpoint));
    }
    if let Some(moving) = &marks.moving {
        // Two: the end, and the end of the call before this one, from which this one's prefix is read. A breakpoint
        // finds an earlier entry only up to 20 blocks back, and one round may add more.
        let users = messages.iter_mut().rev().filter(|message| message["role"] == "user").take(2);
        for message in users {
            mark(message["content"].as_array_mut().and_then(|content| content.last_mut()), Some(moving));
        }
    }
    for (key, list) in [("tools", tools), ("system", system), ("messages", messages)] {
        if !list.is_empty() || key == "messages" {
            body.insert(key.into(), list.into());
        }
    }
    Value::Object(body)
}

/// Where the prompt is marked, and with what.
struct Marks {
    fixed: Vec<Breakpoint>,
    mark: Value,
    /// The mark of the end, which moves along.
    moving: Option<Value>,
}

impl Marks {
    fn of(cache: &Cache) -> Self {
        let short = json!({"type": "ephemeral"});
        let mark = match cache.retention {
            Retention::Default | Retention::Short => short.clone(),
            Retention::Extended => json!({"type": "ephemeral", "ttl": "1h"}),
        };
        match (cache.mode, cache.explicit(CACHE.breakpoints)) {
            (Mode::Disabled, _) => Self { fixed: Vec::new(), mark, moving: None },
            (_, Some(fixed)) => Self { fixed, mark, moving: None },
            // The longer ones must come first, and tools and system text do.
            (_, None) => Self { fixed: vec![Breakpoint::Tools, Breakpoint::System], mark, moving: Some(short) },
        }
    }

    fn at(&self, breakpoint: Breakpoint) -> Option<&Value> {
        self.fixed.contains(&breakpoint).then_some(&self.mark)
    }
}

fn mark(block: Option<&mut Value>, mark: Option<&Value>) {
    if let (Some(block), Some(mark)) = (block, mark) {
        block["cache_control"] = mark.clone();
    }
}

/// False in the middle of a turn, after a tool's result, whose first answer has no reasoning that the API could check:
/// another provider gave it, or it was not asked to think then.
fn may_think(messages: &[Value]) -> bool {
    let is = |block: &Value, kinds: &[&str]| kinds.iter().any(|kind| block["type"] == *kind);
    let begins_with = |message: &Value, kinds: &[&str]| is(&message["content"][0], kinds);
    // Results stand first in their message.
    let prompt =
        messages.iter().rposition(|message| message["role"] == "user" && !begins_with(message, &["tool_result"]));
    let turn = &messages[prompt.map_or(0, |prompt| prompt + 1)..];
    turn.first().is_none_or(|answer| begins_with(answer, &["thinking", "redacted_thinking"]))
}

/// Messages as the API wants them: roles in turn, tool results first, nothing empty.
fn messages(messages: &[Message], name: &str, marks: &Marks) -> Vec<Value> {
    let mut merged: Vec<(Role, Vec<Value>)> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let (results, others): (Vec<_>, Vec<_>) =
            message.content.iter().enumerate().partition(|(_, part)| matches!(part, Content::ToolResult(_)));
        let block = |(place, part)| {
            let mut block = block(part, name)?;
            mark(Some(&mut block).filter(|block| takes_mark(block)), marks.at(Breakpoint::Part(number, place)));
            Some(block)
        };
        let mut blocks: Vec<Value> = results.into_iter().chain(others).filter_map(block).collect();
        let last = blocks.iter_mut().rfind(|block| takes_mark(block));
        mark(last, marks.at(Breakpoint::Message(number)));
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

/// Reasoning takes none.
fn takes_mark(block: &Value) -> bool {
    block["type"] != "thinking" && block["type"] != "redacted_thinking"
}

fn block(part: &Content, name: &str) -> Option<Value> {
    Some(match part {
        Content::Text { text: words } if words.trim().is_empty() => return None,
        Content::Text { text: words } => text(words),
        Content::Thinking { redacted: Some(data), .. } => {
            json!({"type": "redacted_thinking", "data": proof(data, name)?})
        }
        Content::Thinking { text, signature, .. } => {
            json!({"type": "thinking", "thinking": text, "signature": proof(signature.as_deref()?, name)?})
        }
        Content::Image(picture) => image(picture),
        Content::ToolCall(call) => {
            let id = call::plain(&call.id);
            json!({"type": "tool_use", "id": id, "name": call::name(call), "input": call::input(call)})
        }
        Content::ToolResult(result) => tool_result(result),
    })
}

/// What the provider of this name can check; it refuses another's. A bare one is base64, which has no bracket or brace:
/// nobody knows whose it is, and as a rule there is only one.
fn proof(kept: &str, name: &str) -> Option<String> {
    if !kept.starts_with(['[', '{']) {
        return Some(kept.to_owned());
    }
    opaque::give_back(name, kept)?.as_str().map(str::to_owned)
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
    // The ids of other providers may have dots and colons.
    let mut block = json!({"type": "tool_result", "tool_use_id": call::plain(&result.call_id)});
    if !content.is_empty() {
        block["content"] = content.into();
    }
    if result.is_error {
        block["is_error"] = true.into();
    }
    block
}
