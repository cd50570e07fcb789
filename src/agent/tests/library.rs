//! The loop as a library call.

use futures::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{super::*, stage::*};
use crate::{
    tool::{Collision, Dynamic, Profile, Registry},
    transcript::is_whole,
};

fn one_look() -> Vec<Cue> {
    vec![Cue::Say("let me see"), Cue::Call("a", "look", json!({"do": "x"})), Cue::Done(StopReason::ToolCalls)]
}

fn go() -> Vec<Message> {
    vec![Message::user("go")]
}

#[tokio::test]
async fn a_run_gives_what_to_append() {
    let stage = stage();
    let agent = agent(&Model::new([one_look()]), &stage);
    let mut history = go();
    let result = agent.run(&history).await.unwrap();
    assert_eq!((result.text.as_str(), result.stop_reason), ("done", StopReason::EndTurn));
    assert_eq!(result.usage.output_tokens, Some(2));
    history.extend(result.messages);
    assert!(is_whole(&history));
    assert_eq!(history.len(), 4);
}

#[tokio::test]
async fn an_error_carries_what_was_done_until_then() {
    let stage = stage();
    let agent = agent(&Model::new([one_look(), vec![Cue::Say("so"), Cue::Fail]]), &stage);
    let error = agent.run(&go()).await.unwrap_err();
    assert_eq!(error.to_string(), "too busy");
    assert_eq!((error.partial.text.as_str(), error.partial.messages.len()), ("so", 3));
    assert!(is_whole(&error.partial.messages));
}

#[tokio::test]
async fn the_rest_of_a_stream_gives_the_same_result() {
    let stage = stage();
    let whole = agent(&Model::new([one_look()]), &stage).run(&go()).await.unwrap();
    for read_before in 0..12 {
        let mut stream = agent(&Model::new([one_look()]), &stage).stream(&go());
        for _ in 0..read_before {
            stream.next().await;
        }
        assert_eq!(stream.into_result().await.unwrap(), whole);
    }
}

#[tokio::test]
async fn a_stream_ends_after_the_end_of_the_turn() {
    let stage = stage();
    let events: Vec<Event> = agent(&Model::new([one_look()]), &stage).stream(&go()).collect().await;
    assert!(matches!(events.last(), Some(Event::TurnEnded { stop_reason: StopReason::EndTurn, .. })));
}

#[tokio::test]
async fn dropping_the_stream_cancels_its_tools() {
    let stage = stage();
    let call = Cue::Call("a", "look", json!({"do": "wait"}));
    let model = Model::new([vec![call, Cue::Done(StopReason::ToolCalls)]]);
    let mut stream = agent(&model, &stage).stream(&go());
    tokio::select! {
        () = async { while stream.next().await.is_some() {} } => panic!("the tool waits to be cancelled"),
        _ = stage.barrier.wait() => {}
    }
    drop(stream);
    stage.tool_cancelled.notified().await;
}

#[tokio::test]
async fn a_caller_can_cancel() {
    let stage = stage();
    let cancel = CancellationToken::new();
    let model = Model::new([vec![Cue::Say("half"), Cue::Hang(cancel.clone())]]);
    let result = agent(&model, &stage).run_in(&Scope::default(), &go(), cancel).await.unwrap();
    assert_eq!((result.stop_reason, result.text.as_str()), (StopReason::Cancelled, "half"));
}

#[tokio::test]
async fn without_an_approver_what_would_be_asked_is_denied() {
    let change = || vec![Cue::Call("a", "change", json!({"do": "x"})), Cue::Done(StopReason::ToolCalls)];
    let stage = stage();
    let alone = agent(&Model::new([change()]), &stage);
    assert!(alone.run(&go()).await.unwrap().messages[1].tool_results().all(|result| result.is_error));
    assert!(stage.ran.lock().unwrap().is_empty());

    let watched = agent(&Model::new([change()]), &stage).to_builder();
    let watched = watched.approver(|request| async move {
        Answer::Allow { input: None, hunks: (request.class == Class::Edit).then(|| vec![0]) }
    });
    watched.build().unwrap().run(&go()).await.unwrap();
    assert_eq!(*stage.hunks.lock().unwrap(), [Some(vec![0])]);
}

#[tokio::test]
async fn one_agent_serves_many_conversations_at_once() {
    // Two turns that only end together.
    let meet = || vec![Cue::Call("a", "look", json!({"do": "meet"})), Cue::Done(StopReason::ToolCalls)];
    let stage = stage();
    let agent = agent(&Model::new([meet(), meet()]), &stage);
    let history = go();
    let (left, right) = tokio::join!(agent.run(&history), agent.run(&history));
    assert_eq!(left.unwrap().messages, right.unwrap().messages);
}

#[test]
fn an_agent_needs_a_provider_and_a_model() {
    assert_eq!(Agent::builder().model("m").build().err(), Some(BuildError::NoProvider));
    assert_eq!(Agent::builder().provider(Model::new([])).build().err(), Some(BuildError::NoModel));
}

#[test]
fn sub_agents_have_names_of_their_own_and_tools_that_there_are() {
    let build = |tools: Registry, profiles: &[(&str, &[&str])]| {
        let profile = |(name, tools): &(&str, &[&str])| Profile {
            name: (*name).to_owned(),
            tools: Some(tools.iter().map(|tool| (*tool).to_owned()).collect()),
            ..Profile::default()
        };
        let builder = Agent::builder().provider(Model::new([])).model("m").tools(tools);
        builder.sub_agents(profiles.iter().map(profile)).build().err()
    };
    assert_eq!(build(tools(&stage()), &[("a", &["look", "sub_agent"]), ("b", &[])]), None);
    assert_eq!(build(tools(&stage()), &[("a", &[]), ("a", &[])]), Some(BuildError::TwoSubAgents("a".into())));
    let error = build(tools(&stage()), &[("a", &["look", "lok"])]).unwrap().to_string();
    assert!(error.contains("`lok`") && error.contains("change, execute, look"), "{error}");

    let mut moving = tools(&stage());
    moving.add_source(Dynamic::new("later"), Collision::Refuse).unwrap();
    assert_eq!(build(moving, &[("a", &["lok"])]), None, "it may come");
}
