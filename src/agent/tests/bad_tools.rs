//! Tools that panic, hang or lie become one error result.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use serde_json::json;

use super::{super::*, stage::*};
use crate::{
    provider::ToolSpec,
    tool::{Collision, Context, Fixed, Output, Proposal, Registry, Source, TimeLimit, Tool, ToolError},
    transcript::is_whole,
};

async fn result_of(what: &str, limit: Duration) -> (ToolResult, CallStatus, Arc<Stage>) {
    let stage = stage();
    let host = Recorder::new(&stage);
    let model = Model::new([vec![Cue::Call("a", "look", json!({"do": what})), Cue::Done(StopReason::ToolCalls)]]);
    let agent = agent(&model, &stage).to_builder().tool_time_limit(limit).build().unwrap();
    let outcome = turn::run(&agent, &Scope::default(), vec![Message::user("go")], &host, host.cancel.clone()).await;
    assert_eq!(outcome.stop_reason, StopReason::EndTurn);
    assert!(is_whole(&outcome.messages[..]));
    let mut results = host.events().into_iter().filter_map(|event| match event {
        Event::ToolResult { result, status, .. } => Some((result, status)),
        _ => None,
    });
    let (result, status) = results.next().unwrap();
    assert!(results.next().is_none(), "one result");
    (result, status, stage)
}

const LONG: Duration = Duration::from_secs(3600);

/// agentkit waits for ever for a tool whose task is gone.
#[tokio::test]
async fn a_panicking_tool_does_not_hang_the_loop() {
    for what in ["panic", "panic early"] {
        let (result, status, _) = result_of(what, LONG).await;
        assert_eq!(status, CallStatus::Failed);
        assert!(result.is_error && format!("{result:?}").contains("mistake in it"), "{result:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_hangs_is_given_up_at_its_time_limit() {
    // Deaf to the cancel too.
    let (result, status, _) = result_of("stuck", Duration::from_secs(7)).await;
    assert_eq!(status, CallStatus::Failed);
    let text = format!("{result:?}");
    assert!(text.contains("time limit of 7 s") && text.contains("did not stop"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_is_too_slow_is_told_to_stop_and_what_it_says_then_is_kept() {
    let (result, status, stage) = result_of("linger", Duration::from_secs(7)).await;
    assert_eq!(status, CallStatus::Failed);
    let text = format!("{result:?}");
    assert!(text.contains("time limit of 7 s") && text.contains("it had printed this"), "{text}");
    assert!(!stage.cancel.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_proposal_that_hangs_is_given_up_too() {
    let (result, _, stage) = result_of("stuck early", Duration::from_secs(7)).await;
    assert!(format!("{result:?}").contains("not run: the call took longer than its time limit of 7 s"));
    assert!(stage.ran.lock().unwrap().is_empty());
}

/// A tool in front of a source that answers as it likes: with other ids than were asked about, and twice.
struct Relay {
    spec: ToolSpec,
    limit: TimeLimit,
    answers: AtomicUsize,
}

#[async_trait]
impl Tool for Relay {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    async fn propose(&self, _: &Value, _: &Context) -> Result<Proposal, ToolError> {
        Ok(Proposal {
            class: Class::Read,
            title: "relay".into(),
            paths: Vec::new(),
            outside: false,
            command: None,
            host: None,
            diff: None,
            risk: None,
            alone: false,
        })
    }

    async fn run(&self, input: Value, context: &Context) -> Result<Output, ToolError> {
        // The second answer comes when the first has been given.
        let (progress, answers) = (context.progress.clone(), self.answers.fetch_add(1, Ordering::SeqCst));
        tokio::spawn(async move { progress.report(0, format!("answer {answers} once more")) });
        if input["do"] == "take your time" {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        Ok(Output::text(r#"{"id": "another call's", "result": "hello"}"#))
    }

    fn time_limit(&self) -> TimeLimit {
        self.limit
    }
}

async fn relayed(limit: TimeLimit, what: &str) -> (Outcome, Vec<Event>) {
    let stage = stage();
    let host = Recorder::new(&stage);
    let mut tools = Registry::new();
    let spec = ToolSpec { name: "relay".into(), description: String::new(), input_schema: json!({"type": "object"}) };
    let relay = Relay { spec, limit, answers: AtomicUsize::new(0) };
    tools.add_source(Fixed::new("far", vec![Arc::new(relay)]).prefixed("far_"), Collision::Refuse).unwrap();
    let call = |id| Cue::Call(id, "far_relay", json!({"do": what}));
    let model = Model::new([vec![call("a"), call("b"), Cue::Done(StopReason::ToolCalls)]]);
    let short = Duration::from_secs(7);
    let agent = agent(&model, &stage).to_builder().tools(tools).tool_time_limit(short).build().unwrap();
    let outcome = turn::run(&agent, &Scope::default(), vec![Message::user("go")], &host, host.cancel.clone()).await;
    (outcome, host.events())
}

/// A tool is not asked which call its answer is for, and has one answer to give.
#[tokio::test]
async fn a_lying_source_answers_its_own_call_and_once() {
    let (outcome, events) = relayed(TimeLimit::Default, "lie").await;
    assert!(is_whole(&outcome.messages));
    let ids: Vec<&str> = outcome.messages[1].tool_results().map(|result| result.call_id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    for id in ids {
        let result = events.iter().position(|e| matches!(e, Event::ToolResult { result, .. } if result.call_id == id));
        let later = events[result.unwrap()..].iter();
        let late = |event: &Event| matches!(event, Event::ToolProgress { call_id, .. } if call_id == id);
        assert!(!later.clone().any(late), "something follows the result of {id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_may_have_a_limit_of_its_own_or_none() {
    for (limit, is_in_time) in [
        (TimeLimit::Default, false),
        (TimeLimit::Of(Duration::from_secs(59)), false),
        (TimeLimit::Of(Duration::from_secs(61)), true),
        (TimeLimit::Unlimited, true),
    ] {
        let (outcome, _) = relayed(limit, "take your time").await;
        assert_eq!(outcome.messages[1].tool_results().all(|result| !result.is_error), is_in_time, "{limit:?}");
    }
}
