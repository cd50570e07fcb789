//! Calls of a server's tools, and what it may answer.

use serde_json::{Value, json};

use super::{calls, ground, ready, turn, until};
use crate::support::{everything, script, streamed, text};

#[tokio::test]
async fn a_tool_of_a_server_asks_runs_and_can_be_allowed_by_its_name() {
    let ground =
        ground!(&script::by_prompt(json!({"go": calls("echo", json!({"text": "hi", "times": "2"}))})), &[], "");
    let mut client = ground.client(everything()).await;
    let server = until(&client, json!({}), "tests", "ready").await;
    assert_eq!(server["tools"], 18, "both pages");
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let (reply, params) = client.asked("approval/request").await;
    let approval = &params["approval"];
    assert_eq!((&approval["class"], &approval["title"]), (&json!("execute"), &json!("tests: echo")));
    assert_eq!(approval["rules"], json!(["mcp__tests__echo"]));
    assert_eq!(approval["input"], json!({"text": "hi", "times": "2"}));
    reply.send(Ok::<_, pillion::rpc::Error>(json!({"type": "allow", "scope": "user"})));
    let events = client.events_until(&session, "turnEnded").await;
    let result = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
    assert_eq!((&result["status"], &result["text"]), (&json!("ok"), &json!("hi hi")), "the slip is put right");

    let (result, events) = turn(&mut client, &session, "go").await;
    assert_eq!(result["text"], "hi hi");
    assert!(events.iter().all(|event| event["type"] != "approvalRequested"), "the rule holds");
}

#[tokio::test]
async fn what_a_server_says_of_its_tools_is_advice_and_no_permission() {
    let ground = ground!(&script::by_prompt(json!({"go": calls("hang", json!({}))})), &[], "");
    let mut client = ground.client(everything()).await;
    until(&client, json!({}), "tests", "ready").await;
    for mode in ["ask", "acceptEdits"] {
        let session = text(&client.call("session/new", json!({"mode": mode})).await["sessionId"]);
        client.start(&session, "go").await;
        let (_reply, params) = client.asked("approval/request").await;
        assert_eq!(params["approval"]["class"], "execute");
        assert!(text(&params["approval"]["risk"]).contains("says of itself that it changes nothing"), "{params}");
        client.call("turn/cancel", json!({"sessionId": session})).await;
    }
    let session = text(&client.call("session/new", json!({"mode": "plan"})).await["sessionId"]);
    let (result, _) = turn(&mut client, &session, "go").await;
    assert_eq!(result["status"], "denied");
}

#[tokio::test]
async fn a_field_whose_name_models_do_not_take_comes_to_the_server_as_its_own() {
    let script = script::by_prompt(json!({"go": calls("sloppy", json!({"filter_id_": [1]}))}));
    let ground = ground!(&script, &["--sloppy"], "");
    let (mut client, session) = ready(&ground).await;
    assert_eq!(turn(&mut client, &session, "go").await.0["text"], r#"{"filter[id]": [1]}"#);
}

#[tokio::test]
async fn more_tools_than_models_take_are_left_out_and_that_is_told() {
    let ground = ground!(&script::always(json!([{"text": "fine"}])), &["--many"], "");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    assert_eq!(until(&client, json!({}), "tests", "ready").await["tools"], 100);
    let notice = client.events_until(&session, "notice").await.pop().expect("an event");
    let message = text(&notice["message"]);
    assert!(message.contains("50 are left out, from `mcp__tests__tool_100` on"), "{message}");
}

#[tokio::test]
async fn what_a_client_brings_gets_the_room_that_the_settings_servers_leave() {
    let ninety = "tools = ['tool_?', 'tool_[1-8]?']";
    let ground = ground!(&script::always(json!([{"text": "fine"}])), &["--many"], ninety);
    let Some(python) = super::python() else { return };
    let brought = json!([{
        "type": "stdio", "name": "own", "command": python, "args": [super::script_path().to_string_lossy(), "--many"],
    }]);
    let mut client = ground.client(everything()).await;
    assert_eq!(until(&client, json!({}), "tests", "ready").await["tools"], 90);
    let session = text(&client.call("session/new", json!({"mcpServers": brought})).await["sessionId"]);
    assert_eq!(until(&client, json!({"sessionId": session}), "own", "ready").await["tools"], 10);
    let notice = client.events_until(&session, "notice").await.pop().expect("an event");
    let message = text(&notice["message"]);
    assert!(message.contains("140 are left out, from `mcp__own__tool_10` on"), "{message}");
}

#[tokio::test]
async fn a_wrong_input_is_told_before_anybody_is_asked() {
    let ground = ground!(&script::by_prompt(json!({"go": calls("echo", json!({"times": []}))})), &[], "");
    let mut client = ground.client(everything()).await;
    until(&client, json!({}), "tests", "ready").await;
    let session = client.new_session().await;
    let (result, events) = turn(&mut client, &session, "go").await;
    assert_eq!(result["status"], "failed");
    let expected = "wrong input for mcp__tests__echo, nothing was done: `text` is missing; `times` should be an integer, \
                    not an array";
    assert_eq!(result["text"], expected);
    assert!(events.iter().all(|event| event["type"] != "approvalRequested"));
    assert!(!super::log(&ground).contains("call"), "the server saw nothing of it");
}

async fn answers(cases: &[(&str, Value, &str, &str)], settings: &str) {
    let prompts: serde_json::Map<String, Value> = cases
        .iter()
        .enumerate()
        .map(|(index, (tool, input, ..))| (format!("case {index}."), calls(tool, input.clone())))
        .collect();
    let ground = ground!(&script::by_prompt(Value::Object(prompts)), &[], settings);
    let (mut client, session) = ready(&ground).await;
    for (index, (tool, _, status, expected)) in cases.iter().enumerate() {
        let (result, _) = turn(&mut client, &session, &format!("case {index}.")).await;
        assert_eq!(&result["status"], status, "{tool}: {result}");
        let said = text(&result["text"]);
        assert!(said.contains(expected), "{tool}: {said:?} should hold {expected:?}");
    }
}

#[tokio::test]
async fn each_answer_becomes_one_result() {
    answers(
        &[
            ("odd_name_here", json!({}), "ok", "odd"),
            ("fail", json!({}), "failed", "it did not work"),
            ("structured", json!({}), "ok", r#"{"answer":42}"#),
            ("kinds", json!({}), "ok", "<resource uri=\"test://a\">\ninside\n</resource>"),
            ("kinds", json!({}), "ok", "[image left out: it is neither PNG, JPEG, GIF nor WebP]"),
            ("kinds", json!({}), "ok", "[resource <test://b> left out: 6 bytes of application/zip]"),
            ("kinds", json!({}), "ok", "[resource linked <test://c>]"),
        ],
        "",
    )
    .await;
}

#[tokio::test]
async fn a_server_that_talks_nonsense_still_gives_each_call_its_one_result() {
    answers(
        &[
            ("garble", json!({"how": "noise"}), "ok", "right"),
            ("garble", json!({"how": "wrong id"}), "ok", "right"),
            ("garble", json!({"how": "twice"}), "ok", "right"),
            ("garble", json!({"how": "no result"}), "failed", "the answer is none that MCP knows"),
            ("garble", json!({"how": "strange result"}), "failed", "something that is no result of a tool"),
            ("echo", json!({"text": "still there"}), "ok", "still there"),
        ],
        "",
    )
    .await;
}

#[tokio::test]
async fn a_hanging_call_ends_at_its_time_limit_and_the_server_lives_on() {
    let silent = "said nothing for 0.2 s and was told to stop";
    answers(
        &[("hang", json!({}), "failed", silent), ("echo", json!({"text": "still there"}), "ok", "still there")],
        "timeout = 0.2",
    )
    .await;
}

#[tokio::test]
async fn a_huge_answer_is_cut_between_characters_and_one_beyond_all_measure_is_refused() {
    answers(
        &[
            ("huge", json!({"bytes": 3_000_000}), "ok", "éééé"),
            ("huge", json!({"bytes": 40_000_000}), "failed", "too long"),
            ("echo", json!({"text": "still there"}), "ok", "still there"),
        ],
        "",
    )
    .await;
}

#[tokio::test]
async fn progress_is_told_while_a_call_runs() {
    let ground = ground!(&script::by_prompt(json!({"go": calls("slow", json!({}))})), &[], "");
    let (mut client, session) = ready(&ground).await;
    let (result, events) = turn(&mut client, &session, "go").await;
    assert_eq!(result["text"], "at last");
    let told: String =
        events.iter().filter(|event| event["type"] == "toolProgress").map(|event| text(&event["text"])).collect();
    assert_eq!(told, "[1/2] step 1\n[2/2] step 2\n");
}

#[tokio::test]
async fn a_cancelled_call_is_told_to_the_server() {
    let ground = ground!(&script::by_prompt(json!({"go": calls("hang", json!({}))})), &[], "");
    let (mut client, session) = ready(&ground).await;
    client.start(&session, "go").await;
    super::logged(&ground, "call hang").await;
    client.call("turn/cancel", json!({"sessionId": session})).await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
    assert!(events.iter().any(|event| event["type"] == "toolResult" && event["status"] == "cancelled"));
    super::logged(&ground, "notifications/cancelled").await;
}

#[tokio::test]
async fn what_a_server_asks_is_put_before_the_person() {
    let ground = ground!(&script::by_prompt(json!({"go": calls("ask", json!({}))})), &[], "timeout = 0.3");
    let mut everything = everything();
    everything["questionRequest"] = json!(true);
    let mut client = ground.client(everything).await;
    until(&client, json!({}), "tests", "ready").await;
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    client.start(&session, "go").await;
    for (expected, answer) in [
        ("The MCP server `tests` asks: What shall it be?\n\nColour", json!({"type": "choice", "index": 0})),
        ("count: How many", json!({"type": "text", "text": "2"})),
    ] {
        let (reply, params) = client.asked("question/request").await;
        assert_eq!(params["question"]["text"], expected);
        // The person may take longer than the server's time limit.
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        reply.send(Ok::<_, pillion::rpc::Error>(answer));
    }
    let events = client.events_until(&session, "turnEnded").await;
    let result = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
    assert_eq!(result["text"], r#"{"action": "accept", "content": {"colour": "red", "count": 2}}"#);
}

#[tokio::test]
async fn a_prompt_of_a_server_is_a_command() {
    let script = script::by_prompt(json!({"Review all of it": [{"text": "reviewed"}]}));
    let ground = ground!(&script, &["--slow-start", "1"], "");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    assert_eq!(client.call("command/list", json!({"sessionId": session})).await["commands"], json!([]));
    let changed = client.events_until(&session, "commandsChanged").await.pop().expect("an event");
    let review = json!({
        "name": "mcp__tests__review", "description": "Reviews it", "arguments": "<what>", "source": "tests",
    });
    assert_eq!(changed["commands"], json!([review]));
    assert_eq!(client.call("command/list", json!({"sessionId": session})).await["commands"], json!([review]));
    client.start(&session, "/mcp__tests__review all of it").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "reviewed");
}

#[tokio::test]
async fn resources_are_listed_and_read_by_one_tool() {
    let resource = |input| json!([{"toolCall": {"name": "mcp_resource", "input": input}}]);
    let prompts = json!({
        "list": resource(json!({})),
        "read": resource(json!({"server": "tests", "uri": "test://note/7"})),
        "whose": resource(json!({"uri": "test://note/7"})),
        "none": resource(json!({"server": "other", "uri": "test://note/7"})),
    });
    let ground = ground!(&script::by_prompt(prompts), &[], "");
    let (mut client, session) = ready(&ground).await;
    let (listed, _) = turn(&mut client, &session, "list").await;
    assert_eq!(listed["text"], "tests  test://notes  notes - All notes\ntests  test://note/{id}  note");
    let (read, _) = turn(&mut client, &session, "read").await;
    assert_eq!(read["text"], "<resource uri=\"test://note/7\">\nnoted: test://note/7\n</resource>");
    let (whose, _) = turn(&mut client, &session, "whose").await;
    assert!(text(&whose["text"]).starts_with("`server` is missing"), "{whose}");
    let (none, _) = turn(&mut client, &session, "none").await;
    assert_eq!(none["text"], "there is no MCP server `other`");
}

#[tokio::test]
async fn a_server_gets_no_key_and_what_is_set_for_it() {
    let environment = |name: &str| calls("environment", json!({"name": name}));
    let prompts = json!({
        "key": environment("SOME_API_KEY"), "set": environment("CHOSEN"), "filled": environment("FILLED"),
        "path": environment("PATH"),
    });
    let settings = "env = { CHOSEN = \"by me\", FILLED = \"<${SOME_API_KEY}>\" }";
    let mut ground = ground!(&script::by_prompt(prompts), &[], settings);
    ground.env.push(("SOME_API_KEY".to_owned(), "secret".to_owned()));
    let (mut client, session) = ready(&ground).await;
    for (prompt, expected) in [("key", "(not set)"), ("set", "by me"), ("filled", "<secret>")] {
        assert_eq!(turn(&mut client, &session, prompt).await.0["text"], expected);
    }
    assert_ne!(turn(&mut client, &session, "path").await.0["text"], "(not set)");
}

#[tokio::test]
async fn a_server_knows_the_roots() {
    let ground = ground!(&script::by_prompt(json!({"go": calls("roots", json!({}))})), &[], "");
    let (mut client, session) = ready(&ground).await;
    let (result, _) = turn(&mut client, &session, "go").await;
    let roots: Value = serde_json::from_str(&text(&result["text"])).expect("JSON");
    assert_eq!(roots["roots"], json!([{"uri": format!("file://{}", ground.project().display()), "name": "project"}]));
}
