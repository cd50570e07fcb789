//! A chat beside an editor: sessions that live with the editor that is open in their folder.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixListener,
};

use super::{Chat, files};
use crate::{
    attach::{SAVED, editor},
    compaction,
    support::{Client, Ground, script, text},
};

fn reading(name: &str) -> Value {
    json!([{"toolCall": {"name": "read", "input": {"path": name}}}])
}

fn editing() -> Value {
    json!([{"toolCall": {"name": "edit", "input":
        {"path": "a.txt", "old_string": "not saved", "new_string": "changed"}}}])
}

fn notices() -> Value {
    json!({"session": {"notices": {}}})
}

/// What the person was told, with its level.
fn told(chat: &Chat) -> Vec<(String, String)> {
    let notices = chat.updates("notice").into_iter();
    notices.map(|notice| (text(&notice["severity"]), text(&notice["title"]))).collect()
}

/// Takes an edit as an editor does.
async fn take_edit(editor: &mut Client, ground: &Ground) -> Value {
    let (reply, params) = editor.asked("workspace/applyEdit").await;
    let edits = params["edit"]["documentChanges"][0]["edits"].clone();
    editor.change(&ground.uri("a.txt"), 2, json!([{"range": edits[0]["range"], "text": edits[0]["newText"]}]));
    reply.send(Ok(json!({"applied": true})));
    edits
}

#[tokio::test]
async fn a_chat_sees_what_the_editor_shows_and_its_edits_land_there() {
    let ground = Ground::new(&script::by_prompt(json!({"look": reading("a.txt"), "change": editing()})));
    let mut editor = editor(&ground).await;
    let (mut chat, session) = Chat::in_session(&ground, notices()).await;
    chat.prompt(&session, "look").await;
    assert!(chat.results().contains("shown and not saved"), "{}", chat.results());
    let (level, joined) = &told(&chat)[0];
    assert!(level == "info" && joined.contains(&*ground.project().to_string_lossy()), "{joined}");
    let prompt = chat.begin(&session, "change").await;
    let edits = tokio::join!(take_edit(&mut editor, &ground), async { chat.ended(prompt).await }).0;
    assert_eq!(edits.as_array().map(Vec::len), Some(1), "one undo step: {edits}");
    assert_eq!(chat.ends(), ["completed"; 2]);
    assert_eq!(chat.asked("session/request_permission").len(), 1);
    let disk = std::fs::read_to_string(ground.project().join("a.txt")).expect("the file");
    assert_eq!(disk, SAVED, "saving is the person's");
    // Its end harms nobody.
    assert_eq!(chat.leave().await, Some(0));
    editor.call("session/list", json!({})).await;
    assert!(editor.leave().await.success());
}

#[tokio::test]
async fn it_stays_alone_if_told_to_and_each_folder_has_the_editor_that_is_open_there() {
    let ground = Ground::new(&script::always(reading("a.txt")));
    let editor = editor(&ground).await;
    let mut alone = Chat::spawn_with(&ground, &["acp", "--no-attach"]).introduced(notices()).await;
    let session = alone.new_session(&ground.project()).await;
    alone.prompt(&session, "go").await;
    assert!(alone.results().contains("saved") && !alone.results().contains("shown"), "{}", alone.results());
    assert!(told(&alone).is_empty(), "{:?}", told(&alone));
    // One chat, two folders, of which the editor has one.
    let elsewhere = tempfile::tempdir().expect("a folder");
    std::fs::write(elsewhere.path().join("a.txt"), "elsewhere\n").expect("a file");
    let (mut chat, there) = Chat::in_session(&ground, notices()).await;
    let apart = chat.new_session(elsewhere.path()).await;
    for (session, expected) in [(&there, "shown and not saved"), (&apart, "elsewhere"), (&there, "shown and not saved")]
    {
        let before = chat.results().len();
        chat.prompt(session, "go").await;
        let results = chat.results().split_off(before);
        assert!(results.contains(expected), "{expected}: {results}");
    }
    assert_eq!(told(&chat).len(), 1, "{:?}", told(&chat));
    editor.leave().await;
}

#[tokio::test]
async fn a_permission_is_asked_of_all_who_watch_and_the_first_answer_closes_the_others() {
    let call = |name: &str| json!([{"toolCall": {"name": "write", "input": {"path": name, "content": "made\n"}}}]);
    let ground = Ground::new(&script::by_prompt(json!({"first": call("1.txt"), "second": call("2.txt")})));
    let mut editor = editor(&ground).await;
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    editor.call("session/load", json!({"sessionId": session})).await;
    // The editor is first: what the chat has asked is taken back.
    chat.choice = "";
    let prompt = chat.begin(&session, "first").await;
    let started = editor.events_until(&session, "turnStarted").await;
    assert_eq!(started.last().expect("just seen")["by"], "chat");
    let asked = chat.until(|message| message["method"] == "session/request_permission").await;
    let (reply, _) = editor.asked("approval/request").await;
    reply.send(Ok(json!({"type": "allow"})));
    let withdrawn = chat.until(|message| message["method"] == "$/cancel_request").await;
    assert_eq!(withdrawn["params"], json!({"requestId": asked["id"]}));
    assert_eq!(chat.ended(prompt).await, "end_turn");
    assert!(ground.project().join("1.txt").exists());
    // The chat is first: what the editor has asked is taken back, and its late answer changes nothing.
    chat.choice = "deny";
    let prompt = chat.begin(&session, "second").await;
    let (late, _) = editor.asked("approval/request").await;
    assert_eq!(chat.ended(prompt).await, "end_turn");
    editor.told("$/cancelRequest").await;
    late.send(Ok(json!({"type": "allow"})));
    editor.call("session/list", json!({})).await;
    assert!(!ground.project().join("2.txt").exists());
    assert_eq!(chat.ends(), ["completed", "failed"]);
    editor.leave().await;
}

#[tokio::test]
async fn a_chat_goes_on_with_a_session_of_the_editor_and_leaves_to_it_what_it_cannot_ask() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&script::by_prompt(json!({"hello": [{"text": "Hello."}], "write": [write]})));
    let mut editor = editor(&ground).await;
    let session = editor.new_session().await;
    editor.start(&session, "hello").await;
    editor.events_until(&session, "turnEnded").await;
    let mut chat = Chat::new(&ground, json!({})).await;
    chat.call("session/load", json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []})).await;
    assert_eq!(chat.said(), "Hello.");
    chat.choice = "";
    let prompt = chat.begin(&session, "write").await;
    let asked = chat.until(|message| message["method"] == "session/request_permission").await;
    let refused = json!({"code": -32601, "message": "no such method"});
    chat.say(json!({"jsonrpc": "2.0", "id": asked["id"], "error": refused})).await;
    let (reply, _) = editor.asked("approval/request").await;
    reply.send(Ok(json!({"type": "allow"})));
    assert_eq!(chat.ended(prompt).await, "end_turn");
    assert!(ground.project().join("made.txt").exists());
    editor.leave().await;
}

#[tokio::test]
async fn what_a_chat_has_waiting_is_taken_back_without_harm_to_the_editors_turn() {
    let ground = Ground::new(&json!([{"steps": [{"text": "Working"}, {"hang": true}], "reuse": true}]));
    let mut editor = editor(&ground).await;
    let session = editor.new_session().await;
    editor.start(&session, "work").await;
    editor.events_until(&session, "messageDelta").await;
    let mut chat = Chat::new(&ground, json!({})).await;
    let place = json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []});
    chat.call("session/resume", place).await;
    let request = chat.begin(&session, "and then").await;
    chat.notify("$/cancel_request", json!({"requestId": request})).await;
    assert_eq!(chat.ended(request).await, "cancelled");
    let turn = chat.begin(&session, "and then").await;
    chat.notify("session/cancel", json!({"sessionId": session})).await;
    assert_eq!(chat.ended(turn).await, "cancelled");
    let tab = chat.begin(&session, "and then").await;
    let close = chat.send("session/close", json!({"sessionId": session})).await;
    assert_eq!(chat.ended(tab).await, "cancelled");
    chat.answer(close).await.expect("it is closed");
    let stopped = editor.call("turn/cancel", json!({"sessionId": session})).await;
    assert_eq!(stopped, json!({"cancelled": true}), "it still ran");
    editor.leave().await;
}

#[tokio::test]
async fn what_the_editor_has_open_is_its_own_and_the_rest_is_as_the_client_shows_it() {
    let edit = json!([{"toolCall": {"name": "edit", "input":
        {"path": "b.txt", "old_string": "two", "new_string": "zwei"}}}]);
    let ground = Ground::new(&script::by_prompt(
        json!({"theirs": reading("a.txt"), "ours": reading("b.txt"), "change": edit, "editor": reading("b.txt")}),
    ));
    let mut editor = editor(&ground).await;
    let (a, b) = (ground.project().join("a.txt"), ground.write("b.txt", "one\ntwo\n"));
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.buffers.insert(a, "in the chat's editor\n".to_owned());
    chat.buffers.insert(b.clone(), "one\ntwo\nthree\n".to_owned());
    chat.prompt(&session, "theirs").await;
    assert!(chat.results().contains("shown and not saved"), "{}", chat.results());
    chat.prompt(&session, "ours").await;
    assert!(chat.results().contains("three"), "{}", chat.results());
    chat.prompt(&session, "change").await;
    assert_eq!(chat.buffers[&b], "one\nzwei\nthree\n");
    assert_eq!(std::fs::read_to_string(&b).expect("the file"), "one\ntwo\n");
    // Another's turn does not wait for this client, which says nothing here.
    let own = editor.new_session().await;
    editor.start(&own, "editor").await;
    let events = editor.events_until(&own, "turnEnded").await;
    let result = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
    assert!(text(&result["text"]).contains("two"), "{result}");
    editor.leave().await;
}

#[tokio::test]
async fn a_prompt_that_waits_for_a_compaction_is_cancelled_at_once() {
    let (ground, editor, session) = compaction::without_end().await;
    let mut chat = Chat::new(&ground, json!({})).await;
    let resume = json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []});
    for by_request in [true, false] {
        chat.call("session/resume", resume.clone()).await;
        let prompt = chat.begin(&session, "next").await;
        match by_request {
            true => chat.notify("$/cancel_request", json!({"requestId": prompt})).await,
            false => chat.notify("session/cancel", json!({"sessionId": session})).await,
        }
        assert_eq!(chat.ended(prompt).await, "cancelled");
        let prompt = chat.begin(&session, "next").await;
        let close = chat.send("session/close", json!({"sessionId": session})).await;
        assert_eq!(chat.ended(prompt).await, "cancelled");
        chat.answer(close).await.expect("it is closed");
    }
    compaction::goes_on_until_cancelled(editor, &session).await;
}

#[tokio::test]
async fn when_the_editor_is_killed_its_sessions_go_on_with_the_disk() {
    let ground = Ground::new(&json!([
        {"afterTools": true, "steps": [{"text": "done"}], "reuse": true},
        {"match": "look", "steps": reading("a.txt"), "reuse": true},
        {"match": "hang", "steps": [{"text": "Working"}, {"hang": true}]},
    ]));
    let mut editor = editor(&ground).await;
    let (mut chat, session) = Chat::in_session(&ground, notices()).await;
    let quiet = chat.new_session(&ground.project()).await;
    chat.prompt(&quiet, "look").await;
    assert!(chat.results().contains("shown"), "{}", chat.results());
    let broken = chat.begin(&session, "hang").await;
    chat.until(|message| message["params"]["update"]["content"]["text"] == "Working").await;
    let waiting = chat.begin(&session, "look").await;
    editor.child.start_kill().expect("kill -9");
    editor.ended().await;
    let error = chat.answer(broken).await.expect_err("its turn was lost");
    assert!(text(&error["message"]).contains("has ended before the turn did"), "{error}");
    // What had not begun is done now.
    let before = chat.results().len();
    assert_eq!(chat.ended(waiting).await, "end_turn");
    let results = chat.results().split_off(before);
    assert!(results.contains("saved") && !results.contains("shown"), "{results}");
    let gone = |(level, message): &(String, String)| level == "warning" && message.contains("The editor has left");
    assert!(told(&chat).iter().any(gone), "{:?}", told(&chat));
    let before = chat.results().len();
    assert_eq!(chat.prompt(&quiet, "look").await, "end_turn");
    let results = chat.results().split_off(before);
    assert!(results.contains("saved") && !results.contains("shown"), "{results}");
    assert_eq!(chat.leave().await, Some(0));
}

#[tokio::test]
async fn a_permission_that_waits_when_the_editor_is_killed_is_asked_again_and_its_turn_goes_on() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&script::always(json!([write])));
    let mut editor = editor(&ground).await;
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.choice = "";
    let prompt = chat.begin(&session, "go").await;
    let asked = chat.until(|message| message["method"] == "session/request_permission").await;
    editor.child.start_kill().expect("kill -9");
    editor.ended().await;
    let again = |message: &Value| message["method"] == "session/request_permission" && message["id"] != asked["id"];
    let again = chat.until(again).await;
    let allowed = json!({"outcome": {"outcome": "selected", "optionId": "allow"}});
    chat.say(json!({"jsonrpc": "2.0", "id": again["id"], "result": allowed})).await;
    assert_eq!(chat.ended(prompt).await, "end_turn");
    assert!(ground.project().join("made.txt").exists());
}

#[tokio::test]
async fn an_editor_of_another_version_is_told_of_and_not_joined() {
    let ground = Ground::new(&script::always(reading("a.txt")));
    ground.write("a.txt", SAVED);
    let folder = ground.state().join("attach");
    std::fs::create_dir_all(&folder).expect("a folder");
    let listener = UnixListener::bind(folder.join("editor-1.sock")).expect("a socket");
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (reader, mut writer) = stream.into_split();
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let asked: Value = serde_json::from_str(&line).expect("JSON");
                let error = json!({"code": -32600, "message": "Pillion 9.9 runs here. Use the same Pillion for both."});
                let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "error": error});
                let _ = writer.write_all(format!("{answer}\n").as_bytes()).await;
            }
        }
    });
    // A client without notices is told as words, too.
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    assert!(chat.said().contains("Use the same Pillion for both"), "{}", chat.said());
    assert!(chat.results().contains("saved"), "{}", chat.results());
    serving.abort();
}

#[tokio::test]
async fn settings_that_the_editor_changes_are_told() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    let editor = editor(&ground).await;
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    editor.call("session/configure", json!({"sessionId": session, "mode": "plan"})).await;
    let told = chat.until(|message| message["params"]["update"]["sessionUpdate"] == "config_option_update").await;
    let options = told["params"]["update"]["configOptions"].as_array().expect("options").clone();
    let mode = options.iter().find(|option| option["id"] == "mode").expect("the mode");
    assert_eq!(mode["currentValue"], "plan");
    assert_eq!(chat.updates("current_mode_update").last().expect("the mode")["currentModeId"], "plan");
    editor.leave().await;
}
