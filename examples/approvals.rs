//! A person at the gate: one act allowed, one changed, one denied.
//!
//! `cargo run --example approvals` plays a script in a temporary folder.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example shows what it did")]

use std::sync::Arc;

use futures::StreamExt;
use pillion::{
    agent::{Agent, Answer, ApprovalRequest, CallStatus, Event},
    permission::{Mode, Policy},
    provider::scripted::Scripted,
    tool::Registry,
    transcript::Message,
    workspace::Workspace,
};
use serde_json::json;

const SCRIPT: &str = r#"[
    {"steps": [
        {"toolCall": {"id": "a", "name": "write", "input": {"path": "plan.md", "content": "Ride north.\n"}}},
        {"toolCall": {"id": "b", "name": "write", "input": {"path": "name.txt", "content": "Bonnie\n"}}},
        {"toolCall": {"id": "c", "name": "write", "input": {"path": "secret.txt", "content": "1234\n"}}}
    ]},
    {"afterTools": true, "steps": [{"text": "Two of three."}]}
]"#;

/// The person. Sees what the call would do, not only what the model said about it.
async fn person(request: ApprovalRequest) -> Answer {
    let diff = request.diff.as_ref().map(|diff| diff.unified.as_str()).unwrap_or_default();
    println!("{}\n{diff}", request.title);
    match request.call.id.as_str() {
        "a" => Answer::Allow { input: None, hunks: None },
        // With another input than the model's; it is told.
        "b" => Answer::Allow { input: Some(json!({"path": "name.txt", "content": "Clyde\n"})), hunks: None },
        _ => Answer::Deny { reason: Some("no secrets in files".into()) },
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let agent = Agent::builder()
        .provider(Arc::new(Scripted::parse(SCRIPT)?))
        .model("any")
        .tools(Registry::standard())
        .workspace(Workspace::new(vec![folder.path().to_owned()]))
        .policy(Policy { mode: Mode::Ask, rules: Vec::new() })
        .approver(person)
        .build()?;

    let turn = agent.stream(&[Message::user("Plan a ride.")]);
    let results: Vec<CallStatus> = turn
        .filter_map(async |event| if let Event::ToolResult { status, .. } = event { Some(status) } else { None })
        .collect()
        .await;
    assert_eq!(results, [CallStatus::Ok, CallStatus::Ok, CallStatus::Denied]);

    let read = |name: &str| std::fs::read_to_string(folder.path().join(name));
    assert_eq!(read("plan.md")?, "Ride north.\n");
    assert_eq!(read("name.txt")?, "Clyde\n");
    assert!(read("secret.txt").is_err(), "a denied act leaves no trace");
    Ok(())
}
