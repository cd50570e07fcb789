//! Approvals that outlive `kill -9`.

use serde_json::{Value, json};

use crate::{
    http_server::{Server, chat, json as answer},
    support::{Client, Ground, everything, script, text},
};

const BEFORE: &str = "one\ntwo\nthree\n";

fn edit() -> Value {
    json!({"toolCall": {"name": "edit", "input": {"path": "a.txt", "old_string": "two", "new_string": "TWO"}}})
}

fn ground(steps: Value) -> Ground {
    let ground = Ground::new(&script::always(steps));
    ground.write("a.txt", BEFORE);
    ground
}

fn on_disk(ground: &Ground) -> String {
    std::fs::read_to_string(ground.project().join("a.txt")).expect("the file")
}

async fn killed(mut client: Client) {
    client.child.start_kill().expect("kill -9");
    client.ended().await;
}

/// A turn with questions open; the server was killed and another one has loaded the session.
struct Scene {
    ground: Ground,
    client: Client,
    session: String,
    turn: String,
    /// The approvals as they were asked for before.
    before: Vec<Value>,
}

async fn scene(ground: Ground, questions: usize) -> Scene {
    let Left { session, turn, before } = left(&ground, questions).await;
    let client = loaded(&ground, &session).await;
    Scene { ground, client, session, turn, before }
}

/// What a server left that was killed while its turn waited for so many approvals.
struct Left {
    session: String,
    turn: String,
    before: Vec<Value>,
}

async fn left(ground: &Ground, questions: usize) -> Left {
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let turn = client.start(&session, "go").await;
    let mut before = Vec::new();
    for _ in 0..questions {
        before.push(client.asked("approval/request").await.1["approval"].clone());
    }
    killed(client).await;
    Left { session, turn, before }
}

async fn loaded(ground: &Ground, session: &str) -> Client {
    let client = ground.client(everything()).await;
    client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
    client
}

/// The log from its beginning to the end of the turn: numbered without gaps, begun once and ended once, with one result
/// for each call.
async fn the_whole_turn(client: &mut Client, session: &str) -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    while events.last().is_none_or(|event| event["type"] != "turnEnded") {
        let (seq, event) = client.event(session).await;
        assert_eq!(seq, events.len() as u64 + 1, "a gap");
        events.push(event);
    }
    let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
    assert_eq!(of("turnStarted").len(), 1);
    let ids = |events: Vec<&Value>| events.into_iter().map(|event| event["callId"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(of("toolCall")), ids(of("toolResult")));
    assert_eq!(of("approvalResolved").len(), {
        let mut asked: Vec<_> =
            of("approvalRequested").iter().map(|event| text(&event["approval"]["approvalId"])).collect();
        asked.dedup();
        asked.len()
    });
    events
}

fn results(events: &[Value]) -> Vec<&Value> {
    events.iter().filter(|event| event["type"] == "toolResult").collect()
}

#[tokio::test]
async fn an_open_approval_is_asked_again_and_its_answer_goes_on_with_the_turn() {
    let Scene { ground, mut client, session, turn, before } = scene(ground(json!([edit()])), 1).await;
    let (reply, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"], before[0], "the same question under the same id");
    assert_eq!(on_disk(&ground), BEFORE);
    reply.send(Ok(json!({"type": "allow"})));
    let events = the_whole_turn(&mut client, &session).await;
    assert_eq!(on_disk(&ground), "one\nTWO\nthree\n");
    let end = events.last().expect("an end");
    assert_eq!((&end["stopReason"], &end["turnId"]), (&json!("endTurn"), &json!(turn)));
    assert_eq!(results(&events)[0]["status"], "ok");
    let asked = events.iter().filter(|event| event["type"] == "approvalRequested").count();
    assert_eq!(asked, 1, "who has seen it need not see it again");

    // The next turn has all of it before it.
    client.start(&session, "and on").await;
    let next = client.events_until(&session, "turnEnded").await;
    assert_eq!(next.last().expect("an end")["stopReason"], "endTurn");
}

#[tokio::test]
async fn it_outlives_a_second_kill_and_then_may_be_denied() {
    let Scene { ground, mut client, session, before, .. } = scene(ground(json!([edit()])), 1).await;
    client.asked("approval/request").await;
    killed(client).await;
    let mut client = loaded(&ground, &session).await;
    let (reply, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"], before[0]);
    reply.send(Ok(json!({"type": "deny", "reason": "not that line"})));
    let events = the_whole_turn(&mut client, &session).await;
    assert_eq!(results(&events)[0]["status"], "denied");
    assert!(text(&results(&events)[0]["text"]).contains("not that line"));
    assert_eq!(on_disk(&ground), BEFORE);
}

#[tokio::test]
async fn the_terminal_takes_such_a_turn_up() {
    let ground = ground(json!([edit()]));
    let Left { session, .. } = left(&ground, 1).await;
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(["run", "--session", &session, "and be quick"])
        .envs(ground.env.iter().cloned())
        .current_dir(ground.project())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("nobody could be asked") && shown.contains("done"), "{shown}");
    assert_eq!(output.status.code(), Some(4));
}

#[tokio::test]
async fn the_turn_can_be_cancelled_instead() {
    let Scene { ground, mut client, session, .. } = scene(ground(json!([edit()])), 1).await;
    client.asked("approval/request").await;
    assert_eq!(client.call("turn/cancel", json!({"sessionId": session})).await["cancelled"], true);
    let events = the_whole_turn(&mut client, &session).await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
    assert_eq!(on_disk(&ground), BEFORE);
}

#[tokio::test]
async fn several_are_asked_again_and_what_had_its_result_does_not_run_twice() {
    let outside = tempfile::tempdir().expect("a folder");
    let read = |path: &str| json!({"toolCall": {"name": "read", "input": {"path": path}}});
    let path = |name: &str| outside.path().join(name).to_string_lossy().into_owned();
    for name in ["b.txt", "c.txt"] {
        std::fs::write(path(name), format!("{name} before\n")).expect("a file");
    }
    let ground = ground(json!([read("a.txt"), read(&path("b.txt")), read(&path("c.txt")), read("a.txt")]));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(client.asked("approval/request").await.1["approval"]["approvalId"].clone());
    }
    // The last of them has run although those before it wait; that is in nothing but the log.
    let log = || {
        let files = std::fs::read_dir(ground.state().join("sessions")).expect("sessions").flatten();
        files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect::<String>()
    };
    while log().matches("{\"settled\"").count() < 2 {
        tokio::task::yield_now().await;
    }
    killed(client).await;
    ground.write("a.txt", "changed since\n");

    let mut client = loaded(&ground, &session).await;
    let (first, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"]["approvalId"], ids[0]);
    let (second, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"]["approvalId"], ids[1]);
    second.send(Ok(json!({"type": "allow"})));
    first.send(Ok(json!({"type": "deny"})));
    let events = the_whole_turn(&mut client, &session).await;
    let results = results(&events);
    let statuses: Vec<_> = results.iter().map(|event| text(&event["status"])).collect();
    assert_eq!(statuses, ["ok", "denied", "ok", "ok"]);
    assert!(text(&results[0]["text"]).contains("two"));
    assert!(text(&results[2]["text"]).contains("c.txt before"));
    assert!(text(&results[3]["text"]).contains("two"), "it ran again: {}", results[3]["text"]);
}

#[tokio::test]
async fn what_changed_meanwhile_is_shown_under_the_same_id() {
    let ground = ground(json!([edit()]));
    let Left { session, before, .. } = left(&ground, 1).await;
    let before = &before[0];
    ground.write("a.txt", "zero\none\ntwo\nthree\n");
    let mut client = loaded(&ground, &session).await;
    let (reply, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"]["approvalId"], before["approvalId"]);
    assert!(text(&params["approval"]["diff"]["unified"]).contains(" zero\n"), "{params}");
    reply.send(Ok(json!({"type": "allow"})));
    let events = the_whole_turn(&mut client, &session).await;
    let shown: Vec<_> = events.iter().filter(|event| event["type"] == "approvalRequested").collect();
    assert_eq!((shown.len(), &shown[1]["approval"]["approvalId"]), (2, &before["approvalId"]));
    assert_eq!(on_disk(&ground), "zero\none\nTWO\nthree\n");
}

#[tokio::test]
async fn what_became_impossible_meanwhile_closes_its_question() {
    let ground = ground(json!([edit()]));
    let Left { session, .. } = left(&ground, 1).await;
    ground.write("a.txt", "nothing of it\n");
    let mut client = loaded(&ground, &session).await;
    let events = the_whole_turn(&mut client, &session).await;
    assert_eq!(results(&events)[0]["status"], "failed");
    let resolved = events.iter().find(|event| event["type"] == "approvalResolved").expect("it is closed");
    assert_eq!(resolved["outcome"]["type"], "cancelled");
    assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");
}

#[tokio::test]
async fn a_turn_that_was_running_something_is_closed_as_interrupted() {
    let bash = json!({"toolCall": {"name": "bash", "input": {"command": "sleep 3000.77"}}});
    let ground = ground(json!([bash, edit()]));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let (reply, _) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "allow"})));
    client.events_until(&session, "approvalResolved").await;
    killed(client).await;
    let mut client = loaded(&ground, &session).await;
    let events = the_whole_turn(&mut client, &session).await;
    assert_eq!(events.last().expect("an end")["stopReason"], "interrupted");
    assert!(results(&events).iter().all(|event| event["status"] == "cancelled"));
    assert_eq!(on_disk(&ground), BEFORE);
}

#[tokio::test]
async fn without_its_model_the_turn_is_closed_as_interrupted() {
    let ground = ground(json!([edit()]));
    let Left { session, .. } = left(&ground, 1).await;
    let without = "[providers.scripted]\nkind = \"scripted\"\n";
    std::fs::write(ground.folder().join("config.toml"), without).expect("a configuration without its script");
    let mut client = loaded(&ground, &session).await;
    let events = the_whole_turn(&mut client, &session).await;
    assert_eq!(events.last().expect("an end")["stopReason"], "interrupted");
    let resolved = events.iter().find(|event| event["type"] == "approvalResolved").expect("it is closed");
    assert_eq!(resolved["outcome"]["type"], "cancelled");
}

#[tokio::test]
async fn the_shape_of_its_answer_is_asked_for_again() {
    let call = json!({"id": "c1", "type": "function", "function": {
        "name": "edit", "arguments": edit()["toolCall"]["input"].to_string(),
    }});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let called = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]}).to_string();
    let server = Server::start(move |asked| match asked.body.contains(r#""role":"tool""#) {
        true => chat(r#"{"lines": 3}"#),
        false => answer(200, &called),
    });
    let mut ground = ground(json!([]));
    let config = format!("[providers.mine]\nkind = \"openai\"\nbase_url = \"{}\"\napi_key = \"x\"\n", server.url());
    std::fs::write(ground.folder().join("config.toml"), config).expect("a configuration");
    ground.env.push(("PILLION_MODEL".to_owned(), "mine/m".to_owned()));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let schema = json!({"type": "object", "properties": {"lines": {"type": "integer"}}});
    let prompt = json!([{"type": "text", "text": "go"}]);
    let start = json!({"sessionId": session, "prompt": prompt, "outputSchema": schema});
    client.call("turn/start", start).await;
    client.asked("approval/request").await;
    killed(client).await;
    let mut client = loaded(&ground, &session).await;
    client.asked("approval/request").await.0.send(Ok(json!({"type": "allow"})));
    the_whole_turn(&mut client, &session).await;
    let shapes: Vec<Value> = server
        .asked()
        .iter()
        .map(|asked| serde_json::from_str::<Value>(&asked.body).expect("JSON")["response_format"].clone())
        .collect();
    assert_eq!(shapes.len(), 2);
    assert!(shapes[0].is_object() && shapes[0] == shapes[1], "{shapes:?}");
}

#[tokio::test]
async fn a_load_that_is_refused_takes_nothing_up_and_leaves_nothing_open() {
    let ground = ground(json!([edit()]));
    let other = ground.project().with_file_name("other");
    std::fs::create_dir(&other).expect("a folder");
    let Left { session, before, .. } = left(&ground, 1).await;
    let refused = ground.client(everything()).await;
    let error = refused.refused("session/load", json!({"sessionId": session, "roots": [other]})).await;
    assert!(error.contains("folders"), "{error}");
    // Another process may have it, and it is all there.
    let mut client = loaded(&ground, &session).await;
    let (_unanswered, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"], before[0]);
    killed(client).await;
    refused.refused("session/load", json!({"sessionId": session, "roots": [other]})).await;
    refused.call("session/delete", json!({"sessionId": session})).await;
}
