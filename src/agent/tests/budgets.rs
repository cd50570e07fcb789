//! Every tool's result is held to a budget, whoever made the tool.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{super::*, stage::*};
use crate::{
    permission::{Mode, Policy},
    provider::ToolSpec,
    tool::{Budget, Context, Output, Proposal, Registry, Tool, ToolError},
    transcript::{Content, Image, ResultContent},
};

/// Returns as much as it is asked for.
struct Much {
    spec: ToolSpec,
    budget: Option<Budget>,
}

#[async_trait]
impl Tool for Much {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn propose(&self, _: &Value, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal::harmless("much"))
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        let text = "é\n".repeat(input["lines"].as_u64().unwrap_or(0) as usize);
        if input["fails"] == true {
            return Err(ToolError::new(text));
        }
        let image = || ResultContent::Image(Image { media_type: "image/png".into(), data: "AAAA".into() });
        let mut content = vec![ResultContent::Text { text: format!("{}\n", context.budget.text) }];
        content.push(ResultContent::Text { text });
        content.extend((0..input["images"].as_u64().unwrap_or(0)).map(|_| image()));
        Ok(Output { content, diff: None })
    }

    fn budget(&self) -> Option<Budget> {
        self.budget
    }
}

fn tools() -> Registry {
    let mut tools = Registry::new();
    for (name, budget) in [("much", None), ("little", Some(Budget::clip(100)))] {
        let spec = ToolSpec { name: name.into(), description: name.into(), input_schema: json!({"type": "object"}) };
        tools.add(Arc::new(Much { spec, budget })).unwrap();
    }
    tools
}

async fn call(
    change: impl FnOnce(Builder) -> Builder,
    tool: &'static str,
    input: Value,
) -> (Vec<ResultContent>, bool, Scope) {
    let model = Model::new([vec![Cue::Call("a", tool, input), Cue::Done(StopReason::ToolCalls)]]);
    let policy = Policy { mode: Mode::Auto, rules: Vec::new() };
    let agent = change(Agent::builder().provider(model).model("m").tools(tools()).policy(policy)).build().unwrap();
    let scope = Scope::default();
    let result = agent.run_in(&scope, &[Message::user("go")], Default::default()).await.unwrap();
    let Content::ToolResult(result) = result.messages[1].content[0].clone() else { panic!("a result") };
    (result.content, result.is_error, scope)
}

fn only_text(content: &[ResultContent]) -> &str {
    let [ResultContent::Text { text }] = content else { panic!("one text: {content:?}") };
    text
}

#[tokio::test]
async fn what_a_library_user_adds_is_held_to_the_default() {
    let (content, is_error, scope) = call(|builder| builder, "much", json!({"lines": 100_000})).await;
    let text = only_text(&content);
    assert!(!is_error && text.len() < Budget::default().text + 300, "{}", text.len());
    assert!(text.starts_with("120000\né\n") && text.ends_with("é\n") && !text.contains('\u{fffd}'));
    assert!(text.contains("go on with read_output {\"id\": \"a\", \"offset\": "), "{text}");
    let mut whole = String::new();
    std::io::Read::read_to_string(&mut scope.outputs.open("a").unwrap(), &mut whole).unwrap();
    assert_eq!(whole, format!("120000\n{}", "é\n".repeat(100_000)));
}

#[tokio::test]
async fn a_tool_an_agent_and_its_builder_may_say_otherwise() {
    let long = json!({"lines": 1000});
    let (content, ..) = call(|builder| builder, "little", long.clone()).await;
    assert!(only_text(&content).starts_with("100\n") && only_text(&content).len() < 250);
    // The builder's word for one tool goes over the tool's own, and that over the builder's for all.
    let of_one = |builder: Builder| builder.output_budget_of("little", Budget::store(200));
    let (content, _, scope) = call(of_one, "little", long.clone()).await;
    assert!(only_text(&content).starts_with("200\n") && scope.outputs.open("a").is_some());
    let (content, ..) = call(|builder| builder.output_budget(Budget::store(300)), "little", long.clone()).await;
    assert!(only_text(&content).starts_with("100\n"));
    let (content, ..) = call(|builder| builder.output_budget(Budget::clip(300)), "much", long).await;
    assert!(only_text(&content).starts_with("300\n") && only_text(&content).contains("not kept"));
}

#[tokio::test]
async fn a_budget_may_fail_the_call() {
    let (content, is_error, scope) =
        call(|builder| builder.output_budget(Budget::fail(50)), "much", json!({"lines": 100})).await;
    assert!(is_error && only_text(&content).contains("more than the 50 it may have"), "{content:?}");
    assert!(scope.outputs.open("a").is_none());
}

#[tokio::test]
async fn errors_and_images_count_too() {
    let input = json!({"lines": 100, "fails": true});
    let (content, is_error, _) = call(|builder| builder.output_budget(Budget::fail(60)), "much", input).await;
    // An error is not lost to being too long.
    assert!(is_error && only_text(&content).starts_with("é\n") && only_text(&content).len() < 250, "{content:?}");
    let (content, ..) = call(|builder| builder, "much", json!({"images": 12})).await;
    let images = content.iter().filter(|part| matches!(part, ResultContent::Image(_))).count();
    assert_eq!(images, 10);
    assert!(
        matches!(content.last(), Some(ResultContent::Text { text }) if text.starts_with("[2 more images left out"))
    );
}
