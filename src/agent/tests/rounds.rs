//! The calls of a round.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;
use tokio::sync::Semaphore;

use super::{super::*, stage::*};
use crate::transcript::{Content, ResultContent, Role};

/// The texts of the results, call by call.
fn results(outcome: &Outcome) -> Vec<(String, String)> {
    let text = |result: &ToolResult| match &result.content[..] {
        [ResultContent::Text { text }] => text.clone(),
        other => format!("{other:?}"),
    };
    outcome.messages.iter().flat_map(Message::tool_results).map(|r| (r.call_id.clone(), text(r))).collect()
}

fn statuses(host: &Recorder) -> Vec<CallStatus> {
    let status = |event| if let Event::ToolResult { status, .. } = event { Some(status) } else { None };
    host.events().into_iter().filter_map(status).collect()
}

fn calls(calls: &[(&'static str, &'static str, &'static str)]) -> Vec<Cue> {
    let call = |&(id, tool, act): &(_, _, &str)| Cue::Call(id, tool, json!({"do": act}));
    calls.iter().map(call).chain([Cue::Done(StopReason::ToolCalls)]).collect()
}

async fn check(given: &[(&'static str, &'static str, &'static str)], expect: &[(&str, &str)], ends: &[CallStatus]) {
    let stage = stage();
    let host = Recorder::new(&stage);
    let outcome = play(&Model::new([calls(given)]), &stage, &host).await;
    let got = results(&outcome);
    assert_eq!(got.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect::<Vec<_>>(), expect);
    assert_eq!(statuses(&host), ends);
    assert_eq!(outcome.stop_reason, StopReason::EndTurn);
}

#[tokio::test]
async fn reading_calls_run_side_by_side() {
    // Each waits for the other.
    check(
        &[("a", "look", "meet"), ("b", "look", "meet")],
        &[("a", "met"), ("b", "met")],
        &[CallStatus::Ok, CallStatus::Ok],
    )
    .await;
}

#[tokio::test]
async fn many_reading_calls_are_all_run() {
    let ids: Vec<&'static str> = (0..50).map(|n| &*Box::leak(format!("c{n}").into_boxed_str())).collect();
    let given: Vec<_> = ids.iter().map(|&id| (id, "look", "x")).collect();
    let expect: Vec<_> = ids.iter().map(|&id| (id, "x done")).collect();
    check(&given, &expect, &[CallStatus::Ok; 50]).await;
}

#[tokio::test]
async fn changing_calls_run_alone_and_in_order() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let given = [("a", "look", "slow"), ("b", "change", "slow"), ("c", "execute", "slow"), ("d", "look", "slow")];
    play(&Model::new([calls(&given)]), &stage, &host).await;
    let ran: Vec<String> = stage.ran.lock().unwrap().iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ran, ["a", "b", "c", "d"]);
    assert_eq!(stage.overlapped.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_call_may_rest_on_what_was_read_just_before_it() {
    check(
        &[("a", "look", "x"), ("b", "change", "after a look")],
        &[("a", "x done"), ("b", "after a look done")],
        &[CallStatus::Ok, CallStatus::Ok],
    )
    .await;
    check(&[("b", "change", "after a look")], &[("b", "look first")], &[CallStatus::Failed]).await;
}

#[tokio::test]
async fn failures_are_results_that_the_model_reads() {
    check(
        &[
            ("a", "look", "fail"),
            ("b", "look", "panic"),
            ("c", "look", "panic early"),
            ("d", "peek", "x"),
            ("e", "look", "x"),
        ],
        &[
            ("a", "it failed"),
            ("b", "the tool broke off because of a mistake in it (running). Try another way."),
            ("c", "the tool broke off because of a mistake in it (proposing). Try another way."),
            ("d", "there is no tool `peek`; there are: change, execute, look"),
            ("e", "x done"),
        ],
        &[CallStatus::Failed, CallStatus::Failed, CallStatus::Failed, CallStatus::Failed, CallStatus::Ok],
    )
    .await;

    let stage = stage();
    let host = Recorder::new(&stage);
    let step = vec![Cue::Call("a", "change", json!({})), Cue::Done(StopReason::ToolCalls)];
    let outcome = play(&Model::new([step]), &stage, &host).await;
    assert_eq!(results(&outcome), [("a".into(), "`do` is missing".into())]);
}

#[tokio::test]
async fn ids_that_the_model_gave_twice_are_made_unique() {
    check(
        &[("a", "look", "1"), ("a", "look", "2"), ("", "look", "3"), ("a_2", "look", "4")],
        &[("a", "1 done"), ("a_2", "2 done"), ("call", "3 done"), ("a_2_2", "4 done")],
        &[CallStatus::Ok; 4],
    )
    .await;

    // Also over the rounds, and over what was there before.
    let stage = stage();
    let host = Recorder::new(&stage);
    let model = Model::new([calls(&[("old", "look", "x")]), calls(&[("old", "look", "x")])]);
    let history = vec![
        Message {
            role: Role::Assistant,
            content: vec![Content::ToolCall(ToolCall { id: "old".into(), name: "look".into(), input: json!({}) })],
        },
        Message { role: Role::User, content: vec![Content::ToolResult(ToolResult::text("old", "x", false))] },
        Message::user("go"),
    ];
    let outcome = turn::run(&agent(&model, &stage), &Scope::default(), history, &host, host.cancel.clone()).await;
    let ids: Vec<String> = results(&outcome).into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["old_2", "old_3"]);
}

#[tokio::test]
async fn progress_comes_between_call_and_result() {
    let stage = stage();
    let host = Recorder::new(&stage);
    play(&Model::new([calls(&[("a", "look", "slow")])]), &stage, &host).await;
    let mut printed = String::new();
    let order: Vec<&str> = host
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::ToolCall { .. } => Some("call"),
            Event::ToolProgress { offset, text, .. } => {
                assert_eq!(*offset, printed.len() as u64);
                printed.push_str(text);
                Some("progress")
            }
            Event::ToolResult { .. } => Some("result"),
            _ => None,
        })
        .collect();
    assert_eq!(printed, "xxxxlast");
    assert_eq!((order.first(), order.last()), (Some(&"call"), Some(&"result")));
}

#[tokio::test]
async fn a_cancelled_call_keeps_what_the_tool_says_of_it() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let model = Model::new([calls(&[("a", "execute", "wait"), ("b", "execute", "never")])]);
    let turn = play(&model, &stage, &host);
    let cancel = async {
        stage.barrier.wait().await;
        stage.cancel.cancel();
    };
    let (outcome, ()) = tokio::join!(turn, cancel);
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    assert_eq!(
        results(&outcome),
        [("a".into(), "killed; it had printed this".into()), ("b".into(), "not run: the turn was cancelled".into())]
    );
    assert_eq!(statuses(&host), [CallStatus::Cancelled; 2]);
}

#[tokio::test]
async fn a_tool_that_does_not_heed_a_cancel_is_given_up() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let outcome = play(&Model::new([calls(&[("a", "execute", "hang")])]), &stage, &host).await;
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    let [(_, text)] = &results(&outcome)[..] else { panic!("one result") };
    assert!(text.starts_with("cancelled while it ran, and it did not stop"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_that_never_gives_way_is_given_up() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let outcome = play(&Model::new([calls(&[("a", "execute", "block")])]), &stage, &host).await;
    assert_eq!(outcome.stop_reason, StopReason::Cancelled);
    assert_eq!(statuses(&host), [CallStatus::Cancelled]);
    // What it says afterwards is heard by nobody.
    let events = host.events().len();
    drop(stage.blocked.lock().unwrap().take());
    assert_eq!(host.events().len(), events);
}

#[tokio::test]
async fn tools_are_sorted_and_the_prefix_of_the_next_call_is_the_last_one() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let model = Model::new([calls(&[("a", "look", "x")]), calls(&[("b", "look", "y")])]);
    play(&model, &stage, &host).await;
    let requests = model.requests.lock().unwrap();
    let names: Vec<&str> = requests[0].tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["change", "execute", "look"]);
    for pair in requests.windows(2) {
        assert_eq!(pair[0].tools, pair[1].tools);
        assert!(pair[1].messages.starts_with(&pair[0].messages));
    }
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn what_the_person_says_meanwhile_goes_before_the_next_call() {
    let stage = stage();
    let host = Recorder::new(&stage);
    let say = |text| vec![Message::user(text)];
    *host.steering.lock().unwrap() = [say("faster"), say("and louder")].into();
    let model = Model::new([calls(&[("a", "look", "x")]), vec![Cue::Say("done?"), Cue::Done(StopReason::EndTurn)]]);
    let outcome = play(&model, &stage, &host).await;
    let shape: Vec<(Role, String)> = outcome.messages.iter().map(|message| (message.role, message.text())).collect();
    let expect = [
        (Role::Assistant, ""),
        (Role::User, ""),
        (Role::User, "faster"),
        (Role::Assistant, "done?"),
        // The model had ended its turn; it goes on.
        (Role::User, "and louder"),
        (Role::Assistant, "done"),
    ];
    assert_eq!(shape, expect.map(|(role, text)| (role, text.to_owned())));
    assert_eq!(outcome.stop_reason, StopReason::EndTurn);
}

#[tokio::test]
async fn at_the_turn_limit_what_was_said_stays_with_the_host() {
    let stage = stage();
    let host = Recorder::new(&stage);
    *host.steering.lock().unwrap() = [vec![Message::user("first")], vec![Message::user("second")]].into();
    let model = Model::new([calls(&[("a", "look", "x")]), calls(&[("b", "look", "y")]), calls(&[("c", "look", "z")])]);
    let agent = agent(&model, &stage).to_builder().turn_limit(2).build().unwrap();
    let go = vec![Message::user("go")];
    let outcome = turn::run(&agent, &Scope::default(), go, &host, host.cancel.clone()).await;
    assert_eq!(outcome.stop_reason, StopReason::TurnLimit);
    assert_eq!(results(&outcome).len(), 2);
    assert_eq!(host.steering.lock().unwrap().len(), 1);
}

/// A host with few places in its queue, each given to whoever came first, as those of tokio's channels are.
struct Narrow {
    within: Recorder,
    places: Arc<Semaphore>,
}

#[async_trait]
impl Host for Narrow {
    async fn emit(&self, event: Event) {
        let place = self.places.clone().acquire_owned().await.unwrap();
        self.within.events.lock().unwrap().push(event);
        tokio::spawn(async move {
            tokio::task::yield_now().await;
            drop(place);
        });
    }

    async fn approve(&self, request: ApprovalRequest) -> Answer {
        self.within.approve(request).await
    }

    fn policy(&self) -> Policy {
        self.within.policy()
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_never_wait_for_each_other() {
    for places in 1..=4 {
        let stage = stage();
        let ids: Vec<&'static str> = (0..100).map(|number| &*format!("c{number}").leak()).collect();
        let looks = ids.iter().map(|id| Cue::Call(id, "look", json!({"do": "x"})));
        let model = Model::new([looks.chain([Cue::Done(StopReason::ToolCalls)]).collect()]);
        let host = Narrow { within: Recorder::new(&stage), places: Arc::new(Semaphore::new(places)) };
        let agent = agent(&model, &stage);
        let scope = Scope::default();
        let turn = turn::run(&agent, &scope, vec![Message::user("go")], &host, stage.cancel.clone());
        let outcome = tokio::time::timeout(Duration::from_secs(3600), turn).await.expect("it comes to its end");
        assert_eq!(outcome.stop_reason, StopReason::EndTurn);
        let results = outcome.messages[1].tool_results().map(|result| result.call_id.clone());
        assert_eq!(results.collect::<Vec<_>>(), ids, "in their order");
    }
}
