//! Tools that come and go while a turn runs.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use super::{super::*, stage::*};
use crate::{
    provider::ToolSpec,
    tool::{Collision, Context, Dynamic, Output, Proposal, Registry, Source, Tool, ToolError},
    transcript::is_whole,
};

/// Puts `look` out of the catalogue and `change` in.
struct Switch {
    spec: ToolSpec,
    source: Arc<Dynamic>,
    then: Vec<Arc<dyn Tool>>,
}

#[async_trait]
impl Tool for Switch {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn propose(&self, _: &Value, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal { class: Class::Edit, ..Proposal::harmless("switch") })
    }

    async fn run(&self, _: Value, _: &Context) -> Result<Output, ToolError> {
        self.source.set(self.then.clone());
        Ok(Output::text("switched"))
    }
}

fn cue(id: &'static str, tool: &'static str) -> Cue {
    Cue::Call(id, tool, json!({"do": "it"}))
}

#[tokio::test]
async fn a_change_takes_effect_at_the_next_model_call_and_a_tool_that_went_away_gives_one_error() {
    let stage = stage();
    let of_stage = Source::tools(&tools(&stage));
    let named = |name: &str| of_stage.iter().filter(|tool| tool.spec().name == name).cloned().collect::<Vec<_>>();
    let source = Dynamic::new("moving");
    source.set(named("look"));
    let spec = ToolSpec { name: "switch".into(), description: "x".into(), input_schema: json!({"type": "object"}) };
    let mut registry = Registry::new();
    registry.add(Arc::new(Switch { spec, source: source.clone(), then: named("change") })).unwrap();
    registry.add_source(source, Collision::Refuse).unwrap();

    let model = Model::new([
        vec![
            cue("a", "look"),
            cue("b", "switch"),
            cue("c", "look"),
            cue("d", "change"),
            Cue::Done(StopReason::ToolCalls),
        ],
        vec![cue("e", "change"), cue("f", "look"), Cue::Done(StopReason::ToolCalls)],
    ]);
    let host = Recorder::new(&stage);
    let agent = agent(&model, &stage).to_builder().tools(registry).build().unwrap();
    let outcome = turn::run(&agent, &Scope::default(), vec![Message::user("go")], &host, host.cancel.clone()).await;

    assert!(is_whole(&outcome.messages));
    let results: Vec<_> = outcome.messages.iter().flat_map(Message::tool_results).collect();
    let said: Vec<String> = results
        .iter()
        .map(|result| match &result.content[..] {
            [crate::transcript::ResultContent::Text { text }] => text.clone(),
            other => panic!("one text: {other:?}"),
        })
        .collect();
    let gone =
        "the tool `look` is not available any more: it went away while you were asking for it. Go on without it.";
    let expected = [
        "it done",
        "switched",
        gone,
        "there is no tool `change`; there are: look, switch",
        "it done",
        "there is no tool `look`; there are: change, switch",
    ];
    assert_eq!(said, expected);
    let offered: Vec<Vec<String>> = model
        .requests
        .lock()
        .unwrap()
        .iter()
        .map(|request| request.tools.iter().map(|tool| tool.name.clone()).collect())
        .collect();
    assert_eq!(offered, [["look", "switch"], ["change", "switch"], ["change", "switch"]]);
}

#[tokio::test]
async fn an_input_that_does_not_fit_never_reaches_a_tool_or_a_person() {
    let stage = stage();
    let schema =
        json!({"type": "object", "properties": {"do": {"type": "string", "minLength": 3}}, "required": ["do"]});
    let spec = ToolSpec { name: "switch".into(), description: "x".into(), input_schema: schema };
    let mut registry = Registry::new();
    registry.add(Arc::new(Switch { spec, source: Dynamic::new("none"), then: Vec::new() })).unwrap();
    let calls = [json!({"do": "x"}), json!({}), json!("{\"do\": \"some\"}")];
    let mut cues: Vec<Cue> =
        calls.into_iter().zip(["a", "b", "c"]).map(|(input, id)| Cue::Call(id, "switch", input)).collect();
    cues.push(Cue::Done(StopReason::ToolCalls));
    let model = Model::new([cues]);
    let host = Recorder::asking(&stage, [allow()]);
    let agent = agent(&model, &stage).to_builder().tools(registry).build().unwrap();
    let outcome = turn::run(&agent, &Scope::default(), vec![Message::user("go")], &host, host.cancel.clone()).await;
    let results: Vec<_> = outcome.messages.iter().flat_map(Message::tool_results).cloned().collect();
    let wrong = |why: &str| format!("wrong input for switch, nothing was done: {why}");
    assert_eq!(
        results[0],
        ToolResult::text("a", wrong("`do` should be 3 or more characters long, not a string (\"x\")"), true)
    );
    assert_eq!(results[1], ToolResult::text("b", wrong("`do` is missing"), true));
    assert_eq!(results[2], ToolResult::text("c", "switched", false));
    assert_eq!(host.asked.lock().unwrap().len(), 1);
}
