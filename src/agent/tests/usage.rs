//! What a turn takes, in tokens and in money.

use std::sync::Arc;

use futures::StreamExt;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::*;
use crate::{
    provider::{
        catalog::{Catalog, Facts, Price, Prices},
        retry,
        scripted::Scripted,
    },
    tool::Registry,
    transcript::Cost,
};

/// `scripted/any` costs a dollar for a thousand tokens, `scripted/spare` two.
fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for (model, dollars) in [("scripted/any", 1_000.0), ("scripted/spare", 2_000.0)] {
        let price = Price::from_dollars(dollars);
        let prices = Prices { input: price, output: price, ..Prices::default() };
        catalog.set(model, Facts { prices, window: Some(1_000), ..Facts::default() });
    }
    catalog
}

fn model(script: Value) -> Arc<Scripted> {
    Arc::new(Scripted::parse(&script.to_string()).unwrap())
}

fn agent(script: Value) -> Builder {
    let once = retry::Policy { tries: 1, ..retry::Policy::default() };
    Agent::builder().provider(model(script)).model("any").catalog(catalog()).retry(once)
}

fn tokens(input: u64, output: u64) -> Value {
    json!({"usage": {"inputTokens": input, "outputTokens": output}})
}

async fn rounds(mut stream: RunStream) -> (Vec<(Usage, ContextUse)>, Usage) {
    let (mut rounds, mut turn) = (Vec::new(), None);
    while let Some(event) = stream.next().await {
        match event {
            Event::Usage { round, context } => rounds.push((round, context)),
            Event::TurnEnded { usage, .. } => turn = Some(usage),
            _ => {}
        }
    }
    (rounds, turn.unwrap())
}

#[tokio::test]
async fn usage_covers_all_rounds_and_not_only_the_last() {
    let look = json!({"toolCall": {"name": "look", "input": {}}});
    let agent = agent(json!([{"steps": [look, tokens(100, 10)]}, {"steps": [{"text": "x"}, tokens(130, 5)]}]));
    let agent = agent.tools(Registry::new()).build().unwrap();
    let (rounds, turn) = rounds(agent.stream(&[Message::user("go")])).await;
    let costs: Vec<_> = rounds.iter().map(|(round, _)| round.cost).collect();
    assert_eq!(costs, [Some(Cost::nano_dollars(110_000_000)), Some(Cost::nano_dollars(135_000_000))]);
    assert_eq!((turn.input_tokens, turn.output_tokens), (Some(230), Some(15)));
    assert_eq!(turn.cost, Some(Cost::nano_dollars(245_000_000)));
    // The context is what the last prompt took and what was said to it, not the sum.
    assert_eq!(rounds[1].1, ContextUse { tokens: 135, window: Some(1_000) });
    assert_eq!(rounds[1].1.share(), Some(0.135));
}

#[tokio::test]
async fn a_call_that_nobody_counted_makes_the_sum_at_least_what_is_known() {
    let look = json!({"toolCall": {"name": "look", "input": {}}});
    let agent = agent(json!([{"steps": [look, tokens(100, 10)]}, "uncounted"])).build().unwrap();
    let (rounds, turn) = rounds(agent.stream(&[Message::user("word ".repeat(100))])).await;
    assert!(rounds[1].0.cost.unwrap().is_unknown());
    assert!(rounds[1].1.tokens > 100, "it is estimated: {:?}", rounds[1].1);
    assert_eq!(turn.cost, Some(Cost { nano_dollars: 110_000_000, at_least: true }));
}

#[tokio::test]
async fn what_was_refused_costs_nothing_and_what_was_stopped_is_not_known() {
    let refused = json!([{"steps": [{"error": {"class": "auth", "message": "No."}}]}]);
    let agent = agent(refused).build().unwrap();
    let error = agent.run(&[Message::user("go")]).await.unwrap_err();
    assert_eq!(error.partial.usage, Usage::default());

    let agent = self::agent(json!([{"steps": [{"text": "On and"}, {"hang": true}]}])).build().unwrap();
    let cancel = CancellationToken::new();
    let mut stream = agent.stream_in(&Scope::default(), &[Message::user("go")], cancel.clone());
    while let Some(event) = stream.next().await {
        if matches!(event, Event::Text(_)) {
            cancel.cancel();
        }
    }
    assert!(stream.into_result().await.unwrap().usage.cost.unwrap().is_unknown());
}

#[tokio::test]
async fn a_model_that_stands_in_has_its_own_price() {
    let busy = json!([{"steps": [{"error": {"class": "overloaded", "message": "Busy."}}]}]);
    let spare = model(json!([{"steps": [{"text": "x"}, tokens(100, 0)]}]));
    let agent = agent(busy).fallback(spare, "spare").build().unwrap();
    let usage = agent.run(&[Message::user("go")]).await.unwrap().usage;
    assert_eq!(usage.cost, Some(Cost::nano_dollars(200_000_000)));
}

#[tokio::test]
async fn the_estimate_learns_what_the_provider_counts() {
    let prompt = [Message::user("word ".repeat(400))];
    let scope = Scope::default();
    let agent = agent(json!([{"steps": [{"text": "x"}, tokens(1_000, 1)]}, "uncounted"])).build().unwrap();
    let cancel = CancellationToken::new;
    rounds(agent.stream_in(&scope, &prompt, cancel())).await;
    let (rounds, _) = rounds(agent.stream_in(&scope, &prompt, cancel())).await;
    assert!(rounds[0].1.tokens.abs_diff(1_000) <= 2, "{:?}", rounds[0].1);
}
