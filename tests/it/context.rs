//! What people write for the model and what they point to, through the real server.

use std::{fs, sync::Arc};

use pillion::{
    agent::{Agent, Scope},
    context::{Places, skill_tool},
    permission::Policy,
    provider::scripted::Scripted,
    tool::Registry,
    transcript::Message,
    workspace::Workspace,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Ground, everything, script, streamed, text};

fn write(ground: &Ground, name: &str, content: &str) {
    let path = ground.folder().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
    fs::write(path, content).expect("a file");
}

/// Starts a turn with these blocks and gives its events.
async fn turn(client: &mut Client, session: &str, prompt: Value) -> Vec<Value> {
    client.call("turn/start", json!({"sessionId": session, "prompt": prompt})).await;
    client.events_until(session, "turnEnded").await
}

fn said(prompt: &str) -> Value {
    json!([{"type": "text", "text": prompt}])
}

fn notices(events: &[Value], level: &str) -> Vec<String> {
    let notices = events.iter().filter(|event| event["type"] == "notice" && event["level"] == level);
    notices.map(|event| text(&event["message"])).collect()
}

#[tokio::test]
async fn the_system_text_stays_byte_for_byte_and_changes_come_as_notes() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        fs::write(path, text).expect("a file");
    };
    write("AGENTS.md", "of the root");
    write("sub/AGENTS.md", "of sub");
    write("sub/x.txt", "x");
    write("sub/y.txt", "y");
    write(".pillion/skills/brew/SKILL.md", "---\ndescription: Tea.\n---\nBoil.");
    let read = |path: &str| json!({"steps": [{"toolCall": {"name": "read", "input": {"path": path}}}]});
    let answers = json!([read("sub/x.txt"), read("sub/y.txt"), "done", "again", read("sub/x.txt"), "end"]);
    let model = Arc::new(Scripted::parse(&answers.to_string()).expect("a script"));
    let mut tools = Registry::standard();
    tools.add(skill_tool(Places::default())).expect("no such tool yet");
    let agent = Agent::builder()
        .provider(model.clone())
        .model("any")
        .system("Be brief.")
        .tools(tools)
        .workspace(Workspace::new(vec![folder.path().to_owned()]))
        .policy(Policy::default())
        .instructions(Places::default())
        .build()
        .expect("an agent");

    let scope = Scope::default();
    let mut history = Vec::new();
    for prompt in ["go", "go on", "and on"] {
        history.push(Message::user(prompt));
        let result = agent.run_in(&scope, &history, CancellationToken::new()).await.expect("a turn");
        history.extend(result.messages);
        if prompt == "go" {
            write("AGENTS.md", "of the root, changed");
        }
    }
    let requests = model.requests();
    let system = &requests[0].system;
    assert_eq!(system[0], "Be brief.");
    assert!(system[1].contains("of the root\n") && system[1].contains("- brew: Tea.") && !system[1].contains("of sub"));
    for pair in requests.windows(2) {
        assert_eq!((&pair[0].system, &pair[0].tools), (&pair[1].system, &pair[1].tools));
        assert!(
            pair[1].messages.starts_with(&pair[0].messages),
            "what was sent before is the beginning of what follows"
        );
    }
    let last = &requests.last().expect("a request").messages;
    let count = |text: &str| last.iter().filter(|message| message.text().contains(text)).count();
    assert_eq!((count("of sub"), count("of the root, changed")), (1, 1), "{last:#?}");
}

#[tokio::test]
async fn instructions_reach_the_model_and_the_person_knows() {
    let ground = Ground::new(&json!([
        {"match": "Mind the paint", "steps": [{"text": "I mind it."}], "reuse": true},
        {"match": "go", "steps": [{"toolCall": {"name": "read", "input": {"path": "sub/x.txt"}}}], "reuse": true},
    ]));
    write(&ground, "AGENTS.md", "The user's.");
    write(&ground, "project/AGENTS.md", "The project's.");
    write(&ground, "project/sub/AGENTS.md", "Mind the paint.");
    write(&ground, "project/sub/x.txt", "x");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let events = turn(&mut client, &session, said("go")).await;
    assert_eq!(streamed(&events), "I mind it.");
    let told = notices(&events, "info");
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("AGENTS.md, AGENTS.md says"), "{told:?}");
    assert_eq!(told[1], "The model was told what sub/AGENTS.md says.");
    // Not again, also not after a restart.
    client.leave().await;
    let mut client = ground.client(everything()).await;
    client.call("session/load", json!({"sessionId": session})).await;
    let prompt = json!([{"type": "file", "path": "sub/x.txt"}, {"type": "text", "text": "Mind the paint again"}]);
    let events = turn(&mut client, &session, prompt).await;
    assert_eq!(notices(&events, "info").iter().filter(|notice| notice.contains("sub/")).count(), 0, "{events:?}");
}

#[tokio::test]
async fn a_skill_is_loaded_unasked_and_a_bad_one_is_told() {
    let ground = Ground::new(&script::always(json!([{"toolCall": {"name": "skill", "input": {"name": "brew"}}}])));
    write(&ground, "skills/brew/SKILL.md", "---\ndescription: Makes tea.\nallowed-tools: bash\n---\nBoil the water.");
    write(&ground, "project/.pillion/skills/bad/SKILL.md", "no front matter");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let events = turn(&mut client, &session, said("tea")).await;
    let result = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
    assert!(text(&result["text"]).starts_with("Boil the water."), "{result}");
    let warnings = notices(&events, "warning");
    assert!(warnings.len() == 1 && warnings[0].contains("bad") && warnings[0].contains("description"), "{warnings:?}");
    let events = turn(&mut client, &session, said("tea")).await;
    assert_eq!(notices(&events, "warning"), Vec::<String>::new());
}

#[tokio::test]
async fn commands_are_listed_expanded_and_told_when_they_change() {
    let ground = Ground::new(&json!([
        {"match": "Fix the door in room 7", "steps": [{"text": "fixed"}], "reuse": true},
        {"match": "/fix is a word", "steps": [{"text": "a word"}], "reuse": true},
    ]));
    write(&ground, "commands/fix.md", "---\ndescription: Fixes.\narguments: <what>\n---\nFix $1 in $2.");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let fix = json!({"name": "fix", "description": "Fixes.", "arguments": "<what>", "source": "user"});
    assert_eq!(client.call("command/list", json!({})).await, json!({"commands": [fix]}));
    assert_eq!(client.call("command/list", json!({"sessionId": session})).await, json!({"commands": [fix]}));

    let prompt = said("/fix 'the door' 'room 7'");
    let events = turn(&mut client, &session, prompt.clone()).await;
    assert_eq!((streamed(&events).as_str(), &events[0]["prompt"]), ("fixed", &prompt), "it is shown as it was sent");
    let block = json!([{"type": "command", "name": "fix", "arguments": "\"the door\" \"room 7\""}]);
    assert_eq!(streamed(&turn(&mut client, &session, block).await), "fixed");
    assert_eq!(streamed(&turn(&mut client, &session, said("\\/fix is a word")).await), "a word");

    write(&ground, "project/.pillion/commands/new.md", "New.");
    let listed = client.call("command/list", json!({"sessionId": session})).await;
    assert_eq!(listed["commands"][1]["source"], "project");
    let events = client.events_until(&session, "commandsChanged").await;
    assert_eq!(events.last().expect("an event")["commands"], listed["commands"]);
    let error = client.refused("command/list", json!({"sessionId": "nobody"})).await;
    assert!(error.contains("session/load"), "{error}");
}

#[tokio::test]
async fn an_unknown_command_ends_the_turn_and_loses_nothing() {
    let ground = Ground::new(&json!(["hello"]));
    write(&ground, "commands/fix.md", "Fix it.");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let events = turn(&mut client, &session, said("/fxi the door")).await;
    let end = events.last().expect("an end");
    assert_eq!(end["stopReason"], "error");
    assert!(text(&end["error"]).contains("There is no command /fxi. Did you mean /fix?"), "{end}");
    assert_eq!(events[0]["prompt"][0]["text"], "/fxi the door");
    // The session goes on, with nothing half said in it.
    assert_eq!(streamed(&turn(&mut client, &session, said("hi")).await), "hello");
}

#[tokio::test]
async fn mentions_are_shown_from_the_open_buffer_and_one_that_is_missing_is_told() {
    let ground = Ground::new(&json!([
        {"match": "     2\tunsaved", "steps": [{"toolCall": {"name": "write", "input": {"path": "a.txt", "content": "new\n"}}}]},
        {"afterTools": true, "steps": [{"text": "done"}]},
        {"match": "gone.txt does not exist", "steps": [{"text": "I see."}]},
    ]));
    ground.write("a.txt", "old\n");
    let mut client = ground.client(everything()).await;
    client.open(&ground.uri("a.txt"), "old\nunsaved\n");
    let session = text(&client.call("session/new", json!({"mode": "acceptEdits"})).await["sessionId"]);
    let prompt = json!([{"type": "file", "path": "a.txt"}, {"type": "text", "text": "shorten"}]);
    client.call("turn/start", json!({"sessionId": session, "prompt": prompt})).await;
    // What was shown whole counts as read: writing over it is not refused.
    let (reply, params) = client.asked("workspace/applyEdit").await;
    let change = &params["edit"]["documentChanges"][0];
    let edits = change["edits"].as_array().expect("edits").iter().rev();
    let edits = edits.map(|edit| json!({"range": edit["range"], "text": edit["newText"]}));
    client.change(&ground.uri("a.txt"), 2, edits.collect());
    reply.send(Ok(json!({"applied": true})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "done");
    assert_eq!(events[0]["prompt"], prompt);

    let prompt = json!([{"type": "text", "text": "look"}, {"type": "file", "path": "gone.txt"}]);
    let events = turn(&mut client, &session, prompt).await;
    assert_eq!(streamed(&events), "I see.");
    let warnings = notices(&events, "warning");
    assert_eq!(warnings, ["The model was not shown gone.txt: gone.txt does not exist."]);
}

#[tokio::test]
async fn steering_takes_the_same_blocks_and_commands() {
    let ground = Ground::new(&json!([
        {"match": "     1\tmind the gap", "steps": [{"text": "I do."}]},
        {"match": "go", "steps": [{"toolCall": {"name": "bash", "input": {"command": "true"}}}]},
    ]));
    ground.write("sign.txt", "mind the gap\n");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    client.start(&session, "go").await;
    let (reply, _) = client.asked("approval/request").await;
    let steer = |prompt: Value| json!({"sessionId": session, "prompt": prompt});
    client.call("turn/steer", steer(said("/nothing"))).await;
    client
        .call("turn/steer", steer(json!([{"type": "range", "path": "sign.txt", "startLine": 1, "endLine": 1}])))
        .await;
    reply.send(Ok(json!({"type": "allow"})));
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "I do.");
    let errors = notices(&events, "error");
    assert!(errors.len() == 1 && errors[0].contains("no command /nothing"), "{errors:?}");
}
