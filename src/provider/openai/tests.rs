use serde_json::{Value, json};

use super::{GiveBack, LimitField, Quirks, ReasoningField, fold::Chat, request::body};
use crate::{
    provider::{
        Cache, Completion, Effort, ErrorClass, OutputSchema, Request, Thinking, ToolSpec,
        error::Failure,
        http::{inputs, replay},
    },
    transcript::{Content, Image, Message, ResultContent, Role, StopReason, ToolCall, ToolResult},
};

fn fold(events: &[&str]) -> Result<Completion, Box<(Failure, Completion)>> {
    replay(Chat::default(), events)
}

fn delta(delta: Value) -> String {
    json!({"choices": [{"index": 0, "delta": delta}]}).to_string()
}

/// The calls that come out of these tool call deltas, one a chunk.
#[track_caller]
fn check_calls(deltas: &[Value], expect: &[(&str, &str, Value)]) {
    let mut events: Vec<String> = deltas.iter().map(|call| delta(json!({"tool_calls": [call]}))).collect();
    events.push("[DONE]".into());
    let completion = fold(&events.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let calls: Vec<_> = completion
        .content
        .iter()
        .map(|part| match part {
            Content::ToolCall(call) => (call.id.as_str(), call.name.as_str(), call.input.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(calls, expect);
}

fn piece(index: Option<u64>, id: &str, name: &str, arguments: &str) -> Value {
    let mut piece = json!({"function": {"arguments": arguments}});
    if let Some(index) = index {
        piece["index"] = index.into();
    }
    if !id.is_empty() {
        piece["id"] = id.into();
    }
    if !name.is_empty() {
        piece["function"]["name"] = name.into();
    }
    piece
}

#[test]
fn inputs_are_told_while_they_come() {
    let pieces = [
        piece(Some(7), "a", "f", ""),
        piece(Some(7), "", "", "{\"x\""),
        piece(Some(9), "b", "g", "{}"),
        piece(Some(7), "", "", ":1}"),
    ];
    let events: Vec<String> = pieces.iter().map(|call| delta(json!({"tool_calls": [call]}))).collect();
    let told = inputs(Chat::default(), &events.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(told, [("f".into(), "{\"x\":1}".into()), ("g".into(), "{}".into())]);
}

#[test]
fn calls_by_index_by_id_or_by_name() {
    let both = [("a", "f", json!({"x": 1})), ("b", "g", json!({}))];
    // As documented: an index, and the id and the name once.
    let pieces = [
        piece(Some(0), "a", "f", ""),
        piece(Some(0), "", "", "{\"x\""),
        piece(Some(0), "", "", ":1}"),
        piece(Some(1), "b", "g", "{}"),
    ];
    check_calls(&pieces, &both);
    // The pieces of two calls in turn.
    let pieces = [
        piece(Some(0), "a", "f", "{\"x\""),
        piece(Some(1), "b", "g", "{"),
        piece(Some(0), "", "", ":1}"),
        piece(Some(1), "", "", "}"),
    ];
    check_calls(&pieces, &both);
    // Everything at index 0, told apart by ids that come with each piece.
    let pieces = [piece(Some(0), "a", "f", "{\"x\":"), piece(Some(0), "a", "f", "1}"), piece(Some(0), "b", "g", "{}")];
    check_calls(&pieces, &both);
    // No index at all.
    let pieces = [piece(None, "a", "f", "{\"x\":1}"), piece(None, "b", "g", ""), piece(None, "", "", "{}")];
    check_calls(&pieces, &both);
}

#[test]
fn calls_without_ids_get_some() {
    let call = piece(Some(0), "", "f", "{}");
    let events = [delta(json!({"tool_calls": [call, call]})), "[DONE]".into()];
    let completion = fold(&[&events[0], &events[1]]).unwrap();
    let [Content::ToolCall(first), Content::ToolCall(second)] = completion.content.as_slice() else {
        panic!("{completion:?}")
    };
    assert!(!first.id.is_empty() && first.id != second.id);
    assert_eq!(completion.stop_reason, Some(StopReason::ToolCalls));
}

#[test]
fn a_cut_call_is_no_call() {
    let events = [
        delta(json!({"tool_calls": [piece(Some(0), "a", "f", "{\"x\":1}")]})),
        delta(json!({"tool_calls": [piece(Some(1), "b", "g", "{\"x\":")]})),
    ];
    let cut = |rest: &str| fold(&[&events[0], &events[1], rest]);
    // The server says so, says otherwise, or says nothing.
    let length = cut(r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#).unwrap();
    let wrong = cut(r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#).unwrap();
    let (failure, broken) = *cut("").unwrap_err();
    assert_eq!(failure.class, ErrorClass::Truncated);
    assert_eq!((length.stop_reason, wrong.stop_reason), (Some(StopReason::MaxTokens), Some(StopReason::MaxTokens)));
    for completion in [length, wrong, broken] {
        let [Content::ToolCall(call)] = completion.content.as_slice() else { panic!("{completion:?}") };
        assert_eq!(call.id, "a");
    }
}

#[test]
fn old_function_calls() {
    let first = delta(json!({"function_call": {"name": "f", "arguments": "{\"x\":"}}));
    let events =
        [&first, r#"{"choices":[{"delta":{"function_call":{"arguments":"1}"}},"finish_reason":"function_call"}]}"#];
    let completion = fold(&events).unwrap();
    let [Content::ToolCall(call)] = completion.content.as_slice() else { panic!("{completion:?}") };
    assert_eq!((&*call.name, &call.input), ("f", &json!({"x": 1})));
}

#[test]
fn errors_beside_and_inside_choices() {
    let class = |event: &str| fold(&[&delta(json!({"content": "a"})), event]).unwrap_err().0.class;
    assert_eq!(class(r#"{"error":{"message":"Overloaded","code":503}}"#), ErrorClass::Overloaded);
    assert_eq!(class(r#"{"choices":[{"error":{"message":"m","code":429}}]}"#), ErrorClass::RateLimit);
    assert_eq!(class(r#"{"object":"error","message":"m","code":400}"#), ErrorClass::BadRequest);
    assert_eq!(class(r#"{"object":"error","message":"m","code":400,"choices":[]}"#), ErrorClass::BadRequest);
    assert_eq!(class(r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#), ErrorClass::Overloaded);
    assert_eq!(class(r#"{"choices":[{"delta":{"content":"b"}}"#), ErrorClass::Truncated);
    assert_eq!(class(r#"{"choices":"none"}"#), ErrorClass::Malformed);
    let (_, partial) = *fold(&[&delta(json!({"content": "a"})), r#"{"error":"x"}"#]).unwrap_err();
    assert_eq!(partial.content, [Content::Text { text: "a".into() }]);
}

#[test]
fn noise_is_passed_over() {
    let events = ["", "ping", "{}", r#"{"choices":[]}"#, r#"{"choices":null,"error":null}"#];
    let text = delta(json!({"content": "a", "tool_calls": null, "reasoning": null}));
    let events: Vec<_> = events.into_iter().chain([text.as_str(), " [DONE] ", "after the end"]).collect();
    assert_eq!(fold(&events).unwrap().content, [Content::Text { text: "a".into() }]);
}

#[test]
fn one_whole_message_in_a_stream() {
    let message = r#"{"choices":[{"message":{"content":"all"},"finish_reason":"stop"}]}"#;
    assert_eq!(fold(&[message]).unwrap().content, [Content::Text { text: "all".into() }]);
    // After deltas it only repeats them.
    let events = [&delta(json!({"content": "al"})), &delta(json!({"content": "l"})), message];
    assert_eq!(fold(&events).unwrap().content, [Content::Text { text: "all".into() }]);
}

#[test]
fn reasoning_goes_back_as_it_came() {
    let detail = |text: Value, signature: Value| {
        delta(json!({"reasoning": text,
            "reasoning_details": [{"type": "reasoning.text", "index": 0, "text": text, "signature": signature}]}))
    };
    let call = delta(json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "g"}}}]}));
    let completion = fold(&[
        &detail("a".into(), Value::Null),
        &detail("b".into(), Value::Null),
        &detail(Value::Null, "s".into()),
        &call,
        "[DONE]",
    ])
    .unwrap();
    let Some(Content::Thinking { text, .. }) = completion.content.first() else { panic!("{completion:?}") };
    assert_eq!(text, "ab");

    let request = Request {
        messages: vec![Message { role: Role::Assistant, content: completion.content }],
        ..Request::default()
    };
    let sent = |give_back| body(&request, &Quirks { give_back, ..Quirks::default() })["messages"][0].clone();
    let details = json!([{"type": "reasoning.text", "index": 0, "text": "ab", "signature": "s"}]);
    assert_eq!(sent(GiveBack::Details)["reasoning_details"], details);
    assert_eq!(sent(GiveBack::Content)["reasoning_content"], "ab");
    let extra = &sent(GiveBack::CallExtras)["tool_calls"][0]["extra_content"];
    assert_eq!(extra, &json!({"google": {"thought_signature": "g"}}));
    let plain = json!({"role": "assistant", "content": null,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    assert_eq!(sent(GiveBack::Nothing), plain);
}

#[test]
fn a_call_without_reasoning_says_so_where_reasoning_must_go_back() {
    let call = Content::ToolCall(ToolCall { id: "a".into(), name: "f".into(), input: json!({}) });
    let said = |content| Message { role: Role::Assistant, content };
    let text = Content::Text { text: "Yes".into() };
    let request = Request { messages: vec![said(vec![call]), said(vec![text])], ..Request::default() };
    let sent = |give_back| body(&request, &Quirks { give_back, ..Quirks::default() })["messages"].clone();
    assert_eq!(sent(GiveBack::Content)[0]["reasoning_content"], "");
    assert_eq!(sent(GiveBack::Content)[1].get("reasoning_content"), None);
    assert_eq!(sent(GiveBack::Nothing)[0].get("reasoning_content"), None);
}

fn sample() -> Request {
    let image = Image { media_type: "image/png".into(), data: "aGk=".into() };
    let result = ToolResult {
        call_id: "call_1".into(),
        content: vec![ResultContent::Text { text: "one".into() }, ResultContent::Image(image.clone())],
        is_error: false,
    };
    let call = ToolCall { id: "call_1".into(), name: "read".into(), input: json!({"path": "x"}) };
    Request {
        model: "m".into(),
        system: vec!["Be brief.".into(), "  ".into(), "Be kind.".into()],
        messages: vec![
            Message { role: Role::User, content: vec![Content::Text { text: "look".into() }, Content::Image(image)] },
            Message {
                role: Role::Assistant,
                content: vec![Content::Text { text: "I look.".into() }, Content::ToolCall(call)],
            },
            Message {
                role: Role::User,
                content: vec![Content::Text { text: "and then?".into() }, Content::ToolResult(result)],
            },
        ],
        tools: vec![ToolSpec {
            name: "read".into(),
            description: "Reads.".into(),
            input_schema: json!({"type": "object"}),
        }],
        max_tokens: Some(100),
        temperature: Some(0.2),
        stop_sequences: vec!["END".into()],
        thinking: Some(Thinking::Budget(5000)),
        output_schema: None,
        cache: Cache::default(),
    }
}

#[test]
fn a_whole_request() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}});
    let expect = json!({
        "model": "m",
        "stream": true,
        "stream_options": {"include_usage": true},
        "max_tokens": 100,
        "temperature": 0.2,
        "stop": ["END"],
        "tools": [{"type": "function",
            "function": {"name": "read", "description": "Reads.", "parameters": {"type": "object"}}}],
        "messages": [
            {"role": "system", "content": "Be brief.\n\nBe kind."},
            {"role": "user", "content": [{"type": "text", "text": "look"}, image]},
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": "{\"path\":\"x\"}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "one"},
            {"role": "user", "content": [{"type": "text", "text": "The images of the tool's result:"}, image,
                {"type": "text", "text": "and then?"}]},
        ],
    });
    assert_eq!(body(&sample(), &Quirks::default()), expect);
}

#[test]
fn quirks_of_servers() {
    let quirks = Quirks {
        limit: LimitField::MaxCompletionTokens,
        no_stream_options: true,
        reasoning: ReasoningField::Effort,
        short_call_ids: true,
        ..Quirks::default()
    };
    let sent = body(&Request { model: "openai/gpt-5-mini".into(), ..sample() }, &quirks);
    assert_eq!((&sent["max_completion_tokens"], &sent["reasoning_effort"]), (&json!(100), &json!("medium")));
    assert!(
        sent.get("max_tokens").is_none() && sent.get("stream_options").is_none() && sent.get("temperature").is_none()
    );
    let short = sent["messages"][2]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(short.len() == 9 && short.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{short}");
    assert_eq!(sent["messages"][3]["tool_call_id"], short);

    let quirks = Quirks {
        reasoning: ReasoningField::Budget,
        caching: crate::provider::cache::Caching::Control,
        ..Quirks::default()
    };
    let sent = body(&Request { model: "anthropic/claude-opus-4".into(), ..sample() }, &quirks);
    assert_eq!(sent["reasoning"], json!({"max_tokens": 5000}));
    let mark = json!({"type": "ephemeral"});
    assert_eq!(sent["messages"][0]["content"][0]["cache_control"], mark);
    assert_eq!(sent["messages"][4]["content"][2]["cache_control"], mark);
}

#[test]
fn results_that_failed_or_are_empty() {
    let text = |result: ToolResult| {
        let messages = vec![Message { role: Role::User, content: vec![Content::ToolResult(result)] }];
        body(&Request { messages, ..Request::default() }, &Quirks::default())["messages"][0]["content"].clone()
    };
    assert_eq!(text(ToolResult::text("a", "no such file", true)), "Error: no such file");
    assert_eq!(text(ToolResult { call_id: "a".into(), content: vec![], is_error: false }), "(no output)");
}

#[test]
fn the_shape_of_an_answer() {
    let format = |schema: Value| {
        let output_schema = Some(OutputSchema { name: "person".into(), schema });
        body(&Request { output_schema, ..Request::default() }, &Quirks::default())["response_format"].clone()
    };
    let strict = json!({
        "type": "object", "properties": {"age": {"type": ["integer", "null"]}},
        "required": ["age"], "additionalProperties": false,
    });
    assert_eq!(
        format(json!({"type": "object", "properties": {"age": {"type": "integer"}}})),
        json!({"type": "json_schema", "json_schema": {"name": "person", "schema": strict, "strict": true}})
    );
    let map = json!({"type": "object"});
    assert_eq!(format(map.clone()), json!({"type": "json_schema", "json_schema": {"name": "person", "schema": map}}));
}

#[test]
fn efforts_in_the_words_that_each_model_knows() {
    let quirks = Quirks { reasoning: ReasoningField::Effort, ..Quirks::default() };
    let effort = |model: &str, effort| {
        let thinking = Some(Thinking::Effort(effort));
        body(&Request { model: model.into(), thinking, ..Request::default() }, &quirks)["reasoning_effort"].clone()
    };
    let levels = [Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Max];
    assert_eq!(levels.map(|level| effort("gpt-5-mini", level)), ["minimal", "low", "medium", "high", "high"]);
    assert_eq!(levels.map(|level| effort("gpt-5.1", level)), ["low", "low", "medium", "high", "high"]);
    assert_eq!(levels.map(|level| effort("gpt-5-codex", level)), ["low", "low", "medium", "high", "high"]);
    assert_eq!(levels.map(|level| effort("gpt-5.2", level)), ["low", "low", "medium", "high", "xhigh"]);
    assert_eq!(levels.map(|level| effort("gpt-4.1", level)), [(); 5].map(|()| Value::Null), "it refuses to be asked");
    for level in levels {
        assert_eq!(Thinking::Budget(Thinking::Effort(level).budget()).effort(), level);
    }
    // None at all.
    let none = |model: &str, reasoning| {
        let request = Request { model: model.into(), thinking: Some(Thinking::Budget(0)), ..Request::default() };
        let sent = body(&request, &Quirks { reasoning, ..quirks });
        (sent["reasoning_effort"].clone(), sent["reasoning"].clone())
    };
    assert_eq!(none("gpt-5.1", ReasoningField::Effort), ("none".into(), Value::Null));
    assert_eq!(none("somebody-elses", ReasoningField::Effort), (Value::Null, Value::Null));
    assert_eq!(none("openai/gpt-5.1", ReasoningField::Budget), (Value::Null, json!({"effort": "none"})));
    assert_eq!(none("anthropic/claude-sonnet-4.5", ReasoningField::Budget), (Value::Null, Value::Null));
}
