//! Turns: what is told, in which order, and how they end.

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::{Chat, files};
use crate::support::{Ground, script, text};

#[tokio::test]
async fn nothing_of_a_session_comes_before_its_id_and_nothing_of_a_turn_after_its_end() {
    let ground =
        Ground::new(&json!([{"steps": [{"thinking": "Hm. "}, {"text": "North, "}, {"text": "by the old road."}]}]));
    let mut chat = Chat::new(&ground, json!({})).await;
    let id = chat.send("session/new", json!({"cwd": ground.project(), "mcpServers": []})).await;
    let before = chat.heard.len();
    let session = text(&chat.answer(id).await.expect("a session")["sessionId"]);
    assert_eq!(chat.heard.len(), before + 1, "{:#?}", chat.heard);
    assert_eq!(chat.prompt(&session, "Which way?").await, "end_turn");
    let end = chat.heard.len();
    // Whatever still came would come before this.
    chat.call("session/list", json!({})).await;
    let late: Vec<&Value> = chat.heard[end..].iter().filter(|message| message.get("id").is_none()).collect();
    assert!(late.is_empty(), "{late:#?}");
    assert_eq!(chat.said(), "North, by the old road.");
    assert_eq!(chat.updates("agent_thought_chunk")[0]["content"]["text"], "Hm. ");
    assert!(chat.updates("user_message_chunk").is_empty(), "the client knows what it said");
    assert_eq!(chat.updates("session_info_update")[0]["title"], "Which way?");
    let ids: Vec<&Value> = chat.updates("agent_message_chunk").iter().map(|update| &update["messageId"]).collect();
    assert!(ids[0].is_string() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(chat.leave().await, Some(0));
}

#[tokio::test]
async fn a_cancelled_turn_ends_as_cancelled_after_all_its_updates() {
    let ground = Ground::new(&json!([{"steps": [{"text": "Working"}, {"hang": true}], "reuse": true}]));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "go"}]});
    let id = chat.send("session/prompt", prompt.clone()).await;
    chat.until(|message| message["params"]["update"]["sessionUpdate"] == "agent_message_chunk").await;
    chat.notify("session/cancel", json!({"sessionId": session})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "cancelled"})));
    // At once, before anything has begun.
    let id = chat.send("session/prompt", prompt.clone()).await;
    chat.notify("session/cancel", json!({"sessionId": session})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "cancelled"})));
    // By the request itself.
    let id = chat.send("session/prompt", prompt).await;
    chat.notify("$/cancel_request", json!({"requestId": id})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "cancelled"})));
}

#[tokio::test]
async fn what_is_said_after_a_cancel_is_done() {
    let ground = Ground::new(&script::by_prompt(json!({"first": [{"hang": true}], "second": [{"text": "Done."}]})));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    let say = |id: u64, words: &str| {
        let params = json!({"sessionId": session, "prompt": [{"type": "text", "text": words}]});
        json!({"jsonrpc": "2.0", "id": id, "method": "session/prompt", "params": params})
    };
    let cancel = json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": session}});
    // In one piece: the cancel comes before the first turn is known to have begun.
    let piece = format!("{}\n{cancel}\n{}\n", say(101, "first"), say(102, "second"));
    chat.stdin.as_mut().expect("it is open").write_all(piece.as_bytes()).await.expect("the agent reads");
    assert_eq!(chat.ended(101).await, "cancelled");
    assert_eq!(chat.ended(102).await, "end_turn");
    assert_eq!(chat.said(), "Done.");
}

#[tokio::test]
async fn a_cancel_withdraws_what_is_asked_and_runs_nothing() {
    let call = json!([{"toolCall": {"name": "bash", "input": {"command": "echo done > ran.txt"}}}]);
    let ground = Ground::new(&script::always(call));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.choice = "";
    let id =
        chat.send("session/prompt", json!({"sessionId": session, "prompt": [{"type": "text", "text": "go"}]})).await;
    let asked = chat.until(|message| message["method"] == "session/request_permission").await;
    chat.notify("session/cancel", json!({"sessionId": session})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "cancelled"})));
    let withdrawn = chat.until(|message| message["method"] == "$/cancel_request").await;
    assert_eq!(withdrawn["params"], json!({"requestId": asked["id"]}));
    // The protocol has the client answer nevertheless.
    chat.say(json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"outcome": {"outcome": "cancelled"}}})).await;
    assert_eq!(chat.ends(), ["failed"]);
    assert!(!ground.project().join("ran.txt").exists());
}

#[tokio::test]
async fn a_turn_that_fails_says_why_and_the_session_goes_on() {
    let error = json!({"class": "badRequest", "message": "The model is on strike."});
    let ground = Ground::new(&json!([{"match": "first", "steps": [{"error": error}]}, {"steps": [{"text": "Back."}]}]));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "first"}]});
    let error = chat.refused("session/prompt", prompt).await;
    assert!(error["message"].as_str().expect("words").contains("on strike"), "{error}");
    assert_eq!(chat.prompt(&session, "second").await, "end_turn");
    assert_eq!(chat.said(), "Back.");
}

#[tokio::test]
async fn calls_are_shown_with_what_they_touch_print_and_change() {
    let steps = json!([
        {"toolCall": {"name": "read", "input": {"path": "a.txt", "offset": 2}}},
        {"toolCall": {"name": "edit", "input": {"path": "a.txt", "old_string": "two", "new_string": "zwei"}}},
        {"toolCall": {"name": "bash", "input": {"command": "echo '```'; echo out"}}},
        {"toolCall": {"name": "plan", "input": {"items": [{"text": "Look", "status": "completed"}]}}},
    ]);
    let ground = Ground::new(&script::always(steps));
    let path = ground.write("a.txt", "one\ntwo\n");
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    assert_eq!(chat.prompt(&session, "go").await, "end_turn");
    let calls = chat.updates("tool_call");
    let kinds: Vec<&str> = calls.iter().filter_map(|call| call["kind"].as_str()).collect();
    assert_eq!(kinds, ["read", "edit", "execute", "think"]);
    assert_eq!(calls[0]["locations"], json!([{"path": path, "line": 2}]));
    assert_eq!(calls[0]["name"], "read");
    assert_eq!(chat.ends(), ["completed"; 4]);
    let diff = json!([{"type": "diff", "path": path, "oldText": "one\ntwo\n", "newText": "one\nzwei\n"}]);
    let edited = chat.updates("tool_call_update").into_iter().find(|update| update["content"] == diff);
    let edited = edited.unwrap_or_else(|| panic!("no diff: {:#?}", chat.heard));
    assert_eq!(edited["locations"], json!([{"path": path, "line": 2}]));
    assert!(chat.results().contains("````\\n```\\nout\\n"), "{}", chat.results());
    let entry = json!([{"content": "Look", "priority": "medium", "status": "completed"}]);
    assert_eq!(chat.updates("plan")[0]["entries"], entry);
    // The same ids in another turn are other calls.
    let first: Vec<Value> = calls.iter().map(|call| call["toolCallId"].clone()).collect();
    chat.prompt(&session, "again").await;
    let all = chat.updates("tool_call");
    assert!(all.len() > 4 && all[4..].iter().all(|call| !first.contains(&call["toolCallId"])));
}

#[tokio::test]
async fn what_a_command_prints_is_shown_while_it_runs() {
    let call = json!([{"toolCall": {"name": "bash", "input": {"command": "echo begun; until [ -e go ]; do :; done"}}}]);
    let ground = Ground::new(&script::always(call));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.call("session/set_mode", json!({"sessionId": session, "modeId": "auto"})).await;
    let id =
        chat.send("session/prompt", json!({"sessionId": session, "prompt": [{"type": "text", "text": "go"}]})).await;
    let shown = |message: &Value| message["params"]["update"]["content"].to_string().contains("begun");
    let update = chat.until(shown).await;
    assert_eq!(update["params"]["update"]["status"], "in_progress");
    ground.write("go", "");
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "end_turn"})));
    assert_eq!(chat.ends(), ["completed"]);
}

#[tokio::test]
async fn a_prompt_shows_the_model_what_it_points_to() {
    let found = |what: &str, words: &str| json!({"match": what, "steps": [{"text": words}], "reuse": true});
    let ground = Ground::new(&json!([
        found("     2\tgreen\n", "lines "),
        found("     1\tred\n     2\tgreen\n", "file "),
        found("embedded text", "embedded "),
        found("https://example.com/a", "address "),
        found("[rule](zed:///rule/1)", "foreign "),
        found("What is this?", "image "),
    ]));
    let path = ground.write("a b.txt", "red\ngreen\nblue\n");
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    let uri = format!("file://{}", path.to_string_lossy().replace(' ', "%20"));
    let link = |uri: &str, name: &str| json!({"type": "resource_link", "uri": uri, "name": name});
    let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let blocks = [
        link(&format!("{uri}#L2:2"), "a b.txt"),
        link(&format!("{uri}#L2-L2"), "a b.txt"),
        link("https://example.com/a", "a"),
        link("zed:///rule/1", "rule"),
        json!({"type": "resource", "resource": {"uri": "file:///x", "mimeType": "text/plain", "text": "embedded text"}}),
    ];
    for block in blocks {
        chat.call("session/prompt", json!({"sessionId": session, "prompt": [block]})).await;
    }
    let image = json!({"type": "image", "mimeType": "image/png", "data": pixel});
    let asked = json!([image, {"type": "text", "text": "What is this?"}]);
    chat.call("session/prompt", json!({"sessionId": session, "prompt": asked})).await;
    assert_eq!(chat.said(), "lines lines address foreign embedded image ");
    // It was sent as one, and is shown as one again.
    chat.call("session/load", json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []})).await;
    let again = chat.updates("user_message_chunk");
    assert!(again.iter().any(|update| update["content"]["data"] == pixel), "{again:?}");
    assert!(again.iter().any(|update| update["content"]["uri"] == format!("{uri}#L2-L2")), "{again:?}");
    let sound = json!({"type": "audio", "mimeType": "audio/wav", "data": "AAAA"});
    let error = chat.refused("session/prompt", json!({"sessionId": session, "prompt": [sound]})).await;
    assert_eq!(error["code"], -32602, "{error}");
}

/// The protocol's types switch on `preserve_order` of `serde_json` for the whole program: what a model writes reaches a
/// client, and goes back to the model, in the order in which it was written. Without it, keys would be sorted.
#[tokio::test]
async fn objects_keep_the_order_they_were_written_in() {
    let input = r#"{"old_string": "one", "path": "a.txt", "new_string": "two"}"#;
    let ground = Ground::new(&json!([]));
    let answer = format!(r#"[{{"steps": [{{"toolCall": {{"name": "edit", "input": {input}}}}}]}}, "done"]"#);
    std::fs::write(ground.folder().join("script.json"), answer).expect("a script");
    ground.write("a.txt", "one\n");
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let expected = ["old_string", "path", "new_string"];
    assert_eq!(keys(&chat.updates("tool_call")[0]["rawInput"]), expected);
    assert_eq!(keys(&chat.asked("session/request_permission")[0]["toolCall"]["rawInput"]), expected);
    let log = std::fs::read_dir(ground.state().join("sessions")).expect("sessions").next().expect("one").expect("it");
    let log = std::fs::read_to_string(log.path()).expect("the log");
    let line = log.lines().find(|line| line.contains("tool_call") || line.contains("toolCall")).expect("the call");
    let place = |key: &str| line.find(&format!("\"{key}\"")).unwrap_or_else(|| panic!("{key}: {line}"));
    assert!(place("old_string") < place("path") && place("path") < place("new_string"), "{line}");
}

#[tokio::test]
async fn commands_run_in_the_clients_terminals_where_it_has_some() {
    let call = json!([{"toolCall": {"name": "bash", "input": {"command": "make", "timeout_ms": 600000}}}]);
    let ground = Ground::new(&script::always(call));
    let (mut chat, session) = Chat::in_session(&ground, json!({"terminal": true})).await;
    chat.call("session/set_mode", json!({"sessionId": session, "modeId": "auto"})).await;
    let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "go"}]});
    let id = chat.send("session/prompt", prompt.clone()).await;
    let waits = |message: &Value| message["method"] == "terminal/wait_for_exit";
    let create = chat.until(|message| message["method"] == "terminal/create").await;
    assert_eq!(create["params"]["cwd"], json!(ground.project()));
    assert_eq!(create["params"]["args"].as_array().and_then(|words| words.last()), Some(&json!("make")));
    chat.terminals.push(("made\r\n".to_owned(), Some(json!({"exitCode": 3, "signal": null}))));
    chat.say(json!({"jsonrpc": "2.0", "id": create["id"], "result": {"terminalId": "0"}})).await;
    let exit = chat.until(waits).await;
    chat.say(json!({"jsonrpc": "2.0", "id": exit["id"], "result": {"exitCode": 3, "signal": null}})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "end_turn"})));
    let terminal = json!([{"type": "terminal", "terminalId": "0"}]);
    let shown: Vec<&Value> = chat.updates("tool_call_update").iter().map(|update| &update["content"]).collect();
    assert!(shown.iter().all(|content| **content == terminal), "{shown:?}");
    assert_eq!(chat.ends(), ["completed"]);
    let log = std::fs::read_dir(ground.state().join("sessions")).expect("sessions").next().expect("one").expect("it");
    let log = std::fs::read_to_string(log.path()).expect("the log");
    assert!(log.contains("made\\n[exit code 3]"), "the model reads it: {log}");
    chat.until(|message| message["method"] == "terminal/release").await;

    // What does not end is killed with its turn.
    let id = chat.send("session/prompt", prompt).await;
    let second = |message: &Value| message["params"]["terminalId"] == "1" && waits(message);
    let create = chat.until(|message| message["method"] == "terminal/create" && message["id"] != create["id"]).await;
    chat.terminals.push((String::new(), None));
    chat.say(json!({"jsonrpc": "2.0", "id": create["id"], "result": {"terminalId": "1"}})).await;
    let exit = chat.until(second).await;
    chat.notify("session/cancel", json!({"sessionId": session})).await;
    let kill = chat.until(|message| message["method"] == "terminal/kill").await;
    chat.say(json!({"jsonrpc": "2.0", "id": kill["id"], "result": {}})).await;
    chat.say(json!({"jsonrpc": "2.0", "id": exit["id"], "result": {"exitCode": null, "signal": "SIGKILL"}})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "cancelled"})));
}

#[tokio::test]
async fn a_terminal_that_comes_after_a_cancel_is_let_go() {
    let call = json!([{"toolCall": {"name": "bash", "input": {"command": "make"}}}]);
    let ground = Ground::new(&script::always(call));
    let (mut chat, session) = Chat::in_session(&ground, json!({"terminal": true})).await;
    chat.call("session/set_mode", json!({"sessionId": session, "modeId": "auto"})).await;
    let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "go"}]});
    let id = chat.send("session/prompt", prompt).await;
    let create = chat.until(|message| message["method"] == "terminal/create").await;
    chat.notify("session/cancel", json!({"sessionId": session})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "cancelled"})));
    chat.terminals.push((String::new(), None));
    chat.say(json!({"jsonrpc": "2.0", "id": create["id"], "result": {"terminalId": "0"}})).await;
    let release = chat.until(|message| message["method"] == "terminal/release").await;
    assert_eq!(release["params"]["terminalId"], "0");
}

#[tokio::test]
async fn a_command_that_the_client_refuses_is_not_run_here_instead() {
    let call = json!([{"toolCall": {"name": "bash", "input": {"command": "echo x > ran.txt"}}}]);
    let ground = Ground::new(&script::always(call));
    let (mut chat, session) = Chat::in_session(&ground, json!({"terminal": true})).await;
    let id =
        chat.send("session/prompt", json!({"sessionId": session, "prompt": [{"type": "text", "text": "go"}]})).await;
    let asked = chat.until(|message| message["method"] == "session/request_permission").await;
    let allow = json!({"outcome": {"outcome": "selected", "optionId": "allow"}});
    chat.say(json!({"jsonrpc": "2.0", "id": asked["id"], "result": allow})).await;
    let create = chat.until(|message| message["method"] == "terminal/create").await;
    let error = json!({"code": -32000, "message": "no terminals today"});
    chat.say(json!({"jsonrpc": "2.0", "id": create["id"], "error": error})).await;
    assert_eq!(chat.answer(id).await, Ok(json!({"stopReason": "end_turn"})));
    assert!(chat.results().contains("no terminals today"), "{}", chat.results());
    assert!(!ground.project().join("ran.txt").exists());
}
