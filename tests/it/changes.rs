//! What a turn changed: listed, shown and taken back through the real server, with an editor at the other end.

use serde_json::{Value, json};

use crate::support::{Client, Ground, everything, script, text};

const BEFORE: &str = "one\ntwo\nthree\n";

fn tool(name: &str, input: Value) -> Value {
    json!({"toolCall": {"name": name, "input": input}})
}

fn edit(path: &str, old: &str, new: &str) -> Value {
    tool("edit", json!({"path": path, "old_string": old, "new_string": new}))
}

/// A session in which nothing has to be allowed.
async fn session(client: &Client) -> String {
    text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"])
}

/// Runs a turn to its end.
async fn turn(client: &mut Client, session: &str, prompt: &str) -> (String, Vec<Value>) {
    let turn = client.start(session, prompt).await;
    let events = client.events_until(session, "turnEnded").await;
    for result in events.iter().filter(|event| event["type"] == "toolResult") {
        assert_eq!(result["status"], "ok", "{result}");
    }
    (turn, events)
}

async fn list(client: &Client, session: &str) -> Vec<Value> {
    let listed = client.call("change/list", json!({"sessionId": session})).await;
    listed["changes"].as_array().expect("changes").clone()
}

fn read(ground: &Ground, name: &str) -> Option<String> {
    std::fs::read_to_string(ground.project().join(name)).ok()
}

/// Takes the next `workspace/applyEdit` as an editor does that has the whole text as `after` then.
async fn applies(client: &mut Client, uri: &str, version: i64, after: &str) -> Value {
    let (reply, params) = client.asked("workspace/applyEdit").await;
    client.change(uri, version, json!([{"text": after}]));
    reply.send(Ok(json!({"applied": true})));
    params["edit"]["documentChanges"][0]["edits"].clone()
}

#[tokio::test]
async fn an_edit_of_a_file_is_listed_shown_and_taken_back() {
    let ground = Ground::new(&script::always(json!([edit("a.txt", "two", "TWO")])));
    ground.write("a.txt", BEFORE);
    let mut client = ground.client(everything()).await;
    let session = session(&client).await;
    let (turn, events) = turn(&mut client, &session, "edit it").await;
    let uri = ground.uri("a.txt");
    let told = events.iter().find(|event| event["type"] == "changes").expect("clients are told");
    assert_eq!(*told, json!({"type": "changes", "turnId": turn, "uris": [uri]}));
    let call = &events.iter().find(|event| event["type"] == "toolCall").expect("a call")["callId"];

    let changes = list(&client, &session).await;
    let id = text(&changes[0]["hunks"][0]["id"]);
    let range = json!({"start": {"line": 1, "character": 0}, "end": {"line": 2, "character": 0}});
    let hunk = json!({"id": id, "range": range, "old": "two\n", "new": "TWO\n", "state": "kept"});
    let expect = json!([{
        "turnId": turn, "callIds": [call], "uri": uri, "kind": "edit", "state": "kept", "hunks": [hunk],
    }]);
    assert_eq!(json!(changes), expect);
    let texts = client.call("change/text", json!({"sessionId": session, "turnId": turn, "uri": uri})).await;
    assert_eq!(texts, json!({"before": BEFORE, "after": "one\nTWO\nthree\n"}));

    let done = client.call("change/revert", json!({"sessionId": session, "turnId": turn})).await;
    assert_eq!(done, json!({"reverted": [{"turnId": turn, "uri": uri, "hunks": [id]}], "refused": []}));
    assert_eq!(read(&ground, "a.txt").as_deref(), Some(BEFORE));
    assert_eq!(client.event(&session).await.1, *told, "after the turn, too");
    assert_eq!(list(&client, &session).await[0]["state"], "reverted");
}

#[tokio::test]
async fn in_a_buffer_it_is_one_undo_step_and_spares_what_was_typed_since() {
    let edits = json!([edit("a.txt", "one", "ONE"), edit("a.txt", "three", "THREE")]);
    let ground = Ground::new(&script::always(edits));
    ground.write("a.txt", BEFORE);
    let uri = ground.uri("a.txt");
    let mut client = ground.client(everything()).await;
    client.open(&uri, BEFORE);
    let session = session(&client).await;
    let turn = client.start(&session, "edit it").await;
    applies(&mut client, &uri, 2, "ONE\ntwo\nthree\n").await;
    applies(&mut client, &uri, 3, "ONE\ntwo\nTHREE\n").await;
    client.events_until(&session, "turnEnded").await;

    // The person types before it, between the hunks, and in one of them.
    client.change(&uri, 4, json!([{"text": "zero\nONE\ntwo and\nTHREE!\n"}]));
    let changes = list(&client, &session).await;
    let hunks = changes[0]["hunks"].as_array().expect("hunks");
    assert_eq!((&hunks[0]["state"], &hunks[0]["range"]["start"]["line"]), (&json!("kept"), &json!(1)));
    assert_eq!((&hunks[1]["state"], &hunks[1]["range"]), (&json!("changedSince"), &Value::Null));

    let asking = client.peer.clone();
    let params = json!({"sessionId": session, "turnId": turn});
    let asked =
        tokio::spawn(async move { asking.call::<Value>("change/revert", &params, crate::support::LIMIT).await });
    let edits = applies(&mut client, &uri, 5, "zero\none\ntwo and\nTHREE!\n").await;
    assert_eq!(edits.as_array().map(Vec::len), Some(1), "{edits}");
    let done = asked.await.expect("an answer").expect("a result");
    assert_eq!(done["reverted"][0]["hunks"], json!([hunks[0]["id"]]));
    assert_eq!(done["refused"][0]["hunk"], hunks[1]["id"]);
    assert!(text(&done["refused"][0]["reason"]).contains("has been changed since"), "{done}");
    assert_eq!(read(&ground, "a.txt").as_deref(), Some(BEFORE), "what is not saved stays the editor's");
}

#[tokio::test]
async fn it_outlives_the_server_that_did_it() {
    let script = json!([
        {"afterTools": true, "steps": [{"text": "done"}], "reuse": true},
        {"match": "edit it", "steps": [edit("a.txt", "two", "TWO")]},
        {"match": "and again", "steps": [edit("a.txt", "TWO", "TWO and a half"), edit("a.txt", "three", "3")]},
    ]);
    let ground = Ground::new(&script);
    ground.write("a.txt", BEFORE);
    let mut client = ground.client(everything()).await;
    let session = session(&client).await;
    let (first, _) = turn(&mut client, &session, "edit it").await;
    let (second, _) = turn(&mut client, &session, "and again").await;
    let before = list(&client, &session).await;
    client.child.start_kill().expect("kill -9");
    client.ended().await;

    // Meanwhile the person goes on in some other program.
    ground.write("a.txt", "zero\none\nTWO and a half\n3\n");
    let client = ground.client(everything()).await;
    client.call("session/load", json!({"sessionId": session})).await;
    let listed = list(&client, &session).await;
    let ids = |changes: &[Value]| -> Vec<Value> {
        changes.iter().flat_map(|change| change["hunks"].as_array().expect("hunks")).map(|h| h["id"].clone()).collect()
    };
    assert_eq!(ids(&listed), ids(&before));
    assert_eq!(listed[1]["hunks"][0]["range"]["start"]["line"], 2);
    client.call("change/revert", json!({"sessionId": session, "turnId": second})).await;
    assert_eq!(read(&ground, "a.txt").as_deref(), Some("zero\none\nTWO\nthree\n"));
    client.call("change/revert", json!({"sessionId": session, "turnId": first})).await;
    assert_eq!(read(&ground, "a.txt").as_deref(), Some("zero\none\ntwo\nthree\n"));
}

#[tokio::test]
async fn what_was_made_deleted_and_moved_is_as_it_was() {
    let calls = json!([
        tool("write", json!({"path": "new.txt", "content": "new\n"})),
        tool("delete", json!({"path": "gone.txt"})),
        tool("move", json!({"from": "old.txt", "to": "deep/moved.txt"})),
    ]);
    let mut ground = Ground::new(&script::always(calls));
    ground.env.push(("XDG_DATA_HOME".to_owned(), ground.folder().join("data").display().to_string()));
    ground.write("gone.txt", "gone\n");
    ground.write("old.txt", "old\n");
    let mut client = ground.client(everything()).await;
    let session = session(&client).await;
    let (turn, _) = turn(&mut client, &session, "do it").await;
    assert_eq!((read(&ground, "gone.txt"), read(&ground, "old.txt")), (None, None));
    let kinds: Vec<Value> = list(&client, &session).await.iter().map(|change| change["kind"].clone()).collect();
    assert_eq!(json!(kinds), json!(["create", "delete", "move"]));

    let done = client.call("change/revert", json!({"sessionId": session, "turnId": turn})).await;
    assert_eq!(done["refused"], json!([]), "{done}");
    assert_eq!(read(&ground, "new.txt"), None);
    assert_eq!((read(&ground, "gone.txt"), read(&ground, "old.txt")), (Some("gone\n".into()), Some("old\n".into())));
    let left = std::fs::read_dir(ground.folder().join("data/Trash/files"));
    let left: Vec<_> = left.map(|left| left.flatten().map(|entry| entry.file_name()).collect()).unwrap_or_default();
    assert_eq!(left, ["new.txt"], "only what was made is in the trash");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_words() {
    let ground = Ground::new(&script::always(json!([{"text": "hello"}])));
    let mut client = ground.client(everything()).await;
    let session = session(&client).await;
    let (turn, _) = turn(&mut client, &session, "hello").await;
    assert_eq!(list(&client, &session).await, Vec::<Value>::new());
    let refused = client.refused("change/revert", json!({"sessionId": session})).await;
    assert!(refused.contains("Say what to take back"), "{refused}");
    let params = json!({"sessionId": session, "turnId": turn, "uri": ground.uri("a.txt")});
    let refused = client.refused("change/text", params).await;
    assert!(refused.contains("changed nothing"), "{refused}");
    let done = client.call("change/revert", json!({"sessionId": session, "hunks": ["7.0"]})).await;
    assert!(text(&done["refused"][0]["reason"]).contains("no such hunk"), "{done}");
    assert!(client.refused("change/list", json!({"sessionId": "none"})).await.contains("session/load"));
}
