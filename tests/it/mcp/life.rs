//! How servers start, change, end and start again.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Ground, everything, script, streamed, text};
#[cfg(target_os = "linux")]
use crate::support::{eventually, processes_with};

use super::{calls, configure, ground, log, logged, ready, turn, until};

/// The next event of this type, of those that come outside of turns.
async fn event(client: &mut crate::support::Client, session: &str, kind: &str) -> Value {
    client.events_until(session, kind).await.pop().expect("the event")
}

#[tokio::test]
async fn no_turn_waits_for_a_server_and_its_tools_come_when_it_is_ready() {
    let prompts = json!({"first": [{"text": "without"}], "second": calls("echo", json!({"text": "with"}))});
    let ground = ground!(&script::by_prompt(prompts), &["--slow-start", "1"], "");
    let mut client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    assert_eq!(until(&client, json!({}), "tests", "starting").await["tools"], 0);
    client.start(&session, "first").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "without");
    assert!(events.iter().all(|event| event["type"] != "toolsChanged"), "it was not waited for");
    let changed = event(&mut client, &session, "toolsChanged").await;
    let added = changed["added"].as_array().expect("names");
    assert!(added.contains(&json!("mcp__tests__echo")) && added.contains(&json!("mcp_resource")), "{changed}");
    assert!(added.is_sorted_by(|a, b| a.as_str() < b.as_str()));
    assert_eq!(turn(&mut client, &session, "second").await.0["text"], "with");
}

#[tokio::test]
async fn a_list_that_changes_is_told_and_holds_from_the_next_model_call_on() {
    let script = json!([
        {"match": "go", "steps": [{"toolCall": {"name": "mcp__tests__grow", "input": {"name": "extra"}}}]},
        {"afterTools": true, "steps": [{"text": "grown"}]},
        {"match": "use", "steps": [{"toolCall": {"name": "mcp__tests__extra", "input": {}}}]},
        {"afterTools": true, "steps": [{"toolCall": {"name": "mcp__tests__shrink", "input": {"name": "hang"}}}]},
        {"afterTools": true, "steps": [{"text": "shrunk"}]},
        {"match": "gone", "steps": [{"toolCall": {"name": "mcp__tests__hang", "input": {}}}]},
        {"afterTools": true, "steps": [{"text": "done"}]},
    ]);
    let ground = ground!(&script, &[], "");
    let (mut client, session) = ready(&ground).await;
    client.start(&session, "go").await;
    let grown = event(&mut client, &session, "toolsChanged").await;
    assert_eq!((&grown["added"], &grown["removed"]), (&json!(["mcp__tests__extra"]), &json!([])));
    let (result, _) = turn(&mut client, &session, "use").await;
    assert_eq!(result["text"], "one more");
    let shrunk = event(&mut client, &session, "toolsChanged").await;
    assert_eq!((&shrunk["added"], &shrunk["removed"]), (&json!([]), &json!(["mcp__tests__hang"])));
    let (result, _) = turn(&mut client, &session, "gone").await;
    assert_eq!(result["status"], "failed");
    assert!(text(&result["text"]).starts_with("there is no tool `mcp__tests__hang`; there are: "), "{result}");
}

#[tokio::test]
async fn a_server_that_crashes_costs_one_call_and_is_started_again() {
    let prompts = json!({"crash": calls("crash", json!({})), "after": calls("echo", json!({"text": "back"}))});
    let ground = ground!(&script::by_prompt(prompts), &[], "");
    let (mut client, session) = ready(&ground).await;
    let (result, events) = turn(&mut client, &session, "crash").await;
    assert_eq!(result["status"], "failed");
    let said = text(&result["text"]);
    assert!(said.contains("ended before it answered") && said.contains("not known"), "{said}");
    assert_eq!(events.iter().filter(|event| event["type"] == "toolResult").count(), 1);
    let mut all = events;
    while !all.iter().any(|event| event["type"] == "notice") {
        all.push(client.event(&session).await.1);
    }
    let notice = all.iter().find(|event| event["type"] == "notice").expect("a notice");
    let message = text(&notice["message"]);
    assert!(message.contains("`tests` ended") && message.contains("exit code 3: the last words"), "{message}");
    // The call waits until the server is there again.
    assert_eq!(turn(&mut client, &session, "after").await.0["text"], "back");
    assert_eq!(log(&ground).matches("initialize {").count(), 2);
}

#[tokio::test]
async fn a_server_that_never_starts_is_given_up_and_says_why() {
    let ground = ground!(&script::always(json!([{"text": "fine"}])), &["--broken"], "");
    configure(
        &ground,
        "[mcp.missing]\ncommand = \"no-such-program-at-all\"\n[mcp.off]\ncommand = \"true\"\nenabled = false",
    );
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let missing = until(&client, json!({}), "missing", "failed").await;
    assert!(text(&missing["error"]).contains("was not found"), "{missing}");
    let notice = event(&mut client, &session, "notice").await;
    assert_eq!(notice["level"], "warning");
    until(&client, json!({}), "off", "disabled").await;
    let broken = until(&client, json!({}), "tests", "starting").await;
    assert_eq!(broken["tools"], 0);
    client.start(&session, "hello").await;
    let events = client.events_until(&session, "turnEnded").await;
    assert_eq!(streamed(&events), "fine", "a broken server breaks nothing else");
}

#[tokio::test]
async fn a_server_that_asks_without_end_and_takes_no_answer_is_ended() {
    let ground = ground!(&script::always(json!([{"text": "fine"}])), &["--deaf"], "");
    let mut client = ground.client(everything()).await;
    let session = client.new_session().await;
    let notice = event(&mut client, &session, "notice").await;
    assert!(text(&notice["message"]).contains("went on asking without taking the answers"), "{notice}");
}

#[tokio::test]
async fn a_project_may_switch_a_server_off_and_hide_tools_but_never_start_one() {
    let ground = ground!(&script::always(json!([{"text": "fine"}])), &[], "");
    let marker = ground.folder().join("started").to_string_lossy().into_owned();
    std::fs::create_dir(ground.project().join(".pillion")).expect("a folder");
    let settings = format!(
        "[mcp.evil]\ncommand = \"touch\"\nargs = [{marker:?}]\n[mcp.tests]\ncommand = \"touch\"\nargs = [{marker:?}]\n\
         hidden_tools = [\"e*\", \"hang\"]\n"
    );
    ground.write(".pillion/config.toml", &settings);
    ground.write(".mcp.json", &json!({"mcpServers": {"evil": {"command": "touch", "args": [marker]}}}).to_string());
    let mut client = ground.client(everything()).await;
    let server = until(&client, json!({}), "tests", "ready").await;
    assert_eq!(server["tools"], 18 - 3, "all but echo, environment and hang");
    let listed = client.call("mcp/list", json!({})).await;
    assert_eq!(listed["servers"].as_array().expect("servers").len(), 1);
    assert!(!std::path::Path::new(&marker).exists());
    let session = client.new_session().await;
    let mut told = String::new();
    for _ in 0..4 {
        told += &text(&event(&mut client, &session, "notice").await["message"]);
    }
    for name in ["mcp.evil.command", "mcp.evil.args", "mcp.tests.command", "mcp.tests.args"] {
        assert!(told.contains(&format!("`{name}` is refused")), "{told}");
    }
    // The editor's settings may hold a repository's, too.
    let editor = json!({"settings": {"pillion": {"mcp": {"tests": {"enabled": false}, "evil": {"command": "touch"}}}}});
    client.peer.notify("workspace/didChangeConfiguration", &editor);
    until(&client, json!({}), "tests", "disabled").await;
    logged(&ground, "end of input").await;
}

#[tokio::test]
async fn a_client_brings_servers_for_one_session() {
    let ground = Ground::new(&script::by_prompt(json!({"go": calls("environment", json!({"name": "BROUGHT"}))})));
    let Some(python) = super::python() else { return };
    let brought = json!([{
        "type": "stdio", "name": "tests", "command": python, "args": [super::script_path().to_string_lossy()],
        "env": [{"name": "BROUGHT", "value": "along"}],
    }]);
    let mut client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mode": "auto", "mcpServers": brought})).await["sessionId"]);
    let other = client.new_session().await;
    until(&client, json!({"sessionId": session}), "tests", "ready").await;
    assert_eq!(turn(&mut client, &session, "go").await.0["text"], "along");
    let others = client.call("mcp/list", json!({"sessionId": other})).await;
    assert_eq!(others, json!({"servers": []}));
    assert!(text(&turn(&mut client, &other, "go").await.0["text"]).starts_with("there is no tool"));

    // They are gone with the session, and not kept with it.
    client.call("session/close", json!({"sessionId": session})).await;
    client.call("session/load", json!({"sessionId": session})).await;
    assert_eq!(client.call("mcp/list", json!({"sessionId": session})).await, json!({"servers": []}));
    client.call("session/load", json!({"sessionId": session, "mcpServers": brought})).await;
    until(&client, json!({"sessionId": session}), "tests", "ready").await;
}

#[tokio::test]
async fn an_open_approval_of_a_servers_tool_outlives_a_kill() {
    let Some(python) = super::python() else { return };
    let script = script::always(calls("echo", json!({"text": "again"})));
    let options = ["--slow-start", "0.3"];
    let brought = json!([{
        "type": "stdio", "name": "tests", "command": python,
        "args": [json!(super::script_path()), json!(options[0]), json!(options[1])], "env": [],
    }]);
    let (settings, none) = (ground!(&script, &options, ""), Value::Null);
    for (ground, servers) in [(settings, none), (Ground::new(&script), brought)] {
        let mut client = ground.client(everything()).await;
        let with = |mut params: Value| {
            if servers.is_array() {
                params["mcpServers"] = servers.clone();
            }
            params
        };
        let session = text(&client.call("session/new", with(json!({}))).await["sessionId"]);
        until(&client, json!({"sessionId": session}), "tests", "ready").await;
        client.start(&session, "go").await;
        let (_unanswered, before) = client.asked("approval/request").await;
        client.child.start_kill().expect("kill -9");
        client.ended().await;

        let mut client = ground.client(everything()).await;
        client.call("session/load", with(json!({"sessionId": session}))).await;
        let (reply, params) = client.asked("approval/request").await;
        assert_eq!(params["approval"], before["approval"]);
        reply.send(Ok(json!({"type": "allow"})));
        let events = client.events_until(&session, "turnEnded").await;
        let result = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
        assert_eq!((&result["status"], &result["text"]), (&json!("ok"), &json!("again")), "{servers}");
    }
}

#[tokio::test]
async fn a_cancel_does_not_wait_for_the_server_that_a_turn_of_an_earlier_process_waits_for() {
    let Some(python) = super::python() else { return };
    let ground = Ground::new(&script::always(calls("echo", json!({"text": "again"}))));
    let servers = |seconds: &str| {
        let args = [json!(super::script_path()), json!("--slow-start"), json!(seconds)];
        json!([{"type": "stdio", "name": "tests", "command": python, "args": args, "env": []}])
    };
    let mut client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mcpServers": servers("0")})).await["sessionId"]);
    until(&client, json!({"sessionId": session}), "tests", "ready").await;
    client.start(&session, "go").await;
    client.asked("approval/request").await;
    client.child.start_kill().expect("kill -9");
    client.ended().await;

    let mut client = ground.client(everything()).await;
    let load = json!({"sessionId": session, "fromSeq": 1, "mcpServers": servers("600")});
    let (_, cancelled) =
        tokio::join!(client.call("session/load", load), client.call("turn/cancel", json!({"sessionId": session})));
    assert_eq!(cancelled, json!({"cancelled": true}));
    let events = client.events_until(&session, "turnEnded").await;
    let result = events.iter().find(|event| event["type"] == "toolResult").expect("a result");
    assert_eq!(result["status"], "cancelled", "the wait did not end first, or there would be no such tool: {result}");
}

#[tokio::test]
async fn brought_servers_work_in_the_folder_that_the_session_is_loaded_in() {
    let Some(python) = super::python() else { return };
    let ground = Ground::new(&script::by_prompt(json!({"go": calls("roots", json!({}))})));
    let brought = json!([{
        "type": "stdio", "name": "tests", "command": python, "args": [super::script_path()], "env": [],
    }]);
    let mut client = ground.client(everything()).await;
    let session = text(&client.call("session/new", json!({"mode": "auto"})).await["sessionId"]);
    // So that it is stored.
    client.start(&session, "hello").await;
    client.events_until(&session, "turnEnded").await;
    client.call("session/close", json!({"sessionId": session})).await;
    // First it is read from the disk, then it is open.
    for name in ["one", "two"] {
        let folder = ground.project().with_file_name(name);
        std::fs::create_dir(&folder).expect("a folder");
        let load = json!({"sessionId": session, "roots": [folder], "mcpServers": brought});
        client.call("session/load", load).await;
        until(&client, json!({"sessionId": session}), "tests", "ready").await;
        let (result, _) = turn(&mut client, &session, "go").await;
        let roots: Value = serde_json::from_str(&text(&result["text"])).expect("JSON");
        assert_eq!(roots["roots"], json!([{"uri": format!("file://{}", folder.display()), "name": name}]));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn servers_end_with_pillion_and_so_does_all_that_they_started() {
    let mark = format!("mcp-child-{}", std::process::id());
    let ground = ground!(&script::by_prompt(json!({"go": calls("child", json!({"mark": mark}))})), &[], "");
    let (mut client, session) = ready(&ground).await;
    assert_eq!(turn(&mut client, &session, "go").await.0["text"], "started");
    assert_eq!(processes_with(&mark).len(), 1);
    let server = ground.folder().join("mcp.log").to_string_lossy().into_owned();
    assert_eq!(processes_with(&server).len(), 1);
    assert!(client.leave().await.success());
    assert!(log(&ground).contains("end of input"), "it was told by the end of its input");
    assert_eq!((processes_with(&mark), processes_with(&server)), (Vec::new(), Vec::new()));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn servers_end_when_pillion_is_killed() {
    let ground = ground!(&script::always(json!([{"text": "x"}])), &[], "");
    let (mut client, _) = ready(&ground).await;
    let server = ground.folder().join("mcp.log").to_string_lossy().into_owned();
    client.child.start_kill().expect("kill -9");
    client.ended().await;
    eventually("the server is gone", || processes_with(&server).is_empty()).await;
}

#[tokio::test]
async fn a_server_over_http_is_used_like_any_other() {
    let prompts = json!({
        "echo": calls("echo", json!({"text": "over HTTP"})), "slow": calls("slow", json!({})),
    });
    let ground = Ground::new(&script::by_prompt(prompts));
    let Some(python) = super::python() else { return };
    let port_file = ground.folder().join("port");
    let mut server = tokio::process::Command::new(python)
        .args([super::script_path().as_os_str(), "--http".as_ref(), port_file.as_os_str()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the server starts");
    let port = super::read_when_there(&port_file).await;
    let address = format!("http://127.0.0.1:{port}/mcp");
    let entry = format!("[mcp.tests]\nurl = {address:?}\nheaders = {{ Authorization = \"Bearer ${{WORD}}\" }}\n");
    configure(&ground, &entry);
    configure(&ground, &format!("[mcp.locked]\nurl = {address:?}\n[mcp.nobody]\nurl = \"http://127.0.0.1:9/\"\n"));
    let mut ground = ground;
    ground.env.push(("WORD".to_owned(), "sesame".to_owned()));
    let (mut client, session) = ready(&ground).await;
    assert_eq!(turn(&mut client, &session, "echo").await.0["text"], "over HTTP");
    let (result, events) = turn(&mut client, &session, "slow").await;
    assert_eq!(result["text"], "at last");
    let told = events.iter().filter(|event| event["type"] == "toolProgress").map(|event| text(&event["text"]));
    assert_eq!(told.collect::<String>(), "[1/2] step 1\n[2/2] step 2\n");
    let locked = until(&client, json!({}), "locked", "failed").await;
    assert!(text(&locked["error"]).contains("wants to know who you are"), "{locked}");
    server.kill().await.expect("it is ended");
    let (result, _) = turn(&mut client, &session, "echo").await;
    assert_eq!(result["status"], "failed");
    assert!(text(&result["text"]).contains("could not be reached"), "{result}");
    let nobody = until(&client, json!({}), "nobody", "starting").await;
    assert!(nobody["tools"] == 0);
}
