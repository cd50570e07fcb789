//! The ways a connection to a model server can go.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, StreamExt};
use pillion::{
    provider::{
        Completion, ErrorClass, Provider, ProviderError, Request, StreamEvent,
        http::Limits,
        key::{Key, KeyCommand, KeySource},
        presets::{Settings, open},
        retry,
    },
    transcript::{Content, Message},
};

use super::server::{Reply, Server, answer, begun, events};

const HELLO: &str = r#"{"choices":[{"delta":{"content":"Hello"}}]}"#;
const STOP: &str = r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#;
const DONE: &str = "[DONE]";
const SECRET: &str = "sk-a-very-secret-key";

fn provider(name: &str, base_url: &str) -> Arc<dyn Provider> {
    provider_with(name, base_url, KeySource::None)
}

fn provider_with(name: &str, base_url: &str, key: KeySource) -> Arc<dyn Provider> {
    open(Settings { name: name.into(), base_url: Some(base_url.into()), key: Some(key), ..Settings::default() })
        .unwrap()
}

fn request() -> Arc<Request> {
    Arc::new(Request { model: "m".into(), messages: vec![Message::user("Hi")], ..Request::default() })
}

async fn ask(provider: &Arc<dyn Provider>) -> Result<Completion, ProviderError> {
    let last = provider.stream(request()).collect::<Vec<_>>().await.pop().unwrap();
    last.map(|event| if let StreamEvent::Done(completion) = event { completion } else { panic!("{event:?}") })
}

fn text(completion: &Completion) -> String {
    Message { role: pillion::transcript::Role::Assistant, content: completion.content.clone() }.text()
}

#[tokio::test]
async fn a_dropped_stream_closes_its_connection() {
    let mut server = Server::start(vec![Reply::Hold(begun(&[HELLO]))]).await;
    let mut stream = provider("openai", &server.base_url).stream(request());
    assert_eq!(stream.next().await.unwrap().unwrap(), StreamEvent::Text("Hello".into()));
    drop(stream);
    server.closed(1).await;

    // Before the first byte of an answer, too.
    let mut server = Server::start(vec![Reply::Hold(String::new())]).await;
    let mut stream = provider("openai", &server.base_url).stream(request());
    tokio::select! {
        event = stream.next() => panic!("{event:?}"),
        () = server.was_asked(1) => {}
    }
    drop(stream);
    server.closed(1).await;
}

#[tokio::test]
async fn a_finished_answer_leaves_its_connection_to_the_next() {
    let server = Server::start(vec![Reply::Keep(events(&[HELLO, STOP, DONE]))]).await;
    let provider = provider("openai", &server.base_url);
    for _ in 0..3 {
        assert_eq!(text(&ask(&provider).await.unwrap()), "Hello");
        // The end of the body is read in the background; on a single thread it has been by the time others have run.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(server.asked().iter().map(|asked| asked.connection).collect::<Vec<_>>(), [0, 0, 0]);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_meanwhile_is_replaced() {
    // Says that it keeps the connection, and closes it at the next request instead of answering.
    let whole = events(&[HELLO, STOP, DONE]);
    let server = Server::start(vec![Reply::Keep(whole.clone()), Reply::Close(String::new()), Reply::Keep(whole)]).await;
    let provider = provider("openai", &server.base_url);
    ask(&provider).await.unwrap();
    assert_eq!(text(&ask(&provider).await.unwrap()), "Hello");
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn events_that_are_there_come_without_waiting() {
    let server = Server::start(vec![Reply::Hold(begun(&[HELLO; 50]))]).await;
    let mut stream = provider("openai", &server.base_url).stream(request());
    stream.next().await.unwrap().unwrap();
    for _ in 1..50 {
        assert!(stream.next().now_or_never().is_some());
    }
}

#[tokio::test]
async fn an_answer_may_stop_anywhere() {
    let name =
        r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#;
    let half = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}}]}"#;
    let rest = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}]}"#;
    let finish = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
    let whole = events(&[HELLO, name, half, rest, finish, DONE]);
    let marked = whole.find("tool_calls\"}]}\n").unwrap() + "tool_calls\"}]}\n".len();
    let arguments = whole.find("1}\"").unwrap();
    for cut in (0..whole.len()).step_by(7) {
        let server = Server::start(vec![Reply::Close(whole[..cut].into())]).await;
        match ask(&provider("openai", &server.base_url)).await {
            Ok(completion) => {
                assert!(cut >= marked, "whole at {cut}");
                assert_eq!(completion.content.len(), 2);
            }
            Err(error) => {
                assert!(cut < marked, "{error} at {cut}");
                assert!(matches!(error.class, ErrorClass::Truncated | ErrorClass::Network), "{error:?} at {cut}");
                let calls = error.partial.content.iter().filter(|part| matches!(part, Content::ToolCall(_))).count();
                assert!(calls == 0 || cut > arguments, "half a call at {cut}");
            }
        }
    }
}

#[tokio::test]
async fn a_clean_end_without_a_mark_is_truncated() {
    let server = Server::start(vec![Reply::Keep(events(&[HELLO]))]).await;
    let error = ask(&provider("openai", &server.base_url)).await.unwrap_err();
    assert_eq!((error.class, error.partial.content.len()), (ErrorClass::Truncated, 1));
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"Hello"}}"#;
    let server = Server::start(vec![Reply::Keep(events(&[start]))]).await;
    let error = ask(&provider("anthropic", &server.base_url)).await.unwrap_err();
    assert_eq!((error.class, error.partial.content.len()), (ErrorClass::Truncated, 1));
}

#[tokio::test]
async fn silence_has_a_limit() {
    for reply in [String::new(), begun(&[HELLO])] {
        let server = Server::start(vec![Reply::Hold(reply)]).await;
        let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
        let settings =
            Settings { name: "mine".into(), base_url: Some(server.base_url.clone()), limits, ..Settings::default() };
        let error = ask(&open(settings).unwrap()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Network);
        assert!(error.message.contains("silent for 50ms"), "{error}");
    }
}

#[tokio::test]
async fn silence_after_the_end_mark_does_no_harm() {
    let server = Server::start(vec![Reply::Hold(begun(&[HELLO, STOP]))]).await;
    let limits = Limits { idle: Duration::from_millis(50), ..Limits::default() };
    let settings =
        Settings { name: "mine".into(), base_url: Some(server.base_url.clone()), limits, ..Settings::default() };
    assert_eq!(text(&ask(&open(settings).unwrap()).await.unwrap()), "Hello");
}

#[tokio::test]
async fn nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let error = ask(&provider("ollama", &base_url)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Network);
    assert!(error.message.contains("ollama could not be reached") && error.message.contains("base_url"), "{error}");
}

#[tokio::test]
async fn what_is_no_api() {
    let page = answer(200, "content-type: text/html\r\n", "<html><title>Welcome</title></html>");
    let server = Server::start(vec![Reply::Close(page)]).await;
    let error = ask(&provider("openai", &server.base_url)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Malformed);
    assert!(error.message.contains("Welcome") && error.message.contains("base_url"), "{error}");

    let server = Server::start(vec![Reply::Close(answer(308, "location: https://example.com/v1\r\n", ""))]).await;
    let error = ask(&provider("openai", &server.base_url)).await.unwrap_err();
    assert!(error.message.contains("https://example.com/v1"), "{error}");
    assert_eq!(server.asked().len(), 1, "a redirect is not followed");
}

#[tokio::test]
async fn keys_are_sent_and_never_shown() {
    let body = format!(r#"{{"error":{{"message":"wrong key: {SECRET}"}}}}"#);
    let server = Server::start(vec![Reply::Keep(answer(401, "", &body))]).await;
    for (name, header, value) in
        [("openai", "authorization", format!("Bearer {SECRET}")), ("anthropic", "x-api-key", SECRET.to_owned())]
    {
        let provider = provider_with(name, &server.base_url, KeySource::Value(Key::new(SECRET).unwrap()));
        let error = ask(&provider).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Auth);
        assert!(error.message.contains("wrong key: ***"), "{error}");
        assert!(!format!("{error:?}").contains(SECRET));
        assert_eq!(server.asked().last().unwrap().header(header), Some(value.as_str()));
    }
    let asked = server.asked();
    assert!(asked[0].head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", asked[0].head);
    assert!(asked[1].head.starts_with("POST /v1/messages HTTP/1.1\r\n"), "{}", asked[1].head);
    assert_eq!(asked[1].header("anthropic-version"), Some("2023-06-01"));
    assert_eq!((&asked[0].body["model"], &asked[1].body["stream"]), (&"m".into(), &true.into()));
}

#[tokio::test]
async fn a_missing_key_is_said_before_anything_is_sent() {
    let variable = KeySource::Environment("PILLION_TEST_NO_SUCH_KEY".into());
    // An address that leads nowhere: it must not be tried.
    let error = ask(&provider_with("openai", "https://203.0.113.1/v1", variable.clone())).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Auth);
    assert!(error.message.contains("Set `PILLION_TEST_NO_SUCH_KEY`"), "{error}");
    // A server on this machine may want none.
    let server = Server::start(vec![Reply::Keep(events(&[HELLO, DONE]))]).await;
    ask(&provider_with("openai", &server.base_url, variable)).await.unwrap();
    assert_eq!(server.asked()[0].header("authorization"), None);
}

/// Each run of the command prints another key.
fn numbered_keys() -> KeySource {
    let runs = AtomicU32::new(0);
    KeySource::Command(KeyCommand::new(move || {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        async move { Ok(Key::new(&format!("key-number-{run}")).unwrap()) }.boxed()
    }))
}

fn keys(server: &Server) -> Vec<String> {
    server.asked().iter().map(|asked| asked.header("authorization").unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_refused_key_is_asked_for_once_more() {
    let refusal = answer(401, "", r#"{"error":"expired"}"#);
    let server =
        Server::start(vec![Reply::Keep(refusal.clone()), Reply::Keep(events(&[HELLO, DONE])), Reply::Keep(refusal)])
            .await;
    let provider = provider_with("openai", &server.base_url, numbered_keys());
    ask(&provider).await.unwrap();
    assert_eq!(ask(&provider).await.unwrap_err().class, ErrorClass::Auth);
    let expect = ["Bearer key-number-0", "Bearer key-number-1", "Bearer key-number-1", "Bearer key-number-2"];
    assert_eq!(keys(&server), expect);
}

/// The connection had been idle for long, and the key with it.
#[tokio::test]
async fn a_key_that_is_refused_after_a_broken_connection_is_asked_for_once_more_too() {
    let whole = Reply::Keep(events(&[HELLO, STOP, DONE]));
    let refusal = Reply::Keep(answer(401, "", r#"{"error":"expired"}"#));
    let server = Server::start(vec![whole.clone(), Reply::Close(String::new()), refusal, whole]).await;
    let provider = provider_with("openai", &server.base_url, numbered_keys());
    ask(&provider).await.unwrap();
    assert_eq!(text(&ask(&provider).await.unwrap()), "Hello");
    let expect = ["Bearer key-number-0", "Bearer key-number-0", "Bearer key-number-0", "Bearer key-number-1"];
    assert_eq!(keys(&server), expect);
}

#[tokio::test]
async fn busy_servers_are_asked_again() {
    let busy = answer(
        529,
        "retry-after-ms: 5\r\n",
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Busy"}}"#,
    );
    let server = Server::start(vec![Reply::Keep(busy), Reply::Keep(events(&[HELLO, STOP, DONE]))]).await;
    let policy = retry::Policy { base: Duration::from_millis(1), ..retry::Policy::default() };
    let all: Vec<_> = retry::stream(provider("openai", &server.base_url), request(), policy).collect().await;
    let [Ok(StreamEvent::Retry { attempt: 2, delay, error }), Ok(StreamEvent::Text(_)), Ok(StreamEvent::Done(_))] =
        all.as_slice()
    else {
        panic!("{all:?}")
    };
    assert!(*delay >= Duration::from_millis(5) && error.contains("Busy"), "{delay:?} {error}");
}
