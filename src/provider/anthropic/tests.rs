use serde_json::{Value, json};

use super::{fold::Messages, request};
use crate::{
    provider::{
        Completion, Effort, ErrorClass, OutputSchema, Request, Thinking, ToolSpec,
        cache::{Breakpoint, Breakpoints, Cache, Retention},
        error::Failure,
        http::{inputs, replay},
    },
    transcript::{Content, Image, Message, ResultContent, Role, StopReason, ToolCall, ToolResult},
};

fn fold(events: &[Value]) -> Result<Completion, Box<(Failure, Completion)>> {
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    replay(Messages::new("anthropic"), &events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn body(request: &Request) -> Value {
    request::body(request, "anthropic")
}

fn call(index: u64, id: &str, arguments: &str) -> [Value; 3] {
    [
        json!({"type": "content_block_start", "index": index,
            "content_block": {"type": "tool_use", "id": id, "name": "f", "input": {}}}),
        json!({"type": "content_block_delta", "index": index,
            "delta": {"type": "input_json_delta", "partial_json": arguments}}),
        json!({"type": "content_block_stop", "index": index}),
    ]
}

fn end(reason: &str) -> [Value; 2] {
    [json!({"type": "message_delta", "delta": {"stop_reason": reason}}), json!({"type": "message_stop"})]
}

fn ids(completion: &Completion) -> Vec<&str> {
    completion
        .content
        .iter()
        .filter_map(|part| if let Content::ToolCall(call) = part { Some(call.id.as_str()) } else { None })
        .collect()
}

#[test]
fn a_cut_call_is_no_call() {
    // At the limit the API closes the block and says `max_tokens`; nothing at all is a cut then too.
    for arguments in ["{\"x\":", ""] {
        let events = [&call(0, "a", "{}")[..], &call(1, "b", arguments), &end("max_tokens")].concat();
        let completion = fold(&events).unwrap();
        assert_eq!((ids(&completion), completion.stop_reason), (vec!["a"], Some(StopReason::MaxTokens)));
    }
    let events = [&call(0, "a", "{}")[..], &call(1, "b", "")[..2]].concat();
    assert_eq!(ids(&fold(&events).unwrap_err().1), ["a"]);
    // Without a cut it is a call without arguments.
    let events = [&call(0, "a", "")[..], &end("tool_use")].concat();
    assert_eq!(ids(&fold(&events).unwrap()), ["a"]);
}

#[test]
fn inputs_are_told_while_they_come() {
    let text = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}});
    let events = [&[text][..], &call(1, "a", "{\"x\":"), &call(2, "b", "{}")].concat();
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    let told = inputs(Messages::new("anthropic"), &events.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(told, [("f".into(), "{\"x\":".into()), ("f".into(), "{}".into())]);
}

#[test]
fn blocks_of_unknown_kinds_are_passed_over() {
    let events = [
        &[
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s"}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "novel_delta", "text": "no"}}),
            json!({"type": "novel_event", "anything": [1]}),
            json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "a"}}),
            json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "b"}}),
        ][..],
        &end("end_turn"),
    ]
    .concat();
    let completion = fold(&events).unwrap();
    assert_eq!(completion.content, [Content::Text { text: "ab".into() }]);
    assert_eq!(completion.stop_reason, Some(StopReason::EndTurn));
}

#[test]
fn errors_in_a_stream() {
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let (failure, partial) = *fold(&[&call(0, "a", "{}")[..], &[overloaded]].concat()).unwrap_err();
    assert_eq!((failure.class, &*failure.what), (ErrorClass::Overloaded, "Overloaded"));
    assert_eq!(ids(&partial), ["a"]);
}

fn sample() -> Request {
    let image = Image { media_type: "image/png".into(), data: "aGk=".into() };
    let result =
        |id: &str, content| Content::ToolResult(ToolResult { call_id: id.into(), content, is_error: id == "b" });
    let call = |id: &str, input| Content::ToolCall(ToolCall { id: id.into(), name: "read".into(), input });
    let text = |text: &str| Content::Text { text: text.into() };
    Request {
        model: "claude-sonnet-4-5".into(),
        system: vec!["Be brief.".into(), "Be kind.".into()],
        messages: vec![
            Message { role: Role::User, content: vec![text("look")] },
            Message {
                role: Role::Assistant,
                content: vec![
                    Content::Thinking { text: "hm".into(), signature: Some("c2ln".into()), redacted: None },
                    Content::Thinking { text: String::new(), signature: None, redacted: Some("ZW5j".into()) },
                    Content::Thinking { text: "not signed".into(), signature: None, redacted: None },
                    Content::Thinking { text: "theirs".into(), signature: Some("[{}]".into()), redacted: None },
                    text(" "),
                    call("functions.a:0", json!({"path": "x"})),
                    call("b", json!("broken")),
                ],
            },
            Message {
                role: Role::User,
                content: vec![
                    text("while you are there"),
                    result(
                        "functions.a:0",
                        vec![ResultContent::Text { text: "one".into() }, ResultContent::Image(image)],
                    ),
                ],
            },
            Message { role: Role::User, content: vec![result("b", vec![])] },
            Message { role: Role::User, content: vec![text("and then?")] },
        ],
        tools: vec![
            ToolSpec { name: "edit".into(), description: "Edits.".into(), input_schema: json!({"type": "object"}) },
            ToolSpec { name: "read".into(), description: "Reads.".into(), input_schema: json!({"type": "object"}) },
        ],
        temperature: Some(0.2),
        ..Request::default()
    }
}

#[test]
fn a_whole_request() {
    let mark = json!({"type": "ephemeral"});
    let expect = json!({
        "model": "claude-sonnet-4-5",
        "max_tokens": 32000,
        "stream": true,
        "temperature": 0.2,
        "tools": [
            {"name": "edit", "description": "Edits.", "input_schema": {"type": "object"}},
            {"name": "read", "description": "Reads.", "input_schema": {"type": "object"}, "cache_control": mark},
        ],
        "system": [
            {"type": "text", "text": "Be brief."},
            {"type": "text", "text": "Be kind.", "cache_control": mark},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "look", "cache_control": mark}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "ZW5j"},
                {"type": "tool_use", "id": "functions_a_0", "name": "read", "input": {"path": "x"}},
                {"type": "tool_use", "id": "b", "name": "read", "input": {"input": "broken"}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "functions_a_0", "content": [
                    {"type": "text", "text": "one"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
                ]},
                {"type": "tool_result", "tool_use_id": "b", "is_error": true},
                {"type": "text", "text": "while you are there"},
                {"type": "text", "text": "and then?", "cache_control": mark},
            ]},
        ],
    });
    assert_eq!(body(&sample()), expect);
}

/// All breakpoints in the order of the prompt.
fn marks(body: &Value) -> Vec<Value> {
    let blocks = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let messages = blocks(&body["messages"]).into_iter().flat_map(|message| blocks(&message["content"]));
    let all = blocks(&body["tools"]).into_iter().chain(blocks(&body["system"])).chain(messages);
    all.filter_map(|block| block.get("cache_control").cloned()).collect()
}

#[test]
fn long_breakpoints_come_before_short_ones() {
    let marks = |cache| marks(&body(&Request { cache, ..sample() }));
    let (long, short) = (json!({"type": "ephemeral", "ttl": "1h"}), json!({"type": "ephemeral"}));
    let extended = Cache::kept_for(Retention::Extended);
    assert_eq!(marks(extended), [long.clone(), long, short.clone(), short.clone()]);
    assert_eq!(marks(Cache::kept_for(Retention::Short)), vec![short; 4]);
    assert_eq!(marks(Cache::disabled()), Vec::<Value>::new());
}

#[test]
fn explicit_breakpoints_are_just_where_they_were_asked_for() {
    let places = |breakpoints: &[Breakpoint]| {
        let cache = Cache { breakpoints: Breakpoints::Explicit(breakpoints.to_vec()), ..Cache::default() };
        let body = body(&Request { cache, ..sample() });
        let mut places = Vec::new();
        let mut look = |list: &Value, name: &str| {
            for (number, block) in list.as_array().unwrap().iter().enumerate() {
                if block.get("cache_control").is_some() {
                    places.push(format!("{name}{number}"));
                }
            }
        };
        look(&body["tools"], "tool ");
        look(&body["system"], "system ");
        for (number, message) in body["messages"].as_array().unwrap().iter().enumerate() {
            look(&message["content"], &format!("message {number} block "));
        }
        places
    };
    assert_eq!(places(&[]), Vec::<String>::new());
    assert_eq!(places(&[Breakpoint::Tools, Breakpoint::System]), ["tool 1", "system 1"]);
    // The third message's second part is its result, which comes first; the fourth message is joined to it.
    assert_eq!(places(&[Breakpoint::Part(2, 1)]), ["message 2 block 0"]);
    assert_eq!(places(&[Breakpoint::Message(0), Breakpoint::Message(4)]), ["message 0 block 0", "message 2 block 3"]);
    // Reasoning takes no mark: a message's end is what was said.
    assert_eq!(places(&[Breakpoint::Part(1, 0), Breakpoint::Message(1)]), ["message 1 block 3"]);
    let five = [0, 1, 2, 3, 4].map(Breakpoint::Message);
    assert_eq!(places(&five).len(), 4);
}

#[test]
fn thinking_fits_its_limit_and_excludes_temperature() {
    let body = |budget_tokens, max_tokens| {
        body(&Request { thinking: Some(Thinking::Budget(budget_tokens)), max_tokens, ..sample() })
    };
    let sent = body(100, Some(500));
    assert_eq!(sent["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));
    assert_eq!(sent["max_tokens"], 1524);
    assert!(sent.get("temperature").is_none());
    assert_eq!(body(10_000, None)["max_tokens"], 32_000);
}

#[test]
fn a_temperature_is_one_that_the_model_takes() {
    let sent = |model: &str, temperature| {
        let request = Request { model: model.into(), temperature: Some(temperature), ..Request::default() };
        body(&request)["temperature"].clone()
    };
    assert_eq!(sent("claude-sonnet-4-5", 0.2), json!(0.2));
    assert_eq!(sent("claude-sonnet-4-5", 1.7), json!(1.0));
    assert_eq!(sent("claude-opus-4-6", 0.2), json!(0.2));
    assert_eq!(sent("claude-opus-4-7", 0.2), Value::Null);
}

#[test]
fn no_more_is_asked_for_than_the_model_can() {
    let sent = |model: &str, max_tokens| {
        let thinking = Some(Thinking::Effort(Effort::Max));
        let sent = body(&Request { model: model.into(), thinking, max_tokens, ..Request::default() });
        let number = |value: &Value| value.as_u64().unwrap();
        (number(&sent["max_tokens"]), number(&sent["thinking"]["budget_tokens"]))
    };
    for model in ["claude-sonnet-4-5", "claude-haiku-4-5-20251001"] {
        assert_eq!(sent(model, None), (64_000, 32_000));
        assert_eq!(sent(model, Some(8_000)), (40_768, 32_768));
        assert_eq!(sent(model, Some(100_000)), (64_000, 32_768));
    }
    assert_eq!(sent("claude-opus-4-1", None), (32_000, 16_000));
    assert_eq!(sent("claude-opus-4-1", Some(8_000)), (32_000, 24_000));
    assert_eq!(sent("somebody-elses", None), (64_768, 32_768));
}

/// Thoughts, a hidden one, and a call, as one provider gave them.
fn thought_over() -> Vec<Content> {
    let block = |index: u64, block: Value| {
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        [start, json!({"type": "content_block_stop", "index": index})]
    };
    let thinking = json!({"type": "thinking", "thinking": "hm", "signature": "c2ln"});
    let hidden = json!({"type": "redacted_thinking", "data": "ZW5j"});
    let events = [&block(0, thinking)[..], &block(1, hidden), &call(2, "a", "{}"), &end("tool_use")].concat();
    fold(&events).unwrap().content
}

fn kinds(message: &Value) -> Vec<&str> {
    message["content"].as_array().unwrap().iter().map(|block| block["type"].as_str().unwrap()).collect()
}

#[test]
fn reasoning_goes_back_to_its_sender_only() {
    let messages = vec![Message::user("Go"), Message { role: Role::Assistant, content: thought_over() }];
    let request = Request { model: "claude-sonnet-4-5".into(), messages, ..Request::default() };
    let sent = body(&request)["messages"][1]["content"].clone();
    assert_eq!(sent[0], json!({"type": "thinking", "thinking": "hm", "signature": "c2ln"}));
    assert_eq!(sent[1], json!({"type": "redacted_thinking", "data": "ZW5j"}));
    // Another that speaks the same could not check it.
    assert_eq!(kinds(&request::body(&request, "work")["messages"][1]), ["tool_use"]);
}

#[test]
fn a_budget_is_not_asked_for_in_the_middle_of_a_turn_that_began_without_reasoning() {
    let said = |content: Vec<Content>| Message { role: Role::Assistant, content };
    let call = || Content::ToolCall(ToolCall { id: "b".into(), name: "f".into(), input: json!({}) });
    let result = || {
        let steered = Content::Text { text: "while you are there".into() };
        Message { role: Role::User, content: vec![steered, Content::ToolResult(ToolResult::text("b", "one", false))] }
    };
    let thinking = |model: &str, rounds: &[Message]| {
        let messages =
            [&[Message::user("Go"), said(vec![call()]), result(), Message::assistant("Done.")], rounds].concat();
        let thinking = Some(Thinking::Effort(Effort::High));
        body(&Request { model: model.into(), messages, thinking, ..Request::default() })["thinking"]["type"].clone()
    };
    let budget = |rounds: &[Message]| thinking("claude-sonnet-4-5", rounds);
    assert_eq!(budget(&[Message::user("Again")]), "enabled", "an earlier turn is over");
    assert_eq!(budget(&[Message::user("Again"), said(vec![call()]), result()]), Value::Null);
    // The first answer of the turn counts: the later ones of these models do not think again.
    let later = [Message::user("Again"), said(thought_over()), result(), said(vec![call()]), result()];
    assert_eq!(budget(&later), "enabled");
    let theirs = [Message::user("Again"), said(vec![call()]), result(), said(thought_over()), result()];
    assert_eq!(budget(&theirs), Value::Null);
    assert_eq!(thinking("claude-opus-4-7", &theirs), "adaptive", "which takes any turn");
}

#[test]
fn most_tokens_by_family() {
    let most = |model: &str| body(&Request { model: model.into(), ..Request::default() })["max_tokens"].clone();
    assert_eq!(most("claude-3-haiku-20240307"), 4096);
    assert_eq!(most("claude-3-5-sonnet-latest"), 8192);
    assert_eq!(most("claude-opus-4-1"), 32_000);
}

#[test]
fn thinking_is_asked_for_as_the_model_knows_it() {
    let body = |model: &str, thinking| {
        let sent = body(&Request { model: model.into(), thinking: Some(thinking), ..Request::default() });
        (sent["thinking"].clone(), sent["output_config"].clone())
    };
    let budget = |tokens: u32| (json!({"type": "enabled", "budget_tokens": tokens}), Value::Null);
    let effort = |word: &str| (json!({"type": "adaptive", "display": "summarized"}), json!({"effort": word}));
    for (model, by_budget, by_effort) in [
        ("claude-sonnet-4-5-20250929", budget(5000), budget(8192)),
        ("claude-sonnet-4-20250514", budget(5000), budget(8192)),
        ("claude-3-7-sonnet-latest", budget(5000), budget(8192)),
        ("somebody-elses-model", budget(5000), budget(8192)),
        ("claude-opus-4-6", budget(5000), effort("medium")),
        ("claude-opus-4-7-20260401", effort("medium"), effort("medium")),
        ("anthropic/claude-sonnet-5", effort("medium"), effort("medium")),
    ] {
        assert_eq!(body(model, Thinking::Budget(5000)), by_budget, "{model}");
        assert_eq!(body(model, Thinking::Effort(Effort::Medium)), by_effort, "{model}");
    }
    let words = [Effort::Minimal, Effort::Low, Effort::High, Effort::Max];
    let words = words.map(|level| body("claude-opus-4-6", Thinking::Effort(level)));
    assert_eq!(words, ["low", "low", "high", "max"].map(effort));
    // None at all: most do not think unasked.
    for (model, told) in [("claude-sonnet-4-5", Value::Null), ("claude-sonnet-5", json!({"type": "disabled"}))] {
        assert_eq!(body(model, Thinking::Budget(0)), (told, Value::Null), "{model}");
    }
}

#[test]
fn the_shape_of_an_answer_and_where_it_stops() {
    let schema = json!({"type": "object", "properties": {"age": {"type": "integer", "minimum": 0}}});
    let request = Request {
        output_schema: Some(OutputSchema { name: "person".into(), schema }),
        stop_sequences: vec!["END".into()],
        ..sample()
    };
    let sent = body(&request);
    let schema = json!({"type": "object", "properties": {"age": {"type": "integer"}}, "additionalProperties": false});
    assert_eq!(sent["output_config"], json!({"format": {"type": "json_schema", "schema": schema}}));
    assert_eq!(sent["stop_sequences"], json!(["END"]));
}
