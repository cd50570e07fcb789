//! The gate before a call.

use serde_json::{Value, json};

use super::{super::*, stage::*};
use crate::{
    permission::Mode,
    transcript::{Content, ResultContent},
};

fn text(result: &ToolResult) -> String {
    let texts = result.content.iter().map(|part| match part {
        ResultContent::Text { text } => text.clone(),
        ResultContent::Image(_) => "image".into(),
    });
    texts.collect::<Vec<_>>().join("|")
}

struct Played {
    outcome: Outcome,
    /// Text and status of each result.
    results: Vec<(String, CallStatus)>,
    /// The inputs that were run.
    ran: Vec<Value>,
    hunks: Vec<Option<Vec<usize>>>,
    /// The inputs that the person was shown.
    shown: Vec<Value>,
}

async fn play_calls(mode: Mode, answers: Vec<Option<Answer>>, calls: Vec<(&'static str, Value)>) -> Played {
    let stage = stage();
    let mut host = Recorder::asking(&stage, answers);
    host.mode = mode;
    let ids = ["a", "b", "c", "d"];
    let calls = ids.into_iter().zip(calls).map(|(id, (tool, input))| Cue::Call(id, tool, input));
    let model = Model::new([calls.chain([Cue::Done(StopReason::ToolCalls)]).collect()]);
    let outcome = play(&model, &stage, &host).await;
    let status = |event| match event {
        Event::ToolResult { result, status, .. } => Some((text(&result), status)),
        _ => None,
    };
    let ran = stage.ran.lock().unwrap().iter().map(|(_, input)| input.clone()).collect();
    let shown = host.asked.lock().unwrap().iter().map(|request| request.call.input.clone()).collect();
    let hunks = stage.hunks.lock().unwrap().clone();
    Played { outcome, results: host.events().into_iter().filter_map(status).collect(), ran, hunks, shown }
}

fn patched(input: Value) -> Option<Answer> {
    Some(Answer::Allow { input: Some(input), hunks: None })
}

#[tokio::test]
async fn the_policy_decides_first() {
    let edit = json!({"do": "x"});
    let played = play_calls(Mode::AcceptEdits, vec![], vec![("change", edit.clone())]).await;
    assert_eq!((played.shown.len(), played.ran.len()), (0, 1));

    let played = play_calls(Mode::Plan, vec![allow()], vec![("change", edit.clone()), ("look", edit.clone())]).await;
    assert_eq!((played.shown.len(), &played.ran[..]), (0, &[edit][..]));
    assert_eq!(played.results[0].1, CallStatus::Denied);
    assert!(played.results[0].0.starts_with("plan mode"), "{:?}", played.results);

    let outside = json!({"do": "x", "path": "/outside"});
    let played = play_calls(Mode::Auto, vec![allow()], vec![("look", outside.clone())]).await;
    assert_eq!((played.shown, played.ran), (vec![outside.clone()], vec![outside]));
}

#[tokio::test]
async fn what_the_person_says_is_what_happens() {
    let calls = vec![("change", json!({"do": "1"})), ("execute", json!({"do": "2"})), ("change", json!({"do": "3"}))];
    let answers = vec![
        allow(),
        Some(Answer::Deny { reason: Some("use make".into()) }),
        Some(Answer::Allow { input: None, hunks: Some(vec![1]) }),
    ];
    let played = play_calls(Mode::Ask, answers, calls).await;
    assert_eq!(
        played.results,
        [
            ("1 done".into(), CallStatus::Ok),
            ("the person denied this call: use make".into(), CallStatus::Denied),
            ("3 done".into(), CallStatus::Ok),
        ]
    );
    assert_eq!(played.hunks, [None, Some(vec![1])]);
}

#[tokio::test]
async fn a_changed_input_is_run_and_told() {
    let asked = json!({"do": "rm"});
    let changed = json!({"do": "ls"});
    let played = play_calls(Mode::Ask, vec![patched(changed.clone())], vec![("execute", asked.clone())]).await;
    assert_eq!(played.ran, [changed]);
    assert_eq!(
        played.results,
        [("The person changed the input of this call to {\"do\":\"ls\"}.|ls done".into(), CallStatus::Ok)]
    );
    // The transcript keeps what the model asked for.
    let Content::ToolCall(call) = &played.outcome.messages[0].content[0] else { panic!("a call") };
    assert_eq!(call.input, asked);
}

#[tokio::test]
async fn a_changed_input_that_does_more_is_shown_again() {
    for changed in [json!({"do": "x", "path": "/outside"}), json!({"do": "x", "as": "execute"})] {
        let asked = json!({"do": "x"});
        let answers = vec![patched(changed.clone()), allow()];
        let played = play_calls(Mode::Ask, answers, vec![("change", asked.clone())]).await;
        assert_eq!(played.shown, [asked.clone(), changed.clone()]);
        assert_eq!(played.ran, vec![changed.clone()]);
        assert!(played.results[0].0.starts_with("The person changed the input"), "{:?}", played.results);

        let played = play_calls(Mode::Ask, vec![patched(changed)], vec![("change", asked)]).await;
        assert!(played.ran.is_empty(), "the second look was not answered with yes");
    }
}

#[tokio::test]
async fn hunks_of_another_diff_are_asked_for_again() {
    // The policy allows what the person made of it, but not which parts of it they want.
    let (asked, changed) = (json!({"do": "x", "path": "/outside", "diff": "a"}), json!({"do": "x", "diff": "b"}));
    let chosen = Some(Answer::Allow { input: Some(changed.clone()), hunks: Some(vec![0]) });
    let again = Some(Answer::Allow { input: None, hunks: Some(vec![1]) });
    let played = play_calls(Mode::AcceptEdits, vec![chosen, again], vec![("change", asked.clone())]).await;
    assert_eq!(played.shown, [asked, changed.clone()]);
    assert_eq!((played.ran, played.hunks), (vec![changed], vec![Some(vec![1])]));
}

#[tokio::test]
async fn a_changed_input_that_is_wrong_fails_the_call() {
    let played = play_calls(Mode::Ask, vec![patched(json!({}))], vec![("change", json!({"do": "x"}))]).await;
    assert_eq!(
        played.results,
        [("The person changed the input of this call to {}.|`do` is missing".into(), CallStatus::Failed)]
    );
}

#[tokio::test]
async fn stopping_the_turn_at_an_approval_stops_all_of_it() {
    let calls = vec![("look", json!({"do": "0"})), ("change", json!({"do": "1"})), ("look", json!({"do": "2"}))];
    let played = play_calls(Mode::Ask, vec![Some(Answer::CancelTurn)], calls).await;
    assert_eq!(played.outcome.stop_reason, StopReason::Cancelled);
    assert_eq!(played.ran, [json!({"do": "0"})]);
    let statuses: Vec<CallStatus> = played.results.iter().map(|(_, status)| *status).collect();
    assert_eq!(statuses, [CallStatus::Ok, CallStatus::Cancelled, CallStatus::Cancelled]);
}

#[tokio::test]
async fn a_cancel_takes_back_an_open_approval() {
    let played = play_calls(Mode::Ask, vec![None], vec![("change", json!({"do": "x"}))]).await;
    assert_eq!(played.outcome.stop_reason, StopReason::Cancelled);
    assert_eq!(
        played.results,
        [("not run: the turn was cancelled while the person was asked".into(), CallStatus::Cancelled)]
    );
}

#[tokio::test]
async fn several_approvals_may_be_open_at_once() {
    // Both answers never come, so both were asked for before either.
    let outside = json!({"do": "x", "path": "/outside"});
    let calls = vec![("look", outside.clone()), ("look", outside)];
    let played = play_calls(Mode::Ask, vec![None, None], calls).await;
    assert_eq!(played.shown.len(), 2);
}
