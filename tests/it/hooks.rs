//! Hooks as a person sets them: commands in their configuration, run by the real server.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::support::{Client, Ground, everything, script, text};

fn writing() -> Value {
    script::always(json!([{"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made"}}}]))
}

/// A project whose person has these hooks.
fn with_hooks(script: &Value, hooks: &str) -> Ground {
    let ground = Ground::new(script);
    let path = ground.folder().join("config.toml");
    let config = std::fs::read_to_string(&path).expect("a configuration");
    std::fs::write(path, format!("mode = \"acceptEdits\"\n{config}\n{hooks}")).expect("a configuration");
    ground
}

/// Plays a turn; its events.
async fn turn(ground: &Ground) -> (Client, String, Vec<Value>) {
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "do it").await;
    let events = client.events_until(&session, "turnEnded").await;
    (client, session, events)
}

fn result(events: &[Value]) -> &Value {
    events.iter().find(|event| event["type"] == "toolResult").expect("a result")
}

fn notices(events: &[Value]) -> Vec<String> {
    let notices = events.iter().filter(|event| event["type"] == "notice");
    notices.map(|notice| text(&notice["message"])).collect()
}

#[tokio::test]
async fn a_command_judges_a_call_before_anybody_is_asked() {
    let hooks = r#"
        [hooks.guard]
        on = "before_tool"
        tools = ["wr*"]
        command = "cat > heard.json; echo 'not on a friday' >&2; exit 2"
    "#;
    let ground = with_hooks(&writing(), hooks);
    let (_client, _, events) = turn(&ground).await;
    let result = result(&events);
    assert_eq!(result["status"], "denied");
    assert_eq!(result["text"], "not run: a hook denied this call: guard: not on a friday");
    assert!(events.iter().all(|event| event["type"] != "approvalRequested"));
    assert!(!ground.project().join("made.txt").exists());
    let heard = std::fs::read_to_string(ground.project().join("heard.json")).expect("it was run in the root");
    let heard: Value = serde_json::from_str(&heard).expect("JSON");
    assert_eq!(
        heard,
        json!({
            "event": "beforeTool",
            "roots": [ground.project()],
            "callId": heard["callId"],
            "tool": "write",
            "input": {"path": "made.txt", "content": "made"},
            "class": "edit",
            "title": "Create made.txt",
            "paths": [ground.project().join("made.txt")],
            "command": null,
        })
    );
}

#[tokio::test]
async fn commands_add_context_and_hear_of_results() {
    let hooks = r#"
        [hooks.check]
        on = "after_tool"
        command = "cat > after.json; echo '{\"context\": \"two warnings\"}'"
        [hooks.other]
        on = "before_tool"
        tools = ["bash"]
        command = "exit 2"
        [hooks.start]
        on = "turn_start"
        command = "cat > start.json; echo just words"
        [hooks.stop]
        on = "turn_end"
        command = "cat > end.json"
    "#;
    let ground = with_hooks(&writing(), hooks);
    let (_client, _, events) = turn(&ground).await;
    assert_eq!(text(&result(&events)["text"]), "Wrote made.txt.\n[check: two warnings]");
    assert_eq!(result(&events)["status"], "ok");
    let heard = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(ground.project().join(name)).expect("heard")).expect("JSON")
    };
    assert_eq!(
        (&heard("after.json")["status"], &heard("after.json")["result"]),
        (&json!("ok"), &json!("Wrote made.txt."))
    );
    assert_eq!(heard("start.json")["prompt"], "do it");
    let end = heard("end.json");
    assert_eq!((&end["text"], &end["stopReason"], &end["vetoes"]), (&json!("done"), &json!("endTurn"), &json!(0)));
    assert_eq!(notices(&events), Vec::<String>::new());
}

#[tokio::test]
async fn a_guard_that_breaks_or_hangs_stops_the_call_and_leaves_nothing_running() {
    for (command, timeout, why) in [
        ("echo broken >&2; exit 3", "5", "it ended with exit code 3: broken"),
        ("echo '{\"denied\": 1}'", "5", "no JSON object with `deny` or `context`"),
        ("sleep 987654321 & sleep 987654321", "0.2", "it took longer than 0.2 s"),
    ] {
        let hooks = format!("[hooks.guard]\non = \"before_tool\"\ntimeout = {timeout}\ncommand = {}", json!(command));
        let ground = with_hooks(&writing(), &hooks);
        let (_client, _, events) = turn(&ground).await;
        assert_eq!(result(&events)["status"], "denied", "{command}");
        let notices = notices(&events);
        assert!(notices[0].contains(why) && notices[0].ends_with("The call was not run."), "{notices:?}");
        assert!(!ground.project().join("made.txt").exists());
    }
    #[cfg(target_os = "linux")]
    crate::support::eventually("the hook's processes are gone", || {
        crate::support::processes_with("987654321").is_empty()
    })
    .await;
}

#[tokio::test]
async fn the_end_is_vetoed_with_a_reason_until_it_is_enough() {
    let hooks = "[hooks.tests]\non = \"turn_end\"\ncommand = \"echo x >> ends; echo '{\\\"deny\\\": \\\"red\\\"}'\"";
    let ground = with_hooks(&writing(), hooks);
    let (_client, _, events) = turn(&ground).await;
    let ends = std::fs::read_to_string(ground.project().join("ends")).expect("it was run");
    assert_eq!(ends.lines().count(), 4);
    assert!(notices(&events)[0].contains("ends although a hook objects (tests: red)"), "{:?}", notices(&events));
    assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");
}

#[tokio::test]
async fn a_turn_is_not_begun_against_a_hook() {
    let hooks = "[hooks.gate]\non = \"turn_start\"\ncommand = \"echo closed >&2; exit 2\"";
    let ground = with_hooks(&writing(), hooks);
    let (_client, _, events) = turn(&ground).await;
    let end = events.last().expect("an end");
    assert_eq!(end["stopReason"], "error");
    assert_eq!(end["error"], "the turn was not begun: a hook denied it: gate: closed");
}

#[tokio::test]
async fn keys_stay_out_of_hooks_and_a_cancel_ends_them() {
    let hooks = "[hooks.slow]\non = \"before_tool\"\ncommand = \"echo ${MY_API_KEY:-none} > key; touch begun; sleep 876543219\"";
    let mut ground = with_hooks(&writing(), hooks);
    ground.env.push(("MY_API_KEY".to_owned(), "secret".to_owned()));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "do it").await;
    #[cfg(target_os = "linux")]
    {
        crate::support::eventually("the hook has begun", || ground.project().join("begun").exists()).await;
        client.call("turn/cancel", json!({ "sessionId": session })).await;
        let events = client.events_until(&session, "turnEnded").await;
        assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
        assert_eq!(result(&events)["status"], "cancelled");
        crate::support::eventually("the hook is gone", || crate::support::processes_with("876543219").is_empty()).await;
        assert_eq!(std::fs::read_to_string(ground.project().join("key")).expect("it wrote"), "none\n");
    }
    assert!(!ground.project().join("made.txt").exists());
}

#[tokio::test]
async fn a_repository_sets_no_hooks_and_mistakes_are_told() {
    let ground = with_hooks(&writing(), "[hooks.broken]\non = \"before_tool\"");
    std::fs::create_dir(ground.project().join(".pillion")).expect("a folder");
    let theirs =
        "[hooks.theirs]\non = \"turn_start\"\ncommand = \"touch pwned\"\n[web_fetch]\nallow_hosts = [\"localhost\"]";
    std::fs::write(ground.project().join(".pillion/config.toml"), theirs).expect("a file");
    let (_client, _, events) = turn(&ground).await;
    let notices = notices(&events);
    for expected in [
        "`hooks` is refused here",
        "`web_fetch` is refused here",
        "The hook `broken` is never run: `command` is missing",
    ] {
        assert!(notices.iter().any(|notice| notice.contains(expected)), "{expected}: {notices:?}");
    }
    assert!(!ground.project().join("pwned").exists());
    assert!(ground.project().join("made.txt").exists());
}
