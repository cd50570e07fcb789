//! What a server asks of the person and of the model, with a host of our own.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use pillion::{
    agent::{Agent, Answer, ApprovalRequest, Event, Host, QuestionRequest, Scope, turn},
    context::{Command, Commands},
    mcp::{Servers, Spec, State},
    permission::{Mode, Policy},
    provider::scripted::Scripted,
    tool::{Answered, Collision, Registry, Source},
    transcript::{Content, Message},
    workspace::Workspace,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{LIMIT, script, streamed};

/// Answers questions in their order, and keeps them.
#[derive(Default)]
struct Person {
    answers: Mutex<Vec<Answered>>,
    asked: Mutex<Vec<String>>,
    results: Mutex<Vec<String>>,
}

#[async_trait]
impl Host for Person {
    async fn emit(&self, event: Event) {
        if let Event::Message(message) = &event {
            let mut results = self.results.lock().unwrap();
            results
                .extend(message.tool_results().map(|result| pillion::protocol::convert::plain_text(&result.content)));
        }
    }

    async fn approve(&self, _: ApprovalRequest) -> Answer {
        panic!("nothing asks in this mode")
    }

    fn policy(&self) -> Policy {
        Policy { mode: Mode::Auto, ..Policy::default() }
    }

    async fn ask(&self, request: QuestionRequest) -> Answered {
        let choices: Vec<_> = request.question.choices.iter().map(|choice| choice.label.as_str()).collect();
        self.asked.lock().unwrap().push(format!("{} {choices:?}", request.question.text));
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() { Answered::Nobody } else { answers.remove(0) }
    }
}

/// The result of one call of a tool of the server, and what the person was asked meanwhile.
async fn call(tool: &str, sampling: bool, answers: &[Answered]) -> Option<(Value, Vec<String>)> {
    let python = super::python()?;
    let workspace = Workspace::new(Vec::new());
    let servers = Servers::new(workspace.clone(), |notice| panic!("{}", notice.message));
    let path = super::script_path().to_string_lossy().into_owned();
    let mut spec = Spec::program("tests", python, [path]);
    spec.sampling = sampling;
    spec.timeout = LIMIT;
    servers.set(vec![spec], Vec::new());
    let mut tools = Registry::new();
    tools.add_source(servers.clone(), Collision::Refuse).unwrap();
    tokio::time::timeout(LIMIT, tools.watch().next()).await.expect("it starts");
    assert_eq!(servers.list()[0].state, State::Ready);

    let mut answers_of_model = json!([{"match": "sample this", "steps": [{"text": "sampled"}]}]);
    let rest = script::by_prompt(json!({"go": super::calls(tool, json!({}))}));
    answers_of_model.as_array_mut().unwrap().extend(rest.as_array().unwrap().clone());
    let model = Scripted::parse(&answers_of_model.to_string()).unwrap();
    let agent =
        Agent::builder().provider(Arc::new(model)).model("any").tools(tools).workspace(workspace).build().unwrap();
    let person = Person { answers: Mutex::new(answers.to_vec()), ..Person::default() };
    turn::run(&agent, &Scope::default(), vec![Message::user("go")], &person, CancellationToken::new()).await;
    servers.shut_down().await;
    let result = person.results.lock().unwrap().first().expect("a result").clone();
    Some((serde_json::from_str(&result).unwrap_or(Value::String(result)), person.asked.into_inner().unwrap()))
}

#[tokio::test]
async fn a_form_is_asked_field_by_field_and_checked() {
    let answers = [Answered::Choice(1), Answered::Text("none".into()), Answered::Text("3".into())];
    let Some((result, asked)) = call("ask", false, &answers).await else { return };
    assert_eq!(result, json!({"action": "accept", "content": {"colour": "green", "count": 3}}));
    let first = "The MCP server `tests` asks: What shall it be?\n\nColour [\"red\", \"green\"]";
    let again = "count: How many\n(not \"none\": `count` should be an integer, not a string (\"none\")) []";
    assert_eq!(asked, [first, "count: How many []", again]);
}

#[tokio::test]
async fn a_form_is_declined_as_a_whole_also_where_nobody_is() {
    let Some((result, _)) = call("ask", false, &[Answered::Choice(0), Answered::Declined]).await else { return };
    assert_eq!(result, json!({"action": "decline"}));
    let Some((result, _)) = call("ask", false, &[]).await else { return };
    assert_eq!(result, json!({"action": "decline"}));
}

#[tokio::test]
async fn a_question_whose_call_has_ended_is_taken_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let until = folder.path().join("left");
    let script = script::by_prompt(json!({"go": super::calls("ask_and_leave", json!({"until": until}))}));
    let ground = super::ground!(&script, &[], "");
    let (mut client, session) = super::ready(&ground).await;
    client.start(&session, "go").await;
    let (_reply, _) = client.asked("question/request").await;
    std::fs::write(&until, "").expect("a file");
    let events = client.events_until(&session, "turnEnded").await;
    let resolved = events.iter().find(|event| event["type"] == "questionResolved").expect("it is closed");
    assert_eq!(resolved["outcome"], json!({"type": "cancelled"}));
    client.told("$/cancelRequest").await;
}

#[tokio::test]
async fn the_model_is_used_only_where_that_is_allowed_and_the_person_agrees() {
    let Some((refused, asked)) = call("sample", false, &[]).await else { return };
    assert!(refused["message"].as_str().is_some_and(|why| why.contains("does not let servers")), "{refused}");
    assert!(asked.is_empty());

    let Some((declined, asked)) = call("sample", true, &[Answered::Choice(1)]).await else { return };
    assert_eq!(declined["message"], "the person refused it");
    assert!(asked[0].contains("sample this") && asked[0].ends_with("[\"Allow once\", \"Refuse\"]"), "{asked:?}");

    let Some((sampled, _)) = call("sample", true, &[Answered::Choice(0)]).await else { return };
    assert_eq!(sampled["content"], json!({"type": "text", "text": "sampled"}));
}

#[tokio::test]
async fn prompts_are_commands() {
    let Some(python) = super::python() else { return };
    let servers = Servers::new(Workspace::new(Vec::new()), |notice| panic!("{}", notice.message));
    let path = super::script_path().to_string_lossy().into_owned();
    servers.set(vec![Spec::program("tests", python, [path])], Vec::new());
    let commands = Commands::new(vec![servers.clone()]);
    assert!(commands.list().await.items.is_empty(), "nobody waits for it");
    let mut changes = servers.changes();
    while servers.list()[0].state != State::Ready {
        tokio::time::timeout(LIMIT, changes.next()).await.expect("it starts");
    }
    let expected = Command {
        name: "mcp__tests__review".into(),
        description: "Reviews it".into(),
        arguments: Some("<what>".into()),
        source: "tests".into(),
    };
    assert_eq!(commands.list().await.items, [expected]);
    let said = commands.expand("mcp__tests__review", "all of it").await;
    assert_eq!(said, Ok(vec![Content::Text { text: "Review all of it".into() }]));
    let missing = commands.expand("mcp__tests__review", " ").await.unwrap_err().to_string();
    assert!(missing.contains("`what` (What to review) is missing"), "{missing}");
    servers.shut_down().await;
}

#[tokio::test]
async fn a_clients_prompts_may_name_them() {
    let script = script::by_prompt(json!({"Review all of it": [{"text": "reviewed"}]}));
    let ground = super::ground!(&script, &[], "");
    let (mut client, session) = super::ready(&ground).await;
    let listed = client.call("command/list", json!({"sessionId": session})).await;
    assert_eq!(listed["commands"][0]["source"], "tests", "{listed}");
    client.start(&session, "/mcp__tests__review all of it").await;
    assert_eq!(streamed(&client.events_until(&session, "turnEnded").await), "reviewed");
}
