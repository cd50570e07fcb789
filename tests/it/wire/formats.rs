//! The four wire formats, each with an answer of two calls, and what must hold for all of them.

use std::{io::Read, net::TcpListener, sync::Arc};

use futures::StreamExt;
use pillion::{
    agent::{Agent, Scope},
    provider::{
        Completion, ErrorClass, Provider, ProviderError, Request, StreamEvent,
        cache::{Breakpoint, Breakpoints, Cache, Mode, Retention},
        presets::{Api, Settings, open},
    },
    transcript::{Content, Message, Role, StopReason, ToolCall, ToolResult},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::server::{Reply, Server, events};

pub const ALL: [Api; 4] = [Api::Anthropic, Api::Chat, Api::Responses, Api::Gemini];
/// What each format's reasoning is proved with.
pub const PROOF: &str = "gAAAA-proof==";

/// What is said, in several bytes a character.
const SAID: &str = "Gr\u{fc}\u{df} dich \u{1F980}";

pub fn provider(api: Api, base_url: &str) -> Arc<dyn Provider> {
    let settings =
        Settings { name: "mine".into(), api: Some(api), base_url: Some(base_url.into()), ..Settings::default() };
    open(settings).unwrap()
}

/// The events of an answer that thinks, says a text and asks for calls (id, name and input).
pub fn stream(api: Api, text: &str, calls: &[(&str, &str, Value)]) -> Vec<String> {
    let events: Vec<Value> = match api {
        Api::Anthropic => {
            let mut events =
                vec![json!({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 1}}})];
            let mut block = |start: Value, delta: Value| {
                let index = events.len() / 3;
                events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
                events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
                events.push(json!({"type": "content_block_stop", "index": index}));
            };
            block(json!({"type": "thinking", "thinking": "hm", "signature": PROOF}), json!({"type": "thinking_delta"}));
            block(json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}));
            for (id, name, input) in calls {
                block(
                    json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
                    json!({"type": "input_json_delta", "partial_json": input.to_string()}),
                );
            }
            let reason = if calls.is_empty() { "end_turn" } else { "tool_use" };
            events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}}));
            events.push(json!({"type": "message_stop"}));
            events
        }
        Api::Chat => {
            let delta = |delta: Value| json!({"choices": [{"delta": delta}]});
            let mut events = vec![delta(json!({"content": text}))];
            for (index, (id, name, input)) in calls.iter().enumerate() {
                let function = json!({"name": name, "arguments": input.to_string()});
                events.push(delta(json!({"tool_calls": [{"index": index, "id": id, "function": function}]})));
            }
            let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
            events.push(json!({"choices": [{"delta": {}, "finish_reason": reason}]}));
            events
        }
        Api::Responses => {
            let mut items = vec![
                json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": PROOF}),
                json!({"type": "message", "content": [{"type": "output_text", "text": text}]}),
            ];
            items.extend(calls.iter().map(|(id, name, input)| {
                json!({"type": "function_call", "call_id": id, "name": name, "arguments": input.to_string()})
            }));
            let done = |(index, item): (usize, &Value)| json!({"type": "response.output_item.done", "output_index": index, "item": item});
            let mut events: Vec<Value> = items.iter().enumerate().map(done).collect();
            events.insert(1, json!({"type": "response.output_text.delta", "output_index": 1, "delta": text}));
            events.push(json!({"type": "response.completed", "response": {"status": "completed", "output": items}}));
            events
        }
        Api::Gemini => {
            let chunk = |part: Value| json!({"candidates": [{"content": {"parts": [part]}}]});
            let mut events = vec![chunk(json!({ "text": text }))];
            for (index, (id, name, input)) in calls.iter().enumerate() {
                let mut part = json!({"functionCall": {"id": id, "name": name, "args": input}});
                if index == 0 {
                    part["thoughtSignature"] = PROOF.into();
                }
                events.push(chunk(part));
            }
            events.push(json!({"candidates": [{"finishReason": "STOP"}]}));
            events
        }
    };
    events.iter().map(Value::to_string).collect()
}

fn sample(api: Api) -> Vec<String> {
    stream(api, SAID, &[("a", "f", json!({"x": 1})), ("b", "g", json!({"y": "\u{e9}"}))])
}

fn strs(events: &[String]) -> Vec<&str> {
    events.iter().map(String::as_str).collect()
}

fn request() -> Request {
    Request { model: "m".into(), messages: vec![Message::user("Hi")], ..Request::default() }
}

async fn ask(provider: &Arc<dyn Provider>, request: Request) -> Result<Completion, ProviderError> {
    let last = provider.stream(Arc::new(request)).collect::<Vec<_>>().await.pop().unwrap();
    last.map(|event| if let StreamEvent::Done(completion) = event { completion } else { panic!("{event:?}") })
}

fn calls(completion: &Completion) -> Vec<&str> {
    let mut ids = Vec::new();
    for part in &completion.content {
        if let Content::ToolCall(call) = part {
            ids.push(call.id.as_str());
        }
    }
    ids
}

fn said(completion: &Completion) -> String {
    Message { role: Role::Assistant, content: completion.content.clone() }.text()
}

#[tokio::test]
async fn a_split_character_does_not_kill_the_stream() {
    for api in ALL {
        let body: String = sample(api).iter().map(|event| format!("data: {event}\n\n")).collect();
        let pieces = body.as_bytes().chunks(1).map(<[u8]>::to_vec).collect();
        let server = Server::start(vec![Reply::Pieces(pieces)]).await;
        let completion = ask(&provider(api, &server.base_url), request()).await.unwrap();
        assert_eq!((said(&completion).as_str(), calls(&completion)), (SAID, vec!["a", "b"]), "{api:?}");
        assert_eq!(completion.stop_reason, Some(StopReason::ToolCalls), "{api:?}");
    }
}

/// For each number of whole events, and one byte less than each: an error, until the mark of the end has come.
#[tokio::test]
async fn an_end_of_stream_without_its_mark_is_no_success() {
    for api in ALL {
        let sample = sample(api);
        // Anthropic's last two are one mark: the reason, and that it is over.
        for whole in 0..=sample.len() {
            let events = events(&strs(&sample[..whole]));
            let server = Server::start(vec![Reply::Keep(events)]).await;
            let outcome = ask(&provider(api, &server.base_url), request()).await;
            match outcome {
                Ok(completion) => {
                    assert_eq!(whole, sample.len(), "{api:?} after {whole}");
                    assert_eq!(calls(&completion), ["a", "b"]);
                }
                Err(error) => {
                    assert!(whole < sample.len(), "{api:?} after {whole}: {error}");
                    assert_eq!(error.class, ErrorClass::Truncated, "{api:?} after {whole}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_answer_may_be_cut_at_any_byte() {
    for api in ALL {
        let body: String = sample(api).iter().map(|event| format!("data: {event}\n\n")).collect();
        for cut in (0..body.len()).step_by(11) {
            let server = Server::start(vec![Reply::Pieces(vec![body.as_bytes()[..cut].to_vec()])]).await;
            match ask(&provider(api, &server.base_url), request()).await {
                Ok(completion) => {
                    assert_eq!(calls(&completion), ["a", "b"], "{api:?} at {cut}");
                    assert!(body.len() - cut < 40, "whole at {cut} of {} in {api:?}", body.len());
                }
                Err(error) => {
                    assert_eq!(error.class, ErrorClass::Truncated, "{error} in {api:?} at {cut}");
                    for part in &error.partial.content {
                        let Content::ToolCall(call) = part else { continue };
                        assert!(call.input == json!({"x": 1}) || call.input == json!({"y": "\u{e9}"}), "{call:?}");
                    }
                }
            }
        }
    }
}

/// A server that takes the connection and never says a word: the handshake does not end.
#[tokio::test]
async fn connecting_can_be_cancelled() {
    for api in ALL {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("https://{}/v1", listener.local_addr().unwrap());
        let cancel = CancellationToken::new();
        let when_connected = cancel.clone();
        let served = tokio::task::spawn_blocking(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut hello = [0; 1];
            socket.read_exact(&mut hello).unwrap();
            when_connected.cancel();
            // Until the client closes it.
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let agent = Agent::builder().provider(provider(api, &base_url)).model("m").build().unwrap();
        let result = agent.run_in(&Scope::default(), &[Message::user("Hi")], cancel).await.unwrap();
        assert_eq!(result.stop_reason, StopReason::Cancelled, "{api:?}");
        served.await.unwrap();
    }
}

#[tokio::test]
async fn a_cache_that_must_be_and_cannot_is_refused_before_anything_is_sent() {
    let explicit = Cache { breakpoints: Breakpoints::Explicit(vec![Breakpoint::Tools]), ..Cache::default() };
    let extended = Cache::kept_for(Retention::Extended);
    for (api, takes_explicit, takes_extended) in [
        (Api::Anthropic, true, true),
        (Api::Chat, false, false),
        (Api::Responses, false, true),
        (Api::Gemini, false, false),
    ] {
        for (cache, is_taken) in [(&explicit, takes_explicit), (&extended, takes_extended)] {
            let server = Server::start(vec![Reply::Keep(events(&strs(&sample(api))))]).await;
            let provider = provider(api, &server.base_url);
            let asked_for = |mode| Request { cache: Cache { mode, ..cache.clone() }, ..request() };
            let required = ask(&provider, asked_for(Mode::Required)).await;
            assert_eq!(required.is_ok(), is_taken, "{api:?} {cache:?}");
            assert_eq!(server.asked().len(), usize::from(is_taken), "{api:?} {cache:?}");
            if let Err(error) = required {
                assert_eq!(error.class, ErrorClass::BadRequest);
                assert!(error.message.contains("best effort"), "{error}");
            }
            ask(&provider, asked_for(Mode::BestEffort)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_cache_of_the_next_turn_is_for_that_turn_only() {
    let server = Server::start(vec![Reply::Keep(events(&strs(&stream(Api::Responses, "Yes", &[]))))]).await;
    let provider = provider(Api::Responses, &server.base_url);
    let agent =
        Agent::builder().provider(provider).model("m").cache(Cache { key: Some("k".into()), ..Cache::default() });
    let agent = agent.build().unwrap();
    let scope = Scope::default();
    scope.cache_next_turn(Cache::kept_for(Retention::Extended));
    for _ in 0..2 {
        agent.run_in(&scope, &[Message::user("Hi")], CancellationToken::new()).await.unwrap();
    }
    let [first, second] = [0, 1].map(|turn| server.asked()[turn].body.clone());
    assert_eq!((&first["prompt_cache_retention"], &first["prompt_cache_key"]), (&json!("24h"), &Value::Null));
    assert_eq!((&second["prompt_cache_retention"], &second["prompt_cache_key"]), (&Value::Null, &json!("k")));
}

/// The model called a tool that no tool can be called, and with what is no object: neither goes back as it came.
#[tokio::test]
async fn a_call_that_was_made_up_goes_back_so_that_it_is_taken() {
    let call = |id: &str, name: &str, input| Content::ToolCall(ToolCall { id: id.into(), name: name.into(), input });
    let calls = vec![
        call("a", "functions.read", json!({"path": "x"})),
        call("b", "", json!("{\"path\": \"a\"b\"}")),
        call("c", &"n".repeat(80), json!(["x"])),
    ];
    let results = ["a", "b", "c"].map(|id| Content::ToolResult(ToolResult::text(id, "no such tool", true)));
    let said = vec![
        Message::user("Hi"),
        Message { role: Role::Assistant, content: calls },
        Message { role: Role::User, content: results.to_vec() },
    ];
    let expect = [
        ("functions_read".to_owned(), json!({"path": "x"})),
        ("unknown".to_owned(), json!({"input": "{\"path\": \"a\"b\"}"})),
        ("n".repeat(64), json!({"input": ["x"]})),
    ];
    for api in ALL {
        let server = Server::start(vec![Reply::Keep(events(&strs(&sample(api))))]).await;
        ask(&provider(api, &server.base_url), Request { messages: said.clone(), ..request() }).await.unwrap();
        let body = server.asked()[0].body.clone();
        let (list, name, input) = match api {
            Api::Anthropic => ("/messages/1/content", "/name", "/input"),
            Api::Chat => ("/messages/1/tool_calls", "/function/name", "/function/arguments"),
            Api::Responses => ("/input", "/name", "/arguments"),
            Api::Gemini => ("/contents/1/parts", "/functionCall/name", "/functionCall/args"),
        };
        let items = body.pointer(list).unwrap().as_array().unwrap();
        let call = |item: &Value| {
            let input = item.pointer(input)?;
            let input = input.as_str().map_or_else(|| input.clone(), |text| serde_json::from_str(text).unwrap());
            Some((item.pointer(name)?.as_str()?.to_owned(), input))
        };
        let sent: Vec<_> = items.iter().filter_map(call).collect();
        assert_eq!(sent, expect, "{api:?}");
        if api == Api::Gemini {
            assert_eq!(body["contents"][2]["parts"][0]["functionResponse"]["name"], "functions_read");
        }
    }
}

#[tokio::test]
async fn each_format_has_its_path_and_its_header() {
    use pillion::provider::key::{Key, KeySource};
    let server = Server::start(vec![Reply::Close(super::server::answer(401, "", "{}"))]).await;
    for (name, path, header, value) in [
        ("anthropic", "/v1/messages", "x-api-key", "a-long-secret"),
        ("openai-chat", "/v1/chat/completions", "authorization", "Bearer a-long-secret"),
        ("azure", "/v1/chat/completions", "api-key", "a-long-secret"),
        ("gemini", "/v1/models/m:streamGenerateContent?alt=sse", "x-goog-api-key", "a-long-secret"),
        ("gemini-chat", "/v1/chat/completions", "authorization", "Bearer a-long-secret"),
    ] {
        let key = Some(KeySource::Value(Key::new("a-long-secret").unwrap()));
        let base_url = Some(server.base_url.clone());
        let provider = open(Settings { name: name.into(), base_url, key, ..Settings::default() }).unwrap();
        assert_eq!(ask(&provider, request()).await.unwrap_err().class, ErrorClass::Auth);
        let asked = server.asked().pop().unwrap();
        assert!(asked.head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", asked.head);
        assert_eq!(asked.header(header), Some(value), "{name}");
    }
}

/// `openai` speaks Responses where OpenAI is, and what all compatible servers speak where it is sent elsewhere.
#[tokio::test]
async fn openai_elsewhere_speaks_chat_completions_unless_told_otherwise() {
    let server = Server::start(vec![Reply::Close(super::server::answer(500, "", "{}"))]).await;
    for (api, path) in [(None, "/v1/chat/completions"), (Some(Api::Responses), "/v1/responses")] {
        let settings =
            Settings { name: "openai".into(), api, base_url: Some(server.base_url.clone()), ..Settings::default() };
        ask(&open(settings).unwrap(), request()).await.unwrap_err();
        let head = server.asked().pop().unwrap().head;
        assert!(head.starts_with(&format!("POST {path} ")), "{head}");
    }
}
