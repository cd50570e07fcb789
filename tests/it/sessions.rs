//! Sessions: settings, lists, replay, and what survives `kill -9`.

use serde_json::{Value, json};

#[cfg(target_os = "linux")]
use crate::support::eventually;
use crate::support::{Ground, LIMIT, everything, script, streamed, text};

#[tokio::test]
async fn a_session_is_replayed_from_any_event_on_exactly() {
    let ground = Ground::new(&script::always(json!([{"text": "hello "}, {"text": "there"}])));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "hi").await;
    let live = client.events_until(&session, "turnEnded").await;
    client.call("session/close", json!({"sessionId": session})).await;
    for from in 1..=live.len() {
        let info = client.call("session/load", json!({"sessionId": session, "fromSeq": from})).await;
        assert_eq!(info["lastSeq"], live.len());
        for (index, expected) in live.iter().enumerate().skip(from - 1) {
            let (seq, event) = client.event(&session).await;
            assert_eq!((seq as usize, &event), (index + 1, expected));
        }
        client.call("session/close", json!({"sessionId": session})).await;
    }
}

#[tokio::test]
async fn killed_in_the_middle_of_a_turn_everything_shown_is_there_and_the_next_turn_runs() {
    let ground = Ground::new(&script::by_prompt(json!({
        "stream": [{"text": "word ", "repeat": 5_000_000}],
        "ask": [{"toolCall": {"name": "bash", "input": {"command": "true"}}}],
        "hello": [{"text": "hello again"}],
    })));
    let mut client = ground.client(everything()).await;
    let (streaming, asking) = (client.new_session().await, client.new_session().await);
    client.start(&streaming, "stream").await;
    client.start(&asking, "ask").await;
    let (_unanswered, params) = client.asked("approval/request").await;
    let approval = text(&params["approval"]["approvalId"]);
    let mut shown = Vec::new();
    while shown.len() < 200 {
        shown.push(client.event(&streaming).await);
    }
    client.child.start_kill().expect("kill -9");
    client.ended().await;
    for heard in client.drain() {
        if let crate::support::Heard::Notification { params, .. } = heard
            && params["sessionId"] == streaming.as_str()
        {
            shown.push((params["seq"].as_u64().expect("a seq"), params["event"].clone()));
        }
    }

    let mut client = ground.client(everything()).await;
    client.call("session/load", json!({"sessionId": streaming, "fromSeq": 1})).await;
    for expected in &shown {
        assert_eq!(&client.event(&streaming).await, expected);
    }
    let rest = client.events_until(&streaming, "turnEnded").await;
    assert_eq!(rest.last().expect("an end")["stopReason"], "interrupted");
    client.start(&streaming, "hello").await;
    let events = client.events_until(&streaming, "turnEnded").await;
    assert_eq!(streamed(&events), "hello again");

    // A turn that waited for the person goes on waiting.
    client.call("session/load", json!({"sessionId": asking, "fromSeq": 1})).await;
    let (_unanswered, params) = client.asked("approval/request").await;
    assert_eq!(params["approval"]["approvalId"], approval.as_str());
    client.call("turn/cancel", json!({"sessionId": asking})).await;
    let events = client.events_until(&asking, "turnEnded").await;
    assert!(events.iter().any(|event| event["type"] == "approvalResolved" && event["approvalId"] == approval.as_str()));
    client.start(&asking, "hello").await;
    assert_eq!(streamed(&client.events_until(&asking, "turnEnded").await), "hello again");
}

#[tokio::test]
async fn a_second_process_is_refused_a_session_that_is_open() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    let first = ground.client(everything()).await;
    let session = first.new_session().await;
    let second = ground.client(everything()).await;
    let error = second.refused("session/load", json!({"sessionId": session})).await;
    assert!(error.contains("another"), "{error}");
    assert!(first.leave().await.success());
    second.call("session/load", json!({"sessionId": session})).await;
}

#[tokio::test]
async fn sessions_are_listed_with_their_titles_and_settings() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "Make  the\ntests pass").await;
    client.events_until(&session, "turnEnded").await;
    let configure = json!({"sessionId": session, "mode": "acceptEdits", "limits": {"turnLimit": 3}});
    assert_eq!(client.call("session/configure", configure).await["mode"], "acceptEdits");
    let check = |listed: Value| {
        let listed = listed["sessions"].as_array().expect("sessions").clone();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["title"], "Make the tests pass");
        assert_eq!(listed[0]["mode"], "acceptEdits");
        assert_eq!(listed[0]["limits"]["turnLimit"], 3);
        assert_eq!(listed[0]["sessionId"], session.as_str());
    };
    check(client.call("session/list", json!({})).await);
    client.leave().await;
    let client = ground.client(everything()).await;
    check(client.call("session/list", json!({})).await);
}

#[tokio::test]
async fn a_session_takes_no_temperature_that_no_provider_takes() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    let client = ground.client(everything()).await;
    let session = client.new_session().await;
    for temperature in [2.5, -1.0, 1e39] {
        let limits = json!({"temperature": temperature});
        let error = client.refused("session/new", json!({"limits": limits})).await;
        assert!(error.contains("from 0 to 2"), "{error}");
        let error = client.refused("session/configure", json!({"sessionId": session, "limits": limits})).await;
        assert!(error.contains("from 0 to 2"), "{error}");
    }
}

#[tokio::test]
async fn steering_reaches_the_model_before_its_next_call() {
    let ground = Ground::new(&json!([
        {"match": "mind the gap", "steps": [{"text": "I do."}]},
        {"steps": [{"toolCall": {"name": "bash", "input": {"command": "true"}}}]},
    ]));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let (reply, _) = client.asked("approval/request").await;
    let steer = json!({"sessionId": session, "prompt": [{"type": "text", "text": "and mind the gap"}]});
    client.call("turn/steer", steer.clone()).await;
    reply.send(Ok(json!({"type": "allow"})));
    let events = client.events_until(&session, "turnEnded").await;
    assert!(events.iter().any(|event| event["type"] == "turnSteered"));
    assert_eq!(streamed(&events), "I do.");
    let log = std::fs::read_to_string(log_file(&ground, &session)).expect("the log");
    let messages: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|record| record["message"].is_object())
        .map(|record| record["message"].clone())
        .collect();
    let heard = messages.iter().position(|message| message.to_string().contains("mind the gap")).expect("it is there");
    assert!(heard < messages.len() - 1, "the model answered after it");
    let error = client.refused("turn/steer", steer).await;
    assert!(error.contains("No turn runs"), "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn closing_the_last_watcher_cancels_the_turn() {
    let ground = Ground::new(&script::always(json!([
        {"toolCall": {"name": "bash", "input": {"command": "sleep 1000.25"}}},
    ])));
    let mut client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    client.start(&session, "go").await;
    eventually("the command runs", || !crate::support::processes_with("1000.25").is_empty()).await;
    client.call("session/close", json!({"sessionId": session})).await;
    eventually("the command is gone", || crate::support::processes_with("1000.25").is_empty()).await;
    client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
}

fn log_file(ground: &Ground, session: &str) -> std::path::PathBuf {
    let mut folders = vec![ground.state()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_string_lossy().starts_with(session) {
                return entry.path();
            }
        }
    }
    panic!("no log of {session}");
}

#[tokio::test]
async fn a_mistake_in_the_configuration_is_told_once_and_stops_nothing() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    std::fs::create_dir(ground.project().join(".pillion")).expect("a folder");
    ground.write(".pillion/config.toml", "mode = \"auto\"\n");
    let mut client = ground.client(everything()).await;
    let info = client.call("session/new", json!({})).await;
    assert_eq!(info["mode"], "ask", "a project's file must not relax the mode");
    let (_, event) = client.event(&text(&info["sessionId"])).await;
    assert_eq!((&event["type"], &event["level"]), (&json!("notice"), &json!("warning")), "{event}");
    let second = client.new_session().await;
    client.start(&second, "go").await;
    let events = client.events_until(&second, "turnEnded").await;
    assert!(!events.iter().any(|event| event["type"] == "notice"), "it was told twice");
}

#[tokio::test]
async fn a_session_loaded_again_while_it_is_replayed_is_shown_once_and_whole() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    for _ in 0..50 {
        client.start(&session, "go").await;
        client.events_until(&session, "turnEnded").await;
    }
    let load = json!({"sessionId": session, "fromSeq": 1});
    let close = json!({"sessionId": session});
    let first = client.peer.request("session/load", &load, LIMIT);
    let closed = client.peer.request("session/close", &close, LIMIT);
    let second = client.peer.request("session/load", &load, LIMIT);
    first.await.expect("loaded");
    closed.await.expect("closed");
    let info: Value = serde_json::from_str(second.await.expect("loaded again").get()).expect("JSON");
    let last = info["lastSeq"].as_u64().expect("a number");
    client.start(&session, "go").await;
    let mut seqs = Vec::new();
    let mut ends = 0;
    while ends < 51 || seqs.last() <= Some(&last) {
        let (seq, event) = client.event(&session).await;
        if seq == 1 {
            // What the first load had sent before it was closed does not count.
            (seqs, ends) = (Vec::new(), 0);
        }
        seqs.push(seq);
        ends += u64::from(event["type"] == "turnEnded");
    }
    let expected: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, expected);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_said_while_the_disk_is_full_is_saved_once_there_is_room() {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let mut ground = Ground::new(&script::always(json!([{"text": "x"}])));
    // Writing beyond a limit fails as on a full disk, if the signal for it is ignored.
    ground.prefix = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"].map(str::to_owned).to_vec();
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let pid = client.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).expect("an id"))).expect("it runs");
    let maximum = getrlimit(Resource::Fsize).maximum;
    let mut shown = Vec::new();
    for (prompt, limit, notice) in [
        ("the first", maximum, None),
        ("the second", Some(0), Some("cannot be saved")),
        ("the third", maximum, Some("is saved again")),
    ] {
        prlimit(Some(pid), Resource::Fsize, Rlimit { current: limit, maximum }).expect("another limit");
        client.start(&session, prompt).await;
        let events = client.events_until(&session, "turnEnded").await;
        let notices = events.iter().filter(|event| event["type"] == "notice");
        let notices: Vec<_> = notices.map(|event| text(&event["message"])).collect();
        assert_eq!(notices.len(), usize::from(notice.is_some()), "{prompt}: {notices:?}");
        assert!(notice.is_none_or(|notice| notices[0].contains(notice)), "{prompt}: {notices:?}");
        shown.extend(events);
        // Whoever looks back sees what happened, saved or not.
        let listed = client.call("event/list", json!({"sessionId": session})).await;
        let listed = listed["events"].as_array().expect("events").iter().map(|event| event["event"].clone());
        assert!(listed.collect::<Vec<_>>().starts_with(&shown), "{prompt}");
        client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
        for expected in &shown {
            assert_eq!(&client.event(&session).await.1, expected, "{prompt}");
        }
    }
    client.child.start_kill().expect("kill -9");
    client.ended().await;

    let mut client = ground.client(everything()).await;
    client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
    for expected in &shown {
        assert_eq!(&client.event(&session).await.1, expected);
    }
    let log = std::fs::read_to_string(log_file(&ground, &session)).expect("the log");
    let messages = log.lines().filter(|line| line.starts_with("{\"message\""));
    let prompts = messages.filter(|line| line.contains("\"the ")).collect::<Vec<_>>();
    assert!(["first", "second", "third"].iter().zip(&prompts).all(|(n, line)| line.contains(n)), "{prompts:?}");
    assert_eq!(prompts.len(), 3);
}

async fn titles(client: &crate::support::Client) -> Vec<String> {
    let listed = client.call("session/list", json!({})).await;
    listed["sessions"].as_array().expect("sessions").iter().map(|session| text(&session["title"])).collect()
}

#[tokio::test]
async fn a_session_is_renamed_while_it_is_open_and_when_nobody_has_it_open() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "the first words").await;
    client.events_until(&session, "turnEnded").await;
    client.call("session/rename", json!({"sessionId": session, "title": "  The\nlogin  "})).await;
    let renamed = client.events_until(&session, "sessionRenamed").await;
    assert_eq!(renamed.last().expect("an event")["title"], "The login");
    assert_eq!(titles(&client).await, ["The login"]);
    let error = client.refused("session/rename", json!({"sessionId": session, "title": " \n"})).await;
    assert!(error.contains("at least one"), "{error}");

    client.call("session/close", json!({"sessionId": session})).await;
    client.call("session/rename", json!({"sessionId": session, "title": "Done"})).await;
    assert_eq!(titles(&client).await, ["Done"]);
    let info = client.call("session/load", json!({"sessionId": session})).await;
    assert_eq!(info["title"], "Done");
    // A later prompt is no title, and a turn's end keeps the one that there is.
    client.start(&session, "more").await;
    client.events_until(&session, "turnEnded").await;
    client.leave().await;
    assert_eq!(titles(&ground.client(everything()).await).await, ["Done"]);
}

#[tokio::test]
async fn a_session_is_branched_off_at_any_turn_that_ended_and_both_go_on() {
    let ground = Ground::new(&script::by_prompt(json!({
        "one": [{"text": "first"}],
        "two": [{"text": "second"}],
        "ask": [{"toolCall": {"name": "bash", "input": {"command": "true"}}}],
        "three": [{"text": "third"}],
    })));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let error = client.refused("session/fork", json!({"sessionId": session})).await;
    assert!(error.contains("nothing to branch off"), "{error}");
    let first = client.start(&session, "one").await;
    client.events_until(&session, "turnEnded").await;
    client.start(&session, "two").await;
    client.events_until(&session, "turnEnded").await;
    // The turn that runs is left out, and goes on.
    client.start(&session, "ask").await;
    let (reply, _) = client.asked("approval/request").await;

    for (turn, expected) in [(Value::Null, "firstsecond"), (Value::from(first), "first")] {
        let fork = client.call("session/fork", json!({"sessionId": session, "turnId": turn})).await;
        let fork = text(&fork["sessionId"]);
        assert_ne!(fork, session);
        let info = client.call("session/load", json!({"sessionId": fork, "fromSeq": 1})).await;
        assert_eq!((&info["title"], &info["turnId"]), (&json!("one"), &Value::Null));
        let mut events = Vec::new();
        while (events.len() as u64) < info["lastSeq"].as_u64().expect("a number") {
            events.push(client.event(&fork).await.1);
        }
        assert_eq!(streamed(&events), expected);
        client.start(&fork, "three").await;
        assert_eq!(streamed(&client.events_until(&fork, "turnEnded").await), "third");
        client.call("session/close", json!({"sessionId": fork})).await;
    }
    let error = client.refused("session/fork", json!({"sessionId": session, "turnId": "none"})).await;
    assert!(error.contains("no such turn"), "{error}");
    reply.send(Ok(json!({"type": "allow"})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");
}

#[tokio::test]
async fn a_session_is_deleted_once_nobody_watches_it() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}])));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "hi").await;
    client.events_until(&session, "turnEnded").await;
    let error = client.refused("session/delete", json!({"sessionId": session})).await;
    assert!(error.contains("session/close"), "{error}");
    client.call("session/close", json!({"sessionId": session})).await;
    client.call("session/delete", json!({"sessionId": session})).await;
    assert_eq!(titles(&client).await, [""; 0]);
    client.refused("session/load", json!({"sessionId": session})).await;
}
