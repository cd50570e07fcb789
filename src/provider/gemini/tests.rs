use serde_json::{Value, json};

use super::{fold::Chunks, path, request::body};
use crate::{
    provider::{
        Completion, Effort, ErrorClass, OutputSchema, Request, StreamEvent, Thinking, ToolSpec,
        error::Failure,
        http::{Fold, replay},
    },
    transcript::{Content, Image, Message, ResultContent, Role, StopReason, ToolCall, ToolResult},
};

fn fold(events: &[Value]) -> Result<Completion, Box<(Failure, Completion)>> {
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    replay(Chunks::new("gemini"), &events.iter().map(String::as_str).collect::<Vec<_>>())
}

fn parts(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}}], "modelVersion": "gemini-3-pro"})
}

fn end(reason: &str) -> Value {
    json!({"candidates": [{"content": {}, "finishReason": reason, "finishMessage": "Because."}]})
}

fn sent(messages: Vec<Message>, model: &str, name: &str) -> Value {
    body(&Request { model: model.into(), messages, ..Request::default() }, name)["contents"].clone()
}

#[test]
fn signatures_go_back_on_the_parts_they_came_with() {
    let call = |name: &str| json!({"id": name, "name": name, "args": {"x": 1}});
    let all = json!([
        {"text": "I think", "thought": true, "thoughtSignature": "t0"},
        {"text": "Hello "},
        {"text": "you", "thoughtSignature": "t1"},
        {"text": " there"},
        {"functionCall": call("a"), "thoughtSignature": "t2"},
        {"functionCall": call("b")},
        {"text": "", "thoughtSignature": "t3"},
    ]);
    let events: Vec<Value> = all.as_array().unwrap().iter().map(|part| parts(json!([part]))).collect();
    let completion = fold(&[&events[..], &[end("STOP")]].concat()).unwrap();
    assert_eq!(completion.stop_reason, Some(StopReason::ToolCalls));
    let answer = Message { role: Role::Assistant, content: completion.content };
    assert_eq!(answer.text(), "Hello you there");
    assert_eq!(sent(vec![answer.clone()], "gemini-3-pro", "gemini")[0]["parts"], all);

    // To another provider they mean nothing.
    let plain = json!([{"text": "Hello "}, {"text": "you"}, {"text": " there"},
        {"functionCall": call("a")}, {"functionCall": call("b")}]);
    assert_eq!(sent(vec![answer.clone()], "gemini-2.5-pro", "work")[0]["parts"], plain);
    // Gemini 3 insists on one.
    let third = sent(vec![answer], "gemini-3-pro", "work")[0]["parts"].clone();
    assert_eq!(third[3]["thoughtSignature"], "skip_thought_signature_validator");
    assert_eq!(third[4].get("thoughtSignature"), None);
}

#[test]
fn calls_without_an_id_get_one() {
    let part = json!({"functionCall": {"name": "f"}});
    let completion = fold(&[parts(json!([part, part])), end("STOP")]).unwrap();
    let [Content::ToolCall(one), Content::ToolCall(two)] = completion.content.as_slice() else { panic!() };
    assert!(!one.id.is_empty() && one.id != two.id);
    assert_eq!(one.input, json!({}));
}

#[test]
fn a_call_in_pieces_is_no_call() {
    let piece = |call: Value| parts(json!([{ "functionCall": call }]));
    let completion = fold(&[
        piece(json!({"name": "whole", "args": {}})),
        piece(json!({"name": "f", "willContinue": true})),
        piece(json!({"partialArgs": [{"jsonPath": "$.x", "numberValue": 1}]})),
        end("STOP"),
    ])
    .unwrap();
    assert_eq!((completion.content.len(), completion.stop_reason), (1, Some(StopReason::MaxTokens)));
}

#[test]
fn ends() {
    for (word, reason) in [
        ("STOP", StopReason::EndTurn),
        ("MAX_TOKENS", StopReason::MaxTokens),
        ("SAFETY", StopReason::Refusal),
        ("RECITATION", StopReason::Refusal),
        ("PROHIBITED_CONTENT", StopReason::Refusal),
    ] {
        let completion = fold(&[parts(json!([{"text": "a"}])), end(word)]).unwrap();
        assert_eq!(completion.stop_reason, Some(reason), "{word}");
    }
    let (failure, _) = *fold(&[end("MALFORMED_FUNCTION_CALL")]).unwrap_err();
    assert!(failure.class.is_retryable());
    assert!(failure.what.contains("MALFORMED_FUNCTION_CALL") && failure.what.contains("Because."), "{failure:?}");
    let (failure, _) = *fold(&[end("OTHER")]).unwrap_err();
    assert!(failure.what.contains("OTHER"), "{failure:?}");
    let (failure, partial) = *fold(&[parts(json!([{"text": "a"}]))]).unwrap_err();
    assert_eq!((failure.class, partial.content.len()), (ErrorClass::Truncated, 1));
}

#[test]
fn blocked_prompts_and_errors_in_a_stream() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 7}});
    let (failure, partial) = *fold(&[blocked]).unwrap_err();
    assert_eq!(failure.class, ErrorClass::ContentFilter);
    assert!(failure.what.contains("SAFETY"));
    assert_eq!(partial.usage.input_tokens, Some(7));
    let error = json!({"error": {"code": 503, "status": "UNAVAILABLE", "message": "Busy"}});
    let (failure, partial) = *fold(&[parts(json!([{"text": "a"}])), error]).unwrap_err();
    assert_eq!((failure.class, failure.status, partial.content.len()), (ErrorClass::Overloaded, Some(503), 1));
}

#[test]
fn a_list_of_chunks_is_an_answer_too() {
    let list = json!([parts(json!([{"text": "Hold "}])), parts(json!([{"text": "on"}])), end("STOP")]).to_string();
    let mut chunks = Chunks::new("gemini");
    chunks.whole(list.as_bytes()).unwrap();
    chunks.finish().unwrap();
    assert_eq!(chunks.answer().completion.content, [Content::Text { text: "Hold on".into() }]);
    assert_eq!(chunks.answer().events, [StreamEvent::Text("Hold ".into()), StreamEvent::Text("on".into())]);
    // A list without its end was cut.
    let list = json!([parts(json!([{"text": "Hold "}])), parts(json!([{"text": "on"}]))]).to_string();
    assert!(Chunks::new("gemini").whole(list.as_bytes()).is_err());
    assert_eq!(Chunks::new("gemini").whole(b"{}").unwrap_err().class, ErrorClass::Malformed);
}

#[test]
fn usage_in_our_terms() {
    let usage = |counts: Value| json!({"candidates": [], "usageMetadata": counts});
    let completion = fold(&[
        usage(json!({"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 1})),
        usage(json!({"candidatesTokenCount": 5, "thoughtsTokenCount": 20})),
        end("STOP"),
    ])
    .unwrap();
    let usage = completion.usage;
    assert_eq!((usage.input_tokens, usage.cache_read_tokens), (Some(40), Some(60)));
    assert_eq!((usage.output_tokens, usage.reasoning_tokens), (Some(25), Some(20)));
}

#[test]
fn a_whole_request() {
    let image = Image { media_type: "image/png".into(), data: "aGk=".into() };
    let text = |text: &str| Content::Text { text: text.into() };
    let call = |id: &str, input| Content::ToolCall(ToolCall { id: id.into(), name: format!("tool_{id}"), input });
    let result = |id: &str, content: Vec<ResultContent>, is_error| {
        Content::ToolResult(ToolResult { call_id: id.into(), content, is_error })
    };
    let words = |text: &str| ResultContent::Text { text: text.into() };
    let tool = |name: &str, input_schema| ToolSpec { name: name.into(), description: "Does.".into(), input_schema };
    let request = Request {
        model: "gemini-2.5-pro".into(),
        system: vec!["Be brief.".into(), " ".into(), "Be kind.".into()],
        messages: vec![
            Message { role: Role::User, content: vec![text("look"), Content::Image(image.clone())] },
            Message {
                role: Role::Assistant,
                content: vec![
                    Content::Thinking { text: "hm".into(), signature: Some("c2ln".into()), redacted: None },
                    call("a", json!({"path": "x"})),
                    call("b", json!("broken")),
                ],
            },
            Message {
                role: Role::User,
                content: vec![
                    result("a", vec![words("one"), ResultContent::Image(image)], false),
                    result("b", vec![words("no such file")], true),
                ],
            },
            Message::user("and then?"),
        ],
        tools: vec![
            tool("edit", json!({"type": "object", "properties": {}})),
            tool(
                "read",
                json!({"type": "object", "additionalProperties": false,
                "properties": {"path": {"type": ["string", "null"]}}}),
            ),
        ],
        max_tokens: Some(100),
        temperature: Some(0.2),
        stop_sequences: vec!["END".into()],
        thinking: Some(Thinking::Budget(2048)),
        ..Request::default()
    };
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "aGk="}});
    let expect = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "look"}, picture]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "a", "name": "tool_a", "args": {"path": "x"}}},
                {"functionCall": {"id": "b", "name": "tool_b", "args": {"input": "broken"}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "a", "name": "tool_a", "response": {"output": "one"}}},
                {"functionResponse": {"id": "b", "name": "tool_b", "response": {"error": "no such file"}}},
                {"text": "The images of the tools' results:"},
                picture,
                {"text": "and then?"},
            ]},
        ],
        "tools": [{"functionDeclarations": [
            {"name": "edit", "description": "Does."},
            {"name": "read", "description": "Does.", "parameters": {"type": "object", "properties":
                {"path": {"type": "string", "nullable": true}}}},
        ]}],
        "generationConfig": {
            "maxOutputTokens": 100,
            "temperature": 0.2,
            "stopSequences": ["END"],
            "thinkingConfig": {"thinkingBudget": 2048, "includeThoughts": true},
        },
    });
    assert_eq!(body(&request, "gemini"), expect);

    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let shaped = Request {
        output_schema: Some(OutputSchema { name: "answer".into(), schema }),
        thinking: Some(Thinking::Effort(Effort::Max)),
        ..request
    };
    // Not beside tools before the third; efforts are budgets there.
    let config =
        |model: &str| body(&Request { model: model.into(), ..shaped.clone() }, "gemini")["generationConfig"].clone();
    assert_eq!(config("gemini-2.5-pro").get("responseSchema"), None);
    assert_eq!(config("gemini-2.5-pro")["thinkingConfig"]["thinkingBudget"], 32_768);
    let third = config("gemini-3-pro-preview");
    assert_eq!(third["responseMimeType"], "application/json");
    assert_eq!(third["responseSchema"], json!({"type": "object", "properties": {"a": {"type": "string"}}}));
    assert_eq!(third["thinkingConfig"], json!({"thinkingLevel": "high", "includeThoughts": true}));
}

#[test]
fn thinking_is_asked_for_as_the_model_knows_it() {
    let sent = |model: &str, thinking| {
        let request = Request { model: model.into(), thinking: Some(thinking), ..Request::default() };
        body(&request, "gemini")["generationConfig"]["thinkingConfig"].clone()
    };
    let budget = |tokens: u32| json!({"thinkingBudget": tokens, "includeThoughts": true});
    let max = Thinking::Effort(Effort::Max);
    assert_eq!(sent("gemini-2.5-pro", max), budget(32_768));
    assert_eq!(sent("gemini-2.5-flash", max), budget(24_576));
    assert_eq!(sent("gemini-2.5-flash-lite", Thinking::Budget(100)), budget(512));
    assert_eq!(sent("gemini-2.0-flash", max), Value::Null, "it does not think");
    // None at all, or the least where it always thinks.
    assert_eq!(sent("gemini-2.5-flash", Thinking::Budget(0)), json!({"thinkingBudget": 0}));
    assert_eq!(sent("gemini-2.5-pro", Thinking::Budget(0)), budget(128));
    assert_eq!(
        sent("gemini-3-flash-preview", Thinking::Budget(0)),
        json!({"thinkingLevel": "minimal", "includeThoughts": true})
    );
}

#[test]
fn the_model_is_a_part_of_the_path_and_no_more() {
    assert_eq!(path("gemini-2.5-pro"), "models/gemini-2.5-pro:streamGenerateContent?alt=sse");
    assert_eq!(path("tunedModels/mine"), "tunedModels/mine:streamGenerateContent?alt=sse");
    assert_eq!(path("../x?key=1#y"), "/x%3Fkey%3D1%23y:streamGenerateContent?alt=sse");
}
