//! From `initialize` to `exit`, and what is asked at the wrong time.

use serde_json::{Value, json, value::to_raw_value};
use tokio::io::AsyncWriteExt;

use super::{Test, logged};
use crate::{
    protocol::{Direction, Empty, METHODS, Request, SessionEvent},
    rpc::{Error, tests::frame},
    sidecar::{Event, RequestError},
};

#[tokio::test]
async fn the_answer_to_initialize() {
    let mut test = Test::new();
    test.request(
        1,
        "initialize",
        json!({ "processId": null, "capabilities": { "general": { "positionEncodings": ["utf-16", "utf-8"] } } }),
    )
    .await;
    let answer = test.read().await;
    let methods = METHODS.iter().filter(|method| method.direction == Direction::ToServer);
    let methods: Vec<_> = methods.map(|method| method.name).collect();
    assert!(methods.contains(&"turn/start") && !methods.contains(&"approval/request"), "{methods:?}");
    let capabilities = json!({
        "positionEncoding": "utf-8",
        "textDocumentSync": { "openClose": true, "change": 2, "save": { "includeText": false } },
        "workspace": { "workspaceFolders": { "supported": true, "changeNotifications": true } },
        "experimental": { "pillion": { "protocolVersion": 1, "methods": methods } },
    });
    let mut plain = capabilities.clone();
    let all = ["ask", "stop", "approve", "deny", "show", "changes", "revert", "sessions", "new", "mode", "model"];
    plain["executeCommandProvider"] = json!({ "commands": all.map(|name| format!("pillion.{name}")) });
    plain["codeActionProvider"] = json!({ "codeActionKinds": ["quickfix", "refactor", "refactor.rewrite"] });
    plain["codeLensProvider"] = json!({ "resolveProvider": false });
    plain["hoverProvider"] = json!(true);
    let answered = |capabilities| {
        let server = json!({ "name": "pillion", "version": env!("CARGO_PKG_VERSION") });
        json!({ "jsonrpc": "2.0", "id": 1, "result": { "capabilities": capabilities, "serverInfo": server } })
    };
    assert_eq!(answer, answered(plain));
    // An editor with a plugin has commands and menus of its own.
    let mut with_plugin = Test::new();
    let general = json!({ "positionEncodings": ["utf-8"] });
    let declared = json!({ "general": general, "experimental": { "pillion": { "sessionEvent": true } } });
    with_plugin.request(1, "initialize", json!({ "capabilities": declared })).await;
    assert_eq!(with_plugin.read().await, answered(capabilities));
    // Only once.
    test.request(2, "initialize", json!({ "capabilities": {} })).await;
    test.expect_error(2, Error::INVALID_REQUEST).await;
}

#[tokio::test]
async fn nothing_is_served_before_initialize_and_after_shutdown() {
    let mut test = Test::new();
    for method in ["session/new", "shutdown", "workspace/executeCommand", "no/such"] {
        test.request(method, method, json!({})).await;
        test.expect_error(method, Error::NOT_INITIALIZED).await;
    }
    test.notify("textDocument/didOpen", json!({})).await;

    let (mut test, _) = Test::open(json!({})).await;
    // Without parameters by the book; some editors send empty ones.
    test.request(1, "shutdown", json!({})).await;
    for method in ["session/new", "shutdown", "workspace/executeCommand", "initialize", "no/such"] {
        test.request(method, method, json!({})).await;
        test.expect_error(method, Error::INVALID_REQUEST).await;
    }
    // The answer to `shutdown` waits for the turns to end.
    let Event::ShutDown { done, .. } = test.hub_event().await else { panic!("the hub was not shut down") };
    done.send(()).unwrap();
    assert_eq!(test.read().await, json!({ "jsonrpc": "2.0", "id": 1, "result": null }));
    test.notify("exit", Value::Null).await;
    assert_eq!(test.end().await.1, 0);
}

#[tokio::test]
async fn the_exit_code_says_whether_the_client_left_by_the_book() {
    let (mut test, _) = Test::open(json!({})).await;
    test.notify("exit", Value::Null).await;
    assert_eq!(test.end().await.1, 1);

    let (mut test, _) = Test::open(json!({})).await;
    test.writer.shutdown().await.unwrap();
    assert_eq!(test.end().await.1, 1);

    let mut test = Test::new();
    test.notify("exit", Value::Null).await;
    assert_eq!(test.end().await.1, 1);

    Test::open(json!({})).await.0.close().await;
}

#[tokio::test]
async fn the_end_of_input_inside_a_message_ends_the_turns() {
    let (mut test, _) = Test::open(json!({})).await;
    test.writer.write_all(b"Content-Length: 100\r\n\r\n{\"jsonrpc\"").await.unwrap();
    test.writer.shutdown().await.unwrap();
    assert!(matches!(test.hub_event().await, Event::Detached { .. }));
    let Event::ShutDown { done, .. } = test.hub_event().await else { panic!("the hub was not shut down") };
    assert!(!test.served.is_finished(), "the face ends before the turns do");
    done.send(()).unwrap();
    assert_eq!(test.end().await.1, 1);
}

#[cfg(unix)]
#[tokio::test]
#[allow(clippy::disallowed_methods)]
async fn the_death_of_the_editor_ends_the_turns() {
    let mut editor = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    let (mut test, _) = Test::open_with(json!({ "processId": editor.id(), "capabilities": {} })).await;
    // The pipe stays open: someone else holds it.
    editor.kill().unwrap();
    editor.wait().unwrap();
    assert!(matches!(test.hub_event().await, Event::Detached { .. }));
    assert_eq!(test.end().await.1, 1);
}

#[tokio::test]
async fn our_requests_go_to_the_hub_and_answers_and_events_come_in_order() {
    let (mut test, client) = Test::open(json!({ "experimental": { "pillion": { "sessionEvent": true } } })).await;
    test.request(1.5, "turn/cancel", json!({ "sessionId": "s1" })).await;
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::TurnCancel(params) if params.session_id == "s1"));
    reply(Ok(to_raw_value(&Empty {}).unwrap()));
    for seq in 1..=3 {
        client.event(&logged(seq, SessionEvent::MessageDelta { text: "é\u{2028}".to_owned() }));
    }
    assert_eq!(test.read().await, json!({ "jsonrpc": "2.0", "id": 1.5, "result": {} }));
    for seq in 1..=3 {
        let params = json!({ "sessionId": "s1", "seq": seq, "event": { "type": "messageDelta", "text": "é\u{2028}" } });
        assert_eq!(test.expect("session/event").await["params"], params);
    }

    test.request("x", "model/list", Value::Null).await;
    let (_, reply) = test.hub_request().await;
    reply(Err(RequestError { code: RequestError::BUSY, message: "busy".to_owned() }));
    let error = json!({ "code": RequestError::BUSY, "message": "busy" });
    assert_eq!(test.read().await, json!({ "jsonrpc": "2.0", "id": "x", "error": error }));

    test.request(2, "turn/start", json!({ "sessionId": 5 })).await;
    test.expect_error(2, Error::INVALID_PARAMS).await;
    test.request(3, "textDocument/hover", json!({})).await;
    assert!(test.read().await["error"]["code"].is_i64());
    test.request(4, "$/no/such", json!({})).await;
    test.expect_error(4, Error::METHOD_NOT_FOUND).await;
    test.notify("$/no/such", json!({})).await;
    test.notify("no/such", json!([])).await;

    // A reply that the hub loses is an answer nevertheless.
    test.request(5, "model/list", json!({})).await;
    drop(test.hub_request().await);
    test.expect_error(5, Error::INTERNAL).await;
    test.close().await;
}

#[tokio::test]
async fn deep_nesting_is_an_error_for_every_kind_of_method() {
    let (mut test, _) = Test::open(json!({})).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for method in ["session/new", "workspace/executeCommand"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{deep}}}"#);
        test.writer.write_all(&frame(body)).await.unwrap();
        test.expect_error(1, Error::INVALID_PARAMS).await;
    }
    for method in ["textDocument/didChange", "workspace/didChangeConfiguration", "$/cancelRequest"] {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{deep}}}"#);
        test.writer.write_all(&frame(body)).await.unwrap();
    }
    test.close().await;
}

#[tokio::test]
async fn a_request_that_waits_can_be_cancelled_by_any_id() {
    let (mut test, _) = Test::open(json!({})).await;
    for id in [json!(7), json!("seven"), json!(7.5), json!(null)] {
        test.request(id.clone(), "workspace/executeCommand", json!({ "command": "pillion.ask", "arguments": ["x"] }))
            .await;
        let (_, _reply) = test.hub_request().await;
        test.notify("$/cancelRequest", json!({ "id": id })).await;
        test.expect_error(id, Error::CANCELLED).await;
    }
    test.notify("$/cancelRequest", json!({ "id": 99 })).await;
    test.notify("$/cancelRequest", json!({})).await;
    test.close().await;
}

#[tokio::test]
async fn settings_come_with_the_handshake_and_when_they_change() {
    let (mut test, _) = Test::open_with(json!({
        "capabilities": { "workspace": {
            "configuration": true,
            "didChangeConfiguration": { "dynamicRegistration": true },
        } },
        "initializationOptions": { "pillion": { "model": "a/b" } },
    }))
    .await;
    let registration = test.expect("client/registerCapability").await;
    assert_eq!(registration["params"]["registrations"][0]["method"], "workspace/didChangeConfiguration");
    // Refused is no reason not to ask.
    test.refuse(&registration, Error::METHOD_NOT_FOUND).await;
    let asked = test.expect("workspace/configuration").await;
    assert_eq!(asked["params"], json!({ "items": [{ "section": "pillion" }] }));
    test.respond(&asked, json!([{ "model": "c/d" }])).await;
    let settings = async |test: &mut Test| match test.hub_event().await {
        Event::Configure { editor } => editor,
        _ => panic!("settings were expected"),
    };
    assert_eq!(settings(&mut test).await, Some(json!({ "model": "c/d" })));

    let changed = json!({ "settings": { "pillion": { "mode": "auto" } } });
    test.notify("workspace/didChangeConfiguration", changed).await;
    assert_eq!(settings(&mut test).await, Some(json!({ "mode": "auto" })));
    test.notify("workspace/didChangeConfiguration", json!({ "settings": null })).await;
    let asked = test.expect("workspace/configuration").await;
    test.respond(&asked, json!([null])).await;
    assert_eq!(settings(&mut test).await, None);
    test.close().await;
}

#[tokio::test]
async fn settings_given_at_the_start_count() {
    let mut test = Test::new();
    let options = json!({ "model": "a/b" });
    test.request(1, "initialize", json!({ "capabilities": {}, "initializationOptions": options })).await;
    assert!(matches!(test.hub_event().await, Event::Configure { editor: Some(editor) } if editor == options));
}
