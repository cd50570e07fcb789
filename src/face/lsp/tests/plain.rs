//! Turns in an editor without a plugin.

use serde_json::{Value, json, value::to_raw_value};

use super::{Test, logged, until};
use crate::{
    protocol::{
        ContentBlock, Limits, Mode, NoticeLevel, Request, SessionEvent, SessionInfo, ToolClass, TurnCancelResponse,
        TurnStartResponse, TurnStopReason, Usage,
    },
    rpc::Error,
    sidecar::{Reply, RequestError},
};

fn started(seq: u64) -> crate::sidecar::LoggedEvent {
    let prompt = vec![ContentBlock::Text { text: "\nFix the test\nplease".to_owned() }];
    logged(seq, SessionEvent::TurnStarted { turn_id: "t1".to_owned(), prompt, by: None, output_schema: None })
}

pub(super) fn ended(seq: u64, stop_reason: TurnStopReason, error: Option<&str>) -> crate::sidecar::LoggedEvent {
    let (turn_id, error) = ("t1".to_owned(), error.map(str::to_owned));
    logged(seq, SessionEvent::TurnEnded { turn_id, stop_reason, usage: Usage::default(), error })
}

pub(super) fn delta(seq: u64, text: &str) -> crate::sidecar::LoggedEvent {
    logged(seq, SessionEvent::MessageDelta { text: text.to_owned() })
}

fn call(seq: u64) -> crate::sidecar::LoggedEvent {
    let (call_id, tool, title) = ("c".to_owned(), "read".to_owned(), "Read a.rs".to_owned());
    logged(seq, SessionEvent::ToolCall { call_id, tool, input: json!({}), class: ToolClass::Read, title })
}

#[tokio::test]
async fn a_turn_is_progress_and_its_answer_a_message() {
    let (mut test, client) = Test::open(json!({ "window": { "workDoneProgress": true } })).await;
    client.event(&started(1));
    let create = test.expect("window/workDoneProgress/create").await;
    let token = create["params"]["token"].clone();
    test.respond(&create, Value::Null).await;
    let begin = test.expect("$/progress").await;
    let value = json!({
        "kind": "begin", "title": "Pillion: Fix the test", "message": "Thinks", "cancellable": true,
    });
    assert_eq!(begin["params"], json!({ "token": token, "value": value }));

    client.event(&delta(2, "First I look."));
    client.event(&call(3));
    let mut report = test.expect("$/progress").await;
    // Reports show the latest only: the words before the call may or may not have been shown.
    if report["params"]["value"]["message"] == "First I look." {
        report = test.expect("$/progress").await;
    }
    assert_eq!(report["params"]["value"]["message"], "Read a.rs");

    // The editor's own cancel button.
    test.notify("window/workDoneProgress/cancel", json!({ "token": "other" })).await;
    test.notify("window/workDoneProgress/cancel", json!({ "token": token })).await;
    let (request, _) = test.hub_request().await;
    assert!(matches!(request, Request::TurnCancel(params) if params.session_id == "s1"));

    client.event(&delta(4, "It was "));
    client.event(&delta(5, "a typo.\n"));
    client.event(&ended(6, TurnStopReason::EndTurn, None));
    let (mut is_shown, mut is_ended) = (false, false);
    while !(is_shown && is_ended) {
        let message = test.read().await;
        match message["method"].as_str() {
            Some("window/showMessage") => {
                assert_eq!(message["params"], json!({ "type": 3, "message": "It was a typo." }));
                is_shown = true;
            }
            Some("$/progress") => is_ended = message["params"]["value"]["kind"] == "end",
            _ => panic!("{message}"),
        }
    }
    test.close().await;
}

#[tokio::test]
async fn an_editor_that_shows_no_progress_gets_the_answer_all_the_same() {
    for capabilities in [json!({}), json!({ "window": { "workDoneProgress": true } })] {
        let (mut test, client) = Test::open(capabilities.clone()).await;
        client.event(&started(1));
        if capabilities != json!({}) {
            let create = test.expect("window/workDoneProgress/create").await;
            test.refuse(&create, Error::METHOD_NOT_FOUND).await;
        }
        if capabilities == json!({}) {
            let log = test.expect("window/logMessage").await;
            assert!(log["params"]["message"].as_str().unwrap().contains("Fix the test"), "{log}");
        }
        client.event(&delta(2, "Done."));
        client.event(&ended(3, TurnStopReason::EndTurn, None));
        assert_eq!(test.expect("window/showMessage").await["params"], json!({ "type": 3, "message": "Done." }));
        test.close().await;
    }
}

#[tokio::test]
async fn failures_and_notices_are_messages() {
    let (mut test, client) = Test::open(json!({})).await;
    let mut check = async |event, method: &str, level: u8, text: &str| {
        client.event(&event);
        let message = test.expect(method).await;
        assert_eq!(message["params"]["type"], level);
        assert!(message["params"]["message"].as_str().unwrap().contains(text), "{message}");
    };
    let notice = |level| logged(1, SessionEvent::Notice { level, message: "noted".to_owned() });
    check(notice(NoticeLevel::Info), "window/logMessage", 3, "noted").await;
    check(notice(NoticeLevel::Warning), "window/showMessage", 2, "noted").await;
    check(notice(NoticeLevel::Error), "window/showMessage", 1, "noted").await;
    check(ended(1, TurnStopReason::Error, Some("no key")), "window/showMessage", 1, "no key").await;
    check(ended(1, TurnStopReason::Cancelled, None), "window/showMessage", 3, "stopped").await;
    check(ended(1, TurnStopReason::TurnLimit, None), "window/showMessage", 2, "used up").await;
    test.close().await;
}

pub(super) fn session_info(reply: Reply) {
    let info = SessionInfo {
        session_id: "s1".to_owned(),
        title: String::new(),
        roots: Vec::new(),
        model: "a/b".to_owned(),
        mode: Mode::Ask,
        limits: Limits::default(),
        last_seq: 0,
        turn_id: None,
        created_at: 0,
        updated_at: 0,
        usage: Usage::default(),
    };
    reply(Ok(to_raw_value(&info).unwrap()));
}

#[tokio::test]
async fn commands_ask_and_stop() {
    let (mut test, _) = Test::open(json!({})).await;
    let ask = json!({ "command": "pillion.ask", "arguments": ["fix", "it"] });
    test.request(1, "workspace/executeCommand", ask).await;
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::SessionNew(_)));
    session_info(reply);
    let (request, reply) = test.hub_request().await;
    let Request::TurnStart(params) = request else { panic!("{request:?}") };
    assert_eq!(
        (params.session_id.as_str(), params.prompt),
        ("s1", vec![ContentBlock::Text { text: "fix it".to_owned() }])
    );
    reply(Ok(to_raw_value(&TurnStartResponse { turn_id: "t1".to_owned() }).unwrap()));
    assert_eq!(test.read().await["result"], json!({ "sessionId": "s1", "turnId": "t1" }));

    // Going on in the same session.
    let ask = json!({ "command": "pillion.ask", "arguments": [{ "prompt": "more", "sessionId": "s1" }] });
    test.request(2, "workspace/executeCommand", ask).await;
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::TurnStart(params) if params.session_id == "s1"));
    reply(Err(RequestError { code: RequestError::BUSY, message: "busy".to_owned() }));
    test.expect("window/showMessage").await;
    test.expect_error(2, RequestError::BUSY).await;

    test.request(3, "workspace/executeCommand", json!({ "command": "pillion.stop" })).await;
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::TurnCancel(params) if params.session_id == "s1"));
    reply(Ok(to_raw_value(&TurnCancelResponse { cancelled: true }).unwrap()));
    assert_eq!(test.read().await["result"], json!({ "cancelled": 1 }));

    test.request(4, "workspace/executeCommand", json!({ "command": "other", "arguments": [] })).await;
    test.expect("window/showMessage").await;
    test.expect_error(4, Error::INVALID_PARAMS).await;
    test.request(5, "workspace/executeCommand", json!({ "command": "pillion.ask", "arguments": [5] })).await;
    test.expect("window/showMessage").await;
    test.expect_error(5, Error::INVALID_PARAMS).await;
    test.close().await;
}

#[tokio::test]
async fn what_is_asked_about_lines_is_about_those_that_were_there_then() {
    let (mut test, _) = Test::open(json!({})).await;
    let document = json!({ "uri": "file:///a.txt", "languageId": "text", "version": 1, "text": "one\ntwo\n" });
    test.notify("textDocument/didOpen", json!({ "textDocument": document })).await;
    let about = json!({ "prompt": "why?", "uri": "file:///a.txt", "lines": { "start": 2, "end": 2 } });
    test.request(1, "workspace/executeCommand", json!({ "command": "pillion.ask", "arguments": [about] })).await;
    let (_, reply) = test.hub_request().await;
    let insert = json!([{ "range": { "start": { "line": 0, "character": 0 }, "end": { "line": 0, "character": 0 } },
        "text": "zero\n" }]);
    let version = json!({ "uri": "file:///a.txt", "version": 2 });
    test.notify("textDocument/didChange", json!({ "textDocument": version, "contentChanges": insert })).await;
    let workspace = test.workspace.clone();
    until(|| workspace.buffers().iter().any(|buffer| buffer.text == "zero\none\ntwo\n")).await;
    session_info(reply);
    let (request, _) = test.hub_request().await;
    let Request::TurnStart(params) = request else { panic!("{request:?}") };
    let selection = ContentBlock::Selection {
        path: "file:///a.txt".to_owned(),
        start_line: 2,
        end_line: 2,
        text: "two\n".to_owned(),
    };
    assert_eq!(params.prompt[1], selection);
}

#[tokio::test]
async fn a_stop_reaches_what_is_about_to_begin_and_what_ran_before_it() {
    let (mut test, _) = Test::open(json!({})).await;
    let command = |command: &str| json!({ "command": command, "arguments": ["fix"] });
    test.request(1, "workspace/executeCommand", command("pillion.ask")).await;
    session_info(test.hub_request().await.1);
    let started = to_raw_value(&TurnStartResponse { turn_id: "t1".to_owned() }).unwrap();
    (test.hub_request().await.1)(Ok(started));
    test.read().await;
    // The next looks first whether the earlier one is over.
    test.request(2, "workspace/executeCommand", command("pillion.ask")).await;
    let (request, loaded) = test.hub_request().await;
    assert!(matches!(request, Request::SessionLoad(_)));
    test.request(3, "workspace/executeCommand", json!({ "command": "pillion.stop" })).await;
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::TurnCancel(params) if params.session_id == "s1"));
    reply(Ok(to_raw_value(&TurnCancelResponse { cancelled: true }).unwrap()));
    assert_eq!(test.read().await["result"], json!({ "cancelled": 2 }));
    loaded(Err(RequestError { code: RequestError::NOT_FOUND, message: "gone".to_owned() }));
    let (request, reply) = test.hub_request().await;
    assert!(matches!(request, Request::SessionNew(_)));
    session_info(reply);
    test.expect("window/showMessage").await;
    test.expect_error(2, Error::CANCELLED).await;
    test.close().await;
}
