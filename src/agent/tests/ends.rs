//! How a turn ends.

use serde_json::json;

use super::{super::*, stage::*};
use crate::{
    provider::{ErrorClass, retry},
    transcript::{Content, Role},
};

async fn check(answers: Vec<Vec<Cue>>, expect: StopReason, said: &[(Role, &str)]) -> Outcome {
    let stage = stage();
    let host = Recorder::new(&stage);
    let outcome = play(&Model::new(answers), &stage, &host).await;
    assert_eq!(outcome.stop_reason, expect);
    let shape: Vec<(Role, String)> = outcome.messages.iter().map(|message| (message.role, message.text())).collect();
    assert_eq!(shape, said.iter().map(|&(role, text)| (role, text.to_owned())).collect::<Vec<_>>());
    outcome
}

fn look() -> Cue {
    Cue::Call("a", "look", json!({"do": "x"}))
}

const ASSISTANT: Role = Role::Assistant;
const USER: Role = Role::User;

#[tokio::test]
async fn an_end_of_turn_with_calls_goes_on() {
    let steps = vec![Cue::Say("let me see"), look(), Cue::Done(StopReason::EndTurn)];
    let said = [(ASSISTANT, "let me see"), (USER, ""), (ASSISTANT, "done")];
    let outcome = check(vec![steps], StopReason::EndTurn, &said).await;
    assert!(!outcome.messages[1].tool_results().next().expect("a result").is_error);
}

#[tokio::test]
async fn calls_of_a_cut_answer_are_not_run() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let model = Model::new([vec![look(), look(), Cue::Done(StopReason::MaxTokens)]]);
    let outcome = play(&model, &stage, &host).await;
    assert_eq!(outcome.stop_reason, StopReason::MaxTokens);
    assert!(stage.ran.lock().unwrap().is_empty());
    assert_eq!(outcome.messages[1].tool_results().filter(|result| result.is_error).count(), 2);
    assert_eq!(model.requests.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_pause_is_called_again() {
    let steps = vec![Cue::Say("searching"), Cue::Done(StopReason::Pause)];
    check(vec![steps], StopReason::EndTurn, &[(ASSISTANT, "searching"), (ASSISTANT, "done")]).await;
}

#[tokio::test]
async fn an_empty_or_blank_answer_leaves_no_message() {
    check(vec![vec![Cue::Done(StopReason::EndTurn)]], StopReason::EndTurn, &[]).await;
    check(vec![vec![Cue::Say(" \n"), Cue::Done(StopReason::EndTurn)]], StopReason::EndTurn, &[]).await;
    check(vec![vec![Cue::Think("hm"), Cue::Done(StopReason::MaxTokens)]], StopReason::MaxTokens, &[]).await;
}

#[tokio::test]
async fn asking_for_tools_without_a_call_is_an_end() {
    let steps = vec![Cue::Say("hm"), Cue::Done(StopReason::ToolCalls)];
    check(vec![steps], StopReason::EndTurn, &[(ASSISTANT, "hm")]).await;
}

#[tokio::test]
async fn a_failed_model_call_keeps_what_is_complete() {
    let steps = vec![Cue::Think("unproven"), Cue::Say("half a sen"), look(), Cue::Fail];
    let outcome = check(vec![steps], StopReason::Error, &[(ASSISTANT, "half a sen")]).await;
    assert_eq!(outcome.messages[0].content, [Content::Text { text: "half a sen".into() }]);
    assert_eq!(outcome.usage, Usage { cost: Some(crate::transcript::Cost::UNKNOWN), ..one_token() });
    let Some(TurnError::Provider(error)) = outcome.error else { panic!("the provider's error") };
    assert_eq!(error.class, ErrorClass::Overloaded);
}

#[tokio::test]
async fn a_model_call_that_failed_before_it_said_anything_is_tried_again() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let model = Model::new([vec![Cue::Fail]]);
    let at_once = retry::Policy { tries: 2, base: Duration::ZERO, ..retry::Policy::default() };
    let agent = agent(&model, &stage).to_builder().retry(at_once).build().unwrap();
    let go = vec![Message::user("go")];
    let outcome = turn::run(&agent, &Scope::default(), go, &host, host.cancel.clone()).await;
    assert_eq!(outcome.stop_reason, StopReason::EndTurn);
    assert!(matches!(&host.events()[1], Event::Retry { attempt: 2, error, .. } if error == "too busy"));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_success() {
    let outcome =
        check(vec![vec![Cue::Say("half"), look(), Cue::Cut]], StopReason::Error, &[(ASSISTANT, "half")]).await;
    let Some(TurnError::Provider(error)) = outcome.error else { panic!("a provider's error") };
    assert_eq!(error.class, ErrorClass::Truncated);
}

#[tokio::test]
async fn a_panic_in_the_loop_is_an_end_like_others() {
    let outcome = check(
        vec![vec![look(), Cue::Done(StopReason::ToolCalls)], vec![Cue::Panic]],
        StopReason::Error,
        &[(ASSISTANT, ""), (USER, "")],
    )
    .await;
    assert!(outcome.error.expect("an error").to_string().contains("the model's stream"));
}

#[tokio::test]
async fn a_cancel_while_the_model_speaks_keeps_what_it_said() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let model = Model::new([vec![Cue::Say("half"), look(), Cue::Hang(stage.cancel.clone())]]);
    let outcome = play(&model, &stage, &host).await;
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    assert_eq!(outcome.messages, [Message::assistant("half")]);
    assert!(outcome.error.is_none());
}

#[tokio::test]
async fn a_turn_that_was_cancelled_before_calls_no_model() {
    let stage = stage();
    let host = Recorder::new(&stage);
    host.cancel.cancel();
    let model = Model::new([]);
    let outcome = play(&model, &stage, &host).await;
    assert_eq!((outcome.stop_reason, outcome.messages.len()), (StopReason::Cancelled, 0));
    assert!(matches!(host.events()[..], [Event::TurnStarted, Event::TurnEnded { .. }]));
    assert!(model.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_usage_is_the_sum_over_rounds() {
    let outcome = check(
        vec![vec![look(), Cue::Done(StopReason::ToolCalls)]],
        StopReason::EndTurn,
        &[(ASSISTANT, ""), (USER, ""), (ASSISTANT, "done")],
    )
    .await;
    assert_eq!(outcome.usage.output_tokens, Some(2));
    assert_eq!(outcome.usage.cache_read_tokens, None);
}
