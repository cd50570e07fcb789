//! A chat whose answers appear as they are written. Type a line; an empty one ends it.
//!
//! `cargo run --example streaming_chat` plays a script, and talks to itself where nobody types.

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::{
    io::{BufRead, IsTerminal, Write},
    sync::Arc,
};

use futures::StreamExt;
use pillion::{
    agent::{Agent, Event, Scope},
    provider::scripted::Scripted,
    transcript::{Message, StopReason},
};
use tokio_util::sync::CancellationToken;

const SCRIPT: &str = r#"[
    {"match": "colour", "steps": [{"thinking": "Most motorbikes are "}, {"text": "black, "}, {"text": "I believe."}]},
    {"match": "sure", "steps": [{"text": "No."}]},
    {"reuse": true, "steps": [{"text": "I only know "}, {"text": "a few answers."}]}
]"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let agent = Agent::builder().provider(Arc::new(Scripted::parse(SCRIPT)?)).model("any").build()?;
    // What belongs to the conversation besides its messages, the same for all of its turns.
    let scope = Scope::default();
    let mut history = Vec::new();

    for prompt in prompts() {
        history.push(Message::user(prompt));
        // Cancel this token, from wherever, and the turn ends with what was said so far.
        let cancel = CancellationToken::new();
        let mut turn = agent.stream_in(&scope, &history, cancel);
        let mut shown = String::new();
        let mut ended = 0;
        while let Some(event) = turn.next().await {
            match event {
                Event::Text(text) => {
                    print!("{text}");
                    std::io::stdout().flush()?;
                    shown.push_str(&text);
                }
                Event::TurnEnded { stop_reason, .. } => {
                    println!();
                    assert_eq!(stop_reason, StopReason::EndTurn);
                    ended += 1;
                }
                _ => {}
            }
        }
        assert_eq!(ended, 1, "the last event of a turn is its end, exactly once");

        let result = turn.into_result().await?;
        assert_eq!(result.text, shown);
        history.extend(result.messages);
    }
    Ok(())
}

fn prompts() -> Box<dyn Iterator<Item = String>> {
    if std::io::stdin().is_terminal() {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        Box::new(lines.take_while(|line| !line.trim().is_empty()))
    } else {
        Box::new(["Which colour?", "Are you sure?"].map(String::from).into_iter())
    }
}
