//! Conversations that outgrow the model's context, what they cost, and how full the context is.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Client, Ground, LIMIT, everything, script, streamed, text};

/// The scripted model has this window, and costs a dollar for a thousand tokens in and two for those out.
fn ground(script: &Value, window: u64, more: &str) -> Ground {
    let ground = Ground::new(script);
    let path = ground.folder().join("config.toml");
    let mut config = std::fs::read_to_string(&path).expect("a configuration");
    config += &format!(
        "{more}\n[models.\"scripted/any\"]\nwindow = {window}\ninput_price = 1000\noutput_price = 2000\n\
         cache_read_price = 0.5\n"
    );
    std::fs::write(path, config).expect("a configuration");
    ground
}

fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

fn context(events: &[Value]) -> u64 {
    of_kind(events, "usage").last().expect("usage")["context"]["tokens"].as_u64().expect("tokens")
}

/// A session that has read a file of some 20,000 tokens.
async fn well_read(ground: &Ground, client: &mut Client) -> String {
    ground.write("long.txt", &"All work and no play makes a dull ride.\n".repeat(1_900));
    let session = client.new_session().await;
    client.start(&session, "read it").await;
    client.events_until(&session, "turnEnded").await;
    session
}

fn reading(more: &[Value]) -> Value {
    let read = json!({"match": "read it", "steps": [{"toolCall": {"name": "read", "input": {"path": "long.txt"}}}]});
    let mut script = vec![read, json!({"afterTools": true, "steps": [{"text": "I read it."}]})];
    script.extend_from_slice(more);
    json!(script)
}

/// A session whose conversation is just being made shorter, by a model that says nothing.
#[cfg(unix)]
pub async fn without_end() -> (Ground, Client, String) {
    let then =
        [json!({"match": "forever", "steps": [{"hang": true}]}), json!({"match": "go on", "steps": [{"text": "On."}]})];
    let ground = ground(&reading(&then), 100_000, "");
    let mut client = ground.client(everything()).await;
    let session = well_read(&ground, &mut client).await;
    client.call("session/compact", json!({"sessionId": session, "instructions": "forever"})).await;
    (ground, client, session)
}

/// It still is; what comes then is the next turn.
#[cfg(unix)]
pub async fn goes_on_until_cancelled(mut client: Client, session: &str) {
    let cancelled = client.call("turn/cancel", json!({"sessionId": session})).await;
    assert_eq!(cancelled["cancelled"], true, "it went on");
    client.start(session, "go on").await;
    let events = client.events_until(session, "turnEnded").await;
    assert_eq!(of_kind(&events, "turnStarted").len(), 1, "{events:?}");
    assert_eq!(streamed(&events), "On.");
    client.leave().await;
}

#[tokio::test]
async fn each_call_says_what_it_cost_and_how_full_the_context_is() {
    let usage = json!({"usage": {"inputTokens": 1_000, "outputTokens": 100, "cacheReadTokens": 2_000}});
    let ground = ground(&script::always(json!([{"text": "x"}, usage])), 10_000, "");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    client.events_until(&session, "turnEnded").await;
    client.start(&session, "again").await;
    let events = client.events_until(&session, "turnEnded").await;
    // 1,000 x 1,000, 100 x 2,000 and 2,000 x 0.50 dollars for a million.
    let cost = 1_201_000_000_u64;
    let usage = of_kind(&events, "usage")[0];
    assert_eq!(usage["round"]["cost"], json!({"nanoDollars": cost}));
    assert_eq!(usage["turn"]["cost"], json!({"nanoDollars": cost}));
    assert_eq!(usage["context"], json!({"tokens": 3_100, "window": 10_000, "share": 0.31}));
    assert_eq!(events.last().expect("an end")["usage"]["cost"], json!({"nanoDollars": cost}));
    assert!(client.leave().await.success());

    // What is in the log is counted again.
    let client = ground.client(everything()).await;
    let listed = client.call("session/list", json!({})).await;
    assert_eq!(listed["sessions"][0]["usage"]["cost"], json!({"nanoDollars": 2 * cost}));
    let loaded = client.call("session/load", json!({"sessionId": session})).await;
    assert_eq!(loaded["usage"]["cost"], json!({"nanoDollars": 2 * cost}));

    let models = client.call("model/list", json!({})).await;
    let find = |id: &str| {
        let mut models = models["models"].as_array().expect("models").iter();
        models.find(|model| model["id"] == id).unwrap_or_else(|| panic!("no {id}")).clone()
    };
    assert_eq!(find("scripted/any")["window"], 10_000);
    assert_eq!(find("scripted/any")["prices"], json!({"input": 1_000.0, "output": 2_000.0, "cacheRead": 0.5}));
    assert_eq!(find("anthropic/claude-haiku-4-5")["window"], 200_000);
    assert_eq!(find("anthropic/claude-haiku-4-5")["prices"]["cacheWriteLong"], 2.0);
}

#[tokio::test]
async fn what_nobody_knows_the_price_of_is_not_free() {
    let ground = Ground::new(&script::always(json!([{"text": "x"}, {"usage": {"inputTokens": 9, "outputTokens": 9}}])));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let events = client.events_until(&session, "turnEnded").await;
    let usage = of_kind(&events, "usage")[0];
    assert!(usage["round"].get("cost").is_none() && usage["turn"].get("cost").is_none(), "{usage}");
    assert_eq!(usage["context"], json!({"tokens": 18}));
    assert!(events.last().expect("an end")["usage"].get("cost").is_none());
}

#[tokio::test]
async fn a_terminal_says_at_the_end_what_it_cost() {
    let usage = json!({"usage": {"inputTokens": 10, "outputTokens": 1}});
    let ground = ground(&json!([{"steps": [{"text": "Hello."}, usage]}]), 10_000, "");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"));
    command.args(["run", "hello"]).envs(ground.env.iter().cloned()).current_dir(ground.project());
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(LIMIT, output).await.expect("it ends").expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello.\n");
    let aside = String::from_utf8_lossy(&output.stderr);
    assert!(aside.contains("10 tokens in, 1 out, $0.0120"), "{aside}");
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_made_shorter_and_a_restart_goes_on_with_that() {
    let too_long = json!({"steps": [{"error": {"class": "contextLength", "message": "Too long.", "status": 400}}]});
    let then = [
        json!({"match": "go on", "steps": too_long["steps"]}),
        json!({"match": "go on", "steps": [{"text": "Shorter, it fits."}]}),
        json!({"match": "and on", "steps": [{"text": "On."}]}),
    ];
    // By itself it does nothing at this size.
    let ground = ground(&reading(&then), 100_000, "[compaction]\nkeep_recent = 1");
    let mut client = ground.client(everything()).await;
    let session = well_read(&ground, &mut client).await;
    client.start(&session, "go on").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "Shorter, it fits.");
    assert_eq!(events.last().expect("an end")["stopReason"], "endTurn");
    assert!(of_kind(&events, "toolCall").is_empty(), "no tool runs again");
    let [compaction] = of_kind(&events, "compaction").try_into().expect("one compaction");
    assert_eq!(compaction["reason"], "rejected");
    assert_eq!(compaction["strategies"], json!(["clipOutputs"]));
    let tokens = |name: &str| compaction[name].as_u64().expect("tokens");
    assert!(tokens("tokensBefore") > 18_000 && tokens("tokensAfter") < tokens("tokensBefore") / 2, "{compaction}");
    let small = context(&events);

    client.child.start_kill().expect("kill -9");
    client.ended().await;
    let mut client = ground.client(everything()).await;
    client.call("session/load", json!({"sessionId": session})).await;
    client.start(&session, "and on").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "On.");
    assert!(context(&events) < small + 500, "{} after {small}", context(&events));
    // All that was said is still there to be seen.
    client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
    let events = client.events_until(&session, "toolResult").await;
    assert!(text(&events.last().expect("a result")["text"]).len() > 50_000);
}

#[tokio::test]
async fn a_context_that_is_nearly_full_is_made_smaller_unless_that_is_switched_off() {
    for auto in [true, false] {
        let then = [json!({"match": "go on", "steps": [{"text": "On."}]})];
        let settings = format!("[compaction]\nauto = {auto}\nat = 0.5\nkeep_recent = 1");
        let ground = ground(&reading(&then), 36_000, &settings);
        let mut client = ground.client(everything()).await;
        let session = well_read(&ground, &mut client).await;
        client.start(&session, "go on").await;
        client.events_until(&session, "turnEnded").await;
        client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
        let mut events = client.events_until(&session, "turnEnded").await;
        events.extend(client.events_until(&session, "turnEnded").await);
        let reasons: Vec<&Value> = of_kind(&events, "compaction").iter().map(|event| &event["reason"]).collect();
        assert_eq!(reasons, if auto { vec!["share"] } else { vec![] }, "{events:?}");
        assert_eq!(context(&events) < 18_000, auto);
    }
}

#[tokio::test]
async fn a_client_has_a_conversation_summarised_and_the_next_turn_waits_for_it() {
    let then = [
        json!({"match": "keep the names", "steps": [{"text": "A dull file was read."}, {"delayMs": 50}]}),
        json!({"match": "go on", "steps": [{"text": "On."}]}),
    ];
    let ground = ground(&reading(&then), 100_000, "");
    let mut client = ground.client(everything()).await;
    let session = well_read(&ground, &mut client).await;
    let compact = json!({"sessionId": session, "instructions": "keep the names"});
    let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "go on"}]});
    let compacting = client.peer.request("session/compact", &compact, LIMIT);
    let again = client.peer.request("session/compact", &compact, LIMIT);
    let starting = client.peer.request("turn/start", &prompt, LIMIT);
    compacting.await.expect("it is begun");
    assert!(again.await.expect_err("one at a time").to_string().contains("already"));
    let events = client.events_until(&session, "turnStarted").await;
    starting.await.expect("it is started");
    let [usage, compaction, _] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&usage["type"], &compaction["type"]), (&json!("usage"), &json!("compaction")));
    assert_eq!((&compaction["reason"], &compaction["strategies"]), (&json!("byHand"), &json!(["summarise"])));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "On.");
    assert!(context(&events) < 8_000, "{}", context(&events));

    // Where there is nothing to gain, that is what it says.
    let session = client.new_session().await;
    client.call("session/compact", json!({"sessionId": session})).await;
    let (_, event) = client.event(&session).await;
    assert!(event["type"] == "notice" && text(&event["message"]).contains("nothing"), "{event}");
}

#[tokio::test]
async fn a_compaction_is_refused_while_a_turn_runs_and_stopped_by_a_cancel() {
    let then = [
        json!({"match": "hang", "steps": [{"text": "Working"}, {"hang": true}]}),
        json!({"match": "forever", "steps": [{"hang": true}]}),
        json!({"match": "go on", "steps": [{"text": "On."}]}),
    ];
    let ground = ground(&reading(&then), 100_000, "");
    let mut client = ground.client(everything()).await;
    let session = well_read(&ground, &mut client).await;
    client.start(&session, "hang").await;
    client.events_until(&session, "messageDelta").await;
    let error = client.refused("session/compact", json!({"sessionId": session})).await;
    assert!(error.contains("turn is still running"), "{error}");
    client.call("turn/cancel", json!({"sessionId": session})).await;
    client.events_until(&session, "turnEnded").await;

    client.call("session/compact", json!({"sessionId": session, "instructions": "forever"})).await;
    let cancelled = client.call("turn/cancel", json!({"sessionId": session})).await;
    assert_eq!(cancelled["cancelled"], true);
    let (_, event) = client.event(&session).await;
    assert!(event["type"] == "notice" && text(&event["message"]).contains("stays as it was"), "{event}");
    client.start(&session, "go on").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert!(context(&events) > 15_000, "nothing was lost");

    // A shutdown does not wait for a model that says nothing.
    client.call("session/compact", json!({"sessionId": session, "instructions": "forever"})).await;
    assert!(client.leave().await.success());
}
