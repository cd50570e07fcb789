//! Asking the person: every answer, every kind of client, and what is left when nobody answers.

use serde_json::{Value, json};

use crate::support::{Client, Ground, Heard, eventually, everything, script, text};

const BEFORE: &str = "one\ntwo\nthree\n";

fn editing() -> Value {
    script::always(json!([
        {"toolCall": {"name": "edit", "input": {"path": "a.txt", "old_string": "two", "new_string": "TWO"}}},
    ]))
}

/// Starts a turn that asks for an edit of the closed file `a.txt`.
async fn asked() -> (Ground, Client, String) {
    let ground = Ground::new(&editing());
    ground.write("a.txt", BEFORE);
    let client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "edit it").await;
    (ground, client, session)
}

fn on_disk(ground: &Ground) -> String {
    std::fs::read_to_string(ground.project().join("a.txt")).expect("the file")
}

fn result(events: &[Value]) -> &Value {
    events.iter().find(|event| event["type"] == "toolResult").expect("a result")
}

#[tokio::test]
async fn an_approval_shows_the_diff_and_allow_lands_it() {
    let (ground, mut client, session) = asked().await;
    let (reply, params) = client.asked("approval/request").await;
    let approval = &params["approval"];
    assert_eq!(approval["tool"], "edit");
    assert_eq!(approval["class"], "edit");
    assert_eq!(approval["outside"], false);
    assert!(text(&approval["diff"]["unified"]).contains("-two\n+TWO\n"), "{approval}");
    assert_eq!(on_disk(&ground), BEFORE, "nothing is written before the answer");
    reply.send(Ok(json!({"type": "allow", "scope": "once"})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events)["status"], "ok");
    assert_eq!(on_disk(&ground), "one\nTWO\nthree\n");
}

#[tokio::test]
async fn a_denied_edit_leaves_no_trace_and_the_model_reads_why() {
    let (ground, mut client, session) = asked().await;
    let (reply, _) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "deny", "reason": "not that line"})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events)["status"], "denied");
    assert!(text(&result(&events)["text"]).contains("not that line"));
    assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");
    assert_eq!(on_disk(&ground), BEFORE);
    let names: Vec<_> = std::fs::read_dir(ground.project()).expect("it").flatten().map(|it| it.file_name()).collect();
    assert_eq!(names, ["a.txt"], "no temporary file is left");
}

#[tokio::test]
async fn patched_input_is_what_runs() {
    let (ground, mut client, session) = asked().await;
    let (reply, _) = client.asked("approval/request").await;
    let input = json!({"path": "a.txt", "old_string": "two", "new_string": "zwei"});
    reply.send(Ok(json!({"type": "allow", "input": input})));
    client.events_until(&session, "turnEnded").await;
    assert_eq!(on_disk(&ground), "one\nzwei\nthree\n");
}

#[tokio::test]
async fn cancelling_from_an_approval_ends_the_turn() {
    let (ground, mut client, session) = asked().await;
    let (reply, _) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "cancelTurn"})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
    assert_eq!(on_disk(&ground), BEFORE);
}

#[tokio::test]
async fn an_answer_by_request_wins_and_withdraws_the_popup() {
    let (ground, mut client, session) = asked().await;
    let (reply, params) = client.asked("approval/request").await;
    let respond = json!({"approvalId": params["approval"]["approvalId"], "decision": {"type": "allow"}});
    assert_eq!(client.call("approval/respond", respond.clone()).await["accepted"], true);
    assert_eq!(client.call("approval/respond", respond).await["accepted"], false, "the second answer is too late");
    client.told("$/cancelRequest").await;
    reply.send(Ok(json!({"type": "deny"})));
    let events = client.events_until(&session, "turnEnded").await;
    assert!(events.iter().any(|event| event["type"] == "approvalResolved" && event["outcome"]["type"] == "allowed"));
    assert_eq!(on_disk(&ground), "one\nTWO\nthree\n");
}

#[tokio::test]
async fn a_cancelled_turn_closes_its_approvals() {
    let (_ground, mut client, session) = asked().await;
    let (_reply, _) = client.asked("approval/request").await;
    client.call("turn/cancel", json!({"sessionId": session})).await;
    client.told("$/cancelRequest").await;
    let events = client.events_until(&session, "turnEnded").await;
    let resolved = events.iter().find(|event| event["type"] == "approvalResolved").expect("it is resolved");
    assert_eq!(resolved["outcome"]["type"], "cancelled");
}

#[tokio::test]
async fn allowing_for_the_session_silences_the_next_of_its_kind() {
    let (ground, mut client, session) = asked().await;
    let (reply, params) = client.asked("approval/request").await;
    assert!(!params["approval"]["rules"].as_array().expect("rules").is_empty());
    reply.send(Ok(json!({"type": "allow", "scope": "session"})));
    client.events_until(&session, "turnEnded").await;
    ground.write("a.txt", BEFORE);
    client.start(&session, "again").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert!(!events.iter().any(|event| event["type"] == "approvalRequested"), "it asked again");
    assert_eq!(on_disk(&ground), "one\nTWO\nthree\n");
}

#[tokio::test]
async fn an_answer_that_comes_too_late_keeps_no_rules() {
    let (_ground, mut client, session) = asked().await;
    let (reply, params) = client.asked("approval/request").await;
    // Both are on their way before either has taken effect.
    reply.send(Ok(json!({"type": "allow", "scope": "session", "rules": ["edit(*)"]})));
    let deny = json!({"approvalId": params["approval"]["approvalId"], "decision": {"type": "deny"}});
    let is_denied = client.call("approval/respond", deny).await["accepted"] == true;
    client.events_until(&session, "turnEnded").await;
    client.start(&session, "again").await;
    let events = client.events_until(&session, if is_denied { "approvalRequested" } else { "turnEnded" }).await;
    let is_asked = events.iter().any(|event| event["type"] == "approvalRequested");
    assert_eq!(is_asked, is_denied);
    client.leave().await;
}

#[tokio::test]
async fn the_rules_that_are_kept_are_those_that_the_person_wrote() {
    let (ground, mut client, session) = asked().await;
    let (reply, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"]["rules"], json!(["edit(a.txt)"]));
    let rules = json!(["edit(b.txt)", "not a rule("]);
    reply.send(Ok(json!({"type": "allow", "scope": "project", "rules": rules})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events)["status"], "ok");
    let notices: Vec<String> =
        events.iter().filter(|event| event["type"] == "notice").map(|event| text(&event["message"])).collect();
    assert!(notices.iter().any(|notice| notice.contains("not a rule(")), "{notices:?}");
    // What was shown and struck out is asked again.
    ground.write("a.txt", BEFORE);
    client.start(&session, "again").await;
    let (reply, _) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "deny"})));
    client.events_until(&session, "turnEnded").await;
}

#[tokio::test]
async fn the_modes_allow_what_they_say() {
    for (mode, expected) in [("acceptEdits", "one\nTWO\nthree\n"), ("auto", "one\nTWO\nthree\n"), ("plan", BEFORE)] {
        let ground = Ground::new(&editing());
        ground.write("a.txt", BEFORE);
        let mut client = ground.client(everything()).await;
        let session = text(&client.call("session/new", json!({"mode": mode})).await["sessionId"]);
        client.start(&session, "edit it").await;
        let events = client.events_until(&session, "turnEnded").await;
        assert!(!events.iter().any(|event| event["type"] == "approvalRequested"), "{mode} asked");
        assert_eq!(on_disk(&ground), expected, "{mode}");
    }
}

#[tokio::test]
async fn broken_rules_of_folders_that_only_a_session_has_are_told_there() {
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made"}}});
    let ground = Ground::new(&script::by_prompt(json!({"make it": [write], "hello": [{"text": "Hello."}]})));
    let elsewhere = tempfile::tempdir().expect("a folder");
    let own = json!({"roots": [elsewhere.path()]});
    let mut client = ground.client(everything()).await;
    let session = text(&client.call("session/new", own.clone()).await["sessionId"]);
    client.start(&session, "make it").await;
    let (reply, _) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "allow", "scope": "project"})));
    client.events_until(&session, "turnEnded").await;
    let stored = || {
        let projects = std::fs::read_dir(ground.state().join("projects")).into_iter().flatten().flatten();
        projects.map(|project| project.path().join("rules.toml")).find(|file| file.exists())
    };
    eventually("the rule is stored", || stored().is_some()).await;
    std::fs::write(stored().expect("a file"), "ruls = []\n").expect("a mistake");
    for (params, told) in [(own, 1), (json!({}), 0)] {
        let session = text(&client.call("session/new", params).await["sessionId"]);
        client.start(&session, "hello").await;
        let events = client.events_until(&session, "turnEnded").await;
        let is_told =
            |event: &&Value| event["type"] == "notice" && text(&event["message"]).contains("No rule in this file");
        assert_eq!(events.iter().filter(is_told).count(), told, "{events:?}");
    }
}

#[tokio::test]
async fn chosen_hunks_are_the_ones_that_land() {
    let ground =
        Ground::new(&script::always(json!([{"toolCall": {"name": "edit", "input": {"path": "a.txt", "edits": [
            {"old_string": "first", "new_string": "FIRST"}, {"old_string": "last", "new_string": "LAST"},
        ]}}}])));
    let middle = "x\n".repeat(20);
    ground.write("a.txt", &format!("first\n{middle}last\n"));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "edit it").await;
    let (reply, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"]["diff"]["hunks"].as_array().expect("hunks").len(), 2);
    reply.send(Ok(json!({"type": "allow", "hunks": [1]})));
    client.events_until(&session, "turnEnded").await;
    assert_eq!(on_disk(&ground), format!("first\n{middle}LAST\n"));
}

#[tokio::test]
async fn a_plain_client_is_asked_by_message_and_told_by_message() {
    let ground = Ground::new(&editing());
    ground.write("a.txt", BEFORE);
    let mut client = ground.client_with(json!({"window": {"workDoneProgress": true}})).await;
    let session = client.new_session().await;
    client.start(&session, "edit it").await;
    let (reply, _) = client.asked("window/workDoneProgress/create").await;
    reply.send(Ok(Value::Null));
    let (reply, params) = client.asked("window/showMessageRequest").await;
    assert!(text(&params["message"]).contains("a.txt"), "{params}");
    let actions = params["actions"].as_array().expect("actions").clone();
    let allow = actions.iter().find(|action| text(&action["title"]).to_lowercase().contains("allow")).expect("allow");
    reply.send(Ok(allow.clone()));
    client
        .wait("the end of the progress", |heard| {
            matches!(heard, Heard::Notification { method, params }
                if method == "$/progress" && params["value"]["kind"] == "end")
        })
        .await;
    let told = client.told("window/showMessage").await;
    assert!(text(&told["message"]).contains("done"), "{told}");
    assert_eq!(on_disk(&ground), "one\nTWO\nthree\n");
}

#[tokio::test]
async fn a_client_that_refuses_or_garbles_the_question_changes_nothing() {
    for answer in [Err(()), Ok(json!({"type": "perhaps"})), Ok(json!(17))] {
        let (ground, mut client, session) = asked().await;
        let (reply, params) = client.asked("approval/request").await;
        match answer {
            Ok(answer) => reply.send(Ok(answer)),
            Err(()) => reply.send::<()>(Err(pillion::rpc::Error::method_not_found("approval/request"))),
        }
        // The question stays open for whoever can answer it.
        let respond = json!({"approvalId": params["approval"]["approvalId"], "decision": {"type": "deny"}});
        assert_eq!(client.call("approval/respond", respond).await["accepted"], true);
        client.events_until(&session, "turnEnded").await;
        assert_eq!(on_disk(&ground), BEFORE);
    }
}

#[tokio::test]
async fn loading_a_session_again_does_not_ask_twice() {
    let (_ground, mut client, session) = asked().await;
    let (reply, _) = client.asked("approval/request").await;
    client.call("session/load", json!({"sessionId": session})).await;
    reply.send(Ok(json!({"type": "deny"})));
    client.events_until(&session, "turnEnded").await;
    let again = client.drain().into_iter().any(|heard| matches!(heard, Heard::Request { .. }));
    assert!(!again, "it asked again");
}

#[tokio::test]
async fn a_rule_that_covers_what_is_asked_already_answers_it_too() {
    let outside = tempfile::tempdir().expect("a folder");
    let folder = outside.path().canonicalize().expect("the folder");
    std::fs::create_dir(folder.join("deep")).expect("a folder");
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::write(&path, name).expect("a file");
        json!({"toolCall": {"name": "read", "input": {"path": path}}})
    };
    let ground = Ground::new(&script::always(json!([read("a"), read("b"), read("deep/c")])));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "read them").await;
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(client.asked("approval/request").await);
    }
    let path = |params: &Value| text(&params["approval"]["paths"][0]);
    asked.sort_by_key(|(_, params)| path(params));
    let (deep, params) = asked.pop().expect("three of them");
    assert!(path(&params).ends_with("c"), "{params}");
    let rule = format!("read({}/*)", folder.display().to_string().replace('\\', "/"));
    let (first, _) = asked.remove(0);
    first.send(Ok(json!({"type": "allow", "scope": "session", "rules": [rule]})));
    // What no rule covers still waits for its own answer.
    for _ in 0..2 {
        let resolved = client.events_until(&session, "approvalResolved").await.pop().expect("one");
        assert_eq!(resolved["outcome"], json!({"type": "allowed", "scope": "session"}));
    }
    let open = client.call("approval/list", json!({"sessionId": session})).await;
    assert_eq!(open["approvals"], json!([params["approval"]]));
    deep.send(Ok(json!({"type": "deny"})));
    let events = client.events_until(&session, "turnEnded").await;
    let results = events.iter().filter(|event| event["type"] == "toolResult");
    assert_eq!(results.map(|event| text(&event["status"])).collect::<Vec<_>>(), ["ok", "ok", "denied"]);
}

#[tokio::test]
async fn what_was_allowed_in_one_project_is_asked_again_in_another() {
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "bash", "input": {"command": "touch x"}}}])));
    let other = ground.project().with_file_name("other");
    std::fs::create_dir(&other).expect("a folder");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let (reply, _) = client.asked("approval/request").await;
    reply.send(Ok(json!({"type": "allow", "scope": "project"})));
    client.events_until(&session, "turnEnded").await;
    for (root, is_asked) in [(&other, true), (&ground.project(), false)] {
        client.call("session/load", json!({"sessionId": session, "roots": [root]})).await;
        let (_, moved) = client.event(&session).await;
        assert!(moved["type"] == "notice" && text(&moved["message"]).contains(&*root.to_string_lossy()), "{moved}");
        client.start(&session, "go").await;
        if is_asked {
            client.asked("approval/request").await.0.send(Ok(json!({"type": "deny"})));
        }
        let events = client.events_until(&session, "turnEnded").await;
        assert_eq!(events.iter().any(|event| event["type"] == "approvalRequested"), is_asked, "in {root:?}");
    }
    assert!(!other.join("x").exists());
}
