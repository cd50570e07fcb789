//! Commands in the background: started, moved, read, cancelled, told of, and gone in the end.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::support::{Client, Ground, eventually, everything, text};

fn bash(input: Value) -> Value {
    json!({"toolCall": {"name": "bash", "input": input}})
}

/// The first prompt runs this command; `done` comes after it, and `and so on` to other prompts.
fn ground(input: Value) -> Ground {
    Ground::new(&json!([
        {"afterTools": true, "steps": [{"text": "done"}], "reuse": true},
        {"match": "run it", "steps": [bash(input)], "reuse": true},
        {"match": "next", "steps": [{"text": "and so on"}], "reuse": true},
        {"match": "task-1", "steps": [{"text": "I see that it has ended"}], "reuse": true},
    ]))
}

async fn running(ground: &Ground) -> (Client, String) {
    let client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    client.start(&session, "run it").await;
    (client, session)
}

fn of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind} in {events:?}"))
}

#[tokio::test]
async fn a_command_in_the_background_has_a_placeholder_at_once_and_the_model_is_told_of_its_end() {
    let ground = ground(json!({"command": "echo early; cat gate; echo late; exit 3", "background": true}));
    let gate = ground.project().join("gate");
    assert!(std::process::Command::new("mkfifo").arg(&gate).status().expect("mkfifo").success());
    let (mut client, session) = running(&ground).await;
    let events = client.events_until(&session, "turnEnded").await;
    let placeholder = text(&of(&events, "toolResult")["text"]);
    assert!(placeholder.contains("in the background as task-1"), "{placeholder}");
    let started = &of(&events, "taskStarted")["task"];
    assert_eq!((&started["taskId"], &started["status"]), (&json!("task-1"), &json!("running")));

    let listed = client.call("task/list", json!({"sessionId": session})).await;
    assert_eq!(listed["tasks"], json!([started]));
    let read = json!({"sessionId": session, "taskId": "task-1"});
    loop {
        if client.call("task/read", read.clone()).await["text"].as_str().expect("a text").contains("early") {
            break;
        }
        tokio::task::yield_now().await;
    }
    // The turn is over; the editor is told of the end at once, and the model in the next turn.
    std::fs::write(&gate, "through\n").expect("the gate");
    let (_, ended) = client.event(&session).await;
    assert_eq!((&ended["type"], &ended["task"]["status"]), (&json!("taskEnded"), &json!("ended")));
    let printed = text(&ended["text"]);
    assert!(printed.contains("early\nthrough\nlate") && printed.contains("[exit code 3]"), "{printed}");
    client.start(&session, "next").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(of(&events, "messageDelta")["text"], "I see that it has ended", "{events:?}");
    // Once is enough.
    client.start(&session, "next").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(of(&events, "messageDelta")["text"], "and so on", "{events:?}");
    assert!(client.refused("task/read", json!({"sessionId": session, "taskId": "task-9"})).await.contains("task-9"));
}

#[cfg(target_os = "linux")]
mod processes {
    use super::*;
    use crate::support::processes_with;

    /// Two processes, one of them in a session of its own.
    fn two(mark: &str) -> String {
        format!("(setsid sleep {mark} &) ; echo begun; sleep {mark}")
    }

    async fn both_run(mark: &str) {
        eventually("both processes run", || processes_with(mark).len() >= 2).await;
    }

    async fn all_gone(mark: &str) {
        eventually("no process is left", || processes_with(mark).is_empty()).await;
    }

    #[tokio::test]
    async fn the_person_moves_a_running_command_and_the_turn_goes_on() {
        let ground = ground(json!({"command": two("3000.1")}));
        let (mut client, session) = running(&ground).await;
        both_run("3000.1").await;
        let call = loop {
            let (_, event) = client.event(&session).await;
            if event["type"] == "toolProgress" && text(&event["text"]).contains("begun") {
                break text(&event["callId"]);
            }
        };
        let nothing = client.call("turn/background", json!({"sessionId": session, "callId": "no such"})).await;
        assert_eq!(nothing["moved"], false);
        let moved = client.call("turn/background", json!({"sessionId": session, "callId": call})).await;
        assert_eq!(moved["moved"], true);
        let events = client.events_until(&session, "turnEnded").await;
        let placeholder = text(&of(&events, "toolResult")["text"]);
        assert!(placeholder.contains("The person moved") && placeholder.contains("begun"), "{placeholder}");
        assert_eq!(of(&events, "toolResult")["status"], "ok");
        both_run("3000.1").await;

        let cancelled = client.call("task/cancel", json!({"sessionId": session, "taskId": "task-1"})).await;
        assert_eq!(cancelled["cancelled"], true);
        let (_, ended) = client.event(&session).await;
        assert_eq!((&ended["type"], &ended["task"]["status"]), (&json!("taskEnded"), &json!("cancelled")));
        all_gone("3000.1").await;
        let again = client.call("task/cancel", json!({"sessionId": session, "taskId": "task-1"})).await;
        assert_eq!(again["cancelled"], false);
    }

    #[tokio::test]
    async fn a_long_command_is_moved_after_the_set_time() {
        let ground = ground(json!({"command": two("3000.2")}));
        let config = ground.folder().join("config.toml");
        let settings = std::fs::read_to_string(&config).expect("a configuration");
        std::fs::write(&config, format!("background_after = 0.05\n{settings}")).expect("a configuration");
        let (mut client, session) = running(&ground).await;
        let events = client.events_until(&session, "turnEnded").await;
        let placeholder = text(&of(&events, "toolResult")["text"]);
        assert!(placeholder.contains("since it has run for 0.05 s"), "{placeholder}");
        both_run("3000.2").await;
        assert!(client.leave().await.success());
        all_gone("3000.2").await;
    }

    #[tokio::test]
    async fn a_cancelled_turn_leaves_the_background_unless_asked() {
        let command = two("3000.3");
        let ground = Ground::new(&json!([
            {"afterTools": true, "steps": [{"hang": true}], "reuse": true},
            {"match": "run it", "steps": [bash(json!({"command": command, "background": true}))], "reuse": true},
        ]));
        for background in [false, true] {
            let (mut client, session) = running(&ground).await;
            client.events_until(&session, "toolResult").await;
            both_run("3000.3").await;
            client.call("turn/cancel", json!({"sessionId": session, "background": background})).await;
            client.events_until(&session, "turnEnded").await;
            if background {
                all_gone("3000.3").await;
            } else {
                both_run("3000.3").await;
            }
            client.leave().await;
            all_gone("3000.3").await;
        }
    }

    #[tokio::test]
    async fn the_background_ends_with_its_session() {
        let ground = ground(json!({"command": two("3000.4"), "background": true}));
        let (mut client, session) = running(&ground).await;
        client.events_until(&session, "turnEnded").await;
        both_run("3000.4").await;
        client.call("session/close", json!({"sessionId": session})).await;
        all_gone("3000.4").await;

        // The log tells, and so is the model.
        client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
        let events = client.events_until(&session, "taskEnded").await;
        assert_eq!(of(&events, "taskEnded")["task"]["status"], "cancelled");
        client.start(&session, "next").await;
        let events = client.events_until(&session, "turnEnded").await;
        assert_eq!(of(&events, "messageDelta")["text"], "I see that it has ended", "{events:?}");
    }

    #[tokio::test]
    async fn the_background_ends_with_a_server_that_is_killed_and_the_next_one_says_so() {
        let ground = ground(json!({"command": two("3000.5"), "background": true}));
        let (mut client, session) = running(&ground).await;
        client.events_until(&session, "turnEnded").await;
        both_run("3000.5").await;
        client.child.kill().await.expect("it dies");
        all_gone("3000.5").await;

        let mut client = ground.client(everything()).await;
        client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
        let events = client.events_until(&session, "taskEnded").await;
        assert_eq!(of(&events, "taskEnded")["task"]["status"], "lost");
        let listed = client.call("task/list", json!({"sessionId": session})).await;
        assert_eq!(listed["tasks"][0]["status"], "lost");
        client.start(&session, "run it").await;
        let events = client.events_until(&session, "turnEnded").await;
        assert_eq!(of(&events, "messageDelta")["text"], "I see that it has ended", "{events:?}");
        client.start(&session, "run it").await;
        let events = client.events_until(&session, "turnEnded").await;
        assert_eq!(of(&events, "taskStarted")["task"]["taskId"], "task-2", "no number is given twice");
        client.leave().await;
        all_gone("3000.5").await;
    }

    #[tokio::test]
    async fn grandchildren_do_not_survive_a_time_limit_in_the_background_either() {
        let ground = ground(json!({"command": two("3000.6"), "background": true, "timeout_ms": 300}));
        let (mut client, session) = running(&ground).await;
        let events = client.events_until(&session, "taskEnded").await;
        let ended = of(&events, "taskEnded");
        assert_eq!(ended["task"]["status"], "timedOut");
        assert!(text(&ended["text"]).contains("time limit of 0.3 s"), "{ended}");
        all_gone("3000.6").await;
    }

    #[tokio::test]
    async fn a_command_in_the_background_has_no_standard_input() {
        let ground = ground(json!({"command": "cat; echo read to the end", "background": true}));
        let (mut client, session) = running(&ground).await;
        let events = client.events_until(&session, "taskEnded").await;
        assert!(text(&of(&events, "taskEnded")["text"]).contains("read to the end"));
    }
}
