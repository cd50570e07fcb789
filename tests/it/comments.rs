//! A comment that is the prompt, through the real server: in a file on the disk, where the outcome can be read.

use serde_json::{Value, json};

use crate::support::{Client, Ground, everything, script, text};

const BEFORE: &str = "import os\n# pillion: add one\ndef f(x):\n    return x\n";

/// Runs a comment as a turn, answering each approval as told, and gives its events.
async fn run(client: &mut Client, mode: &str, comment: &str, answers: &[Value]) -> Vec<Value> {
    let session = text(&client.call("session/new", json!({"mode": mode})).await["sessionId"]);
    let prompt = json!([{"type": "comment", "path": "a.py", "line": 2, "text": comment}]);
    client.call("turn/start", json!({"sessionId": session, "prompt": prompt})).await;
    for answer in answers {
        let (reply, _) = client.asked("approval/request").await;
        reply.send(Ok(answer.clone()));
    }
    client.events_until(&session, "turnEnded").await
}

/// What became of the file, and the events' types that matter here.
async fn check(steps: Value, mode: &str, answers: &[Value], after: &str) -> Vec<Value> {
    let ground = Ground::new(&script::always(steps));
    let path = ground.write("a.py", BEFORE);
    let mut client = ground.client(everything()).await;
    let events = run(&mut client, mode, "add one", answers).await;
    assert_eq!(std::fs::read_to_string(path).expect("the file"), after, "{events:?}");
    events
}

fn edit() -> Value {
    json!([{"toolCall": {"name": "edit", "input": {
        "path": "a.py", "old_string": "return x", "new_string": "return x + 1",
    }}}])
}

fn say() -> Value {
    json!([{"text": "It adds nothing."}])
}

fn calls(events: &[Value]) -> Vec<(&str, &str)> {
    let results = events.iter().filter(|event| event["type"] == "toolResult");
    results.map(|event| (event["callId"].as_str().expect("an id"), event["status"].as_str().expect("one"))).collect()
}

#[tokio::test]
async fn it_goes_with_the_edit_that_answers_it() {
    let after = "import os\ndef f(x):\n    return x + 1\n";
    let events = check(edit(), "ask", &[json!({"type": "allow"})], after).await;
    assert_eq!(calls(&events).len(), 1);
    let asked = events.iter().find(|event| event["type"] == "approvalRequested").expect("an approval");
    assert!(text(&asked["approval"]["diff"]["unified"]).contains("-# pillion: add one\n"), "{asked}");
}

#[tokio::test]
async fn without_an_edit_it_goes_at_the_end_by_one_of_its_own_and_nobody_is_asked() {
    let after = "import os\ndef f(x):\n    return x\n";
    for mode in ["ask", "acceptEdits"] {
        let events = check(say(), mode, &[], after).await;
        assert!(!events.iter().any(|event| event["type"] == "approvalRequested"), "{events:?}");
        let [(id, "ok")] = calls(&events)[..] else { panic!("{events:?}") };
        assert!(id.ends_with("-comment1"), "{id}");
        // It can be looked at and taken back as any other.
        assert!(events.iter().any(|event| event["type"] == "changes"), "{events:?}");
        let end = events.last().expect("an end");
        assert_eq!((&end["type"], &end["stopReason"]), (&json!("turnEnded"), &json!("endTurn")));
    }
}

#[tokio::test]
async fn nobody_is_asked_either_when_the_answer_changed_another_file() {
    let write = json!([{"toolCall": {"name": "write", "input": {"path": "b.py", "content": "made\n"}}}]);
    let after = "import os\ndef f(x):\n    return x\n";
    let events = check(write, "ask", &[json!({"type": "allow"})], after).await;
    assert_eq!(calls(&events).iter().map(|(_, status)| *status).collect::<Vec<_>>(), ["ok", "ok"]);
    assert_eq!(events.iter().filter(|event| event["type"] == "approvalRequested").count(), 1, "for the other file");
}

#[tokio::test]
async fn it_stays_where_the_person_or_the_mode_says_no() {
    let deny = json!({"type": "deny"});
    // A refused edit would have taken it along: nobody is asked twice.
    let events = check(edit(), "ask", &[deny], BEFORE).await;
    assert_eq!(calls(&events).len(), 1);
    let events = check(say(), "plan", &[], BEFORE).await;
    assert_eq!(calls(&events)[0].1, "denied");
    // Who stops the turn may want to say it again.
    let events = check(edit(), "ask", &[json!({"type": "cancelTurn"})], BEFORE).await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
}

#[tokio::test]
async fn one_that_is_not_there_any_more_is_a_prompt_all_the_same() {
    let ground = Ground::new(&script::always(say()));
    ground.write("a.py", BEFORE);
    let mut client = ground.client(everything()).await;
    let events = run(&mut client, "ask", "add two", &[]).await;
    let notice = events.iter().find(|event| event["type"] == "notice").expect("a notice");
    assert!(text(&notice["message"]).contains("stays where it is"), "{notice}");
    assert_eq!(calls(&events), []);
}
