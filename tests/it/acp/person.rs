//! What the person is asked.

use serde_json::{Value, json};

use super::{Chat, files};
use crate::support::{Ground, script, text};

fn running(command: &str) -> Value {
    script::always(json!([{"toolCall": {"name": "bash", "input": {"command": command}}}]))
}

#[tokio::test]
async fn a_call_is_shown_whole_and_every_scope_says_what_it_allows() {
    let ground = Ground::new(&running("echo hello"));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    let asked = chat.asked("session/request_permission")[0].clone();
    assert_eq!(asked["toolCall"]["content"][0]["content"]["text"], "```\necho hello\n```");
    assert_eq!((&asked["toolCall"]["kind"], &asked["toolCall"]["status"]), (&json!("execute"), &json!("pending")));
    let options: Vec<(String, String)> = asked["options"]
        .as_array()
        .expect("options")
        .iter()
        .map(|option| (text(&option["optionId"]), text(&option["kind"])))
        .collect();
    let options: Vec<(&str, &str)> = options.iter().map(|(id, kind)| (id.as_str(), kind.as_str())).collect();
    assert_eq!(
        options,
        [
            ("allow", "allow_once"),
            ("allow_session", "allow_always"),
            ("allow_project", "allow_always"),
            ("allow_user", "allow_always"),
            ("deny", "reject_once"),
        ]
    );
    let name = text(&asked["options"][1]["name"]);
    assert!(name.contains("bash(echo hello"), "{name}");
    let statuses: Vec<&Value> = chat.updates("tool_call_update").iter().map(|update| &update["status"]).collect();
    assert_eq!(statuses[..2], [&json!("pending"), &json!("in_progress")]);
}

#[tokio::test]
async fn an_allowance_for_the_session_asks_no_more_and_one_for_the_project_is_kept() {
    let ground = Ground::new(&running("echo hello"));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.choice = "allow_session";
    chat.prompt(&session, "go").await;
    chat.prompt(&session, "again").await;
    assert_eq!(chat.asked("session/request_permission").len(), 1);
    // Another session asks, and what is allowed there for the project is allowed in the next, too.
    let other = chat.new_session(&ground.project()).await;
    chat.choice = "allow_project";
    chat.prompt(&other, "go").await;
    assert_eq!(chat.asked("session/request_permission").len(), 2);
    chat.leave().await;
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.prompt(&session, "go").await;
    assert!(chat.asked("session/request_permission").is_empty());
    assert_eq!(chat.ends(), ["completed"]);
}

#[tokio::test]
async fn a_refusal_reaches_the_model_and_nothing_happens() {
    let ground = Ground::new(&running("echo hello > ran.txt"));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.choice = "deny";
    assert_eq!(chat.prompt(&session, "go").await, "end_turn");
    // So does a client that answers with something else than was offered.
    chat.choice = "whatever";
    assert_eq!(chat.prompt(&session, "again").await, "end_turn");
    assert_eq!(chat.ends(), ["failed", "failed"]);
    assert!(!ground.project().join("ran.txt").exists());
}

#[tokio::test]
async fn what_is_outside_is_said() {
    let ground = Ground::new(&script::always(json!([
        {"toolCall": {"name": "write", "input": {"path": "../outside.txt", "content": "x"}}},
    ])));
    let (mut chat, session) = Chat::in_session(&ground, files()).await;
    chat.choice = "deny";
    chat.prompt(&session, "go").await;
    let content = &chat.asked("session/request_permission")[0]["toolCall"]["content"];
    assert!(text(&content[0]["content"]["text"]).contains("outside of the session's folders"), "{content}");
    assert_eq!(content[1]["type"], "diff");
}

fn asking(input: Value) -> Ground {
    Ground::new(&script::always(json!([{"toolCall": {"name": "ask", "input": input}}])))
}

fn colours(allows_text: bool) -> Value {
    let choices = json!([{"label": "red"}, {"label": "green", "description": "as grass"}]);
    json!({"question": "Which colour?", "choices": choices, "allow_text": allows_text})
}

#[tokio::test]
async fn a_question_is_a_form_where_the_client_shows_forms() {
    let ground = asking(colours(true));
    let (mut chat, session) = Chat::in_session(&ground, json!({"elicitation": {"form": {}}})).await;
    chat.form = json!({"action": "accept", "content": {"choice": "green"}});
    chat.prompt(&session, "go").await;
    assert!(chat.results().contains("The person chose: green"), "{}", chat.results());
    let form = chat.asked("elicitation/create")[0];
    assert_eq!((&form["mode"], &form["message"]), (&json!("form"), &json!("Which colour?")));
    assert_eq!(form["sessionId"], session);
    assert_eq!(form["toolCallId"], chat.updates("tool_call")[0]["toolCallId"]);
    let green = json!({"const": "green", "title": "green", "description": "as grass"});
    assert_eq!(form["requestedSchema"]["properties"]["choice"]["oneOf"][1], green);
    chat.form = json!({"action": "accept", "content": {"choice": "green", "answer": "blue"}});
    chat.prompt(&session, "again").await;
    assert!(chat.results().contains("blue"), "{}", chat.results());
    chat.form = json!({"action": "cancel"});
    chat.prompt(&session, "and again").await;
    assert_eq!(chat.asked("elicitation/create").len(), 3);
    assert_eq!(chat.ends(), ["completed"; 3]);
}

#[tokio::test]
async fn without_forms_choices_are_options_and_words_are_the_models_to_find() {
    let ground = asking(colours(false));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    chat.choice = "1";
    chat.prompt(&session, "go").await;
    assert!(chat.results().contains("The person chose: green"), "{}", chat.results());
    let asked = chat.asked("session/request_permission")[0];
    assert_eq!(asked["toolCall"]["title"], "Which colour?");
    assert_eq!(asked["options"][1]["name"], "green: as grass");
    chat.leave().await;

    let ground = asking(json!({"question": "Why?"}));
    let (mut chat, session) = Chat::in_session(&ground, json!({})).await;
    assert_eq!(chat.prompt(&session, "go").await, "end_turn");
    assert!(chat.asked("session/request_permission").is_empty());
}
