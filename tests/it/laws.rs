//! The laws that hold for every turn, under load and under misuse.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::support::{Ground, everything, script, text};

/// The order of each session's events as they arrived: `seq` from 1 without gaps, `turnEnded` once per `turnStarted`,
/// and nothing of a turn after it.
#[derive(Default)]
struct Referee {
    sessions: HashMap<String, (u64, bool)>,
    turns_ended: usize,
}

impl Referee {
    fn see(&mut self, params: &Value) {
        let session = text(&params["sessionId"]);
        let (last, running) = self.sessions.entry(session.clone()).or_default();
        let seq = params["seq"].as_u64().expect("a seq");
        assert_eq!(seq, *last + 1, "a gap in {session}");
        *last = seq;
        match params["event"]["type"].as_str().expect("a type") {
            "turnStarted" => {
                assert!(!*running, "two turns at once in {session}");
                *running = true;
            }
            "turnEnded" => {
                assert!(*running, "a second end in {session}");
                *running = false;
                self.turns_ended += 1;
            }
            "sessionConfigured" | "notice" => {}
            other => assert!(*running, "{other} after the end of a turn in {session}"),
        }
    }
}

#[tokio::test]
async fn nothing_follows_the_end_of_a_turn_in_5000_short_turns() {
    let ground = Ground::new(&script::always(json!([{"text": "short"}])));
    let mut client = ground.client(everything()).await;
    let mut referee = Referee::default();
    let mut sessions = Vec::new();
    for _ in 0..50 {
        sessions.push(client.new_session().await);
    }
    for _ in 0..100 {
        for session in &sessions {
            client.start(session, "go").await;
        }
        let goal = referee.turns_ended + sessions.len();
        while referee.turns_ended < goal {
            let params = client.told("session/event").await;
            referee.see(&params);
        }
    }
    assert_eq!(referee.turns_ended, 5000);
    assert!(client.drain().is_empty(), "something came after the last end");
    assert!(client.leave().await.success());
}

#[tokio::test]
async fn a_flood_of_changes_beside_turns_and_approvals_loses_nothing_and_a_cancel_is_served_within_it() {
    let ground = Ground::new(&script::by_prompt(json!({
        "stream": [{"text": "word ", "repeat": 2_000_000, "everyMs": 5}],
        "ask": [{"toolCall": {"name": "bash", "input": {"command": "true"}}}],
        "look": [{"toolCall": {"name": "read", "input": {"path": "flood.txt"}}}],
    })));
    let mut client = ground.client(everything()).await;
    let uri = ground.uri("flood.txt");
    client.open(&uri, "");

    let mut asking = Vec::new();
    for _ in 0..200 {
        let session = client.new_session().await;
        client.start(&session, "ask").await;
        asking.push(session);
    }
    let mut approvals = Vec::new();
    for _ in 0..200 {
        approvals.push(client.asked("approval/request").await);
    }
    let mut streaming = Vec::new();
    for _ in 0..64 {
        let session = client.new_session().await;
        client.start(&session, "stream").await;
        streaming.push(session);
    }

    // A line at the end each time, and every tenth time a word taken out of the line before.
    let mut lines: Vec<String> = Vec::new();
    for version in 2..2_002_i64 {
        let count = lines.len();
        let place = |line: usize, character: usize| json!({"line": line, "character": character});
        let mut changes = vec![json!({
            "range": {"start": place(count, 0), "end": place(count, 0)}, "text": format!("typo é𝒳 {version}\n"),
        })];
        lines.push(format!("typo é𝒳 {version}"));
        if version % 10 == 0 {
            changes.push(json!({"range": {"start": place(count, 0), "end": place(count, 5)}, "text": ""}));
            lines[count].drain(..5);
        }
        client.change(&uri, version, json!(changes));
        if version == 1_000 {
            let cancelled = client.call("turn/cancel", json!({"sessionId": streaming[0]})).await;
            assert_eq!(cancelled["cancelled"], true, "the flood drowned the cancel");
        }
    }
    let ended = client.events_until(&streaming[0], "turnEnded").await;
    assert_eq!(ended.last().expect("an end")["stopReason"], "cancelled");

    let looking = client.new_session().await;
    client.start(&looking, "look").await;
    let events = client.events_until(&looking, "turnEnded").await;
    let seen = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
    let shown = text(&seen["text"]);
    let shown: Vec<&str> = shown.lines().filter_map(|line| line.split_once('\t')).map(|(_, line)| line).collect();
    assert_eq!(shown, lines);

    for session in &streaming[1..] {
        client.call("turn/cancel", json!({"sessionId": session})).await;
    }
    for (reply, _) in approvals {
        reply.send(Ok(json!({"type": "deny"})));
    }
    for session in &asking {
        let events = client.events_until(session, "turnEnded").await;
        assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");
    }
}

#[tokio::test]
async fn a_round_of_many_reads_of_an_open_buffer_comes_to_its_end() {
    let read = json!({"toolCall": {"name": "read", "input": {"path": "a.txt"}}});
    let ground = Ground::new(&script::always(Value::Array(vec![read; 120])));
    let mut client = ground.client(everything()).await;
    client.open(&ground.uri("a.txt"), &"a line of it\n".repeat(110));
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let events = client.events_until(&session, "turnEnded").await;
    let results = events.iter().filter(|event| event["type"] == "toolResult" && event["status"] == "ok");
    assert_eq!(results.count(), 120);
    client.leave().await;
}
