//! One question, one answer, with tools that may look but not touch.
//!
//! `cargo run --example one_shot` plays a script. With a key it asks a real model:
//! `ANTHROPIC_API_KEY=... cargo run --example one_shot -- anthropic claude-sonnet-4-5`

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use pillion::{
    agent::Agent,
    provider::{Provider, presets, scripted::Scripted},
    tool::Registry,
    transcript::{Message, StopReason},
    workspace::Workspace,
};

/// What the model says where there is none: it looks into the manifest, then answers.
const SCRIPT: &str = r#"[
    {"steps": [
        {"text": "Let me look."},
        {"toolCall": {"name": "grep", "input": {"pattern": "^name", "path": "Cargo.toml"}}}
    ]},
    {"afterTools": true, "steps": [{"text": "The package is called pillion."}]}
]"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (provider, model): (Arc<dyn Provider>, &str) = match arguments.as_slice() {
        [name, model] => {
            (presets::open(presets::Settings { name: name.clone(), ..presets::Settings::default() })?, model)
        }
        _ => (Arc::new(Scripted::parse(SCRIPT)?), "any"),
    };
    let agent = Agent::builder()
        .provider(provider)
        .model(model)
        .system("Answer in one sentence.")
        .tools(Registry::standard())
        .workspace(Workspace::new(vec![env!("CARGO_MANIFEST_DIR").into()]))
        .build()?;

    // The default policy lets a model read inside the roots. Anything more is asked for, and here is nobody to ask.
    let mut history = vec![Message::user("What is this package called?")];
    let result = agent.run(&history).await?;
    println!("{}", result.text);
    assert_eq!(result.stop_reason, StopReason::EndTurn);
    assert!(result.text.contains("pillion"));

    // The history is the caller's: what the turn added is appended, and the next prompt goes on from there.
    history.extend(result.messages);
    assert!(pillion::transcript::is_whole(&history));
    Ok(())
}
