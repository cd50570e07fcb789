//! The loop step by step.

mod again;

use std::sync::Arc;

use serde_json::json;

use super::{super::*, stage::*};
use crate::{
    permission::Mode,
    tool::Detached,
    transcript::{Content, Role, is_whole},
};

fn config() -> SessionConfig {
    SessionConfig::default().policy(Policy { mode: Mode::Ask, rules: Vec::new() })
}

fn go() -> SessionConfig {
    config().input([Message::user("go")])
}

fn calls(calls: &[(&'static str, &'static str, Value)]) -> Vec<Cue> {
    let calls = calls.iter().map(|(id, tool, input)| Cue::Call(id, tool, input.clone()));
    calls.chain([Cue::Done(StopReason::ToolCalls)]).collect()
}

/// Two looks outside the roots, which are asked about side by side, and one inside.
fn three_looks() -> Vec<Cue> {
    calls(&[
        ("a", "look", json!({"do": "x", "path": "/outside/a"})),
        ("b", "look", json!({"do": "y", "path": "/outside/b"})),
        ("c", "look", json!({"do": "z"})),
    ])
}

async fn finished(driver: &mut Driver) -> RunResult {
    match driver.next().await {
        Step::Finished(result) => result.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// A driver whose turn is in a tool that waits to be cancelled.
async fn in_a_tool() -> (Arc<Stage>, Driver) {
    let stage = stage();
    let model = Model::new([calls(&[("a", "look", json!({"do": "wait"}))])]);
    let mut driver = agent(&model, &stage).start(go());
    tokio::select! {
        biased;
        step = driver.next() => panic!("the tool waits: {step:?}"),
        _ = stage.barrier.wait() => {}
    }
    (stage, driver)
}

async fn asked(driver: &mut Driver) -> ApprovalRequest {
    match driver.next().await {
        Step::Interrupt(Interrupt::ApprovalRequest(request)) => *request,
        other => panic!("{other:?}"),
    }
}

async fn awaits_input(driver: &mut Driver) {
    assert!(matches!(driver.next().await, Step::Interrupt(Interrupt::AwaitingInput)));
}

fn ran(stage: &Stage) -> Vec<String> {
    stage.ran.lock().unwrap().iter().map(|(id, _)| id.clone()).collect()
}

fn results(messages: &[Message]) -> Vec<&ToolResult> {
    messages.iter().flat_map(Message::tool_results).collect()
}

#[tokio::test]
async fn input_begins_a_turn_and_without_it_the_driver_waits() {
    let stage = stage();
    let model = Model::new([vec![Cue::Say("one"), Cue::Done(StopReason::EndTurn)]]);
    let past = [Message::user("before"), Message::assistant("so")];
    let mut driver = agent(&model, &stage).start(config().history(past));
    awaits_input(&mut driver).await;
    awaits_input(&mut driver).await;
    driver.submit(Message::user("go")).unwrap();
    let result = finished(&mut driver).await;
    assert_eq!((result.text.as_str(), result.messages.len()), ("one", 2), "what was said is a part of the turn");
    awaits_input(&mut driver).await;
    driver.submit(Message::user("and on")).unwrap();
    assert_eq!(finished(&mut driver).await.text, "done");
    assert_eq!(driver.history().len(), 6);
    assert_eq!(driver.usage().output_tokens, Some(2));
    assert_eq!(model.requests.lock().unwrap()[1].messages.len(), 5);
}

#[tokio::test]
async fn approvals_are_answered_by_id_in_any_order_and_come_again_until_then() {
    let stage = stage();
    let mut driver = agent(&Model::new([three_looks()]), &stage).start(go());
    let (first, second) = (asked(&mut driver).await, asked(&mut driver).await);
    assert_eq!((first.id.as_str(), second.id.as_str()), ("a#1", "b#1"));
    // What needs no asking went ahead; its result waits for its place.
    assert_eq!(driver.approvals().len(), 2);
    for expect in ["a#1", "b#1", "a#1"] {
        assert_eq!(asked(&mut driver).await.id, expect);
    }
    assert_eq!(ran(&stage), ["c"]);
    driver.approve(&second.id).unwrap();
    assert_eq!(asked(&mut driver).await.id, "a#1");
    assert_eq!(asked(&mut driver).await.id, "a#1");
    driver.deny(&first.id, Some("not that".into())).unwrap();
    let result = finished(&mut driver).await;
    assert_eq!(ran(&stage), ["c", "b"]);
    let results = results(&result.messages);
    assert_eq!(results.iter().map(|result| result.call_id.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(format!("{:?}", results[0]).contains("not that"));
}

#[tokio::test]
async fn a_patched_input_is_what_runs() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "change", json!({"do": "x"}))])]);
    let mut driver = agent(&model, &stage).start(go());
    let request = asked(&mut driver).await;
    driver.approve_with(&request.id, json!({"do": "patched"})).unwrap();
    finished(&mut driver).await;
    assert_eq!(*stage.ran.lock().unwrap(), [("a".to_owned(), json!({"do": "patched"}))]);
}

/// agentkit gives the same id to approvals of different calls.
#[tokio::test]
async fn approval_ids_do_not_collide() {
    let stage = stage();
    let change = || calls(&[("a", "change", json!({"do": "x"})), ("a#1", "change", json!({"do": "y"}))]);
    let mut driver = agent(&Model::new([change(), change()]), &stage).start(go());
    let mut ids = Vec::new();
    // A riskier input is asked about once more.
    let riskier = json!({"do": "x", "as": "execute"});
    while let Step::Interrupt(Interrupt::ApprovalRequest(request)) = driver.next().await {
        let patch = (ids.len() == 1).then(|| riskier.clone());
        driver.answer(&request.id, Answer::Allow { input: patch, hunks: None }).unwrap();
        ids.push(request.id.clone());
    }
    assert_eq!(ids, ["a#1", "a#1#1", "a#1#2", "a_2#1", "a#1_2#1"]);
}

#[tokio::test]
async fn an_approval_is_answered_once() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "change", json!({"do": "x"}))])]);
    let mut driver = agent(&model, &stage).start(go());
    assert_eq!(driver.approve("a#1"), Err(UnknownApproval("a#1".into())));
    let request = asked(&mut driver).await;
    driver.approve(&request.id).unwrap();
    assert_eq!(driver.deny(&request.id, None), Err(UnknownApproval("a#1".into())));
    finished(&mut driver).await;
    assert_eq!(ran(&stage), ["a"]);
}

#[tokio::test]
async fn the_host_may_speak_between_the_rounds() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "look", json!({"do": "x"}))]), calls(&[("b", "look", json!({"do": "x"}))])]);
    let mut driver = agent(&model, &stage).start(go().stop_after_tool_results(true));
    for _ in 0..2 {
        assert!(matches!(driver.next().await, Step::Interrupt(Interrupt::AfterToolResult)));
        driver.submit(Message::user("faster")).unwrap();
    }
    finished(&mut driver).await;
    let requests = model.requests.lock().unwrap();
    assert_eq!(requests.iter().map(|request| request.messages.len()).collect::<Vec<_>>(), [1, 4, 7]);
    assert_eq!(requests[2].messages[6], Message::user("faster"));
}

#[tokio::test]
async fn without_being_asked_for_there_is_no_stop_between_the_rounds() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "look", json!({"do": "x"}))])]);
    let mut driver = agent(&model, &stage).start(go());
    assert_eq!(finished(&mut driver).await.text, "done");
}

#[tokio::test]
async fn a_cancel_leaves_a_transcript_to_go_on_with() {
    let stage = stage();
    let model = Model::new([three_looks()]);
    let mut driver = agent(&model, &stage).start(go());
    asked(&mut driver).await;
    driver.cancel();
    let result = finished(&mut driver).await;
    assert_eq!(result.stop_reason, StopReason::Cancelled);
    assert!(driver.approvals().is_empty() && is_whole(&driver.history()));
    awaits_input(&mut driver).await;
    driver.submit(Message::user("on")).unwrap();
    assert_eq!(finished(&mut driver).await.text, "done");
    assert!(is_whole(&driver.history()));
}

/// tkach leaves the calls without results when the turn is cancelled before they are run.
#[tokio::test]
async fn a_cancel_before_dispatch_leaves_no_dangling_call() {
    let stage = stage();
    let mut host = Recorder::new(&stage);
    // The start, the usage, the message with the calls.
    host.cancel_at = Some(2);
    let outcome = play(&Model::new([three_looks()]), &stage, &host).await;
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    assert!(ran(&stage).is_empty() && is_whole(&outcome.messages[..]));
    assert_eq!(results(&outcome.messages).len(), 3);
}

/// tkach waits for the connection to come about before it looks at the cancel.
#[tokio::test]
async fn connecting_can_be_cancelled() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let outcome = play(&Model::new([vec![Cue::Hang(stage.cancel.clone())]]), &stage, &host).await;
    assert_eq!((outcome.stop_reason, outcome.messages.len()), (StopReason::Cancelled, 0));
}

/// agentkit looks every 10 ms. The clock stands still while anything can go on, so that whoever waits for a tick shows.
#[tokio::test(start_paused = true)]
async fn a_cancel_is_heard_at_once_and_not_at_the_next_tick() {
    let began = tokio::time::Instant::now();
    let connecting = stage();
    let host = Recorder::new(&connecting);
    let outcome = play(&Model::new([vec![Cue::Hang(connecting.cancel.clone())]]), &connecting, &host).await;
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);

    let (_running, mut driver) = in_a_tool().await;
    driver.cancel();
    assert_eq!(finished(&mut driver).await.stop_reason, StopReason::Cancelled);
    assert_eq!(began.elapsed(), std::time::Duration::ZERO);
}

#[tokio::test]
async fn what_was_answered_and_not_taken_up_is_asked_again_after_a_restart() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "change", json!({"do": "ok"}))])]);
    let agent = agent(&model, &stage);
    let mut driver = agent.start(go());
    let first = asked(&mut driver).await;
    driver.deny(&first.id, None).unwrap();
    let mut driver = restored(driver, &agent);
    let again = asked(&mut driver).await;
    assert_eq!(again.id, first.id);
    driver.deny(&again.id, None).unwrap();
    finished(&mut driver).await;
    let denied = driver.history().iter().flat_map(Message::tool_results).next().unwrap().clone();
    assert!(format!("{:?}", denied.content).contains("denied this call"), "{denied:?}");
    assert!(stage.ran.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_step_may_be_given_up_and_taken_again() {
    let (stage, mut driver) = in_a_tool().await;
    driver.cancel();
    assert_eq!(finished(&mut driver).await.stop_reason, StopReason::Cancelled);
    stage.tool_cancelled.notified().await;
}

#[tokio::test]
async fn dropping_the_driver_cancels_its_tools() {
    let (stage, driver) = in_a_tool().await;
    drop(driver);
    stage.tool_cancelled.notified().await;
}

#[tokio::test]
async fn a_failed_turn_is_followed_by_the_next() {
    let stage = stage();
    let model = Model::new([vec![Cue::Say("half"), Cue::Fail]]);
    let mut driver = agent(&model, &stage).start(go());
    let Step::Finished(Err(error)) = driver.next().await else { panic!("it failed") };
    assert_eq!((error.to_string().as_str(), error.partial.text.as_str()), ("too busy", "half"));
    driver.submit(Message::user("again")).unwrap();
    assert_eq!(finished(&mut driver).await.text, "done");
    assert!(is_whole(&driver.history()));
}

#[tokio::test]
async fn one_agent_mints_many_sessions_with_observers_of_their_own() {
    #[derive(Default)]
    struct Ends(std::sync::Mutex<usize>);
    impl Observer for Ends {
        fn observe(&self, event: &Event) {
            *self.0.lock().unwrap() += usize::from(matches!(event, Event::TurnEnded { .. }));
        }
    }
    let stage = stage();
    let agent = agent(&Model::new([]), &stage);
    let ends = [std::sync::Arc::new(Ends::default()), std::sync::Arc::new(Ends::default())];
    let mut drivers = ends.clone().map(|ends| agent.start(go().observer(ends)));
    for driver in &mut drivers {
        finished(driver).await;
    }
    drivers[1].submit(Message::user("more")).unwrap();
    finished(&mut drivers[1]).await;
    assert_eq!(ends.map(|ends| *ends.0.lock().unwrap()), [1, 2]);
}

/// Kept as text, as somebody would who wants it back after a restart.
fn restored(driver: Driver, agent: &Agent) -> Driver {
    let kept = serde_json::to_string(&driver.snapshot()).unwrap();
    drop(driver);
    agent.restore(serde_json::from_str(&kept).unwrap())
}

#[tokio::test]
async fn a_restored_driver_asks_again_and_runs_nothing_twice() {
    let (before, after) = (stage(), stage());
    let mut driver = agent(&Model::new([three_looks()]), &before).start(go());
    let (first, second) = (asked(&mut driver).await, asked(&mut driver).await);
    driver.approve(&second.id).unwrap();
    assert_eq!(asked(&mut driver).await.id, first.id);
    let mut others = ran(&before);
    others.sort();
    assert_eq!(others, ["b", "c"]);

    let mut driver = restored(driver, &agent(&Model::new([]), &after));
    assert_eq!(asked(&mut driver).await.id, first.id);
    let mut driver = restored(driver, &agent(&Model::new([]), &after));
    assert_eq!(asked(&mut driver).await.id, first.id, "the same after a second restart");
    driver.approve(&first.id).unwrap();
    let result = finished(&mut driver).await;
    assert_eq!(result.text, "done");
    assert_eq!(ran(&after), ["a"]);
    assert!(is_whole(&driver.history()));
    assert_eq!(results(&driver.history()).iter().filter(|result| !result.is_error).count(), 3);
    assert_eq!(result.usage.output_tokens, Some(2), "the usage is that of the whole turn");
}

#[tokio::test]
async fn a_restored_second_question_shows_the_changed_input() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "change", json!({"do": "x"}))])]);
    let one = agent(&model, &stage);
    let mut driver = one.start(go());
    let riskier = json!({"do": "y", "as": "execute"});
    driver.next().await;
    driver.approve_with("a#1", riskier.clone()).unwrap();
    assert_eq!(asked(&mut driver).await.id, "a#2");
    let mut driver = restored(driver, &one);
    let again = asked(&mut driver).await;
    assert_eq!((again.id.as_str(), &again.call.input), ("a#2", &riskier));
    driver.approve("a#2").unwrap();
    finished(&mut driver).await;
    assert_eq!(*stage.ran.lock().unwrap(), [("a".to_owned(), riskier)]);
}

#[tokio::test]
async fn what_was_running_ends_as_interrupted_unless_it_only_reads() {
    for (tool, runs_again) in [("execute", false), ("look", true)] {
        let (before, after) = (stage(), stage());
        let round = || calls(&[("a", tool, json!({"do": "meet"})), ("b", "look", json!({"do": "x"}))]);
        let auto = Policy { mode: Mode::Auto, rules: Vec::new() };
        let mut driver = agent(&Model::new([round()]), &before).start(go().policy(auto.clone()));
        tokio::select! {
            biased;
            step = driver.next() => panic!("the tool waits: {step:?}"),
            () = async { while ran(&before).is_empty() { tokio::task::yield_now().await } } => {}
        }
        let snapshot = driver.snapshot();
        drop(driver);
        let mut driver = agent(&Model::new([]), &after).start(SessionConfig::from(snapshot).policy(auto));
        let (result, _) = tokio::join!(finished(&mut driver), async {
            if runs_again {
                after.barrier.wait().await;
            }
        });
        assert_eq!(ran(&after).contains(&"a".to_owned()), runs_again);
        let all = [ran(&before), ran(&after)].concat();
        // It reads, so that it may run again if it was running, too.
        assert!((1..=1 + usize::from(runs_again)).contains(&all.iter().filter(|id| *id == "b").count()), "{all:?}");
        assert_eq!(results(&result.messages)[0].is_error, !runs_again);
        assert!(is_whole(&driver.history()));
    }
}

#[tokio::test]
async fn a_snapshot_between_turns_keeps_what_was_said_and_submitted() {
    let stage = stage();
    let one = agent(&Model::new([]), &stage);
    let mut driver = one.start(go());
    finished(&mut driver).await;
    driver.submit(Message::user("next")).unwrap();
    let mut driver = restored(driver, &one);
    assert_eq!(driver.history().len(), 2);
    finished(&mut driver).await;
    assert_eq!(driver.history()[2], Message::user("next"));
    assert_eq!(driver.usage().output_tokens, Some(2));
}

#[tokio::test]
async fn a_snapshot_knows_the_background_tasks_and_the_model_is_told_that_they_are_lost() {
    let stage = stage();
    let model = Model::new([]);
    let one = agent(&model, &stage);
    let scope = Scope::default();
    let driver = one.start(config().scope(scope.clone()));
    let task = scope.tasks.start(Detached {
        call_id: "a".into(),
        title: "make".into(),
        work: std::future::pending(),
        stop: Default::default(),
        so_far: std::sync::Arc::new(|| "half of it".into()),
    });
    let mut driver = restored(driver, &one);
    driver.submit(Message::user("go")).unwrap();
    finished(&mut driver).await;
    let request = model.requests.lock().unwrap()[0].clone();
    let told = request.messages.iter().map(Message::text).find(|text| text.contains(&task.id)).expect("it is told");
    assert!(told.contains("half of it"), "{told}");
}

#[tokio::test]
async fn a_turn_that_was_left_while_the_model_spoke_is_said_anew() {
    let stage = stage();
    let model = Model::new([vec![Cue::Say("half"), Cue::Stay]]);
    let one = agent(&model, &stage);
    let mut driver = one.start(go());
    let spoken = async {
        while model.requests.lock().unwrap().is_empty() {
            tokio::task::yield_now().await
        }
    };
    tokio::select! {
        biased;
        step = driver.next() => panic!("the model stays silent: {step:?}"),
        () = spoken => {}
    }
    let mut driver = restored(driver, &one);
    finished(&mut driver).await;
    assert_eq!(driver.history(), [Message::user("go"), Message::assistant("done")]);
}

#[tokio::test]
async fn a_restored_driver_says_what_was_submitted_before_the_model_goes_on() {
    let stage = stage();
    let model = Model::new([calls(&[("a", "look", json!({"do": "x"}))])]);
    let one = agent(&model, &stage);
    let mut driver = one.start(go().stop_after_tool_results(true));
    assert!(matches!(driver.next().await, Step::Interrupt(Interrupt::AfterToolResult)));
    driver.submit(Message::user("not that one")).unwrap();
    let mut driver = restored(driver, &one);
    finished(&mut driver).await;
    awaits_input(&mut driver).await;
    let requests = model.requests.lock().unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].messages[3..], [Message::user("not that one")]);
}

#[tokio::test]
async fn a_history_with_calls_left_open_is_made_whole() {
    let stage = stage();
    let call = Content::ToolCall(ToolCall { id: "x".into(), name: "look".into(), input: json!({}) });
    let history = [Message::user("before"), Message { role: Role::Assistant, content: vec![call] }];
    let mut driver = agent(&Model::new([]), &stage).start(go().history(history));
    finished(&mut driver).await;
    assert!(is_whole(&driver.history()) && driver.history().len() == 5);
}

/// agentkit has no limit: a model that calls and calls never ends.
#[tokio::test]
async fn the_turn_limit_counts_the_rounds_before_a_restart() {
    let stage = stage();
    let look = || calls(&[("a", "look", json!({"do": "x", "path": "/outside/a"}))]);
    let model = Model::new((0..9).map(|_| look()));
    let limited = agent(&model, &stage).to_builder().turn_limit(3).build().unwrap();
    let mut driver = limited.start(go());
    loop {
        match driver.next().await {
            Step::Interrupt(Interrupt::ApprovalRequest(request)) => {
                driver = restored(driver, &limited);
                assert_eq!(asked(&mut driver).await.id, request.id);
                driver.approve(&request.id).unwrap();
            }
            Step::Finished(result) => break assert_eq!(result.unwrap().stop_reason, StopReason::TurnLimit),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(model.requests.lock().unwrap().len(), 3);
}
