//! The agent with the real tools on real files, and a model that plays a script.

use std::{fs, path::Path, sync::Arc, time::Duration};

use futures::StreamExt;
use pillion::{
    agent::{Agent, Answer, CallStatus, Event, Scope},
    permission::{Mode, Policy},
    provider::scripted::Scripted,
    tool::Registry,
    transcript::{Message, StopReason, is_whole},
    workspace::Workspace,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A model that asks for these calls, round by round, and then says `done`.
fn model(rounds: &[&[(&str, Value)]]) -> Arc<Scripted> {
    let round = |calls: &&[(&str, Value)]| {
        let step = |(name, input): &(&str, Value)| json!({"toolCall": {"name": name, "input": input}});
        json!({"steps": calls.iter().map(step).collect::<Vec<_>>()})
    };
    let script: Vec<Value> = rounds.iter().map(round).chain([json!("done")]).collect();
    Arc::new(Scripted::parse(&json!(script).to_string()).expect("a script"))
}

fn agent(root: &Path, model: Arc<Scripted>, policy: Policy) -> Agent {
    let workspace = Workspace::new(vec![root.to_owned()]);
    let builder = Agent::builder().provider(model).model("any").tools(Registry::standard()).workspace(workspace);
    builder.policy(policy).approver(|_| async { Answer::Allow { input: None, hunks: None } }).build().expect("an agent")
}

fn statuses(events: &[Event]) -> Vec<CallStatus> {
    events
        .iter()
        .filter_map(|event| if let Event::ToolResult { status, .. } = event { Some(*status) } else { None })
        .collect()
}

fn go() -> Vec<Message> {
    vec![Message::user("go")]
}

#[tokio::test]
async fn a_turn_reads_edits_and_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.txt"), "one\ntwo\n").expect("a file");
    let model = model(&[
        // The write rests on the read of the same round.
        &[("read", json!({"path": "a.txt"})), ("write", json!({"path": "a.txt", "content": "one\nthree\n"}))],
        &[("edit", json!({"path": "a.txt", "edits": [{"old_string": "one", "new_string": "four"}]}))],
        &[("bash", json!({"command": "cat a.txt"}))],
    ]);
    let events: Vec<Event> = agent(folder.path(), model.clone(), Policy::default()).stream(&go()).collect().await;
    assert_eq!(statuses(&events), [CallStatus::Ok; 4], "{events:#?}");
    assert_eq!(fs::read_to_string(folder.path().join("a.txt")).expect("the file"), "four\nthree\n");
    let printed = model.requests().last().expect("a request").messages.last().expect("a message").clone();
    assert!(format!("{printed:?}").contains("four\\nthree"), "{printed:?}");
}

#[tokio::test]
async fn rules_are_asked_where_the_roots_are() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("src")).expect("a folder");
    let write = |path: &str| ("write", json!({"path": path, "content": "x"}));
    let model = model(&[&[write("src/in.rs"), write("out.rs")]]);
    let policy = Policy { mode: Mode::Ask, rules: vec!["write(src/**)".parse().expect("a rule")] };
    let agent = agent(folder.path(), model, policy).to_builder();
    let agent = agent.approver(|_| async { Answer::Deny { reason: None } }).build().expect("an agent");
    let events: Vec<Event> = agent.stream(&go()).collect().await;
    assert_eq!(statuses(&events), [CallStatus::Ok, CallStatus::Denied], "{events:#?}");
    assert!(folder.path().join("src/in.rs").exists() && !folder.path().join("out.rs").exists());
}

#[tokio::test]
async fn a_call_that_leaves_the_roots_tells_nothing_before_the_gate() {
    for mode in [Mode::Ask, Mode::AcceptEdits, Mode::Plan, Mode::Auto] {
        let told = async |is_there: bool| {
            let folder = tempfile::tempdir().expect("a folder");
            let root = folder.path().join("project");
            fs::create_dir(&root).expect("a folder");
            if is_there {
                fs::write(folder.path().join("key"), "-----BEGIN KEY-----\nsecret\n").expect("a file");
                fs::create_dir_all(folder.path().join("full/of/it")).expect("a folder");
            }
            let model = model(&[&[
                ("edit", json!({"path": "../key", "old_string": "-----BEGIN KEY----\nx", "new_string": "y"})),
                ("edit", json!({"path": "../key", "old_string": "", "new_string": "y"})),
                ("write", json!({"path": "../key", "content": "y"})),
                ("delete", json!({"path": "../full"})),
                ("move", json!({"from": "../key", "to": "../full"})),
            ]]);
            let agent = agent(&root, model, Policy { mode, rules: Vec::new() }).to_builder();
            let agent = agent.approver(|_| async { Answer::Deny { reason: None } }).build().expect("an agent");
            let events: Vec<Event> = agent.stream(&go()).collect().await;
            assert_eq!(statuses(&events), [CallStatus::Denied; 5], "{mode:?}: {events:#?}");
            let result = |event| if let Event::ToolResult { result, .. } = event { Some(result.content) } else { None };
            events.into_iter().filter_map(result).collect::<Vec<_>>()
        };
        assert_eq!(told(true).await, told(false).await, "{mode:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_cancel_ends_a_command_and_keeps_what_it_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(&[&[("bash", json!({"command": "echo started; sleep 60"}))]]);
    let policy = Policy { mode: Mode::Auto, rules: Vec::new() };
    let cancel = CancellationToken::new();
    let agent = agent(folder.path(), model, policy);
    let mut stream = agent.stream_in(&Scope::default(), &go(), cancel.clone());
    let mut events = Vec::new();
    let turn = async {
        while let Some(event) = stream.next().await {
            if matches!(&event, Event::ToolProgress { text, .. } if text.contains("started")) {
                cancel.cancel();
            }
            events.push(event);
        }
    };
    tokio::time::timeout(Duration::from_secs(30), turn).await.expect("it does not wait for the command");
    assert_eq!(statuses(&events), [CallStatus::Cancelled]);
    let result = stream.into_result().await.expect("a cancel is no error");
    assert_eq!(result.stop_reason, StopReason::Cancelled);
    assert!(is_whole(&result.messages));
    assert!(format!("{:?}", result.messages).contains("started"), "{:?}", result.messages);
}

#[tokio::test]
#[cfg(unix)]
async fn a_command_in_the_background_is_waited_for_and_told_of_before_the_next_model_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = model(&[
        &[("bash", json!({"command": "echo from afar", "background": true}))],
        &[("tasks", json!({"action": "read", "id": "task-1", "wait_ms": 20_000}))],
        &[("tasks", json!({"action": "list"})), ("tasks", json!({"action": "cancel", "id": "task-2"}))],
    ]);
    let policy = Policy { mode: Mode::Auto, rules: Vec::new() };
    let scope = Scope::default();
    let stream = agent(folder.path(), model.clone(), policy).stream_in(&scope, &go(), CancellationToken::new());
    let result = stream.into_result().await.expect("a result");
    assert!(is_whole(&result.messages));
    let requests = model.requests();
    let said = |request: usize| format!("{:?}", requests[request].messages);
    assert!(said(1).contains("in the background as task-1"), "{}", said(1));
    assert!(said(2).contains("from afar") && said(2).contains("[exit code 0]"), "{}", said(2));
    let told: Vec<_> = result.messages.iter().filter(|message| message.text().starts_with("[task-1 (`echo")).collect();
    assert_eq!(told.len(), 1, "once");
    let last = said(3);
    assert!(last.contains("task-1: echo from afar") && last.contains("there is no task `task-2`"), "{last}");
}
