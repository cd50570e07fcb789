//! A conversation driven step by step, put away while a call waits for the person, and taken up again.
//!
//! `cargo run --example step_driver` plays a script in a temporary folder.

#![allow(clippy::print_stdout, clippy::disallowed_methods, reason = "an example shows what it did")]

use std::{path::Path, sync::Arc};

use pillion::{
    agent::{Agent, Interrupt, SessionConfig, Snapshot, Step},
    provider::scripted::Scripted,
    tool::Registry,
    transcript::{Message, StopReason},
    workspace::Workspace,
};

const ASKS: &str = r#"[{"steps": [
    {"text": "I'll note that."},
    {"toolCall": {"name": "write", "input": {"path": "note.txt", "content": "Fuel at Shap.\n"}}}
]}]"#;
const GOES_ON: &str = r#"[{"afterTools": true, "steps": [{"text": "Noted."}]}]"#;

/// As it would be built in each process anew: an agent holds nothing of a conversation.
fn agent(script: &str, folder: &Path) -> Result<Agent, Box<dyn std::error::Error>> {
    let agent = Agent::builder()
        .provider(Arc::new(Scripted::parse(script)?))
        .model("any")
        .tools(Registry::standard())
        .workspace(Workspace::new(vec![folder.to_owned()]));
    Ok(agent.build()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let note = folder.path().join("note.txt");

    let mut driver = agent(ASKS, folder.path())?.start(SessionConfig::default());
    assert!(matches!(driver.next().await, Step::Interrupt(Interrupt::AwaitingInput)));
    driver.submit(Message::user("Remember to fuel at Shap."))?;
    let Step::Interrupt(Interrupt::ApprovalRequest(asked)) = driver.next().await else {
        return Err("the call should wait for the person".into());
    };
    println!("{}", asked.title);
    assert!(!note.exists(), "nothing happens before the person has said yes");

    // The person is at lunch: the conversation is put away, and the process may end.
    let stored = serde_json::to_string(&driver.snapshot())?;
    drop(driver);

    // Another process, the next day.
    let snapshot: Snapshot = serde_json::from_str(&stored)?;
    let mut driver = agent(GOES_ON, folder.path())?.restore(snapshot);
    let Step::Interrupt(Interrupt::ApprovalRequest(again)) = driver.next().await else {
        return Err("the call should still wait".into());
    };
    assert_eq!(again.id, asked.id);
    driver.approve(&again.id)?;
    let Step::Finished(result) = driver.next().await else {
        return Err("the turn should end".into());
    };
    let result = result?;
    println!("{}", result.text);
    assert_eq!((result.text.as_str(), result.stop_reason), ("Noted.", StopReason::EndTurn));
    assert_eq!(std::fs::read_to_string(&note)?, "Fuel at Shap.\n");
    Ok(())
}
