//! What a running call wants of the person and the editor: questions, plans, sub-agents, diagnostics, what the
//! editor shows.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Client, Ground, Heard, everything, script, text};

fn asking(input: Value) -> Ground {
    Ground::new(&script::always(json!([{"toolCall": {"name": "ask", "input": input}}])))
}

fn colours() -> Value {
    json!({
        "question": "Which colour?",
        "choices": [{"label": "red"}, {"label": "green", "description": "as grass"}],
        "allow_text": false,
    })
}

async fn started(ground: &Ground, capabilities: Value) -> (Client, String) {
    let client = ground.client(capabilities).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    (client, session)
}

/// The text of the first result.
fn result(events: &[Value]) -> String {
    text(&events.iter().find(|event| event["type"] == "toolResult").expect("a result")["text"])
}

#[tokio::test]
async fn a_question_reaches_the_person_and_the_answer_the_model() {
    let ground = asking(colours());
    let (mut client, session) = started(&ground, everything()).await;
    let (reply, params) = client.asked("question/request").await;
    let question = &params["question"];
    assert_eq!(question["text"], "Which colour?");
    assert_eq!(question["choices"][1], json!({"label": "green", "description": "as grass"}));
    assert_eq!((&question["sessionId"], &question["allowsText"]), (&json!(session), &json!(false)));
    reply.send(Ok(json!({"type": "choice", "index": 1})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events), "The person chose: green");
    let order: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let place = |kind: &str| order.iter().position(|known| *known == kind).expect(kind);
    assert!(place("toolCall") < place("questionAsked") && place("questionAsked") < place("questionResolved"));
    assert!(place("questionResolved") < place("toolResult"), "{order:?}");
    let resolved = &events[place("questionResolved")];
    assert_eq!(resolved["outcome"], json!({"type": "answered", "answer": {"type": "choice", "index": 1}}));
}

#[tokio::test]
async fn the_first_answer_wins_a_wrong_one_is_refused_and_a_late_one_does_no_harm() {
    let ground = asking(colours());
    let (mut client, session) = started(&ground, everything()).await;
    let (_reply, params) = client.asked("question/request").await;
    let respond = |answer: Value| json!({"questionId": params["question"]["questionId"], "answer": answer});
    let error = client.refused("question/respond", respond(json!({"type": "choice", "index": 2}))).await;
    assert!(error.contains("no choice 2"), "{error}");
    let error = client.refused("question/respond", respond(json!({"type": "text", "text": "blue"}))).await;
    assert!(error.contains("choices"), "{error}");
    let accepted = client.call("question/respond", respond(json!({"type": "choice", "index": 0}))).await;
    assert_eq!(accepted["accepted"], true);
    // The request that is still open is withdrawn.
    client.told("$/cancelRequest").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events), "The person chose: red");
    let late = client.call("question/respond", respond(json!({"type": "choice", "index": 1}))).await;
    assert_eq!(late["accepted"], false);
}

#[tokio::test]
async fn a_question_takes_no_answer_that_is_for_an_approval_and_keeps_none_of_its_rules() {
    let ground = Ground::new(&script::by_prompt(json!({
        "ask": [{"toolCall": {"name": "ask", "input": colours()}}],
        "run": [{"toolCall": {"name": "bash", "input": {"command": "touch x"}}}],
    })));
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "ask").await;
    let (reply, params) = client.asked("question/request").await;
    let decision = json!({"type": "allow", "scope": "session", "rules": ["bash(touch *)"]});
    let respond = json!({"approvalId": params["question"]["questionId"], "decision": decision});
    assert_eq!(client.call("approval/respond", respond).await["accepted"], false);
    reply.send(Ok(json!({"type": "choice", "index": 0})));
    client.events_until(&session, "turnEnded").await;
    client.start(&session, "run").await;
    client.asked("approval/request").await.0.send(Ok(json!({"type": "deny"})));
    client.events_until(&session, "turnEnded").await;
}

#[tokio::test]
async fn a_question_ends_with_its_turn_and_is_not_asked_twice() {
    let ground = asking(json!({"question": "Why?"}));
    let (mut client, session) = started(&ground, everything()).await;
    let (reply, params) = client.asked("question/request").await;
    assert_eq!(params["question"]["allowsText"], true);
    // Nobody is left to answer; whoever comes back sees that it was given up.
    client.call("session/close", json!({"sessionId": session})).await;
    client.told("$/cancelRequest").await;
    drop(reply);
    client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
    let events = client.events_until(&session, "turnEnded").await;
    assert!(events.iter().any(|event| event["outcome"]["type"] == "cancelled"), "{events:?}");

    let session = client.new_session().await;
    client.start(&session, "go").await;
    let (first, params) = client.asked("question/request").await;
    client.call("session/load", json!({"sessionId": session})).await;
    first.send(Ok(json!({"type": "text", "text": "Because."})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events), "The person answered: Because.", "{params}");

    client.start(&session, "go").await;
    let (_open, _) = client.asked("question/request").await;
    client.call("turn/cancel", json!({"sessionId": session})).await;
    client.told("$/cancelRequest").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(events.last().expect("an end")["stopReason"], "cancelled");
    assert!(events.iter().any(|event| event["type"] == "questionResolved"), "{events:?}");
}

#[tokio::test]
async fn a_client_without_a_plugin_is_offered_the_choices_and_words_reach_nobody() {
    let ground = asking(colours());
    let (mut client, session) = started(&ground, json!({"sessionEvent": true})).await;
    let (reply, params) = client.asked("window/showMessageRequest").await;
    assert!(text(&params["message"]).contains("Which colour?"), "{params}");
    let titles: Vec<&str> =
        params["actions"].as_array().expect("actions").iter().filter_map(|action| action["title"].as_str()).collect();
    assert_eq!(titles, ["red", "green", "Decide yourself"]);
    reply.send(Ok(json!({"title": "red"})));
    assert_eq!(result(&client.events_until(&session, "turnEnded").await), "The person chose: red");

    let ground = asking(json!({"question": "Why?"}));
    let (mut client, session) = started(&ground, json!({"sessionEvent": true})).await;
    let events = client.events_until(&session, "turnEnded").await;
    assert!(result(&events).contains("Ask again with `choices`"), "{}", result(&events));
    assert!(events.iter().any(|event| event["outcome"]["type"] == "nobody"), "{events:?}");
}

#[tokio::test]
async fn a_client_that_cannot_answer_after_all_leaves_the_model_to_decide() {
    let ground = asking(colours());
    for answer in [Ok(json!({"type": "choice", "index": 9})), Ok(json!(17)), Err(())] {
        let (mut client, session) = started(&ground, everything()).await;
        let (reply, _) = client.asked("question/request").await;
        match answer {
            Ok(answer) => reply.send(Ok(answer)),
            Err(()) => reply.send::<()>(Err(pillion::rpc::Error::method_not_found("question/request"))),
        }
        let events = client.events_until(&session, "turnEnded").await;
        assert!(result(&events).contains("Nobody is there"), "{}", result(&events));
    }
}

#[tokio::test]
async fn without_a_terminal_the_model_is_told_to_decide() {
    let ground = asking(colours());
    let run = tokio::process::Command::new(env!("CARGO_BIN_EXE_pillion"))
        .args(["run", "--json", "go"])
        .envs(ground.env.iter().cloned())
        .current_dir(ground.project())
        .stdin(Stdio::null())
        .output()
        .await
        .expect("it runs");
    let printed = String::from_utf8(run.stdout).expect("text");
    assert!(run.status.success() && printed.contains("Nobody is there to be asked"), "{printed}");
}

#[tokio::test]
async fn a_plan_is_an_event() {
    let items = json!([{"text": "look", "status": "completed"}, {"text": "leap", "status": "inProgress"}]);
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "plan", "input": {"items": items}}}])));
    let (mut client, session) = started(&ground, everything()).await;
    let events = client.events_until(&session, "turnEnded").await;
    let plan = events.iter().find(|event| event["type"] == "plan").expect("a plan");
    assert_eq!(plan["items"], items);
    assert!(result(&events).contains("1 of 2 done"), "{}", result(&events));
}

#[tokio::test]
async fn a_sub_agent_of_the_project_works_in_the_parents_turn_and_asks_the_same_person() {
    let spawn = json!({"toolCall": {"name": "sub_agent", "input": {"task": "subtask", "agent": "writer"}}});
    let write = json!({"toolCall": {"name": "write", "input": {"path": "new.txt", "content": "new\n"}}});
    let used = json!({"usage": {"inputTokens": 10, "outputTokens": 1}});
    let ground = Ground::new(&json!([
        {"match": "subtask", "steps": [used, write]},
        {"steps": [used, spawn]},
        {"afterTools": true, "steps": [used, {"text": "written, says the writer"}]},
        {"afterTools": true, "steps": [used, {"text": "all done"}]},
    ]));
    let folder = ground.project().join(".pillion/agents");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = "---\ndescription: Writes files.\ntools: write, read\n---\nWrite well.\n";
    std::fs::write(folder.join("writer.md"), file).expect("a file");
    std::fs::write(folder.join("bad.md"), "no front matter").expect("a file");
    let (mut client, session) = started(&ground, everything()).await;

    let (reply, params) = client.asked("approval/request").await;
    let approval = &params["approval"];
    assert_eq!((&approval["tool"], &approval["agent"]["name"]), (&json!("write"), &json!("writer")));
    reply.send(Ok(json!({"type": "allow"})));
    let events = client.events_until(&session, "turnEnded").await;

    assert_eq!(std::fs::read_to_string(ground.project().join("new.txt")).expect("the file"), "new\n");
    assert_eq!(result(&events), "written, says the writer");
    let call = events.iter().find(|event| event["type"] == "toolCall").expect("a call");
    assert_eq!((&call["tool"], &call["class"]), (&json!("sub_agent"), &json!("read")));
    assert_eq!(approval["agent"]["callId"], call["callId"]);
    let nested: Vec<&Value> = events.iter().filter(|event| event["type"] == "nested").collect();
    assert!(nested.iter().all(|event| event["callId"] == call["callId"]));
    let kinds: Vec<&str> = nested.iter().filter_map(|event| event["event"]["type"].as_str()).collect();
    assert_eq!(kinds, ["usage", "toolCall", "toolResult", "messageDelta", "usage", "turnEnded"], "{nested:?}");
    let end = events.last().expect("an end");
    assert_eq!((&end["usage"]["inputTokens"], &end["usage"]["outputTokens"]), (&json!(40), &json!(4)));
    let warned = events.iter().find(|event| event["type"] == "notice").expect("a warning");
    assert!(text(&warned["message"]).contains("bad.md"), "{warned}");

    // What the sub-agent said and did is no part of the conversation, also after a restart.
    client.leave().await;
    let mut client = ground.client(everything()).await;
    let info = client.call("session/load", json!({"sessionId": session, "fromSeq": 1})).await;
    assert_eq!(info["usage"]["inputTokens"], 40);
    let replayed = client.events_until(&session, "turnEnded").await;
    assert_eq!(replayed, events);
}

#[tokio::test]
async fn diagnostics_come_from_the_editor_when_they_are_for_the_text_as_it_is() {
    let look = json!({"toolCall": {"name": "diagnostics", "input": {"paths": ["a.rs"]}}});
    let ground = Ground::new(&script::always(json!([look])));
    ground.write("a.rs", "fn main() {}\n");
    let mut client = ground.client(everything()).await;
    let uri = ground.uri("a.rs");
    client.open(&uri, "fn main() {}\n");
    client.change(&uri, 2, json!([{"text": "fn main() { x }\n"}]));
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let item = json!({
        "range": {"start": {"line": 0, "character": 12}, "end": {"line": 0, "character": 13}},
        "severity": 1, "message": "cannot find value `x`\nnot found", "source": "rustc", "code": "E0425",
    });
    let (reply, params) = client.asked("editor/diagnostics").await;
    assert_eq!(params["uris"], json!([uri]));
    // The editor's checker has not seen the change yet, so it is asked again.
    reply.send(Ok(json!({"files": [{"uri": uri, "version": 1, "items": []}]})));
    let (reply, _) = client.asked("editor/diagnostics").await;
    reply.send(Ok(json!({"files": [{"uri": uri, "version": 2, "items": [item]}]})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(result(&events), "a.rs:\n  1:13 error[E0425] (rustc): cannot find value `x`…");
}

#[tokio::test]
async fn an_editor_that_gives_no_diagnostics_is_said_to_give_none() {
    let look = json!({"toolCall": {"name": "diagnostics", "input": {}}});
    let ground = Ground::new(&script::always(json!([look])));
    let (mut client, session) = started(&ground, json!({"sessionEvent": true})).await;
    let events = client.events_until(&session, "turnEnded").await;
    assert!(result(&events).contains("no editor that gives diagnostics"), "{}", result(&events));
    assert!(!client.drain().iter().any(|heard| matches!(heard, Heard::Request { .. })));
}

/// What the model reads when the editor is asked for what it shows, and this becomes of that.
async fn looked(answer: Option<Result<Value, pillion::rpc::Error>>) -> String {
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "editor", "input": {}}}])));
    let (mut client, session) = started(&ground, everything()).await;
    let (reply, params) = client.asked("editor/context").await;
    assert_eq!(params, json!({}));
    let unanswered = match answer {
        Some(answer) => {
            reply.send(answer);
            None
        }
        None => Some(reply),
    };
    let events = client.events_until(&session, "turnEnded").await;
    drop(unanswered);
    result(&events)
}

#[tokio::test]
async fn the_editor_says_what_the_person_has_before_them() {
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "editor", "input": {}}}])));
    let mut client = ground.client(everything()).await;
    let uri = ground.uri("a.txt");
    client.open(&uri, "one\ntwo\n");
    client.open("untitled:7", "new\n");
    client.change(&uri, 2, json!([{"text": "one\ntwo\nthree\n"}]));
    let session = client.new_session().await;
    let cursor = json!({"line": 1, "column": 3});
    let selection = json!({"startLine": 1, "startColumn": 0, "endLine": 1, "endColumn": 3, "text": "two"});
    let visible = json!([
        {"uri": uri, "startLine": 0, "endLine": 2},
        {"uri": "untitled:7", "startLine": 0, "endLine": 0},
    ]);
    let open = json!([uri, "untitled:7", "file:///elsewhere/secret.txt"]);
    for (version, moved) in [(2, ""), (1, " (it has changed since; look where that is now)")] {
        client.start(&session, "go").await;
        let (reply, _) = client.asked("editor/context").await;
        let active = json!({"uri": uri, "version": version, "cursor": cursor, "selection": selection});
        reply.send(Ok(json!({"active": active, "visible": visible, "open": open})));
        let events = client.events_until(&session, "turnEnded").await;
        let call = events.iter().find(|event| event["type"] == "toolCall").expect("a call");
        assert_eq!((&call["tool"], &call["class"]), (&json!("editor"), &json!("read")));
        let expected = format!(
            "Active: a.txt, the cursor at 2:4{moved}\nVisible: a.txt (lines 1 to 3), untitled:7 (lines 1 to 1)\n\
             Open: a.txt, untitled:7, /elsewhere/secret.txt\nSelected, from 2:1 to 2:4:\ntwo"
        );
        assert_eq!(result(&events), expected);
    }
}

#[tokio::test]
async fn a_selection_outside_the_roots_is_given_and_needs_no_word() {
    let selection = json!({"startLine": 4, "startColumn": 0, "endLine": 5, "endColumn": 0, "text": "of theirs\n"});
    let active = json!({"uri": "file:///elsewhere/a.txt", "cursor": {"line": 4, "column": 0}, "selection": selection});
    let said = looked(Some(Ok(json!({ "active": active })))).await;
    assert_eq!(said, "Active: /elsewhere/a.txt, the cursor at 5:1\nSelected, from 5:1 to 6:1:\nof theirs\n");
    assert_eq!(looked(Some(Ok(json!({})))).await, "No file is active.");
}

#[tokio::test]
async fn an_editor_that_shows_much_is_told_in_short() {
    let open: Vec<String> = (0..130).map(|number| format!("untitled:{number}")).collect();
    let text = "long\n".repeat(100_000);
    let selection = json!({"startLine": 0, "startColumn": 0, "endLine": 100_000, "endColumn": 0, "text": text});
    let active = json!({"uri": "untitled:1", "cursor": {"line": 0, "column": 0}, "selection": selection});
    let said = looked(Some(Ok(json!({ "active": active, "open": open })))).await;
    assert!(said.contains("untitled:99, and 30 more\n"), "{said}");
    assert!(said.len() < 130_000 && said.contains("read_output"), "{}", said.len());
}

#[tokio::test]
async fn an_editor_that_does_not_say_what_it_shows_is_said_not_to() {
    let unknown = pillion::rpc::Error::method_not_found("editor/context");
    let none = "no editor that says what it shows";
    let failed = "go by their words, or ask them";
    for (answer, expected) in [
        (Some(Err(unknown)), none),
        (Some(Ok(json!({"active": 17}))), failed),
        (Some(Ok(json!("this one"))), failed),
        (None, "did not answer in time"),
    ] {
        let said = looked(answer).await;
        assert!(said.contains(expected), "{said}");
    }
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "editor", "input": {}}}])));
    let (mut client, session) = started(&ground, json!({"sessionEvent": true})).await;
    let events = client.events_until(&session, "turnEnded").await;
    assert!(result(&events).contains(none), "{}", result(&events));
    assert!(!client.drain().iter().any(|heard| matches!(heard, Heard::Request { .. })));
}
