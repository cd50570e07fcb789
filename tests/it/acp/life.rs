//! From the handshake to the end: sessions that are begun, found again, set up and let go.

use serde_json::{Value, json};

use super::{Chat, files};
use crate::{
    mcp,
    support::{Ground, script, text},
};

#[tokio::test]
async fn the_handshake_comes_first_and_says_what_there_is() {
    let ground = Ground::new(&json!([]));
    let mut chat = Chat::spawn(&ground);
    let error = chat.refused("session/new", json!({"cwd": "/", "mcpServers": []})).await;
    assert!(error["message"].as_str().expect("words").contains("initialize"), "{error}");
    // A later version than there is gets the one there is.
    let answer = chat.call("initialize", json!({"protocolVersion": 7, "clientCapabilities": {"new": {}}})).await;
    assert_eq!(answer["protocolVersion"], 1);
    assert_eq!(answer["agentInfo"]["name"], "pillion");
    let capabilities = &answer["agentCapabilities"];
    assert_eq!(capabilities["loadSession"], true);
    assert_eq!(capabilities["promptCapabilities"], json!({"image": true, "audio": false, "embeddedContext": true}));
    for ability in ["list", "delete", "resume", "close", "additionalDirectories"] {
        assert!(capabilities["sessionCapabilities"][ability].is_object(), "{ability}: {capabilities}");
    }
    assert_eq!(chat.refused("session/dance", json!({})).await["code"], -32601);
    assert_eq!(chat.refused("session/new", json!({"mcpServers": []})).await["code"], -32602);
    assert_eq!(chat.refused("session/new", json!({"cwd": "here", "mcpServers": []})).await["code"], -32602);
    assert_eq!(chat.leave().await, Some(0));
}

#[tokio::test]
async fn without_a_model_the_client_is_told_to_let_itself_in() {
    let mut ground = Ground::new(&json!([]));
    ground.env.retain(|(name, _)| name != "PILLION_MODEL");
    std::fs::write(ground.folder().join("config.toml"), "").expect("a configuration");
    let withheld = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY", "OPENROUTER_API_KEY"];
    ground.env.extend(withheld.map(|name| (name.to_owned(), String::new())));
    let mut chat = Chat::new(&ground, json!({})).await;
    let error = chat.refused("session/new", json!({"cwd": ground.project(), "mcpServers": []})).await;
    assert_eq!(error["code"], -32000, "{error}");
    let error = chat.refused("authenticate", json!({"methodId": "configuration"})).await;
    assert_eq!(error["code"], -32000, "{error}");
    assert_eq!(chat.refused("authenticate", json!({"methodId": "magic"})).await["code"], -32602);
    let script = ground.folder().join("script.json").to_string_lossy().into_owned();
    let config = format!("model = \"scripted/any\"\n[providers.scripted]\nkind = \"scripted\"\nscript = {script:?}\n");
    std::fs::write(ground.folder().join("config.toml"), config).expect("a configuration");
    chat.call("authenticate", json!({"methodId": "configuration"})).await;
    chat.new_session(&ground.project()).await;
}

#[tokio::test]
async fn a_session_is_listed_loaded_with_its_past_resumed_without_and_deleted() {
    let ground = Ground::new(&script::by_prompt(json!({
        "first": [{"thinking": "Hm."}, {"text": "One moment."}, {"toolCall": {"name": "bash", "input": {"command": "echo hello"}}}],
        "second": [{"text": "Still here."}],
    })));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "first words").await;
    let told: Vec<Value> = chat.heard.clone();
    chat.leave().await;

    let mut chat = Chat::new(&ground, json!({})).await;
    let listed = chat.call("session/list", json!({"cwd": ground.project()})).await;
    let info = &listed["sessions"][0];
    assert_eq!((&info["sessionId"], &info["title"]), (&json!(session), &json!("first words")));
    assert_eq!(info["cwd"], json!(ground.project()));
    assert!(text(&info["updatedAt"]).ends_with('Z'), "{info}");
    assert_eq!(chat.call("session/list", json!({"cwd": "/nowhere"})).await["sessions"], json!([]));

    let place = json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []});
    let id = chat.send("session/load", place.clone()).await;
    let from = chat.heard.len();
    let answer = chat.answer(id).await.expect("it is there");
    assert_eq!(answer["modes"]["currentModeId"], "ask");
    let past: Vec<&Value> = chat.heard[from..].iter().map(|message| &message["params"]["update"]).collect();
    let kinds: Vec<&str> = past.iter().filter_map(|update| update["sessionUpdate"].as_str()).collect();
    assert_eq!(kinds[0], "user_message_chunk");
    assert_eq!(past[0]["content"], json!({"type": "text", "text": "first words"}));
    // The same as when it happened.
    let same = |update: &Value| told.iter().any(|message| message["params"]["update"] == *update);
    for update in past
        .iter()
        .filter(|update| matches!(update["sessionUpdate"].as_str(), Some("tool_call" | "agent_thought_chunk")))
    {
        assert!(same(update), "{update}");
    }
    assert!(kinds.contains(&"tool_call") && kinds.contains(&"agent_message_chunk"), "{kinds:?}");
    assert!(chat.heard.last().expect("an answer").get("result").is_some(), "the past comes before the answer");
    assert!(chat.asked("session/request_permission").is_empty());
    assert_eq!(chat.prompt(&session, "second").await, "end_turn");
    assert!(chat.said().ends_with("Still here."), "{}", chat.said());
    chat.leave().await;

    let mut chat = Chat::new(&ground, json!({})).await;
    chat.call("session/resume", place.clone()).await;
    assert!(chat.updates("user_message_chunk").is_empty());
    chat.call("session/close", json!({"sessionId": session})).await;
    let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "second"}]});
    assert_eq!(chat.refused("session/prompt", prompt).await["code"], -32002);
    chat.call("session/delete", json!({"sessionId": session})).await;
    assert_eq!(chat.call("session/list", json!({})).await["sessions"], json!([]));
    assert_eq!(chat.refused("session/load", place).await["code"], -32002);
    assert_eq!(chat.refused("session/delete", json!({"sessionId": session})).await["code"], -32002);
}

#[tokio::test]
async fn a_session_that_is_opened_while_its_past_is_told_answers_all_who_asked() {
    let ground = Ground::new(&script::always(json!([{"text": "Hello."}])));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    chat.leave().await;
    let mut chat = Chat::new(&ground, json!({})).await;
    let place = json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []});
    let mut asked = Vec::new();
    for method in ["session/load", "session/load", "session/resume"] {
        asked.push(chat.send(method, place.clone()).await);
    }
    while asked.iter().any(|id| !chat.heard.iter().any(|message| message["id"] == json!(id))) {
        chat.next().await.expect("an answer");
    }
    let failed: Vec<&Value> = chat.heard.iter().filter(|message| message.get("error").is_some()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(chat.prompt(&session, "go on").await, "end_turn");
}

#[tokio::test]
async fn closing_or_deleting_a_session_cancels_what_runs_in_it() {
    let ground = Ground::new(&json!([{"steps": [{"text": "Working"}, {"hang": true}], "reuse": true}]));
    for method in ["session/close", "session/delete"] {
        let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
        let prompt = json!({"sessionId": session, "prompt": [{"type": "text", "text": "go"}]});
        let prompt = chat.send("session/prompt", prompt).await;
        chat.until(|message| message["params"]["update"]["sessionUpdate"] == "agent_message_chunk").await;
        let close = chat.send(method, json!({"sessionId": session})).await;
        assert_eq!(chat.answer(prompt).await, Ok(json!({"stopReason": "cancelled"})));
        chat.answer(close).await.expect(method);
        let listed = chat.call("session/list", json!({})).await;
        let is_listed = listed["sessions"].as_array().expect("a list").iter().any(|info| info["sessionId"] == session);
        assert_eq!(is_listed, method == "session/close");
    }
}

#[tokio::test]
async fn several_folders_are_worked_in_and_may_be_others_when_a_session_is_found_again() {
    let ground = Ground::new(&script::always(json!([
        {"toolCall": {"name": "read", "input": {"path": "extra.txt"}}},
    ])));
    let [one, two] = ["one", "two"].map(|name| ground.folder().canonicalize().expect("the folder").join(name));
    for folder in [&one, &two] {
        std::fs::create_dir(folder).expect("a folder");
        std::fs::write(folder.join("extra.txt"), format!("in {}\n", folder.display())).expect("a file");
    }
    let mut chat = Chat::new(&ground, json!({})).await;
    let place = |others: &[&std::path::PathBuf]| json!({"cwd": ground.project(), "additionalDirectories": others, "mcpServers": []});
    let session = text(&chat.call("session/new", place(&[&one])).await["sessionId"]);
    chat.prompt(&session, "go").await;
    assert!(chat.results().contains("in ") && chat.results().contains("one"), "{}", chat.results());
    assert!(chat.asked("session/request_permission").is_empty(), "it is inside");
    let listed = chat.call("session/list", json!({})).await;
    assert_eq!(listed["sessions"][0]["additionalDirectories"], json!([one]));
    let mut again = place(&[&two]);
    again["sessionId"] = json!(session);
    chat.call("session/resume", again).await;
    chat.prompt(&session, "go").await;
    assert!(chat.results().contains("two"), "{}", chat.results());
}

#[tokio::test]
async fn model_mode_and_thinking_are_set_and_shown() {
    let ground = Ground::new(&script::always(json!([{"text": "Hello."}])));
    let mut chat = Chat::new(&ground, json!({})).await;
    let new = chat.call("session/new", json!({"cwd": ground.project(), "mcpServers": []})).await;
    let session = text(&new["sessionId"]);
    let modes: Vec<&str> = new["modes"]["availableModes"]
        .as_array()
        .expect("modes")
        .iter()
        .filter_map(|mode| mode["id"].as_str())
        .collect();
    assert_eq!(modes, ["ask", "acceptEdits", "plan", "auto"]);
    let option = |options: &Value, id: &str| {
        let all = options.as_array().expect("options").clone();
        all.into_iter().find(|option| option["id"] == id).unwrap_or_else(|| panic!("no {id}: {options}"))
    };
    assert_eq!(option(&new["configOptions"], "model")["currentValue"], "scripted/any");
    assert_eq!(option(&new["configOptions"], "mode")["category"], "mode");
    assert_eq!(option(&new["configOptions"], "thinking")["currentValue"], "default");

    chat.call("session/set_mode", json!({"sessionId": session, "modeId": "plan"})).await;
    let set = |id: &str, value: &str| json!({"sessionId": session, "configId": id, "value": value});
    let answer = chat.call("session/set_config_option", set("thinking", "high")).await;
    assert_eq!(option(&answer["configOptions"], "thinking")["currentValue"], "high");
    assert_eq!(option(&answer["configOptions"], "mode")["currentValue"], "plan");
    let answer = chat.call("session/set_config_option", set("thinking", "off")).await;
    assert_eq!(option(&answer["configOptions"], "thinking")["currentValue"], "off");
    let answer = chat.call("session/set_config_option", set("mode", "auto")).await;
    assert_eq!(option(&answer["configOptions"], "mode")["currentValue"], "auto");
    chat.until(|message| message["params"]["update"]["currentModeId"] == "auto").await;
    assert_eq!(chat.refused("session/set_config_option", set("mode", "wild")).await["code"], -32602);
    assert_eq!(chat.refused("session/set_config_option", set("colour", "red")).await["code"], -32602);
    assert_eq!(chat.refused("session/set_mode", json!({"sessionId": session, "modeId": "wild"})).await["code"], -32602);
    chat.prompt(&session, "go").await;
    chat.leave().await;

    // It is kept.
    let mut chat = Chat::new(&ground, json!({})).await;
    let place = json!({"sessionId": session, "cwd": ground.project(), "mcpServers": []});
    let resumed = chat.call("session/resume", place).await;
    assert_eq!(resumed["modes"]["currentModeId"], "auto");
    assert_eq!(option(&resumed["configOptions"], "thinking")["currentValue"], "off");
}

#[tokio::test]
async fn commands_are_told_after_the_session_and_can_be_said() {
    let ground = Ground::new(&script::by_prompt(json!({"Paint it green.": [{"text": "Painted."}]})));
    std::fs::create_dir(ground.folder().join("commands")).expect("a folder");
    let command = "---\ndescription: Paints\nargument-hint: <colour>\n---\nPaint it $1.";
    std::fs::write(ground.folder().join("commands/paint.md"), command).expect("a command");
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    let told = chat.until(|message| message["params"]["update"]["sessionUpdate"] == "available_commands_update").await;
    let paint = json!({"name": "paint", "description": "Paints", "input": {"hint": "<colour>"}});
    assert_eq!(told["params"]["update"]["availableCommands"], json!([paint]));
    chat.prompt(&session, "/paint green").await;
    assert_eq!(chat.said(), "Painted.");
}

#[tokio::test]
async fn a_server_that_the_client_brings_has_its_tools_among_the_others() {
    let Some(python) = mcp::python() else { return };
    let ground = Ground::new(&json!([
        {"afterTools": true, "steps": [{"text": "done"}], "reuse": true},
        {"steps": [{"toolCall": {"name": "mcp__mine__echo", "input": {"text": "hello"}}}], "reuse": true},
    ]));
    let mut chat = Chat::new(&ground, files()).await;
    let log = ground.folder().join("mcp.log");
    let server = json!({"name": "mine", "command": python, "env": [],
        "args": [mcp::script_path(), "--log", log]});
    let place = json!({"cwd": ground.project(), "mcpServers": [server]});
    let session = text(&chat.call("session/new", place).await["sessionId"]);
    // Until the server is ready, there is no such tool.
    for turn in 0.. {
        assert!(turn < 1000, "it is never ready: {:#?}", chat.heard);
        assert_eq!(chat.prompt(&session, "go").await, "end_turn");
        if chat.ends().last().is_some_and(|end| end == "completed") {
            break;
        }
    }
    let call = *chat.updates("tool_call").last().expect("a call");
    assert_eq!(call["name"], "mcp__mine__echo", "{call}");
    let shown = &chat.asked("session/request_permission")[0]["toolCall"]["content"];
    assert!(shown.to_string().contains("hello"), "{shown}");
    let sse = json!({"type": "sse", "name": "old", "url": "http://127.0.0.1:1/", "headers": []});
    let error = chat.refused("session/new", json!({"cwd": ground.project(), "mcpServers": [sse]})).await;
    assert_eq!(error["code"], -32602, "{error}");
}

#[tokio::test]
async fn notices_are_notices_where_they_are_shown_and_words_elsewhere() {
    let script = script::always(json!([{"text": "Hello."}]));
    let wrong = |ground: &Ground| mcp::configure(ground, "[mcp.broken]\ncommand = \"no-such-program-anywhere\"\n");
    let ground = Ground::new(&script);
    wrong(&ground);
    let (mut chat, _) = Chat::in_session(&ground, json!({"session": {"notices": {}}})).await;
    let notice = chat.until(|message| message["params"]["update"]["sessionUpdate"] == "notice").await;
    let notice = &notice["params"]["update"];
    assert_eq!(notice["severity"], "warning");
    assert!(text(&notice["title"]).contains("broken"), "{notice}");
    chat.leave().await;

    let ground = Ground::new(&script);
    wrong(&ground);
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    for turn in 0.. {
        assert!(turn < 1000, "it is never told: {:#?}", chat.heard);
        chat.prompt(&session, "go").await;
        if chat.said().contains("> ") {
            break;
        }
    }
    assert!(chat.said().contains("broken"), "{}", chat.said());
    assert!(chat.updates("notice").is_empty());
}
