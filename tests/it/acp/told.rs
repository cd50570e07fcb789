//! What a client is told beside messages and calls: how full the context is, plans, what sub-agents do; and what waits.

use serde_json::{Value, json};

use super::Chat;
use crate::support::{Ground, script, text};

/// The scripted model has this window, and costs a dollar for a thousand tokens in and two for those out.
fn priced(script: &Value, window: u64, more: &str) -> Ground {
    let ground = Ground::new(script);
    let path = ground.folder().join("config.toml");
    let mut config = std::fs::read_to_string(&path).expect("a configuration");
    config +=
        &format!("{more}\n[models.\"scripted/any\"]\nwindow = {window}\ninput_price = 1000\noutput_price = 2000\n");
    std::fs::write(path, config).expect("a configuration");
    ground
}

#[tokio::test]
async fn usage_says_how_full_the_context_is_and_what_the_session_has_cost() {
    let usage = json!({"usage": {"inputTokens": 1_000, "outputTokens": 100}});
    let ground = priced(&script::always(json!([{"text": "x"}, usage])), 10_000, "");
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    chat.prompt(&session, "again").await;
    let told = |chat: &Chat| {
        let updates = chat.updates("usage_update").into_iter();
        updates.map(|update| json!([update["used"], update["size"], update["cost"]])).collect::<Vec<_>>()
    };
    let cost = |amount: f64| json!({"amount": amount, "currency": "USD"});
    assert_eq!(told(&chat), [json!([1_100, 10_000, cost(1.2)]), json!([1_100, 10_000, cost(2.4)])]);
    chat.leave().await;
    // It is known again with the session, before its request is answered.
    let mut chat = Chat::new(&ground, json!({})).await;
    chat.call("session/load", json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []})).await;
    assert_eq!(told(&chat), [json!([1_100, 10_000, cost(2.4)])]);
    chat.call("session/load", json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []})).await;
    assert_eq!(told(&chat)[1..], [json!([1_100, 10_000, cost(2.4)])], "what is shown twice was paid once");
    chat.leave().await;
    // Without a window or a price, nothing is made up.
    let ground = Ground::new(&script::always(json!([{"text": "x"}, usage])));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    assert_eq!(told(&chat), [] as [Value; 0]);
}

#[tokio::test]
async fn a_conversation_that_was_made_shorter_is_told_as_such_or_as_a_notice() {
    let too_long = json!([{"error": {"class": "contextLength", "message": "Too long.", "status": 400}}]);
    let script = json!([
        {"match": "read it", "steps": [{"toolCall": {"name": "read", "input": {"path": "long.txt"}}}]},
        {"afterTools": true, "steps": [{"text": "I read it."}]},
        {"match": "go on", "steps": too_long},
        {"match": "go on", "steps": [{"text": "Shorter, it fits."}]},
    ]);
    for (ability, kind) in [("compaction", "compaction_update"), ("notices", "notice")] {
        let ground = priced(&script, 100_000, "[compaction]\nkeep_recent = 1");
        ground.write("long.txt", &"All work and no play makes a dull ride.\n".repeat(1_900));
        let (mut chat, session) = Chat::in_session(&ground, json!({"session": {ability: {}}})).await;
        chat.prompt(&session, "read it").await;
        assert_eq!(chat.prompt(&session, "go on").await, "end_turn");
        assert!(chat.said().ends_with("Shorter, it fits."), "{}", chat.said());
        let told = chat.updates(kind);
        let told = told.iter().find(|update| update.to_string().contains("tokens")).expect("it is told");
        if ability == "compaction" {
            assert_eq!(told["status"], "completed");
            assert!(text(&told["compactionId"]).starts_with(&session), "{told}");
            assert!(text(&told["summary"][0]["text"]).contains("tokens instead of"), "{told}");
        } else {
            assert_eq!(told["severity"], "info");
        }
    }
}

#[tokio::test]
async fn what_a_sub_agent_does_is_shown_below_its_call_and_its_permissions_are_asked() {
    let spawn = json!({"toolCall": {"name": "sub_agent", "input": {"task": "subtask"}}});
    let write = json!({"toolCall": {"name": "write", "input": {"path": "made.txt", "content": "made\n"}}});
    let ground = Ground::new(&json!([
        {"afterTools": true, "steps": [{"text": "done"}], "reuse": true},
        {"match": "subtask", "steps": [{"text": "In the deep."}, write]},
        {"match": "go", "steps": [spawn]},
    ]));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    assert_eq!(chat.prompt(&session, "go").await, "end_turn");
    let calls = chat.updates("tool_call");
    let [outer, inner] = calls.as_slice() else { panic!("{calls:#?}") };
    assert_eq!((&outer["name"], &inner["name"]), (&json!("sub_agent"), &json!("write")));
    assert!(text(&inner["title"]).starts_with("  "), "{inner}");
    let (outer, inner) = (text(&outer["toolCallId"]), text(&inner["toolCallId"]));
    assert!(inner.starts_with(&format!("{outer}.")), "{inner} in {outer}");
    let asked = &chat.asked("session/request_permission")[0]["toolCall"];
    assert_eq!(asked["toolCallId"], inner);
    assert!(text(&asked["title"]).contains("(agent "), "{asked}");
    assert!(ground.project().join("made.txt").exists());
    // Each ends once, the inner before the outer, and what the agent says is for the model that sent it.
    let ended = |update: &&Value| update["status"] == "completed";
    let ends: Vec<_> = chat.updates("tool_call_update").into_iter().filter(ended).collect();
    assert_eq!(ends.iter().map(|update| text(&update["toolCallId"])).collect::<Vec<_>>(), [inner, outer]);
    assert_eq!(chat.said(), "done");
}

#[tokio::test]
async fn a_plan_is_told_whole_each_time_and_again_with_the_past() {
    let plan = |first: &str, second: &str| {
        json!({"toolCall": {"name": "plan", "input": {"items":
            [{"text": "Look", "status": first}, {"text": "Leap", "status": second}]}}})
    };
    let steps = json!([plan("inProgress", "pending"), plan("completed", "inProgress")]);
    let ground = Ground::new(&script::always(steps));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    let plans = |chat: &Chat| {
        let statuses = |update: &Value| {
            let entries = update["entries"].as_array().expect("entries");
            entries.iter().map(|entry| format!("{} {}", text(&entry["content"]), text(&entry["status"]))).collect()
        };
        chat.updates("plan").into_iter().map(statuses).collect::<Vec<Vec<String>>>()
    };
    let expected = [["Look in_progress", "Leap pending"], ["Look completed", "Leap in_progress"]];
    assert_eq!(plans(&chat), expected);
    chat.leave().await;
    let mut chat = Chat::new(&ground, json!({})).await;
    chat.call("session/load", json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []})).await;
    assert_eq!(plans(&chat), expected);
}

/// A turn that lasts until `go.txt` is there, and one that says `two` or `three`.
fn waiting() -> Ground {
    let wait = json!({"toolCall": {"name": "bash", "input": {"command": "until [ -e go.txt ]; do sleep 0.01; done"}}});
    Ground::new(&json!([
        {"afterTools": true, "steps": [{"text": "one "}], "reuse": true},
        {"match": "first", "steps": [wait], "reuse": true},
        {"match": "second", "steps": [{"text": "two "}], "reuse": true},
        {"match": "third", "steps": [{"text": "three "}], "reuse": true},
    ]))
}

async fn begun(chat: &mut Chat, session: &str) -> u64 {
    chat.call("session/set_mode", json!({"sessionId": session, "modeId": "auto"})).await;
    let first = chat.begin(session, "first").await;
    chat.until(|message| message["params"]["update"]["sessionUpdate"] == "tool_call").await;
    first
}

#[tokio::test]
async fn prompts_wait_for_those_before_them_and_each_answer_comes_after_its_own_turn() {
    let ground = waiting();
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    let first = begun(&mut chat, &session).await;
    let second = chat.begin(&session, "second").await;
    let taken_back = chat.begin(&session, "second").await;
    let third = chat.begin(&session, "third").await;
    chat.notify("$/cancel_request", json!({"requestId": taken_back})).await;
    assert_eq!(chat.ended(taken_back).await, "cancelled");
    ground.write("go.txt", "");
    for (prompt, said) in [(first, "one "), (second, "one two "), (third, "one two three ")] {
        assert_eq!((chat.ended(prompt).await, chat.said()), ("end_turn".to_owned(), said.to_owned()));
    }
    assert!(chat.updates("user_message_chunk").is_empty(), "the client knows what it said");
}

#[tokio::test]
async fn a_cancel_takes_back_what_waits_and_so_does_the_end_of_the_session() {
    for method in ["session/cancel", "session/close"] {
        let ground = waiting();
        let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
        let prompts = [begun(&mut chat, &session).await, chat.begin(&session, "second").await];
        if method == "session/cancel" {
            chat.notify(method, json!({"sessionId": session})).await;
        } else {
            chat.send(method, json!({"sessionId": session})).await;
        }
        // What waits is answered first.
        for prompt in prompts.into_iter().rev() {
            assert_eq!(chat.ended(prompt).await, "cancelled", "{method}");
        }
        assert_eq!(chat.said(), "");
    }
}

#[tokio::test]
async fn what_is_said_to_a_running_turn_reaches_it_by_the_extension_that_agents_share() {
    let wait = json!({"toolCall": {"name": "bash", "input": {"command": "until [ -e go.txt ]; do sleep 0.01; done"}}});
    let ground = Ground::new(&json!([
        {"match": "first", "steps": [wait]},
        {"match": "be quick", "steps": [{"text": "Quickly."}]},
    ]));
    let mut chat = Chat::spawn(&ground);
    let introduced = chat.call("initialize", json!({"protocolVersion": 1, "clientCapabilities": {}})).await;
    assert_eq!(introduced["_meta"]["steering"], json!({"supported": true}));
    let session = chat.new_session(&ground.project()).await;
    let words = json!({"sessionId": session, "prompt": [{"type": "text", "text": "be quick"}]});
    assert_eq!(chat.call("_session/steering", words.clone()).await["outcome"], "failed");
    let mut idle = words.clone();
    idle["_meta"] = json!({"steering": {"idleBehavior": "promptRequired"}});
    assert_eq!(chat.call("_session/steering", idle).await, json!({"outcome": "promptRequired"}));
    let first = begun(&mut chat, &session).await;
    assert_eq!(chat.call("_session/steering", words).await, json!({"outcome": "injected"}));
    ground.write("go.txt", "");
    assert_eq!(chat.ended(first).await, "end_turn");
    assert_eq!(chat.said(), "Quickly.");
    assert!(chat.updates("user_message_chunk").is_empty(), "the client knows what it said");
}
