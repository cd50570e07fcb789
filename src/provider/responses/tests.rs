use serde_json::{Value, json};

use super::{fold::Items, request};
use crate::{
    provider::{
        Cache, Completion, Effort, ErrorClass, OutputSchema, Request, Thinking, ToolSpec,
        cache::{Caching, Retention},
        error::Failure,
        http::{inputs, replay},
        opaque, presets,
    },
    transcript::{Content, Image, Message, ResultContent, Role, StopReason, ToolCall, ToolResult},
};

fn fold(events: &[Value]) -> Result<Completion, Box<(Failure, Completion)>> {
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    replay(Items::new("openai"), &events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn added(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn delta(kind: &str, index: u64, delta: &str) -> Value {
    json!({"type": format!("response.{kind}.delta"), "output_index": index, "item_id": "changes", "delta": delta})
}

fn call(index: u64, id: &str, arguments: &str) -> Value {
    done(index, json!({"type": "function_call", "id": "fc", "call_id": id, "name": "f", "arguments": arguments}))
}

fn message(text: &str) -> Value {
    json!({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]})
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "output": output}})
}

fn incomplete(reason: &str) -> Value {
    json!({"type": "response.incomplete", "response":
        {"status": "incomplete", "incomplete_details": {"reason": reason}, "output": []}})
}

fn reasoning() -> Value {
    json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAA==", "summary":
        [{"type": "summary_text", "text": "**One**"}, {"type": "summary_text", "text": "**Two**"}]})
}

fn ids(completion: &Completion) -> Vec<&str> {
    let mut ids = Vec::new();
    for part in &completion.content {
        if let Content::ToolCall(call) = part {
            ids.push(call.id.as_str());
        }
    }
    ids
}

#[test]
fn reasoning_goes_back_unchanged_and_in_order() {
    let summary = |part: u64, text: &str| {
        let mut event = delta("reasoning_summary_text", 0, text);
        event["summary_index"] = part.into();
        event
    };
    let completion = fold(&[
        added(0, json!({"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "early"})),
        summary(0, "**One**"),
        summary(1, "**Tw"),
        summary(1, "o**"),
        done(0, reasoning()),
        call(1, "a", "{\"x\":1}"),
        call(2, "b", ""),
        completed(json!([])),
    ])
    .unwrap();
    assert_eq!(completion.stop_reason, Some(StopReason::ToolCalls));
    let Content::Thinking { text, .. } = &completion.content[0] else { panic!("{completion:?}") };
    assert_eq!(text, "**One**\n\n**Two**");

    let answer = Message { role: Role::Assistant, content: completion.content };
    let request = Request { model: "gpt-5".into(), messages: vec![Message::user("Go"), answer], ..Request::default() };
    let input = |name| request::body(&request, name, Caching::Key)["input"].as_array().unwrap().clone();
    let call = |id: &str, arguments: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": arguments});
    assert_eq!(input("openai")[1..], [reasoning(), call("a", "{\"x\":1}"), call("b", "{}")]);
    // Another account could not read it.
    assert_eq!(input("work")[1..], [call("a", "{\"x\":1}"), call("b", "{}")]);
}

#[test]
fn items_are_in_the_order_of_their_places() {
    let completion = fold(&[
        added(0, json!({"type": "reasoning", "summary": []})),
        delta("reasoning_text", 0, "hm"),
        added(1, json!({"type": "message", "content": []})),
        delta("output_text", 1, "Yes"),
        done(1, message("Yes, I do")),
        done(0, json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]})),
        added(2, json!({"type": "web_search_call"})),
        completed(json!([])),
    ])
    .unwrap();
    let thinking = Content::Thinking { text: "hm".into(), signature: None, redacted: None };
    assert_eq!(completion.content, [thinking, Content::Text { text: "Yes, I do".into() }]);
    assert_eq!(completion.stop_reason, Some(StopReason::EndTurn));
}

#[test]
fn a_cut_call_is_no_call() {
    let begun = added(1, json!({"type": "function_call", "call_id": "b", "name": "f", "arguments": ""}));
    let half = delta("function_call_arguments", 1, "{\"x\":");
    for pieces in [vec![begun.clone()], vec![begun.clone(), half.clone()]] {
        let events = [&[call(0, "a", "{}")][..], &pieces, &[incomplete("max_output_tokens")]].concat();
        let completion = fold(&events).unwrap();
        assert_eq!((ids(&completion), completion.stop_reason), (vec!["a"], Some(StopReason::MaxTokens)));
        // Nor where the stream ends.
        let (failure, partial) = *fold(&events[..events.len() - 1]).unwrap_err();
        assert_eq!((failure.class, ids(&partial)), (ErrorClass::Truncated, vec!["a"]));
    }
}

#[test]
fn refusals_and_filters() {
    let refusal = json!({"type": "message", "content": [{"type": "refusal", "refusal": "I will not."}]});
    let events = [delta("refusal", 0, "I will"), done(0, refusal), completed(json!([]))];
    let completion = fold(&events).unwrap();
    assert_eq!(completion.content, [Content::Text { text: "I will not.".into() }]);
    assert_eq!(completion.stop_reason, Some(StopReason::Refusal));
    let completion = fold(&[delta("output_text", 0, "Well"), incomplete("content_filter")]).unwrap();
    assert_eq!(completion.stop_reason, Some(StopReason::Refusal));
    assert_eq!(completion.raw_stop_reason.as_deref(), Some("content_filter"));
}

#[test]
fn failures_in_a_stream() {
    let error = json!({"code": "rate_limit_exceeded", "message": "Slow down"});
    let flat = json!({"type": "error", "code": "rate_limit_exceeded", "message": "Slow down", "param": null});
    let nested = json!({"type": "error", "error": error});
    let failed = json!({"type": "response.failed", "response": {"status": "failed", "error": error, "output": []}});
    for last in [flat, nested, failed] {
        let (failure, partial) = *fold(&[delta("output_text", 0, "He"), last]).unwrap_err();
        assert_eq!((failure.class, &*failure.what), (ErrorClass::RateLimit, "Slow down"));
        assert_eq!(partial.content, [Content::Text { text: "He".into() }]);
    }
    let cancelled = json!({"type": "response.completed", "response": {"status": "cancelled", "output": []}});
    assert_eq!(fold(&[cancelled]).unwrap_err().0.class, ErrorClass::Overloaded);
}

#[test]
fn what_was_not_streamed_is_shown_at_the_end() {
    use crate::provider::{StreamEvent, http::Fold, sse};
    let mut items = Items::new("openai");
    let body = json!({"status": "completed", "output": [reasoning(), message("Hello")]}).to_string();
    items.whole(body.as_bytes()).unwrap();
    items.finish().unwrap();
    let shown: Vec<_> = items.answer().events.drain(..).collect();
    assert_eq!(shown, [StreamEvent::Thinking("**One**\n\n**Two**".into()), StreamEvent::Text("Hello".into())]);

    // What was seen is what was said.
    let mut items = Items::new("openai");
    for event in [delta("output_text", 0, "Hello!"), completed(json!([message("Hello, you")]))] {
        items.event(sse::Event { name: b"", data: event.to_string().as_bytes() }).unwrap();
    }
    items.finish().unwrap();
    assert_eq!(items.answer().completion.content, [Content::Text { text: "Hello!".into() }]);
}

#[test]
fn pieces_of_inputs_are_told() {
    let call = |index| added(index, json!({"type": "function_call", "call_id": "a", "name": format!("f{index}")}));
    let piece = |index, text| delta("function_call_arguments", index, text);
    let events =
        [added(0, json!({"type": "reasoning"})), call(1), call(2), piece(1, "{\"a\""), piece(2, "{}"), piece(1, ":1}")];
    let events = events.map(|event| event.to_string());
    let told = inputs(Items::new("openai"), &events.each_ref().map(String::as_str));
    assert_eq!(told, [("f1".to_owned(), "{\"a\":1}".to_owned()), ("f2".to_owned(), "{}".to_owned())]);
}

#[test]
fn usage_in_our_terms() {
    let response = json!({"status": "completed", "output": [], "usage": {
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 40},
    }});
    let usage = fold(&[json!({"type": "response.completed", "response": response})]).unwrap().usage;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens), (Some(30), Some(60), Some(10)));
    assert_eq!((usage.output_tokens, usage.reasoning_tokens), (Some(50), Some(40)));
}

#[test]
fn a_whole_request() {
    let image = Image { media_type: "image/png".into(), data: "aGk=".into() };
    let text = |text: &str| Content::Text { text: text.into() };
    let result = |id: &str, content: Vec<ResultContent>, is_error| {
        Content::ToolResult(ToolResult { call_id: id.into(), content, is_error })
    };
    let words = |text: &str| ResultContent::Text { text: text.into() };
    let call = |id: &str, input| Content::ToolCall(ToolCall { id: id.into(), name: "read".into(), input });
    let thinking =
        |signature: String| Content::Thinking { text: "hm".into(), signature: Some(signature), redacted: None };
    let request = Request {
        model: "gpt-5".into(),
        system: vec!["Be brief.".into(), "Be kind.".into()],
        messages: vec![
            Message { role: Role::User, content: vec![text("look"), Content::Image(image.clone())] },
            Message {
                role: Role::Assistant,
                content: vec![
                    thinking("c2ln".into()),
                    thinking(opaque::keep("openai", &reasoning())),
                    text("I see"),
                    call("a", json!({"path": "x"})),
                    call("b", json!("broken")),
                ],
            },
            Message {
                role: Role::User,
                content: vec![
                    text("and then?"),
                    result("a", vec![words("one"), ResultContent::Image(image)], false),
                    result("b", vec![words("no such file")], true),
                ],
            },
        ],
        tools: vec![ToolSpec {
            name: "read".into(),
            description: "Reads.".into(),
            input_schema: json!({"type": "object"}),
        }],
        max_tokens: Some(100),
        temperature: Some(0.2),
        thinking: Some(Thinking::Effort(Effort::High)),
        output_schema: Some(OutputSchema {
            name: "answer".into(),
            schema: json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}),
        }),
        cache: Cache { key: Some("k".repeat(70)), ..Cache::kept_for(Retention::Extended) },
        ..Request::default()
    };
    let picture = json!({"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"});
    let expect = json!({
        "model": "gpt-5",
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "instructions": "Be brief.\n\nBe kind.",
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "look"}, picture]},
            reasoning(),
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I see"}]},
            {"type": "function_call", "call_id": "a", "name": "read", "arguments": "{\"path\":\"x\"}"},
            {"type": "function_call", "call_id": "b", "name": "read", "arguments": "{\"input\":\"broken\"}"},
            {"type": "function_call_output", "call_id": "a",
                "output": [{"type": "input_text", "text": "one"}, picture]},
            {"type": "function_call_output", "call_id": "b", "output": "Error: no such file"},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and then?"}]},
        ],
        "tools": [{"type": "function", "name": "read", "description": "Reads.", "strict": false,
            "parameters": {"type": "object"}}],
        "max_output_tokens": 100,
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": {"format": {"type": "json_schema", "name": "answer", "strict": true, "schema": {
            "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
            "additionalProperties": false}}},
        "prompt_cache_key": "k".repeat(64),
        "prompt_cache_retention": "24h",
    });
    assert_eq!(request::body(&request, "openai", Caching::Key), expect);

    // A model that does not reason is not asked to, and a server without these words does not hear them.
    let plain = Request { model: "gpt-4.1".into(), ..request };
    let body = request::body(&plain, "openai", Caching::Implicit);
    for absent in ["include", "reasoning", "prompt_cache_key", "prompt_cache_retention"] {
        assert!(body.get(absent).is_none(), "{absent}");
    }
    assert_eq!(body["temperature"], 0.2);
}

#[test]
fn a_prompt_is_kept_for_long_where_the_model_can() {
    let sent = |model: &str| {
        let request =
            Request { model: model.into(), cache: Cache::kept_for(Retention::Extended), ..Request::default() };
        request::body(&request, "openai", Caching::Key)["prompt_cache_retention"].clone()
    };
    for model in ["gpt-5.1", "gpt-4.1-2025-04-14", "somebody-elses"] {
        assert_eq!(sent(model), "24h", "{model}");
        assert!(Caching::Key.ability(model).extended, "{model}");
    }
    for model in ["gpt-4o", "gpt-4.1-mini", "gpt-5-mini", "o3"] {
        assert_eq!(sent(model), Value::Null, "{model}");
        assert!(!Caching::Key.ability(model).extended, "{model}");
    }
}

#[test]
fn a_model_is_told_not_to_think_where_it_can_be() {
    let sent = |model: &str| {
        let thinking = Some(Thinking::Budget(0));
        let request = Request { model: model.into(), thinking, ..Request::default() };
        request::body(&request, "openai", Caching::Key)["reasoning"].clone()
    };
    assert_eq!(sent("gpt-5.1"), json!({"effort": "none"}));
    assert_eq!(sent("gpt-5"), json!({"effort": "minimal"}));
    assert_eq!(sent("gpt-4.1"), Value::Null);
}

#[tokio::test]
async fn stop_sequences_are_refused_and_not_passed_over() {
    use futures::StreamExt;
    let openai = presets::open(presets::Settings { name: "openai".into(), ..Default::default() }).unwrap();
    let request = Request { stop_sequences: vec!["END".into()], ..Request::default() };
    let error = openai.stream(request.into()).next().await.unwrap().unwrap_err();
    assert_eq!(error.class, ErrorClass::BadRequest);
    assert!(error.message.contains("no stop sequences") && error.message.contains("kind"), "{error}");
}
