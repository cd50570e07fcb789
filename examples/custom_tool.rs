//! A tool of one's own, and agents nested in an agent that use it.
//!
//! `cargo run --example custom_tool` plays a script.

#![allow(clippy::print_stdout, reason = "an example shows what it did")]

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use pillion::{
    agent::{Agent, Event},
    provider::scripted::Scripted,
    tool::{Context, Output, Profile, Proposal, Registry, ToolError, Typed, typed},
    transcript::Message,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The distance between two towns by road.
#[derive(Deserialize, JsonSchema)]
struct Distance {
    /// Where the ride begins.
    from: String,
    /// Where it ends.
    to: String,
}

/// What it knows could as well come from a database or a service.
struct Roads;

impl Roads {
    const KNOWN: [(&str, &str, u32); 2] = [("Kendal", "Keswick", 48), ("Keswick", "Carlisle", 55)];
}

#[async_trait]
impl Typed for Roads {
    const NAME: &'static str = "distance";
    const READS_ONLY: bool = true;
    // Its documentation, and that of its fields, is what the model reads.
    type Input = Distance;

    /// What the call would do, for the gate and the person: here it only looks something up.
    async fn propose(&self, input: &Distance, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal::harmless(format!("Distance from {} to {}", input.from, input.to)))
    }

    async fn run(&self, input: Distance, _: &Context) -> Result<Output, ToolError> {
        let known = Self::KNOWN.iter().find(|(from, to, _)| *from == input.from && *to == input.to);
        let (_, _, kilometres) = known.ok_or_else(|| {
            ToolError::new(format!("no road from {} to {} is known; ask for a shorter way", input.from, input.to))
        })?;
        Ok(Output::text(format!("{kilometres} km")))
    }
}

const SCRIPT: &str = r#"[
    {"match": "How far", "steps": [
        {"toolCall": {"name": "sub_agent", "input": {"agent": "scout", "task": "first leg"}}},
        {"toolCall": {"name": "sub_agent", "input": {"agent": "scout", "task": "second leg"}}},
        {"usage": {"inputTokens": 100, "outputTokens": 20}}
    ]},
    {"match": "first leg", "steps": [
        {"toolCall": {"name": "distance", "input": {"from": "Kendal", "to": "Keswick"}}},
        {"usage": {"inputTokens": 10, "outputTokens": 5}}
    ]},
    {"match": "second leg", "steps": [
        {"toolCall": {"name": "distance", "input": {"from": "Keswick", "to": "Carlisle"}}},
        {"usage": {"inputTokens": 10, "outputTokens": 5}}
    ]},
    {"afterTools": true, "steps": [{"text": "That leg is fine."}]},
    {"afterTools": true, "steps": [{"text": "That leg is fine."}]},
    {"afterTools": true, "steps": [{"text": "103 km in all."}]}
]"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tools = Registry::new();
    tools.add(typed(Roads))?;
    let scout = Profile {
        name: "scout".into(),
        description: "Looks up one leg of a ride.".into(),
        instructions: "Answer in one sentence.".into(),
        model: None,
        tools: Some(vec!["distance".into()]),
        turn_limit: Some(3),
    };
    let agent = Agent::builder()
        .provider(Arc::new(Scripted::parse(SCRIPT)?))
        .model("any")
        .tools(tools)
        .sub_agents([scout])
        .build()?;

    let mut turn = agent.stream(&[Message::user("How far is it from Kendal to Carlisle?")]);
    let mut distances = Vec::new();
    while let Some(event) = turn.next().await {
        // What a nested agent does is told below the call that it works for.
        if let Event::Nested { event, .. } = event
            && let Event::ToolResult { result, .. } = *event
        {
            distances.extend(result.content);
        }
    }
    let result = turn.into_result().await?;
    println!("{}", result.text);
    assert_eq!(distances.len(), 2, "each scout has asked once");
    assert_eq!(result.text, "103 km in all.");
    // The nested agents' tokens are the turn's.
    assert_eq!(result.usage.input_tokens, Some(120));
    Ok(())
}
