//! Events of an answer that breaks off, and of calls that are being written.

use serde_json::{Value, json};

use crate::support::{Ground, everything, text};

/// A model that breaks off once in the middle of an answer, and then says it all.
fn breaking() -> Ground {
    let broken = json!({"steps": [
        {"thinking": "hm"},
        {"text": "It was a dark"},
        {"error": {"class": "network", "message": "The connection broke."}},
    ]});
    let ground =
        Ground::new(&json!([broken, {"steps": [{"text": "It was a bright day."}]}, {"steps": [{"text": "Yes."}]}]));
    let config = ground.folder().join("config.toml");
    let settings = std::fs::read_to_string(&config).expect("a configuration");
    std::fs::write(config, format!("[retry]\nfirst_wait = 0\n{settings}")).expect("it is written");
    ground
}

/// What a client shows that takes withdrawn text off its screen.
fn shown(events: &[Value]) -> String {
    let (mut screen, mut stands) = (String::new(), 0);
    for event in events {
        match event["type"].as_str().expect("a type") {
            "messageDelta" => screen.push_str(&text(&event["text"])),
            "usage" => stands = screen.len(),
            "superseded" => screen.truncate(stands),
            _ => {}
        }
    }
    screen
}

#[tokio::test]
async fn what_a_broken_answer_said_is_withdrawn_and_the_model_never_reads_it() {
    let ground = breaking();
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "tell").await;
    let events = client.events_until(&session, "turnEnded").await;
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    let expect =
        ["turnStarted", "reasoningDelta", "messageDelta", "superseded", "retry", "messageDelta", "usage", "turnEnded"];
    assert_eq!(kinds, expect);
    assert_eq!(shown(&events), "It was a bright day.");
    assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");

    // The transcript is what stands: loaded anew, too.
    client.leave().await;
    let mut client = ground.client(everything()).await;
    client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
    assert_eq!(shown(&client.events_until(&session, "turnEnded").await), "It was a bright day.");
    let logs = std::fs::read_dir(ground.state().join("sessions")).expect("sessions").flatten();
    let log: String = logs.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
    let messages: Vec<&str> = log.lines().filter(|line| line.starts_with("{\"message\"")).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages.iter().all(|message| !message.contains("dark")), "{messages:?}");
}

#[test]
fn the_terminal_says_that_text_was_withdrawn() {
    let ground = breaking();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(["run", "tell"])
        .envs(ground.env.iter().cloned())
        .current_dir(ground.project())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs");
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    let (dark, withdrawn, bright) = (shown.find("dark"), shown.find("withdrawn"), shown.find("bright"));
    assert!(dark.is_some() && dark < withdrawn && withdrawn < bright, "{shown}");
}

#[tokio::test]
async fn a_call_is_told_of_while_it_is_written_and_not_for_every_piece() {
    let content = "x".repeat(50_000);
    let call = json!({"toolCall": {"name": "write", "input": {"path": "a.txt", "content": content}}});
    let ground = Ground::new(&json!([{"steps": [call, call]}, {"steps": [call]}, {"steps": [{"text": "done"}]}]));
    let mut client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mode": "acceptEdits"})).await["sessionId"]);
    client.start(&session, "go").await;
    let events = client.events_until(&session, "turnEnded").await;
    let told: Vec<&Value> = events.iter().filter(|event| event["type"] == "toolPreparing").collect();
    assert!(told.iter().all(|event| event["tool"] == "write" && event["bytes"].as_u64() > Some(50_000)), "{told:?}");
    // Each of the three calls, of this round and of the next.
    assert_eq!(told.len(), 3, "{told:?}");
}
